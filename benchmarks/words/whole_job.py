"""Time and memory of the whole job where the words have to be recognised, beside a plain transcode.

As `benchmarks.whole_job`, without subtitles: pairs of whole programs in one run (A B A B ...), for words by
the recogniser alone and for what `auto` chooses on this clip.
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks.made_clips import default_clip, make_clip, transcode_command
from benchmarks.process import BenchmarkError, succeed
from benchmarks.whole_job import Pair, Verdict, analyze, say, show_verdicts, spread

MAX_TRANSCODES = 2.7
MAX_MEMORY_MB = 1300.0
SECONDS = 60.0


def verdicts(source: str, seconds: float, pairs: int, folder: Path) -> list[Verdict]:
    """Both figures for one transcript source, beside what they may be. Raises BenchmarkError."""
    film, which = default_clip()
    (folder / source).mkdir()
    clip = make_clip(film, seconds, folder / source)
    clip.subtitles.unlink()
    say(f"clip: {seconds:g} s, 1280x720 at 30 fps, {which}, no subtitle file; words by {source}")
    settings = folder / f"{source}.toml"
    settings.write_text(f'[transcript]\nsource = "{source}"\n', encoding="utf-8")
    timings, peaks_mb = [], []
    for index in range(pairs):
        out = folder / source / f"out{index}"
        took, _ = analyze(clip, out, ["--config", str(settings)])
        plain = succeed(transcode_command(clip.video, folder / source / "plain.mp4"))
        timings.append(Pair(took.seconds, plain.seconds))
        peaks_mb.append(took.peak_mb)
    ratio, peak_mb = spread([pair.ratio for pair in timings]), max(peaks_mb)
    return [
        Verdict(
            f"whole job, words by {source} / plain transcode",
            str(ratio),
            f"≤ {MAX_TRANSCODES}",
            ratio.median <= MAX_TRANSCODES,
        ),
        Verdict(
            f"peak memory, all processes, words by {source}",
            f"{peak_mb:.0f} MB",
            f"≤ {MAX_MEMORY_MB:.0f} MB",
            peak_mb <= MAX_MEMORY_MB,
        ),
    ]


def main() -> int:
    """Measure; 1 when a run failed or a bar was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.words.whole_job", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="length of the clip that is made")
    parser.add_argument("--pairs", type=int, default=3, help="how many pairs are timed")
    request = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="emotion-words-") as folder:
        try:
            rows = [
                row
                for source in ("faster-whisper", "auto")
                for row in verdicts(source, request.seconds, request.pairs, Path(folder))
            ]
        except BenchmarkError as error:
            say(f"benchmark stopped: {error}")
            return 1
    show_verdicts(rows, request.seconds)
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
