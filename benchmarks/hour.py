"""Whether an hour costs what ten times six minutes do: peak memory and seconds, film and stages.

A real clip looped to both lengths with one subtitle every 0.36 s, as tools write that time every word: 1,000
in six minutes, 10,000 in an hour. Each film is analyzed by the whole command into a fresh folder.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.made_clips import Clip, Line, default_clip, looped, make_clip, write_subtitles
from benchmarks.process import BenchmarkError, Measured
from benchmarks.tables import show
from benchmarks.whole_job import Verdict, analyze, compact, say

EXAMPLES = """\
examples:
  python -m benchmarks.hour                        six minutes and an hour, film included
  python -m benchmarks.hour --no-video             without the film: what Python itself does
  python -m benchmarks.hour --minutes 1 --only text --no-video    a quick look
"""
TIMES = 10
MAX_MEMORY_GROWTH = 1.3
MAX_SECONDS_GROWTH = 10.5
CLIP_S = 60.0
CUE_MS, PAUSE_MS = 300, 60
CUES = (
    "I did not expect that",
    "but I am glad it happened",
    "well, then",
    "this is terrible news",
    "thank you so much",
    "他走了以後我每天晚上都睡不著",
)


@dataclass(frozen=True, slots=True)
class Run:
    """One film as it was analyzed; ``stages`` is that of its ``run.json``."""

    clip: Clip
    cues: int
    took: Measured
    stages: dict[str, dict[str, Any]]


def with_cues(clip: Clip, folder: Path) -> tuple[Clip, int]:
    """The clip with a subtitle every 0.36 s, and how many there are."""
    starts_ms = range(0, round(clip.seconds * 1000), CUE_MS + PAUSE_MS)
    lines = [Line(start, start + CUE_MS, CUES[i % len(CUES)]) for i, start in enumerate(starts_ms)]
    return Clip(
        clip.video, write_subtitles(lines, folder / f"cues_{clip.seconds:g}s.srt"), clip.seconds
    ), len(lines)


def analyzed(clip: Clip, folder: Path, arguments: Sequence[str]) -> Run:
    """What analyzing a film takes. Raises BenchmarkError."""
    cued, cues = with_cues(clip, folder)
    took, facts = analyze(cued, folder / f"out_{clip.seconds:g}s", [*compact(cued), *arguments])
    say(f"{clip.seconds / 60:g} min, {cues:,} cues: {took.seconds:.1f} s, {took.peak_mb:.0f} MB")
    return Run(cued, cues, took, facts["stages"])


def verdicts(short: Run, long: Run) -> list[Verdict]:
    """Both growths beside what they may be."""
    memory = long.took.peak_mb / short.took.peak_mb
    seconds = long.took.seconds / short.took.seconds
    return [
        Verdict(
            "peak memory, all processes",
            f"{memory:.2f}",
            f"≤ {MAX_MEMORY_GROWTH}",
            memory <= MAX_MEMORY_GROWTH,
        ),
        Verdict("seconds", f"{seconds:.1f}", f"≤ {MAX_SECONDS_GROWTH}", seconds <= MAX_SECONDS_GROWTH),
    ]


def show_runs(short: Run, long: Run) -> None:
    """Figures of both runs, whole and stage by stage, with how many times as much the longer one takes."""
    names = tuple(f"{run.clip.seconds / 60:g} min" for run in (short, long))
    whole: list[tuple[str, float, float]] = [
        ("peak memory, all processes, MB", short.took.peak_mb, long.took.peak_mb),
        ("peak memory, largest process, MB", short.took.process_peak_mb, long.took.process_peak_mb),
        ("seconds", short.took.seconds, long.took.seconds),
        ("seconds of processor", short.took.processor_s, long.took.processor_s),
    ]
    show(
        "the whole job",
        ("what", *names, "times"),
        [(n, f"{a:.0f}", f"{b:.0f}", _times(a, b)) for n, a, b in whole],
    )
    rows = []
    for stage, facts in long.stages.items():
        pair = [run[stage]["seconds"] for run in (short.stages, long.stages)]
        peaks = [run[stage]["process_peak_memory_mb"] for run in (short.stages, long.stages)]
        if None not in pair and facts["state"] == "ran":
            rows.append((stage, *(f"{s:.1f}" for s in pair), _times(*pair), *(f"{mb:.0f}" for mb in peaks)))
    columns = ("stage", *(f"s, {name}" for name in names), "times", *(f"MB so far, {name}" for name in names))
    show("stages, which run side by side", columns, rows)


def _times(short: float, long: float) -> str:
    return f"{long / short:.1f}" if short >= 0.05 else ""


def bench(request: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Everything as JSON values; prints while it goes. Raises BenchmarkError."""
    source, which = (request.clip, f"made from {request.clip.name}") if request.clip else default_clip()
    clip = make_clip(source, CLIP_S, folder)
    say(f"film: 1280x720 at 30 fps, {which}")
    arguments = [
        *(["--no-video"] if request.no_video else []),
        *(["--only", request.only] if request.only else []),
    ]
    films = [
        clip if times == 1 else looped(clip, times, folder)
        for times in (request.minutes, TIMES * request.minutes)
    ]
    short, long = (analyzed(film, folder, arguments) for film in films)
    show_runs(short, long)
    found = verdicts(short, long)
    rows = [(v.what, v.figure, v.target, "met" if v.met else "missed") for v in found]
    show(f"{TIMES} times the film", ("what", "times", "target", ""), rows)
    return {
        "clip": which,
        "runs": [
            {
                "seconds_of_film": run.clip.seconds,
                "cues": run.cues,
                "seconds": run.took.seconds,
                "processor_s": run.took.processor_s,
                "peak_mb": run.took.peak_mb,
                "largest_process_mb": run.took.process_peak_mb,
                "stages": run.stages,
            }
            for run in (short, long)
        ],
        "verdicts": [[v.what, v.figure, v.target, v.met] for v in found],
    }


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.hour",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--clip", type=Path, metavar="FILE", help="the film to loop")
    parser.add_argument(
        "--minutes", type=int, default=6, help=f"of the shorter film; the other has {TIMES} x as many"
    )
    parser.add_argument("--no-video", action="store_true", help="leave the annotated film out")
    parser.add_argument("--only", metavar="MODALITIES", help="as of `emotion-pipeline analyze`")
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write every figure there")
    return parser


def main() -> int:
    """Measure; 1 when a run failed or a target was missed."""
    request = build_parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="emotion-hour-") as folder:
        try:
            result = bench(request, Path(folder))
        except BenchmarkError as error:
            print(f"benchmark stopped: {error}", file=sys.stderr)
            return 1
    if request.json:
        request.json.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0 if all(met for *_, met in result["verdicts"]) else 1


if __name__ == "__main__":
    raise SystemExit(main())
