import shutil
from pathlib import Path

import pytest

from pipeline.fusion.learned import SHIPPED as FUSION
from pipeline.graph import MODALITIES
from pipeline.models import cards
from pipeline.models.cards import WEIGHTS, ModelError, shipped_card, shipped_ids, shipped_weights
from pipeline.models.load import load_backend
from pipeline.voice.compact import load_weights
from pipeline.voice.speaker_encoder import MODEL_ID as SPEAKERS

SHIPPED = [modality.shipped for modality in MODALITIES.values()]


@pytest.fixture(params=SHIPPED)
def copied(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    """Card and weights of a shipped model in a folder of their own."""
    for path in WEIGHTS.glob(f"{request.param}.*"):
        shutil.copy(path, tmp_path)
    return request.param, tmp_path


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_every_modality_has_its_model_in_the_package() -> None:
    assert sorted([*SHIPPED, FUSION, SPEAKERS]) == list(shipped_ids())


def test_whole_weights_are_found(copied: tuple[str, Path]) -> None:
    name, folder = copied
    assert shipped_weights(shipped_card(name, folder), folder).stem == name


def test_one_flipped_bit_is_noticed(copied: tuple[str, Path]) -> None:
    name, folder = copied
    card = shipped_card(name, folder)
    flip_a_byte(shipped_weights(card, folder))
    with pytest.raises(ModelError, match=rf"{name}\.\w+ is damaged; reinstall the package"):
        shipped_weights(card, folder)


def test_missing_parts_say_what_to_do(copied: tuple[str, Path]) -> None:
    name, folder = copied
    card = shipped_card(name, folder)
    shipped_weights(card, folder).unlink()
    with pytest.raises(ModelError, match=f"weights of {name} are missing; reinstall"):
        shipped_weights(card, folder)
    (folder / f"{name}.card.json").write_text("{")
    with pytest.raises(ModelError, match="is damaged; reinstall"):
        shipped_card(name, folder)
    (folder / f"{name}.card.json").unlink()
    with pytest.raises(ModelError, match="reinstall"):
        shipped_card(name, folder)


@pytest.mark.parametrize("modality", MODALITIES)
def test_no_back_end_loads_weights_that_are_not_its_cards(
    modality: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib

    monkeypatch.setattr(cards, "file_sha256", lambda path: "0" * 64)
    module, attribute = MODALITIES[modality].backends.split(":")
    backends = getattr(importlib.import_module(module), attribute)
    with pytest.raises(ModelError, match="is damaged; reinstall the package"):
        load_backend(backends, "compact", "cpu")


def test_a_trained_voice_model_is_held_to_its_own_card(tmp_path: Path) -> None:
    for path in WEIGHTS.glob("voice_compact.*"):
        shutil.copy(path, tmp_path)
    load_weights(tmp_path)
    flip_a_byte(tmp_path / "voice_compact.onnx")
    with pytest.raises(ModelError, match="is damaged"):
        load_weights(tmp_path)


def test_shipped_weights_say_nothing_of_the_machine_they_were_made_on():
    for model_id in shipped_ids():
        content = shipped_weights(shipped_card(model_id)).read_bytes()
        assert b"site-packages" not in content and b"/pipeline/train" not in content, model_id
