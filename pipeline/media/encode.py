"""Running ffmpeg: watched by the thread that started it, and ended whatever happens.

A child is killed when the code that waits for it is left by any exception. ``stop_children`` ends those that
other threads wait for; a program calls it once when it is told to stop.
"""

import re
import subprocess
import threading
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import ffmpeg
import imageio_ffmpeg

from pipeline.engine.stage import Progress
from pipeline.media.container import media_url
from pipeline.privacy import child_environment

CHUNK_BYTES = 1 << 18
KEPT_ERROR_LINES = 20
# Codecs that every player of an .mp4 knows; sound in others is encoded again.
COPIED_AUDIO = frozenset({"aac", "mp3"})
_CONTEXT = re.compile(r"\[[^\]]* @ 0x[0-9a-f]+\] ")

# The one thing threads share: which children run, so that they can be ended from outside.
_children: "weakref.WeakSet[subprocess.Popen[bytes]]" = weakref.WeakSet()
_children_lock = threading.Lock()


class EncodeError(RuntimeError):
    """ffmpeg could not do its work; the message is one sentence."""


def ffmpeg_exe() -> str:
    """Path of the ffmpeg program that imageio-ffmpeg carries."""
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def stop_children() -> None:
    """Kill every ffmpeg that any thread waits for; those threads then get an EncodeError."""
    with _children_lock:
        children = list(_children)
    for child in children:
        if child.poll() is None:
            child.kill()


def media_input(path: Path, clock_zero_us: int, begin_us: int = 0) -> Any:
    """``path`` as an ffmpeg-python input whose time stamps are on the media clock.

    Reading begins at a key frame near ``begin_us``; what comes before is not looked at. ffmpeg would subtract
    the earliest start of the streams it uses, which for some containers moves the sound when only the sound
    is read; so its own offset is put out of action.
    """
    seek = {"ss": f"{begin_us}us", "noaccurate_seek": None} if begin_us > 0 else {}
    return ffmpeg.input(
        media_url(path.absolute()),
        **seek,
        copyts=None,
        itsoffset=f"{-clock_zero_us}us",
        protocol_whitelist="file,pipe",
    )


def film_settings(crf: int, preset: str, audio_codec: str | None) -> dict[str, str | int]:
    """Output options of a film that plays everywhere: H.264 in an .mp4 that starts before it is all there.

    Frame times pass through untouched. Sound is copied where every player knows it, else encoded as AAC.
    """
    picture: dict[str, str | int] = {
        "vcodec": "libx264",
        "pix_fmt": "yuv420p",
        "preset": preset,
        "crf": crf,
        "enc_time_base:v": "demux",  # else the times of a variable frame rate are rounded to its mean
        "movflags": "+faststart",
        "fflags": "+bitexact",
        "flags:v": "+bitexact",
    }
    if audio_codec is None:
        return picture
    if audio_codec in COPIED_AUDIO:
        return picture | {"acodec": "copy"}
    return picture | {"acodec": "aac", "b:a": "160k", "flags:a": "+bitexact"}


def filter_path(path: Path) -> str:
    r"""``path`` as an option's value in a hand-written filter graph: ``f"ass=filename={filter_path(p)}"``.

    A graph is unescaped twice, first by the graph parser (quote, brackets, comma, semicolon, backslash), then
    by the filter's option parser (colon, quote, backslash). ffmpeg-python's ``.filter(name, option=value)``
    does both by itself, so it takes ``str(path)``; its positional arguments are escaped once too often.
    """
    option = re.sub(r"([\\':])", r"\\\1", path.as_posix())
    return re.sub(r"([\\'\[\],;])", r"\\\1", option)


def run_ffmpeg(output: Any, duration_us: int, progress: Progress, folder: Path | None = None) -> None:
    """Run an ffmpeg-python output to its end, in ``folder`` if given.

    ``progress`` gets the finished share of ``duration_us``; an exception it raises ends the child.

    Raises:
        EncodeError: ffmpeg failed or was stopped; a full disk is named as such.
    """
    with _child(["-stats_period", "0.1", "-progress", "pipe:1", *ffmpeg.get_args(output)], folder) as stdout:
        furthest = 0.0  # ffmpeg reports the stream that is behind, and not always the same one
        for line in stdout:
            key, _, value = line.decode("ascii", "replace").partition("=")
            if key == "out_time_us" and value.strip().isdigit() and duration_us > 0:
                furthest = min(1.0, max(furthest, int(value) / duration_us))
                progress(furthest)
    progress(1.0)


def read_ffmpeg(output: Any) -> Iterator[bytes]:
    """What an ffmpeg-python output to ``pipe:1`` writes, chunk by chunk. Raises EncodeError."""
    with _child(ffmpeg.get_args(output), None) as stdout:
        while chunk := stdout.read(CHUNK_BYTES):
            yield chunk


@contextmanager
def _child(arguments: list[str], folder: Path | None) -> Iterator[IO[bytes]]:
    argv = [ffmpeg_exe(), "-hide_banner", "-nostdin", "-y", "-v", "error", *arguments]
    said: deque[str] = deque(maxlen=KEPT_ERROR_LINES)
    child = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=child_environment(),
    )
    assert child.stdout is not None and child.stderr is not None
    with _children_lock:
        _children.add(child)
    listener = threading.Thread(target=_listen, args=(child.stderr, said), daemon=True)
    listener.start()
    try:
        yield child.stdout
        child.wait()
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()
        listener.join()
        child.stdout.close()
        child.stderr.close()
    if child.returncode != 0:
        raise EncodeError(_sentence(child.returncode, said))


def _listen(stderr: IO[bytes], said: "deque[str]") -> None:
    for line in stderr:
        if text := _CONTEXT.sub("", line.decode("utf-8", "replace")).strip():
            said.append(text)


def _sentence(returncode: int, said: "deque[str]") -> str:
    if any("No space left on device" in line for line in said):
        return "The disk is full: free some space and run it again."
    if returncode < 0:
        return "ffmpeg was stopped before it had finished."
    return f"ffmpeg failed: {' | '.join(list(said)[:3]) or f'exit code {returncode}'}"
