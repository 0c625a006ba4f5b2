"""Strict loading, with tiny checkpoints saved by the library itself."""

import json
import warnings
from pathlib import Path

import pytest

from pipeline.models.cards import CACHE_VARIABLE, ModelError, file_sha256
from pipeline.models.transformers_loader import find_model, load_processor, load_strict
from tests.text.checkpoints import tiny_config, tiny_text_model


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))


def test_a_whole_checkpoint_loads_silently_in_evaluation_mode(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = tiny_text_model(tmp_path / "m", ("happy", "sad"))
    capfd.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = load_strict(AutoModelForSequenceClassification, str(folder), "cpu")
        load_processor(AutoTokenizer, str(folder))
    assert not model.training
    assert capfd.readouterr() == ("", "")


def test_missing_head_weights_are_an_error(tmp_path: Path) -> None:
    """The library itself would fill the head with random numbers and go on."""
    from transformers import AutoModelForSequenceClassification, XLMRobertaModel

    XLMRobertaModel(tiny_config(("happy", "sad"))).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="missing: classifier"):
        load_strict(AutoModelForSequenceClassification, str(tmp_path), "cpu")


def test_left_over_weights_are_an_error(tmp_path: Path) -> None:
    from transformers import AutoModel

    folder = tiny_text_model(tmp_path / "m", ("happy", "sad"))
    with pytest.raises(ModelError, match="left over"):
        load_strict(AutoModel, str(folder), "cpu")


def test_a_head_of_another_size_is_an_error(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    folder = tiny_text_model(tmp_path / "m", ("happy", "sad"))
    tiny_config(("happy", "sad", "angry")).save_pretrained(folder)
    with pytest.raises(ModelError, match="m"):
        load_strict(AutoModelForSequenceClassification, str(folder), "cpu")


def test_damaged_weights_are_one_sentence(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    folder = tiny_text_model(tmp_path / "m", ("happy", "sad"))
    (folder / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(ModelError, match="cannot be loaded") as caught:
        load_strict(AutoModelForSequenceClassification, str(folder), "cpu")
    assert "\n" not in str(caught.value)


def test_a_hub_id_is_found_in_the_cache_folder(tmp_path: Path) -> None:
    folder = tiny_text_model(tmp_path / "cache" / "owner" / "model", ("happy", "sad"))
    assert find_model("owner/model") == str(folder)


@pytest.mark.parametrize("by_folder", [True, False])
def test_a_pulled_model_that_was_changed_is_not_used(by_folder: bool, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "owner" / "model"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    lock = {"owner/model": {"revision": "r", "files": {"config.json": file_sha256(folder / "config.json")}}}
    (tmp_path / "cache" / "lock.json").write_text(json.dumps(lock))
    name = str(folder) if by_folder else "owner/model"
    assert find_model(name) == str(folder)
    (folder / "config.json").write_text("[]")
    with pytest.raises(ModelError, match=r"config\.json is not the file owner/model was published with"):
        find_model(name)


def test_a_model_that_is_not_here_says_how_to_get_it() -> None:
    with pytest.raises(ModelError, match="emotion-pipeline models pull owner/model"):
        find_model("owner/model")


@pytest.mark.parametrize("name", ["nowhere", "a/..x/b", "a/b/c"])
def test_what_is_neither_a_folder_nor_a_hub_id_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match="is neither a folder nor a hub id"):
        find_model(name)


def test_a_folder_without_configuration_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json"):
        find_model(str(tmp_path))
