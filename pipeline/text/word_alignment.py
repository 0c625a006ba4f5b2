"""When each word of a written line is spoken: a recogniser's words and times, laid along the line's text.

Pure. The text is right and its times are coarse, as of subtitles; the recognised words have fine times and
may be wrong. Letters that both have are anchors; the others lie between them.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from functools import cache
from statistics import median

from pipeline.text.script import converter
from pipeline.types import Span, Utterance, Word

# A subtitle comes and goes this much before or after its words, at most.
SLACK_US = 500_000
# A line of whose letters fewer were recognised keeps no word times.
MIN_MATCHED_FRACTION = 0.3
# Han characters, kana and bopomofo are words of their own; other scripts are parted by spaces.
_WIDE = "\u2e80-\u312f\u31a0-\ua4cf\uf900-\ufaff\U00020000-\U0003ffff"
_TOKENS = re.compile(rf"[{_WIDE}]|[^\s{_WIDE}]+")

_Letter = tuple[str, int, int]  # in comparable form, from, to in microseconds


def with_word_times(utterances: Sequence[Utterance], recognised: Sequence[Word]) -> tuple[Utterance, ...]:
    """The utterances with the time of each of their words, inside their own spans.

    Chinese and Japanese characters count as words, whatever their script (traditional or simplified). An
    utterance keeps its words where fewer than ``MIN_MATCHED_FRACTION`` of its letters were recognised about
    when it stands.

    Args:
        utterances: in order of time; their text and spans stay.
        recognised: words with times in order, as heard in the same sound.
    """
    timed: list[Utterance] = []
    first, free_us = 0, 0  # a recognised letter is used once
    for utterance in utterances:
        span = utterance.span
        while first < len(recognised) and recognised[first].span.end_us < span.start_us - SLACK_US:
            first += 1
        near: list[_Letter] = []
        for word in recognised[first:]:
            if word.span.start_us > span.end_us + SLACK_US:
                break
            near += [letter for letter in _letters(word) if letter[1] >= free_us]
        words, end_us = _timed(utterance, near)
        free_us = max(free_us, end_us)
        timed.append(replace(utterance, words=words) if words else utterance)
    return tuple(timed)


def tokens(text: str) -> list[str]:
    """The words of a line in order; punctuation goes with the word before it."""
    parts: list[str] = []
    for token in _TOKENS.findall(text):
        if parts and not any(char.isalnum() for char in token):
            parts[-1] += token
        else:
            parts.append(token)
    return parts


def _letters(word: Word) -> list[_Letter]:
    """Each letter with an equal part of the word's time."""
    letters = comparable(word.text)
    start, duration, count = word.span.start_us, word.span.duration_us, len(letters)
    return [
        (letter, start + duration * i // count, start + duration * (i + 1) // count)
        for i, letter in enumerate(letters)
    ]


def _timed(utterance: Utterance, near: Sequence[_Letter]) -> tuple[tuple[Word, ...], int]:
    """Words of an utterance, and until when recognised letters were used; no words where too few are."""
    parts = tokens(utterance.text)
    letters = [letter for part in parts for letter in comparable(part)]
    matcher = SequenceMatcher(None, letters, [letter for letter, _, _ in near], autojunk=False)
    anchors = {
        block.a + i: near[block.b + i][1:]
        for block in matcher.get_matching_blocks()
        for i in range(block.size)
    }
    if not letters or len(anchors) < MIN_MATCHED_FRACTION * len(letters):
        return (), 0
    borders = _borders(anchors, len(letters), utterance.span)
    words: list[Word] = []
    at = 0
    for part in parts:
        count = len(comparable(part))
        start, end = borders[at], borders[at + count]
        last = anchors.get(at + count - 1)
        # A pause after a word is not part of it.
        if count and last is not None:
            end = max(start, min(end, last[1]))
        words.append(Word(Span(start, end), part))
        at += count
    return tuple(words), max(end for _, end in anchors.values())


def _borders(anchors: dict[int, tuple[int, int]], count: int, span: Span) -> list[int]:
    """Where each of ``count`` letters starts, and where the last one ends; ascending, inside the span.

    Letters between two anchors share the time between them; those before the first and after the last are as
    long as the others, or shorter where the span leaves less time.
    """
    letter_us = round(median(end - start for start, end in anchors.values()))
    known = sorted(anchors)
    first, last = known[0], known[-1]
    starts = [0] * (count + 1)
    before_us = min(letter_us, max(0, anchors[first][0] - span.start_us) // max(1, first))
    after_us = min(letter_us, max(0, span.end_us - anchors[last][1]) // max(1, count - 1 - last))
    for index in range(first):
        starts[index] = anchors[first][0] - before_us * (first - index)
    for index in range(last + 1, count + 1):
        starts[index] = anchors[last][1] + after_us * (index - last - 1)
    for a, b in zip(known, [*known[1:], None], strict=True):
        starts[a] = anchors[a][0]
        if b is not None:
            begin, end = anchors[a][1], anchors[b][0]
            for index in range(a + 1, b):
                starts[index] = begin + (end - begin) * (index - a - 1) // (b - a - 1)
    borders: list[int] = []
    for start in starts:
        inside = min(max(start, span.start_us), span.end_us)
        borders.append(max(inside, borders[-1]) if borders else inside)
    return borders


def comparable(text: str) -> list[str]:
    """The letters and digits of a text, in lower case and simplified characters; as many as it has."""
    return [_simplified(char) for char in text.lower() if char.isalnum()]


@cache
def _simplified(char: str) -> str:
    if char.isascii():
        return char
    converted: str = converter("t2s").convert(char)
    return converted
