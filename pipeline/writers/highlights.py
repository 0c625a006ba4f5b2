"""``highlights.mp4``, the strongest conflicts of a film one after the other, and a still of every conflict.

ffmpeg cuts the pieces out, MoviePy joins them. MoviePy alone would read a film as if its frames were evenly
spaced and its streams began together: it lost a flash of 0.3 s out of a film of variable frame rate, and the
sound of films whose sound begins late or has a gap. A piece has even frames and whole sound, so it reads
those exactly.
"""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from typing import Any

from pipeline.config import HighlightsSection
from pipeline.engine.stage import Progress
from pipeline.media.canvas import canvas_filters
from pipeline.media.encode import SHAPED, EncodeError, media_input, run_ffmpeg, shaped
from pipeline.media.hold import HOLD_US
from pipeline.media.mend import media_path
from pipeline.records import ANALYSIS_FILE, WARNINGS_FILE, read_record
from pipeline.types import ALARMS, US_PER_S, Analysis, Conflict, MediaInfo, Span, united
from pipeline.writers.facts import ranked
from pipeline.writers.film.video import FILM
from pipeline.writers.stills import still_name

HIGHLIGHTS = "highlights.mp4"
# Where reading begins before a cut: some containers are read from behind the time they are asked for.
BACK_US = 10 * US_PER_S
# What a piece has beyond its cut, so that nobody reads at its very end.
TAIL_US = US_PER_S // 2
# Frames of a film of variable frame rate stand at most half of one of these off.
LEAST_VARIABLE_FPS, MOST_FPS = 30, 60
FADE_S = 0.03  # sound cut at full height clicks
RATE_HZ = 48_000


@dataclass(frozen=True, slots=True)
class Reel:
    """What to cut from: a film on the media clock, which of its streams, and its frames per second.

    ``media`` describes its picture where that has yet to be put on its canvas.
    """

    path: Path
    clock_zero_us: int
    picture: str
    sound: str | None
    fps: int
    media: MediaInfo | None = None


def run(inputs: Mapping[str, Path], settings: HighlightsSection, out: Path, progress: Progress) -> None:
    """Stage ``highlights``: cut from the annotated film where there is one, else from the source.

    Leaves one warning instead when there is nothing to cut.
    """
    analysis = read_record(inputs["analysis"] / ANALYSIS_FILE, Analysis)
    if not analysis.media.has_video or not analysis.conflicts:
        why = "no conflict was found" if analysis.media.has_video else "no picture"
        (out / WARNINGS_FILE).write_text(f"{why}: highlights skipped\n", encoding="utf-8")
        return
    for rank in range(1, len(analysis.conflicts) + 1):
        if "stills" in inputs and (inputs["stills"] / still_name(rank)).is_file():
            copyfile(inputs["stills"] / still_name(rank), out / still_name(rank))
    film = inputs["film"] / FILM if "film" in inputs else None
    lead_in_us = round(settings.lead_in_s * US_PER_S)
    cuts = reel(analysis.conflicts, analysis.media.duration_us, lead_in_us, settings.most)
    if not cuts:
        (out / WARNINGS_FILE).write_text(
            "no conflict lies inside the film: highlights skipped\n", encoding="utf-8"
        )
        return
    write_highlights(source_of(media_path(inputs), film, analysis.media), cuts, out, progress)


def source_of(source: Path, film: Path | None, media: MediaInfo) -> Reel:
    """The annotated film, which was written on the media clock, or the source."""
    fps = max(US_PER_S // HOLD_US, min(MOST_FPS, round(media.fps)))
    fps = max(LEAST_VARIABLE_FPS, fps) if media.variable_frame_rate else fps
    if film is not None:
        return Reel(film, 0, "v:0", "a:0" if media.has_audio else None, fps)
    sound = str(media.audio_index) if media.has_audio else None
    return Reel(source, media.clock_zero_us, SHAPED, sound, fps, media)


def reel(conflicts: Sequence[Conflict], duration_us: int, lead_in_us: int, most: int) -> list[Span]:
    """What to cut out: the strongest conflicts with their lead-in, in order of time; overlaps are joined.

    Masking is no conflict: it is shown only where nothing else was found.
    """
    inside = [c for c in ranked(conflicts) if c.span.start_us < duration_us]
    wanted = [c for c in inside if c.kind in ALARMS] or inside
    return united(
        Span(max(0, c.span.start_us - lead_in_us), min(duration_us, c.span.end_us + lead_in_us))
        for c in wanted[:most]
    )


def write_highlights(film: Reel, cuts: Sequence[Span], out: Path, progress: Progress) -> None:
    """Leave the reel in ``out``.

    Raises:
        ValueError: there is nothing to cut.
        EncodeError: ffmpeg failed or was stopped; one sentence.
    """
    if not cuts:
        raise ValueError("no conflict lies inside the film: no reel")
    with tempfile.TemporaryDirectory(dir=out) as scratch:
        folder = Path(scratch)
        pieces = []
        for i, cut in enumerate(on_grid(one, film.fps) for one in cuts):
            pieces.append((folder / f"{i}.mov", round(cut.duration_us * film.fps / US_PER_S)))
            run_ffmpeg(piece(film, cut, f"{i}.mov"), cut.duration_us, lambda share: None, folder)
            progress((i + 1) / (len(cuts) + 1))
        _join(pieces, film.fps, folder / HIGHLIGHTS)
        (folder / HIGHLIGHTS).replace(out / HIGHLIGHTS)
    progress(1.0)


def on_grid(cut: Span, fps: int) -> Span:
    """A cut widened to whole frames, so that picture and sound of each are equally long."""
    first, last = cut.start_us * fps // US_PER_S, -(-cut.end_us * fps // US_PER_S)
    return Span(first * US_PER_S // fps, max(first + 1, last) * US_PER_S // fps)


def piece(film: Reel, cut: Span, name: str) -> Any:
    """What to run: one cut on the media clock, with even frames, square pixels and whole sound.

    At each tick stands the nearest frame; before the first and after the last one the picture stands still,
    and gaps in the sound are silent.
    """
    import ffmpeg

    apart = film.media is not None and bool(film.media.shapes)
    begin_us = cut.start_us - BACK_US
    whole = media_input(film.path, film.clock_zero_us, begin_us)
    back = f"PTS-{cut.start_us}/1000000/TB"
    picture = (
        whole[film.picture]
        .filter("setpts", back)
        .filter("fps", fps=film.fps, start_time=0)
        .filter("tpad", stop_mode="clone", stop=-1)
        .filter("scale", w="trunc(iw*sar/2)*2", h="trunc(ih/2)*2")
        .filter("setsar", r=1)
        .filter("format", pix_fmts="yuv420p")
    )
    streams, sound = [picture], {}
    if film.sound is not None:
        heard = media_input(film.path, film.clock_zero_us, begin_us, only_sound=True) if apart else whole
        streams.append(
            heard[film.sound]
            .filter("asetpts", back)
            .filter("aresample", RATE_HZ, **{"async": 1, "first_pts": 0})
            .filter("aformat", channel_layouts="stereo")
            .filter("apad")
        )
        sound = {"acodec": "pcm_s16le"}
    # MoviePy stumbles over chapters, and what the source says of itself is nobody's business.
    kept_out = {"map_metadata": -1, "map_chapters": -1}
    length = f"{cut.duration_us + TAIL_US}us"
    output = ffmpeg.output(
        *streams, name, t=length, vcodec="libx264", preset="ultrafast", crf=10, **sound, **kept_out
    )
    if film.media is None or film.media.video_index is None:
        return output
    size = (film.media.width_px // 2 * 2, film.media.height_px // 2 * 2)
    return shaped(output, film.media.video_index, canvas_filters(film.media, *size, apart), apart)


def _join(pieces: Sequence[tuple[Path, int]], fps: int, path: Path) -> None:
    """Pieces with their lengths in frames, one after the other, the sound faded in and out at each."""
    from moviepy import VideoFileClip, afx, concatenate_videoclips

    fades = [afx.AudioFadeIn(FADE_S), afx.AudioFadeOut(FADE_S)]
    with ExitStack() as open_:
        clips = []
        for file, frames in pieces:
            clip = open_.enter_context(VideoFileClip(str(file.absolute()))).subclipped(0, frames / fps)
            clips.append(clip if clip.audio is None else clip.with_effects(fades))
        joined = open_.enter_context(concatenate_videoclips(clips))
        try:
            joined.write_videofile(
                str(path),
                fps=fps,
                codec="libx264",
                audio_codec="aac",
                audio_fps=RATE_HZ,
                preset="veryfast",
                # beside the result: MoviePy's default is the working folder
                temp_audiofile=str(path.with_suffix(".m4a")),
                ffmpeg_params=[
                    *("-crf", "23", "-pix_fmt", "yuv420p", "-movflags", "+faststart"),
                    *("-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact"),
                ],
                logger=None,
            )
        except OSError as error:
            raise EncodeError(f"The reel could not be written: {str(error).strip()[:200]}") from None
