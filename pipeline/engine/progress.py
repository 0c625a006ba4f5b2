"""A progress line per stage with the time left; silent when nobody watches a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pipeline.engine.runner import StageEvent

WORDS = {"done": "done", "cached": "already done", "failed": "[red]failed[/]", "blocked": "[red]left out[/]"}


@contextmanager
def progress_lines(console: Console) -> Iterator[Callable[[StageEvent], None]]:
    """Yield the function that shows a run's events on ``console``."""
    if not console.is_terminal:
        yield lambda event: None
        return
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[word]}"),
    )
    with Progress(*columns, console=console, transient=True) as lines:
        tasks = {}

        def show(event: StageEvent) -> None:
            if event.stage not in tasks:
                tasks[event.stage] = lines.add_task(event.stage, total=1.0, word="")
            finished = event.state in ("done", "cached")
            lines.update(
                tasks[event.stage],
                completed=1.0 if finished else event.fraction,
                word=WORDS.get(event.state, ""),
            )

        yield show
