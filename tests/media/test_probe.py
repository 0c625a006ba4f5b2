import re
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.media import audio
from pipeline.media.clock import MAX_SLIDE_US
from pipeline.media.container import to_us
from pipeline.media.mend import MENDED_FILE
from pipeline.media.probe import MediaError, StreamChoice, probe, run, varies
from pipeline.models.cards import file_sha256
from pipeline.records import MEDIA_FILE, read_record
from pipeline.types import MediaInfo, SubtitleStream
from tests.conftest import Made
from tests.made import media, streams


def test_the_stage_writes_what_probe_finds(made: Made, tmp_path: Path) -> None:
    path = made("plain.mp4")
    run({"source": path}, StreamChoice(), tmp_path, lambda share: None)
    assert read_record(tmp_path / MEDIA_FILE, MediaInfo) == probe(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [MEDIA_FILE]


def test_plain_facts(made: Made) -> None:
    path = made("plain.mp4")
    info = probe(path)
    assert info == MediaInfo(
        sha256=file_sha256(path),
        duration_us=3_000_000,
        width_px=160,
        height_px=120,
        fps=25.0,
        variable_frame_rate=False,
        has_video=True,
        has_audio=True,
        video_start_us=0,
        audio_start_us=0,
        video_codec="h264",
        audio_codec="aac",
        video_index=0,
        audio_index=1,
        longest_gap_us=40_000,
    )


@pytest.mark.parametrize(
    ("name", "size", "rotation_deg"),
    [
        ("rotated.mp4", (120, 160), 90),
        ("wide_pixels.mp4", (213, 120), 0),
        ("rotated_wide_pixels.mp4", (120, 213), 270),
    ],
)
def test_size_is_as_shown(name: str, size: tuple[int, int], rotation_deg: int, made: Made) -> None:
    info = probe(made(name))
    assert (info.width_px, info.height_px, info.rotation_deg) == (*size, rotation_deg)


@pytest.mark.parametrize(
    ("name", "fps", "variable"),
    [
        ("ntsc.mp4", 29.97003, False),
        ("variable.mp4", 16.903313, True),
        ("variable.mkv", 16.903313, True),
        ("starts_at_5s.mkv", 25.0, False),
    ],
)
def test_frame_rate_is_measured(name: str, fps: float, variable: bool, made: Made) -> None:
    info = probe(made(name))
    assert (info.fps, info.variable_frame_rate) == (fps, variable)


@pytest.mark.parametrize("name", ["starts_at_5s.mkv", "starts_at_5s.ts"])
def test_the_clock_is_zero_where_the_container_starts(name: str, made: Made) -> None:
    info = probe(made(name))
    assert info.clock_zero_us == 5_000_000
    assert info.video_start_us == 0
    assert info.duration_us == pytest.approx(3_000_000, abs=30_000)


def test_starts_per_stream(made: Made) -> None:
    # The sound's encoder puts 1,024 samples of priming before the first one that was given to it.
    assert probe(made("late_sound.mp4")).audio_start_us == pytest.approx(1_075_000, abs=22_000)
    assert probe(made("late_picture.mp4")).video_start_us == 800_000


def test_what_is_there(made: Made) -> None:
    assert not probe(made(media.make_no_audio)).has_audio
    assert probe(made(media.make_silence)).has_audio
    for make in (media.make_audio_only, media.make_cover_art):
        info = probe(made(make))
        assert (info.has_video, info.has_audio, info.width_px, info.fps) == (False, True, 0, 0.0)
        assert info.duration_us == 3_000_000


@pytest.mark.parametrize(("suffix", "codec"), [(".mkv", "srt"), (".mp4", "mov_text")])
def test_subtitle_streams_are_listed(suffix: str, codec: str, made: Made) -> None:
    (stream,) = probe(made(media.make_subtitled, suffix)).subtitle_streams
    assert stream.index == 2
    assert stream.codec in (codec, "subrip")
    assert isinstance(stream, SubtitleStream)


def test_a_cut_off_film_says_how_much_is_left(made: Made, tmp_path: Path) -> None:
    path = made(media.make_truncated)
    info = probe(path)
    assert info.has_video
    assert info.has_audio
    assert 1_000_000 < info.duration_us < 2_500_000
    (warning,) = info.warnings
    assert warning.startswith("The file is cut off: its header promises 3.0 s, but the picture only up to ")
    run({"source": path}, StreamChoice(), tmp_path, lambda share: None)
    assert (tmp_path / "losses.txt").read_text() == warning + "\n"


def _subtitles_only(folder: Path) -> Path:
    path = folder / "lines.srt"
    path.write_text(media.SRT, encoding="utf-8")
    return path


def _garbled(folder: Path) -> Path:
    """A film whose index is whole and whose pictures are noise."""
    data = bytearray(media.make_no_audio(folder).read_bytes())
    start, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    data[start:end] = np.random.default_rng(0).bytes(end - start)
    path = folder / "garbled.mp4"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda folder: folder / "missing.mp4", "no file"),
        (lambda folder: folder, "is a folder"),
        (media.make_empty, "is empty"),
        (media.make_text, "is not a video"),
        (media.make_playlist, "is not a video"),
        (media.make_image, "single image"),
        (lambda folder: media.make_image(folder, "image.mp4"), "single image"),
        (lambda folder: media.make_image(folder, "still.jpg"), "single image"),
        (media.make_headless, "cut off"),
        (media.make_zero_length, "neither picture nor sound"),
        (_subtitles_only, "neither picture nor sound"),
        (_garbled, "can be decoded"),
    ],
)
def test_what_is_no_film_is_refused_in_one_sentence(
    make: Callable[[Path], Path], says: str, tmp_path: Path
) -> None:
    with pytest.raises(MediaError, match=says) as caught:
        probe(make(tmp_path))
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert str(tmp_path) in sentence


def test_a_playlist_opens_no_connection(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/a.ts"
        with pytest.raises(MediaError, match="is not a video"):
            probe(media.make_playlist(tmp_path, address))
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize("name", media.ODD_NAMES)
def test_odd_names(name: str, made: Made, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.mp4"
    path.write_bytes(made("plain.mp4").read_bytes())
    assert probe(path).duration_us == 3_000_000


def test_odd_names_in_the_working_folder(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("-dash.mp4", "12:30.mp4"):
        Path(name).write_bytes(made("plain.mp4").read_bytes())
        assert probe(Path(name)).has_video


@given(st.integers(-(10**12), 10**12), st.sampled_from([1000, 600, 12_800, 24_000, 90_000, 1_000_000]))
def test_ticks_are_rounded_to_the_nearest_microsecond(ticks: int, per_second: int) -> None:
    from fractions import Fraction

    exact = Fraction(ticks * 1_000_000, per_second)
    assert abs(to_us(ticks, Fraction(1, per_second)) - exact) <= Fraction(1, 2)


@given(st.integers(5, 120), st.integers(3, 200), st.sampled_from([1000, 12_800, 90_000]))
def test_rounding_to_ticks_is_no_variable_rate(fps: int, frames: int, per_second: int) -> None:
    ticks = np.round(np.arange(frames) * per_second / fps)
    times_us = np.round(ticks * 1e6 / per_second).astype(np.int64)
    assert not varies(times_us, 1e6 / per_second)


@given(st.integers(5, 60), st.integers(5, 100), st.data())
def test_a_dropped_frame_is_a_variable_rate(fps: int, frames: int, data: st.DataObject) -> None:
    times_us = np.round(np.arange(frames) * 1e6 / fps).astype(np.int64)
    lost = data.draw(st.integers(1, frames - 2))
    assert varies(np.delete(times_us, lost), 1000.0)


def test_the_same_damage_is_heard_again_in_one_process(made: Made, tmp_path: Path) -> None:
    path = tmp_path / "damaged.ogv"
    streams.ffmpeg("-i", made("plain.mp4"), "-c:v", "libtheora", "-c:a", "libvorbis", path)
    data = path.read_bytes()
    begin, length = len(data) // 2, len(data) // 5
    path.write_bytes(data[:begin] + bytes(length) + data[begin + length :])
    first, second = probe(path), probe(path)
    assert first.warnings == second.warnings
    assert "missing in the file" in " ".join(first.warnings)


@pytest.mark.parametrize(
    ("suffix", "codecs"),
    [(".mkv", ("copy", "copy")), (".webm", ("libvpx", "libopus")), (".ts", ("mpeg2video", "mp2"))],
)
def test_a_stretch_that_is_gone_is_told(
    suffix: str, codecs: tuple[str, str], made: Made, tmp_path: Path
) -> None:
    path = tmp_path / f"holed{suffix}"
    streams.ffmpeg("-i", made("plain.mp4"), "-c:v", codecs[0], "-c:a", codecs[1], "-g", "12", path)
    assert probe(path).warnings == ()
    data = path.read_bytes()
    begin, length = len(data) * 2 // 5, len(data) // 5 // 188 * 188
    path.write_bytes(data[:begin] + bytes(length) + data[begin + length :])
    assert probe(path).warnings


def test_sound_that_ends_before_the_picture_is_no_loss(made: Made, tmp_path: Path) -> None:
    path = tmp_path / "short_sound.mkv"
    streams.ffmpeg("-i", made("plain.mp4"), "-c:v", "copy", "-af", "atrim=end=1.2", path)
    assert probe(path).warnings == ()


def test_a_pause_in_picture_and_sound_is_told(made: Made, tmp_path: Path) -> None:
    path = streams.make_jump(tmp_path, "pause.mkv", by_s=6.0)
    (said,) = probe(path).warnings
    assert re.fullmatch(r"5\.\d s of the picture and 5\.\d s of the sound are missing in the file, .*", said)


def test_a_sample_rate_that_no_sound_has_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fast.wav"
    streams.ffmpeg("-f", "lavfi", "-i", "sine=d=1:r=48000", path)
    data = bytearray(path.read_bytes())
    data[24:28] = (2_000_000).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(MediaError, match="states 2,000,000 samples a second; export it with"):
        probe(path)


@pytest.mark.parametrize("ticks", [1, 100, 1_280_000])
def test_a_damaged_time_scale_is_told_and_makes_no_long_film(ticks: int, made: Made, tmp_path: Path) -> None:
    data = bytearray(made("plain.mp4").read_bytes())
    at = data.find(b"mdhd")
    while at >= 0:
        data[at + 16 : at + 20] = ticks.to_bytes(4, "big")
        at = data.find(b"mdhd", at + 1)
    path = tmp_path / "scaled.mp4"
    path.write_bytes(data)
    info = probe(path)
    assert any("impossible times" in said for said in info.warnings)
    assert info.duration_us <= MAX_SLIDE_US


def staged_losses(path: Path, folder: Path) -> str:
    """What ``probe`` and ``audio`` say is lost."""
    run({"source": path}, StreamChoice(), folder, lambda share: None)
    told = (folder / "losses.txt").read_text() if (folder / "losses.txt").exists() else ""
    if read_record(folder / MEDIA_FILE, MediaInfo).has_audio:
        (folder / "audio").mkdir()
        audio.run({"source": path, "probe": folder}, None, folder / "audio", lambda share: None)
        heard = folder / "audio" / "losses.txt"
        told += heard.read_text() if heard.exists() else ""
    return told


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("trimmed.mp4", ("-ss", 1.33), ("-c", "copy")),
        ("muted.mp4", (), ("-c:v", "copy", "-af", "aselect='lt(t,1)+gt(t,2)'")),
        ("screen.mp4", (), ("-an", "-vf", "select='lt(t,1)+gt(t,2.4)'", "-fps_mode", "passthrough")),
        ("blocks.flac", (), ("-vn", "-ar", 8_000, "-frame_size", 16_384)),
    ],
)
def test_whole_files_out_of_the_ordinary_lose_nothing(
    name: str, before: tuple[object, ...], after: tuple[object, ...], made: Made, tmp_path: Path
) -> None:
    path = tmp_path / name
    streams.ffmpeg(*before, "-i", made("plain.mp4"), *after, path)
    assert staged_losses(path, tmp_path) == ""
    assert not (tmp_path / MENDED_FILE).exists()


def test_a_cut_in_mid_picture_is_not_blamed_on_the_sound(made: Made, tmp_path: Path) -> None:
    whole, path = tmp_path / "whole.ts", tmp_path / "cut.ts"
    streams.ffmpeg("-i", made("plain.mp4"), "-c:a", "mp2", "-g", 50, whole)
    data = whole.read_bytes()
    path.write_bytes(data[len(data) // 3 // 188 * 188 :])
    assert "decoder complained" not in staged_losses(path, tmp_path)


def test_a_still_before_the_film_is_not_the_film(made: Made, tmp_path: Path) -> None:
    path, still = tmp_path / "still_first.mkv", made(media.make_image)
    codecs = ("-c:v:0", "mjpeg", "-c:v:1", "copy", "-c:a", "copy", "-disposition:v", "0")
    streams.ffmpeg("-i", still, "-i", made("plain.mp4"), "-map", "0", "-map", "1", *codecs, path)
    assert probe(path).video_index == 1
