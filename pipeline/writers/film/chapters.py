"""Chapters of the film, one at each conflict, as a metadata file that ffmpeg reads."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from pipeline.types import Analysis, Span
from pipeline.writers.facts import headline, one_line, ranked, time_code
from pipeline.writers.persons import naming

LEAST_US = 1_000  # of a chapter: what a list of chapters can tell apart
LONGEST_TITLE = 120  # in characters; players show one line


@dataclass(frozen=True, slots=True)
class Chapter:
    """A stretch of the film as a player lists it."""

    span: Span
    title: str


@dataclass(frozen=True, slots=True)
class _Listed:
    """A conflict in whole milliseconds, with what it is called."""

    rank: int
    start_us: int
    end_us: int
    text: str


def chapters(analysis: Analysis) -> tuple[Chapter, ...]:
    """Tiles of the whole film; none without a conflict. Titles begin with the rank of the conflict.

    Each conflict lasts from its start to its end or to the start of the next one; where others go on, they
    are named as continued. What lies between is called by its time.
    """
    end_us, shown = _whole_ms(analysis.media.duration_us), naming(analysis)
    listed = (
        _Listed(rank, _whole_ms(c.span.start_us), _whole_ms(c.span.end_us), one_line(headline(c, shown(c))))
        for rank, c in enumerate(ranked(analysis.conflicts), start=1)
    )
    inside = (one for one in listed if one.start_us < end_us)
    return tuple(_tiles(sorted(inside, key=lambda one: (one.start_us, one.rank)), end_us))


def _tiles(listed: Sequence[_Listed], end_us: int) -> Iterator[Chapter]:
    at_us = 0
    running: list[_Listed] = []
    groups = [(start_us, list(begun)) for start_us, begun in groupby(listed, lambda one: one.start_us)]
    starts = [*(start_us for start_us, _ in groups), end_us]
    if groups and starts[0] > 0:
        yield Chapter(Span(0, starts[0]), time_code(0))
    for (start_us, begun), next_us in zip(groups, starts[1:], strict=True):
        running = [one for one in running if one.end_us > start_us]
        at_us = max(start_us + LEAST_US, min(max(one.end_us for one in begun), next_us))
        yield Chapter(Span(start_us, at_us), _title(begun, running))
        running = sorted((one for one in (*running, *begun)), key=lambda one: one.rank)
        running = [one for one in running if one.end_us > at_us]
        if running and at_us < next_us:
            reach_us = min(max(one.end_us for one in running), next_us)
            yield Chapter(Span(at_us, reach_us), _title((), running))
            at_us = reach_us
        if at_us < next_us:
            yield Chapter(Span(at_us, next_us), time_code(at_us))


def _title(begun: Sequence[_Listed], running: Sequence[_Listed]) -> str:
    """What begins, and what goes on: by name where nothing begins, else by rank."""
    if not begun:
        return _cut(" | ".join(f"{one.rank}. (continued) {one.text}" for one in running), LONGEST_TITLE)
    ranks = ", ".join(f"{one.rank}." for one in running)
    goes_on = _cut(f" | {ranks} (continued)" if ranks else "", LONGEST_TITLE // 2)
    starts = " | ".join(f"{one.rank}. {one.text}" for one in begun)
    return _cut(starts, LONGEST_TITLE - len(goes_on)) + goes_on


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


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
