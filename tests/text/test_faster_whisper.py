"""The default recogniser on real weights (skipped where they were not fetched), and what it does without."""

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.config import ConfigError, TranscriptSection
from pipeline.models.cards import CACHE_VARIABLE, ModelError
from pipeline.models.known import KnownModel, known_for
from pipeline.text import faster_whisper_speech, whisper_speech
from pipeline.text.chunks import sound_of
from pipeline.text.faster_whisper_speech import card, known_model, line_ends, load, log_mel, weights
from pipeline.text.recognise import Recognised, recognise
from pipeline.text.transcribe import transcribe
from pipeline.types import Status
from tests.text.requests import request, span
from tests.voice.spoken import silence, spoken

DIGEST = """
import hashlib, sys
import numpy as np
from pipeline.text.faster_whisper_speech import load
engine = load("base", "cpu")
encoded, _ = engine.encode(np.frombuffer(sys.stdin.buffer.read(), np.float32))
print(hashlib.sha256(np.array(encoded).tobytes()).hexdigest(), engine.decode((encoded, 200), "en", True))
"""
SENTENCE = "I have never been so happy in my life. Thank you very much."


@pytest.fixture(scope="module")
def real() -> KnownModel:
    model = known_for("faster-whisper")
    if not model.is_here:
        pytest.skip(f"the weights of {model.id} were not fetched: emotion-pipeline models pull")
    return model


@pytest.fixture(scope="module")
def engine(real: KnownModel) -> Any:
    return load("base", "cpu")


@pytest.fixture
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def heard(engine: Any, samples: NDArray[np.float32], start_s: float, end_s: float) -> Recognised:
    end_us = samples.size * 1_000_000 // 16_000
    return recognise(engine, sound_of(samples), [span(start_s, end_s)], source="x", end_us=end_us)


def test_made_speech_is_read_by_both_engines_alike(engine: Any) -> None:
    """The same weights, as CTranslate2's 8-bit integers and as openai-whisper's floats."""
    samples = np.concatenate([silence(1), spoken(SENTENCE), silence(1)])
    end_s = samples.size / 16_000 - 1
    ours = heard(engine, samples, 1, end_s)
    path = whisper_speech.weights_path("base")
    theirs = heard(whisper_speech.OpenaiWhisper(whisper_speech.load_model(path, "cpu")), samples, 1, end_s)
    for result in (ours, theirs):
        assert result.language == "en"
        assert [u.text for u in result.utterances] == SENTENCE.replace(". ", ".|").split("|")
        assert all(1.0 <= u.span.start_s < u.span.end_s <= end_s + 0.2 for u in result.utterances)
        assert all(word.probability is not None for u in result.utterances for word in u.words)
    starts = [[w.span.start_s for u in result.utterances for w in u.words] for result in (ours, theirs)]
    assert statistics.median(abs(a - b) for a, b in zip(*starts, strict=True)) <= 0.1
    assert ours.language_probability == pytest.approx(theirs.language_probability, abs=0.1)
    assert heard(engine, samples, 1, end_s) == ours


def test_features_are_the_library_s_own_within_rounding(engine: Any) -> None:
    samples = (np.random.default_rng(0).normal(size=40_123) * 0.1).astype(np.float32)
    extractor = engine._model.feature_extractor
    ours = log_mel(samples, extractor.mel_filters)
    np.testing.assert_allclose(ours, extractor(samples), atol=1e-4)


def test_the_same_words_on_any_number_of_threads(real: KnownModel) -> None:
    samples = (np.random.default_rng(0).normal(size=40_123) * 0.1).astype(np.float32)
    digests = set()
    for threads in ("1", "2"):
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        run = subprocess.run(
            [sys.executable, "-c", DIGEST],
            env=environment,
            input=samples.tobytes(),
            capture_output=True,
            check=True,
        )
        digests.add(run.stdout)
    assert len(digests) == 1 and digests != {b""}


def test_the_transcript_names_the_model(real: KnownModel) -> None:
    samples = spoken("Hello my friends.")
    result = transcribe(request(waveform=samples, speech=[span(0, samples.size / 16_000)], language="en"))
    assert (result.source, result.status, result.language_probability) == ("faster-whisper", Status.OK, None)
    assert real.id in result.note
    assert card(TranscriptSection()) == real.card()
    assert len(card(TranscriptSection()).sha256) == 64


def test_weights_that_were_changed_are_never_used(real: KnownModel, empty_cache: Path) -> None:
    copied = known_for("faster-whisper").home
    copied.mkdir(parents=True)
    for file in real.files:
        (copied / file.path).write_bytes(b"other")
    with pytest.raises(ModelError, match=r"is not the file .* was published with"):
        transcribe(request("faster-whisper", speech=[span(0, 1)]))


def test_without_weights_auto_goes_on_and_a_name_is_one_sentence(empty_cache: Path) -> None:
    assert weights("base") == [] and weights("none") == []
    asked = request(speech=[span(0, 1)])
    assert faster_whisper_speech.transcribe(asked) is None
    with pytest.raises(ModelError, match="models pull Systran/faster-whisper-base"):
        transcribe(request("faster-whisper", speech=[span(0, 1)]))
    with pytest.raises(ModelError, match="'huge' is neither a listed model"):
        transcribe(request("faster-whisper", speech=[span(0, 1)], whisper_model="huge"))


def test_without_speech_no_weights_are_read(empty_cache: Path) -> None:
    home = known_for("faster-whisper").home
    home.mkdir(parents=True)
    for file in known_for("faster-whisper").files:
        (home / file.path).write_bytes(b"would fail to load")
    result = transcribe(request("faster-whisper", speech=[]))
    assert (result.status, result.utterances) == (Status.NO_TRANSCRIPT, ())
    assert "No speech" in result.note


def test_a_folder_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"no weights")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "tokenizer.json").write_text("{}")
    asked = request("faster-whisper", speech=[span(0, 1)], whisper_model=str(tmp_path))
    with pytest.raises(ModelError, match="holds no Whisper model that can be loaded on cpu"):
        transcribe(asked)
    own = card(TranscriptSection(whisper_model=str(tmp_path)))
    assert (own.id, own.revision, len(own.sha256)) == (tmp_path.name, "local", 64)


def test_a_folder_without_a_tokenizer_asks_no_hub_for_one(
    real: KnownModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tokenizers

    for file in real.files:
        (tmp_path / file.path).symlink_to(real.home / file.path)
    (tmp_path / "tokenizer.json").unlink()

    class Asked:
        @staticmethod
        def from_pretrained(*_: object) -> None:
            raise AssertionError("the hub was asked")

    monkeypatch.setattr(tokenizers, "Tokenizer", Asked)
    asked = request("faster-whisper", speech=[span(0, 1)], whisper_model=str(tmp_path))
    with pytest.raises(ModelError, match=r"holds no tokenizer\.json"):
        transcribe(asked)


def test_a_damaged_tokenizer_is_one_sentence(real: KnownModel, tmp_path: Path) -> None:
    for file in real.files:
        (tmp_path / file.path).symlink_to(real.home / file.path)
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "tokenizer.json").write_text("x")
    asked = request("faster-whisper", speech=[span(0, 1)], whisper_model=str(tmp_path))
    with pytest.raises(ModelError, match="holds no Whisper model that can be loaded"):
        transcribe(asked)


def test_a_folder_in_the_current_one_is_not_taken_for_a_size(
    empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "notes.txt").write_text("no model")
    assert weights("base") == []
    assert transcribe(request(speech=[span(0, 1)])).status is Status.NO_TRANSCRIPT


def test_a_folder_that_is_called_like_a_listed_model_is_one_s_own(empty_cache: Path, tmp_path: Path) -> None:
    folder = tmp_path / "Systran" / "faster-whisper-base"
    folder.mkdir(parents=True)
    (folder / "model.bin").write_bytes(b"no weights")
    asked = TranscriptSection(whisper_model=str(folder))
    assert (card(asked).revision, len(card(asked).sha256)) == ("local", 64)
    with pytest.raises(ModelError, match="is not a CTranslate2 Whisper model"):
        transcribe(request("whisper", speech=[span(0, 1)], whisper_model=str(folder)))
    assert known_model(str(known_for("faster-whisper").home)) == known_for("faster-whisper")


def test_a_language_it_does_not_know_is_one_sentence(engine: Any) -> None:
    samples = silence(2)
    with pytest.raises(ConfigError, match="does not know the language 'eo'"):
        recognise(engine, sound_of(samples), [span(0, 1)], source="x", end_us=2_000_000, language="eo")


def test_sizes_go_by_name() -> None:
    base = known_model("base")
    assert base is not None and base == known_model(base.id) == known_model("faster-whisper-base")
    assert known_model("bas") is None
    named = [known_model(size) for size in ("small", "large-v3-turbo", "distil-large-v3")]
    assert all(model is not None and model.optional for model in named) and len({*named}) == 3


@pytest.mark.parametrize("samples", [0, 1, 319])
def test_next_to_no_sound_has_no_words(engine: Any, samples: int) -> None:
    sound = np.zeros(samples, np.float32)
    result = recognise(engine, sound_of(sound), [span(0, 0.02)], source="x", end_us=20_000, language="en")
    assert result.utterances == ()


def test_line_ends_are_where_time_stamps_follow_a_whole_word() -> None:
    stamp, end = 100, 50
    assert line_ends([stamp, 1, 2, 3, stamp, stamp, 4, stamp], end, [1, 2, 1]) == {1, 2}
    assert line_ends([stamp, 1, stamp, 2, stamp], end, [2]) == {0}
    assert line_ends([], end, []) == frozenset()


@pytest.mark.data
def test_a_clear_recording_is_read_without_a_mistake(engine: Any, data_root: Path, tmp_path: Path) -> None:
    from benchmarks.words.asr import Clip, error_rate, hear

    text = (data_root / "README.md").read_text(encoding="utf-8")
    reference = text.partition('`jfk.flac`: "')[2].partition('"')[0]
    result = hear(Clip(data_root / "asr" / "jfk.flac", "asr", "en", reference, True), engine)
    assert error_rate([(reference, result.text)])[0] == 0


@pytest.mark.data
def test_a_mandarin_interview_and_a_film_without_speech(engine: Any, data_root: Path) -> None:
    from benchmarks.words.asr import clips, error_rate, hear

    wanted = {clip.path.stem: clip for clip in clips(data_root)}
    interview = hear(wanted["zh_interview_38s"], engine)
    assert interview.result.language == "zh"
    assert error_rate([(interview.clip.reference, interview.text)])[0] <= 0.35
    assert hear(wanted["silent_track_20s"], engine).result.utterances == ()
    assert hear(replace(wanted["social_clips_smile"]), engine).result.utterances == ()
