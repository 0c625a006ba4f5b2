"""The face training on made data: right targets, the same result every time, resumable, exported as it is."""

import csv
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from onnxruntime import InferenceSession

from pipeline.labels import EMOTIONS
from pipeline.train import face, face_calibrate, face_data, face_export
from pipeline.train.face_net import FaceNet

ORDER = [
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "NF",
]
OWN = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]


def votes(**given):
    row = [0] * 10
    for name, count in given.items():
        row[ORDER.index(name)] = count
    return row


def write_ferplus(path, rows, usage, own, images=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    if images is None:
        images = np.random.default_rng(3).integers(0, 256, (len(rows), 48, 48), np.uint8)
    np.savez(
        path,
        images=images,
        ferplus_votes=np.array(rows, np.uint8),
        ferplus_order=ORDER,
        usage=np.array(usage, np.uint8),
        fer2013_label=np.array(own, np.int8),
        fer2013_names=OWN,
    )


def test_targets_are_the_votes_in_canonical_order(tmp_path):
    rows = [
        votes(happiness=6, neutral=4),
        votes(happiness=8, sadness=1, contempt=1),  # a single vote is a slip
        votes(disgust=1, anger=5, neutral=4),  # … unless FER2013 says the same
        votes(NF=9, neutral=1),
        votes(neutral=10),
    ]
    write_ferplus(tmp_path / "f.npz", rows, [0, 0, 0, 0, 2], [3, 3, 1, 6, 6])
    faces = face_data.ferplus_training(tmp_path / "f.npz", fer2013_share=0.2)
    expected = np.zeros((3, 7))
    expected[0, EMOTIONS.index("happy")], expected[0, EMOTIONS.index("neutral")] = 0.6, 0.4
    expected[1, EMOTIONS.index("happy")] = 1
    expected[2, EMOTIONS.index("angry")] = 0.8 * 0.5
    expected[2, EMOTIONS.index("neutral")] = 0.8 * 0.4
    expected[2, EMOTIONS.index("disgust")] = 0.8 * 0.1 + 0.2
    assert faces.targets == pytest.approx(expected)
    assert faces.weights == pytest.approx([1, 0.9, 1])


def test_scored_faces_need_half_of_all_votes(tmp_path):
    rows = [
        votes(fear=5, surprise=5),
        votes(fear=4, surprise=3, unknown=3),
        votes(anger=2, contempt=8),
        votes(anger=9),
    ]
    write_ferplus(tmp_path / "f.npz", rows, [2, 2, 2, 1], [0, 0, 0, 0])
    assert face_data.ferplus_scored(tmp_path / "f.npz", "test").truth.tolist() == [EMOTIONS.index("fear")]
    assert face_data.ferplus_scored(tmp_path / "f.npz", "dev").truth.tolist() == [EMOTIONS.index("angry")]


def write_muxspace(folder, count=12):
    (folder / "faces").mkdir(parents=True)
    draw = np.random.default_rng(4)
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as table:
        rows = csv.writer(table)
        rows.writerow(["file", "emotion", "face_px"])
        for i in range(count):
            cv2.imwrite(str(folder / "faces" / f"{i}.jpg"), draw.integers(0, 256, (96, 96, 3), np.uint8))
            rows.writerow([f"{i}.jpg", "neutral" if i % 3 else "disgust", 96])


def test_muxspace_is_balanced_and_its_labels_doubted(tmp_path):
    write_muxspace(tmp_path, count=20)
    faces = face_data.muxspace(tmp_path, per_class=4, trust=0.8, seed=1)
    assert faces.targets.sum(1) == pytest.approx(np.ones(8))
    assert np.bincount(faces.targets.argmax(1)).tolist() == [0, 4, 0, 0, 0, 0, 4]
    assert faces.targets.max(1) == pytest.approx(np.full(8, 0.8 + 0.2 / 7))


def test_what_is_held_out_of_muxspace_is_never_trained_on(tmp_path):
    write_muxspace(tmp_path, count=20)
    learned = face_data.muxspace(tmp_path, per_class=99, trust=1.0, seed=1)
    held_out = face_data.muxspace_scored(tmp_path, per_class=99)
    assert (len(learned), len(held_out.truth)) == (16, 4)
    assert not {face.tobytes() for face in learned.images} & {face.tobytes() for face in held_out.images}


def test_a_face_without_its_own_label_teaches_the_second_head_nothing(tmp_path):
    write_ferplus(tmp_path / "f.npz", [votes(anger=9), votes(anger=9)], [0, 0], [-1, 0])
    acted = face_data.ferplus_training(tmp_path / "f.npz", fer2013_share=0.2).acted
    assert acted.sum(1).tolist() == [0, 1]


@pytest.fixture
def data(tmp_path):
    """Faces that are bright at the top when happy and at the bottom when sad."""
    draw = np.random.default_rng(6)
    count = 96
    images = draw.integers(0, 90, (count, 48, 48)).astype(np.uint8)
    rows = []
    for i in range(count):
        images[i, slice(0, 24) if i % 2 else slice(24, 48)] += 120
        rows.append(votes(happiness=10) if i % 2 else votes(sadness=10))
    usage = [(0, 0, 0, 1, 2, 0)[i // 2 % 6] for i in range(count)]
    write_ferplus(tmp_path / "face" / "ferplus_48px.npz", rows, usage, [3] * count, images)
    write_muxspace(tmp_path / "face" / "muxspace")
    (tmp_path / "face" / "taiwanese" / "images").mkdir(parents=True)
    with (tmp_path / "face" / "taiwanese" / "labels.csv").open("w", encoding="utf-8") as table:
        table.write("file,performer,intended,voted\nastronaut.png,01,happy,happy\nnobody.png,02,,sad\n")
    from skimage import data as pictures

    folder = tmp_path / "face" / "taiwanese" / "images"
    cv2.imwrite(str(folder / "astronaut.png"), pictures.astronaut()[:, :, ::-1])
    cv2.imwrite(str(folder / "nobody.png"), np.full((256, 256, 3), 90, np.uint8))
    return tmp_path


@pytest.fixture
def recipe():
    whole = face.read_recipe(face.CONFIG, epochs=2)
    return replace(whole, batch_size=16, muxspace_per_class=2, sides_px=((0, 32), (1, 48)), warmup_epochs=0.5)


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_the_committed_recipe_can_be_read():
    recipe = face.read_recipe(face.CONFIG)
    assert recipe.epochs > 1
    assert recipe.sides_px[-1][1] == face_data.SIDE_PX


def weights(net):
    return {name: value.clone() for name, value in net.state_dict().items()}


def test_training_can_be_cut_off_after_any_epoch(data, recipe, tmp_path, capsys):
    whole = weights(face.train(data, tmp_path / "a.pt", recipe))

    class CutOffError(Exception):
        pass

    real = face.accuracy

    def cut_off(logits, faces):
        raise CutOffError

    face.accuracy = cut_off
    try:
        with pytest.raises(CutOffError):
            face.train(data, tmp_path / "b.pt", recipe)
    finally:
        face.accuracy = real
    resumed = weights(face.train(data, tmp_path / "b.pt", recipe))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert "epoch 2/2" in capsys.readouterr().out


def test_augmented_faces_are_the_same_for_the_same_seed(recipe):
    images = np.random.default_rng(8).integers(0, 256, (20, 48, 48), np.uint8)
    once, again, other = (face_data.augmented(images, recipe.augment, 40, seed) for seed in (1, 1, 2))
    assert once.shape == (20, 1, 40, 40)
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
    assert once.isfinite().all() and once.min() > -40 and once.max() < 500


def test_the_prior_is_divided_out_only_as_far_as_it_costs_little():
    draw = np.random.default_rng(9)
    truth = draw.choice(7, 2000, p=[0.02, 0.02, 0.02, 0.3, 0.1, 0.04, 0.5])
    logits = draw.normal(0, 1, (2000, 7))
    logits[np.arange(2000), truth] += 2.0
    prior = np.bincount(truth, minlength=7) / 2000
    faces = face_data.ScoredFaces(np.zeros((2000, 48, 48), np.uint8), truth)
    with_prior = logits + np.log(prior)
    free = face_calibrate.corrected_bias(with_prior, faces, prior, most_lost=1.0)
    assert free + np.log(prior) == pytest.approx(np.full(7, (free + np.log(prior)).mean()))
    bound = face_calibrate.corrected_bias(with_prior, faces, prior, most_lost=0.01)
    assert 0 < np.abs(bound).sum() < np.abs(free).sum()
    right = ((with_prior + bound).argmax(1) == truth).mean()
    assert right >= (with_prior.argmax(1) == truth).mean() - 0.01


def test_the_second_view_is_the_mirrored_middle_of_the_face():
    ramp = torch.arange(48.0).expand(1, 1, 48, 48) * 2
    view = face_export.second_view(ramp)[0, 0]
    share = face_export.SECOND_VIEW_SHARE
    middle = 47.0  # of the ramp
    assert view[0].flip(0).numpy() == pytest.approx(
        middle + (ramp[0, 0, 0].numpy() - middle) * share, abs=1e-3
    )
    upright = face_export.second_view(ramp.transpose(2, 3))[0, 0]
    assert float(upright[0, 0]) == pytest.approx(middle * (1 - share), abs=1e-3)


def test_the_exported_file_answers_as_the_net_does():
    torch.manual_seed(1)
    net = FaceNet(7, 0.1).eval()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    bias = np.linspace(-1, 1, 7)
    content = face_export.to_onnx(net, bias)
    assert len(content) < 3_000_000
    faces = torch.rand(3, 1, 48, 48) * 255
    session = InferenceSession(content)
    with torch.inference_mode():
        expected = ((net(faces) + net(face_export.second_view(faces))) / 2).numpy() + bias
    given = session.run(["logits"], {"faces": faces.numpy()})[0]
    assert given == pytest.approx(expected, abs=0.02)
    assert face_export.to_onnx(net, bias) == content


def test_the_temperature_is_as_modest_as_the_calibration_allows():
    draw = np.random.default_rng(5)
    logits = draw.normal(0, 1, (4000, 7))
    sharp = logits * 2.5
    truth = np.array([draw.choice(7, p=row) for row in np.exp(sharp) / np.exp(sharp).sum(1, keepdims=True)])
    faces = face_data.ScoredFaces(np.zeros((4000, 48, 48), np.uint8), truth)
    strict = face_calibrate.modest_temperature(logits * 2, faces, 0.03)
    loose = face_calibrate.modest_temperature(logits * 2, faces, 0.1)
    assert 0.75 < strict < loose <= 1.0
    assert face_calibrate.modest_temperature(logits * 2, faces, 0.0) == pytest.approx(0.8, abs=0.05)


def test_the_command_leaves_weights_a_card_and_a_report(data, tmp_path, monkeypatch, recipe):
    from pipeline.models.cards import TrainingReport, file_sha256
    from pipeline.records import read_record
    from pipeline.types import ModelCard

    monkeypatch.setattr(face, "read_recipe", lambda path, epochs: recipe)
    out = tmp_path / "out"
    monkeypatch.setattr("sys.argv", ["face", "--data", str(data), "--out", str(out), "--epochs", "2"])
    face.main()
    card = read_record(out / "face_compact.card.json", ModelCard)
    report = read_record(out / "face_compact.report.json", TrainingReport)
    assert card.sha256 == file_sha256(out / "face_compact.onnx")
    assert card.labels == EMOTIONS and card.temperature > 0
    assert report.metrics["taiwanese_voted"]["found_share"] == 0.5
    assert {"ferplus", "taiwanese_voted", "taiwanese_intended, own baseline"} <= report.metrics.keys()
    assert report.size_bytes == (out / "face_compact.onnx").stat().st_size
