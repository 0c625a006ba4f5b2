"""Time of the film pass beside a plain transcode of the same clip with the same encoder settings.

The clip is analysed once; then transcode and film pass take turns (A B A B ...), one ffmpeg each. What is
written before the pass (script, strip, mask) is timed on its own. Wall ratios want a quiet machine; ratios of
processor time hold on a busy one.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, get_args

from benchmarks.made_clips import Clip, default_clip, duration_s, make_clip, transcode_command
from benchmarks.process import BenchmarkError, Measured, pipeline_command, succeed
from benchmarks.tables import show
from benchmarks.whole_job import say, spread
from pipeline.types import FilmStyle

if TYPE_CHECKING:
    from pipeline.types import Analysis

EXAMPLES = """\
examples:
  python -m benchmarks.film                              a clip made from a real one, full style, three pairs
  python -m benchmarks.film --style full minimal subtitles --pairs 5
  python -m benchmarks.film --clip talk.mp4 --blur       your own clip as it is, faces blurred
  python -m benchmarks.film --hour                       also what an hour-long script costs
"""
MOST_TRANSCODES = 1.3
HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Pair:
    """A transcode and the film pass right after it."""

    transcode: Measured
    film: Measured

    @property
    def wall(self) -> float:
        return self.film.seconds / self.transcode.seconds

    @property
    def processor(self) -> float:
        return self.film.processor_s / self.transcode.processor_s


@dataclass(frozen=True, slots=True)
class Pass:
    """A film that only has to be encoded: everything ffmpeg takes lies in ``folder``."""

    command: tuple[str, ...]
    folder: Path
    prepared_s: float


def analysed(clip: Clip, folder: Path) -> Path:
    """The analysis of a clip, as a folder that holds ``analysis.json``; no film is made."""
    out = folder / "analysis"
    given = ["--transcript", str(clip.subtitles)] if clip.subtitles.is_file() else []
    command = [*pipeline_command(), "analyze", str(clip.video), "--out", str(out), "--no-video"]
    succeed([*command, "--profile", "compact", *given])
    return out


def prepare(clip: Clip, analysis_in: Path, style: FilmStyle, blur: bool, folder: Path) -> Pass:
    """Write what the film pass needs, as the stage does."""
    from pipeline.config import FilmSection
    from pipeline.media.encode import ffmpeg_exe
    from pipeline.records import ANALYSIS_FILE, read_record
    from pipeline.types import Analysis
    from pipeline.writers import blur as blurring
    from pipeline.writers.film import video
    from pipeline.writers.fonts import font_for

    folder.mkdir()
    begin = perf_counter()
    analysis = read_record(analysis_in / ANALYSIS_FILE, Analysis)
    font = font_for(analysis.transcript.language)
    settings = FilmSection(style=style)
    hidden = blurring.regions(analysis) if blur else None
    video.write_holds(clip.video, analysis.media, folder)
    parts = video.write_parts(analysis, hidden, font, settings, folder)
    output = video.film(clip.video, analysis.media, parts, font.path.parent, settings)
    took_s = perf_counter() - begin
    command = (ffmpeg_exe(), "-hide_banner", "-nostdin", "-y", "-v", "error", *output)
    return Pass(command, folder, took_s)


def paired(clip: Clip, passes: dict[str, Pass], pairs: int, folder: Path) -> dict[str, list[Pair]]:
    """Per style its pairs; every pass has a transcode of its own right before it."""
    result: dict[str, list[Pair]] = {style: [] for style in passes}
    for number in range(pairs):
        for style, one in passes.items():
            plain = succeed(transcode_command(clip.video, folder / "plain.mp4"))
            pair = Pair(plain, succeed(one.command, folder=one.folder))
            result[style].append(pair)
            say(f"pair {number + 1}, {style}: wall {pair.wall:.2f}, processor {pair.processor:.2f}")
    return result


def hour_long(clip: Clip, analysis_in: Path, folder: Path) -> list[Sequence[str]]:
    """What drawing a frame costs when the script goes on for an hour: libass looks through all of it."""
    from pipeline.records import ANALYSIS_FILE, read_record, write_record
    from pipeline.types import Analysis

    analysis = read_record(analysis_in / ANALYSIS_FILE, Analysis)
    lasting = folder / "hour"
    lasting.mkdir()
    times = max(1, round(HOUR_S / clip.seconds))
    write_record(lasting / ANALYSIS_FILE, repeated(analysis, times))
    rows: list[Sequence[str]] = []
    for name, source in (("the clip", analysis_in), ("an hour", lasting)):
        one = prepare(clip, source, "full", False, folder / f"script of {name}")
        events = (one.folder / "film.ass").read_text(encoding="utf-8").count("Dialogue:")
        took_s = min(succeed(drawing_command(clip), folder=one.folder).processor_s for _ in range(3))
        frame_ms = 1000 * took_s / (clip.seconds * analysis.media.fps)
        rows.append((name, str(events), f"{one.prepared_s:.1f}", f"{frame_ms:.2f}"))
    return rows


def repeated(analysis: "Analysis", times: int) -> "Analysis":
    """The analysis again and again, as of a film that many times as long."""
    period_us = analysis.media.duration_us
    shifts = [period_us * number for number in range(times)]

    def again(found: Iterable[Any]) -> tuple[Any, ...]:
        return tuple(replace(one, span=one.span.shifted(shift)) for shift in shifts for one in found)

    moments = tuple(
        replace(m, span=m.span.shifted(shift), utterance=u and replace(u, span=u.span.shifted(shift)))
        for shift in shifts
        for m, u in ((m, m.utterance) for m in analysis.moments)
    )
    return replace(
        analysis,
        media=replace(analysis.media, duration_us=period_us * times),
        transcript=replace(analysis.transcript, utterances=again(analysis.transcript.utterances)),
        observations={m: again(found) for m, found in analysis.observations.items()},
        moments=moments,
        fused=again(analysis.fused),
        conflicts=again(analysis.conflicts),
        abstentions=(),
    )


def drawing_command(clip: Clip) -> list[str]:
    """The clip decoded, drawn on as far as it goes, and thrown away."""
    from pipeline.media.encode import ffmpeg_exe

    drawn = ("-an", "-vf", "ass=film.ass", "-f", "null", "-")
    return [ffmpeg_exe(), "-nostdin", "-v", "error", "-i", str(clip.video.absolute()), *drawn]


def bench(asked: argparse.Namespace, folder: Path) -> None:
    """Everything that was asked for; prints while it goes."""
    clip, which = asked_clip(asked, folder)
    analysis_in = analysed(clip, folder)
    say(f"clip: {clip.seconds:g} s, {which}")
    passes = {style: prepare(clip, analysis_in, style, asked.blur, folder / style) for style in asked.style}
    rows = []
    for style, pairs in paired(clip, passes, asked.pairs, folder).items():
        wall, processor = spread([p.wall for p in pairs]), spread([p.processor for p in pairs])
        met = "met" if wall.median <= MOST_TRANSCODES else "missed"
        name = f"{style}, faces blurred" if asked.blur else style
        rows.append((name, f"{passes[style].prepared_s:.2f}", str(wall), str(processor), met))
    columns = ("style", "prepared in, s", "wall ratio", "processor ratio", f"wall ≤ {MOST_TRANSCODES}")
    show("film pass / plain transcode, median [range]", columns, rows)
    if asked.hour:
        found = hour_long(clip, analysis_in, folder)
        show("libass, no encoding", ("script of", "events", "written in, s", "processor ms a frame"), found)


def asked_clip(asked: argparse.Namespace, folder: Path) -> tuple[Clip, str]:
    """The clip that was named, as it is; else one made for it."""
    if asked.clip is None:
        source, which = default_clip()
        return make_clip(source, asked.seconds, folder), f"1280x720 at 30 fps, {which}"
    return Clip(asked.clip, asked.clip.with_suffix(".srt"), duration_s(asked.clip)), str(asked.clip)


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.film",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    styles = get_args(FilmStyle)
    parser.add_argument("--clip", type=Path, metavar="FILE", help="the film to use, as it is")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the clip that is made")
    parser.add_argument("--pairs", type=int, default=3, help="how many pairs are timed")
    parser.add_argument("--style", nargs="+", choices=styles, default=styles[:1], help="which styles")
    parser.add_argument("--blur", action="store_true", help="with every face blurred")
    parser.add_argument("--hour", action="store_true", help="also what an hour-long script costs")
    return parser


def main() -> int:
    """Time it; 1 when a program under measurement failed."""
    asked = build_parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="emotion-bench-") as folder:
        try:
            bench(asked, Path(folder))
        except BenchmarkError as error:
            print(f"benchmark stopped: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
