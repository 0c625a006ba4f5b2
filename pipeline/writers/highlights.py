"""``highlights.mp4``: the strongest conflicts of a film one after the other, cut with MoviePy."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.engine.stage import Progress
from pipeline.records import ANALYSIS_FILE, WARNINGS_FILE, read_record
from pipeline.types import US_PER_S, Analysis, Conflict, Span
from pipeline.writers.facts import ranked
from pipeline.writers.video import FILM

HIGHLIGHTS = "highlights.mp4"


def run(inputs: Mapping[str, Path], settings: Any, out: Path, progress: Progress) -> None:
    """Stage ``highlights``: cut from the annotated film where there is one, else from the source.

    Leaves one warning instead when there is nothing to cut.
    """
    analysis = read_record(inputs["analysis"] / ANALYSIS_FILE, Analysis)
    if not analysis.media.has_video or not analysis.conflicts:
        why = "no conflict was found" if analysis.media.has_video else "no picture"
        (out / WARNINGS_FILE).write_text(f"{why}: highlights skipped\n", encoding="utf-8")
        return
    film = inputs["film"] / FILM if "film" in inputs else inputs["source"]
    write_highlights(film, analysis.conflicts, out / HIGHLIGHTS)
    progress(1.0)


def write_highlights(
    film: Path, conflicts: Sequence[Conflict], out_path: Path, lead_in_s: float = 1.0, most: int = 3
) -> None:
    """A reel of the ``most`` strongest conflicts in order of time, ``lead_in_s`` before and after each.

    Raises:
        ValueError: no conflict lies inside the film.
    """
    from moviepy import VideoFileClip, concatenate_videoclips

    with VideoFileClip(str(film.absolute())) as whole:
        cuts = reel(conflicts, round(whole.duration * US_PER_S), round(lead_in_s * US_PER_S), most)
        if not cuts:
            raise ValueError(f"no conflict lies inside {film}")
        even = whole.cropped(width=whole.w // 2 * 2, height=whole.h // 2 * 2)
        joined = concatenate_videoclips([even.subclipped(cut.start_s, cut.end_s) for cut in cuts])
        joined.write_videofile(
            str(out_path),
            codec="libx264",
            audio_codec="aac",
            preset="veryfast",
            # beside the result: MoviePy's default is the working folder
            temp_audiofile=str(out_path.with_suffix(".m4a")),
            ffmpeg_params=["-crf", "23", "-pix_fmt", "yuv420p", "-movflags", "+faststart"],
            logger=None,
        )
        joined.close()


def reel(conflicts: Sequence[Conflict], duration_us: int, lead_in_us: int, most: int) -> list[Span]:
    """What to cut out: the strongest conflicts with their lead-in, in order of time; overlaps are joined."""
    wide = (
        Span(max(0, c.span.start_us - lead_in_us), min(duration_us, c.span.end_us + lead_in_us))
        for c in ranked(conflicts)[:most]
        if c.span.start_us < duration_us
    )
    cuts: list[Span] = []
    for span in sorted(wide):
        if cuts and span.start_us <= cuts[-1].end_us:
            cuts[-1] = Span(cuts[-1].start_us, max(cuts[-1].end_us, span.end_us))
        else:
            cuts.append(span)
    return cuts
