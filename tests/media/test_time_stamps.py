"""Time stamps that cannot be are found and mended; those of sound films stay as they are."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.media.audio import AUDIO_FILE, SAMPLE_RATE_HZ, write_audio
from pipeline.media.clock import MIN_JUMP_US, PacketTimes, filled, mended
from pipeline.media.frames import iter_frames
from pipeline.media.mend import MENDED_FILE, media_path
from pipeline.media.probe import probe, run
from pipeline.media.streams import NO_CHOICE
from pipeline.records import LOSSES_FILE, MEDIA_FILE, read_record
from pipeline.types import US_PER_S, MediaInfo
from tests.conftest import Made
from tests.made import streams

FRAME_US, PACKET_US = 40_000, 20_000
LENGTH_US = 8 * US_PER_S
PICTURE_US, SOUND_US = np.arange(0, LENGTH_US, FRAME_US), np.arange(0, LENGTH_US, PACKET_US)

Times = NDArray[np.int64]


def stream(times_us: Times, lasting_us: int = PACKET_US, order: Times | None = None) -> PacketTimes:
    """Sound; a picture where its packets last as long as a frame."""
    times = np.asarray(times_us, np.int64)
    position = np.arange(len(times)) if order is None else order
    is_picture = lasting_us == FRAME_US
    return PacketTimes(is_picture, position, times, times, np.full(len(times), lasting_us))


def in_file_order(*parts: tuple[Times, Times]) -> tuple[Times, Times]:
    """Positions of picture and sound packets in a file of one part after the other, each in order of time."""
    positions, begin = ([], []), 0
    for both in parts:
        ranks = np.argsort(np.argsort(np.concatenate(both), kind="stable"))
        for listed, rank in zip(positions, np.split(ranks, [len(both[0])]), strict=True):
            listed.append(rank + begin)
        begin += len(ranks)
    return np.concatenate(positions[0]), np.concatenate(positions[1])


def test_a_sound_film_stays_as_it_is() -> None:
    streams_in = (stream(PICTURE_US, FRAME_US), stream(SOUND_US))
    clock = mended(streams_in)
    assert not clock.is_needed
    for new, old in zip(clock.streams, streams_in, strict=True):
        assert (new.decode_us == old.decode_us).all()
        assert (new.present_us == old.present_us).all()


@given(st.integers(1, 150), st.integers(1, 4), st.sampled_from([-4 * US_PER_S, 3_600 * US_PER_S]))
def test_a_few_stray_stamps_are_put_between_their_neighbours(first: int, many: int, by_us: int) -> None:
    damaged = PICTURE_US.copy()
    damaged[first : first + many] += by_us
    clock = mended([stream(damaged, FRAME_US), stream(SOUND_US)])
    assert (clock.strays, clock.restarts_us, clock.jumps) == (many, (), ())
    assert np.abs(clock.streams[0].decode_us - PICTURE_US).max() <= 1


@given(st.integers(11, 10**6), st.integers(10, 190))
def test_a_jump_of_all_streams_is_closed(by_s: int, at: int) -> None:
    edge = int(PICTURE_US[at])
    moved = [times + (times >= edge) * by_s * US_PER_S for times in (PICTURE_US, SOUND_US)]
    clock = mended([stream(moved[0], FRAME_US), stream(moved[1])])
    assert clock.jumps == ((edge, by_s * US_PER_S),)
    assert (clock.streams[0].decode_us == PICTURE_US).all()
    assert (clock.streams[1].present_us == SOUND_US).all()


def test_a_frame_shown_after_the_jump_and_decoded_before_it_is_near_the_others() -> None:
    decode = PICTURE_US + (PICTURE_US >= US_PER_S) * 3_600 * US_PER_S
    present = decode + 2 * FRAME_US
    present[24] += 3_600 * US_PER_S
    one = replace(stream(decode, FRAME_US), present_us=present)
    assert np.abs(mended([one]).streams[0].present_us - PICTURE_US - 2 * FRAME_US).max() <= FRAME_US


def test_a_pause_no_longer_than_the_film_is_kept() -> None:
    minute = np.arange(0, 60 * US_PER_S, PACKET_US)
    assert not mended([stream(np.concatenate([minute, minute + 110 * US_PER_S]))]).is_needed


@pytest.mark.parametrize("is_stated", [True, False])
def test_a_silent_recording_that_stands_still_for_a_while_is_kept(is_stated: bool) -> None:
    moving = np.arange(0, 8 * US_PER_S, FRAME_US)
    times = np.concatenate([moving, moving + 58 * US_PER_S])
    screen = stream(times, FRAME_US)
    lasting = np.diff(times, append=times[-1:] + FRAME_US) if is_stated else screen.duration_us
    assert not mended([replace(screen, duration_us=lasting)]).is_needed


def test_a_picture_that_stands_still_is_kept() -> None:
    slide_show = np.arange(0, 1_800 * US_PER_S, 90 * US_PER_S)
    assert not mended([stream(slide_show, FRAME_US)]).is_needed
    screen = stream(np.array([0, 400_000, 1_700 * US_PER_S]), FRAME_US)
    assert not mended([screen, stream(np.arange(90_000) * PACKET_US)]).is_needed


def test_sound_that_is_sent_only_in_bursts_is_kept() -> None:
    assert not mended([stream(np.arange(0, 600 * US_PER_S, 400_000))]).is_needed


@given(st.integers(1, 4), st.integers(-(10**9), 10**12))
def test_parts_that_start_again_follow_each_other(parts: int, zero_us: int) -> None:
    late_us = 7_000  # of the sound, in every part: it stays
    both = PICTURE_US + zero_us, SOUND_US + zero_us + late_us
    orders = in_file_order(*[both] * parts)
    before = [
        stream(np.tile(both[0], parts), FRAME_US, orders[0]),
        stream(np.tile(both[1], parts), PACKET_US, orders[1]),
    ]
    clock = mended(before)
    picture, sound = (one.decode_us for one in clock.streams)
    assert len(clock.restarts_us) == parts - 1
    assert (np.diff(picture) > 0).all()
    assert (np.diff(sound) > 0).all()
    assert (sound[:: len(SOUND_US)] - picture[:: len(PICTURE_US)] == late_us).all()
    assert np.diff(picture).max() <= FRAME_US + late_us


def test_a_stream_damaged_alone_moves_alone() -> None:
    damaged = np.concatenate([PICTURE_US[:100], PICTURE_US[100:] - 3 * US_PER_S])
    orders = in_file_order((PICTURE_US, SOUND_US))
    clock = mended([stream(damaged, FRAME_US, orders[0]), stream(SOUND_US, PACKET_US, orders[1])])
    assert (clock.streams[0].decode_us == PICTURE_US).all()
    assert (clock.streams[1].decode_us == SOUND_US).all()


def test_a_stream_of_the_second_part_only_goes_with_it() -> None:
    nothing = np.zeros(0, np.int64)
    orders = in_file_order((PICTURE_US, nothing), (PICTURE_US, SOUND_US))
    clock = mended(
        [stream(np.tile(PICTURE_US, 2), FRAME_US, orders[0]), stream(SOUND_US, PACKET_US, orders[1])]
    )
    assert clock.streams[1].decode_us[0] == LENGTH_US == clock.streams[0].decode_us[len(PICTURE_US)]


@given(st.lists(st.integers(-(1 << 60), 1 << 60), min_size=1, max_size=60), st.integers(0, 10**6))
def test_no_stamps_make_a_film_much_longer_than_its_packets(stamps: list[int], lasting_us: int) -> None:
    new = mended([stream(np.array(stamps, np.int64), lasting_us)]).streams[0].present_us
    held = len(stamps) * max(1, min(US_PER_S, lasting_us))
    assert new.max() - new.min() <= 32 * held + 3 * MIN_JUMP_US


def test_unknown_times_follow_what_comes_before() -> None:
    times, step = np.array([0, 0, 500, 0, 700]), np.full(5, 100)
    known = np.array([False, False, True, False, True])
    assert filled(times, known, step).tolist() == [
        300,
        400,
        500,
        600,
        700,
    ]
    assert filled(times, np.zeros(5, bool), step).tolist() == [0, 100, 200, 300, 400]


def probed(path: Path, folder: Path) -> tuple[Path, MediaInfo]:
    """What a stage would read, and what is known of it."""
    run({"source": path}, NO_CHOICE, folder, lambda done: None)
    return media_path({"source": path, "probe": folder}), read_record(folder / MEDIA_FILE, MediaInfo)


def frames_and_sound(path: Path, info: MediaInfo, folder: Path) -> tuple[list[int], float]:
    write_audio(path, info, folder / AUDIO_FILE, lambda done: None)
    seconds = len(np.load(folder / AUDIO_FILE)) / SAMPLE_RATE_HZ
    return [frame.time_us for frame in iter_frames(path, info, "all")], seconds


@pytest.mark.parametrize("suffix", [".ts", ".mkv", ".mpg", ".ogv"])
def test_joined_recordings_are_read_to_the_end(suffix: str, made: Made, tmp_path: Path) -> None:
    path, info = probed(made(streams.make_joined, suffix), tmp_path)
    assert path.name == MENDED_FILE
    times, seconds = frames_and_sound(path, info, tmp_path)
    assert len(times) == pytest.approx(150, abs=3)
    assert times == sorted(times)
    assert seconds == pytest.approx(6.0, abs=0.2)
    assert (tmp_path / LOSSES_FILE).read_text().startswith("Time stamps start again at 3.")


@pytest.mark.parametrize("suffix", [".mp4", ".flv"])
def test_a_second_recording_that_is_not_read_is_told(suffix: str, made: Made) -> None:
    info = probe(made(streams.make_joined, suffix))
    assert (
        any("another recording begins" in said for said in info.warnings) or info.duration_us > 5 * US_PER_S
    )


@pytest.mark.parametrize("suffix", [".mkv", ".ts", ".flv"])
def test_an_hour_between_two_halves_is_left_out(suffix: str, tmp_path: Path) -> None:
    source = streams.make_jump(tmp_path, f"jump{suffix}", by_s=3_600.0)
    path, info = probed(source, tmp_path)
    times, seconds = frames_and_sound(path, info, tmp_path)
    assert info.duration_us == pytest.approx(3 * US_PER_S, abs=200_000)
    assert len(times) >= 73  # Matroska keeps no decode times: frames reordered across the jump may meet
    assert seconds == pytest.approx(3.0, abs=0.2)
    assert "Time stamps jump by 1.0 h at 1." in info.warnings[0]


def test_one_stray_frame_moves_nothing_else(tmp_path: Path) -> None:
    source = streams.make_stray(tmp_path, by_ms=100_000_000)
    path, info = probed(source, tmp_path)
    times, _ = frames_and_sound(path, info, tmp_path)
    assert info.duration_us == pytest.approx(3 * US_PER_S, abs=100_000)
    assert len(times) == 75
    assert np.diff(times).max() <= 120_000


def test_a_stream_that_begins_late_is_read(made: Made, tmp_path: Path) -> None:
    path, info = probed(made(streams.make_late_stream), tmp_path)
    times, seconds = frames_and_sound(path, info, tmp_path)
    assert info.has_audio
    assert len(times) == 375
    assert seconds == pytest.approx(15.0, abs=0.2)
    assert info.notes == ("A stream that begins late was looked for in the whole file.",)


@pytest.mark.parametrize("suffix", [".h264", ".hevc", ".m2v"])
def test_a_picture_without_times_has_its_stated_rate(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"bare{suffix}"
    codec = {".h264": "libx264", ".hevc": "libx265", ".m2v": "mpeg2video"}[suffix]
    streams.ffmpeg("-f", "lavfi", "-i", "testsrc=s=160x120:r=25:d=3", "-c:v", codec, path)
    path, info = probed(path, tmp_path)
    times, _ = frames_and_sound(path, info, tmp_path)
    assert len(times) == pytest.approx(75, abs=1)
    assert info.duration_us == pytest.approx(3 * US_PER_S, abs=100_000)
    assert np.median(np.diff(times)) == pytest.approx(FRAME_US, abs=1_000)
    assert info.warnings[0].startswith("The file is a bare ")
