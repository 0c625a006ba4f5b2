"""The command `models`: what is here, fetching, checking."""

from collections.abc import Sequence
from threading import Lock
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

from pipeline.models.cards import ModelError, shipped_card, shipped_ids, shipped_weights
from pipeline.models.fetch import PullError, list_models, pull, verify
from pipeline.terminal import printable, say, say_aside

AGAIN = (
    "what could not be fetched is not used; run `emotion-pipeline models pull` again with a network, "
    "signed in where it asks for that"
)


def act(what: str, ids: Sequence[str], best_effort: bool) -> bool:
    """Run ``list``, ``pull`` or ``verify``; returns whether all is well.

    Raises:
        ModelError: one sentence; with ``best_effort`` it is printed and all counts as well.
    """
    try:
        return {"list": _list, "pull": _pull, "verify": _verify}[what](ids)
    except PullError as error:
        tell = say if best_effort else say_aside
        if error.fetched:
            say(f"fetched {', '.join(error.fetched)}")
        for failure in error.failures:
            tell(str(failure))
        tell(AGAIN)
        return best_effort
    except ModelError as error:
        if not best_effort:
            raise
        say(f"nothing was fetched: {error}")
        return True


def _list(ids: Sequence[str]) -> bool:
    for model_id in shipped_ids():
        card = shipped_card(model_id)
        size_bytes = shipped_weights(card).stat().st_size
        say(f"in the package  {model_id}  {_megabytes(size_bytes)}  {card.licence}")
    for line in list_models():
        origin = f"  from {', '.join(line.sources)}" if line.sources else "  origin not recorded"
        if not line.is_here:
            origin = f"  without it: {line.model.without}"
        state = "here" if line.is_here else "not here"
        size = _megabytes(line.model.size_bytes)
        say(f"{state:<14}  {line.model.id}  {size}  {line.model.licence}{origin}")
    return True


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB"


def _pull(ids: Sequence[str]) -> bool:
    name = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    columns = (
        TextColumn("{task.description}", table_column=name),
        BarColumn(bar_width=20),
        DownloadColumn(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, expand=True, disable=not console.is_terminal) as bars:
        tasks: dict[tuple[str, str], Any] = {}
        lock = Lock()

        def show(model_id: str, file: str, done: int, total: int) -> None:
            key = (model_id, file)
            with lock:  # files come in at the same time, each in a thread of its own
                if key not in tasks:
                    tasks[key] = bars.add_task(printable(f"{file} of {model_id}"), total=total or None)
            bars.update(tasks[key], completed=done, total=total or None)

        fetched = pull(ids, show)
    say(f"fetched {', '.join(fetched)}" if fetched else "nothing to fetch: every model is here")
    return True


def _verify(ids: Sequence[str]) -> bool:
    checked = verify(ids)
    for file in checked:
        say(f"{file.state:<11} {file.model_id}  {file.path}")
    if not checked:
        say("no fetched model is on this machine; `emotion-pipeline doctor` checks the package's own")
    return all(file.state in ("ok", "unrecorded") for file in checked)
