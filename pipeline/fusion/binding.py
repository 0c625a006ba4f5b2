"""Whose voice each speaker's is, over the whole video: pure, from turns and from mouths.

For every voice one hypothesis a subject, and one that it comes from off screen. Evidence for a subject are
the log-odds (``mouth``) that its mouth moves as in speech while the voice speaks, summed over time as if
every window were a trial of its own; a mouth that moves alike while nobody is heard has less of it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pipeline.fusion.mouth import MAX_EVIDENCE, WINDOW_US, Movement, Sight, Stretch, movements
from pipeline.fusion.speaking import heard, subjects
from pipeline.overlap import Overlaps
from pipeline.types import Bound, Observation, Span, Turn, united

# Against one subject: who is in view while a voice is heard is three times as likely to be its speaker as
# somebody who is not, and one who is alone with one voice in the whole video twenty times.
OFF_SCREEN, OFF_SCREEN_ALONE = 1 / 3, 1 / 20
# A still mouth that is not closed says little against its subject: pictures are blurred, heads turned. It
# says nothing where there is but one subject and one voice.
MIN_OPEN_EVIDENCE, MIN_OPEN_EVIDENCE_ALONE = -0.7, 0.0
PAUSE_WEIGHT = 0.5  # of movement while nobody is heard, against that while the voice is
NOTHING_SEEN = 0.5  # confidence in "off screen" where nobody is ever in view while the voice speaks
MIN_IN_VIEW = 0.1  # of the time that the one seen most is in view: less counts as much
MAX_TOTAL = 12.0  # windows are not independent: nothing is surer than this


def binding(observations: Mapping[str, Sequence[Observation]], turns: Sequence[Turn]) -> tuple[Bound, ...]:
    """Every speaker of the turns with the subject whose voice it is, in order of their names.

    Several speakers may be bound to one subject: a voice in tears is often taken for another one.
    """
    speakers = sorted({turn.speaker for turn in turns})
    seen = subjects(observations)
    alone = len(speakers) == 1 and len(seen) == 1
    min_open = MIN_OPEN_EVIDENCE_ALONE if alone else MIN_OPEN_EVIDENCE
    voices = heard(observations, turns)
    speech, quiet = _Stretches([parts for _, parts in voices]), _Stretches(_pauses(turns))
    candidates: dict[str, list[_Candidate]] = {speaker: [] for speaker in speakers}
    for modality, subject, sights in seen:
        idle = max(0.0, _total([one for _, moving in quiet.of(sights) for one in moving], 0.0))
        by_speaker: dict[str | None, list[Movement]] = {}
        for at, moving in speech.of(sights):
            by_speaker.setdefault(voices[at][0], []).extend(moving)
        for speaker, moving in by_speaker.items():
            seen_us = sum(one.span.duration_us for one in moving if one.evidence is not None)
            score = _total(moving, min_open) - PAUSE_WEIGHT * min(idle, seen_us / WINDOW_US)
            if speaker is not None and moving:
                candidates[speaker].append(_Candidate(score, modality, subject, seen_us))
    off_screen = OFF_SCREEN_ALONE if alone else OFF_SCREEN
    return tuple(_best(speaker, candidates[speaker], off_screen) for speaker in speakers)


@dataclass(frozen=True, slots=True)
class _Candidate:
    score: float
    modality: str | None
    subject: str | None
    seen_us: int


class _Stretches:
    """Many stretches, and how a mouth moves in those in which it is seen."""

    def __init__(self, parts: Sequence[Sequence[Span]]) -> None:
        self._all = [Stretch(own) for own in parts]
        self._overlaps = Overlaps(one.whole for one in self._all)

    def of(self, sights: Sequence[Sight]) -> list[tuple[int, list[Movement]]]:
        during = sorted({i for one in sights for i in self._overlaps.during(one.span)})
        return [(i, movements(sights, self._all[i])) for i in during]


def _best(speaker: str, candidates: Sequence[_Candidate], off_screen: float) -> Bound:
    """The likeliest hypothesis; who is hardly ever in view while the voice speaks is a less likely one."""
    most_us = max((one.seen_us for one in candidates), default=0)
    if not candidates:
        return Bound(speaker, None, NOTHING_SEEN)
    scored = [(math.log(off_screen), _Candidate(0.0, None, None, most_us))]
    for one in candidates:
        fraction = one.seen_us / most_us if most_us else 1.0
        score = max(-MAX_TOTAL, min(MAX_TOTAL, one.score)) + math.log(max(MIN_IN_VIEW, fraction))
        scored.append((score, one))
    total = sum(math.exp(score) for score, _ in scored)
    score, best = max(scored, key=lambda pair: (pair[0], pair[1].subject or ""))
    return Bound(speaker, best.subject, round(math.exp(score) / total, 4), best.modality, best.seen_us)


def _total(moving: Sequence[Movement], min_open: float) -> float:
    """Log-odds summed over time, a window counting once; ``min_open`` is the least of a mouth not closed."""
    return sum(
        max(-MAX_EVIDENCE if one.closed else min_open, one.evidence) * one.span.duration_us / WINDOW_US
        for one in moving
        if one.evidence is not None
    )


def _pauses(turns: Sequence[Turn]) -> list[list[Span]]:
    """Where nobody is heard between turns."""
    parts = united(turn.span for turn in turns)
    return [[Span(a.end_us, b.start_us)] for a, b in pairwise(parts) if b.start_us > a.end_us]
