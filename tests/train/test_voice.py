import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from pipeline.labels import EMOTIONS
from pipeline.models.cards import WEIGHTS, TrainingReport, file_sha256, shipped_report
from pipeline.models.session import session
from pipeline.records import read_record
from pipeline.train.examples import DataError
from pipeline.train.voice import (
    CONFIG,
    DEV_ANSWERS,
    ask,
    left_out_of,
    read_recipe,
    revision_of,
    table_of,
    train,
)
from pipeline.train.voice_data import decode, random_channel, read_manifest, through
from pipeline.train.voice_export import export
from pipeline.train.voice_fit import (
    HALVED_FROM,
    balance,
    episode,
    fit,
    fit_expert,
    fit_gate,
    loss_of,
    normaliser_of,
)
from pipeline.train.voice_net import expert_inputs, pooled
from pipeline.train.voice_report import DEV, IN_FILMS, REFERENCE, kept_answers, reliability_in_films
from pipeline.types import ModelCard
from pipeline.voice.compact import MODEL_ID, load, load_weights, voice_of
from pipeline.voice.details import CHANNELS, STEPS
from pipeline.voice.features import FEATURE_NAMES, FIGURES

RATE_HZ = 16_000
PITCH_HZ = {"angry": 260, "sad": 110, "disgust": 160, "calm": 190, "neutral": 190}
SMALL = {"members": 2, "hidden": 16, "picture_members": 2, "picture_hidden": 8, "batch_size": 8}
OWN = {"ravdess": {"copies": 2, "hidden": 20, "picture_share": 0.3}}
RECIPE = replace(read_recipe(CONFIG), copies=1, epochs=12, corpus=OWN, **SMALL)


def write_voice(path: Path, emotion: str, speaker: int, take: int) -> None:
    random = np.random.default_rng([speaker, take, PITCH_HZ[emotion]])
    time = np.arange(int(0.5 * RATE_HZ)) / RATE_HZ
    hz = PITCH_HZ[emotion] * (1 + 0.1 * speaker) * (1 + 0.05 * np.sin(2 * np.pi * 4 * time + take))
    phase = 2 * np.pi * np.cumsum(hz) / RATE_HZ
    sound = sum(np.sin(k * phase) / k for k in range(1, 6)) * 0.1 + random.normal(0, 0.003, time.size)
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((sound * 32767).astype("<i2").tobytes())


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpora") / "voice"
    rows = ["file,set,lang,speaker,emotion,split,text,sec"]
    speakers = [("casia", s, "loso", ("angry", "sad", "neutral")) for s in (0, 1)] + [
        ("ravdess", s, split, ("angry", "sad", "disgust", "calm"))
        for s, split in enumerate(("train", "train", "dev", "test"))
    ]
    for corpus, speaker, split, emotions in speakers:
        for emotion in emotions:
            for take in range(4):
                name = f"{corpus}/{speaker}/{emotion}{take}.wav"
                write_voice(folder / name, emotion, speaker, take)
                rows.append(f"{name},{corpus},zh,{speaker},{emotion},{split},x,0.5")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def table(corpora, tmp_path_factory):
    return table_of(read_manifest(corpora), RECIPE, tmp_path_factory.mktemp("features"))


def training_rows(table):
    return np.flatnonzero(np.isin(table.clips.split, ["loso", "train"]))


def test_the_command_leaves_weights_card_and_report(corpora, tmp_path):
    report = train(corpora.parent, tmp_path, RECIPE)
    assert read_record(tmp_path / f"{MODEL_ID}.report.json", TrainingReport) == report
    card = read_record(tmp_path / f"{MODEL_ID}.card.json", ModelCard)
    assert card.sha256 == file_sha256(tmp_path / f"{MODEL_ID}.onnx")
    assert card.labels == EMOTIONS
    assert card.temperature > 0
    assert {"loso.plain", "loso.speaker_normalised", "ravdess.plain"} <= report.metrics.keys()
    assert report.metrics.keys() == report.calibration.keys() == report.confusion.keys()
    assert report.reference.keys() == REFERENCE.keys()
    name = "ravdess.speaker_normalised"
    assert np.sum(report.confusion[name].matrix) == report.metrics[name]["n"] == 16
    assert report.calibration[name].ece_after == report.metrics[name]["ece"]
    # The answers it leaves are those that its report and card were made from.
    kept = kept_answers(tmp_path / DEV_ANSWERS)
    assert kept.keys() == {key for key in report.metrics if key.endswith(DEV)}
    one = kept[f"ravdess{IN_FILMS}{DEV}"]
    matrix = report.confusion[f"ravdess{IN_FILMS}{DEV}"].matrix
    assert np.bincount(one.truth, minlength=7).tolist() == np.sum(matrix, axis=1).tolist()
    assert np.bincount(one.logits.argmax(axis=1), minlength=7).tolist() == np.sum(matrix, axis=0).tolist()
    assert reliability_in_films(kept) == card.reliability
    # The exported network in its back-end says what the report says.
    clips = read_manifest(corpora)
    chosen = np.flatnonzero((clips.corpus == "ravdess") & (clips.split == "test"))
    backend = load_weights(tmp_path)
    answers = np.array([backend([decode(clips.paths[i])], None)[0].probabilities for i in chosen])
    right = answers.argmax(axis=1) == clips.emotion[chosen]
    kinds = np.unique(clips.emotion[chosen])
    recall = np.mean([right[clips.emotion[chosen] == kind].mean() for kind in kinds])
    assert recall == pytest.approx(report.metrics["ravdess.plain"]["uar"], abs=1e-4)


def test_no_answers_one_sentence(tmp_path):
    for path, there in ((tmp_path / "text", b"no archive"), (tmp_path / "cut", b"PK\x03\x04cut")):
        path.write_bytes(there)
    for path in (tmp_path / "text", tmp_path / "cut", tmp_path / "none"):
        with pytest.raises(DataError, match="holds no answers of the voice model; make it"):
            kept_answers(path)


def test_training_twice_gives_the_same_weights(table):
    quick = replace(RECIPE, epochs=2)
    torch.set_num_threads(1)
    first, second = (fit(table, training_rows(table), quick).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_corpus_may_have_a_recipe_of_its_own(table):
    assert len(table.rows) == 1 + RECIPE.most_copies == 3
    assert RECIPE.of("casia") == RECIPE
    net = fit(table, training_rows(table), replace(RECIPE, epochs=1))
    assert [(one.first.shape[2], one.picture_share) for one in net.experts] == [(16, 0.4), (20, 0.3)]
    fewer = fit(table.with_copies(1), training_rows(table), replace(RECIPE, epochs=1, corpus={}))
    assert torch.equal(net.experts[0].first, fewer.experts[0].first)
    assert torch.equal(net.gate.weight, fewer.gate.weight)


def test_the_gate_is_as_sharp_as_the_recipe_says(table):
    used = training_rows(table)
    corpora = sorted(set(table.clips.corpus[used]))
    plain, sharp = (
        fit_gate(
            table, used, corpora, normaliser_of(table, used), replace(RECIPE, gate_steps=5, gate_sharpness=by)
        )
        for by in (1.0, 3.0)
    )
    assert plain.weight.abs().max() > 0
    torch.testing.assert_close(sharp.weight, 3 * plain.weight)
    torch.testing.assert_close(sharp.bias, 3 * plain.bias)


def test_large_tables_are_halved_and_the_answers_stay(table, tmp_path):
    net = fit(table, training_rows(table), replace(RECIPE, epochs=1))
    export(net, tmp_path / "net.onnx")
    tables = onnx.load(str(tmp_path / "net.onnx")).graph.initializer
    large = {one.data_type for one in tables if np.prod(one.dims) >= HALVED_FROM}
    assert large == {onnx.TensorProto.FLOAT16}
    rows = table.rows[0, :3]
    told = {"features": rows, "mean": rows[0], "spread": rows[1] ** 2 + 1, "trust": np.ones(2, np.float32)}
    expected = net(*map(torch.from_numpy, told.values())).detach().numpy()
    np.testing.assert_allclose(session(tmp_path / "net.onnx").run(["logits"], told)[0], expected, atol=1e-4)


def test_it_learns_what_is_there(table):
    net = fit(table, training_rows(table), replace(RECIPE, epochs=60, members=3))
    answers = ask(net, table, table.clips.split == "test", by_speaker=True)
    assert (answers.logits.argmax(axis=1) == answers.truth).mean() > 0.5, "four emotions: chance is a quarter"


def test_an_emotion_a_corpus_lacks_is_never_said_by_its_expert(table):
    clips = table.clips
    used = np.flatnonzero(clips.corpus == "casia")
    normaliser = normaliser_of(table, used)
    expert = fit_expert(table, used, normaliser, replace(RECIPE, epochs=1), joint=False)
    rows = torch.from_numpy(table.rows[0, used])
    _, spoken = normaliser(rows, rows[0], rows[0], torch.zeros(2))
    said = expert.average(*expert_inputs(spoken, torch.zeros(2))).exp()
    assert said[:, EMOTIONS.index("disgust")].max() < 1e-6
    assert said[:, EMOTIONS.index("sad")].min() > 1e-3


def test_a_corpus_without_an_emotion_does_not_unteach_it():
    answers = torch.zeros(2, len(EMOTIONS), requires_grad=True)
    possible = torch.ones(2, len(EMOTIONS), dtype=torch.bool)
    possible[0, EMOTIONS.index("disgust")] = False
    target = torch.eye(len(EMOTIONS))[[EMOTIONS.index("sad")] * 2]
    loss_of(answers, target, possible, torch.ones(2)).backward()
    pushed = answers.grad[:, EMOTIONS.index("disgust")]
    assert pushed[0] == 0
    assert pushed[1] > 0


def test_the_joint_expert_keeps_what_any_corpus_has(table):
    used = training_rows(table)
    expert = fit_expert(table, used, normaliser_of(table, used), replace(RECIPE, epochs=1), joint=True)
    assert expert.mask[EMOTIONS.index("disgust")] == 0
    assert expert.mask[EMOTIONS.index("fear")] < -100


def test_calm_counts_as_neutral(corpora):
    clips = read_manifest(corpora)
    calm = np.array(["calm" in path.name for path in clips.paths])
    assert set(clips.emotion[calm]) == {EMOTIONS.index("neutral")}


def test_emotions_weigh_alike_within_a_corpus(table):
    used = training_rows(table)[2:]
    weights, clips = balance(table.clips, used).numpy(), table.clips
    here = clips.corpus[used] == "casia"
    sums = [
        weights[here & (clips.emotion[used] == kind)].sum() for kind in np.unique(clips.emotion[used][here])
    ]
    np.testing.assert_allclose(sums, sums[0], rtol=1e-5)
    assert weights.mean() == pytest.approx(1)


def test_an_episode_holds_known_and_unknown_speakers(table):
    used = training_rows(table)
    random = np.random.default_rng(0)
    trusts = np.concatenate([episode(table, used, RECIPE, random)[3][:, 0].numpy() for _ in range(20)])
    assert 0.1 < (trusts == 0).mean() < 0.7
    assert trusts.max() == 1


def test_a_speaker_with_one_clip_can_be_trained_on(table):
    rows = training_rows(table)
    first = table.clips.speaker[rows[0]]
    used = np.concatenate([rows[:1], rows[table.clips.speaker[rows] != first]])
    random = np.random.default_rng(0)
    for _ in range(12):  # by chance the speaker is known or not
        parts = episode(table, used, RECIPE, random)
        assert all(bool(torch.isfinite(part).all()) for part in parts)


def test_speaker_normalisation_takes_the_speaker_out(table):
    normaliser = normaliser_of(table, np.arange(len(table.clips.paths)))
    rows = table.rows[0][:12]
    voice = voice_of(rows, np.inf)
    told = [torch.from_numpy(part) for part in (rows, voice.mean, voice.spread, voice.trust)]
    _, spoken = normaliser(*told)
    assert spoken[:, :FIGURES].mean(dim=0).abs().max() < 0.2
    moved, told[0], told[1] = rows + 3, told[0] + 3, told[1] + 3
    torch.testing.assert_close(normaliser(*told)[1], spoken, atol=2e-2, rtol=0)
    assert moved.shape == rows.shape


def test_every_fold_leaves_out_speakers_whole_and_no_test_speaker(table):
    clips = table.clips
    left_out = np.array(left_out_of(clips))
    assert len(left_out) == 2, "as many as speakers to be left out one by one"
    assert (left_out.sum(axis=0) == (clips.split != "test")).all()
    for speaker in np.unique(clips.speaker):
        assert len({tuple(row) for row in left_out[:, clips.speaker == speaker].T}) == 1


def test_a_speaker_has_one_mean_for_all_steps_of_the_picture():
    random = np.random.default_rng(0)
    rows = torch.from_numpy(random.normal(3, 2, (9, len(FEATURE_NAMES))))
    mean, spread = pooled(rows.mean(dim=0), rows.std(dim=0, correction=0))
    cells = rows[:, FIGURES:].reshape(-1, CHANNELS)
    torch.testing.assert_close(mean[FIGURES:].reshape(STEPS, -1)[5], cells.mean(dim=0))
    torch.testing.assert_close(spread[FIGURES:].reshape(STEPS, -1)[7], cells.std(dim=0, correction=0))
    torch.testing.assert_close(mean[:FIGURES], rows[:, :FIGURES].mean(dim=0))


def test_a_virtual_recording_is_another_of_the_same(corpora):
    clips = read_manifest(corpora)
    sound = decode(clips.paths[0])
    random = np.random.default_rng(3)
    channel = random_channel(random)
    heard = through(channel, sound, random)
    assert heard.dtype == np.float32
    assert heard.size == pytest.approx(sound.size / channel.speed, rel=0.03)
    assert np.abs(heard).max() <= 1
    assert not np.array_equal(heard[:1000], sound[:1000])


def test_shipped_weights_card_and_report_belong_together():
    card = read_record(WEIGHTS / f"{MODEL_ID}.card.json", ModelCard)
    report = shipped_report(MODEL_ID)
    weights = WEIGHTS / f"{MODEL_ID}.onnx"
    assert card.sha256 == file_sha256(weights)
    assert weights.stat().st_size == report.size_bytes <= 4_000_000
    assert card.revision == revision_of(read_recipe(CONFIG))
    assert load("compact", "cpu").card == card


@pytest.mark.parametrize("test", REFERENCE)
def test_the_report_beats_an_svm_on_mfcc_and_prosody(test):
    assert shipped_report(MODEL_ID).metrics[test]["uar"] > REFERENCE[test]["uar"]


@pytest.mark.data
def test_the_shipped_model_does_what_its_report_says(data_root):
    clips = read_manifest(data_root / "voice")
    chosen = np.flatnonzero((clips.corpus == "ravdess") & (clips.split == "test"))
    backend, report = load("compact", "cpu"), shipped_report(MODEL_ID)
    said = {"plain": np.zeros(len(clips.paths), int), "heard": np.zeros(len(clips.paths), int)}
    for speaker in np.unique(clips.speaker[chosen]):
        own = [i for i in chosen if clips.speaker[i] == speaker]
        sounds = [decode(clips.paths[i]) for i in own]
        for name, speech in (("plain", None), ("heard", np.concatenate(sounds))):
            said[name][own] = [np.argmax(answer.probabilities) for answer in backend(sounds, speech)]

    def recall(name):
        kinds = np.unique(clips.emotion[chosen])
        return np.mean([(said[name][chosen] == k)[clips.emotion[chosen] == k].mean() for k in kinds])

    assert recall("plain") == pytest.approx(report.metrics["ravdess.plain"]["uar"], abs=0.02)
    # As a video would hear the speaker: pieces of 3 s cut anywhere, pauses between the sentences included.
    assert recall("heard") > recall("plain")
