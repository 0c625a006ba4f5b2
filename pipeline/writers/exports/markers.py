"""The conflicts as markers on an editor's timeline, in whole frames of a standard frame rate."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from pipeline.types import US_PER_S, Analysis, Conflict, ConflictKind, MediaInfo
from pipeline.writers.evidence import because
from pipeline.writers.facts import headline, one_line, ranked
from pipeline.writers.persons import naming

# Frames per second that editing programs know; the NTSC ones are exact fractions (SMPTE ST 12-1).
STANDARD_RATES: tuple[Fraction, ...] = (
    *(Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30)),
    *(Fraction(50), Fraction(60000, 1001), Fraction(60)),
)
WITHOUT_PICTURE = Fraction(25)
SAME_RATE = Fraction(1, 200)  # a probed rate no further off is meant to be the standard one

NAMELESS = "film"
Colour = Literal["Red", "Yellow", "Blue"]
COLOURS: Mapping[ConflictKind, Colour] = {"polarity": "Red", "blend": "Yellow", "masking": "Blue"}


@dataclass(frozen=True, slots=True)
class Marker:
    """``frames`` of the timeline from ``frame`` on, at least one."""

    frame: int
    frames: int
    name: str
    why: str
    conflict: Conflict

    @property
    def colour(self) -> Colour:
        return COLOURS[self.conflict.kind]


def film_name(analysis: Analysis) -> str:
    """The video's name in one line; never empty."""
    return one_line(analysis.name) or NAMELESS


def frame_rate(media: MediaInfo) -> Fraction:
    """The standard rate that shows every frame of the film equally long; where none does, the nearest."""
    if not media.has_video or media.fps <= 0:
        return WITHOUT_PICTURE
    own = Fraction(media.fps)
    even = (rate for rate in STANDARD_RATES if abs(rate - own * max(1, round(rate / own))) <= SAME_RATE)
    return next(even, min(STANDARD_RATES, key=lambda rate: abs(rate - own)))


def nominal(rate: Fraction) -> int:
    """Frames that a second of time code counts: 30 for 29.97."""
    return round(rate)


def rate_note(media: MediaInfo) -> str:
    """What the editor should know about the frame rate."""
    rate = frame_rate(media)
    said = f"Timeline of {shown(rate)} fps, non-drop-frame time code"
    if not media.has_video:
        return f"{said}; the film has no picture"
    if media.variable_frame_rate:
        return f"{said}; the film's frame rate varies around {media.fps:.2f}: markers are right to the frame"
    if abs(rate - Fraction(media.fps)) > SAME_RATE:
        return f"{said}; the film has {media.fps:.3f} fps: conform it to the timeline"
    return said


def shown(rate: Fraction) -> str:
    """``25`` or ``29.97``."""
    return str(rate) if rate.denominator == 1 else f"{float(rate):.3f}".rstrip("0")


def film_frames(analysis: Analysis) -> int:
    """Frames of the whole film on the timeline, at least one."""
    return max(1, _frame(analysis.media.duration_us, frame_rate(analysis.media)))


def markers(analysis: Analysis) -> tuple[Marker, ...]:
    """One marker per conflict, strongest first, named rank and headline; all inside the film.

    Editing programs keep one marker a frame, so of two that start together the weaker goes to the next frame.
    """
    rate, last = frame_rate(analysis.media), film_frames(analysis) - 1
    shown_in = naming(analysis)
    found = []
    onwards: dict[int, int] = {}  # from a frame that is taken to the next to try
    backwards: dict[int, int] = {}
    for rank, conflict in enumerate(ranked(analysis.conflicts), start=1):
        asked = min(last, _frame(conflict.span.start_us, rate))
        start = _untaken(asked, onwards)
        start = _untaken(asked, backwards) if start > last else start
        start = asked if start < 0 else start
        onwards[start], backwards[start] = start + 1, start - 1
        end = min(last + 1, _frame(conflict.span.end_us, rate))
        name = f"#{rank} {one_line(headline(conflict, shown_in(conflict)))}"
        why = one_line(because(conflict, shown_in(conflict)))
        found.append(Marker(start, max(1, end - start), name, why, conflict))
    return tuple(found)


def _untaken(frame: int, next_: dict[int, int]) -> int:
    """The first frame from one on that is not taken; what was passed leads there at once from now on."""
    passed = []
    while frame in next_:
        passed.append(frame)
        frame = next_[frame]
    next_.update(dict.fromkeys(passed, frame))
    return frame


def _frame(time_us: int, rate: Fraction) -> int:
    return max(0, int(Fraction(time_us, US_PER_S) * rate + Fraction(1, 2)))


def time_code(frame: int, rate: Fraction) -> str:
    """``HH:MM:SS:FF``, non-drop-frame."""
    seconds, rest = divmod(frame, nominal(rate))
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}:{rest:02d}"
