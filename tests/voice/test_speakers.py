import pickle
import zipfile

import numpy as np
import pytest

from pipeline.config import Config, VoiceSection
from pipeline.models.cards import CACHE_VARIABLE, WEIGHTS, ModelError
from pipeline.models.torch_file import read_arrays
from pipeline.overlap import speakers_during
from pipeline.profile import resolve
from pipeline.records import read_records
from pipeline.types import Span, Turn
from pipeline.voice import speaker_encoder
from pipeline.voice.speaker_encoder import MODEL_ID, encode, is_here, load_encoder, log_mels
from pipeline.voice.speakers import HOP_US, MAX_CLUSTERED, WINDOW_US, likeness, smoothed, turns, voices
from pipeline.voice.stage import run_speakers
from pipeline.voice.windows import windows
from tests.voice.spoken import RATE_HZ, film, silence, spoken

S = 1_000_000
fetched = pytest.mark.skipif(not is_here(), reason="the speaker encoder was not fetched")


def heard(order, mood=0.08, size=192, seed=0):
    """Vectors of windows of the voices in ``order``: a direction per voice, and what changes around it."""
    random = np.random.default_rng(seed)
    directions = random.standard_normal((max(order) + 1, size)) / np.sqrt(size)
    return directions[list(order)] + mood * random.standard_normal((len(order), size)) / np.sqrt(size) * 10


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_as_many_voices_as_there_are(count):
    order = [i // 5 % count for i in range(80)]
    labels, probabilities = voices(heard(order), None, 8)
    assert labels.tolist() == order
    assert probabilities.min() > 0.5 and probabilities.max() <= 1


def test_voices_are_numbered_by_first_appearance_and_no_more_than_allowed():
    order = [2] * 10 + [0] * 10 + [1] * 10
    assert voices(heard(order), None, 8)[0].tolist() == [0] * 10 + [1] * 10 + [2] * 10
    assert len(set(voices(heard(order), None, 2)[0])) <= 2
    assert len(set(voices(heard([0] * 20), 2, 8)[0])) <= 2
    assert len(set(voices(heard(order), 2, 8)[0])) == 2


def test_a_recording_of_a_few_windows_has_one_voice():
    assert voices(heard([0, 0, 1, 1]), None, 8)[0].tolist() == [0] * 4
    assert voices(heard([0]), 3, 8)[0].tolist() == [0]
    assert voices(np.zeros((0, 192)), None, 8)[0].size == 0
    assert voices(np.zeros((9, 192)), None, 8)[0].tolist() == [0] * 9


def test_a_long_recording_is_clustered_in_part_and_assigned_whole():
    order = [i // 40 % 2 for i in range(2 * MAX_CLUSTERED)]
    assert voices(heard(order), None, 4)[0].tolist() == order


def test_the_same_windows_give_the_same_voices():
    vectors = heard([i // 4 % 3 for i in range(60)], mood=0.1)
    first, second = voices(vectors, None, 8), voices(vectors.copy(), None, 8)
    assert all((a == b).all() for a, b in zip(first, second, strict=True))


def test_two_halves_of_one_voice_are_alike_however_short():
    vectors = heard([0] * 100, mood=0.1)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    long = likeness(unit, np.arange(100) % 2)[0, 1]
    short = likeness(unit[:16], np.arange(16) % 2)[0, 1]
    assert long > 0.9 and short > 0.8
    other = heard([0, 1] * 50, mood=0.1)
    unit = other / np.linalg.norm(other, axis=1, keepdims=True)
    assert likeness(unit, np.arange(100) % 2)[0, 1] < 0.3


def test_one_odd_window_is_no_turn():
    scores = np.zeros((9, 2))
    scores[:, 0] = 2.0
    scores[4] = [2.0, 6.0]
    assert smoothed(scores).tolist() == [0] * 9
    scores[4:, 1] = 6.0
    assert smoothed(scores).tolist() == [0] * 4 + [1] * 5


def test_turns_tile_speech_and_change_between_windows():
    speech = [Span(0, 4 * S), Span(5 * S, 5 * S + 300_000)]
    cut = [window.span for window in windows(speech, WINDOW_US, HOP_US, 0)]
    labels = np.array([0, 0, 1, 1, 1, 0])
    assert len(cut) == len(labels)
    spoken_turns = turns(speech, cut, labels, np.array([0.9, 0.7, 1, 1, 1, 0.6]))
    assert [turn.speaker for turn in spoken_turns] == ["S1", "S2", "S1"]
    assert spoken_turns[0].span == Span(0, (HOP_US + 2 * HOP_US + WINDOW_US) // 2)
    assert spoken_turns[1].span == Span(spoken_turns[0].span.end_us, 4 * S)
    assert spoken_turns[2].span == speech[1]
    assert [turn.confidence for turn in spoken_turns] == [0.8, 1.0, 0.6]


def test_who_speaks_most_comes_first():
    spoken_turns = [Turn(Span(0, 4), "S1"), Turn(Span(4, 10), "S2"), Turn(Span(20, 30), "S3")]
    assert speakers_during(Span(0, 12), spoken_turns) == ("S2", "S1")
    assert speakers_during(Span(2, 6), spoken_turns) == ("S1", "S2")
    assert speakers_during(Span(10, 20), spoken_turns) == ()
    assert speakers_during(Span(0, 12), spoken_turns, 5) == ("S2",)


def test_without_the_encoder_nobody_is_told_apart_and_a_note_says_why(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "no-models"))
    inputs = film(tmp_path, silence(3), (Span(0, 2 * S),))
    run_speakers(inputs, VoiceSection(), tmp_path / "out", lambda fraction: None)
    assert read_records(tmp_path / "out" / "turns.jsonl", Turn) == ()
    assert "models pull campplus" in (tmp_path / "out" / "warnings.txt").read_text()


def test_an_encoder_that_comes_in_is_used_by_the_next_run(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    before = resolve(Config(), ("voice",), has_subtitles=False).models["speakers"]
    (tmp_path / "campplus").mkdir()
    (tmp_path / "campplus" / speaker_encoder.WEIGHTS_FILE).write_bytes(b"weights")
    after = resolve(Config(), ("voice",), has_subtitles=False)
    assert before == "" and after.models["speakers"] not in ("", before)
    assert [file.path.name for file in after.files] == [speaker_encoder.WEIGHTS_FILE]
    assert "speakers" not in resolve(Config(), ("face",), has_subtitles=False).models


def test_one_known_speaker_needs_no_encoder(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "no-models"))
    inputs = film(tmp_path, silence(3), (Span(0, S), Span(2 * S, 3 * S)))
    run_speakers(inputs, VoiceSection(speakers=1), tmp_path / "out", lambda fraction: None)
    assert read_records(tmp_path / "out" / "turns.jsonl", Turn) == (
        Turn(Span(0, S), "S1"),
        Turn(Span(2 * S, 3 * S), "S1"),
    )
    assert not (tmp_path / "out" / "warnings.txt").exists()


def test_a_recording_without_speech_has_no_turns(tmp_path):
    run_speakers(film(tmp_path, silence(3)), VoiceSection(), tmp_path / "out", lambda fraction: None)
    assert (tmp_path / "out" / "turns.jsonl").read_bytes() == b""
    assert not (tmp_path / "out" / "warnings.txt").exists()


def test_mels_are_the_power_in_triangles_and_do_not_change_with_level():
    at_s = np.arange(RATE_HZ) / RATE_HZ
    tone = np.sin(2 * np.pi * 1000 * at_s).astype(np.float32)
    noise = 0.01 * np.random.default_rng(0).standard_normal(RATE_HZ).astype(np.float32)
    mixed = noise + np.concatenate([tone[: RATE_HZ // 2], 0 * tone[RATE_HZ // 2 :]])
    mels = log_mels(mixed)
    assert mels.shape == (98, 80) and mels.dtype == np.float32
    assert np.abs(mels.mean(axis=0)).max() < 1e-4
    assert np.abs(log_mels(mixed / 10) - mels).max() < 1e-4
    # 1127 ln(1 + 1000 / 700) lies at the 28th of 81 steps between the mels of 20 Hz and 8 kHz.
    assert (mels[:40] - mels[60:].mean(axis=0)).mean(axis=0).argmax() in (27, 28)


def archive(path, pickled, **storages):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("made/data.pkl", pickled)
        for name, content in storages.items():
            file.writestr(f"made/data/{name}", content)
    return path


def test_arrays_are_read_as_torch_wrote_them(tmp_path):
    torch = pytest.importorskip("torch")
    grid = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    torch.save({"turned": grid.T, "part": grid[1:], "count": torch.tensor(7)}, tmp_path / "made.pt")
    arrays = read_arrays(tmp_path / "made.pt")
    assert arrays["turned"].tolist() == grid.T.tolist() and arrays["part"].tolist() == grid[1:].tolist()
    assert arrays["count"] == 7 and arrays["turned"].dtype == np.float32


class Harmful:
    def __reduce__(self):
        return (print, ("run",))


@pytest.mark.parametrize("content", [pickle.dumps({"a": Harmful()}), pickle.dumps([1]), b"", b"\x80\x04"])
def test_a_file_that_is_no_file_of_arrays_is_refused(tmp_path, content, capsys):
    with pytest.raises(ModelError, match="cannot be read"):
        read_arrays(archive(tmp_path / "made.pt", content))
    assert capsys.readouterr().out == ""


def test_an_array_longer_than_its_storage_is_refused(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"a": torch.zeros(4)}, tmp_path / "good.pt")
    with zipfile.ZipFile(tmp_path / "good.pt") as good:
        pickled = next(good.read(name) for name in good.namelist() if name.endswith("data.pkl"))
    key = "0"
    assert read_arrays(archive(tmp_path / "same.pt", pickled, **{key: bytes(16)}))["a"].shape == (4,)
    with pytest.raises(ModelError, match="cannot be read"):
        read_arrays(archive(tmp_path / "short.pt", pickled, **{key: bytes(8)}))


def test_the_shipped_graph_is_what_the_code_makes():
    onnx = pytest.importorskip("onnx")
    from pipeline.train.speaker_graph import encoder_graph

    shipped = (WEIGHTS / f"{MODEL_ID}.onnx").read_bytes()
    constants = onnx.load_from_string(shipped).graph.initializer
    projection = next(onnx.numpy_helper.to_array(c) for c in constants if c.name == "projection")
    assert encoder_graph(projection) == shipped
    assert np.abs(projection @ projection - projection).max() < 1e-5  # a projection
    assert round(float(np.trace(projection))) == 192 - 8


@fetched
def test_a_changed_encoder_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    (tmp_path / "campplus").mkdir()
    (tmp_path / "campplus" / speaker_encoder.WEIGHTS_FILE).write_bytes(b"other")
    with pytest.raises(ModelError, match="not the file campplus was published with"):
        load_encoder()


@fetched
def test_a_vector_depends_on_its_window_alone_and_the_card_names_both_parts():
    encoder = load_encoder()
    audio = np.random.default_rng(0).standard_normal(4 * RATE_HZ).astype(np.float32) * 0.1
    spans = [Span(0, WINDOW_US), Span(S, S + WINDOW_US), Span(3 * S, 3 * S + 200_000), Span(0, 10_000)]
    together = list(encode(encoder, audio, spans))
    assert all((a == next(encode(encoder, audio, [s]))).all() for a, s in zip(together, spans, strict=True))
    assert {v.shape for v in together} == {(192,)}
    assert "Apache-2.0" in encoder.card.licence and "RAVDESS" in encoder.card.licence


@fetched
def test_two_voices_are_told_apart_and_one_is_not_split(tmp_path):
    text = (
        "We set out early in the morning, and nobody knew how far it would be to the old house on the hill."
    )
    woman = spoken(text)
    at = np.arange(0, woman.size - 1, 1 / 1.45)  # the same words lower and slower: another throat
    man = np.interp(at, np.arange(woman.size), woman).astype(np.float32)
    pieces = [woman, silence(0.5), man, silence(0.5), woman, silence(0.5), man]
    borders = np.cumsum([0, *(piece.size for piece in pieces)]) * S // RATE_HZ
    speech = tuple(Span(int(borders[i]), int(borders[i + 1])) for i in range(0, len(pieces), 2))
    inputs = film(tmp_path / "two", np.concatenate(pieces), speech)
    run_speakers(inputs, VoiceSection(), tmp_path / "two" / "out", lambda fraction: None)
    spoken_turns = read_records(tmp_path / "two" / "out" / "turns.jsonl", Turn)
    assert [turn.speaker for turn in spoken_turns] == ["S1", "S2", "S1", "S2"]
    assert [turn.span for turn in spoken_turns] == list(speech)
    one = film(tmp_path / "one", np.concatenate([woman, silence(0.5), woman]), (speech[0],))
    run_speakers(one, VoiceSection(), tmp_path / "one" / "out", lambda fraction: None)
    assert {t.speaker for t in read_records(tmp_path / "one" / "out" / "turns.jsonl", Turn)} == {"S1"}
