"""Sound read piece by piece."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.media.recording import Recording


@pytest.mark.parametrize(
    "piece",
    [slice(0, 4), slice(3, 9), slice(8, 99), slice(50, 60), slice(5, 2), slice(None), slice(-3, None)],
)
def test_a_piece_is_that_of_the_whole_array(piece: slice, tmp_path: Path) -> None:
    samples = np.linspace(-1, 1, 12, dtype=np.float32)
    np.save(tmp_path / "audio.npy", samples)
    recording = Recording(tmp_path / "audio.npy")
    assert recording.size == samples.size
    np.testing.assert_array_equal(recording[piece], samples[piece], strict=True)


def test_a_film_without_sound_has_no_samples(tmp_path: Path) -> None:
    np.save(tmp_path / "audio.npy", np.zeros(0, np.float32))
    assert Recording(tmp_path / "audio.npy").size == Recording(tmp_path / "audio.npy")[0:5].size == 0
