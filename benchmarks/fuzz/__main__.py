"""Damaged films and subtitles through the product: nothing may crash, hang, grow, or be lost in silence.

Every input follows from the seed and its own name, so a finding is made again by its name alone:

    python -m benchmarks.fuzz --only media/mp4/zero_block/3 --keep /tmp/found
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.fuzz import containers, damage, subtitles
from benchmarks.fuzz.pool import Worker, side_by_side
from benchmarks.fuzz.reference import Decoded, decode
from benchmarks.fuzz.runs import judge_run
from benchmarks.fuzz.verdict import BAD, GOOD, VERDICTS, Verdict, Whole, judge, judge_text
from benchmarks.tables import show

EXAMPLES = """\
examples:
  python -m benchmarks.fuzz                        all of it, about fifteen minutes on two cores
  python -m benchmarks.fuzz --slice                a bit of everything in under three minutes
  python -m benchmarks.fuzz --media 0 --runs 0     the subtitles alone
  python -m benchmarks.fuzz --only media/ts/joined --keep /tmp/found
"""
LIMIT_S, RUN_LIMIT_S, MAX_MB = 20.0, 60.0, 1500.0
SLICE_S = 165.0
MAX_LINES = 60  # of findings, a part
FILM_EVERY = 5  # of the damaged media, also the film is made
EVERY_FRAME, SAMPLED_FPS = "all", 12.5
# Of the time there is; what is left of one goes to the next.
PARTS = {"media": 0.55, "subtitles": 0.35, "runs": 1.0}
SLICE = {"media": 286, "subtitles": 400, "runs": 12}
ALL = {"media": 1287, "subtitles": 1989, "runs": 104}


@dataclass(frozen=True, slots=True)
class Input:
    """One damaged input by name: ``mp4/zero_block/3``."""

    base: str
    damage: str
    variant: int

    @property
    def name(self) -> str:
        return f"{self.base}/{self.damage}/{self.variant}"


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one input."""

    part: str
    input: Input
    verdict: Verdict
    seconds: float = 0.0
    peak_mb: float = 0.0
    decodable: bool = False  # ffmpeg alone gets at least half of it


def chosen(bases: Sequence[str], damages: Sequence[str], count: int) -> list[Input]:
    """``count`` inputs in a mixed order: every pair of base and damage once before any comes twice."""
    pairs = [(base, kind) for base in bases for kind in damages]
    Random(len(pairs)).shuffle(pairs)
    return [Input(*pairs[i % len(pairs)], i // len(pairs)) for i in range(count)]


@dataclass(frozen=True, slots=True)
class Bench:
    """What all parts share. ``folder`` is emptied as it goes; findings' inputs are copied to ``keep``."""

    seed: int
    folder: Path
    keep: Path | None
    only: str

    def random(self, part: str, input_: Input) -> Random:
        return Random(f"{self.seed}/{part}/{input_.name}")

    def wanted(self, part: str, inputs: Sequence[Input]) -> list[Input]:
        return [one for one in inputs if f"{part}/{one.name}/".startswith(self.only)]

    def workers(self) -> list[Worker]:
        count = max(1, min(4, os.cpu_count() or 1))
        return [Worker(LIMIT_S, MAX_MB, self.folder / "worker-errors.txt") for _ in range(count)]

    def kept(self, data: bytes, part: str, input_: Input, suffix: str) -> None:
        if self.keep is not None:
            (self.keep / f"{part}-{input_.name.replace('/', '-')}{suffix}").write_bytes(data)


def media(bench: Bench, count: int, until: float) -> Iterator[Finding]:
    """Damaged films through probe, sound and frames, some also to the film."""
    inputs = bench.wanted("media", chosen(tuple(containers.CONTAINERS), damage.DAMAGES, count))
    bases = {
        name: containers.make_base(name, bench.folder) for name in dict.fromkeys(one.base for one in inputs)
    }
    workers = bench.workers()
    wholes = {
        (name, every): _whole(workers[0], bench, name, path, every)
        for name, path in bases.items()
        for every in (True, False)
    }

    def act(worker: Worker, one: Input) -> Finding:
        base = bases[one.base]
        path = bench.folder / f"{one.name.replace('/', '-')}{base.suffix}"
        damage.damaged(base, path, one.damage, bench.random("media", one))
        every = one.variant % 2 == 0
        whole = wholes[one.base, every]
        decoded = decode(path)
        answer = _ask_media(worker, bench, path, every, film=one.variant % FILM_EVERY == 1)
        verdict = judge(
            whole,
            decoded,
            answer,
            None if every else SAMPLED_FPS,
            joined=one.damage == "joined",
            max_mb=MAX_MB,
        )
        if verdict.bad:
            bench.kept(path.read_bytes(), "media", one, path.suffix)
        path.unlink(missing_ok=True)
        half = len(decoded.times_s) >= len(whole.decoded.times_s) / 2
        return Finding(
            "media", one, verdict, answer.get("seconds", LIMIT_S), answer.get("peak_mb", 0.0), half
        )

    yield from side_by_side(inputs, act, workers, until)


def _whole(worker: Worker, bench: Bench, name: str, path: Path, every: bool) -> Whole:
    answer = _ask_media(worker, bench, path, every, film=False)
    decoded: Decoded = decode(path)
    if answer.get("errors") or not answer.get("frames") or not answer.get("sound_windows"):
        raise RuntimeError(f"the whole {name} is not read as it should be: {answer}")
    return Whole(decoded, answer, float(containers.SECONDS), containers.CONTAINERS[name].states_duration)


def _ask_media(worker: Worker, bench: Bench, path: Path, every: bool, *, film: bool) -> dict[str, Any]:
    out = Path(tempfile.mkdtemp(prefix="out-", dir=bench.folder))
    fps = EVERY_FRAME if every else SAMPLED_FPS
    task = {"kind": "media", "path": str(path), "out": str(out), "sample_fps": fps, "film": film}
    try:
        return worker.ask(task)
    finally:
        shutil.rmtree(out, ignore_errors=True)


def texts(bench: Bench, count: int, until: float) -> Iterator[Finding]:
    """Damaged subtitle files through the product's reader of them."""
    files = {"-".join(key): subtitles.make_subtitles(*key) for key in subtitles.every_file()}
    inputs = bench.wanted("subtitles", chosen(tuple(files), tuple(subtitles.DAMAGES), count))

    silent = containers.make_silent(bench.folder)
    usual: dict[str, list[str]] = {}

    def act(worker: Worker, one: Input) -> Finding:
        whole = files[one.base]
        if one.base not in usual:
            usual[one.base] = ask(worker, f"{one.base}-whole", whole, whole.data).get("sentences", [])
        data = subtitles.DAMAGES[one.damage](whole.data, bench.random("subtitles", one))
        answer = ask(worker, one.name.replace("/", "-"), whole, data)
        verdict = judge_text(subtitles.survivors(whole, data), answer, usual[one.base], MAX_MB)
        if verdict.bad:
            bench.kept(data, "subtitles", one, f".{whole.form}")
        return Finding("subtitles", one, verdict, answer.get("seconds", LIMIT_S), answer.get("peak_mb", 0.0))

    def ask(worker: Worker, name: str, whole: subtitles.Subtitles, data: bytes) -> dict[str, Any]:
        folder = Path(tempfile.mkdtemp(prefix="text-", dir=bench.folder))
        path = folder / f"{name}.{whole.form}"
        path.write_bytes(data)
        task = {"kind": "subtitles", "path": str(path), "transcript": str(path), "video": str(silent)}
        answer = worker.ask({**task, "out": str(folder / "out"), "before": str(bench.folder / "before")})
        shutil.rmtree(folder, ignore_errors=True)
        return answer

    yield from side_by_side(inputs, act, bench.workers(), until)


def runs(bench: Bench, count: int, until: float) -> Iterator[Finding]:
    """The whole command on damaged films with a face and a voice, each with damaged subtitles."""
    inputs = bench.wanted("runs", chosen(tuple(containers.CONTAINERS), damage.DAMAGES, count))
    bases = {
        name: containers.make_base(name, bench.folder, speaking=True)
        for name in dict.fromkeys(one.base for one in inputs)
    }
    whole_texts = [subtitles.make_subtitles(*key) for key in subtitles.every_file()]

    def act(worker: Worker, one: Input) -> Finding:
        random = bench.random("runs", one)
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=bench.folder))
        video = folder / f"film{bases[one.base].suffix}"
        damage.damaged(bases[one.base], video, one.damage, random)
        words = random.choice(whole_texts)
        text = folder / f"film.{words.form}"
        text.write_bytes(random.choice(tuple(subtitles.DAMAGES.values()))(words.data, random))
        film = [] if random.random() < 0.15 else ["--no-video"]
        verdict, took = judge_run(video, folder / "out", film, RUN_LIMIT_S, MAX_MB)
        if verdict.bad:
            bench.kept(video.read_bytes(), "runs", one, video.suffix)
            bench.kept(text.read_bytes(), "runs", one, text.suffix)
        shutil.rmtree(folder, ignore_errors=True)
        return Finding("runs", one, verdict, took.seconds, took.peak_mb)

    yield from side_by_side(inputs, act, bench.workers(), until)


RUN: dict[str, Callable[[Bench, int, float], Iterator[Finding]]] = {
    "media": media,
    "subtitles": texts,
    "runs": runs,
}


def report(part: str, findings: Sequence[Finding]) -> None:
    """One table: a row per kind of damage, a column per container or format, bad ones marked."""
    columns = sorted({column_of(finding) for finding in findings})
    rows = []
    for kind in sorted({finding.input.damage for finding in findings}):
        cells = []
        for column in columns:
            here = [f for f in findings if column_of(f) == column and f.input.damage == kind]
            bad = sum(finding.verdict.bad for finding in here)
            cells.append(f"{bad} of {len(here)}" if bad else f"{len(here)}" if here else "")
        rows.append((kind.replace("_", " "), *cells))
    show(f"{part}: inputs, and of how many the verdict is bad", ("", *columns), rows)


def column_of(finding: Finding) -> str:
    """The container or format of an input."""
    return finding.input.base.split("-", 1)[0]


def totals(by_part: dict[str, list[Finding]]) -> None:
    """One row a part: how many of each verdict, the slowest and the largest."""
    rows = []
    for part, findings in by_part.items():
        counts = Counter(finding.verdict.name for finding in findings)
        slowest = max((f.seconds for f in findings), default=0.0)
        largest = max((f.peak_mb for f in findings), default=0.0)
        readable = sum(f.decodable and f.verdict.name == "refused" for f in findings)
        cells = [str(counts[name]) for name in VERDICTS]
        cells[GOOD.index("refused")] += f" ({readable} of them half decodable)" if readable else ""
        rows.append((part, str(len(findings)), *cells, f"{slowest:.1f}", f"{largest:.0f}"))
    show("totals", ("", "inputs", *VERDICTS, "slowest, s", "largest, MB"), rows)


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fuzz",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, default=12)
    for part, count in ALL.items():
        parser.add_argument(
            f"--{part}", type=int, metavar="N", help=f"how many; {count}, --slice {SLICE[part]}"
        )
    parser.add_argument("--seconds", type=float, metavar="LIMIT", help="begin nothing new after that")
    parser.add_argument(
        "--slice", action="store_true", help=f"less of everything, in {SLICE_S:.0f} s at most"
    )
    parser.add_argument(
        "--only", default="", metavar="NAME", help="inputs whose name begins so: media/mp4/joined/3"
    )
    parser.add_argument("--keep", type=Path, metavar="DIR", help="copy the inputs of bad verdicts there")
    return parser


def main() -> int:
    """Run it; 1 when a verdict is one that must not be."""
    asked = build_parser().parse_args()
    counts = {part: _count(asked, part) for part in RUN}
    limit_s = asked.seconds if asked.seconds is not None else SLICE_S if asked.slice else 24 * 3600.0
    end = time.perf_counter() + limit_s
    if asked.keep:
        asked.keep.mkdir(parents=True, exist_ok=True)
    by_part: dict[str, list[Finding]] = {}
    with tempfile.TemporaryDirectory(prefix="emotion-fuzz-") as folder:
        bench = Bench(asked.seed, Path(folder), asked.keep, asked.only)
        for part in (
            part
            for part, count in counts.items()
            if count and asked.only.startswith(part if asked.only else "")
        ):
            now = time.perf_counter()
            by_part[part] = []
            for finding in RUN[part](bench, counts[part], now + (end - now) * PARTS[part]):
                by_part[part].append(finding)
                if finding.verdict.bad and sum(f.verdict.bad for f in by_part[part]) <= MAX_LINES:
                    line = f"{finding.verdict.name}: {part}/{finding.input.name}: {finding.verdict.why}"
                    print(line, file=sys.stderr, flush=True)
    for part, findings in by_part.items():
        report(part, findings)
    totals(by_part)
    bad = Counter(f.verdict.name for findings in by_part.values() for f in findings if f.verdict.bad)
    whole = sum(map(len, by_part.values()))
    print(f"seed {asked.seed}, {whole} inputs: " + ", ".join(f"{bad[name]} {name}" for name in BAD))
    return 1 if bad else 0


def _count(asked: argparse.Namespace, part: str) -> int:
    given: int | None = getattr(asked, part)
    if given is not None:
        return given
    return (SLICE if asked.slice else ALL)[part]


if __name__ == "__main__":
    raise SystemExit(main())
