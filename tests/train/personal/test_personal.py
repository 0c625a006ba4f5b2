import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pipeline.labels import EMOTIONS
from pipeline.models.cards import ModelError
from pipeline.records import CARD_FILE, write_record
from pipeline.train import voice_data
from pipeline.train.examples import DataError
from pipeline.train.metrics import softmax
from pipeline.train.personal import run as personal_run
from pipeline.train.personal.head import learn_head
from pipeline.train.personal.learn import (
    UNCHANGED,
    Clips,
    Linear,
    cross_validated,
    fit_linear,
    learn,
    log_softmax,
    unchanged,
)
from pipeline.train.personal.measured import by_sentence, gain_of, lines_of
from pipeline.train.personal.model import compact_clips, cut, standardised, write_compact
from pipeline.train.personal.run import personalise
from pipeline.train.score import load_named
from pipeline.train.tuning import Tuning
from pipeline.train.voice_fit import Table
from pipeline.voice.compact import hear, load
from pipeline.voice.features import FEATURE_NAMES, statistics
from tests.made.clips import voiced, write_wave
from tests.voice.checkpoints import write_classifier

K = len(EMOTIONS)
SPOKEN = ("angry", "sad", "neutral")


def made_clips(n, swap, heard=False, seed=0):
    """A model that hears one emotion for the next (``swap``) or says nothing, over three emotions."""
    random = np.random.default_rng(seed)
    truth = np.arange(n) % 3
    shown = (truth + 1) % 3 if swap else truth
    logits = random.normal(0, 0.7, (n, K)) + 2.0 * np.eye(K)[shown]
    measured = random.normal(0, 1, (n, 12)) + 1.5 * np.eye(12)[truth] if heard else None
    return Clips(log_softmax(logits), measured, truth, np.arange(n))


def right(logs, truth):
    return (logs.argmax(axis=1) == truth).mean()


def test_a_person_whose_moods_are_mixed_up_is_learned():
    personal = learn(made_clips(36, swap=True))
    new = made_clips(300, swap=True, seed=5)
    assert right(new.said, new.truth) < 0.2
    assert right(personal(new), new.truth) > 0.8
    assert personal.loss_after < personal.loss_before
    assert personal.strengths.said is not None


def test_what_was_measured_in_the_voice_helps_where_the_model_says_nothing():
    clips = made_clips(36, swap=False, heard=True)
    clips = replace(clips, said=np.full_like(clips.said, -np.log(K)))
    personal = learn(clips)
    new = made_clips(300, swap=False, heard=True, seed=5)
    assert right(personal(replace(new, said=np.full_like(new.said, -np.log(K)))), new.truth) > 0.6
    assert personal.strengths.heard is not None


def test_nothing_is_changed_without_a_reason():
    clips = made_clips(36, swap=False)
    sure = replace(clips, said=log_softmax(clips.said + 6 * np.eye(K)[clips.truth]))
    personal = learn(sure)
    assert personal.is_unchanged
    np.testing.assert_array_equal(personal(sure), log_softmax(sure.said))
    assert personal.loss_after == personal.loss_before


def test_moods_told_by_chance_teach_nothing():
    random = np.random.default_rng(3)
    clips = replace(
        made_clips(36, swap=False), truth=random.integers(0, 3, 36), heard=random.normal(0, 1, (36, 40))
    )
    personal = learn(clips)
    assert personal.is_unchanged


def test_an_emotion_the_person_was_not_heard_with_is_left_as_it_was():
    clips = made_clips(36, swap=True)
    fitted = fit_linear(clips.said, clips.truth, unchanged(K), 0.03)
    np.testing.assert_array_equal(fitted.weights[3:], np.eye(K)[3:])
    np.testing.assert_array_equal(fitted.bias[3:], 0)
    assert np.abs(fitted.weights[:3] - np.eye(K)[:3]).max() > 0.1


def test_the_fit_is_at_its_least():
    clips = made_clips(24, swap=True)
    start = unchanged(K)
    fitted = fit_linear(clips.said, clips.truth, start, 0.1)

    def loss(one):
        logits = np.where(np.arange(K) < 3, clips.said @ one.weights.T + one.bias, -1e4)
        fit = -np.log(softmax(logits)[np.arange(24), clips.truth]).mean()  # the classes are of one size
        return fit + 0.1 * (((one.weights - start.weights) ** 2).sum() + ((one.bias - start.bias) ** 2).sum())

    least = loss(fitted)
    assert least < loss(start)
    random = np.random.default_rng(0)
    for _ in range(20):
        nudge = Linear(fitted.weights + random.normal(0, 0.02, (K, K)), fitted.bias)
        assert loss(nudge) > least


def test_cross_validation_asks_about_clips_that_were_not_learned_from():
    random = np.random.default_rng(1)
    clips = replace(made_clips(40, swap=False), truth=random.integers(0, 3, 40))
    clips = replace(clips, heard=random.normal(0, 1, (40, 80)))  # enough to learn every clip by heart
    assert right(cross_validated(clips), clips.truth) < 0.6


def test_too_little_to_learn_from_is_one_sentence():
    with pytest.raises(DataError, match="6 clips of 3 emotions are too few"):
        learn(made_clips(6, swap=False))
    same = made_clips(30, swap=False)
    with pytest.raises(DataError, match="30 clips of 1 emotions are too few"):
        learn(replace(same, truth=np.zeros(30, np.int64)))
    with pytest.raises(DataError, match="come from one recording"):
        learn(replace(same, source=np.zeros(30, np.int64)))


def test_long_recordings_are_cut_and_pieces_know_where_they_are_from():
    pieces = cut([np.zeros(16_000, np.float32), np.zeros(16_000 * 13, np.float32)])
    assert pieces.source.tolist() == [0, 1, 1, 1]
    assert [piece.size for piece in pieces.samples[1:]] == [69_334, 69_333, 69_333]


@pytest.fixture(scope="module")
def person():
    recordings = [voiced(emotion, 2, take).astype(np.float32) for take in range(4) for emotion in SPOKEN]
    truth = np.array([EMOTIONS.index(emotion) for _ in range(4) for emotion in SPOKEN])
    clips, own = compact_clips(load("compact", "cpu"), cut(recordings), truth)
    return recordings, truth, clips, own


def test_the_written_model_answers_as_what_was_learned(person, tmp_path):
    recordings, truth, clips, own = person
    personal = learn(clips)
    assert personal.heard is not None  # a buzz is told by its pitch, not by what the model thinks of it
    card = write_compact("compact", personal, own, tmp_path / "model", "ann")
    backend = load(str(tmp_path / "model"), "cpu")
    assert backend.card == card
    for speech in (None, np.concatenate(recordings[:3]), np.concatenate(recordings)):
        voice = hear(speech)
        base = load("compact", "cpu")(recordings, speech)
        rows = np.stack([statistics(one) for one in recordings])
        said = np.log(np.maximum([one.probabilities for one in base], np.exp(-9.0)))
        expected = np.exp(personal(Clips(said, standardised(rows, voice, own), truth, clips.source)))
        answers = np.array([one.probabilities for one in backend(recordings, speech)])
        np.testing.assert_allclose(answers, expected, atol=2e-4)
    assert (answers.argmax(axis=1) == truth).all()


def test_an_emotion_that_was_learned_is_answered_even_if_the_base_never_did(person, tmp_path):
    recordings, truth, clips, own = person
    base = tmp_path / "base"
    untouched = replace(learn(clips), said=unchanged(K), heard=None, temperature=1.0, strengths=UNCHANGED)
    card = write_compact("compact", untouched, own, base, "base")
    write_record(base / CARD_FILE, replace(card, canonical={**card.canonical, "sad": None, "fear": None}))
    card = write_compact(str(base), learn(clips), own, tmp_path / "model", "ann", shown=np.unique(truth))
    assert card.canonical["sad"] == "sad" and card.canonical["fear"] is None
    (answer,) = load(str(tmp_path / "model"), "cpu")(recordings[1:2], np.concatenate(recordings))
    assert SPOKEN[1] == "sad" and answer.probabilities[EMOTIONS.index("sad")] > 0.5


def test_a_model_that_was_best_left_alone_is_copied(person, tmp_path):
    recordings, _, clips, own = person
    untouched = replace(learn(clips), said=unchanged(K), heard=None, temperature=1.0, strengths=UNCHANGED)
    write_compact("compact", untouched, own, tmp_path / "model", "ann")
    copy, base = load(str(tmp_path / "model"), "cpu"), load("compact", "cpu")
    assert copy(recordings, None) == base(recordings, None)
    assert copy.card.id == "ann"


def test_a_reading_of_what_was_said_alone(person, tmp_path):
    recordings, _, clips, own = person
    personal = learn(replace(clips, heard=None))
    write_compact("compact", personal, own, tmp_path / "model", "ann")
    answers = load(str(tmp_path / "model"), "cpu").of_speaker(recordings, recordings)
    expected = np.exp(personal(replace(clips, heard=None)))
    np.testing.assert_allclose([one.probabilities for one in answers], expected, atol=2e-4)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A few minutes of Ann, in small."""
    folder = tmp_path_factory.mktemp("ann")
    with (folder / "ann.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "emotion", "speaker"])
        for emotion in SPOKEN:
            for take in range(4):
                write_wave(folder / f"{emotion}{take}.wav", voiced(emotion, 2, take))
                rows.writerow([f"{emotion}{take}.wav", emotion, "ann"])
    return folder / "ann.csv"


def run(asked):
    return personalise(asked, "the command", False, say=lambda _: None, step=lambda *_: None)


def test_the_command_fits_our_model_and_reports(recorded, tmp_path):
    answers, told = run(Tuning("voice", recorded, tmp_path / "ann"))
    assert (answers.predicted == answers.truth).mean() > 0.6
    assert re.search(r"UAR on this person's clips [01]\.\d+ before, [01]\.\d+ after", told)
    metrics = json.loads((tmp_path / "ann" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["baselines"]["the model as it was"]["uar"] < metrics["uar"]
    assert told in metrics["about"]["notes"]
    assert (tmp_path / "ann" / "summary.html").is_file()
    backend = load_named("voice", str(tmp_path / "ann" / "model"), "cpu")
    assert backend.card.id == "ann"
    with pytest.raises(DataError, match="is finished"):
        run(Tuning("voice", recorded, tmp_path / "ann"))


@pytest.mark.parametrize("labels", [["neu", "calm", "sad", "other"], None])
def test_the_command_fits_the_last_layer_of_a_checkpoint(recorded, tmp_path, labels, monkeypatch):
    monkeypatch.setattr(personal_run, "write_report", lambda *_: None)
    body = write_classifier(tmp_path / "w2v", labels, with_extractor=False)
    answers, _ = run(Tuning("voice", recorded, tmp_path / "ann", backbone=str(body)))
    backend = load_named("voice", str(tmp_path / "ann" / "model"), "cpu")
    assert backend.card.labels == ("angry", "sad", "neutral") == answers.labels
    before, after = (load_file(folder / "model.safetensors") for folder in (body, tmp_path / "ann" / "model"))
    changed = {name for name in before if not torch.equal(before[name], after[name])} if labels else set()
    assert changed <= {"classifier.weight", "classifier.bias"}
    clip = voiced("sad", 2, 9).astype(np.float32)
    assert sum(backend([clip], None)[0].probabilities) == pytest.approx(1)


def test_several_speakers_are_refused(recorded, tmp_path):
    both = tmp_path / "both.csv"
    both.write_text(recorded.read_text(encoding="utf-8").replace("sad,ann", "sad,bob"), encoding="utf-8")
    with pytest.raises(DataError, match="holds 2 speakers; give the clips of one person"):
        run(Tuning("voice", both, tmp_path / "ann", root=recorded.parent))


def test_a_head_that_starts_right_is_left_alone():
    clips = made_clips(36, swap=False)
    inputs = np.eye(K)[clips.truth] + np.random.default_rng(0).normal(0, 0.01, (36, K))
    start = Linear(20 * np.eye(K), np.zeros(K))
    head = learn_head(inputs, replace(clips, said=start(inputs)), start)
    assert head.is_unchanged
    wrong = Linear(3 * np.eye(K)[[1, 2, 0, 3, 4, 5, 6]], np.zeros(K))
    head = learn_head(inputs, replace(clips, said=wrong(inputs)), wrong)
    assert right(head.layer(inputs), clips.truth) == 1


def test_the_measurement_asks_about_clips_that_were_not_learned():
    """A network that says nothing, and features that tell the mood in one sentence but not in the other."""
    random = np.random.default_rng(0)
    names = [f"03-01-0{mood + 1}-01-0{sentence}-0{take}-07" for sentence in (1, 2) for take in range(6)
             for mood in range(3)]  # fmt: skip
    truth = np.array([int(name.split("-")[2]) - 1 for name in names])
    rows = random.normal(0, 1, (1, len(names), len(FEATURE_NAMES))).astype(np.float32)
    told = np.array([name.split("-")[4] == "01" for name in names])
    rows[0, told, :60] += 2 * np.repeat(np.eye(3, dtype=np.float32), 20, axis=1)[truth[told]]
    clips = voice_data.Clips(
        tuple(Path(f"{name}.opus") for name in names),
        np.full(36, "r"),
        np.full(36, "r/7"),
        truth,
        np.full(36, ""),
    )
    table = Table(rows, clips)
    own = np.arange(36)
    first, second = by_sentence(table, own)
    assert (first.tolist(), second.tolist()) == (list(range(18)), list(range(18, 36)))

    def silent(features, *_):
        return torch.zeros(len(features), K)

    inside = gain_of(silent, table, "r/7", (first[:12], first[12:]), 0)
    across = gain_of(silent, table, "r/7", (first, second), 0)
    assert inside.before_uar == inside.unknown_uar == pytest.approx(1 / 3)
    assert inside.after_uar > 0.6 > across.after_uar
    assert lines_of({"r": [inside, across]})[2].startswith("| r | 2 | 0.333 | 0.333 |")


def test_a_mistyped_backbone_leaves_nothing(recorded, tmp_path):
    with pytest.raises(ModelError, match="models pull owner/none"):
        run(Tuning("voice", recorded, tmp_path / "new", backbone="owner/none"))
    assert not (tmp_path / "new").exists()
