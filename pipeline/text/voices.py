"""Whose lines they are: utterances named after the voices that speak them, and parted where these change."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from pipeline.overlap import Overlaps, speakers_during
from pipeline.text.confidence import confidence
from pipeline.text.transcribe import SPOKEN_SOURCES
from pipeline.text.utterances import span_of
from pipeline.types import Span, Turn, Utterance, Word


def named(utterances: Sequence[Utterance], turns: Sequence[Turn]) -> Iterator[Utterance]:
    """The utterances, each with the voice that speaks most of it.

    A name that the subtitles give stays. A recognised utterance in which the voice changes from one word to
    the next becomes several; what a person or a picture wrote stays in one piece.

    Args:
        utterances: in order of time.
        turns: who speaks when; without any, nothing is changed.
    """
    overlaps = Overlaps(turn.span for turn in turns)

    def speaker_of(span: Span) -> str | None:
        speakers = speakers_during(span, (turns[i] for i in overlaps.during(span)))
        return speakers[0] if speakers else None

    for utterance in utterances:
        parts = [utterance]
        if utterance.source in SPOKEN_SOURCES:
            speakers = [speaker_of(word.span) for word in utterance.words]
            parts = _parted(utterance, _starts(speakers))
        for part in parts:
            yield replace(part, speaker=part.speaker or speaker_of(part.span))


def _starts(speakers: Sequence[str | None]) -> list[int]:
    """Where another voice begins: indices of words. A word that nobody speaks belongs to the voice before."""
    starts: list[int] = []
    voice: str | None = None
    for i, speaker in enumerate(speakers):
        if voice is not None and speaker is not None and speaker != voice:
            starts.append(i)
        voice = speaker if speaker is not None else voice
    return starts


def _parted(utterance: Utterance, starts: Sequence[int]) -> list[Utterance]:
    """The utterance cut before these words; in one piece where its text does not hold its words."""
    places = _places(utterance.text, utterance.words)
    if not starts or places is None:
        return [utterance]
    words = pairwise([0, *starts, len(utterance.words)])
    texts = pairwise([0, *(places[i] for i in starts), len(utterance.text)])
    return [
        replace(
            utterance,
            span=span_of(utterance.words[first:end]),
            text=utterance.text[begin:stop].strip(),
            words=utterance.words[first:end],
            confidence=confidence(utterance.words[first:end], utterance.no_speech_prob or 0.0),
        )
        for (first, end), (begin, stop) in zip(words, texts, strict=True)
    ]


def _places(text: str, words: Sequence[Word]) -> list[int] | None:
    """Where in the text each word begins; None where one is not in it."""
    places: list[int] = []
    at = 0
    for word in words:
        index = text.find(word.text, at)
        if index < 0:
            return None
        places.append(index)
        at = index + len(word.text)
    return places
