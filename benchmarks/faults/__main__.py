"""Everything that befalls a run from outside: the same bytes, or one sentence and then the same bytes.

A film of three seconds is analysed over and over. Each trial does its harm, looks how the command ended
(exit 0, or one sentence with 2, 3 or 130; no traceback, nothing left running), runs it again undisturbed and
compares every published file with a run that nothing happened to.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

from benchmarks.faults import kinds
from benchmarks.faults.kinds import BAD, SAME, SENTENCE, Outcome, Trial, Undisturbed, undisturbed
from benchmarks.faults.program import Job
from benchmarks.fuzz.containers import SAMPLE, ffmpeg
from benchmarks.tables import show

EXAMPLES = """\
examples:
  python -m benchmarks.faults                              all of it, about ten minutes on two cores
  python -m benchmarks.faults --only "disk full,no inodes"
  python -m benchmarks.faults --kills 12 --flips 30        less of the two longest
"""
FILM_KILLS = 12  # of the kills, so many while the film is made too
FULL_AT = (0.01, 0.1, 0.3, 0.5, 0.75, 0.95)
INODES_AT = (0.05, 0.4, 0.8)
MOMENTS = 3
SAY_EVERY = 25
SENTENCES = ("I am so happy today!", "Thank you, this is wonderful, I love it.")


def make_job(folder: Path, name: str, begin_s: float) -> Job:
    """Three seconds of the sample, its words beside it."""
    video, words = folder / f"{name}.mp4", folder / f"{name}.srt"
    codecs = ["-c:v", "libx264", "-preset", "veryfast", "-x264-params", "threads=1", "-c:a", "aac"]
    ffmpeg(["-ss", str(begin_s), "-t", "3", "-i", str(SAMPLE), *codecs, "-fflags", "+bitexact", str(video)])
    cues = enumerate(SENTENCES, 1)
    text = (f"{n}\n00:00:0{n - 1},200 --> 00:00:0{n - 1},950\n{sentence}\n" for n, sentence in cues)
    words.write_text("\n".join(text), encoding="utf-8")
    return Job(video, words)


def every_trial(
    base: Undisturbed, filmed: Undisturbed, other: Undisturbed, asked: argparse.Namespace
) -> list[Trial]:
    """All trials, in the order of the table."""
    random = Random(asked.seed)
    film_kills = min(FILM_KILLS, asked.kills // 5)
    mounted = [
        *kinds.full(filmed, FULL_AT),
        *kinds.no_inodes(base, INODES_AT),
        *kinds.lost_folder(base, MOMENTS, random),
    ]
    if not kinds.can_mount():
        print("skipped, no disk can be mounted (root is needed): disk full, no inodes, folder read-only")
        mounted = [trial for trial in mounted if trial.kind == "folder deleted"]
    return [
        *kinds.killed(base, asked.kills - film_kills, random),
        *kinds.killed(filmed, film_kills, random),
        *kinds.struck(filmed, random),
        *kinds.signalled(filmed, MOMENTS, random),
        *mounted,
        *kinds.swapped(base, other, MOMENTS, random),
        *kinds.flipped(filmed, asked.flips, random),
        *kinds.garbled(base, random),
        *kinds.two_at_once(base, other),
    ]


def tried(trial: Trial, folder: Path) -> tuple[Trial, Outcome]:
    """Run one trial in a folder of its own; says at once when it is bad."""
    home = Path(tempfile.mkdtemp(prefix="trial-", dir=folder))
    try:
        outcome = trial.run(home)
    except OSError as error:
        outcome = Outcome(BAD, f"the trial itself failed: {error}")
    shutil.rmtree(home, ignore_errors=True)
    if outcome.name == BAD:
        print(f"bad: {trial.kind}: {trial.name}: {outcome.why}", file=sys.stderr, flush=True)
    return trial, outcome


def report(results: Sequence[tuple[Trial, Outcome]], seed: int, seconds: float) -> None:
    """One row per kind of fault, and the totals."""
    rows = []
    for kind in dict.fromkeys(trial.kind for trial, _ in results):
        counts = Counter(outcome.name for trial, outcome in results if trial.kind == kind)
        rows.append((kind, str(counts.total()), *(str(counts[name]) for name in (SAME, SENTENCE, BAD))))
    columns = ("fault", "trials", SAME, "one sentence, then same bytes", "bad")
    show(f"faults, {os.cpu_count()} processors", columns, rows)
    bad = sum(outcome.name == BAD for _, outcome in results)
    print(f"seed {seed}, {len(results)} trials in {seconds:.0f} s: {bad} bad")


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.faults",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, default=12)
    parser.add_argument(
        "--kills", type=int, default=64, metavar="N", help="kill -9 at so many chance moments"
    )
    parser.add_argument(
        "--flips", type=int, default=108, metavar="N", help="bits flipped in so many artifacts"
    )
    parser.add_argument("--only", metavar="KINDS", help="some kinds, as the table names them, comma between")
    return parser


def main() -> int:
    """Run all trials; 1 when one is bad."""
    asked = build_parser().parse_args()
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="emotion-faults-") as temporary:
        folder = Path(temporary)
        job, second = make_job(folder, "film", 1.0), make_job(folder, "second", 9.5)
        base = undisturbed(job, folder / "base")
        filmed = undisturbed(Job(job.video, job.subtitles, film=True), folder / "filmed")
        # Named like the first: a film's name is in its results.
        (folder / "other").mkdir()
        video = second.video.rename(folder / "other" / job.video.name)
        other = undisturbed(Job(video, job.subtitles), folder / "of-other")
        trials = every_trial(base, filmed, other, asked)
        if asked.only:
            wanted = {kind.strip() for kind in asked.only.split(",")}
            if unknown := wanted - {trial.kind for trial in trials}:
                print(f"there is no kind {sorted(unknown)[0]!r}", file=sys.stderr)
                return 2
            trials = [trial for trial in trials if trial.kind in wanted]
        with ThreadPoolExecutor(max_workers=max(1, min(4, os.cpu_count() or 1))) as pool:
            results = []
            for result in pool.map(lambda trial: tried(trial, folder), trials):
                results.append(result)
                if len(results) % SAY_EVERY == 0:
                    print(f"{len(results)} of {len(trials)} trials", file=sys.stderr, flush=True)
    report(results, asked.seed, time.perf_counter() - begin)
    return 1 if any(outcome.name == BAD for _, outcome in results) else 0


if __name__ == "__main__":
    raise SystemExit(main())
