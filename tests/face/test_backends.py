"""One suite over every face back-end, and the traps each of them has."""

import json
import math
import shutil

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from pipeline.face.backends import BACKENDS
from pipeline.labels import EMOTIONS, top
from pipeline.models.cards import CACHE_VARIABLE, ModelError
from pipeline.models.known import known_for
from pipeline.models.load import load_backend
from tests.face.models import convnext_folder, deepface_net, rename_processor

FER2013 = ["Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral"]
WEIGHTS_FILE = "facial_expression_model_weights.onnx"


@pytest.fixture
def empty_home(tmp_path, monkeypatch):
    """A machine without any fetched model."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "models"))
    monkeypatch.setenv("DEEPFACE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path


@pytest.fixture(params=[*BACKENDS, "folder with other labels"])
def backend(request, empty_home):
    name = request.param
    if name == "deepface":
        deepface_net(empty_home / "home" / ".deepface" / "weights" / WEIGHTS_FILE, favourite=3)
    elif name == "convnext":
        convnext_folder(empty_home / "models" / known_for("convnext").id, FER2013)
    elif name == "transformers":
        name = str(convnext_folder(empty_home / "own", ["happy", "sad", "neutral"]))
    elif name == "folder with other labels":
        name = str(convnext_folder(empty_home / "other", ["contempt", "joy", "anger", "neutral"]))
    return load_backend(BACKENDS, name, "cpu")


def faces(count):
    draw = np.random.default_rng(5)
    sides = draw.integers(40, 225, count)
    return [draw.integers(0, 256, (side, side, 3), np.uint8) for side in sides]


def flat(scores):
    return (*scores.probabilities, scores.unmapped)


def test_scores_are_distributions_in_the_cards_labels(backend):
    for scores in backend(faces(5)):
        assert sum(flat(scores)) == pytest.approx(1)
        assert min(flat(scores)) >= 0
        assert tuple(scores.native) == backend.card.labels
        mapped = dict.fromkeys(EMOTIONS, 0.0)
        for label, probability in scores.native.items():
            if backend.card.canonical[label]:
                mapped[backend.card.canonical[label]] += probability
        assert scores.probabilities == pytest.approx(tuple(mapped.values()))


def test_answers_keep_the_order_and_do_not_depend_on_the_batch(backend):
    crops = faces(5)
    together = backend(crops)
    alone = [backend([crop])[0] for crop in crops]
    assert len(together) == 5
    for a, b in zip(together, alone, strict=True):
        assert flat(a) == pytest.approx(flat(b), abs=1e-5)
    backwards = backend(crops[::-1])
    for a, b in zip(together, backwards[::-1], strict=True):
        assert flat(a) == pytest.approx(flat(b), abs=1e-5)


def test_no_crops_no_scores(backend):
    assert backend([]) == []


def test_twice_the_same(backend):
    assert backend(faces(3)) == backend(faces(3))


def test_the_card_names_its_bytes(backend):
    assert backend.card.modality == "face"
    assert len(backend.card.sha256) == 64
    assert set(backend.card.canonical) == set(backend.card.labels)


@pytest.mark.parametrize("favourite", range(7))
def test_deepface_order_is_its_own(favourite, empty_home):
    deepface_net(empty_home / "models" / "deepface" / WEIGHTS_FILE, favourite)
    backend = load_backend(BACKENDS, "deepface", "cpu")
    order = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
    emotion, probability = top(backend([np.full((90, 90, 3), 255, np.uint8)])[0])
    assert emotion == order[favourite]
    bright = math.exp(0.02 * 255)  # grey values reach the model as they are, from 0 to 255
    assert probability == pytest.approx(bright / (bright + 6), rel=1e-3)


def test_deepface_gets_its_colours_in_its_own_order(empty_home):
    """Its client takes BGR: red is .299 of grey, as in the coefficients of ITU-R BT.601."""
    deepface_net(empty_home / "models" / "deepface" / WEIGHTS_FILE, 0)
    red = np.zeros((90, 90, 3), np.uint8)
    red[:, :, 0] = 255
    scores = load_backend(BACKENDS, "deepface", "cpu")([red])[0]
    shade = math.exp(0.02 * 76)
    assert scores.probabilities[0] == pytest.approx(shade / (shade + 6), rel=1e-3)


def test_deepface_without_weights_says_where_they_go(empty_home, capsys):
    with pytest.raises(ModelError, match=r"models pull deepface.*\.deepface"):
        load_backend(BACKENDS, "deepface", "cpu")
    assert capsys.readouterr().out == ""


def test_deepface_that_was_changed_since_its_pull_is_not_used(empty_home):
    deepface_net(empty_home / "models" / "deepface" / WEIGHTS_FILE, 0)
    lock = {"deepface": {"revision": "v1.0", "files": {WEIGHTS_FILE: "0" * 64}}}
    (empty_home / "models" / "lock.json").write_text(json.dumps(lock))
    with pytest.raises(ModelError, match="not the file deepface was published with; delete it and run"):
        load_backend(BACKENDS, "deepface", "cpu")


def test_deepface_refuses_another_model(empty_home):
    deepface_net(empty_home / "models" / "deepface" / WEIGHTS_FILE, 0, labels=2)
    with pytest.raises(ModelError, match="not DeepFace's emotion model"):
        load_backend(BACKENDS, "deepface", "cpu")


def test_deepface_refuses_a_damaged_file(empty_home):
    path = empty_home / "models" / "deepface" / WEIGHTS_FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(b"<html>Not Found</html>")
    with pytest.raises(ModelError, match="delete it"):
        load_backend(BACKENDS, "deepface", "cpu")


@pytest.mark.parametrize("favourite", range(4))
def test_transformers_order_comes_from_the_folder(favourite, empty_home):
    labels = ["Surprised", "neutral", "contempt", "DISGUST"]
    folder = convnext_folder(empty_home / "own", labels, favourite)
    scores = load_backend(BACKENDS, str(folder), "cpu")(faces(1))[0]
    expected = ("surprise", "neutral", None, "disgust")[favourite]
    if expected is None:
        assert scores.unmapped > 0.8
        assert scores.probabilities[EMOTIONS.index("neutral")] < 0.1
    else:
        assert top(scores)[0] == expected


def test_more_than_ten_labels_keep_their_numeric_order(empty_home):
    labels = [*FER2013, "contempt", "other", "unknown", "calm", "scared"]
    folder = convnext_folder(empty_home / "own", labels, favourite=11)
    assert load_backend(BACKENDS, str(folder), "cpu").card.labels == tuple(labels)
    assert top(load_backend(BACKENDS, str(folder), "cpu")(faces(1))[0])[0] == "fear"


def test_labels_that_name_no_emotion_are_refused(empty_home):
    folder = convnext_folder(empty_home / "own", ["LABEL_0", "LABEL_1"])
    with pytest.raises(ModelError, match="id2label"):
        load_backend(BACKENDS, str(folder), "cpu")


def change_weights(folder, change):
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def test_a_model_without_its_head_is_refused(empty_home):
    folder = convnext_folder(empty_home / "own", FER2013)
    change_weights(folder, lambda weights: weights.pop("classifier.weight"))
    with pytest.raises(ModelError, match=r"missing: classifier\.weight"):
        load_backend(BACKENDS, str(folder), "cpu")


def test_a_model_with_weights_left_over_is_refused(empty_home):
    folder = convnext_folder(empty_home / "own", FER2013)
    change_weights(folder, lambda weights: weights.update(extra=weights["classifier.bias"].clone()))
    with pytest.raises(ModelError, match="left over: extra"):
        load_backend(BACKENDS, str(folder), "cpu")


@pytest.mark.parametrize(
    "name", ["ConvNextFeatureExtractor", "ConvNextImageProcessor", "ConvNextImageProcessorFast"]
)
def test_every_name_of_a_processor_leads_to_the_one_without_torchvision(name, empty_home):
    folder = convnext_folder(empty_home / "own", FER2013)
    rename_processor(folder, name)
    assert len(load_backend(BACKENDS, str(folder), "cpu")(faces(2))) == 2


def test_a_folder_without_a_processor_says_so(empty_home):
    folder = convnext_folder(empty_home / "own", FER2013)
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match="processor"):
        load_backend(BACKENDS, str(folder), "cpu")


def test_a_model_that_is_not_here_is_not_looked_for_in_the_network(empty_home):
    with pytest.raises(ModelError, match="models pull"):
        load_backend(BACKENDS, "convnext", "cpu")


def test_outputs_and_labels_must_agree_in_number(empty_home):
    folder = convnext_folder(empty_home / "models" / known_for("convnext").id, FER2013[:3])
    with pytest.raises(ModelError, match="3 outputs but 7 labels"):
        load_backend(BACKENDS, "convnext", "cpu")
    shutil.rmtree(folder)


def test_compact_reads_a_smile(empty_home):
    """scikit-image's astronaut smiles."""
    from skimage import data

    from pipeline.face.crop import cut
    from pipeline.face.geometry import Square

    crop = cut(np.ascontiguousarray(data.astronaut()), Square(224, 116, 100), 224)
    scores = load_backend(BACKENDS, "compact", "cpu")([crop])[0]
    assert top(scores)[0] == "happy"


def test_compact_ignores_exposure_and_colour(empty_home):
    crop = faces(1)[0] // 2 + 60
    backend = load_backend(BACKENDS, "compact", "cpu")
    brighter = backend([(crop + 40).astype(np.uint8)])[0]
    assert flat(backend([crop])[0]) == pytest.approx(flat(brighter), abs=0.02)


def test_compact_is_small_and_its_card_true():
    from pipeline.models.cards import WEIGHTS, file_sha256, shipped_card, shipped_report

    path = WEIGHTS / "face_compact.onnx"
    card = shipped_card("face_compact")
    report = shipped_report("face_compact")
    assert path.stat().st_size <= 3_000_000
    assert card.sha256 == file_sha256(path)
    assert card.labels == EMOTIONS
    assert report is not None
    assert report.metrics["ferplus"]["accuracy"] > report.reference["ferplus"]["accuracy"]
    assert json.loads((WEIGHTS / "face_compact.report.json").read_text())["size_bytes"] == path.stat().st_size
