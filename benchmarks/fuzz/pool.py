"""Workers that are watched: one that takes too long or holds too much is killed and replaced."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.process import end_group, family, resident_mb

Item = TypeVar("Item")
Result = TypeVar("Result")

WATCH_EVERY_S = 0.1
WORKER = (sys.executable, "-m", "benchmarks.fuzz.worker")
OVER_TIME, OVER_MEMORY, DIED = "over time", "over memory", "died"


class Worker:
    """One process that answers JSON lines, started when it is first needed; what it prints goes to a file."""

    def __init__(self, limit_s: float, max_mb: float, errors: Path, argv: Sequence[str] = WORKER) -> None:
        self._limit_s, self._max_mb, self._errors, self._argv = limit_s, max_mb, errors, list(argv)
        self._child: subprocess.Popen[str] | None = None

    def ask(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """The worker's answer; ``{"ended": why}`` when it was killed or died."""
        child = self._started()
        assert child.stdin is not None and child.stdout is not None
        why: list[str] = []
        done = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(child.pid, done, why), daemon=True)
        watcher.start()
        line = ""
        try:
            child.stdin.write(json.dumps(task) + "\n")
            child.stdin.flush()
            line = child.stdout.readline()
        except BrokenPipeError:
            pass
        done.set()
        watcher.join()
        if line and not why:
            answer: dict[str, Any] = json.loads(line)
            return answer
        code = child.wait() if not why else None
        self.end()
        return {"ended": why[0] if why else DIED, "code": code}

    def end(self) -> None:
        """Kill the worker with everything it started."""
        if self._child is not None:
            end_group(self._child.pid)
            self._child.wait()
            for stream in (self._child.stdin, self._child.stdout):
                with contextlib.suppress(BrokenPipeError):
                    stream.close()  # type: ignore[union-attr]
            self._child = None

    def _started(self) -> "subprocess.Popen[str]":
        if self._child is None or self._child.poll() is not None:
            self.end()
            with self._errors.open("ab") as errors:
                self._child = subprocess.Popen(
                    self._argv,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                    start_new_session=True,
                )
        return self._child

    def _watch(self, pid: int, done: threading.Event, why: list[str]) -> None:
        begin = time.perf_counter()
        while not done.wait(WATCH_EVERY_S):
            if time.perf_counter() - begin > self._limit_s:
                why.append(OVER_TIME)
            elif sum(map(resident_mb, family(pid))) > self._max_mb:
                why.append(OVER_MEMORY)
            if why:
                end_group(pid)
                return


def side_by_side(
    items: Iterable[Item], act: Callable[[Worker, Item], Result], workers: Iterable[Worker], until: float
) -> Iterator[Result]:
    """``act`` on every item, on as many threads as workers, as they come; no new ones after ``until``."""
    waiting: queue.SimpleQueue[Item] = queue.SimpleQueue()
    for item in items:
        waiting.put(item)
    results: queue.SimpleQueue[Result | BaseException | None] = queue.SimpleQueue()

    def run(worker: Worker) -> None:
        try:
            while time.perf_counter() < until:
                results.put(act(worker, waiting.get_nowait()))
        except queue.Empty:
            pass
        except BaseException as error:  # handed to the reader, who must not wait for ever
            results.put(error)
        finally:
            worker.end()
            results.put(None)

    threads = [threading.Thread(target=run, args=(worker,), daemon=True) for worker in workers]
    for thread in threads:
        thread.start()
    running = len(threads)
    while running:
        result = results.get()
        if isinstance(result, BaseException):
            raise result
        if result is None:
            running -= 1
        else:
            yield result
