from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.face.persons import FaceSample, numbered, smoothed
from pipeline.records import read_records, write_records

SAMPLE = FaceSample(
    time_us=0,
    track="track 1",
    box=(1.0, 2.0, 30.0, 30.0),
    landmarks=((1.0, 2.0),) * 5,
    detector_score=0.8,
    followed=False,
    size_px=30.0,
    sharpness=0.3,
    frontality=1.0,
    quality=0.6,
    crop_offset=0,
    crop_length=10,
)


def test_samples_survive_a_file(tmp_path):
    samples = (SAMPLE, replace(SAMPLE, landmarks=None, followed=True))
    write_records(tmp_path / "samples.jsonl", FaceSample, samples)
    assert read_records(tmp_path / "samples.jsonl", FaceSample) == samples


def test_persons_are_numbered_by_appearance_then_from_left_to_right():
    samples = [
        replace(SAMPLE, track="track 1", time_us=200, box=(0.0, 0.0, 9.0, 9.0)),
        replace(SAMPLE, track="track 7", time_us=100, box=(90.0, 0.0, 9.0, 9.0)),
        replace(SAMPLE, track="track 5", time_us=100, box=(50.0, 0.0, 9.0, 9.0)),
        replace(SAMPLE, track="track 7", time_us=200, box=(40.0, 0.0, 9.0, 9.0)),
    ]
    assert [(one.time_us, one.track) for one in numbered(samples)] == [
        (100, "P1"),
        (100, "P2"),
        (200, "P2"),
        (200, "P3"),
    ]


def test_more_than_nine_persons_keep_their_order():
    samples = [replace(SAMPLE, track=f"track {i}", box=(i * 50.0, 0.0, 9.0, 9.0)) for i in range(12)]
    assert [one.track for one in numbered(samples)] == [f"P{i + 1}" for i in range(12)]


@given(
    st.lists(st.integers(1, 400_000), min_size=1, max_size=30),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2_000_000),
)
def test_smoothing_stays_within_what_was_seen_and_keeps_sums(steps, seed, width_us):
    times = np.cumsum(np.array(steps, np.int64))
    draw = np.random.default_rng(seed)
    values = draw.dirichlet(np.ones(4), len(times))
    weights = draw.uniform(0, 1, len(times))
    steady = smoothed(times, values, weights, width_us)
    assert steady.sum(1) == pytest.approx(np.ones(len(times)))
    assert (steady >= values.min(0) - 1e-12).all() and (steady <= values.max(0) + 1e-12).all()


def test_a_width_of_zero_changes_nothing():
    values = np.eye(3)
    assert (smoothed(np.arange(3), values, np.ones(3), 0) == values).all()


def test_smoothing_quiets_a_single_outlier_and_trusts_it_less_when_it_is_bad():
    times = np.arange(7) * 200_000
    values = np.tile([1.0, 0.0], (7, 1))
    values[3] = [0.0, 1.0]
    trusted = smoothed(times, values, np.ones(7), 600_000)[3, 1]
    blurred = smoothed(times, values, np.array([1, 1, 1, 0.2, 1, 1, 1]), 600_000)[3, 1]
    assert 0.2 < trusted < 0.5
    assert blurred < trusted / 2


def test_smoothing_is_centred_so_nothing_is_late():
    times = np.arange(11) * 100_000
    values = np.zeros((11, 1))
    values[5] = 1
    steady = smoothed(times, values, np.ones(11), 400_000)[:, 0]
    assert steady == pytest.approx(steady[::-1])
    assert steady.argmax() == 5
    assert steady[0] == 0 and steady[1] > 0
