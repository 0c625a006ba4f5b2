"""Recognition with an engine that hears what it is told to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.config import ConfigError
from pipeline.text.chunks import sound_of
from pipeline.text.recognise import Decoded, Recognised, note_of, recognise, with_marks
from pipeline.types import Span, Word
from tests.text.requests import span


@dataclass
class Engine:
    """Hears the next of ``texts`` in each chunk, words evenly spread over what it is given."""

    texts: Sequence[str]
    probability: float = 0.9
    no_speech_prob: float = 0.0
    votes: Sequence[Mapping[str, float]] = ({"en": 0.9, "de": 0.1},)
    again: str = ""
    covers: float = 1.0
    heard_s: list[float] = field(default_factory=list)
    languages: frozenset[str] = frozenset({"en", "de", "zh"})

    def encode(self, samples: NDArray[np.float32]) -> Any:
        self.heard_s.append(samples.size / 16_000)
        return len(self.heard_s) - 1

    def language_probabilities(self, encoded: Any) -> Mapping[str, float]:
        return self.votes[min(encoded, len(self.votes) - 1)]

    def decode(self, encoded: Any, language: str, may_repeat: bool) -> Decoded:
        text = self.texts[min(encoded, len(self.texts) - 1)] if may_repeat else self.again
        said = [f" {word}" for word in text.split()] if language != "zh" else list(text)
        step = self.covers * self.heard_s[encoded] / max(1, len(said))
        words = tuple(Word(span(i * step, (i + 1) * step), w, self.probability) for i, w in enumerate(said))
        return Decoded(words, -0.2, self.no_speech_prob)


def heard(engine: Engine, *speech: Span, seconds: float = 8, **more: Any) -> Recognised:
    samples = np.ones(round(seconds * 16_000), np.float32)
    spans = speech or (span(1, 5),)
    return recognise(engine, sound_of(samples), spans, source="whisper", end_us=round(seconds * 1e6), **more)


def texts(result: Recognised) -> list[str]:
    return [utterance.text for utterance in result.utterances]


def test_lines_lie_over_speech_and_carry_their_words() -> None:
    engine = Engine(["so it is. It was fine"])
    result = heard(engine, span(10, 12), span(40, 42), seconds=60)
    assert texts(result) == ["so it is.", "It was fine"]
    first, second = result.utterances
    assert first.span.start_us >= 10_000_000 and first.span.end_us <= 12_000_000
    assert second.span.start_us >= 40_000_000 and second.span.end_us <= 42_000_000
    assert [word.text for word in first.words] == ["so", "it", "is."]
    assert all(word.probability == 0.9 for word in first.words)
    assert 0 < (first.confidence or 0) < 1 and first.source == "whisper"
    assert sum(engine.heard_s) < 5


def test_without_speech_nothing_is_sent() -> None:
    engine = Engine(["never"])
    samples = np.ones(16_000, np.float32)
    result = recognise(engine, sound_of(samples), [], source="whisper", end_us=1_000_000)
    assert result.utterances == () and engine.heard_s == []


def test_the_language_is_voted_on_over_a_minute_of_speech() -> None:
    votes = [{"en": 0.6, "zh": 0.4}, {"zh": 0.9, "en": 0.1}, {"zh": 0.9, "en": 0.1}, {"de": 1.0}]
    speech = [span(i * 30, i * 30 + 27) for i in range(5)]
    engine = Engine(["好的"], votes=votes)
    result = heard(engine, *speech, seconds=160)
    assert result.language == "zh"
    assert result.language_probability == pytest.approx(0.7333, abs=0.01)
    assert len(engine.heard_s) == 5  # the chunks that voted are not encoded again


def test_a_language_that_was_given_is_not_voted_on() -> None:
    result = heard(Engine(["gut"], votes=[]), language="de-AT")
    assert (result.language, result.language_probability) == ("de", None)
    with pytest.raises(ConfigError, match="does not know the language 'eo'"):
        heard(Engine(["gut"]), language="eo")


def test_an_engine_for_one_language_is_asked_for_no_other() -> None:
    engine = Engine(["so it is"], votes=[{"zh": 0.9, "en": 0.1}], languages=frozenset({"en"}))
    result = heard(engine)
    assert (result.language, result.language_probability) == ("en", 0.1)


def test_a_loop_is_decoded_again_without_repetition() -> None:
    loop = "soca e " * 12
    result = heard(Engine([loop], again="so it is what it is"))
    assert texts(result) == ["so it is what it is"] and result.looped == 0


def test_what_still_loops_is_dropped_and_counted() -> None:
    loop = "soca e " * 12
    result = heard(Engine([loop], again=f"it is {loop}"))
    assert texts(result) == ["it is"] and result.looped == 1
    assert "1 line in which the recogniser repeated itself dropped" in note_of(result, "whisper-base")


def test_doubtful_lines_over_other_sound_are_dropped_and_counted() -> None:
    assert texts(heard(Engine(["so it is"], probability=0.3))) == ["so it is"]
    for engine in (Engine(["Go!"], probability=0.2), Engine(["so it is"], 0.5, no_speech_prob=0.6)):
        result = heard(engine)
        assert (texts(result), result.invented) == ([], 1)
        assert "1 line that the recogniser made up" in note_of(result, "whisper-base")


def test_more_is_asked_of_words_in_a_language_nobody_is_sure_of_or_where_hardly_anybody_speaks() -> None:
    sure, unsure = ({"en": 0.9},), ({"en": 0.2, "de": 0.1},)
    for votes, seconds, expected in ((sure, 8, ["so it is"]), (unsure, 8, []), (sure, 30, [])):
        engine = Engine(["so it is"], probability=0.4, votes=votes)
        assert texts(heard(engine, span(1, 4), seconds=seconds)) == expected
    assert texts(heard(Engine(["so it is"], 0.4), span(1, 3), seconds=30, language="en")) == ["so it is"]


def test_phrases_that_nobody_says_are_dropped_and_thanks_only_where_doubtful() -> None:
    assert texts(heard(Engine(["Subtitles by the Amara.org community"]))) == []
    assert texts(heard(Engine(["Thanks for watching!"]))) == ["Thanks for watching!"]
    assert texts(heard(Engine(["Thanks for watching!"], probability=0.4))) == []


def test_what_the_engine_left_unread_is_sent_again() -> None:
    engine = Engine(["It represents the value", "of money as such"], covers=0.5)
    result = heard(engine, span(0, 8), seconds=8)
    assert texts(result)[:2] == ["It represents the value", "of money as such"]
    assert engine.heard_s[1] == pytest.approx(engine.heard_s[0] / 2, abs=0.1)
    assert len(engine.heard_s) <= 3


def test_an_engine_that_reads_next_to_nothing_is_not_asked_for_ever() -> None:
    engine = Engine(["so"], covers=0.02)
    heard(engine, span(0, 20), seconds=20)
    assert len(engine.heard_s) == 3


def test_chinese_is_written_in_one_script() -> None:
    engine = Engine(["我們說話這樣现在"], votes=[{"zh": 1.0}])
    assert texts(heard(engine)) == ["我們說話這樣現在"]


def test_marks_belong_to_the_words_beside_them() -> None:
    said = [Word(span(i, i + 1), text) for i, text in enumerate([" “", "So", ",", " it", " is", "。", "…"])]
    words, ends = with_marks(said, frozenset({2, 6}))
    assert [word.text for word in words] == [" “So,", " it", " is。…"]
    assert ends == {0, 2}
    assert with_marks(said[2:3], frozenset()) == ((), frozenset())


def test_the_note_says_language_and_how_sure_it_is() -> None:
    note = note_of(heard(Engine(["so it is"])), "whisper-base")
    assert note == "Words recognised by whisper-base in English (probability 0.90)."
    unsure = heard(Engine(["so it is"], votes=[{"en": 0.3}]))
    assert "name it with --language" in note_of(unsure, "whisper-base")
    assert "(as was given)" in note_of(heard(Engine(["so it is"]), language="en"), "whisper-base")


def test_codes_that_whisper_calls_otherwise_are_known_to_it() -> None:
    engine = Engine(["det er fint"], languages=frozenset({"no", "jw"}))
    norwegian = heard(engine, language="nb")
    assert norwegian.language == "no" and "in Norwegian (as was given)" in note_of(norwegian, "base")
    assert heard(engine, language="jv").language == "jw"
