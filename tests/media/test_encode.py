import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ffmpeg
import numpy as np
import pytest

from pipeline.media.encode import (
    SHAPED,
    Complaints,
    EncodeError,
    ffmpeg_exe,
    film_settings,
    filter_path,
    media_input,
    read_ffmpeg,
    run_ffmpeg,
    shaped,
    stop_children,
)
from pipeline.media.frames import iter_frames
from pipeline.media.probe import probe
from tests.conftest import Made
from tests.made import media
from tests.made.film import MARKER_S
from tests.media.test_clock import MARKED, TOLERANCE_S, beep_s, flash_s, sound

ASS = r"""[Script Info]
ScriptType: v4.00+
PlayResX: 160
PlayResY: 120

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, Alignment
Style: Default,Arial,20,&H00FFFFFF,7

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:00.00,0:00:09.00,Default,,0,0,0,,{\pos(0,0)\bord0\p1}m 0 0 l 160 0 160 120 0 120{\p0}
"""


def no_progress(share: float) -> None:
    pass


def pattern(seconds: int) -> Any:
    return ffmpeg.input(f"testsrc2=duration={seconds}:size=160x120:rate=25", format="lavfi")


def transcode(path: Path, target: Path) -> None:
    """The film as the writer makes it: picture filtered, sound kept."""
    info = probe(path)
    film = media_input(path, info.clock_zero_us)
    picture = film[str(info.video_index)].filter("scale", w=info.width_px // 2 * 2, h=info.height_px // 2 * 2)
    picture = picture.filter("setsar", sar=1)
    settings = film_settings(30, "ultrafast", info.audio_codec)
    output = ffmpeg.output(picture, film[str(info.audio_index)], str(target), **settings)
    run_ffmpeg(output, info.duration_us, no_progress)


@pytest.mark.parametrize("what", MARKED)
def test_a_film_keeps_every_time(what: object, made: Made, tmp_path: Path) -> None:
    path, target = made(what), tmp_path / "film.mp4"
    transcode(path, target)
    before, after = probe(path), probe(target)
    assert (after.width_px // 2, after.height_px // 2) == (before.width_px // 2, before.height_px // 2)
    times, kept = (
        [f.time_us for f in iter_frames(p, i, "all")] for p, i in ((path, before), (target, after))
    )
    assert len(times) == len(kept)
    assert np.abs(np.array(times) - kept).max() <= 1_000
    assert flash_s(target, after) == pytest.approx(MARKER_S, abs=TOLERANCE_S)
    assert beep_s(sound(target, after, tmp_path)) == pytest.approx(MARKER_S, abs=TOLERANCE_S)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_film_is_turned_as_the_frames_are(
    rotation: int, mirrored: bool, made: Made, tmp_path: Path
) -> None:
    path, target = made(media.make_turned, rotation, mirrored), tmp_path / "film.mp4"
    info = probe(path)
    film = media_input(path, info.clock_zero_us)["v"].filter("setsar", sar=1)
    run_ffmpeg(
        film.output(str(target), **film_settings(20, "ultrafast", None)), info.duration_us, no_progress
    )
    ours = next(iter_frames(path, info, "all")).image.astype(int)
    theirs = next(iter_frames(target, probe(target), "all")).image
    assert np.abs(ours - theirs).mean() < 4


def test_film_settings_copy_what_players_know() -> None:
    assert film_settings(23, "fast", "aac")["acodec"] == "copy"
    assert film_settings(23, "fast", "opus")["acodec"] == "aac"
    assert "acodec" not in film_settings(23, "fast", None)


def test_a_film_is_h264_that_starts_at_once_and_the_same_twice(made: Made, tmp_path: Path) -> None:
    transcode(made("vp8.webm"), tmp_path / "a.mp4")
    transcode(made("vp8.webm"), tmp_path / "b.mp4")
    data = (tmp_path / "a.mp4").read_bytes()
    assert data == (tmp_path / "b.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    info = probe(tmp_path / "a.mp4")
    assert (info.video_codec, info.audio_codec) == ("h264", "aac")


@pytest.mark.parametrize("name", media.ODD_NAMES)
def test_odd_names_in_filters(name: str, made: Made, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    script, still = folder / f"{name}.ass", folder / f"{name}.png"
    script.write_text(ASS, encoding="utf-8")
    still.write_bytes(made(media.make_image).read_bytes())

    burnt = f"color=black:size=160x120:rate=5:duration=0.4,ass=filename={filter_path(script)},format=gray"
    assert _mean(_gray(ffmpeg.input(burnt, format="lavfi"))) > 200
    typed = ffmpeg.input("color=black:size=160x120:rate=5:duration=0.4", format="lavfi")
    assert _mean(_gray(typed.filter("ass", filename=str(script)))) > 200

    # png_pipe: the image demuxer would read a % in the name as a number's place.
    movie = f"movie=filename={filter_path(still)}:format_name=png_pipe,format=gray"
    assert 40 < _mean(_gray(ffmpeg.input(movie, format="lavfi"))) < 120


def _gray(stream: Any) -> bytes:
    return b"".join(read_ffmpeg(stream.output("pipe:1", format="rawvideo", pix_fmt="gray")))


def _mean(data: bytes) -> float:
    return float(np.frombuffer(data, np.uint8).mean())


def test_progress_rises_to_one(tmp_path: Path) -> None:
    shares = list[float]()
    slow = ffmpeg.input("testsrc2=duration=4:size=160x120:rate=25", format="lavfi", readrate=6)
    run_ffmpeg(slow.output(str(tmp_path / "a.mp4"), preset="ultrafast"), 4_000_000, shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert any(0 < share < 1 for share in shares)


def test_a_folder_to_work_in(tmp_path: Path) -> None:
    run_ffmpeg(pattern(1).output("a.mp4", preset="ultrafast"), 1_000_000, no_progress, tmp_path)
    assert (tmp_path / "a.mp4").is_file()


@pytest.mark.parametrize(
    ("output", "says"),
    [
        (lambda folder: ffmpeg.input("file:gone.mp4").output(str(folder / "a.mp4")), "No such file"),
        (lambda folder: pattern(1).filter("nofilter").output(str(folder / "a.mp4")), "nofilter"),
        (lambda folder: pattern(1).output(str(folder / "gone" / "a.mp4")), "No such file"),
    ],
)
def test_a_failure_is_one_sentence(output: Callable[[Path], Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(EncodeError, match=says) as caught:
        run_ffmpeg(output(tmp_path), 1_000_000, no_progress)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_named() -> None:
    with pytest.raises(EncodeError, match="disk is full"):
        run_ffmpeg(pattern(1).output("/dev/full", format="matroska"), 1_000_000, no_progress)


class _StopError(Exception):
    pass


@pytest.mark.parametrize("signal", [_StopError, KeyboardInterrupt])
def test_a_child_ends_with_whoever_waits_for_it(signal: type[BaseException], tmp_path: Path) -> None:
    def stop(share: float) -> None:
        raise signal

    begin = time.monotonic()
    with pytest.raises(signal):
        run_ffmpeg(pattern(100_000).output(str(tmp_path / "a.mp4")), 1_000_000, stop)
    assert time.monotonic() - begin < 10
    assert not _running()


def test_a_reader_that_stops_early_ends_its_child() -> None:
    chunks = read_ffmpeg(pattern(100_000).output("pipe:1", format="rawvideo"))
    next(chunks)
    assert _running()
    chunks.close()  # type: ignore[attr-defined]
    assert not _running()


def test_children_of_other_threads_can_be_stopped(tmp_path: Path) -> None:
    caught = list[EncodeError]()
    started = threading.Event()

    def work() -> None:
        try:
            output = pattern(100_000).output(str(tmp_path / "a.mp4"))
            run_ffmpeg(output, 1_000_000, lambda share: started.set())
        except EncodeError as error:
            caught.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    assert started.wait(10)
    stop_children()
    worker.join(5)
    assert not worker.is_alive()
    assert "stopped" in str(caught[0])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a pipe with a name")
@pytest.mark.timeout(60)
def test_a_child_that_stands_still_is_stopped(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "never")  # a disk that does not answer
    source = ffmpeg.input(f"file:{tmp_path / 'never'}", format="h264")
    for work in (
        lambda: run_ffmpeg(source.output(str(tmp_path / "a.mp4")), 1, no_progress, stall_s=0.4),
        lambda: list(read_ffmpeg(source.output("pipe:1", format="rawvideo"), stall_s=0.4)),
    ):
        with pytest.raises(EncodeError, match=r"stood still for 0 s and was stopped: check .*"):
            work()
    assert not _running()


def test_a_slow_reader_is_not_a_child_that_stands_still(tmp_path: Path) -> None:
    chunks = read_ffmpeg(pattern(8).output("pipe:1", format="rawvideo", pix_fmt="gray"), stall_s=2.0)
    total = len(next(chunks))
    time.sleep(3.0)
    total += sum(len(chunk) for chunk in chunks)
    assert total == 8 * 25 * 160 * 120


ORPHAN = """
import sys, threading, ffmpeg
from pipeline.media.encode import run_ffmpeg
endless = ffmpeg.input("testsrc2=duration=100000:size=160x120:rate=25", format="lavfi")
started = lambda share: print("started", flush=True)
work = threading.Thread(target=run_ffmpeg, args=(endless.output(sys.argv[1]), 1_000_000, started))
work.start()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a child to its parent's life")
def test_a_killed_program_leaves_no_ffmpeg(tmp_path: Path) -> None:
    target = str(tmp_path / "orphan.mp4")
    with subprocess.Popen([sys.executable, "-c", ORPHAN, target], stdout=subprocess.PIPE) as program:
        assert program.stdout is not None and program.stdout.readline() == b"started\n"
        assert _working_on(target)
        program.kill()
    until = time.monotonic() + 5
    while _working_on(target) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _working_on(target)


def _working_on(target: str) -> list[str]:
    """Processes of ffmpeg that name a file and are not yet reaped."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            continue
        if target in command and command[0] == ffmpeg_exe():
            found.append(folder.name)
    return found


def test_what_ffmpeg_says_of_damage_is_counted(made: Made, tmp_path: Path) -> None:
    def decode(path: Path) -> tuple[Complaints, list[Complaints]]:
        film = ffmpeg.input(f"file:{path}")["v:0"]
        heard = list[Complaints]()
        raw = film.output("pipe:1", format="rawvideo", max_error_rate=1)
        for _ in read_ffmpeg(raw, heard.append):
            pass
        return run_ffmpeg(film.output("-", format="null", max_error_rate=1), 1, no_progress), heard

    whole, heard = decode(made(media.make_no_audio))
    assert (whole, heard) == (Complaints(), [Complaints()])
    damaged, heard = decode(made(media.make_damaged))
    assert damaged.losses > 0 and damaged.count >= damaged.losses and damaged.first
    assert heard[0].losses == damaged.losses


@pytest.fixture(scope="module")
def changing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of mono, one of stereo, one of mono: a beep in each at its half."""
    folder, parts = tmp_path_factory.mktemp("changing"), []
    for number, channels in enumerate((1, 2, 1)):
        parts.append(folder / f"{number}.ts")
        tone = ffmpeg.input("sine=frequency=440:duration=1:sample_rate=48000", format="lavfi")
        tone = tone.filter("volume", "between(t,0.42,0.56)", eval="frame")
        late = {"output_ts_offset": number, "muxdelay": 0, "muxpreload": 0}
        run_ffmpeg(tone.output(str(parts[-1]), ac=channels, acodec="mp2", **late), 1, no_progress)
    path = folder / "changing.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def beeps_s(output: Any) -> list[float]:
    """Tenths of a second of mono at 16 kHz in which a sound begins."""
    samples = np.abs(np.frombuffer(b"".join(read_ffmpeg(output)), "<i2").astype(int))
    loud = samples[: len(samples) // 1600 * 1600].reshape(-1, 1600).max(axis=1) > 1000
    return [round(0.1 * int(tenth), 1) for tenth in np.flatnonzero(loud[1:] & ~loud[:-1]) + 1]


FOLLOW = {"sample_rate": 16_000, "first_pts": 0}
MONO = {"format": "s16le", "ac": 1}


def test_sound_that_changes_can_be_left_out(changing: Path) -> None:
    sound = media_input(changing, probe(changing).clock_zero_us, drop_changed_sound=True)["a:0"]
    assert beeps_s(sound.filter("aresample", **FOLLOW).output("pipe:1", **MONO)) == [0.4, 2.4]


def test_sound_that_changes_keeps_its_times_in_a_graph_of_its_own(changing: Path) -> None:
    info = probe(changing)
    sound = media_input(changing, info.clock_zero_us)[SHAPED].filter("aresample", **FOLLOW)
    assert info.audio_index is not None
    apart = shaped(sound.output("pipe:1", **MONO), info.audio_index, "aresample=16000:ochl=mono", apart=True)
    assert beeps_s(apart) == [0.4, 1.4, 2.4]


def _running() -> bool:
    """Whether a child of this process runs ffmpeg (where /proc tells)."""
    program = Path(ffmpeg_exe()).name
    children = Path("/proc/self/task").glob("*/children")
    pids = [pid for child in children for pid in child.read_text().split()]
    commands = [Path(f"/proc/{pid}/cmdline").read_text() for pid in pids]
    return any(program in command for command in commands)
