import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.labels import EMOTIONS
from pipeline.models import known
from pipeline.models.cards import (
    CACHE_VARIABLE,
    ModelError,
    cache_folder,
    file_sha256,
    shipped_card,
    shipped_ids,
    shipped_report,
)
from pipeline.models.known import (
    RemoteFile,
    check_pulled,
    checked_files,
    find_known,
    known_for,
    known_models,
    read_lock,
    transformers_card,
)
from pipeline.records import CARD_FILE, write_record
from pipeline.types import ModelCard


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))


def test_label_orders_of_the_design() -> None:
    orders = {model.backend: model.labels for model in known_models()}
    assert orders["hubert"] == ("angry", "fear", "happy", "neutral", "sad", "surprise")
    assert orders["xlm-roberta"] == (
        "neutral", "concerned", "happy", "angry", "sad", "questioning", "surprise", "disgust",
    )  # fmt: skip
    assert orders["deepface"] == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def test_concerned_and_questioning_have_no_canonical_emotion() -> None:
    canonical = known_for("xlm-roberta").card().canonical
    assert [label for label, emotion in canonical.items() if emotion is None] == ["concerned", "questioning"]


def test_a_model_that_is_not_here_has_no_digest() -> None:
    model = known_for("hubert")
    assert not model.is_here
    assert model.card().sha256 == ""


def test_a_model_without_a_licence_is_listed_and_fetched_only_when_named() -> None:
    for model in known_models():
        assert model.optional or "none stated" not in model.licence
    assert known_for("convnext") in known_models()


def test_a_folder_named_like_a_listed_model_is_that_model() -> None:
    found = find_known("/somewhere/Johnson8187/Chinese-Emotion")
    assert found is not None and found.backend == "xlm-roberta"
    assert find_known("/somewhere/else") is None


def test_card_of_a_folder_comes_from_its_configuration(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"id2label": {"1": "Joy", "0": "anger", "2": "other"}}))
    card = transformers_card(str(tmp_path), "text", str(tmp_path))
    assert card.labels == ("anger", "Joy", "other")
    assert card.canonical == {"anger": "angry", "Joy": "happy", "other": None}
    assert len(card.sha256) == 64


def test_the_card_a_training_left_wins(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"id2label": {0: "LABEL_0"}}))
    card = ModelCard("mine", "face", "1", "", "own", ("sad", "joy"), {"sad": "sad", "joy": "happy"}, 1.5)
    write_record(tmp_path / CARD_FILE, card)
    read = transformers_card(str(tmp_path), "face", str(tmp_path))
    assert read == replace(card, sha256=read.sha256) and len(read.sha256) == 64
    with pytest.raises(ModelError, match="reads face, not voice"):
        transformers_card(str(tmp_path), "voice", str(tmp_path))
    (tmp_path / CARD_FILE).write_text("{}")
    with pytest.raises(ModelError, match="is damaged"):
        transformers_card(str(tmp_path), "face", str(tmp_path))


def test_outputs_without_names_are_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}))
    with pytest.raises(ModelError, match="id2label"):
        transformers_card(str(tmp_path), "text", str(tmp_path))


@pytest.mark.parametrize(
    "content",
    [
        b"{", b"[]", b"7", b"\xff\0", b"[" * 100_000, b'{"a/b": 1}',
        b'{"a/b": {"revision": "r", "files": "x"}}', b'{"a/b": {"files": {}}}',
        b'{"../a": {"revision": "r", "files": {}}}',
    ],
)  # fmt: skip
def test_a_damaged_lock_says_what_to_do(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "lock.json").write_bytes(content)
    with pytest.raises(ModelError, match="delete it"):
        read_lock()


@pytest.mark.parametrize("model_id", shipped_ids())
def test_cards_and_reports_of_the_package_can_be_read(model_id: str) -> None:
    card, report = shipped_card(model_id), shipped_report(model_id)
    assert set(card.labels) == (set() if card.modality == "speakers" else set(EMOTIONS))
    assert report is not None and report.metrics and report.size_bytes < 12_000_000


def test_a_changed_weight_file_is_never_used(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"weights").hexdigest()
    model = replace(known_models()[0], id="made", files=(RemoteFile("model.bin", sha256=digest),))
    with pytest.raises(ModelError, match="not on this machine"):
        checked_files(model)
    model.home.mkdir(parents=True)
    (model.home / "model.bin").write_bytes(b"weights")
    assert checked_files(model) == {"model.bin": model.home / "model.bin"}
    (model.home / "model.bin").write_bytes(b"weighty")
    with pytest.raises(ModelError, match="not the file made was published with"):
        checked_files(model)


def record(model_id: str, **digests: str) -> None:
    lock = {model_id: {"revision": "r", "files": {name.replace("_", "."): d for name, d in digests.items()}}}
    (cache_folder() / "lock.json").write_text(json.dumps(lock))


@pytest.mark.parametrize("model_id", ["somebody/else", "Johnson8187/Chinese-Emotion"])
def test_a_file_that_changed_since_its_pull_is_never_used(model_id: str) -> None:
    folder = cache_folder() / model_id
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    check_pulled(folder)
    record(model_id, model_safetensors=hashlib.sha256(b"weights").hexdigest(), config_json="0" * 64)
    check_pulled(folder)
    (folder / "model.safetensors").write_bytes(b"weighty")
    with pytest.raises(ModelError, match=rf"not the file {model_id} was published with; delete it and run"):
        check_pulled(folder)


def test_a_file_is_read_again_only_after_it_was_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    monkeypatch.setattr(known, "file_sha256", lambda path: read.append(path) or file_sha256(path))
    model = replace(known_models()[0], id="made", files=(RemoteFile("a", sha256=file_digest(b"one")),))
    model.home.mkdir(parents=True)
    (model.home / "a").write_bytes(b"one")
    for _ in range(2):  # just written: it may change without a trace
        checked_files(model)
    assert len(read) == 2
    monkeypatch.setattr(known, "STEADY_NS", 0)
    for _ in range(3):
        checked_files(model)
    assert len(read) == 3
    (model.home / "a").write_bytes(b"another")
    with pytest.raises(ModelError, match="not the file"):
        checked_files(model)


def file_digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
