"""Reads the burned-in subtitles of the real clips and holds them against what is said in them.

The clips lie in $EMOTION_DATA/videos and films (../shared/data by default). Ends with 1 when the character
error rate or the starts of lines miss their bars, or words are read from a video that has no subtitles.
"""

import argparse
import csv
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.made_clips import data_root
from benchmarks.tables import show
from benchmarks.words.asr import alignment, sound_and_speech, tokens
from pipeline.config import ConfigError, TranscriptSection
from pipeline.media.container import MediaError
from pipeline.media.probe import probe
from pipeline.media.subtitles import read_subtitles
from pipeline.text.burned_in import transcribe
from pipeline.text.chunks import sound_of
from pipeline.text.transcribe import Request
from pipeline.types import US_PER_S, Utterance

EXAMPLES = """\
examples:
  python -m benchmarks.words.burned_in                 all clips
  python -m benchmarks.words.burned_in --only vlog -v  one, with its lines
"""
MAX_CER, MAX_START_ERROR_S = 0.08, 0.25
# Clips that show subtitles and have no transcript here: what is read from them is no false positive.
SUBTITLED = (
    "mer2023_",
    "mafw_gif_anger",
    "mafw_gif_disappointment",
    "mafw_gif_neutral",
    "mafw_gif_surprise",
    "dfew_film_neutral",
)
VIDEO_SUFFIXES = (".mp4", ".mov")


@dataclass(frozen=True, slots=True)
class Result:
    """What was read from one clip; ``cer`` and ``start_error_s`` (median) are None without a reference."""

    name: str
    seconds: float
    processor_s: float
    lines: tuple[Utterance, ...]
    cer: float | None
    start_error_s: float | None
    is_false_positive: bool


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="clips whose name contains this")
    parser.add_argument(
        "--asked", action="store_true", help="as with transcript.source = 'burned-in', not 'auto'"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="print the lines")
    options = parser.parse_args(arguments)
    transcripts = _transcripts()
    results = []
    for path in _videos():
        if options.only not in path.name:
            continue
        result = measured(path, transcripts.get(path.name), "burned-in" if options.asked else "auto")
        if result is None:
            continue
        results.append(result)
        if options.verbose:
            for line in result.lines:
                print(f"    {line.span.start_s:7.2f} {line.span.end_s:7.2f} {line.confidence} {line.text!r}")
    show(
        "Burned-in subtitles",
        ("clip", "s", "processor s", "lines", "CER", "start error s", "false positive"),
        [
            (
                r.name,
                f"{r.seconds:.1f}",
                f"{r.processor_s:.2f}",
                str(len(r.lines)),
                "" if r.cer is None else f"{r.cer:.3f}",
                "" if r.start_error_s is None else f"{r.start_error_s:.2f}",
                "yes" if r.is_false_positive else "",
            )
            for r in results
        ],
    )
    return int(any(_misses(result) for result in results))


def _misses(result: Result) -> bool:
    if result.is_false_positive:
        return True
    is_read = bool(result.lines)
    return is_read and ((result.cer or 0) > MAX_CER or (result.start_error_s or 0) > MAX_START_ERROR_S)


def measured(path: Path, transcript: str | None, source: str) -> Result | None:
    """One clip; None for a file that is no video."""
    try:
        info = probe(path)
    except MediaError:
        return None
    with tempfile.TemporaryDirectory() as folder:
        samples, speech, _ = sound_and_speech(path, Path(folder))
    request = Request(
        source=path,
        media=info,
        settings=TranscriptSection(source=source),
        speech=speech,
        sound=sound_of(samples),
        progress=lambda fraction: None,
    )
    begin = time.process_time()
    try:
        heard = transcribe(request)
    except ConfigError:  # asked for, and there are none
        heard = None
    processor_s = time.process_time() - begin
    lines = heard.utterances if heard else ()
    reference = _reference(path)
    wanted = "".join(text for _, text in reference) if reference else transcript
    is_subtitled = bool(reference) or any(path.name.startswith(name) for name in SUBTITLED)
    return Result(
        path.stem,
        info.duration_us / US_PER_S,
        processor_s,
        lines,
        character_error_rate(wanted, "".join(line.text for line in lines)) if wanted and lines else None,
        _start_error_s([start for start, _ in reference], lines) if reference and lines else None,
        bool(lines) and not is_subtitled,
    )


def character_error_rate(reference: str, read: str) -> float:
    """Edits a character of the reference; punctuation and spaces left out, in simplified characters."""
    wanted, got = ("".join(tokens(text)) for text in (reference, read))
    return sum(kind != "=" for kind, _, _ in alignment(wanted, got)) / max(1, len(wanted))


def _start_error_s(starts_us: Sequence[int], lines: Sequence[Utterance]) -> float:
    """Median distance from the reference's starts to the nearest start that was read."""
    read = [line.span.start_us for line in lines]
    return statistics.median(min(abs(start - other) for other in read) for start in starts_us) / US_PER_S


def _reference(path: Path) -> list[tuple[int, str]]:
    file = path.with_suffix(".srt")
    if not file.is_file():
        return []
    return [(cue.start_us, cue.text) for cue in read_subtitles(file).cues]


def _transcripts() -> dict[str, str]:
    with (data_root() / "films" / "labels.csv").open(encoding="utf-8", newline="") as file:
        return {
            row["file"]: row["transcript"]
            for row in csv.DictReader(file)
            if row["file"].startswith("mer2023_") and row["transcript"]
        }


def _videos() -> list[Path]:
    folders = ("films", "videos", "films/clips")
    return [p for f in folders for p in sorted((data_root() / f).iterdir()) if p.suffix in VIDEO_SUFFIXES]


if __name__ == "__main__":
    sys.exit(main())
