"""The model in the package, through the door an analysis uses."""

import time
from collections.abc import Sequence

import numpy as np
import pytest

from pipeline.labels import EMOTIONS, top
from pipeline.models.cards import WEIGHTS, ModelError, file_sha256, shipped_card, shipped_report
from pipeline.text import compact
from pipeline.text.backends import reading_of
from pipeline.text.compact import (
    SPEECH_LOG_ODDS,
    CompactText,
    mix_parts,
    probability,
    share_of_speech,
)
from pipeline.text.featurise import tokens
from pipeline.types import Scores


@pytest.fixture(scope="module")
def model() -> CompactText:
    return compact.load("compact", "cpu")


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("太好了，我们赢了！", "zh", "happy"),
        ("我真的很难过", "zh", "sad"),
        ("你怎么能这样对我，气死我了", "zh", "angry"),
        ("我有點害怕", "zh", "fear"),
        ("I am so happy to see you!", "en", "happy"),
        ("I hate this, leave me alone!", "en", "angry"),
        ("He died last year and I miss him every day.", "en", "sad"),
        ("What?!", "en", "surprise"),
        ("We will meet at three tomorrow.", "en", "neutral"),
        ("Good morning, please sit down.", "en", "neutral"),
    ],
)
@pytest.mark.parametrize("spoken", [False, True])
def test_plain_sentences(model: CompactText, text: str, language: str, expected: str, spoken: bool) -> None:
    (scores,) = reading_of(model, spoken)([text], [language])
    assert scores is not None
    assert top(scores)[0] == expected


def test_a_transcript_leans_towards_the_spoken_expert(model: CompactText) -> None:
    words = tokens("We were on a break, and you know it!", "en")
    english = model.models["en"]
    raw = english.linear(words, "en")
    experts = mix_parts(raw[:-1].reshape(2, -1), english.convolved(words), english.blend)
    shares = [share_of_speech(raw[-1], spoken) for spoken in (False, True)]
    odds = [share / (1 - share) for share in shares]
    assert np.log(odds[1] / odds[0]) == pytest.approx(SPEECH_LOG_ODDS)
    for spoken, share in zip((False, True), shares, strict=True):
        expected = (1 - share) * experts[0] + share * experts[1]
        assert probability(english, words, "en", spoken) == pytest.approx(expected)


def test_a_transcript_in_a_third_language_is_not_read_either(model: CompactText) -> None:
    assert model.of_speech(["何か", ""], ["ja", None]) == [None, None]


def test_a_model_without_a_reading_of_speech_reads_as_ever() -> None:
    def backend(texts: Sequence[str], languages: Sequence[str | None]) -> list[Scores | None]:
        return [None] * len(texts)

    assert reading_of(backend, spoken=True) is backend


@pytest.mark.parametrize(
    ("traditional", "simplified"),
    [
        ("不用管說現在是銅牌，就是最後一舉了", "不用管说现在是铜牌，就是最后一举了"),
        ("我覺得真的很開心，謝謝你們", "我觉得真的很开心，谢谢你们"),
        ("他們說的話讓我非常憤怒", "他们说的话让我非常愤怒"),
    ],
)
def test_both_ways_of_writing_chinese_get_the_same_answer(
    model: CompactText, traditional: str, simplified: str
) -> None:
    first, second = model([traditional, simplified], ["zh", "zh"])
    assert first == second


@pytest.mark.parametrize("language", ["ja", "ko", "de", "und", None])
def test_a_third_language_is_not_read(model: CompactText, language: str | None) -> None:
    assert model(["何か"], [language]) == [None]


@pytest.mark.parametrize("text", ["", "。", "?!", " ", "\u200b", "🙂" * 300, "哈" * 2000, "\x00"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_odd_texts_give_a_distribution(model: CompactText, text: str, language: str) -> None:
    (scores,) = model([text], [language])
    assert scores is not None
    assert sum(scores.probabilities) == pytest.approx(1)
    assert len(scores.probabilities) == len(EMOTIONS)


def test_the_card_knows_its_file() -> None:
    card = shipped_card("text_compact")
    assert card.sha256 == file_sha256(WEIGHTS / "text_compact.npz")
    assert card.languages == ("zh", "en")
    assert "CC BY-NC-SA" in card.licence
    assert (WEIGHTS / "text_compact.npz").stat().st_size <= 6_000_000


def test_changed_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    card = replace(shipped_card("text_compact"), sha256="0" * 64)
    monkeypatch.setattr(compact, "shipped_card", lambda name: card)
    with pytest.raises(ModelError, match="reinstall"):
        compact.load("compact", "cpu")


def test_the_report_says_that_the_references_are_beaten() -> None:
    report = shipped_report("text_compact")
    assert report is not None
    for name, figures in report.reference.items():
        assert report.metrics[name]["accuracy"] > figures["accuracy"]
    plain, converted = report.metrics["ewect"], report.metrics["ewect, traditional characters"]
    assert abs(plain["accuracy"] - converted["accuracy"]) <= 0.01


@pytest.mark.slow
def test_a_line_takes_about_a_millisecond(model: CompactText) -> None:
    seconds = []
    for _ in range(100):
        started = time.perf_counter()
        model(["不用管说现在是铜牌银牌就是最后一举了"], ["zh"])
        seconds.append(time.perf_counter() - started)
    assert sorted(seconds)[20] < 0.002
