"""The smallest pieces of the page: a coloured word, a stretch of film, a time, the language of words."""

import re
from dataclasses import dataclass

from pipeline.types import US_PER_S, MediaInfo, Span
from pipeline.writers.facts import Verdict, percent, time_code
from pipeline.writers.palette import LETTERS, is_emotion

LETTERED = 0.025  # of the film: narrower, and a letter would stand over its neighbours
# BCP 47, as far as `lang` needs it: a language and what follows, so that a screen reader picks its voice.
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")


@dataclass(frozen=True, slots=True)
class Chip:
    """A verdict as a coloured word; ``emotion`` is empty for a status."""

    text: str
    share: str
    emotion: str


@dataclass(frozen=True, slots=True)
class Block:
    """A rectangle of the still timeline, in thousandths of the film; ``letter`` where it has room for it."""

    left: str
    width: str
    middle: str
    letter: str
    title: str
    chip: Chip


def chip(said: Verdict) -> Chip:
    """A verdict in its colour."""
    share = "" if said.confidence is None else percent(said.confidence)
    return Chip(said.key.replace("_", " "), share, said.key if is_emotion(said.key) else "")


def block(span: Span, said: Verdict, name: str, media: MediaInfo) -> Block:
    """Where a stretch lies in the film."""
    whole = max(1, media.duration_us)
    word = chip(said)
    return Block(
        left=f"{1000 * span.start_us / whole:.2f}",
        width=f"{1000 * span.duration_us / whole:.2f}",
        middle=f"{500 * (span.start_us + span.end_us) / whole:.2f}",
        letter=LETTERS.get(word.emotion, "") if span.duration_us / whole >= LETTERED else "",
        title=" ".join(part for part in (times(span), name, word.text, word.share) if part),
        chip=word,
    )


def times(span: Span) -> str:
    """From when to when, as a player shows it."""
    return f"{time_code(span.start_us)}–{time_code(span.end_us)}"


def seek(time_us: int) -> str:
    """Seconds for the player to jump to."""
    return f"{time_us / US_PER_S:.3f}"


def language_tag(language: str | None) -> str:
    """The language of words as the `lang` attribute has it; nothing for what is no language tag."""
    return language if language and LANGUAGE.fullmatch(language) else ""
