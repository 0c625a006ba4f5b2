"""The command `models`: what is here, fetching, checking."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.models.cards import ModelError, shipped_ids
from pipeline.models.fetch import list_models, pull, verify
from pipeline.terminal import printable, say


def act(what: str, ids: Sequence[str], best_effort: bool) -> bool:
    """Run ``list``, ``pull`` or ``verify``; returns whether all is well.

    Raises:
        ModelError: one sentence; with ``best_effort`` it is printed and all counts as well.
    """
    try:
        return {"list": _list, "pull": _pull, "verify": _verify}[what](ids)
    except ModelError as error:
        if not best_effort:
            raise
        reason = str(error).split(", so ")[0]
        say(f"full models not fetched ({reason}); the compact ones in the package are used")
        return True


def _list(ids: Sequence[str]) -> bool:
    for model_id in shipped_ids():
        say(f"in the package  {model_id}")
    for line in list_models():
        state = "here" if line.is_here else "not here"
        say(f"{state:<14}  {line.model.id}  {line.model.size_bytes / 1e6:.1f} MB  {line.model.licence}")
    return True


def _pull(ids: Sequence[str]) -> bool:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks: dict[tuple[str, str], Any] = {}

        def show(model_id: str, file: str, done: int, total: int) -> None:
            key = (model_id, file)
            if key not in tasks:
                tasks[key] = bars.add_task(printable(f"{model_id} {file}"), total=total or None)
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
