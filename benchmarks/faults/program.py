"""One run of the command, started, struck while it runs, and seen to its end with all it started."""

import contextlib
import hashlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fuzz.runs import unwhole
from benchmarks.process import end_group, pipeline_command
from benchmarks.reproducible import digests

LIMIT_S = 120.0
POLL_S = 0.01
ORPHAN_GRACE_S = 3.0  # a child may take so long to see that its parent is gone
WORK = ".work"
EXIT_OK, EXIT_USAGE, EXIT_PARTIAL, EXIT_INTERRUPTED = 0, 2, 3, 130
WITH_SENTENCE = (EXIT_USAGE, EXIT_PARTIAL, EXIT_INTERRUPTED)
_TRACE = re.compile(r"^Traceback \(most recent call last\)|internal error|a fault of ours", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Job:
    """What is analysed; ``film``: the annotated film is made too."""

    video: Path
    subtitles: Path
    film: bool = False

    def arguments(self, out: Path) -> list[str]:
        """Of the command, from ``analyze`` on."""
        always = ["analyze", str(self.video), "--profile", "compact", "--transcript", str(self.subtitles)]
        return [*always, "--out", str(out), *([] if self.film else ["--no-video"])]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended. ``orphans`` are processes of its that lived on."""

    code: int
    printed: str
    stderr: str
    seconds: float
    orphans: tuple[str, ...] = ()

    @property
    def says(self) -> str:
        """The last line for the person."""
        lines = [line for line in (self.stderr.strip() or self.printed.strip()).splitlines() if line.strip()]
        return lines[-1].strip() if lines else ""

    def trouble(self, allowed: Sequence[int]) -> str:
        """What is wrong with how it ended; empty when nothing is."""
        if self.orphans:
            return f"left running: {self.orphans[0]}"
        if _TRACE.search(self.stderr) or _TRACE.search(self.printed):
            return f"exit {self.code}, no sentence of ours: {self.says[:160]}"
        if self.code not in allowed:
            return f"exit {self.code}: {self.says[:160]}"
        return "" if self.code == EXIT_OK or self.says else f"exit {self.code} without a word"


class Running:
    """A run that goes on until :meth:`end`."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._out, self._err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        self._begin = time.perf_counter()
        self._child = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=self._err,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
        self.pid = self._child.pid

    def wait_for(self, reached: Callable[[], bool], then_s: float = 0.0) -> bool:
        """Wait until ``reached()`` and ``then_s`` more; False when the run ended before."""
        while self._child.poll() is None and time.perf_counter() - self._begin < LIMIT_S:
            if reached():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._child.wait(then_s)
                return self._child.poll() is None
            time.sleep(POLL_S)
        return False

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the program alone, not to its children."""
        with contextlib.suppress(ProcessLookupError):
            self._child.send_signal(number)

    def end(self) -> Ended:
        """Wait for its end, kill what lives on, tell both."""
        try:
            code = self._child.wait(max(1.0, LIMIT_S - (time.perf_counter() - self._begin)))
        except subprocess.TimeoutExpired:
            end_group(self._child.pid)
            code = self._child.wait()
        seconds = time.perf_counter() - self._begin
        orphans = lived_on(self._child.pid)
        end_group(self._child.pid)
        texts = []
        for stream in (self._out, self._err):
            stream.seek(0)
            texts.append(stream.read().decode("utf-8", "replace"))
            stream.close()
        return Ended(code, *texts, seconds, orphans)


def start(job: Job, out: Path) -> Running:
    """Start the command."""
    return Running([*pipeline_command(), *job.arguments(out)])


def start_struck(job: Job, out: Path, stage: str, after_s: float) -> Running:
    """Start the command so that it kills itself while ``stage`` writes."""
    struck = [sys.executable, "-m", "benchmarks.faults.struck", stage, str(after_s)]
    return Running([*struck, *job.arguments(out)])


def run(job: Job, out: Path) -> Ended:
    """The command to its end."""
    return start(job, out).end()


def same_bytes(job: Job, out: Path, wanted: dict[str, str]) -> str:
    """Run the command (again); what differs from an undisturbed run, empty when nothing does."""
    ended = run(job, out)
    return ended.trouble((EXIT_OK,)) or differs(out, wanted)


def differs(out: Path, wanted: dict[str, str]) -> str:
    """How a published folder differs from an undisturbed one; empty when it does not."""
    if problem := unwhole(out):
        return problem
    got = digests(out)
    names = sorted(name for name in {*wanted, *got} if wanted.get(name) != got.get(name))
    return f"different: {', '.join(names)}" if names else ""


def lived_on(session: int) -> tuple[str, ...]:
    """Processes of a session whose leader has ended, after a moment of grace."""
    until = time.perf_counter() + ORPHAN_GRACE_S
    while (left := _of_session(session)) and time.perf_counter() < until:
        time.sleep(0.05)
    return left


def _of_session(session: int) -> tuple[str, ...]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            fields = stat.read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()
            if int(fields[3]) == session and fields[0] != "Z":
                words = (stat.parent / "cmdline").read_bytes().replace(b"\0", b" ")
                found.append(words.decode("utf-8", "replace")[:120])
    return tuple(found)


def flip_bit(path: Path, at: int) -> None:
    """Turn one bit of a file over and leave its times as they are, as a bad disk does."""
    stat = path.stat()
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= 1 << at % 8
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
