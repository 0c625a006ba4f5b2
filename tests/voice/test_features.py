import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.voice.compact import FULLY_KNOWN_S, hear, voice_of
from pipeline.voice.details import CHANNELS, DETAILS, STEPS
from pipeline.voice.features import FEATURE_NAMES, FIGURES, pitch, spectrogram, statistics
from tests.voice.spoken import RATE_HZ, silence, spoken

TIME = np.arange(2 * RATE_HZ) / RATE_HZ


def value_of(samples, name):
    return float(statistics(samples)[FEATURE_NAMES.index(name)])


def buzz(hz):
    return sum(np.sin(2 * np.pi * hz * k * TIME) / k for k in range(1, 10)).astype(np.float32) * 0.1


@pytest.mark.parametrize("hz", [85, 120, 210, 333, 450])
def test_pitch_of_a_buzz(hz):
    semitones, strength = pitch(spectrogram(buzz(hz)))
    np.testing.assert_allclose(semitones, 12 * np.log2(hz / 55), atol=0.15)
    assert strength.min() > 0.9


def test_noise_has_no_pitch():
    noise = np.random.default_rng(0).normal(0, 0.1, RATE_HZ).astype(np.float32)
    assert np.median(pitch(spectrogram(noise))[1]) < 0.45


def test_names_are_unique_and_there_is_one_for_each_figure():
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES) == statistics(buzz(100)).size


@settings(max_examples=25)
@given(st.integers(0, 20_000), st.sampled_from(["zeros", "noise", "clipped", "click"]))
def test_any_window_gives_finite_figures(size, kind):
    random = np.random.default_rng(size)
    samples = {
        "zeros": np.zeros(size),
        "noise": random.normal(0, 1e-6, size),
        "clipped": np.sign(random.normal(size=size)),
        "click": np.eye(1, size, size // 2)[0] if size else np.zeros(0),
    }[kind].astype(np.float32)
    assert np.isfinite(statistics(samples)).all()


def test_figures_mean_what_their_names_say():
    words = spoken("The quick brown fox jumps over the lazy dog.")
    assert value_of(buzz(200), "pitch_p50") == pytest.approx(12 * np.log2(200 / 55), abs=0.2)
    assert value_of(words * 2, "energy_mean") - value_of(words, "energy_mean") == pytest.approx(
        np.log(4), abs=0.05
    )
    high = np.diff(words, prepend=np.float32(0))
    assert value_of(high, "centroid_mean") > value_of(words, "centroid_mean")


def picture_of(samples):
    return statistics(samples)[FIGURES:].reshape(STEPS, CHANNELS)


def test_the_picture_shows_pitch_where_it_is():
    rising = np.concatenate([buzz(100), buzz(200)])
    pitch_semitones = picture_of(rising)[:, 21]
    np.testing.assert_allclose(pitch_semitones[:30], 12 * np.log2(100 / 55), atol=0.2)
    np.testing.assert_allclose(pitch_semitones[34:], 12 * np.log2(200 / 55), atol=0.2)
    assert picture_of(rising)[:, 23].min() == 1, "voiced throughout"


def test_the_picture_holds_a_window_of_any_length():
    for seconds in (0.1, 0.5, 2.0):
        np.testing.assert_allclose(picture_of(buzz(150)[: int(seconds * RATE_HZ)])[20:40, 21], 17.4, atol=0.3)


def test_noise_fills_the_gaps_between_harmonics():
    noise = np.random.default_rng(0).normal(0, 0.01, TIME.size).astype(np.float32)
    clear, hoarse = (value_of(sound, "harmonic6") for sound in (buzz(200), buzz(200) + noise))
    assert clear > hoarse + 1


def test_a_melody_is_measured_against_its_own_middle():
    low, high = (statistics(buzz(hz)) for hz in (120, 240))
    at = [i for i, name in enumerate(FEATURE_NAMES) if name.startswith(("melody", "course"))][:6]
    np.testing.assert_allclose(low[at], high[at], atol=0.1)


def test_syllables_are_counted():
    loudness = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * TIME)
    assert value_of((buzz(150) * loudness).astype(np.float32), "syllable0") == pytest.approx(4, abs=0.6)


def test_every_group_of_finer_figures_has_its_size():
    names = [name.rstrip("0123456789") for name in FEATURE_NAMES[:FIGURES]]
    assert all(names.count(group) == count for group, (_, count) in DETAILS.items())


def test_pauses_around_a_sentence_change_little():
    words = spoken("The quick brown fox jumps over the lazy dog.")
    padded = np.concatenate([silence(1), words, silence(1)])
    assert value_of(padded, "energy_mean") == pytest.approx(value_of(words, "energy_mean"), abs=0.1)
    assert value_of(padded, "pitch_mean") == pytest.approx(value_of(words, "pitch_mean"), abs=0.3)


@pytest.mark.parametrize(
    ("seconds", "trust"), [(0.0, 0.0), (2.5, 0.25), (5.0, 0.5), (10.0, 1.0), (90.0, 1.0)]
)
def test_trust_in_the_speaker_grows_with_speech(seconds, trust):
    rows = np.ones((6, len(FEATURE_NAMES)), np.float32)
    voice = voice_of(rows, seconds)
    assert voice.trust[0] == pytest.approx(trust)
    assert voice.trust[1] == pytest.approx(trust / 2), "six pieces: half of the spread is the speaker's own"
    assert FULLY_KNOWN_S == 10.0


def test_nobody_heard_is_nobody_trusted():
    for speech in (None, np.zeros(0, np.float32)):
        voice = hear(speech)
        assert voice.trust.tolist() == [0, 0]
        assert np.isfinite(voice.mean).all()


def test_the_speaker_is_the_mean_over_pieces():
    speech = np.concatenate([buzz(100), buzz(100) * 0.5, buzz(100)])
    voice = hear(speech)
    np.testing.assert_allclose(
        voice.mean, np.mean([statistics(p) for p in np.array_split(speech, 2)], axis=0), rtol=1e-4
    )
