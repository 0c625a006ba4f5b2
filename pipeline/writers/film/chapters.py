"""Chapters of the film, one at each conflict, as a metadata file that ffmpeg reads."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.types import Analysis, Span
from pipeline.writers.facts import headline, one_line, ranked, time_code

LONGEST_TITLE = 120  # in characters; players show one line


@dataclass(frozen=True, slots=True)
class Chapter:
    """A stretch of the film as a player lists it."""

    span: Span
    title: str


def chapters(analysis: Analysis) -> tuple[Chapter, ...]:
    """Tiles of the whole film: each conflict from its start to its end or to the start of the next one, and
    what lies between under its time; none without a conflict. Titles begin with the rank of the conflict.
    """
    end_us = _whole_ms(analysis.media.duration_us)
    starting: dict[int, list[tuple[int, int, str]]] = {}
    for rank, conflict in enumerate(ranked(analysis.conflicts), start=1):
        start_us = _whole_ms(conflict.span.start_us)
        if start_us < end_us:
            starting.setdefault(start_us, []).append((rank, conflict.span.end_us, headline(conflict)))
    return tuple(_tiles(sorted(starting.items()), end_us))


def _tiles(starting: list[tuple[int, list[tuple[int, int, str]]]], end_us: int) -> Iterator[Chapter]:
    at_us = 0
    for i, (start_us, begun) in enumerate(starting):
        if start_us > at_us:
            yield Chapter(Span(at_us, start_us), time_code(at_us))
        next_us = starting[i + 1][0] if i + 1 < len(starting) else end_us
        latest_us = _whole_ms(max(end for _, end, _ in begun))
        at_us = max(start_us + 1000, min(latest_us, next_us))
        yield Chapter(Span(start_us, at_us), _title(begun))
    if starting and at_us < end_us:
        yield Chapter(Span(at_us, end_us), time_code(at_us))


def _title(begun: list[tuple[int, int, str]]) -> str:
    title = one_line(" | ".join(f"{rank}. {text}" for rank, _, text in begun))
    return title if len(title) <= LONGEST_TITLE else f"{title[: LONGEST_TITLE - 1]}…"


def _whole_ms(time_us: int) -> int:
    """What a player's chapter list keeps of a time."""
    return time_us // 1000 * 1000


def ffmetadata(found: tuple[Chapter, ...]) -> str:
    """The chapters in ffmpeg's own format, https://ffmpeg.org/ffmpeg-formats.html#Metadata."""
    lines = [";FFMETADATA1"]
    for chapter in found:
        times = (f"START={chapter.span.start_us // 1000}", f"END={chapter.span.end_us // 1000}")
        lines += ["[CHAPTER]", "TIMEBASE=1/1000", *times, f"title={_escaped(chapter.title)}"]
    return "\n".join([*lines, ""])


def _escaped(text: str) -> str:
    return re.sub(r"([=;#\\\n])", r"\\\1", text)
