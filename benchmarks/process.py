"""Run one whole program and measure it from outside: seconds and peak memory."""

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLE_EVERY_S = 0.1
PAGE_MB = resource.getpagesize() / 1e6


@dataclass(frozen=True, slots=True)
class Measured:
    """How one program ran.

    ``process_peak_mb`` is the largest resident memory of any one of its processes (``ru_maxrss``);
    ``tree_peak_mb`` the largest sum over the program and all its children at one moment, read every 0.1 s.
    The sum counts shared pages once per process, so it errs high; it is None where there is no ``/proc``.
    """

    exit_code: int
    seconds: float
    process_peak_mb: float
    tree_peak_mb: float | None
    stdout: str
    stderr: str
    processor_s: float = 0.0  # user and system, of the program and of the children it waited for

    @property
    def peak_mb(self) -> float:
        """The stricter of the two peaks."""
        return max(self.process_peak_mb, self.tree_peak_mb or 0.0)


class BenchmarkError(RuntimeError):
    """A program under measurement failed; the message ends with what it said."""


def pipeline_command() -> list[str]:
    """The ``emotion-pipeline`` command of this Python."""
    found = shutil.which("emotion-pipeline", path=str(Path(sys.executable).parent))
    return [found] if found else [sys.executable, "-m", "pipeline.cli"]


def measure(
    argv: Sequence[str],
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    limit_s: float | None = None,
) -> Measured:
    """Run ``argv`` to its end, in ``folder`` if given, with ``environment`` laid over ours.

    What runs longer than ``limit_s`` is killed with all it started.
    A child's ``ru_maxrss`` starts at its parent's peak (Linux carries it over ``exec``), so the calling
    process must not have loaded models.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begin = time.perf_counter()
        child = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
        watcher = _TreeWatcher(child.pid)
        watcher.start()
        limit = threading.Timer(
            limit_s if limit_s is not None else threading.TIMEOUT_MAX, end_group, [child.pid]
        )
        limit.daemon = True
        limit.start()
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:
            end_group(child.pid)
            raise
        finally:
            limit.cancel()
            watcher.done.set()
        seconds = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        watcher.join()
        said = []
        for stream in (out, err):
            stream.seek(0)
            said.append(stream.read().decode("utf-8", "replace"))
    per_mb = 1e6 if sys.platform == "darwin" else 1e3
    process_peak_mb, processor_s = usage.ru_maxrss / per_mb, usage.ru_utime + usage.ru_stime
    return Measured(child.returncode, seconds, process_peak_mb, watcher.peak_mb, *said, processor_s)


def succeed(
    argv: Sequence[str], environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> Measured:
    """:func:`measure`, for a program that has to end with 0. Raises BenchmarkError."""
    result = measure(argv, environment, folder)
    if result.exit_code != 0:
        said = (result.stderr.strip() or result.stdout.strip())[-1500:]
        raise BenchmarkError(f"{' '.join(argv[:3])} … ended with {result.exit_code}: {said}")
    return result


def end_group(leader: int) -> None:
    """Kill what is left of a process group that :func:`measure` (or a like call) started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


class _TreeWatcher(threading.Thread):
    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self.done = threading.Event()
        self.peak_mb: float | None = None
        self._root = root

    def run(self) -> None:
        if not Path("/proc/self/statm").is_file():
            return
        while True:
            total = self._resident_mb()
            if total > (self.peak_mb or 0.0):
                # Between fork and exec a child shows its parent's memory: what counts is there twice.
                self.done.wait(SAMPLE_EVERY_S / 2)
                self.peak_mb = max(self.peak_mb or 0.0, min(total, self._resident_mb() or total))
            if self.done.wait(SAMPLE_EVERY_S):
                return

    def _resident_mb(self) -> float:
        return sum(resident_mb(pid) for pid in family(self._root))


def family(root: int) -> list[int]:
    """A process and all its descendants, as ``/proc`` shows them; those that have just ended are left out."""
    found = [root]
    for pid in found:
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                found += [int(word) for word in children.read_text().split()]
            except OSError:
                continue
    return found


def resident_mb(pid: int) -> float:
    """Resident memory of a process; 0 when it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_MB
    except (OSError, IndexError):
        return 0.0
