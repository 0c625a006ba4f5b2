"""Diarization error rate: time missed, falsely spoken or given to the wrong speaker, over all time spoken.

As in NIST's Rich Transcription evaluations (2006): hypothesis speakers are matched to reference speakers one
to one so that the most time agrees; with a collar, the time around every reference border is not judged.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from pipeline.types import Turn

FRAME_US = 10_000
COLLAR_US = 250_000


@dataclass(frozen=True, slots=True)
class Errors:
    """Seconds of speaker time; ``spoken_s`` counts two at once twice."""

    spoken_s: float
    missed_s: float
    false_s: float
    confused_s: float

    @property
    def rate(self) -> float:
        """0 where nothing is spoken and nothing claimed."""
        wrong_s = self.missed_s + self.false_s + self.confused_s
        return wrong_s / self.spoken_s if self.spoken_s else float(wrong_s > 0)


def errors(reference: Sequence[Turn], hypothesis: Sequence[Turn], collar_us: int = COLLAR_US) -> Errors:
    """Errors of ``hypothesis``, judged every 10 ms; ``collar_us`` before and after each reference border."""
    end_us = max((turn.span.end_us for turn in (*reference, *hypothesis)), default=0)
    frames = -(-end_us // FRAME_US)
    judged = np.ones(frames, bool)
    for turn in reference:
        for border_us in (turn.span.start_us, turn.span.end_us) if collar_us else ():
            judged[max(0, (border_us - collar_us) // FRAME_US) : (border_us + collar_us) // FRAME_US] = False
    truth, claimed = (_activity(turns, frames)[:, judged] for turns in (reference, hypothesis))
    agreeing = truth.astype(np.int64) @ claimed.T.astype(np.int64)
    rows, columns = linear_sum_assignment(-agreeing)
    right = sum(
        (truth[row] & claimed[column]).astype(np.int64) for row, column in zip(rows, columns, strict=True)
    )
    spoken, answered = truth.sum(axis=0), claimed.sum(axis=0)
    frame_s = FRAME_US / 1e6
    return Errors(
        spoken_s=float(spoken.sum()) * frame_s,
        missed_s=float(np.maximum(spoken - answered, 0).sum()) * frame_s,
        false_s=float(np.maximum(answered - spoken, 0).sum()) * frame_s,
        confused_s=float((np.minimum(spoken, answered) - right).sum()) * frame_s,
    )


def _activity(turns: Sequence[Turn], frames: int) -> NDArray[np.bool_]:
    """Who is active in each frame, ``(speakers, frames)``."""
    names = sorted({turn.speaker for turn in turns})
    active = np.zeros((len(names), frames), bool)
    for turn in turns:
        first, last = (round(at_us / FRAME_US) for at_us in (turn.span.start_us, turn.span.end_us))
        active[names.index(turn.speaker), first:last] = True
    return active
