"""What the disk says becomes one sentence, by whatever way it comes."""

import errno
import os
import subprocess

import numpy as np
import pytest

from pipeline.engine.disk import NotEnoughSpaceError, disk_trouble, require_free_space
from pipeline.engine.files import write_state


@pytest.mark.parametrize(
    ("code", "part"),
    [
        (errno.ENOSPC, "the disk is full where"),
        (errno.EDQUOT, "your quota is used up where"),
        (errno.EROFS, "read-only now"),
        (errno.EFBIG, "past the largest size"),
        (errno.ESTALE, "no longer there"),
    ],
)
@pytest.mark.parametrize("way", ["itself", "wrapped", "while handled", "by message"])
def test_trouble_is_one_sentence_that_says_what_to_do(code, part, way, tmp_path):
    error = OSError(code, os.strerror(code))
    try:
        if way == "itself":
            raise error
        if way == "by message":
            raise RuntimeError(f"ffmpeg failed: {os.strerror(code)}")
        try:
            raise error
        except OSError as cause:
            if way == "wrapped":
                raise ValueError("cannot save") from cause
            raise ValueError("cannot save")  # noqa: B904
    except (OSError, ValueError, RuntimeError) as raised:
        sentence = disk_trouble(raised, tmp_path)
    assert part in sentence and str(tmp_path) in sentence and "finished stages are kept" in sentence
    assert len(sentence.splitlines()) == 1


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "no"), ValueError("bad"), FileNotFoundError("x")])
def test_other_errors_are_not_the_disks(error, tmp_path):
    assert disk_trouble(error, tmp_path) is None


@pytest.mark.parametrize(
    ("message", "is_trouble"),
    [
        ("1000 requested and 24 written", True),
        ("Error writing trailer of a.mp4: No space left on device", True),
        ("[out#0/mp4 @ 0x55] No space left on device\nConversion failed!", True),
        ("[Errno 28] No space left on device: 'a.mp4'", True),
        ("database or disk is full", True),
        ("2 channels requested and 1 found", False),
        ("what was requested and got.mp4: moov atom not found", False),
        ("1 requested and 2 written.mp4: moov atom not found", False),
        ("cannot decode my disk is full.mp4", False),
        ("disk is full.mp4: moov atom not found", False),
        ("cannot open: File too large.mp4", False),
        ("[Errno 13] Permission denied: 'talks/No space left on device.mp4'", False),
    ],
)
def test_a_name_in_a_message_is_no_trouble(message, is_trouble, tmp_path):
    assert (disk_trouble(RuntimeError(message), tmp_path) is not None) == is_trouble


def test_room_is_asked_for_before_a_long_write(tmp_path):
    require_free_space(tmp_path, 1)
    with pytest.raises(NotEnoughSpaceError) as raised:
        require_free_space(tmp_path, 1 << 60)
    sentence = disk_trouble(raised.value, tmp_path)
    assert "the disk is full" in sentence and "1,152,921,504,607 MB are needed" in sentence


def test_a_disk_that_is_really_full(small_disk):
    folder = small_disk("size=100k")
    with pytest.raises(OSError) as raised:
        np.save(folder / "audio.npy", np.zeros(1 << 20, np.float32))
    assert "the disk is full" in disk_trouble(raised.value, folder)
    with pytest.raises(OSError) as raised:
        write_state(folder / "state.json", ["x" * 200_000])
    assert "the disk is full" in disk_trouble(raised.value, folder)
    assert [path.name for path in folder.iterdir()] == ["audio.npy"]


def test_a_disk_without_room_for_another_file(small_disk):
    folder = small_disk("nr_inodes=3")
    with pytest.raises(OSError) as raised:
        for number in range(9):
            write_state(folder / f"{number}.json", [])
    assert "it can hold no more files" in disk_trouble(raised.value, folder)


def test_a_disk_that_became_read_only(small_disk):
    folder = small_disk("size=1m")
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    with pytest.raises(OSError) as raised:
        write_state(folder / "state.json", [])
    assert "read-only now" in disk_trouble(raised.value, folder)
