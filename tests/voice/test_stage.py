import numpy as np
import pytest

from pipeline.config import VoiceSection
from pipeline.records import read_records
from pipeline.types import ModelCard, Observation, Scores, Span, Status
from pipeline.voice import stage
from pipeline.voice.stage import known_speech, run_speech, run_voice, samples_of
from tests.voice.spoken import RATE_HZ, film, silence, spoken

SETTINGS = VoiceSection(backend="fake")


def second(start, end):
    return Span(round(start * 1_000_000), round(end * 1_000_000))


class FakeBackend:
    """Says how loud a window is; remembers what it was given."""

    card = ModelCard("fake", "voice", "1", "0" * 64, "MIT", (), {})

    def __init__(self):
        self.batches = []
        self.speech = []

    def __call__(self, windows, speech):
        self.batches.append([window.size for window in windows])
        self.speech.append(speech)
        loud = [min(1.0, float(np.abs(window).mean())) for window in windows]
        return [Scores((p, 0, 0, 0, 0, 0, 1 - p)) for p in loud]


@pytest.fixture
def backend(monkeypatch):
    fake = FakeBackend()
    monkeypatch.setattr(stage, "load_backend", lambda backends, name, device: fake)
    return fake


def observe(folder, inputs, settings=SETTINGS, progress=lambda fraction: None):
    run_voice(inputs, settings, folder / "out", progress)
    return read_records(folder / "out" / "observations.jsonl", Observation)


def test_windows_in_speech_and_a_status_for_the_rest(tmp_path, backend):
    audio = np.full(10 * RATE_HZ, 0.25, np.float32)
    speech = (second(1, 5), second(6, 6.3), second(7, 9))
    seen = observe(tmp_path, film(tmp_path, audio, speech))
    assert [(o.status, o.span) for o in seen] == [
        (Status.SILENCE, second(0, 1)),
        (Status.OK, second(1, 4)),
        (Status.OK, second(2, 5)),
        (Status.SILENCE, second(5, 6)),
        (Status.TOO_SHORT, second(6, 6.3)),
        (Status.SILENCE, second(6.3, 7)),
        (Status.OK, second(7, 9)),
        (Status.SILENCE, second(9, 10)),
    ]
    assert {o.modality for o in seen} == {"voice"}
    for one in seen:
        assert (one.scores == one.raw) and (one.scores is not None) == (one.status is Status.OK)
        if one.scores:
            assert one.scores.probabilities[0] == pytest.approx(0.25)
            assert 0 <= one.quality <= 1
            assert one.evidence["speech_share"] == 1
    assert backend.batches == [[3 * RATE_HZ, 3 * RATE_HZ, 2 * RATE_HZ]]
    assert backend.speech[0].size == round(6.3 * RATE_HZ)


def test_batch_size_changes_batches_and_nothing_else(tmp_path, backend):
    audio = np.random.default_rng(0).normal(0, 0.1, 20 * RATE_HZ).astype(np.float32)
    fractions = []
    for size in (1, 7):
        inputs = film(tmp_path / str(size), audio, (second(0.5, 19.5),))
        observe(tmp_path / str(size), inputs, VoiceSection(backend="fake", batch_size=size), fractions.append)
    one, seven = (tmp_path / n / "out" / "observations.jsonl" for n in ("1", "7"))
    assert one.read_bytes() == seven.read_bytes()
    assert max(len(batch) for batch in backend.batches) == 7
    assert fractions[-1] == 1.0
    assert len({id(speech) for speech in backend.speech}) == 2, "speech must be the same array in every batch"


@pytest.mark.parametrize(
    ("audio", "has_audio", "expected"),
    [
        (silence(5), True, Status.SILENCE),
        (silence(0), False, Status.NO_AUDIO),
        (silence(0), True, Status.NO_AUDIO),
        (silence(5), False, Status.NO_AUDIO),
    ],
)
def test_nothing_to_read_is_one_status_over_the_film(tmp_path, backend, audio, has_audio, expected):
    inputs = film(tmp_path, audio, has_audio=has_audio, duration_us=5_000_000)
    run_speech(inputs, SETTINGS, inputs["speech"], lambda fraction: None)
    assert [(o.status, o.span) for o in observe(tmp_path, inputs)] == [(expected, second(0, 5))]
    assert backend.batches == []


def test_no_model_is_loaded_where_nothing_is_readable(tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "load_backend", lambda *unused: pytest.fail("loaded for nothing"))
    seen = observe(tmp_path, film(tmp_path, silence(3), (second(1, 1.4),)))
    assert [o.status for o in seen] == [Status.SILENCE, Status.TOO_SHORT, Status.SILENCE]


def test_speech_stage_finds_words_at_their_place(tmp_path):
    words = spoken("Somebody says a sentence here, and it is not so short.")
    audio = np.concatenate([silence(1.5), words, silence(2)])
    inputs = film(tmp_path, audio)
    fractions: list[float] = []
    run_speech(inputs, SETTINGS, tmp_path / "out", fractions.append)
    found = read_records(tmp_path / "out" / "speech.jsonl", Span)
    assert found[0].start_s == pytest.approx(1.5, abs=0.2)
    assert found[-1].end_s == pytest.approx(1.5 + words.size / RATE_HZ, abs=0.4)
    assert fractions[-1] == 1.0


def test_speech_beyond_the_film_is_cut(tmp_path):
    words = spoken("Somebody says a sentence here, and it is not so short.")
    inputs = film(tmp_path, words, duration_us=1_000_000)
    run_speech(inputs, SETTINGS, tmp_path / "out", lambda fraction: None)
    assert read_records(tmp_path / "out" / "speech.jsonl", Span)[-1].end_us <= 1_000_000


def test_known_speech_is_all_of_it_or_spread_evenly():
    audio = np.arange(1000 * RATE_HZ, dtype=np.float32)
    short = known_speech(audio, (second(1, 2), second(5, 7.5)))
    np.testing.assert_array_equal(short, np.r_[audio[RATE_HZ : 2 * RATE_HZ], audio[5 * RATE_HZ : 120_000]])
    long = known_speech(audio, (second(0, 900),))
    assert long.size == stage.KNOWN_SPEECH_S * RATE_HZ
    assert long[0] == 0
    assert long[-1] > 890 * RATE_HZ


def test_samples_end_with_the_audio():
    assert samples_of(silence(2), second(1, 4)).size == RATE_HZ


def test_quality_falls_with_length_noise_and_pauses():
    from pipeline.voice.quality import window_quality

    words = spoken("The quick brown fox jumps over the lazy dog, and then it sleeps a while.")[: 3 * RATE_HZ]
    noise = np.random.default_rng(0).normal(0, 0.05, words.size).astype(np.float32)
    clean, evidence = window_quality(words, 3.0)
    assert clean > 0.6
    assert window_quality(words[:RATE_HZ], 3.0)[0] < clean
    assert window_quality(words + noise, 3.0)[0] < clean
    assert window_quality(np.r_[words[: 2 * RATE_HZ], silence(1)], 3.0)[1]["speech_share"] < 0.75
    assert window_quality(words * 1e-6, 3.0)[0] == 0
    assert window_quality(silence(0), 3.0)[0] == 0
    assert evidence.keys() == {"speech_share", "snr_db", "level_db"}
