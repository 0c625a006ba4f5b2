"""Run a graph of stages for one source: skip what is done, run branches side by side."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from threading import BoundedSemaphore, Event
from typing import Any, Literal

from pipeline.engine.stage import Stage
from pipeline.engine.store import Artifact, Store

State = Literal["started", "progress", "done", "cached", "failed", "blocked"]
POLL_S = 0.2  # how soon an interrupt is seen while stages run


@dataclass(frozen=True, slots=True)
class StageEvent:
    """Something a person watching the run would want to know."""

    stage: str
    state: State
    fraction: float = 0.0
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run made, what it could not make and why.

    ``blocked`` maps a stage that could not start to the needed stages that are missing.
    """

    artifacts: Mapping[str, Artifact]
    ran: tuple[str, ...]
    failed: Mapping[str, BaseException]
    blocked: Mapping[str, tuple[str, ...]]


class Cancelled(Exception):
    """Raised inside a stage, at its next progress report, when the run was interrupted."""


def recipe_for(stage: Stage, key: Any, ready: Mapping[str, Artifact]) -> dict[str, Any]:
    """Everything that may change a stage's bytes, and nothing else."""
    needed = {name: ready[name].digest for name in stage.needs}
    wanted = {name: ready[name].digest for name in stage.wants if name in ready}
    return {"stage": stage.name, "version": stage.version, "settings": key, "inputs": {**needed, **wanted}}


def run_graph(
    stages: tuple[Stage, ...],
    sources: Mapping[str, Artifact],
    settings: Mapping[str, Any],
    keys: Mapping[str, Any],
    store: Store,
    *,
    workers: int,
    force: bool = False,
    peak_memory_mb: Callable[[], float] = lambda: 0.0,
    on_event: Callable[[StageEvent], None] = lambda event: None,
) -> Outcome:
    """Make the artifact of every stage that can be made; one bad branch does not stop its siblings.

    Args:
        stages: in a runnable order (``in_order``).
        sources: files given from outside, with their digests.
        settings: what each stage's ``run`` receives.
        keys: JSON values, the part of each stage's settings (and models) that changes its bytes.
        store: where artifacts live.
        workers: how many stages run at a time; "gpu" stages run one at a time.
        force: run every stage, also those whose artifact is there.
        peak_memory_mb: reads the process's peak memory so far, kept with each artifact.
        on_event: called from the worker threads.

    Raises:
        KeyboardInterrupt: passed on at once; the caller ends the process, finished stages stay in the store.
    """
    ready: dict[str, Artifact] = dict(sources)
    slots = {"cpu": BoundedSemaphore(workers), "gpu": BoundedSemaphore(1)}
    stop = Event()
    ran: list[str] = []
    failed: dict[str, BaseException] = {}
    blocked: dict[str, tuple[str, ...]] = {}

    def execute(stage: Stage, inputs: Mapping[str, Artifact]) -> Artifact:
        recipe = recipe_for(stage, keys.get(stage.name), inputs)
        if not force and (found := store.find(stage.name, recipe)):
            on_event(StageEvent(stage.name, "cached", 1.0))
            return found

        def report(fraction: float) -> None:
            if stop.is_set():
                raise Cancelled
            on_event(StageEvent(stage.name, "progress", fraction))

        with slots[stage.slot]:
            report(0.0)
            on_event(StageEvent(stage.name, "started"))
            measures: dict[str, float] = {}
            with store.writing(stage.name, recipe, measures, replace=force) as out:
                begin = time.perf_counter()
                paths = {name: artifact.path for name, artifact in inputs.items()}
                stage.run(paths, settings.get(stage.name), out, report)
                measures["seconds"] = round(time.perf_counter() - begin, 3)
                measures["peak_memory_mb"] = round(peak_memory_mb(), 1)
        made = store.find(stage.name, recipe)
        if made is None:
            raise OSError(f"the artifact of stage {stage.name} vanished from {store.root}")
        ran.append(stage.name)
        on_event(StageEvent(stage.name, "done", 1.0))
        return made

    waiting = {stage.name: stage for stage in stages}
    running: dict[Future[Artifact], str] = {}
    pool = ThreadPoolExecutor(max_workers=len(stages), thread_name_prefix="stage")
    try:
        while waiting or running:
            for name, stage in list(waiting.items()):
                lost = tuple(need for need in stage.needs if need in failed or need in blocked)
                settled = ready.keys() | failed.keys() | blocked.keys()
                if lost:
                    del waiting[name]
                    blocked[name] = lost
                    on_event(StageEvent(name, "blocked"))
                elif settled >= {*stage.needs, *stage.wants}:
                    del waiting[name]
                    inputs = {n: ready[n] for n in (*stage.needs, *stage.wants) if n in ready}
                    running[pool.submit(execute, stage, inputs)] = name
            for future in wait(running, timeout=POLL_S, return_when=FIRST_COMPLETED).done:
                name = running.pop(future)
                error = future.exception()
                if error is None:
                    ready[name] = future.result()
                else:
                    failed[name] = error
                    on_event(StageEvent(name, "failed", error=error))
    except KeyboardInterrupt:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
    return Outcome(ready, tuple(ran), failed, blocked)
