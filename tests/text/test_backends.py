"""What every text back-end must do, run over all of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.labels import EMOTIONS
from pipeline.models.cards import CACHE_VARIABLE, ModelError
from pipeline.models.known import known_for
from pipeline.models.load import load_backend
from pipeline.text.backends import BACKENDS, TRANSCRIBERS
from tests.text.checkpoints import tiny_text_model

TEXTS = ["开心", "生气的", "so glad", "😭", "", "x" * 5000]
LANGUAGES = ["zh", "zh", "en", "zh", "zh", "en"]


@pytest.fixture(scope="module", params=sorted(BACKENDS))
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    cache = tmp_path_factory.mktemp("cache")
    name = request.param
    if name == "xlm-roberta":
        listed = known_for(name)
        tiny_text_model(cache / listed.id, listed.labels)
    if name == "transformers":
        name = str(tiny_text_model(cache / "mine", ("joy", "anger", "other")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(cache))
        return load_backend(BACKENDS, name, "cpu")


Backend = Callable[[list[str], list[str | None]], list[Any]]


def test_one_answer_a_text_and_each_is_a_distribution(backend: Backend) -> None:
    answers = backend(TEXTS, list(LANGUAGES))
    assert len(answers) == len(TEXTS)
    for scores in answers:
        if scores is not None:
            assert len(scores.probabilities) == len(EMOTIONS)
            assert sum(scores.probabilities) + scores.unmapped == pytest.approx(1, abs=1e-6)
            assert min(scores.probabilities) >= 0


def test_an_empty_batch_gives_an_empty_list(backend: Backend) -> None:
    assert backend([], []) == []


def test_order_and_company_do_not_matter(backend: Backend) -> None:
    together = backend(TEXTS[:3], list(LANGUAGES[:3]))
    for i in (2, 0, 1):
        (alone,) = backend([TEXTS[i]], [LANGUAGES[i]])
        assert (alone is None) == (together[i] is None)
        if alone is not None:
            assert alone.probabilities == pytest.approx(together[i].probabilities, abs=1e-5)


def test_a_language_outside_the_card_is_none(backend: Any) -> None:
    (answer,) = backend(["gut gemacht"], ["de"])
    assert (answer is None) == bool(backend.card.languages)


def test_twice_the_same(backend: Backend) -> None:
    assert backend(TEXTS, list(LANGUAGES)) == backend(TEXTS, list(LANGUAGES))


def test_the_card_says_what_it_is(backend: Any) -> None:
    assert backend.card.modality == "text"
    assert len(backend.card.sha256) == 64
    assert set(backend.card.canonical) == set(backend.card.labels)


def test_an_unknown_name_lists_the_choices(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="compact"):
        load_backend(BACKENDS, "bert", "cpu")


def test_transcript_sources_are_tried_in_the_order_of_the_design() -> None:
    assert list(TRANSCRIBERS) == ["file", "stream", "burned-in", "faster-whisper", "whisper"]
