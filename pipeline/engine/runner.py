"""Run a graph of stages for one source: skip what is done, run branches side by side."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import BoundedSemaphore, Event
from typing import Any, Literal

from pipeline.engine.sources import Source, SourceChangedError
from pipeline.engine.stage import Stage
from pipeline.engine.store import Artifact, Store

How = Literal["cached", "ran", "repaired"]
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

    ``blocked`` maps a stage that could not start to the needed stages that are missing. ``repaired`` are
    those of ``ran`` whose artifact was there, but damaged.
    """

    artifacts: Mapping[str, Artifact]
    ran: tuple[str, ...]
    repaired: tuple[str, ...]
    failed: Mapping[str, BaseException]
    blocked: Mapping[str, tuple[str, ...]]


class CancelledError(Exception):
    """Raised inside a stage, at its next progress report, when the run was interrupted."""


@dataclass(frozen=True, slots=True)
class Run:
    """How to run a graph.

    ``settings`` is what each stage's ``run`` receives; ``keys`` holds, as JSON values, the part of it (and
    of the models) that changes bytes. ``workers`` stages run at a time, "gpu" stages one at a time. ``force``
    runs also what is there. ``watched`` are the files from outside that the run depends on: none may change
    while it lasts. ``peak_memory_mb`` reads the process's peak so far, kept with each artifact.
    ``on_event`` is called from worker threads.
    """

    settings: Mapping[str, Any]
    keys: Mapping[str, Any]
    store: Store
    workers: int
    force: bool = False
    watched: tuple[Source, ...] = ()
    peak_memory_mb: Callable[[], float] = lambda: 0.0
    on_event: Callable[[StageEvent], None] = lambda event: None
    stop: Event = field(default_factory=Event)

    def check_watched(self) -> None:
        """Raises SourceChangedError when a watched file is no longer what it was at the start."""
        for source in self.watched:
            source.check()


def recipe_for(stage: Stage, key: Any, ready: Mapping[str, Artifact]) -> dict[str, Any]:
    """Everything that may change a stage's bytes, and nothing else."""
    used = {name: ready[name].digest for name in (*stage.needs, *stage.wants) if name in ready}
    return {"stage": stage.name, "version": stage.version, "settings": key, "inputs": used}


def make(
    stage: Stage, inputs: Mapping[str, Artifact], run: Run, slot: BoundedSemaphore
) -> tuple[Artifact, How]:
    """The stage's artifact, and how it came about. Raises what the stage raises, or SourceChangedError."""
    recipe = recipe_for(stage, run.keys.get(stage.name), inputs)
    if not run.force and (found := run.store.find(stage.name, recipe)):
        run.on_event(StageEvent(stage.name, "cached", 1.0))
        return found, "cached"
    how: How = "repaired" if not run.force and run.store.holds(stage.name, recipe) else "ran"

    def report(fraction: float) -> None:
        if run.stop.is_set():
            raise CancelledError
        run.on_event(StageEvent(stage.name, "progress", fraction))

    with slot:
        run.on_event(StageEvent(stage.name, "started"))
        report(0.0)
        measures: dict[str, float] = {}
        with run.store.writing(stage.name, recipe, measures, replace=run.force) as out:
            begin = time.perf_counter()
            paths = {name: artifact.path for name, artifact in inputs.items()}
            try:
                stage.run(paths, run.settings.get(stage.name), out, report)
            finally:  # what a changed file led to, an error or an artifact, is of no use
                run.check_watched()
            measures["seconds"] = round(time.perf_counter() - begin, 3)
            measures["peak_memory_mb"] = round(run.peak_memory_mb(), 1)
    made = run.store.find(stage.name, recipe)
    if made is None:
        raise OSError(f"the artifact of stage {stage.name} vanished from {run.store.root}")
    run.on_event(StageEvent(stage.name, "done", 1.0))
    return made, how


def run_graph(stages: tuple[Stage, ...], sources: Mapping[str, Artifact], run: Run) -> Outcome:
    """Make the artifact of every stage that can be made; one bad branch does not stop its siblings.

    ``stages`` come in a runnable order (``in_order``), ``sources`` are files given from outside. What a stage
    wants and neither a stage nor a source provides is left out; what it needs so blocks it.

    Raises:
        KeyboardInterrupt: passed on at once, running stages are told to stop at their next progress report;
            finished stages stay in the store, which is closed.
        SourceChangedError: a watched file changed; no stage runs any more.
    """
    ready: dict[str, Artifact] = dict(sources)
    slots = {"cpu": BoundedSemaphore(run.workers), "gpu": BoundedSemaphore(1)}
    how: dict[str, How] = {}
    failed: dict[str, BaseException] = {}
    blocked: dict[str, tuple[str, ...]] = {}
    waiting = {stage.name: stage for stage in stages}
    absent = {n for s in stages for n in (*s.needs, *s.wants)} - waiting.keys() - ready.keys()
    running: dict[Future[tuple[Artifact, How]], str] = {}
    pool = ThreadPoolExecutor(max_workers=len(stages), thread_name_prefix="stage")
    try:
        while waiting or running:
            for name, stage in list(waiting.items()):
                lost = tuple(n for n in stage.needs if n in failed or n in blocked or n in absent)
                if lost:
                    del waiting[name]
                    blocked[name] = lost
                    run.on_event(StageEvent(name, "blocked"))
                elif ready.keys() | failed.keys() | blocked.keys() | absent >= {*stage.needs, *stage.wants}:
                    del waiting[name]
                    inputs = {n: ready[n] for n in (*stage.needs, *stage.wants) if n in ready}
                    running[pool.submit(make, stage, inputs, run, slots[stage.slot])] = name
            for future in wait(running, timeout=POLL_S, return_when=FIRST_COMPLETED).done:
                name = running.pop(future)
                if error := future.exception():
                    if isinstance(error, SourceChangedError):
                        raise error
                    failed[name] = error
                    run.on_event(StageEvent(name, "failed", error=error))
                else:
                    ready[name], how[name] = future.result()
    except (KeyboardInterrupt, SourceChangedError) as end:
        run.stop.set()
        run.store.close()  # what a stage that still runs makes would outlive what is done to the store now
        pool.shutdown(wait=isinstance(end, SourceChangedError), cancel_futures=True)
        raise
    pool.shutdown()
    return Outcome(
        artifacts=ready,
        ran=tuple(name for name in how if how[name] != "cached"),
        repaired=tuple(name for name in how if how[name] == "repaired"),
        failed=failed,
        blocked=blocked,
    )
