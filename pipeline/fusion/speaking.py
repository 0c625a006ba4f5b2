"""Whose mouth moves with the speech that is heard: pure, from two keys of evidence and no modality's name.

``mouth_motion`` is carried by observations that show a mouth (its change since some 200 ms before, over the
face's variance, ≥ 0), ``speech_share`` by observations that hear speech. The level of motion decides: a mouth
that keeps still while someone is heard does not speak. That a moving mouth speaks these very words is not
claimed: laughter, chewing and a dubbed speaker move too.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.overlap import Overlaps
from pipeline.records import MOUTH_MOTION_KEY, SPEECH_SHARE_KEY
from pipeline.types import Observation, Span, Status, united

# Median motion in a window: below ``STILL`` a mouth keeps still, and goes on below ``STILL_ON``; from
# ``MOVING`` on it moves as in speech. Chosen so that no stretch of a talking face is called silent, with
# either detector (`python -m benchmarks.conflict.speaking`); a silent man's had at most .061.
STILL, STILL_ON, MOVING = 0.07, 0.08, 0.12
WINDOW_US = 3_000_000  # speech stands still for closed lips and stressed vowels: seconds are needed
LEAST_US = 2_000_000  # of motion seen during speech in a window; less is unknown
PAUSE_US = 1_000_000  # a shorter pause does not part two stretches of speech
LEAST_SILENT_US = 1_000_000

Verdict = Literal["speaking", "not_speaking", "unknown"]


@dataclass(frozen=True, slots=True)
class Silent:
    """A stretch in which someone is heard and this modality's subject is seen with a still mouth."""

    span: Span
    modality: str
    subject: str | None


@dataclass(frozen=True, slots=True)
class Seen:
    """One subject's mouth over one piece of time in which someone is heard.

    ``motion`` is the median around it, None where too little is seen.
    """

    span: Span
    modality: str
    subject: str | None
    motion: float | None

    @property
    def verdict(self) -> Verdict:
        if self.motion is None or STILL <= self.motion < MOVING:
            return "unknown"
        return "not_speaking" if self.motion < STILL else "speaking"


def not_speaking(observations: Mapping[str, Sequence[Observation]]) -> tuple[Silent, ...]:
    """Stretches in which someone is heard and a subject in view does not move the mouth, in order of time."""
    runs: dict[tuple[str, str | None], list[list[Seen]]] = {}
    for seen in mouths(observations):
        if seen.motion is None or seen.motion >= STILL_ON:
            continue
        own = runs.setdefault((seen.modality, seen.subject), [])
        if own and seen.span.start_us - own[-1][-1].span.end_us <= PAUSE_US:
            own[-1].append(seen)
        else:
            own.append([seen])
    stretches = [
        Silent(Span(run[0].span.start_us, run[-1].span.end_us), *subject)
        for subject, own in runs.items()
        for run in own
        if any(seen.verdict == "not_speaking" for seen in run)
    ]
    kept = [one for one in stretches if one.span.duration_us >= LEAST_SILENT_US]
    return tuple(sorted(kept, key=lambda one: (one.span, one.modality, one.subject or "")))


def of_speakers(
    observations: Mapping[str, Sequence[Observation]], still: Sequence[Silent]
) -> dict[str, tuple[Observation, ...]]:
    """The observations without subjects who only listen, wherever another subject of the modality is in view.

    ``still``: who does not speak, from :func:`not_speaking`.
    Otherwise the one who fills the picture would speak for a modality instead of the one who talks. A subject
    who is alone in view stays: that nobody in view speaks is told by :func:`not_speaking`.
    """
    kept = {modality: tuple(own) for modality, own in observations.items()}
    silent: dict[tuple[str, str | None], list[Span]] = {}
    for one in still:
        silent.setdefault((one.modality, one.subject), []).append(one.span)
    times = {owner: _Time(spans) for owner, spans in silent.items()}
    for modality in {modality for modality, _ in silent}:
        listens = [
            (time := times.get((modality, one.subject))) is not None
            and 2 * time.shared_us(one.span) > one.span.duration_us
            for one in kept[modality]
        ]
        others = {
            one.span
            for one, listening in zip(kept[modality], listens, strict=True)
            if one.status is Status.OK and not listening
        }
        kept[modality] = tuple(
            one
            for one, listening in zip(kept[modality], listens, strict=True)
            if not (listening and one.span in others)
        )
    return kept


def mouths(observations: Mapping[str, Sequence[Observation]]) -> tuple[Seen, ...]:
    """Every observation that shows a mouth while someone is heard, in order of time.

    The window around it (shifted to lie where the subject is seen and someone is heard) gives the median
    motion; pieces without speech are not counted.
    """
    speech = [_Time(parts) for parts in heard(observations)]
    stretches = Overlaps(stretch.whole for stretch in speech)
    found: list[Seen] = []
    for modality, own in observations.items():
        by_subject: dict[str | None, list[Observation]] = {}
        for one in own:
            if one.evidence.get(MOUTH_MOTION_KEY) is not None:
                by_subject.setdefault(one.subject, []).append(one)
        for subject, showing in by_subject.items():
            ordered = sorted(showing, key=lambda one: one.span)
            for at in sorted({i for one in ordered for i in stretches.during(one.span)}):
                found += _judged(modality, subject, ordered, speech[at])
    return tuple(sorted(found, key=lambda one: (one.span, one.modality, one.subject or "")))


def heard(observations: Mapping[str, Sequence[Observation]]) -> list[list[Span]]:
    """Stretches of speech, each as its parts; a pause of ``PAUSE_US`` or less does not end a stretch."""
    spans = (
        one.span
        for own in observations.values()
        for one in own
        if one.status is Status.OK and SPEECH_SHARE_KEY in one.evidence
    )
    stretches: list[list[Span]] = []
    for part in united(spans):
        if stretches and part.start_us - stretches[-1][-1].end_us <= PAUSE_US:
            stretches[-1].append(part)
        else:
            stretches.append([part])
    return stretches


class _Time:
    """Spans in order of time, one at least, and how much of another one they fill."""

    def __init__(self, parts: Sequence[Span]) -> None:
        self._parts = parts
        self._overlaps = Overlaps(parts)
        self.whole = Span(parts[0].start_us, parts[-1].end_us)

    def shared_us(self, span: Span) -> int:
        return sum(self._parts[i].overlap_us(span) for i in self._overlaps.during(span))


def _judged(modality: str, subject: str | None, showing: Sequence[Observation], stretch: _Time) -> list[Seen]:
    """One subject in one stretch of speech; ``showing`` is in order of time."""
    start_us, end_us = stretch.whole.start_us, stretch.whole.end_us
    low = bisect_right(showing, start_us, key=lambda one: one.span.end_us)
    high = bisect_left(showing, end_us, key=lambda one: one.span.start_us)
    inside = [
        (one, us)
        for one in showing[low:high]
        if (us := stretch.shared_us(one.span)) * 2 > one.span.duration_us
    ]
    if not inside:
        return []
    start_us = max(start_us, inside[0][0].span.start_us)
    end_us = min(end_us, inside[-1][0].span.end_us)
    found = []
    first = past = 0
    for one, _ in inside:
        middle = (one.span.start_us + one.span.end_us) // 2
        from_us = max(start_us, min(middle - WINDOW_US // 2, end_us - WINDOW_US))
        while inside[first][0].span.end_us <= from_us:
            first += 1
        while past < len(inside) and inside[past][0].span.start_us < from_us + WINDOW_US:
            past += 1
        found.append(Seen(one.span, modality, subject, _median(inside[first:past])))
    return found


def _median(window: Sequence[tuple[Observation, int]]) -> float | None:
    """Median of motion, weighted by time."""
    total_us = sum(us for _, us in window)
    if total_us < LEAST_US:
        return None
    below_us = 0
    for motion, us in sorted((float(one.evidence[MOUTH_MOTION_KEY]), us) for one, us in window):
        below_us += us
        if 2 * below_us >= total_us:
            return motion
    return None
