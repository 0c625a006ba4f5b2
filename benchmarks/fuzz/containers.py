"""The whole files that are damaged: six seconds of picture and sound in eleven containers."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SECONDS = 6
SILENT_SECONDS = 120
FPS = 25
SIZE = "176x144"  # H.263 knows few sizes
SAMPLE = Path(__file__).parents[2] / "inputs" / "sample.mp4"
H264 = ("-c:v", "libx264", "-preset", "veryfast", "-x264-params", "threads=1", "-pix_fmt", "yuv420p")
BITEXACT = ("-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact", "-map_metadata", "-1")


@dataclass(frozen=True, slots=True)
class Container:
    """How to write one; ``states_duration``: its header says how long it is, it is not estimated."""

    suffix: str
    encode: tuple[str, ...]
    states_duration: bool


CONTAINERS: Mapping[str, Container] = {
    "mp4": Container(".mp4", (*H264, "-c:a", "aac", "-movflags", "+faststart"), True),
    "mov": Container(".mov", ("-c:v", "mpeg4", "-c:a", "pcm_s16le"), True),
    "mkv": Container(".mkv", (*H264, "-c:a", "aac"), True),
    "webm": Container(
        ".webm", ("-c:v", "libvpx", "-deadline", "good", "-cpu-used", "5", "-c:a", "libopus"), True
    ),
    "avi": Container(".avi", ("-c:v", "mpeg4", "-c:a", "libmp3lame"), True),
    "flv": Container(".flv", ("-c:v", "flv", "-c:a", "libmp3lame", "-ar", "44100"), True),
    "ts": Container(".ts", (*H264, "-c:a", "aac"), False),
    "mpg": Container(".mpg", ("-c:v", "mpeg2video", "-c:a", "mp2", "-f", "vob"), False),
    "ogv": Container(".ogv", ("-c:v", "libtheora", "-q:v", "5", "-c:a", "libvorbis"), False),
    "wmv": Container(".wmv", ("-c:v", "wmv2", "-c:a", "wmav2"), True),
    "3gp": Container(
        ".3gp",
        ("-c:v", "h263", "-c:a", "libopencore_amrnb", "-ar", "8000", "-ac", "1", "-b:a", "12.2k"),
        True,
    ),
}


def make_base(name: str, folder: Path, *, speaking: bool = False) -> Path:
    """One whole file: a test picture with loud sound that is never still, or a face that speaks."""
    if speaking:
        read = ["-ss", "1", "-t", str(SECONDS), "-i", str(SAMPLE)]
    else:
        sound = "0.3*sin(2*PI*(220+40*t)*t)+0.2*(random(0)-0.5)"
        read = ["-f", "lavfi", "-i", f"testsrc2=size={SIZE}:rate={FPS}", "-f", "lavfi"]
        read += ["-i", f"aevalsrc='{sound}|{sound}':s=44100", "-t", str(SECONDS)]
    container = CONTAINERS[name]
    path = folder / f"{'speaking' if speaking else 'whole'}{container.suffix}"
    shape = ["-s", SIZE, "-r", str(FPS), "-g", "25", "-map", "0:v:0", "-map", f"{0 if speaking else 1}:a:0"]
    ffmpeg([*read, *shape, *container.encode, *BITEXACT, str(path)])
    return path


def make_silent(folder: Path) -> Path:
    """A film without sound, longer than any subtitles here."""
    path = folder / "silent.mp4"
    picture = ["-f", "lavfi", "-i", f"testsrc2=size={SIZE}:rate=2", "-t", str(SILENT_SECONDS)]
    ffmpeg([*picture, *H264, *BITEXACT, str(path)])
    return path


def ffmpeg(arguments: list[str]) -> None:
    """Run the ffmpeg that the product carries. Raises CalledProcessError."""
    from pipeline.media.encode import ffmpeg_exe

    subprocess.run([ffmpeg_exe(), "-hide_banner", "-nostdin", "-y", "-v", "error", *arguments], check=True)
