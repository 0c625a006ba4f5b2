"""Tables as Markdown, and back into records for a program."""

import re
from collections.abc import Iterable, Sequence

RULE = "---"


def table_of(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [columns, [RULE] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def records(markdown: str) -> list[dict[str, str]]:
    """The rows of all tables in a text, each by the names of its columns."""
    found: list[dict[str, str]] = []
    columns: list[str] | None = None
    for line in markdown.splitlines():
        if not line.startswith("|"):
            columns = None
            continue
        cells = [cell.replace("\\|", "|").strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if columns is None:
            columns = cells
        elif cells != [RULE] * len(columns):
            found.append(dict(zip(columns, cells, strict=True)))
    return found
