"""Time and memory of the whole job, beside a plain transcode and the straightforward loop.

Whole programs are timed, in pairs in one run (A B A B ...): A is `emotion-pipeline analyze --profile
compact` with subtitles, into a fresh folder; B is a plain ffmpeg transcode of the same clip with the film's
encoder settings. The clip is a real one, looped to 1280x720 at 30 fps.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.checkpoints import WHISPER_FILE
from benchmarks.made_clips import Clip, default_clip, looped, make_clip, transcode_command
from benchmarks.process import BenchmarkError, Measured, pipeline_command, succeed
from benchmarks.tables import show

EXAMPLES = """\
examples:
  python -m benchmarks.whole_job                          the clip, three pairs, the straightforward loop
  python -m benchmarks.whole_job --memory                 also a clip ten times as long
  python -m benchmarks.whole_job --full --json bench.json also the full profile, random weights
  python -m benchmarks.whole_job --seconds 5 --pairs 1 --naive-seconds 0    a quick look
"""
MOST_TRANSCODES = 1.5
MOST_MEMORY_MB = 1200.0
MOST_GROWTH = 1.2
LEAST_TIMES_FASTER = 25.0
LEAST_TIMES_FASTER_FULL = 4.0
LONGER = 10
TARGET_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Pair:
    """One analysis and the transcode right after it."""

    analysis_s: float
    transcode_s: float

    @property
    def ratio(self) -> float:
        return self.analysis_s / self.transcode_s


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and most of some figures."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.median:.2f} [{self.least:.2f}–{self.most:.2f}]"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One figure beside its target; ``met`` holds when it is on the right side of it."""

    what: str
    figure: str
    target: str
    met: bool


def spread(values: Sequence[float]) -> Spread:
    """Median [min–max]."""
    return Spread(statistics.median(values), min(values), max(values))


def analyze(
    clip: Clip, out: Path, arguments: Sequence[str], models: Path | None = None
) -> tuple[Measured, dict[str, Any]]:
    """Run the command on a clip; returns what it took and its ``run.json``. Raises BenchmarkError."""
    from pipeline.models.cards import CACHE_VARIABLE

    environment = {CACHE_VARIABLE: str(models)} if models else None
    command = [*pipeline_command(), "analyze", str(clip.video), "--out", str(out), "--force", *arguments]
    took = succeed(command, environment)
    return took, json.loads((out / "run.json").read_text(encoding="utf-8"))


def compact(clip: Clip) -> list[str]:
    """Arguments of the job that is timed against the transcode."""
    return ["--profile", "compact", "--transcript", str(clip.subtitles)]


def paired(clip: Clip, pairs: int, folder: Path) -> tuple[list[Pair], list[Measured], dict[str, Any]]:
    """The timings, the analyses as measured, and the facts of the last one."""
    timings: list[Pair] = []
    analyses: list[Measured] = []
    facts: dict[str, Any] = {}
    for number in range(pairs):
        took, facts = analyze(clip, folder / f"run{number}", compact(clip))
        plain = succeed(transcode_command(clip.video, folder / "plain.mp4"))
        timings.append(Pair(took.seconds, plain.seconds))
        analyses.append(took)
        say(f"pair {number + 1}: analysis {took.seconds:.1f} s, transcode {plain.seconds:.1f} s")
    return timings, analyses, facts


def straightforward(clip: Clip, seconds: float) -> dict[str, Any]:
    """The straightforward loop, in its own process; its JSON."""
    command = [sys.executable, "-m", "benchmarks.straightforward", str(clip.video), "--json"]
    took = succeed([*command, "--subtitles", str(clip.subtitles), "--seconds", str(seconds)])
    said: dict[str, Any] = json.loads(took.stdout.strip().splitlines()[-1])
    return said


def full_profile(clip: Clip, folder: Path) -> tuple[Measured, dict[str, Any]]:
    """The full profile with the straightforward loop's models. No subtitles: it has to run Whisper too."""
    models, alone = folder / "models", folder / "alone"
    succeed([sys.executable, "-m", "benchmarks.checkpoints", str(models)])
    alone.mkdir()
    video = alone / clip.video.name  # away from the .srt, which would be found beside it
    video.hardlink_to(clip.video)
    settings = folder / "full.toml"  # random YuNet weights would find no face
    size = WHISPER_FILE.removesuffix(".pt")
    settings.write_text(
        f'[face]\ndetector = "haar"\n[transcript]\nwhisper_model = "{size}"\n', encoding="utf-8"
    )
    arguments = ["--profile", "full", "--config", str(settings)]
    return analyze(Clip(video, clip.subtitles, clip.seconds), folder / "full", arguments, models=models)


def bench(asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Everything that was asked for, as JSON values; prints while it goes."""
    source, which = (asked.clip, f"made from {asked.clip.name}") if asked.clip else default_clip()
    clip = make_clip(source, asked.seconds, folder)
    say(f"clip: {asked.seconds:g} s, 1280x720 at 30 fps, {which}")
    timings, analyses, facts = paired(clip, asked.pairs, folder)
    ratio, peak_mb = spread([pair.ratio for pair in timings]), max(took.peak_mb for took in analyses)
    ours_s = statistics.median(pair.analysis_s for pair in timings)
    show_stages("compact", facts)
    verdicts = [
        Verdict(
            "whole job / plain transcode", str(ratio), f"≤ {MOST_TRANSCODES}", ratio.median <= MOST_TRANSCODES
        ),
        Verdict(
            "peak memory, all processes",
            f"{peak_mb:.0f} MB",
            f"≤ {MOST_MEMORY_MB:.0f} MB",
            peak_mb <= MOST_MEMORY_MB,
        ),
    ]
    result: dict[str, Any] = {
        "clip": which,
        "seconds": asked.seconds,
        "pairs": [[pair.analysis_s, pair.transcode_s] for pair in timings],
        "peak_mb": peak_mb,
        "largest_process_mb": max(took.process_peak_mb for took in analyses),
        "stages": facts["stages"],
    }
    if asked.memory:
        longer = looped(clip, LONGER, folder)
        took, _ = analyze(longer, folder / "longer", compact(longer))
        growth = took.peak_mb / peak_mb
        say(f"{longer.seconds:g} s clip: {took.seconds:.1f} s, {took.peak_mb:.0f} MB")
        verdicts.append(
            Verdict(
                f"memory, {LONGER} x the film", f"{growth:.2f}", f"≤ {MOST_GROWTH}", growth <= MOST_GROWTH
            )
        )
        result |= {"longer_peak_mb": took.peak_mb, "longer_seconds": took.seconds}
    if asked.naive_seconds > 0:
        plain = straightforward(clip, asked.naive_seconds)
        verdicts.append(faster("compact", plain["whole_s"], ours_s, LEAST_TIMES_FASTER))
        show_straightforward(plain)
        result["straightforward"] = plain
        if asked.full:
            took, full_facts = full_profile(clip, folder)
            show_stages("full", full_facts)
            verdicts.append(faster("full", plain["whole_s"], took.seconds, LEAST_TIMES_FASTER_FULL))
            result["full"] = {
                "seconds": took.seconds,
                "peak_mb": took.peak_mb,
                "stages": full_facts["stages"],
            }
    show_verdicts(verdicts, asked.seconds)
    result["verdicts"] = [[v.what, v.figure, v.target, v.met] for v in verdicts]
    return result


def faster(profile: str, plain_s: float, ours_s: float, target: float) -> Verdict:
    """How many times the straightforward loop's seconds our seconds go into."""
    times = plain_s / ours_s
    figure = f"{times:.1f} x ({plain_s:.0f} s scaled / {ours_s:.1f} s)"
    return Verdict(f"straightforward loop / {profile} profile", figure, f"≥ {target:g} x", times >= target)


def say(line: str) -> None:
    """One line, at once."""
    print(line, flush=True)


def show_stages(profile: str, facts: dict[str, Any]) -> None:
    """Seconds of each stage; branches run side by side, so they add up to more than the whole."""
    cells = {
        stage: (made["seconds"], made["process_peak_memory_mb"]) for stage, made in facts["stages"].items()
    }
    rows = [[stage, *("" if c is None else str(c) for c in pair)] for stage, pair in cells.items()]
    show(f"{profile} profile, last run", ("stage", "seconds", "process peak so far, MB"), rows)


def show_straightforward(plain: dict[str, Any]) -> None:
    """The parts of the straightforward loop, measured and scaled."""
    rows = []
    for part in plain["parts"]:
        scaled = part["seconds"] * plain["film_s"] / part["measured_s"]
        figures = (f"{part['measured_s']:.1f}", f"{part['seconds']:.1f}", f"{scaled:.1f}")
        rows.append((part["name"], str(part["items"]), *figures))
    rows.append(("all", "", "", "", f"{plain['whole_s']:.0f}"))
    columns = ("part", "items", "of film, s", "seconds", "whole film, s")
    show("straightforward loop", columns, rows)
    say(
        "only the first part was run: seconds are scaled linearly with the film's length; loading is left out"
    )


def show_verdicts(verdicts: Sequence[Verdict], seconds: float) -> None:
    """Figures beside their targets."""
    rows = [(v.what, v.figure, v.target, "met" if v.met else "missed") for v in verdicts]
    show("targets", ("what", "figure", "target", ""), rows)
    if seconds != TARGET_SECONDS:
        say(f"the targets are for a clip of {TARGET_SECONDS:g} s; start-up weighs more in a shorter one")


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.whole_job",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--clip", type=Path, metavar="FILE", help="the film to loop, its .srt beside it")
    parser.add_argument(
        "--seconds", type=float, default=TARGET_SECONDS, help="length of the clip that is made"
    )
    parser.add_argument("--pairs", type=int, default=3, help="how many pairs are timed")
    parser.add_argument(
        "--memory", action="store_true", help=f"also a clip {LONGER} times as long, film included"
    )
    parser.add_argument(
        "--naive-seconds",
        type=float,
        default=10.0,
        help="of the straightforward loop's picture; 0: leave it out",
    )
    parser.add_argument(
        "--full", action="store_true", help="also the full profile (2 GB of random weights are made)"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write every figure there")
    return parser


def main() -> int:
    """Time it; 1 when a program under measurement failed."""
    asked = build_parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="emotion-bench-") as folder:
        try:
            result = bench(asked, Path(folder))
        except BenchmarkError as error:
            print(f"benchmark stopped: {error}", file=sys.stderr)
            return 1
    if asked.json:
        asked.json.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
