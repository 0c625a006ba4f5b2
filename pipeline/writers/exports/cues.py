"""An analysis as captions: the words with their emotion, what the moment's channels say, and the conflicts.

A cue of words, or of a moment without words in which something could be read, has a line of words and one of
what the other channels say, with the mark of every conflict it touches. A conflict is a cue of its own, as
long as it lasts, to be shown at the top.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.overlap import Overlaps
from pipeline.types import ALARMS, Analysis, Conflict, ConflictKind, Span
from pipeline.writers.columns import TRANSCRIBED
from pipeline.writers.exports.tiers import milliseconds
from pipeline.writers.facts import Shown, Verdict, headline, lanes, one_line, ranked, verdict
from pipeline.writers.palette import CONFLICT, MARKS, colour, is_emotion
from pipeline.writers.persons import naming

SEPARATOR = " · "

# Simple readers of captions take a line with such times in it for the head of a cue, wherever they stand.
_TIME = re.compile(r"(\d):(?=\d\d[.,]\d\d)")


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of text, the emotion that colours it, or None, and the emotion's name before it."""

    text: str
    emotion: str | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Cue:
    """Shown over ``[start_ms, end_ms)``; ``kind`` of a conflict, None for words."""

    start_ms: int
    end_ms: int
    lines: tuple[tuple[Said, ...], ...]
    kind: ConflictKind | None = None


def cues(analysis: Analysis) -> tuple[Cue, ...]:
    """All cues in order of time, words before the conflicts that start with them."""
    order = ranked(analysis.conflicts)
    shown_in = naming(analysis)
    told = (_conflict_cue(rank, one, shown_in(one)) for rank, one in enumerate(order, start=1))
    found = [*_spoken(analysis, order), *told]
    return tuple(sorted(found, key=lambda cue: (cue.start_ms, cue.kind is not None)))


def _spoken(analysis: Analysis, order: Sequence[Conflict]) -> Iterator[Cue]:
    """A cue per utterance, over all its time, and per moment without one that shows an emotion."""
    shown, overlaps = lanes(analysis), Overlaps(conflict.span for conflict in order)
    others = [
        lane
        for lane, modality in zip(shown, (*analysis.modalities, None), strict=True)
        if modality != TRANSCRIBED
    ]
    told: dict[tuple[Span, str], tuple[Said | None, tuple[Said, ...]]] = {}
    for place, moment in enumerate(analysis.moments):
        says = tuple(
            Said(f"{lane.display.noun} {said.key}", said.key)
            for lane in others
            for said in (lane.stretches[place][1],)
            if is_emotion(said.key)
        )
        if moment.utterance is None:
            if says:
                yield _cue(moment.span, None, says, _marks(moment.span, order, overlaps))
            continue
        own = verdict(moment, TRANSCRIBED, analysis.modalities)
        told[moment.utterance.span, moment.utterance.text] = _words(moment.utterance.text, own), says
    for utterance in analysis.transcript.utterances:
        nothing = _words(utterance.text, None), ()
        words, says = told.get((utterance.span, utterance.text), nothing)
        if words or says:
            yield _cue(utterance.span, words, says, _marks(utterance.span, order, overlaps))


def _words(text: str, said: Verdict | None) -> Said | None:
    line = _line(text)
    if not line:
        return None
    if said is None or not is_emotion(said.key):
        return Said(line)
    return Said(line, said.key, f"[{said.key}] ")


def _marks(span: Span, order: Sequence[Conflict], overlaps: Overlaps) -> tuple[Said, ...]:
    return tuple(Said(f"{MARKS[order[i].kind]}{i + 1}") for i in overlaps.during(span))


def _cue(span: Span, words: Said | None, says: tuple[Said, ...], marks: tuple[Said, ...]) -> Cue:
    second = (*marks, *says)
    return Cue(*_times(span), tuple(line for line in ((words,) if words else (), second) if line))


def _conflict_cue(rank: int, conflict: Conflict, shown: Shown) -> Cue:
    said = Said(f"{MARKS[conflict.kind]}{rank} {_line(headline(conflict, shown))}")
    return Cue(*_times(conflict.span), ((said,),), conflict.kind)


def _line(text: str) -> str:
    """One line in which no time code stands."""
    return _TIME.sub(r"\1：", one_line(text))


def _times(span: Span) -> tuple[int, int]:
    start = milliseconds(span.start_us)
    return start, max(start + 1, milliseconds(span.end_us))


def conflict_colour(kind: ConflictKind) -> str:
    """Hex colour of a conflict; masking, which is none, has the grey of what is absent."""
    return CONFLICT if kind in ALARMS else colour("")
