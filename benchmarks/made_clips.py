"""Clips to time with, made by looping a real one, and the plain transcode to compare with."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

WIDTH_PX, HEIGHT_PX, FPS = 1280, 720, 30
REAL_CLIP = Path("videos") / "zh_interview_38s.mp4"
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Line:
    """One subtitle in milliseconds."""

    start_ms: int
    end_ms: int
    text: str


# A clip without subtitles gets these: the job is timed with subtitles given.
STAND_IN = (
    Line(200, 3_400, "I did not expect that, but I am glad it happened."),
    Line(3_800, 7_000, "Well, then."),
)


@dataclass(frozen=True, slots=True)
class Clip:
    """A film with its subtitles."""

    video: Path
    subtitles: Path
    seconds: float


def data_root() -> Path:
    """The folder of real clips: ``EMOTION_DATA``, by default ``../shared/data`` beside the repository."""
    return Path(os.environ.get("EMOTION_DATA", ROOT.parent / "shared" / "data"))


def default_clip() -> tuple[Path, str]:
    """The film to loop, and a sentence that says which one it is."""
    real = data_root() / REAL_CLIP
    if real.is_file():
        return real, f"made from the real clip {real.name}"
    return (
        ROOT / "inputs" / "sample.mp4",
        f"no real clip at {real}: made from the synthetic inputs/sample.mp4, so the figures are not those of "
        "a real face (set EMOTION_DATA)",
    )


def repeated(lines: Sequence[Line], period_ms: int, end_ms: int) -> list[Line]:
    """Subtitles of a film that is looped every ``period_ms`` and cut at ``end_ms``."""
    result = []
    for shift in range(0, end_ms, period_ms):
        for line in lines:
            start, end = line.start_ms + shift, min(line.end_ms, period_ms) + shift
            if start < min(end, end_ms):
                result.append(Line(start, min(end, end_ms), line.text))
    return result


def make_clip(source: Path, seconds: float, folder: Path) -> Clip:
    """``source`` looped to ``seconds`` of 1280x720 H.264 at 30 fps with AAC, its ``.srt`` with it.

    The picture is scaled to fit and padded. Black bars cost an encoder little, so a padded clip is one that
    a plain transcode is especially fast on.
    """
    import pysubs2

    beside = source.with_suffix(".srt")
    found = pysubs2.load(str(beside), encoding="utf-8") if beside.is_file() else []
    lines = repeated(
        [Line(event.start, event.end, event.plaintext) for event in found] or list(STAND_IN),
        round(duration_s(source) * 1000),
        round(seconds * 1000),
    )
    video = folder / f"clip_{seconds:g}s.mp4"
    fit = f"scale={WIDTH_PX}:{HEIGHT_PX}:force_original_aspect_ratio=decrease:force_divisible_by=2"
    picture = f"fps={FPS},{fit},pad={WIDTH_PX}:{HEIGHT_PX}:(ow-iw)/2:(oh-ih)/2,setsar=1,format=yuv420p"
    read = ["-stream_loop", "-1", "-i", str(source), "-t", str(seconds), "-vf", picture]
    codecs = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-c:a", "aac", "-b:a", "128k"]
    _ffmpeg([*read, *codecs, str(video)])
    return Clip(video, write_subtitles(lines, video.with_suffix(".srt")), seconds)


def looped(clip: Clip, times: int, folder: Path) -> Clip:
    """``clip`` ``times`` times over, its streams copied."""
    import pysubs2

    seconds = clip.seconds * times
    video = folder / f"clip_{seconds:g}s.mp4"
    copy = ["-stream_loop", str(times - 1), "-i", str(clip.video), "-c", "copy", str(video)]
    _ffmpeg(copy)
    found = [Line(e.start, e.end, e.plaintext) for e in pysubs2.load(str(clip.subtitles), encoding="utf-8")]
    lines = repeated(found, round(clip.seconds * 1000), round(seconds * 1000))
    return Clip(video, write_subtitles(lines, video.with_suffix(".srt")), seconds)


def duration_s(video: Path) -> float:
    """Duration of a container."""
    import av

    with av.open(str(video)) as container:
        return float(container.duration or 0) / 1e6


def transcode_command(video: Path, out: Path) -> list[str]:
    """A plain ffmpeg transcode with exactly the settings of the annotated film."""
    import ffmpeg

    from pipeline.config import FilmSection
    from pipeline.media.encode import ffmpeg_exe, film_settings

    film = FilmSection()
    source = ffmpeg.input(str(video))
    output = ffmpeg.output(
        source["v:0"], source["a:0"], str(out), **film_settings(film.crf, film.preset, audio_codec(video))
    )
    return [ffmpeg_exe(), "-hide_banner", "-nostdin", "-y", "-v", "error", *output.get_args()]


def audio_codec(video: Path) -> str | None:
    """Codec of the first sound stream; None without sound."""
    import av

    with av.open(str(video)) as container:
        return container.streams.audio[0].codec_context.name if container.streams.audio else None


def write_subtitles(lines: Sequence[Line], path: Path) -> Path:
    """Write a subtitle file; returns its path."""
    import pysubs2

    subtitles = pysubs2.SSAFile()
    subtitles.events = [pysubs2.SSAEvent(start=n.start_ms, end=n.end_ms, text=n.text) for n in lines]
    subtitles.save(str(path), encoding="utf-8")
    return path


def _ffmpeg(arguments: Sequence[str]) -> None:
    from pipeline.media.encode import ffmpeg_exe

    subprocess.run(
        [ffmpeg_exe(), "-hide_banner", "-nostdin", "-y", "-v", "error", *arguments], check=True, timeout=1800
    )
