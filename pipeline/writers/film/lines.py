"""Text broken into lines that fit, for Latin, Chinese and what has no spaces at all."""

import unicodedata
from collections.abc import Callable, Iterator

Measure = Callable[[str], float]

# Kinsoku: what must not begin a line, and what must not end one, besides Unicode's closing and opening signs.
NOT_FIRST = frozenset("、。，．・：；？！ー～…‥,.:;?!%％’”")
NOT_LAST = frozenset("‘“$￥¥£€")


def wrapped(text: str, width_px: float, measure: Measure) -> tuple[str, ...]:
    """As few lines as fit, then as even as they get; a word wider than a line is cut."""
    pieces = [part for piece in _pieces(text) for part in _cut(piece, width_px, measure)]
    widths = [(piece, measure(piece)) for piece in pieces]
    lines = _filled(widths, width_px, measure)
    low, high = 0.0, width_px
    while len(lines) > 1 and high - low > width_px / 64:
        middle = (low + high) / 2
        tried = _filled(widths, middle, measure)
        if len(tried) == len(lines) and all(measure(line) <= middle for line in tried):
            lines, high = tried, middle
        else:
            low = middle
    return tuple(lines)


def _filled(pieces: list[tuple[str, float]], width_px: float, measure: Measure) -> list[str]:
    lines: list[str] = []
    line, reach = "", 0.0
    for piece, width in pieces:
        bare = measure(piece.rstrip()) if piece.endswith(" ") else width
        if line and reach + bare > width_px:
            lines.append(line.rstrip())
            line, reach = "", 0.0
        line, reach = line + piece, reach + width
    return [*lines, line.rstrip()] if line.strip() else lines


def _pieces(text: str) -> Iterator[str]:
    """What must stay together, with the space after it."""
    piece = ""
    for c in text:
        if piece and _may_break(piece[-1], c):
            yield piece
            piece = ""
        piece += c
    if piece:
        yield piece


def _may_break(before: str, after: str) -> bool:
    if after == " " or after in NOT_FIRST or unicodedata.category(after) in ("Pe", "Pf", "Mn", "Mc", "Me"):
        return False
    if before in NOT_LAST or unicodedata.category(before) in ("Ps", "Pi"):
        return False
    return before == " " or _wide(before) or _wide(after)


def _wide(c: str) -> bool:
    return unicodedata.east_asian_width(c) in ("W", "F")


def _cut(piece: str, width_px: float, measure: Measure) -> Iterator[str]:
    while len(piece) > 1 and measure(piece.rstrip()) > width_px:
        share = width_px / measure(piece)
        at = max(1, min(len(piece) - 1, int(len(piece) * share)))
        while at > 1 and measure(piece[:at]) > width_px:
            at -= 1
        yield piece[:at]
        piece = piece[at:]
    yield piece
