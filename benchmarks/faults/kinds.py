"""The kinds of fault, each a list of trials; a trial does its harm, runs the command again, and compares."""

import json
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from benchmarks.faults.program import (
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_PARTIAL,
    EXIT_USAGE,
    WITH_SENTENCE,
    WORK,
    Job,
    differs,
    flip_bit,
    run,
    same_bytes,
    start,
    start_struck,
)

SAME, SENTENCE, BAD = "same bytes", "one sentence", "bad"
SIGNALS = {"Ctrl-C": signal.SIGINT, "SIGHUP": signal.SIGHUP, "SIGTERM": signal.SIGTERM}
GARBAGE = (b"", b"null\n", b"[]\n", b'{"', b"\xff\xfe\x00", b'{"files": 3, "sizes": [], "digest": null}\n')
STATE_FILES = ("digests.json", "published.json", "run.json", "manifest.json")
WRITER_STAGES = ("tables", "captions", "picture", "report", "film", "stills")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one trial."""

    name: str  # SAME, SENTENCE or BAD
    why: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """``run(folder)`` does it all in an empty folder of its own."""

    kind: str
    name: str
    run: Callable[[Path], Outcome]


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """A run that nothing happened to: where it lies, its bytes, and how long its parts took."""

    job: Job
    out: Path
    wanted: dict[str, str]
    whole_s: float
    work_s: float  # from the moment its work folder is there


def undisturbed(job: Job, out: Path) -> Undisturbed:
    """Run a job once. Raises RuntimeError when even that does not end well."""
    from benchmarks.reproducible import digests

    running = start(job, out)
    begin = time.perf_counter()
    running.wait_for((out / WORK).exists)
    there = time.perf_counter() - begin
    ended = running.end()
    if trouble := ended.trouble((EXIT_OK,)):
        raise RuntimeError(f"an undisturbed run: {trouble}")
    return Undisturbed(job, out, digests(out), ended.seconds, ended.seconds - there)


def again(base: Undisturbed, out: Path, before: str = "", name: str = SAME) -> Outcome:
    """The outcome when the command is run again; ``before`` is what was wrong already."""
    problem = before or same_bytes(base.job, out, base.wanted)
    return Outcome(BAD, problem) if problem else Outcome(name)


def killed(base: Undisturbed, count: int, random: Random) -> list[Trial]:
    """`kill -9` at chance moments from the program's start to its end."""
    kind = "kill -9, with film" if base.job.film else "kill -9"

    def trial(moment: float) -> Callable[[Path], Outcome]:
        def act(folder: Path) -> Outcome:
            for attempt in range(4):  # on a machine that has become quicker it may end before
                out = folder / f"out{attempt}"
                running = start(base.job, out)
                running.wait_for(lambda: True, moment * base.whole_s * 0.7**attempt)
                running.send(signal.SIGKILL)
                if (ended := running.end()).code == -signal.SIGKILL:
                    left = f"left running: {ended.orphans[0]}" if ended.orphans else ""
                    return again(base, out, left)
            return Outcome(BAD, "it always ended before it was killed")

        return act

    moments = [0.05 + 0.93 * (i + random.random()) / count for i in range(count)]
    return [Trial(kind, f"at {moment:.0%}", trial(moment)) for moment in moments]


def struck(base: Undisturbed, random: Random) -> list[Trial]:
    """`kill -9` inside each stage, while it writes or when it is about to commit."""
    stages = json.loads((base.out / "run.json").read_text(encoding="utf-8"))["stages"]

    def trial(stage: str, after_s: float) -> Callable[[Path], Outcome]:
        def act(folder: Path) -> Outcome:
            out = folder / "out"
            ended = start_struck(base.job, out, stage, after_s).end()
            if ended.code != -signal.SIGKILL:
                return Outcome(BAD, f"was not struck: exit {ended.code}: {ended.says[:120]}")
            return again(base, out, f"left running: {ended.orphans[0]}" if ended.orphans else "")

        return act

    return [
        Trial("kill -9 in a stage", stage, trial(stage, made["seconds"] * random.uniform(0.1, 2)))
        for stage, made in stages.items()
        if made["seconds"] is not None
    ]


def signalled(base: Undisturbed, each: int, random: Random) -> list[Trial]:
    """Signals that ask a program to end: it says one sentence, and its children end with it."""

    def trial(number: signal.Signals, after_s: float) -> Callable[[Path], Outcome]:
        def act(folder: Path) -> Outcome:
            out = folder / "out"
            running = start(base.job, out)
            running.wait_for((out / WORK).exists, after_s)
            running.send(number)
            ended = running.end()
            name = SAME if ended.code == EXIT_OK else SENTENCE
            return again(base, out, ended.trouble((EXIT_OK, EXIT_INTERRUPTED)), name)

        return act

    moments = [(i + random.random()) / each * base.work_s for i in range(each)]
    return [
        Trial(kind, f"after {after_s:.2f} s", trial(number, after_s))
        for kind, number in SIGNALS.items()
        for after_s in moments
    ]


def full(base: Undisturbed, fractions: tuple[float, ...]) -> list[Trial]:
    """A disk that is full before the end, at so much of what a run needs; then there is room."""
    need = sum(path.stat().st_size for path in base.out.rglob("*") if path.is_file())

    def trial(fraction: float) -> Callable[[Path], Outcome]:
        def act(folder: Path) -> Outcome:
            size = max(64 << 10, int(need * fraction))
            with tmpfs(folder / "disk", f"size={size}") as disk:
                trouble = run(base.job, disk / "out").trouble((EXIT_USAGE, EXIT_PARTIAL))
                remount(disk, "size=1g")
                return again(base, disk / "out", trouble, SENTENCE)

        return act

    return [Trial("disk full", f"{fraction:.0%} of what it needs", trial(fraction)) for fraction in fractions]


def no_inodes(base: Undisturbed, fractions: tuple[float, ...]) -> list[Trial]:
    """A disk with room and without inodes."""
    need = sum(1 for _ in base.out.rglob("*"))

    def trial(fraction: float) -> Callable[[Path], Outcome]:
        def act(folder: Path) -> Outcome:
            with tmpfs(folder / "disk", f"size=1g,nr_inodes={max(3, int(need * fraction))}") as disk:
                trouble = run(base.job, disk / "out").trouble((EXIT_USAGE, EXIT_PARTIAL))
                remount(disk, "nr_inodes=100000")
                return again(base, disk / "out", trouble, SENTENCE)

        return act

    return [Trial("no inodes", f"{fraction:.0%} of what it needs", trial(fraction)) for fraction in fractions]


def lost_folder(base: Undisturbed, each: int, random: Random) -> list[Trial]:
    """The output folder becomes read-only, or is deleted, while the command runs."""

    def read_only(after_s: float) -> Callable[[Path], Outcome]:
        def act(folder: Path) -> Outcome:
            out = folder / "out"
            running = start(base.job, out)
            running.wait_for((out / WORK).exists, after_s)
            # A disk with an open file cannot become read-only: an empty one is laid over the folder instead.
            subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(out)], check=True)
            try:
                ended = running.end()
            finally:
                subprocess.run(["umount", "-l", str(out)], check=True)
            name = SAME if ended.code == EXIT_OK else SENTENCE
            return again(base, out, ended.trouble((EXIT_OK, *WITH_SENTENCE)), name)

        return act

    def deleted(after_s: float) -> Callable[[Path], Outcome]:
        def act(folder: Path) -> Outcome:
            out = folder / "out"
            running = start(base.job, out)
            running.wait_for((out / WORK).exists, after_s)
            shutil.rmtree(out, ignore_errors=True)
            ended = running.end()
            name = SAME if ended.code == EXIT_OK else SENTENCE
            return again(base, out, ended.trouble((EXIT_OK, *WITH_SENTENCE)), name)

        return act

    moments = [(i + random.random()) / each * base.work_s * 0.8 for i in range(each)]
    return [
        *(Trial("folder read-only", f"after {after_s:.2f} s", read_only(after_s)) for after_s in moments),
        *(Trial("folder deleted", f"after {after_s:.2f} s", deleted(after_s)) for after_s in moments),
    ]


def swapped(base: Undisturbed, other: Undisturbed, moments: int, random: Random) -> list[Trial]:
    """Another film takes the input's place, three ways, while the command runs.

    It may still give the old film's results, whole; never a mixture, and never the old film's results when
    it is run again on the new one.
    """

    def renamed(video: Path) -> None:
        beside = video.with_name("other")
        shutil.copyfile(other.job.video, beside)
        beside.replace(video)

    def overwritten(video: Path) -> None:
        video.write_bytes(other.job.video.read_bytes())

    def cut_off(video: Path) -> None:
        video.write_bytes(base.job.video.read_bytes()[:20_000])

    def trial(swap: Callable[[Path], None], after_s: float) -> Callable[[Path], Outcome]:
        def act(folder: Path) -> Outcome:
            out, video = folder / "out", folder / base.job.video.name
            shutil.copy2(base.job.video, video)
            job = Job(video, base.job.subtitles, base.job.film)
            running = start(job, out)
            running.wait_for((out / WORK).exists, after_s)
            swap(video)
            ended = running.end()
            if trouble := ended.trouble((EXIT_OK, EXIT_USAGE, EXIT_PARTIAL)):
                return Outcome(BAD, trouble)
            if ended.code == EXIT_OK and (mixed := differs(out, base.wanted)):
                return Outcome(BAD, f"exit 0, neither film's results: {mixed}")
            name = SAME if ended.code == EXIT_OK else SENTENCE
            if swap is cut_off:
                second = run(job, out).trouble((EXIT_USAGE, EXIT_PARTIAL))
                return Outcome(BAD, f"run again: {second}") if second else Outcome(name)
            second = same_bytes(job, out, other.wanted)
            return Outcome(BAD, f"run again: {second}") if second else Outcome(name)

        return act

    ways: tuple[Callable[[Path], None], ...] = (renamed, overwritten, cut_off)
    at = [(i + random.random()) / moments * base.work_s for i in range(moments)]
    return [
        Trial("input swapped", f"{way.__name__} after {after_s:.2f} s", trial(way, after_s))
        for way in ways
        for after_s in at
    ]


def flipped(base: Undisturbed, count: int, random: Random) -> list[Trial]:
    """One bit of one stored artifact turned over; then results are to be published, or made from it."""
    artifacts = sorted(
        path for path in (base.out / WORK / "artifacts").rglob("*") if path.is_file() and path.stat().st_size
    )

    def trial(path: Path, at: int, way: int) -> Callable[[Path], Outcome]:
        def act(folder: Path) -> Outcome:
            out = folder / "out"
            shutil.copytree(base.out, out)
            flip_bit(out / path.relative_to(base.out), at)
            if way == 1:
                for name in base.wanted:
                    (out / name).unlink()
            elif way == 2:
                for stage in WRITER_STAGES:
                    if stage not in path.parts:
                        shutil.rmtree(out / WORK / "artifacts" / stage, ignore_errors=True)
            return again(base, out)

        return act

    ways = ("", ", nothing published", ", writers to run")
    random.shuffle(artifacts)
    trials = []
    for i in range(count):
        path = artifacts[i % len(artifacts)]
        name = f"{path.parent.parent.name}/{path.name}{ways[i % 3]}"
        trials.append(Trial("bit flipped in .work", name, trial(path, random.randrange(1 << 30), i % 3)))
    return trials


def garbled(base: Undisturbed, random: Random) -> list[Trial]:
    """A small state file holds something else."""
    files = [path for name in STATE_FILES for path in sorted(base.out.rglob(name))]
    chosen = [path for path in files if path.name != "manifest.json"] + random.sample(
        [path for path in files if path.name == "manifest.json"], 4
    )

    def trial(path: Path, data: bytes) -> Callable[[Path], Outcome]:
        def act(folder: Path) -> Outcome:
            out = folder / "out"
            shutil.copytree(base.out, out)
            (out / path.relative_to(base.out)).write_bytes(data)
            ended = run(base.job, out)
            if ended.code == EXIT_USAGE and not ended.trouble((EXIT_USAGE,)):
                return Outcome(SENTENCE)
            return again(base, out, ended.trouble((EXIT_OK,)))

        return act

    return [
        Trial("state file garbled", f"{path.relative_to(base.out)}: {data!r}", trial(path, data))
        for path in chosen
        for data in GARBAGE
    ]


def two_at_once(base: Undisturbed, other: Undisturbed) -> list[Trial]:
    """Two runs into one folder: of the same film, and of two films."""

    def trial(second: Undisturbed, late_s: float) -> Callable[[Path], Outcome]:
        def act(folder: Path) -> Outcome:
            out = folder / "out"
            runs = [start(base.job, out)]
            runs[0].wait_for(lambda: True, late_s)
            runs.append(start(second.job, out))
            ends = [running.end() for running in runs]
            for ended in ends:
                if trouble := ended.trouble((EXIT_OK, EXIT_USAGE, EXIT_PARTIAL)):
                    return Outcome(BAD, trouble)
            mixed = [differs(out, wanted) for wanted in (base.wanted, second.wanted)]
            if all(mixed):
                return Outcome(BAD, f"neither run's results: {mixed[0]}")
            name = SAME if all(ended.code == EXIT_OK for ended in ends) else SENTENCE
            return again(base, out, name=name)

        return act

    trials = []
    for late_s in (0.0, 0.3 * base.whole_s, 0.6 * base.whole_s):
        trials.append(Trial("two runs at once", f"{late_s:.2f} s apart", trial(base, late_s)))
        name = f"two films, {late_s:.2f} s apart"
        trials.append(Trial("two runs at once", name, trial(other, late_s)))
    return trials


@contextmanager
def tmpfs(folder: Path, options: str) -> Iterator[Path]:
    """A disk of its own, in memory; needs root."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(folder: Path, options: str) -> bool:
    """Change a mounted disk; whether that could be done now."""
    argv = ["mount", "-o", f"remount,{options}", str(folder)]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


def can_mount() -> bool:
    """Whether this user may mount a disk in memory."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with tmpfs(Path(folder) / "disk", "size=1m"):
                return True
        except (OSError, subprocess.CalledProcessError):
            return False
