"""One whole run of the command on a damaged film, judged from outside."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from benchmarks.fuzz.pool import OVER_MEMORY, OVER_TIME
from benchmarks.fuzz.verdict import REFUSED, SAID, UNCAUGHT, WHOLE, Verdict
from benchmarks.process import Measured, measure, pipeline_command

EXIT_OK, EXIT_USAGE, EXIT_PARTIAL = 0, 2, 3
RUN_FILE, WORK = "run.json", ".work"
_TRACE = re.compile(r"^Traceback \(most recent call last\)", re.MULTILINE)


def judge_run(
    video: Path, out: Path, arguments: Sequence[str], limit_s: float, max_mb: float
) -> tuple[Verdict, Measured]:
    """Analyse ``video`` into ``out``; the verdict, and how the program ran."""
    command = [*pipeline_command(), "analyze", str(video), "--profile", "compact", "--out", str(out)]
    took = measure([*command, *arguments], {"OMP_NUM_THREADS": "1"}, limit_s=limit_s)
    if took.seconds >= limit_s:
        return Verdict(OVER_TIME), took
    if took.peak_mb > max_mb:
        return Verdict(OVER_MEMORY, f"{took.peak_mb:.0f} MB"), took
    return told(took, out), took


def told(took: Measured, out: Path) -> Verdict:
    """The verdict by exit code, by what was printed, and by what lies in the folder."""
    lines = [line for line in took.stderr.strip().splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    if took.exit_code not in (EXIT_OK, EXIT_USAGE, EXIT_PARTIAL) or _TRACE.search(took.stderr + took.stdout):
        return Verdict(UNCAUGHT, f"exit code {took.exit_code}: {last}")
    if took.exit_code == EXIT_USAGE:
        if out.exists():
            return Verdict(
                UNCAUGHT, f"exit code 2, and a folder is left: {sorted(p.name for p in out.iterdir())}"
            )
        return Verdict(REFUSED, last) if len(lines) == 1 else Verdict(UNCAUGHT, f"{len(lines)} lines: {last}")
    if problem := unwhole(out):
        return Verdict(UNCAUGHT, f"exit code {took.exit_code}, and {problem}")
    return Verdict(WHOLE if took.exit_code == EXIT_OK else SAID)


def unwhole(out: Path) -> str:
    """What of a published folder is missing, or lies there and is none of it; empty when it is whole."""
    try:
        listed = set(json.loads((out / RUN_FILE).read_text(encoding="utf-8"))["files"])
    except (OSError, ValueError, KeyError) as error:
        return f"{RUN_FILE} cannot be read ({error})"
    there = {path.name for path in out.iterdir()}
    if missing := listed - there:
        return f"{sorted(missing)[0]} is missing"
    if more := there - listed - {RUN_FILE, WORK}:
        return f"{sorted(more)[0]} was left behind"
    return ""
