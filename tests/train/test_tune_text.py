import csv
import json

import numpy as np
import pytest
import torch

import pipeline.train.tuning
from pipeline.labels import EMOTIONS
from pipeline.models.cards import ModelError
from pipeline.text.compact import load
from pipeline.train import text_own
from pipeline.train.examples import DataError
from pipeline.train.loop import LoopSettings
from pipeline.train.score import load_named
from pipeline.train.text_own import Texts, tokenised, train_own
from pipeline.train.tune_text import train
from pipeline.train.tuning import Tuning
from tests.text.checkpoints import tiny_text_model

WORDS = {"happy": "glad", "angry": "angry"}
REPORT_FILES = ("metrics.json", "summary.html", "confusion.png", "errors.csv", "settings.json")
LOOP = LoopSettings(epochs=3, batch_size=8, learning_rate=0.01, device="cpu", seed=1)


def write_posts(path, count=60, texts=None):
    draw = np.random.default_rng(0)
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "emotion", "dialogue"])
        for i in range(count):
            emotion = list(WORDS)[i % 2]
            filler = " ".join(draw.choice(["i", "am", "so"], 3))
            text = f"{filler} {WORDS[emotion]} today" if texts is None else texts[i % 2]
            rows.writerow([text, emotion, f"d{i // 6}"])
    return path


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


def tuning(tmp_path, **more):
    data = tmp_path / "posts.csv"
    if not data.is_file():
        write_posts(data)
    return Tuning("text", data, tmp_path / "run", loop=LOOP, **more)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return tiny_text_model(tmp_path_factory.mktemp("tiny") / "xlm", ["neutral", "sad", "happy"])


@pytest.fixture
def no_report(monkeypatch):
    """Pictures take most of the time of a small training."""
    monkeypatch.setattr(pipeline.train.tuning, "write_report", lambda *_, **__: None)


def weights_of(folder):
    return (folder / "model" / "model.safetensors").read_bytes()


def test_a_checkpoint_becomes_a_back_end_with_its_report(tmp_path, checkpoint):
    told = []
    answers = run(tuning(tmp_path, backbone=str(checkpoint), language="en"), told=told)
    backend = load_named("text", str(tmp_path / "run" / "model"), "cpu")
    assert backend.card.labels == ("angry", "happy")
    assert backend.card.languages == ("en",)
    assert backend.card.id == "run"
    assert backend.card.temperature > 0
    asked_again = backend(list(answers.names), ["en"] * len(answers.names))
    np.testing.assert_allclose([one.probabilities for one in asked_again], answers.probabilities, atol=1e-6)
    assert all((tmp_path / "run" / name).is_file() for name in REPORT_FILES)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert set(metrics["baselines"]) == {"our model, not fine-tuned", "its backbone"}
    assert metrics["about"]["leaking_groups"] == 0
    assert metrics["about"]["n_train"] + metrics["about"]["n_dev"] + metrics["about"]["n_test"] == 60
    assert "no dialogue or writer is on two sides: 10 in all" in told
    assert not (tmp_path / "run" / "checkpoint.pt").exists()
    with pytest.raises(DataError, match="is finished"):
        run(tuning(tmp_path, backbone=str(checkpoint), language="en"))


def test_an_interrupted_training_ends_with_the_same_weights(tmp_path, checkpoint, no_report):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        folder.mkdir()
    run(tuning(whole, backbone=str(checkpoint)))

    def stop(done, total, epoch):
        if epoch is not None and epoch.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tuning(cut, backbone=str(checkpoint)), show=stop)
    assert not (cut / "run" / "model").exists()
    told = []
    run(tuning(cut, backbone=str(checkpoint)), told=told)
    assert any(one.startswith("going on with") for one in told)
    assert weights_of(cut / "run") == weights_of(whole / "run")


def test_a_head_of_other_meanings_is_not_kept(tmp_path, checkpoint):
    other = tiny_text_model(tmp_path / "other", ["sad", "fear"])  # as many outputs
    from transformers import AutoModelForSequenceClassification

    from pipeline.train.classifiers import load_classifier

    before = AutoModelForSequenceClassification.from_pretrained(other).classifier.out_proj.weight.clone()
    anew = load_classifier(AutoModelForSequenceClassification, str(other), "text", ("angry", "happy"), 0)
    assert not torch.equal(anew.model.classifier.out_proj.weight, before)
    kept = load_classifier(AutoModelForSequenceClassification, str(other), "text", ("sad", "fear"), 0)
    assert torch.equal(kept.model.classifier.out_proj.weight, before)
    assert (kept.said, anew.said) == ("its head kept", "a new head of 2")


def test_a_body_with_missing_weights_is_refused(tmp_path, checkpoint):
    from safetensors.torch import load_file, save_file
    from transformers import AutoModelForSequenceClassification

    from pipeline.train.classifiers import load_classifier

    broken = tiny_text_model(tmp_path / "broken", ["sad", "fear"])
    weights = load_file(broken / "model.safetensors")
    lost = next(name for name in weights if "attention" in name)
    del weights[lost]
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"weights of .* are missing"):
        load_classifier(AutoModelForSequenceClassification, str(broken), "text", ("sad", "fear"), 0)


def test_ours_from_scratch_is_a_back_end_for_that_language(tmp_path, capsys):
    texts = ["ich bin heute sehr wütend", "ich freue mich heute sehr"]
    write_posts(tmp_path / "posts.csv", texts=texts)
    answers = run(tuning(tmp_path, language="de"))
    assert not capsys.readouterr().out
    assert (answers.predicted == answers.truth).mean() == 1
    backend = load_named("text", str(tmp_path / "run" / "model"), "cpu")
    assert backend.card.languages == ("de",)
    assert backend(["wütend"], ["zh"]) == [None]
    assert answers.labels == ("angry", "happy")
    assert all((tmp_path / "run" / name).is_file() for name in REPORT_FILES)


def test_ours_cut_off_ends_with_the_same_weights(tmp_path, monkeypatch, no_report, capsys):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        folder.mkdir()
    run(tuning(whole))
    with monkeypatch.context() as patch:
        patch.setattr(text_own, "to_onnx", lambda net: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(tuning(cut))
    run(tuning(cut))
    files = [folder / "run" / "model" / "model.npz" for folder in (whole, cut)]
    assert files[0].read_bytes() == files[1].read_bytes()


def made_texts(lines, language="en"):
    return tokenised([text for text, _ in lines], np.array([EMOTIONS.index(e) for _, e in lines]), language)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_handful_of_texts_does_not_crash(tmp_path, language, capsys):
    lines = [
        ("so glad 开心", "happy"),
        ("生气 furious", "angry"),
        ("在 a table", "neutral"),
        ("开心", "happy"),
    ]
    train_own(
        (made_texts(lines, language), made_texts(lines[:2], language)), language, "x", tmp_path / "m", 0
    )
    backend = load(str(tmp_path / "m"), "cpu")
    (scores, empty) = backend(["so glad", ""], [language, language])
    assert sum(scores.probabilities) == pytest.approx(1, abs=1e-2)
    assert scores.probabilities[EMOTIONS.index("fear")] == 0
    assert sum(empty.probabilities) + empty.unmapped == pytest.approx(1)


def test_texts_without_use_are_one_sentence(tmp_path):
    one = made_texts([("a b", "happy"), ("c d", "happy")])
    with pytest.raises(DataError, match="one emotion only"):
        train_own((one, one), "en", "x", tmp_path / "m", 0)
    two = made_texts([("a b", "happy"), ("c d", "sad")])
    with pytest.raises(DataError, match="no text is left"):
        train_own((two, Texts([], np.zeros(0, np.int64))), "en", "x", tmp_path / "m", 0)
    write_posts(tmp_path / "posts.csv", count=6)
    with pytest.raises(DataError, match="has 6 texts of 2 emotions; give at least 10"):
        run(tuning(tmp_path))
    write_posts(tmp_path / "posts.csv", texts=["1234", "5678"])
    with pytest.raises(DataError, match=r"language of .* cannot be told; give it with --language"):
        run(tuning(tmp_path))


def test_a_mistyped_backbone_leaves_earlier_runs_alone(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "settings.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ModelError, match="models pull owner/none"):
        run(tuning(tmp_path, backbone="owner/none"), force=True)
    assert (tmp_path / "run" / "settings.json").read_text(encoding="utf-8") == "{}"
