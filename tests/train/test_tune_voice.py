import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import pipeline.train.tuning
from pipeline.labels import EMOTIONS
from pipeline.models.cards import ModelError
from pipeline.train import tune_voice, voice_own
from pipeline.train.examples import DataError, Example, LabelledSet
from pipeline.train.loop import LoopSettings
from pipeline.train.score import load_named
from pipeline.train.tune_voice import Clips, extractor_of, heard, read_clips, train
from pipeline.train.tuning import Tuning, split_of
from pipeline.train.voice import CONFIG, read_recipe
from tests.made.clips import RATE_HZ, voiced, write_wave
from tests.voice.checkpoints import write_classifier

SPOKEN = ("angry", "sad", "neutral")
SPEAKERS, TAKES = 6, 2
REPORT_FILES = ("metrics.json", "summary.html", "confusion.png", "errors.csv", "settings.json")
LOOP = LoopSettings(epochs=2, batch_size=6, learning_rate=0.01, class_weights=True, device="cpu", seed=1)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Six speakers, three emotions, two takes; one row more is unfit and one none of the seven."""
    folder = tmp_path_factory.mktemp("corpus")
    with (folder / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "emotion", "speaker", "problem"])
        for speaker in range(SPEAKERS):
            for emotion in SPOKEN:
                for take in range(TAKES):
                    name = f"{speaker}-{emotion}-{take}.wav"
                    write_wave(folder / name, voiced(emotion, speaker, take, seconds=0.35))
                    rows.writerow([name, emotion, f"s{speaker}", "few_of_class"])
        rows.writerow(["copy.wav", "sad", "s5", "duplicate of another"])
        rows.writerow(["1-sad-0.wav", "boredom", "s1", ""])
    return folder / "manifest.csv"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_classifier(tmp_path_factory.mktemp("tiny") / "w2v", ["a", "b"], with_extractor=False)


@pytest.fixture
def no_report(monkeypatch):
    """Pictures take most of the time of a small training."""
    monkeypatch.setattr(pipeline.train.tuning, "write_report", lambda *_, **__: None)


@pytest.fixture
def quick(monkeypatch):
    """The shipped recipe with fewer and smaller networks."""
    small = replace(read_recipe(CONFIG), copies=1, epochs=6, members=2, hidden=16)
    monkeypatch.setattr(voice_own, "read_recipe", lambda path: small)


def tuning(corpus, folder, **more):
    return Tuning("voice", corpus, folder, loop=LOOP, **more)


def run(asked, force=False, told=None, show=None):
    sentences = [] if told is None else told
    return train(
        asked,
        "the command",
        force,
        say=sentences.append,
        step=lambda *_: None,
        show=show or (lambda *_: None),
    )


def test_a_checkpoint_becomes_a_back_end_with_its_report(corpus, checkpoint, tmp_path):
    told = []
    answers = run(tuning(corpus, tmp_path / "run", backbone=str(checkpoint)), told=told)
    backend = load_named("voice", str(tmp_path / "run" / "model"), "cpu")
    assert backend.card.labels == SPOKEN
    assert backend.card.temperature > 0
    assert len(answers.truth) == TAKES * len(SPOKEN)  # one whole speaker
    assert set(answers.groups) <= {f"s{i}" for i in range(SPEAKERS)}
    assert len(set(answers.groups)) == 1
    assert all((tmp_path / "run" / name).is_file() for name in REPORT_FILES)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert "our model, not fine-tuned" in metrics["baselines"]
    assert metrics["about"]["leaking_groups"] == 0
    assert "left out: 1 duplicate" in told
    assert "left out: 1 labelled boredom" in told
    assert "no speaker is on two sides: 6 in all" in told
    assert any("its backbone is not compared" in one for one in told)  # its labels a and b are no emotions


def test_an_interrupted_training_ends_with_the_same_weights(corpus, checkpoint, tmp_path, no_report):
    whole, cut = (tuning(corpus, tmp_path / name, backbone=str(checkpoint)) for name in ("whole", "cut"))
    run(whole)

    def stop(done, total, epoch):
        if epoch is not None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(cut, show=stop)
    run(cut)
    files = [asked.folder / "model" / "model.safetensors" for asked in (whole, cut)]
    assert files[0].read_bytes() == files[1].read_bytes()
    with pytest.raises(DataError, match="is finished"):
        run(cut)


def test_the_convolutions_stay_as_they_are_unless_they_are_to_learn(corpus, checkpoint, tmp_path, no_report):
    name = "wav2vec2.feature_extractor.conv_layers.0.conv.weight"
    from safetensors.torch import load_file

    start = load_file(checkpoint / "model.safetensors")[name]
    for frozen in (True, False):
        folder = tmp_path / str(frozen)
        run(tuning(corpus, folder, backbone=str(checkpoint), frozen_features=frozen))
        assert torch.equal(load_file(folder / "model" / "model.safetensors")[name], start) is frozen


def test_ours_becomes_a_back_end_that_knows_speakers(corpus, tmp_path, quick):
    answers = run(tuning(corpus, tmp_path / "run"))
    backend = load_named("voice", str(tmp_path / "run" / "model"), "cpu")
    assert (answers.predicted == answers.truth).mean() > 0.6
    assert answers.labels == SPOKEN
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert set(metrics["baselines"]) == {"our model, not fine-tuned", "this model, normalised by the speaker"}
    assert not (tmp_path / "run" / "features").exists()
    model = (tmp_path / "run" / "model" / "model.onnx").read_bytes()
    assert b"voice_net.py" not in model
    assert backend.card.canonical["fear"] is None
    heard = backend([voiced("sad", 1, 9).astype(np.float32)], None)[0]
    assert heard.probabilities[EMOTIONS.index("fear")] == 0


def test_ours_cut_off_ends_with_the_same_weights_and_hears_no_clip_twice(
    corpus, tmp_path, quick, no_report, monkeypatch
):
    # The graph is written by the library and takes longest; the weights in it are what counts here.
    monkeypatch.setattr(voice_own, "export", lambda net, path: torch.save(net.state_dict(), path))
    monkeypatch.setattr(tune_voice, "ask", lambda *_, **__: None)
    monkeypatch.setattr(tune_voice, "finish", lambda *_, **__: None)
    whole, cut = (tuning(corpus, tmp_path / name) for name in ("whole", "cut"))
    run(whole)
    with monkeypatch.context() as patch:
        patch.setattr(voice_own, "fit", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(cut)
    monkeypatch.setattr(voice_own, "features", None)
    run(cut)
    first, second = (torch.load(asked.folder / "model" / "model.onnx") for asked in (whole, cut))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_speakers_must_be_known_unless_a_random_split_is_asked_for(corpus, tmp_path):
    nameless = tmp_path / "clips.csv"
    lines = corpus.read_text(encoding="utf-8").splitlines()
    nameless.write_text("\n".join(",".join(line.split(",")[:2]) for line in lines), encoding="utf-8")
    with pytest.raises(DataError, match="does not say who speaks; name the column with --group-column"):
        read_clips(tuning(nameless, tmp_path / "run"))
    labelled, _ = read_clips(tuning(nameless, tmp_path / "run", split="random", root=corpus.parent))
    split, said = split_of(tuning(nameless, tmp_path / "run", split="random"), labelled, "speaker")
    assert len(split.test) > 0
    assert said.startswith("no speaker is known")


def test_clips_that_cannot_be_read_are_left_out_and_counted(corpus, tmp_path):
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    (tmp_path / "fine.wav").write_bytes((corpus.parent / "1-sad-0.wav").read_bytes())
    names = ("broken.wav", "fine.wav", "nowhere.wav")
    labelled = LabelledSet("voice", tmp_path, tuple(Example(name, "sad", "s") for name in names), {})
    kept, left_out = heard(labelled, lambda *_: None)
    assert [one.source for one in kept.examples] == ["fine.wav"]
    assert left_out == {"the file cannot be read": 2}
    (tmp_path / "clips.csv").write_text("file,emotion,speaker\nnowhere.wav,sad,s\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"no clip can be read in .*; say with --root where the files lie"):
        run(tuning(tmp_path / "clips.csv", tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_random_split_says_how_many_speakers_leak(corpus, tmp_path):
    asked = tuning(corpus, tmp_path / "run", split="random")
    _, said = split_of(asked, read_clips(asked)[0], "speaker")
    assert said.startswith("random: 6 of 6 speakers leak")


def test_too_few_speakers_are_one_sentence(corpus, tmp_path):
    few = tmp_path / "few.csv"
    lines = corpus.read_text(encoding="utf-8").splitlines()
    few.write_text("\n".join(lines[:11]), encoding="utf-8")
    asked = tuning(few, tmp_path / "run", root=corpus.parent)
    with pytest.raises(DataError, match="2 groups cannot be parted into 3 sides"):
        run(asked)
    assert not (tmp_path / "run").exists()


def test_long_clips_are_cut_by_chance_and_short_ones_padded(tmp_path, checkpoint):
    ramp = np.linspace(-0.9, 0.9, 2 * RATE_HZ)
    files = [write_wave(tmp_path / "long.wav", ramp), write_wave(tmp_path / "short.wav", ramp[:4000])]
    clips = Clips(files, np.array([0, 1]), extractor_of(str(checkpoint)), longest_s=1.0)
    rows = np.array([0, 1])
    told = clips.batch(rows, None)
    assert told["input_values"].shape == (2, RATE_HZ)
    assert told["attention_mask"].sum(dim=1).tolist() == [RATE_HZ, 4000]
    again, other = clips.batch(rows, 5), clips.batch(rows, 6)
    assert torch.equal(clips.batch(rows, 5)["input_values"], again["input_values"])
    assert not torch.equal(other["input_values"][0], again["input_values"][0])
    assert clips.batch(rows[1:], None)["input_values"].shape == (1, RATE_HZ // 2)


def test_a_checkpoint_that_hears_at_another_rate_is_refused(tmp_path):
    folder = write_classifier(tmp_path / "w2v", ["a", "b"], rate_hz=8_000)
    with pytest.raises(ModelError, match="does not read plain sound at 16000 Hz"):
        extractor_of(str(folder))


def test_a_mistyped_backbone_leaves_earlier_runs_alone(corpus, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "settings.json").write_text("{}", encoding="utf-8")
    asked = tuning(corpus, tmp_path / "run", backbone="owner/none")
    with pytest.raises(ModelError, match="models pull owner/none"):
        run(asked, force=True)
    with pytest.raises(ModelError, match="models pull owner/none"):
        run(replace(asked, folder=tmp_path / "new"))
    assert (tmp_path / "run" / "settings.json").read_text(encoding="utf-8") == "{}"
    assert not (tmp_path / "new").exists()
