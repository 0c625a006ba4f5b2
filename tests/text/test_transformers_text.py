"""The Transformers back-end on tiny XLM-RoBERTa checkpoints with a fixed answer."""

from pathlib import Path

import pytest

from pipeline.labels import EMOTIONS, top
from pipeline.models.cards import CACHE_VARIABLE, ModelError
from pipeline.models.known import known_for
from pipeline.models.load import load_backend
from pipeline.text.backends import BACKENDS
from tests.text.checkpoints import tiny_text_model

CHINESE_EMOTION = known_for("xlm-roberta").labels


def chinese_emotion(cache: Path, certain_of: str) -> Path:
    """A checkpoint where Chinese-Emotion would lie, with unnamed outputs as on the hub, sure of one label."""
    bias = [8.0 if label == certain_of else 0.0 for label in CHINESE_EMOTION]
    unnamed = [f"LABEL_{i}" for i in range(len(CHINESE_EMOTION))]
    return tiny_text_model(cache / "Johnson8187" / "Chinese-Emotion", unnamed, bias)


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("label", ["neutral", "happy", "angry", "sad", "surprise", "disgust"])
def test_label_order_comes_from_the_card(cache: Path, label: str) -> None:
    chinese_emotion(cache, certain_of=label)
    (scores,) = load_backend(BACKENDS, "xlm-roberta", "cpu")(["开心"], ["zh"])
    assert top(scores)[0] == label
    assert scores.unmapped < 0.01


@pytest.mark.parametrize("label", ["concerned", "questioning"])
def test_mass_without_a_canonical_emotion_is_kept_apart(cache: Path, label: str) -> None:
    chinese_emotion(cache, certain_of=label)
    (scores,) = load_backend(BACKENDS, "xlm-roberta", "cpu")(["开心"], ["zh"])
    assert scores.unmapped > 0.99
    assert scores.probabilities[EMOTIONS.index("neutral")] < 0.01
    assert sum(scores.probabilities) + scores.unmapped == pytest.approx(1)
    assert scores.native[label] > 0.99


def test_the_model_s_own_id_and_its_folder_mean_the_same(cache: Path) -> None:
    folder = chinese_emotion(cache, certain_of="sad")
    for name in ("Johnson8187/Chinese-Emotion", str(folder)):
        (scores,) = load_backend(BACKENDS, name, "cpu")(["生气"], ["zh"])
        assert top(scores)[0] == "sad"


def test_any_folder_reads_its_own_label_names(tmp_path: Path) -> None:
    folder = tiny_text_model(tmp_path / "mine", ("joy", "anger", "contempt"), (0.0, 5.0, 3.0))
    backend = load_backend(BACKENDS, str(folder), "cpu")
    (scores,) = backend(["so glad"], ["en"])
    assert top(scores)[0] == "angry"
    assert scores.unmapped == pytest.approx(2.718281828**-2 * top(scores)[1], rel=1e-3)
    assert backend.card.labels == ("joy", "anger", "contempt")


def test_a_language_the_card_does_not_name_is_not_read(cache: Path) -> None:
    chinese_emotion(cache, certain_of="happy")
    answers = load_backend(BACKENDS, "xlm-roberta", "cpu")(["开心", "こんにちは", "开心"], ["zh", "ja", None])
    assert [answer is None for answer in answers] == [False, True, False]


def test_the_temperature_of_the_card_is_applied_to_the_logits(tmp_path: Path) -> None:
    from dataclasses import replace

    folder = tiny_text_model(tmp_path / "mine", ("happy", "sad"), (2.0, 0.0))
    backend = load_backend(BACKENDS, str(folder), "cpu")
    backend.card = replace(backend.card, temperature=2.0)
    (scores,) = backend(["so glad"], ["en"])
    assert top(scores)[1] == pytest.approx(1 / (1 + 2.718281828**-1), rel=1e-4)


def test_outputs_without_names_are_refused(tmp_path: Path) -> None:
    folder = tiny_text_model(tmp_path / "mine", ("LABEL_0", "LABEL_1"))
    with pytest.raises(ModelError, match="id2label"):
        load_backend(BACKENDS, str(folder), "cpu")


def test_weights_that_are_not_here_say_how_to_get_them() -> None:
    with pytest.raises(ModelError, match="models pull"):
        load_backend(BACKENDS, "xlm-roberta", "cpu")


def test_a_long_text_is_cut_not_refused(tmp_path: Path) -> None:
    folder = tiny_text_model(tmp_path / "mine", ("happy", "sad"), (2.0, 0.0))
    (scores,) = load_backend(BACKENDS, str(folder), "cpu")(["glad " * 500], ["en"])
    assert top(scores)[0] == "happy"
