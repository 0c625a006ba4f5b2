"""The smallest pieces of the page: a coloured word, and a stretch of film to click on."""

from dataclasses import dataclass

from pipeline.types import US_PER_S, MediaInfo, Span
from pipeline.writers.facts import Verdict, time_code
from pipeline.writers.palette import ABSENT, colour, ink, is_emotion


@dataclass(frozen=True, slots=True)
class Chip:
    """A verdict as a coloured word."""

    text: str
    share: str
    fill: str
    ink: str
    known: bool


@dataclass(frozen=True, slots=True)
class Block:
    """A rectangle of the timeline, in thousandths of the film."""

    left: str
    width: str
    seek: str
    title: str
    chip: Chip


def chip(said: Verdict) -> Chip:
    """A verdict in its colour."""
    share = "" if said.confidence is None else f"{said.confidence:.0%}"
    known = is_emotion(said.key)
    fill = colour(said.key) if known else ABSENT
    return Chip(said.key.replace("_", " "), share, fill, ink(fill), known)


def block(span: Span, said: Verdict, name: str, media: MediaInfo) -> Block:
    """Where a stretch lies in the film."""
    whole = max(1, media.duration_us)
    word = chip(said)
    return Block(
        left=f"{1000 * span.start_us / whole:.2f}",
        width=f"{1000 * span.duration_us / whole:.2f}",
        seek=seek(span.start_us),
        title=" ".join(part for part in (times(span), name, word.text, word.share) if part),
        chip=word,
    )


def times(span: Span) -> str:
    """From when to when, as a player shows it."""
    return f"{time_code(span.start_us)}–{time_code(span.end_us)}"


def seek(time_us: int) -> str:
    """Seconds for the player to jump to."""
    return f"{time_us / US_PER_S:.3f}"
