"""Runs the real clips through the command and checks what must be found in them.

The clips lie in $EMOTION_DATA/videos (../shared/data by default). Ends with 1 when a check does not hold.
"""

import argparse
import csv
import json
import math
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.clip_checks import (
    Check,
    Row,
    check_film,
    check_gap,
    check_interview,
    check_no_face,
    check_persons,
    check_tiling,
    check_voice,
    face_share,
    persons,
    speech_share,
)
from benchmarks.made_clips import data_root
from benchmarks.process import measure, pipeline_command
from benchmarks.straightforward import read_lines
from benchmarks.tables import show
from pipeline.records import read_record
from pipeline.types import ALARMS, Analysis, Status

EXAMPLES = """\
examples:
  python -m benchmarks.clips                               all clips
  python -m benchmarks.clips --only no_face_4s --keep out  one clip, results kept in out/
  python -m benchmarks.clips --reproducible                same bytes with other threads, second run
"""
FOUND = ("clip", "exit", "seconds", "persons", "face", "voice", "utterances", "conflicts", "film")


@dataclass(frozen=True, slots=True)
class Seen:
    """One analysed clip."""

    video: Path
    out: Path
    exit_code: int
    seconds: float
    summary: Mapping[str, Any]
    analysis: Analysis | None
    rows: Sequence[Row]


def _interview(seen: Seen, analysis: Analysis) -> list[Check]:
    lines = read_lines(seen.video.with_suffix(".srt"), math.inf)
    return check_interview(analysis, seen.rows, lines)


# What each clip must show. The face leaves at a cut: the first frame without it is at 2.400 s of 6.40 s.
MUST: Mapping[str, Callable[[Seen, Analysis], list[Check]]] = {
    "no_face_4s": lambda seen, analysis: check_no_face(analysis),
    "face_then_none_hevc_6s": lambda seen, analysis: check_gap(analysis, 2.40, 6.40),
    "two_faces_12fps_9s": lambda seen, analysis: check_persons(analysis, 2),
    "silent_track_20s": lambda seen, analysis: check_voice(analysis, Status.SILENCE),
    "no_audio_stream_15s": lambda seen, analysis: check_voice(analysis, Status.NO_AUDIO),
    "zh_interview_38s": _interview,
}


def analyse(video: Path, out: Path) -> Seen:
    """Run the command and read what it left."""
    took = measure(
        [*pipeline_command(), "analyze", "--profile", "compact", "--json", "--out", str(out), str(video)]
    )
    if took.exit_code not in (0, 3):
        print(f"{video.name}: {took.stderr.strip()}", file=sys.stderr)
        return Seen(video, out, took.exit_code, took.seconds, {}, None, ())
    summary = json.loads(took.stdout)
    analysis = read_record(out / "analysis.json", Analysis)
    rows = read_rows(out / "integrated.csv")
    return Seen(video, out, took.exit_code, took.seconds, summary, analysis, rows)


def read_rows(sheet: Path) -> list[dict[str, str]]:
    """Rows of a sheet by column name; none when it was not made."""
    if not sheet.is_file():
        return []
    with sheet.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def checks_of(seen: Seen) -> list[Check]:
    """Everything that must hold for one clip."""
    if seen.analysis is None:
        return [Check("runs to the end", f"exit code {seen.exit_code}", False)]
    # Without Whisper's weights nobody reads the words of a clip without subtitles: the one loss allowed.
    other = [loss for loss in seen.summary["losses"] if "no subtitles with words" not in loss]
    ended = Check(
        "nothing missing or lost but words", str(seen.exit_code), not (seen.summary["missing"] or other)
    )
    special = MUST.get(seen.video.stem)
    return [
        ended,
        *(special(seen, seen.analysis) if special else check_tiling(seen.analysis, seen.rows)),
        *check_film(seen.video, seen.out / "annotated.mp4"),
    ]


def cells(seen: Seen) -> list[str]:
    """One row of the table."""
    if seen.analysis is None:
        return [seen.video.stem, str(seen.exit_code), f"{seen.seconds:.1f}"]
    analysis = seen.analysis
    faces, voice = (analysis.observations.get(name, ()) for name in ("face", "voice"))
    statuses = sorted({str(one.status) for one in voice})
    words = (
        f"{len(analysis.transcript.utterances)} ({analysis.transcript.source or analysis.transcript.status})"
    )
    return [
        seen.video.stem,
        str(seen.exit_code),
        f"{seen.seconds:.1f}",
        " ".join(sorted(persons(faces))) or "–",
        f"{face_share(faces):.0%}",
        f"{' '.join(statuses)} {speech_share(voice, analysis.media.duration_us):.0%}",
        words,
        str(sum(conflict.kind in ALARMS for conflict in analysis.conflicts)),
        "yes" if (seen.out / "annotated.mp4").is_file() else "no",
    ]


def run_clips(videos: Sequence[Path], folder: Path) -> bool:
    """Analyse, print both tables, and say whether everything holds."""
    found: list[list[str]] = []
    checked: list[list[str]] = []
    good = True
    for video in videos:
        seen = analyse(video, folder / video.stem)
        found.append(cells(seen))
        for check in checks_of(seen):
            good &= check.holds
            checked.append([video.stem, check.what, check.seen, "ok" if check.holds else "FAILED"])
        print(f"{video.stem} done in {seen.seconds:.1f} s", file=sys.stderr, flush=True)
    show("what was found", FOUND, found)
    show("what must hold", ("clip", "must hold", "seen", ""), checked)
    return good


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.clips",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", metavar="NAMES", help="some clips, by name without suffix, comma between")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the results there")
    parser.add_argument("--reproducible", action="store_true", help="compare bytes of repeated runs")
    parser.add_argument("--clip", type=Path, metavar="FILE", help="with --reproducible: another film")
    return parser


def main() -> int:
    """Run the clips; 1 when something does not hold."""
    asked = build_parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="emotion-clips-") as temporary:
        folder = asked.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if asked.reproducible:
            from benchmarks.reproducible import run_reproducible

            return 0 if run_reproducible(asked.clip, folder) else 1
        videos = sorted(
            path for path in (data_root() / "videos").glob("*") if path.suffix in (".mp4", ".mov")
        )
        wanted = asked.only.split(",") if asked.only else [video.stem for video in videos]
        videos = [video for video in videos if video.stem in wanted]
        if not videos:
            print(f"no clips in {data_root() / 'videos'}; set EMOTION_DATA", file=sys.stderr)
            return 2
        return 0 if run_clips(videos, folder) else 1


if __name__ == "__main__":
    raise SystemExit(main())
