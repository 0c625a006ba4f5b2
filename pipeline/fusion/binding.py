"""Whose voice each speaker's is, over the whole video: pure, from turns and from mouths.

For every voice one hypothesis a subject, and one that it comes from off screen. Evidence for a subject are
the log-odds (``mouth``) that its mouth moves as in speech while the voice speaks, summed over time as if
every window were a trial of its own; a mouth that moves alike while nobody is heard has less of it.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from pipeline.fusion.mouth import MAX_EVIDENCE, WINDOW_US, Movement, Stretch, movements
from pipeline.fusion.speaking import heard, subjects
from pipeline.types import Bound, Observation, Span, Turn, united

# Against one subject: who is in view while a voice is heard is three times as likely to be its speaker as
# somebody who is not, and one who is alone with one voice in the whole video twenty times.
OFF_SCREEN, OFF_SCREEN_ALONE = 1 / 3, 1 / 20
# A still mouth that is not closed says little against its subject: pictures are blurred, heads turned. It
# says nothing where there is but one subject and one voice.
MIN_OPEN_EVIDENCE, MIN_OPEN_EVIDENCE_ALONE = -0.7, 0.0
PAUSE_WEIGHT = 0.5  # of movement while nobody is heard, against that while the voice is
NOTHING_SEEN = 0.5  # confidence in "off screen" where nobody is ever in view while the voice speaks
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
    quiet = _quiet(turns)
    in_pauses = [
        max(0.0, _total([one for gap in quiet for one in movements(sights, gap)], 0.0)) for *_, sights in seen
    ]
    result = []
    for speaker in speakers:
        stretches = [Stretch(parts) for name, parts in voices if name == speaker]
        scores: list[tuple[float, str | None, str | None, int]] = []
        for (modality, subject, sights), idle in zip(seen, in_pauses, strict=True):
            moving = [one for stretch in stretches for one in movements(sights, stretch)]
            seen_us = sum(one.span.duration_us for one in moving if one.evidence is not None)
            if moving:
                score = _total(moving, min_open) - PAUSE_WEIGHT * min(idle, seen_us / WINDOW_US)
                scores.append((max(-MAX_TOTAL, min(MAX_TOTAL, score)), modality, subject, seen_us))
        result.append(_best(speaker, scores, OFF_SCREEN_ALONE if alone else OFF_SCREEN))
    return tuple(result)


def _best(
    speaker: str, scores: Sequence[tuple[float, str | None, str | None, int]], off_screen: float
) -> Bound:
    hypotheses = [(math.log(off_screen), None, None, 0), *scores]
    total = sum(math.exp(score) for score, *_ in hypotheses)
    score, modality, subject, seen_us = max(hypotheses, key=lambda one: (one[0], one[2] or ""))
    if modality is None:
        seen_us = max((one[3] for one in scores), default=0)
    confidence = math.exp(score) / total if scores else NOTHING_SEEN
    return Bound(speaker, subject, round(confidence, 4), modality, seen_us)


def _total(moving: Sequence[Movement], min_open: float) -> float:
    """Log-odds summed over time, a window counting once; ``min_open`` is the least of a mouth not closed."""
    return sum(
        max(-MAX_EVIDENCE if one.closed else min_open, one.evidence) * one.span.duration_us / WINDOW_US
        for one in moving
        if one.evidence is not None
    )


def _quiet(turns: Sequence[Turn]) -> list[Stretch]:
    """The pauses between turns in which nobody is heard."""
    parts = united(turn.span for turn in turns)
    return [Stretch([Span(a.end_us, b.start_us)]) for a, b in pairwise(parts) if b.start_us > a.end_us]
