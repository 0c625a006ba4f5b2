"""Cuts speech into the windows a voice model reads. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.types import Span


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of speech to read; ``too_short`` ones are only reported."""

    span: Span
    too_short: bool


def windows(speech: Iterable[Span], window_us: int, hop_us: int, min_speech_us: int) -> list[Window]:
    """Windows of ``window_us`` every ``hop_us`` inside each stretch of speech.

    A stretch no longer than a window is one window. The last window of a longer one ends with it, so
    all speech is covered and nothing outside it is.

    Raises:
        ValueError: windows that would leave holes (``hop_us`` over ``window_us``) or not move on.
    """
    if not 0 < hop_us <= window_us:
        raise ValueError(f"hop {hop_us} must be above 0 and no longer than the window {window_us}")
    result = []
    for span in speech:
        latest_us = max(span.start_us, span.end_us - window_us)
        starts_us = [*range(span.start_us, latest_us, hop_us), latest_us]
        result += [
            Window(Span(start, min(start + window_us, span.end_us)), span.duration_us < min_speech_us)
            for start in starts_us
        ]
    return result


def gaps(speech: Sequence[Span], end_us: int) -> list[Span]:
    """What is left of ``[0, end_us)`` beside the ordered stretches of ``speech``."""
    starts_us = [0, *(span.end_us for span in speech)]
    ends_us = [*(span.start_us for span in speech), end_us]
    return [Span(start, end) for start, end in zip(starts_us, ends_us, strict=True) if end > start]
