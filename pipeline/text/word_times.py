"""When words are said, once an alignment says roughly: the pauses that it adds to long words taken off.

Alignment by attention leaves no time between words, so a pause becomes part of the word after it, sometimes
of the one before. In the power of the sound it can be seen.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.media.audio import SAMPLE_RATE_HZ
from pipeline.types import US_PER_S, Span, Word

LONG_WORD_US = 360_000  # a shorter one holds no pause worth the name
FRAME_US = 20_000
MIN_PAUSE_FRAMES = 6  # closures of stops are shorter than 0.12 s
# A last part shorter than 0.16 s is the onset of the next word if a part before it is long enough for a word.
MIN_WORD_FRAMES = 8
# Between the sound's quiet (10th percentile) and its loud frames (90th), in decibels, where a pause begins.
PAUSE_LEVEL = 0.3
MIN_RANGE_DB = 12.0  # less between quiet and loud: noise hides the pauses


def without_pauses(words: Sequence[Word], samples: NDArray[np.float32]) -> tuple[Word, ...]:
    """Words as said in ``samples`` (16 kHz mono, time 0 at its start), long ones without the pauses in them.

    Of a word that a pause divides the last part counts: alignments end words better than they begin them.
    """
    is_quiet = quiet_frames(samples)
    return tuple(
        replace(word, span=_voiced(word.span, is_quiet)) if word.span.duration_us > LONG_WORD_US else word
        for word in words
    )


def quiet_frames(samples: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether each 20 ms belong to a pause of at least 0.12 s."""
    size = FRAME_US * SAMPLE_RATE_HZ // US_PER_S
    frames = samples[: samples.size // size * size].reshape(-1, size).astype(np.float64)
    if not len(frames):
        return np.zeros(0, bool)
    level_db = 10 * np.log10((frames**2).mean(axis=1) + 1e-10)
    low, high = np.percentile(level_db, [10, 90])
    quiet = level_db < low + PAUSE_LEVEL * (high - low)
    if high - low < MIN_RANGE_DB:
        quiet[:] = False
    for first, last in _runs(quiet):
        if last - first < MIN_PAUSE_FRAMES:
            quiet[first:last] = False
    return np.asarray(quiet, bool)


def _voiced(span: Span, is_quiet: NDArray[np.bool_]) -> Span:
    first, last = span.start_us // FRAME_US, -(-span.end_us // FRAME_US)
    runs = _runs(~is_quiet[first:last])
    if not runs:
        return span
    whole = [run for run in runs if run[1] - run[0] >= MIN_WORD_FRAMES]
    start, end = ((first + edge) * FRAME_US for edge in (whole or runs)[-1])
    kept_us = max(start, span.start_us)
    return Span(kept_us, max(kept_us, min(end, span.end_us)))


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and one past the last index of every stretch of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
