"""The pure parts of the recogniser's benchmark."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.words.asr import (
    Clip,
    Heard,
    alignment,
    brier,
    error_rate,
    fit,
    right_words,
    start_errors_s,
    tokens,
)
from benchmarks.words.burned_in import character_error_rate, measured
from pipeline.text.recognise import Recognised
from pipeline.types import Utterance, Word
from tests.made.media import make_silence
from tests.text.requests import span


def heard(clip: Clip, *words: tuple[float, str, float]) -> Heard:
    said = tuple(Word(span(at, at + 0.2), text, probability) for at, text, probability in words)
    text = " ".join(word.text for word in said)
    line = Utterance(span(0, 9), text, "en", "benchmark", said, no_speech_prob=0.1)
    return Heard(clip, Recognised((line,), "en", None), 1.0, 1.0)


def test_scripts_marks_and_case_are_put_aside() -> None:
    assert tokens("Mr. O’Neil’s ill-disposed!") == ["mister", "oneils", "ill", "disposed"]
    assert tokens("我們，OK 嗎？") == ["我", "们", "ok", "吗"]


def test_error_rates_count_edits_over_the_reference() -> None:
    assert error_rate([("one two three", "one too three four")]) == (pytest.approx(2 / 3), 3)
    assert error_rate([("我走了", "我走"), ("好", "好")]) == (pytest.approx(1 / 4), 4)
    kinds = [kind for kind, _, _ in alignment(["a", "b", "c"], ["a", "x", "c", "d"])]
    assert kinds == ["=", "S", "=", "I"]


def test_word_starts_are_held_against_the_lines_that_they_begin() -> None:
    clip = Clip(Path("a"), "x", starts_us=(0, 3_000_000, 6_000_000), lines=("so it is", "he went", "gone"))
    found = heard(clip, (0.1, "So", 0.9), (0.4, "it", 0.9), (3.3, "he", 0.9), (6.0, "come", 0.9))
    assert start_errors_s(found) == [pytest.approx(0.1), pytest.approx(0.3)]


def test_the_fit_finds_what_it_was_given() -> None:
    clip = Clip(Path("a"), "x", "en", "so it is")
    rows = list(right_words(heard(clip, (0, "so", 0.9), (1, "if", 0.3), (2, "is", 0.8))))
    assert [row[3] for row in rows] == [1, 0, 1] and rows[0][0] == 0.9
    random = np.random.default_rng(0)
    made = [(float(p), 0.0, 0.0, float(random.random() < p), 1) for p in random.uniform(0.02, 0.98, 4000)]
    beta = fit(made)
    assert beta[1] == pytest.approx(1, abs=0.15) and beta[0] == pytest.approx(0, abs=0.15)
    assert brier(made, beta) <= brier(made, np.array([1.0, 0.0, 0.0, 0.0]))


def test_characters_read_from_the_picture_are_counted_in_one_script_without_punctuation() -> None:
    assert character_error_rate("謝謝，大家！", "谢谢大家") == 0.0
    assert character_error_rate("Thank you", "thank yo") == pytest.approx(1 / 8)
    assert character_error_rate("", "a") == 1.0


def test_nothing_is_read_from_a_clip_in_which_nobody_speaks(tmp_path: Path) -> None:
    result = measured(make_silence(tmp_path), None, "auto")
    assert result is not None
    assert (result.lines, result.cer, result.is_false_positive) == ((), None, False)
