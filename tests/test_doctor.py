from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import doctor
from pipeline.graph import MODALITIES
from pipeline.models.cards import CACHE_VARIABLE, WEIGHTS, ModelError, shipped_card, shipped_weights
from pipeline.models.known import known_for, known_models
from pipeline.types import ModelCard


def shipped() -> Iterator[doctor.Finding]:
    return (finding for finding in doctor.examine() if "in the package" in finding.what)


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))


def test_the_model_of_every_modality_is_looked_at() -> None:
    found = list(shipped())
    assert [finding.works for finding in found] == [True] * len(MODALITIES)
    for modality in MODALITIES.values():
        assert any(modality.shipped in finding.what for finding in found)


def test_damaged_weights_are_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "voice_compact.onnx").write_bytes(b"damaged")

    def weights(card: ModelCard) -> Path:
        return shipped_weights(card, tmp_path if card.id == "voice_compact" else WEIGHTS)

    monkeypatch.setattr(doctor, "shipped_weights", weights)
    broken = [finding for finding in shipped() if not finding.works]
    assert [finding.needed for finding in broken] == [True]
    assert "voice_compact.onnx is damaged; reinstall the package" in broken[0].cost


def test_a_model_that_is_gone_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    def card(model_id: str) -> ModelCard:
        if model_id == "face_compact":
            raise ModelError("gone; reinstall it")
        return shipped_card(model_id)

    monkeypatch.setattr(doctor, "shipped_card", card)
    broken = [finding for finding in shipped() if not finding.works]
    assert [(finding.needed, "face_compact" in finding.what) for finding in broken] == [(True, True)]


def test_a_model_that_is_not_here_says_what_that_costs() -> None:
    about = {finding.what.split()[1]: finding for finding in doctor.examine() if " in /" in finding.what}
    for model in known_models():
        if not model.optional:
            assert not about[model.id].works and not about[model.id].needed
            assert about[model.id].cost == f"{model.without}; run `emotion-pipeline models pull`"


def test_a_model_that_was_changed_is_missing() -> None:
    known = known_for("yunet")
    known.home.mkdir(parents=True)
    (known.home / known.files[0].path).write_bytes(b"another")
    (broken,) = (finding for finding in doctor.examine() if finding.what.startswith("model yunet"))
    assert not broken.works and "not the file yunet was published with; delete it" in broken.cost


def test_what_is_fetched_only_when_named_is_not_missed() -> None:
    assert known_for("convnext").optional
    assert not any(known_for("convnext").id in finding.what for finding in doctor.examine())
    assert any(known_for("hubert").id in finding.what for finding in doctor.examine())
