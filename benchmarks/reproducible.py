"""Same bytes with other thread counts; nothing to do the second time. Killed runs: ``benchmarks.faults``."""

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.clip_checks import Check
from benchmarks.made_clips import Clip, default_clip
from benchmarks.process import pipeline_command, succeed
from benchmarks.tables import show

# run.json tells times and is different each time by design.
TIMED = frozenset({"run.json"})
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every result in an output folder, by name."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name not in TIMED
    }


def compared(what: str, wanted: Mapping[str, str], got: Mapping[str, str]) -> Check:
    """Whether two output folders hold the same bytes; names the files that differ."""
    different = sorted(name for name in {*wanted, *got} if wanted.get(name) != got.get(name))
    seen = f"{len(wanted)} files equal" if not different else f"different: {', '.join(different)}"
    return Check(what, seen, bool(wanted) and not different)


def analysis_arguments(clip: Clip, out: Path, config: Path | None = None) -> list[str]:
    """Arguments of one analysis; its summary comes as JSON."""
    chosen = ["--config", str(config)] if config else []
    command = [
        "analyze",
        str(clip.video),
        "--profile",
        "compact",
        "--transcript",
        str(clip.subtitles),
        *chosen,
    ]
    return [*command, "--json", "--out", str(out)]


def with_threads(clip: Clip, threads: int, folder: Path) -> dict[str, str]:
    """Digests of a run with so many stages at a time and threads a library."""
    config = folder / f"threads{threads}.toml"
    config.write_text(f"[run]\nworkers = {threads}\n", encoding="utf-8")
    out = folder / f"threads{threads}"
    environment = dict.fromkeys(THREAD_VARIABLES, str(threads))
    succeed([*pipeline_command(), *analysis_arguments(clip, out, config)], environment)
    return digests(out)


def second_run(clip: Clip, out: Path) -> list[Check]:
    """A run over finished results: no stage, and how long it takes beside the program's own start."""
    again = succeed([*pipeline_command(), *analysis_arguments(clip, out)])
    start = succeed([*pipeline_command(), "--version"])
    ran = json.loads(again.stdout)["stages_run"]
    more_s = again.seconds - start.seconds
    return [
        Check("second run: no stage runs", " ".join(ran) or "none", not ran),
        Check("second run: under 2 s more than start-up", f"{again.seconds:.2f} s in all", more_s < 2.0),
    ]


def run_reproducible(video: Path | None, folder: Path) -> bool:
    """All comparisons; prints one table and says whether everything holds."""
    source = video or default_clip()[0]
    whole = Clip(source, source.with_suffix(".srt"), 0.0)
    one, two = (with_threads(whole, threads, folder) for threads in (1, 2))
    checks = [compared(f"{source.name}: 1 and 2 threads", one, two), *second_run(whole, folder / "threads2")]
    say(checks)
    rows = [(check.what, check.seen, "ok" if check.holds else "FAILED") for check in checks]
    show(f"{os.cpu_count()} processors", ("must hold", "seen", ""), rows)
    return all(check.holds for check in checks)


def say(checks: list[Check]) -> None:
    """What has been found so far, for a person who waits."""
    for check in checks:
        print(f"{'ok' if check.holds else 'FAILED'}: {check.what}: {check.seen}", file=sys.stderr, flush=True)
