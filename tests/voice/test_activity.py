import subprocess
import sys

import numpy as np
import pytest

from pipeline.models.cards import ModelError
from pipeline.types import Span
from pipeline.voice import activity
from pipeline.voice.activity import FRAME_SAMPLES, load_detector, speech_probabilities, speech_spans
from tests.voice.spoken import RATE_HZ, silence, spoken

FRAME_US = 32_000


@pytest.fixture(scope="module")
def detector():
    return load_detector()


def spans_of(audio, detector, threshold=0.5):
    end_us = audio.size * 1_000_000 // RATE_HZ
    return speech_spans(speech_probabilities(audio, detector), threshold, end_us)


def test_speech_is_found_where_it_is(detector):
    words = spoken("The quick brown fox jumps over the lazy dog, again and again.")
    audio = np.concatenate([silence(2), words, silence(3), words, silence(1.5)])
    found = spans_of(audio, detector)
    seconds = words.size / RATE_HZ
    assert len(found) == 2
    for span, start_s in zip(found, (2.0, 2.0 + seconds + 3.0), strict=True):
        assert span.start_s == pytest.approx(start_s, abs=0.2)
        assert span.end_s == pytest.approx(start_s + seconds, abs=0.4)


@pytest.mark.parametrize(
    "audio",
    [
        silence(4),
        (0.3 * np.sin(2 * np.pi * 1000 * np.arange(4 * RATE_HZ) / RATE_HZ)).astype(np.float32),
        np.random.default_rng(0).normal(0, 0.05, 4 * RATE_HZ).astype(np.float32),
    ],
    ids=["silence", "tone", "noise"],
)
def test_what_is_no_speech_is_not_speech(audio, detector):
    assert spans_of(audio, detector) == []


def test_blocks_carry_the_state_over(detector, monkeypatch):
    audio = np.concatenate([silence(1), spoken("Where one block ends the next goes on."), silence(0.5)])
    whole = speech_probabilities(audio, detector)
    monkeypatch.setattr(activity, "BLOCK_FRAMES", 7)
    np.testing.assert_allclose(speech_probabilities(audio, detector), whole, atol=1e-4)


def test_frames_and_progress(detector):
    seen: list[float] = []
    assert speech_probabilities(silence(0), detector, seen.append).size == 0
    assert speech_probabilities(np.zeros(FRAME_SAMPLES + 1, np.float32), detector, seen.append).size == 2
    assert seen == [1.0]


def rectangles(*stretches, length=200):
    values = np.full(length, 0.01, np.float32)
    for start, end, value in stretches:
        values[start:end] = value
    return values


@pytest.mark.parametrize(
    ("stretches", "expected_frames"),
    [
        ([], []),
        ([(10, 40, 0.9)], [(10, 40)]),
        ([(10, 40, 0.45)], []),  # never reaches the threshold
        ([(10, 20, 0.9), (20, 40, 0.4)], [(10, 40)]),  # goes on while above the lower one
        ([(10, 14, 0.9)], []),  # 128 ms: a click
        ([(10, 40, 0.9), (48, 80, 0.9)], [(10, 80)]),  # 256 ms pause closed
        ([(10, 40, 0.9), (60, 80, 0.9)], [(10, 40), (60, 80)]),
        ([(10, 14, 0.9), (18, 22, 0.9)], [(10, 22)]),  # pauses are closed before short bursts are dropped
    ],
)
def test_threshold_hysteresis_and_durations(stretches, expected_frames):
    found = speech_spans(rectangles(*stretches), 0.5, 200 * FRAME_US)
    padding_us = int(activity.PADDING_S * 1_000_000)
    assert found == [Span(s * FRAME_US - padding_us, e * FRAME_US + padding_us) for s, e in expected_frames]


def test_spans_stay_inside_the_film():
    found = speech_spans(rectangles((0, 200, 0.9)), 0.5, 5_000_000)
    assert found == [Span(0, 5_000_000)]
    assert speech_spans(rectangles((150, 200, 0.9)), 0.5, 150 * FRAME_US) == []


def test_missing_weights_say_what_to_do(monkeypatch):
    monkeypatch.setattr(activity, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="pip install"):
        load_detector()


def test_finding_speech_imports_no_torch():
    code = (
        "import sys, numpy as np; from pipeline.voice.activity import *; "
        "speech_probabilities(np.zeros(16000, np.float32), load_detector()); "
        "assert not {'torch', 'silero_vad', 'transformers'} & sys.modules.keys(), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
