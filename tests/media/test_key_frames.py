"""A few frames of a long video are its key frames, upright and at their own times, without decoding it."""

from time import process_time

import numpy as np
import pytest

from pipeline.media.container import MediaError
from pipeline.media.frames import iter_frames
from pipeline.media.key_frames import key_frames
from pipeline.media.probe import probe
from tests.conftest import Made
from tests.made import media

S = 1_000_000


@pytest.mark.parametrize("name", ["plain.mp4", "variable.mkv", "late_sound.ts", "starts_at_5s.mkv"])
def test_each_is_the_frame_that_decoding_gives_at_its_time(name: str, made: Made) -> None:
    path = made(name)
    info = probe(path)
    frames = key_frames(path, info, [2 * S, 100_000, 2 * S + 1, 900_000])
    decoded = {frame.time_us: frame.image for frame in iter_frames(path, info, "all")}
    times = [frame.time_us for frame in frames]
    assert times == sorted(set(times)) and len(times) >= 2  # a key frame a second
    assert path.suffix == ".ts" or (times[0] <= 100_000 and times[-1] <= 2 * S)
    for frame in frames:
        assert np.array_equal(frame.image, decoded[frame.time_us])


def test_they_are_turned_and_shrunk_like_other_frames(made: Made) -> None:
    path = made(media.make_turned, 90)
    info = probe(path)
    (frame, *_) = key_frames(path, info, [0], max_side_px=80)
    assert frame.image.shape[:2] == next(iter_frames(path, info, "all", 80)).image.shape[:2]
    assert frame.scale < 1


def test_hdr_costs_no_tone_mapping(made: Made) -> None:
    path = made(media.make_hdr, "arib-std-b67")
    info = probe(path)
    begin = process_time()
    assert info.hdr and len(key_frames(path, info, [0])) == 1
    assert process_time() - begin < 2


def test_without_times_there_are_none_and_without_a_picture_that_is_said(made: Made) -> None:
    path = made("plain.mp4")
    assert key_frames(path, probe(path), []) == []
    sound = made(media.make_audio_only)
    with pytest.raises(MediaError, match="no picture"):
        key_frames(sound, probe(sound), [0])
