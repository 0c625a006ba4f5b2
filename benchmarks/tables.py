"""Tables for a person, whole also where nobody watches a terminal."""

from collections.abc import Iterable, Sequence

LEAST_WIDTH = 140


def show(title: str | None, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print one table; into a file or a pipe it is as wide as a log line may be."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, title=title)
    for row in rows:
        table.add_row(*row)
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(LEAST_WIDTH, console.width))
    console.print(table)
