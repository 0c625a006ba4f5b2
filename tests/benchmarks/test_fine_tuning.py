"""The machine without a network beside which our fine-tuned net is shown."""

import numpy as np

from benchmarks.fine_tuning import gradients, without_network

SIDE_PX = 140


def stripes(upright: bool, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 20, (SIDE_PX, SIDE_PX))
    wave = 60 * np.sign(np.sin(np.arange(SIDE_PX) / (4 + seed % 7) + seed))[None, :] + 128 + noise
    grey = np.clip(wave if upright else wave.T, 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def test_it_learns_what_gradients_tell_and_leaves_out_faces_without_a_label() -> None:
    crops = [stripes(bool(i % 2), i) for i in range(22)]
    labels = np.array([i % 2 for i in range(20)] + [-1, -1])
    assert without_network(crops, labels, copies=1) == (4, 1.0)


def test_copies_made_before_the_split_are_told_apart_from_new_pictures() -> None:
    crops = [stripes(True, i) for i in range(20)]
    labels = np.random.default_rng(0).integers(0, 4, 20)  # nothing to learn but the pictures themselves
    _, honest = without_network(crops, labels, copies=1)
    size, leaking = without_network(crops, labels, copies=10)
    assert size == 40
    assert leaking > 0.8 > honest + 0.2


def test_a_face_that_moved_has_other_gradients() -> None:
    crop = stripes(True, 1)
    still = gradients(crop, None)
    assert np.array_equal(still, gradients(crop, None))
    assert not np.array_equal(still, gradients(crop, np.random.default_rng(0)))
