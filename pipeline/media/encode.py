"""Running ffmpeg: watched by the thread that started it, and ended whatever happens.

A child is killed when the code that waits for it is left by any exception, when it makes no progress for
``STALL_S``, and, on Linux, when this process dies without a word. ``stop_children`` ends those that other
threads wait for; a program calls it once when it is told to stop.
"""

import os
import re
import subprocess
import sys
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, cast

import ffmpeg
import imageio_ffmpeg

from pipeline.engine.stage import Progress
from pipeline.media.container import media_url
from pipeline.privacy import child_environment

CHUNK_BYTES = 1 << 18
MOVING = frozenset({"frame", "out_time_us", "total_size"})  # what ffmpeg reports and changes while it works
KEPT_ERROR_LINES = 20
SHAPED = "shaped"
# At the very end of a film its index is moved to the front without any report: gigabytes on a slow disk.
STALL_S = 300.0
# Lines by which ffmpeg says that it goes on without a packet or with a broken frame.
_LOSS = re.compile(
    r"Error submitting packet to decoder|corrupt decoded frame|Decoding error|Error while decoding"
)
# The kernel kills a child when the thread that started it is gone, which waits as long as the child lives. A
# small program asks for it and then becomes ffmpeg: code between fork and exec may deadlock where threads
# run. The parent may be gone before it asks, so that is looked at afterwards.
_DIE_WITH_PARENT = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""
# Codecs that every player of an .mp4 knows; sound in others is encoded again.
COPIED_AUDIO = frozenset({"aac", "mp3"})
_CONTEXT = re.compile(r"\[[^\]]* @ 0x[0-9a-f]+\] ")

# The one thing threads share: which children run, so that they can be ended from outside.
_children: "weakref.WeakSet[subprocess.Popen[bytes]]" = weakref.WeakSet()
_children_lock = threading.Lock()


class EncodeError(RuntimeError):
    """ffmpeg could not do its work; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Complaints:
    """What ffmpeg said of its input while it went on: how many lines, of these losses, and the first ones.

    ``by_context`` counts lines by who said them: ``[aac @ ``, ``[aist#0:1/aac @ ``.
    """

    count: int = 0
    losses: int = 0
    first: tuple[str, ...] = ()
    by_context: Mapping[str, int] = field(default_factory=dict)


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


def media_input(
    path: Path,
    clock_zero_us: int,
    begin_us: int = 0,
    drop_changed_sound: bool = False,
    only_sound: bool = False,
) -> Any:
    """``path`` as an ffmpeg-python input whose time stamps are on the media clock.

    Reading begins at a key frame near ``begin_us``; what comes before is not looked at. ffmpeg would subtract
    the earliest start of the streams it uses, which for some containers moves the sound when only the sound
    is read; so its own offset is put out of action.

    ``drop_changed_sound`` leaves out sound whose channels or rate are others than at the beginning. Damaged
    packets may claim what ends the whole; but so may sound that really changes, so this is a second attempt.

    ``only_sound`` opens the file once more for its sound. ffmpeg 9.0 stands still for ever where picture and
    sound of one input meet again behind filter graphs that follow each other (``shaped(apart=True)``).
    """
    seek = {"ss": f"{begin_us}us", "noaccurate_seek": None} if begin_us > 0 else {}
    dropped = {"drop_changed:a": 1} if drop_changed_sound else {}
    return ffmpeg.input(
        media_url(path.absolute()),
        **seek,
        copyts=None,
        itsoffset=f"{-clock_zero_us}us",
        protocol_whitelist="file,pipe",
        **dropped,
        **({"vn": None} if only_sound else {}),
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


def shaped(output: Any, stream_index: int, filters: str, apart: bool) -> list[str]:
    """Arguments of an ffmpeg-python output whose stream :data:`SHAPED` first goes through ``filters``.

    ffmpeg makes a graph anew when the form of its input changes (size, rotation, channels, rate), and what
    filters kept or another input had given to it, such as an image to be laid over, is then lost. ``apart``
    puts ``filters`` into a graph of their own, so that the other one sees no change.
    """
    arguments: list[str] = ffmpeg.get_args(output)
    at = arguments.index("-filter_complex")
    graph = arguments[at + 1]
    source = re.search(rf"\[(\d+):{SHAPED}\]", graph)
    assert source is not None
    own, graph = f"[{source[1]}:{stream_index}]{filters}[{SHAPED}]", graph.replace(source[0], f"[{SHAPED}]")
    graphs = (
        ["-filter_complex", own, "-filter_complex", graph] if apart else ["-filter_complex", f"{own};{graph}"]
    )
    return [*arguments[:at], *graphs, *arguments[at + 2 :]]


def filter_path(path: Path) -> str:
    r"""``path`` as an option's value in a hand-written filter graph: ``f"ass=filename={filter_path(p)}"``.

    A graph is unescaped twice, first by the graph parser (quote, brackets, comma, semicolon, backslash), then
    by the filter's option parser (colon, quote, backslash). ffmpeg-python's ``.filter(name, option=value)``
    does both by itself, so it takes ``str(path)``; its positional arguments are escaped once too often.
    """
    option = re.sub(r"([\\':])", r"\\\1", path.as_posix())
    return re.sub(r"([\\'\[\],;])", r"\\\1", option)


def run_ffmpeg(
    output: Any,
    duration_us: int,
    progress: Progress,
    folder: Path | None = None,
    stall_s: float = STALL_S,
) -> Complaints:
    """Run an ffmpeg-python output, or ready arguments, to the end, in ``folder`` if given.

    ``progress`` gets the finished share of ``duration_us``; an exception it raises ends the child.

    Raises:
        EncodeError: ffmpeg failed, stood still for ``stall_s`` or was stopped; a full disk is named as such.
    """
    reports = ["-stats_period", "0.1", "-progress", "pipe:1", *_arguments(output)]
    with _child(reports, folder, stall_s) as child:
        furthest = 0.0  # ffmpeg reports the stream that is behind, and not always the same one
        state = dict[str, str]()
        for line in child.stdout:
            key, _, value = line.decode("ascii", "replace").partition("=")
            if key in MOVING and state.get(key) != value:
                state[key] = value
                child.moved()
            if key == "out_time_us" and value.strip().isdigit() and duration_us > 0:
                furthest = min(1.0, max(furthest, int(value) / duration_us))
                child.paused()
                progress(furthest)
                child.resumed()
    progress(1.0)
    return child.heard.complaints()


def read_ffmpeg(
    output: Any,
    on_complaints: Callable[[Complaints], None] = lambda complaints: None,
    stall_s: float = STALL_S,
) -> Generator[bytes, None, None]:
    """What an ffmpeg-python output to ``pipe:1`` writes, chunk by chunk.

    ``on_complaints`` gets, once at the end, what ffmpeg said of its input.

    Raises:
        EncodeError: ffmpeg failed, stood still for ``stall_s`` or was stopped.
    """
    with _child(_arguments(output), None, stall_s) as child:
        while chunk := child.stdout.read1(CHUNK_BYTES):
            child.paused()
            yield chunk
            child.resumed()
            child.moved()
    on_complaints(child.heard.complaints())


def _arguments(output: Any) -> list[str]:
    return output if isinstance(output, list) else ffmpeg.get_args(output)


@dataclass(eq=False)
class _Heard:
    """The error lines of a child, counted as they come and the first ones kept."""

    count: int = 0
    by_context: Counter[str] = field(default_factory=Counter)
    losses: int = 0
    lines: list[str] = field(default_factory=list)
    full_disk: bool = False

    def listen(self, stderr: IO[bytes]) -> None:
        for line in stderr:
            whole = line.decode("utf-8", "replace")
            if text := _CONTEXT.sub("", whole).strip():
                self.count += 1
                context = _CONTEXT.match(whole)
                self.by_context[context[0].split("0x")[0] if context else ""] += 1
                self.losses += _LOSS.search(text) is not None
                self.full_disk |= "No space left on device" in text
                if len(self.lines) < KEPT_ERROR_LINES:
                    self.lines.append(text)

    def complaints(self) -> Complaints:
        return Complaints(self.count, self.losses, tuple(self.lines), dict(self.by_context))

    def sentence(self, returncode: int) -> str:
        if self.full_disk:
            return "The disk is full: free some space and run it again."
        if returncode < 0:
            return "ffmpeg was stopped before it had finished."
        return f"ffmpeg failed: {' | '.join(self.lines[:3]) or f'exit code {returncode}'}"


@dataclass(eq=False)
class _Child:
    """A running ffmpeg, and since when whoever reads it has been waiting in vain."""

    process: subprocess.Popen[bytes]
    stdout: BufferedReader
    stderr: IO[bytes]
    heard: _Heard = field(default_factory=_Heard)
    stalled: bool = False
    _moved_s: float = field(default_factory=time.monotonic)
    _paused_s: float | None = None

    def moved(self) -> None:
        self._moved_s = time.monotonic()

    def paused(self) -> None:
        """The reader works on what it got: ffmpeg may have to wait for it."""
        self._paused_s = time.monotonic()

    def resumed(self) -> None:
        if self._paused_s is not None:
            self._moved_s += time.monotonic() - self._paused_s
        self._paused_s = None

    def watch(self, stall_s: float, ended: threading.Event) -> None:
        while not ended.wait(min(1.0, stall_s / 4)):
            if self._paused_s is None and time.monotonic() - self._moved_s > stall_s:
                self.stalled = True
                self.process.kill()
                return


@contextmanager
def _child(arguments: list[str], folder: Path | None, stall_s: float) -> Iterator[_Child]:
    # Else one line may stand for many.
    argv = [ffmpeg_exe(), "-hide_banner", "-nostdin", "-y", "-v", "repeat+error", *arguments]
    if sys.platform == "linux":
        argv = [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), *argv]
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=child_environment(),
    )
    assert process.stdout is not None and process.stderr is not None
    # The type of a pipe is stated more widely than it is.
    child = _Child(process, cast(BufferedReader, process.stdout), process.stderr)
    ended = threading.Event()
    with _children_lock:
        _children.add(process)
    threads = (
        threading.Thread(target=child.heard.listen, args=(child.stderr,), daemon=True),
        threading.Thread(target=child.watch, args=(stall_s, ended), daemon=True),
    )
    for thread in threads:
        thread.start()
    try:
        yield child
        process.wait()
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        ended.set()
        for thread in threads:
            thread.join()
        child.stdout.close()
        child.stderr.close()
    if child.stalled:
        raise EncodeError(
            f"ffmpeg stood still for {stall_s:.0f} s and was stopped: check the disk and the file, and run "
            "it again."
        )
    if process.returncode != 0:
        raise EncodeError(child.heard.sentence(process.returncode))
