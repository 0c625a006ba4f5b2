"""Cells of text that no spreadsheet runs as a formula, and the text they stand for."""

import unicodedata

FORMULA = ("=", "+", "-", "@")
IGNORED = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})  # white space and marks before what a spreadsheet reads
GUARD = "'"


def guarded(cell: str) -> str:
    """The cell, behind an apostrophe where a spreadsheet would run it."""
    first = next((c for c in cell if unicodedata.category(c) not in IGNORED), "")
    # Spreadsheets for Chinese and Japanese take full-width ＝＋－＠ for = + - @; other forms fold likewise.
    formula = unicodedata.normalize("NFKC", first).startswith(FORMULA)
    return f"{GUARD}{cell}" if formula or cell.startswith(("\t", "\r", "\n")) else cell


def unguarded(cell: str) -> str:
    """The text of a cell that :func:`guarded` may have written."""
    text = cell.removeprefix(GUARD)
    return text if guarded(text) == cell else cell
