"""Fine-tuning faces: from our net and from Transformers models, resumable, left as a back-end."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from pipeline.face.compact import MODEL_ID
from pipeline.labels import EMOTIONS
from pipeline.models.cards import CACHE_VARIABLE, ModelError, shipped_card, shipped_weights
from pipeline.models.session import session
from pipeline.train.examples import DataError, read_examples
from pipeline.train.face_backbones import distorted, erase, load_backbone
from pipeline.train.face_export import to_onnx
from pipeline.train.face_folded import read_net, with_norms
from pipeline.train.face_net import FaceNet
from pipeline.train.loop import LoopSettings
from pipeline.train.score import load_named
from pipeline.train.tune_face import FaceTuning, read_faces, split_faces, train
from tests.face.models import convnext_folder
from tests.train.faces import made_faces

LOOP = LoopSettings(epochs=2, batch_size=8, learning_rate=2e-3, device="cpu")


@pytest.fixture(autouse=True)
def small_machine(monkeypatch, tmp_path):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return made_faces(tmp_path_factory.mktemp("faces"))


def run(asked, show=lambda what: None, force=False, step=lambda what, done, total: None):
    said = []
    answers = train(asked, "emotion-pipeline train face", force=force, say=said.append, step=step, show=show)
    return answers, said


def stop_in_second_epoch(what):
    def show(done, total, epoch):
        if done > total // 2 and epoch is None:
            raise KeyboardInterrupt

    return show


def test_ours_interrupted_resumed_and_used(data, tmp_path):
    asked = FaceTuning(data, tmp_path / "cut", loop=LOOP)
    with pytest.raises(KeyboardInterrupt):
        run(asked, stop_in_second_epoch)
    assert (tmp_path / "cut" / "checkpoint.pt").is_file() and not (tmp_path / "cut" / "model").exists()
    answers, said = run(asked)
    assert said[0].startswith("going on with")
    assert said[1] == "group-disjoint: 9 groups, none on two sides"
    run(replace(asked, folder=tmp_path / "whole"))
    files = [(tmp_path / name / "model" / "model.onnx").read_bytes() for name in ("cut", "whole")]
    assert files[0] == files[1]
    assert not list((tmp_path / "cut").rglob("*.pt")) and not list((tmp_path / "cut").rglob("*.part"))

    assert (answers.predicted == answers.truth).mean() == 1
    backend = load_named("face", str(tmp_path / "cut" / "model"), "cpu")
    assert backend.card.labels == EMOTIONS and 0.5 <= backend.card.temperature <= 20
    assert backend.card.notes == "Fine-tuned from compact on 24 faces of labels.csv."
    figures = json.loads((tmp_path / "cut" / "metrics.json").read_text(encoding="utf-8"))
    assert figures["accuracy"] == 1 and "our model, not fine-tuned" in figures["baselines"]
    assert figures["about"]["leaking_groups"] == 0

    with pytest.raises(DataError, match="is finished"):
        run(asked)
    with pytest.raises(DataError, match="other settings \\(loop\\)"):
        run(replace(asked, loop=replace(LOOP, epochs=3)))
    assert (tmp_path / "cut" / "model").is_dir()


def test_a_transformers_model_gets_a_new_head_and_is_a_back_end(data, tmp_path):
    base = convnext_folder(tmp_path / "base", ["cat", "dog", "hen"])
    asked = FaceTuning(data, tmp_path / "run", backbone=str(base), loop=replace(LOOP, head_epochs=1))
    run(asked)
    figures = json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert "a new head of 7 (classifier)" in figures["about"]["notes"]
    backend = load_named("face", str(tmp_path / "run" / "model"), "cpu")
    assert backend.card.labels == EMOTIONS
    assert len(backend.card.sha256) == 64
    assert backend.model.config.id2label == dict(enumerate(EMOTIONS))
    again = load_backbone(str(tmp_path / "run" / "model"), 5, 0.25)
    nothing = again.data([], np.zeros(0, np.int64))
    assert again.said == "its head kept"
    kept, saved = again.model(nothing).state_dict(), backend.model.state_dict()
    assert all(torch.equal(kept[name], saved[name]) for name in saved)
    start = load_backbone(str(base), 0, 0.25).model(nothing).state_dict()
    assert not torch.equal(start["convnext.layernorm.weight"], saved["convnext.layernorm.weight"])


def test_a_backbone_that_does_not_fit_is_refused(tmp_path):
    base = convnext_folder(tmp_path / "base", ["cat", "dog"])
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    (base / "config.json").write_text(json.dumps(config | {"hidden_sizes": [8, 24]}), encoding="utf-8")
    with pytest.raises(ModelError, match="do not fit"):
        load_backbone(str(base), 0, 0.0)
    with pytest.raises(ModelError, match="models pull owner/none"):
        load_backbone("owner/none", 0, 0.0)


def test_a_mistake_leaves_earlier_runs_alone(data, tmp_path):
    done = tmp_path / "run"
    done.mkdir()
    (done / "settings.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ModelError, match="models pull owner/none"):
        run(FaceTuning(data, done, backbone="owner/none", loop=LOOP), force=True)
    with pytest.raises(ModelError):
        run(FaceTuning(data, tmp_path / "new", backbone="owner/none", loop=LOOP))
    with pytest.raises(DataError, match="above 0"):
        run(FaceTuning(data, done, test_share=0.0, loop=LOOP), force=True)
    assert [path.name for path in done.iterdir()] == ["settings.json"]
    assert not (tmp_path / "new").exists()


def test_a_net_on_an_accelerator_is_written(monkeypatch):
    net = FaceNet(len(EMOTIONS), 0.0)
    moved = []
    monkeypatch.setattr(FaceNet, "cpu", lambda one: moved.append(one) or one)
    to_onnx(net, np.zeros(len(EMOTIONS)))
    assert len(moved) == 1 and moved[0] is not net


def test_a_random_split_says_how_many_groups_leak(data, tmp_path):
    faces = read_faces(read_examples("face", data), False, lambda what, done, total: None)
    asked = FaceTuning(data, tmp_path)
    assert "6 of 9 groups leak" in split_faces(replace(asked, split="random"), faces)[0]
    said, splits = split_faces(replace(asked, folds=3), faces)
    assert said == "3 folds, group-disjoint: 9 groups, none on two sides"
    assert sorted(np.concatenate([one.test for one in splits])) == list(range(36))
    unknown = replace(faces, labelled=read_examples("face", nameless(data, tmp_path)))
    assert "no group is known" in split_faces(asked, unknown)[0]


def nameless(data, folder):
    lines = [line.rsplit(",", 1)[0] for line in data.read_text(encoding="utf-8").splitlines()]
    (folder / "nameless.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder / "nameless.csv"


def test_faces_that_cannot_be_read_are_counted(data, tmp_path):
    (tmp_path / "l.csv").write_text("file,emotion\nnone.png,sad\n1.png,contempt\n", encoding="utf-8")
    faces = read_faces(read_examples("face", tmp_path / "l.csv"), False, lambda what, done, total: None)
    assert faces.left_out == {"labelled contempt": 1, "the file cannot be read": 1}
    with pytest.raises(DataError, match="0 usable faces"):
        run(FaceTuning(tmp_path / "l.csv", tmp_path / "run", loop=LOOP))


def test_the_net_read_back_answers_as_its_file(tmp_path):
    torch.manual_seed(1)
    net = FaceNet(len(EMOTIONS), 0.0)
    faces = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (6, 1, 48, 48)).astype(np.float32))
    with torch.no_grad():
        net(faces)  # moves the statistics of the normalisations
        net.eval()
        bias = np.linspace(-1, 1, len(EMOTIONS))
        (tmp_path / "net.onnx").write_bytes(to_onnx(net, bias))
        folded = read_net(tmp_path / "net.onnx", 0.0).eval()
        assert folded.head.bias.numpy() == pytest.approx(net.head.bias.numpy() + bias, abs=1e-6)
        assert torch.allclose(folded(faces), net(faces) + torch.from_numpy(bias).float(), atol=5e-3)
        normed = with_norms(folded, faces, 0.0).eval()
        assert torch.allclose(normed(faces), folded(faces), atol=1e-4)
    assert normed.body[1].running_var.std() > 0
    answers = [
        session(content).run(None, {"faces": faces.numpy()})[0]
        for content in ((tmp_path / "net.onnx").read_bytes(), to_onnx(folded, np.zeros(len(EMOTIONS))))
    ]
    assert np.abs(answers[0] - answers[1]).max() < 1e-4
    assert read_net(shipped_weights(shipped_card(MODEL_ID)), 0.0).head.out_features == len(EMOTIONS)


def test_distortions_keep_the_face():
    crop = np.zeros((140, 140, 3), np.uint8)
    cv2.circle(crop, (70, 70), 25, (200, 200, 200), -1)
    faces = [distorted(crop, 64, np.random.default_rng(seed)) for seed in range(20)]
    assert {face.shape for face in faces} == {(64, 64, 3)}
    assert all(face[32, 32, 0] > 100 and face[0, 0, 0] == 0 for face in faces)
    assert len({face.tobytes() for face in faces}) == 20
    assert faces[0].tobytes() == distorted(crop, 64, np.random.default_rng(0)).tobytes()


def test_erasing_takes_a_fifth_at_most():
    for seed in range(50):
        image = torch.full((3, 40, 40), 9.0)
        erase(image, np.random.default_rng(seed))
        share = float((image != 9.0).float().mean())
        assert 0.005 < share < 0.25
