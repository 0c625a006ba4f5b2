"""Every format read back from its files and held against the original; what does not agree is refused."""

import csv

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from pipeline.labels import EMOTIONS
from pipeline.models.cards import CACHE_VARIABLE, WEIGHTS, ModelError, file_sha256
from pipeline.models.load import load_backend
from pipeline.records import read_record
from pipeline.text import backends as text_backends
from pipeline.train.examples import read_examples
from pipeline.train.export import run as exporting
from pipeline.train.export.compare import TOLERANCE, difference, require_agreement
from pipeline.train.export.formats import EXACT, FORMATS, INT8, read_onnx, write_onnx
from pipeline.train.export.graph import GraphNet, read_graph
from pipeline.train.export.info import INFO_FILE, ModelInfo
from pipeline.train.export.inputs import divided, made_crops, made_windows
from pipeline.train.export.int8 import Candidate, chosen
from pipeline.train.export.part import ExportError
from pipeline.train.export.run import export
from pipeline.train.export.subject import load_net
from tests.face.models import convnext_folder
from tests.text.checkpoints import tiny_text_model
from tests.voice.checkpoints import hubert_ch_weights, write_classifier, write_hubert_ch

LABELS = [*EMOTIONS]


@pytest.fixture(autouse=True)
def no_fetched_models(monkeypatch, tmp_path):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "models"))


def outspoken(folder, auto_class):
    """The same checkpoint with a head that tells inputs apart, as an untrained one hardly does."""
    model = auto_class.from_pretrained(folder)
    torch.manual_seed(3)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "classifier" in name and weight.dim() == 2:
                weight.copy_(torch.randn_like(weight))
    model.save_pretrained(folder)
    return folder


def face_folder(folder):
    from transformers import ConvNextForImageClassification

    return outspoken(convnext_folder(folder, LABELS), ConvNextForImageClassification)


def text_folder(folder):
    from transformers import BertConfig, BertForSequenceClassification, XLMRobertaForSequenceClassification

    outspoken(tiny_text_model(folder, LABELS), XLMRobertaForSequenceClassification)
    config = BertConfig(
        vocab_size=15, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        id2label=dict(enumerate(LABELS)), label2id={name: i for i, name in enumerate(LABELS)},
    )  # fmt: skip
    torch.manual_seed(0)
    BertForSequenceClassification(config).save_pretrained(folder)
    return outspoken(folder, BertForSequenceClassification)


def assert_whole(info, out, formats):
    assert read_record(out / INFO_FILE, ModelInfo) == info
    assert list(info.formats) == list(formats)
    for name in set(formats) & set(EXACT):
        assert info.formats[name].max_difference <= TOLERANCE
        assert info.formats[name].same_top == 1.0
    assert all(one.size_bytes > 0 and one.milliseconds > 0 for one in info.formats.values())
    files = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()} - {INFO_FILE}
    assert {name: file_sha256(out / name) for name in files} == info.sha256
    assert files >= {name for one in info.formats.values() for name in one.files}
    assert not list(out.parent.glob(".*"))


@pytest.mark.parametrize("modality", ["face", "voice"])
def test_our_models_in_every_format(modality, tmp_path):
    out = tmp_path / "out"
    info = export(modality, "compact", out)
    assert_whole(info, out, FORMATS)
    assert (out / "model.onnx").read_bytes() == (WEIGHTS / f"{modality}_compact.onnx").read_bytes()
    # The voice model keeps its large tables in 16 bits.
    assert info.formats[INT8].size_bytes < 0.65 * info.formats["onnx"].size_bytes
    assert info.formats["onnx"].opset == 17 if modality == "face" else info.formats["onnx"].opset >= 17
    assert next(one.name for one in info.model.inputs[""]) == {"face": "faces", "voice": "features"}[modality]


def test_our_text_model_is_a_graph_a_language_with_its_tables(tmp_path):
    out = tmp_path / "out"
    info = export("text", "compact", out, formats=tuple(EXACT))
    assert_whole(info, out, tuple(EXACT))
    assert set(info.model.inputs) == set(info.model.card.languages)
    assert "stay outside" in info.model.outside_the_graph
    with np.load(out / "vocabulary.npz") as tables:
        assert set(tables) == {
            f"{one}_{kind}_hashes" for one in info.model.inputs for kind in ("gram", "token")
        } | {"zh_pair_hashes"}
    alone = load_net(out / "pytorch", "en")  # needs nothing of the original
    with torch.inference_mode():
        logits = alone(torch.tensor([3, 5]), torch.tensor([0.5, 0.5]), torch.tensor([1, 7, 9]))
    assert float(logits.exp().sum()) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(
    ("modality", "make"),
    [("face", face_folder), pytest.param("text", text_folder, marks=pytest.mark.slow)],
)
def test_a_transformers_model_in_every_format(modality, make, tmp_path):
    out = tmp_path / "out"
    info = export(modality, str(make(tmp_path / "model")), out)
    assert_whole(info, out, FORMATS)
    assert "dynamo=True" in info.formats["onnx"].notes[0]
    sizes = {one.shape[0] for one in onnxruntime.InferenceSession(out / "model.onnx").get_inputs()}
    assert not any(isinstance(size, int) for size in sizes)


def test_a_text_model_s_folder_is_a_back_end(tmp_path):
    formats = ("pytorch", "torchscript")
    info = export("text", str(text_folder(tmp_path / "model")), tmp_path / "out", formats=formats)
    assert_whole(info, tmp_path / "out", formats)
    again = load_backend(text_backends.BACKENDS, str(tmp_path / "out" / "pytorch"), "cpu")
    (answer,) = again(["i am so glad"], ["en"])
    assert list(answer.native) == LABELS


def test_a_voice_checkpoint_and_hubert_with_its_own_head(tmp_path):
    from transformers import Wav2Vec2ForSequenceClassification

    folder = outspoken(write_classifier(tmp_path / "model", LABELS), Wav2Vec2ForSequenceClassification)
    write_hubert_ch(tmp_path / "models", hubert_ch_weights())
    for name in (str(folder), "hubert"):
        info = export("voice", name, tmp_path / "out", formats=("pytorch", "torchscript"))
        assert_whole(info, tmp_path / "out", ("pytorch", "torchscript"))
    assert "96000" in " ".join(info.model.preprocessing)


@pytest.mark.slow
def test_hubert_as_onnx_at_any_length(tmp_path):
    write_hubert_ch(tmp_path / "models", hubert_ch_weights())
    assert_whole(export("voice", "hubert", tmp_path / "out"), tmp_path / "out", FORMATS)
    folder = write_classifier(tmp_path / "model", LABELS)
    info = export("voice", str(folder), tmp_path / "out", formats=("onnx",))
    assert info.model.inputs[""][0].shape == ("n", "samples")
    assert "dynamo=True" in info.formats["onnx"].notes[0]


def test_with_data_accuracy_is_told_and_convolutions_are_calibrated(tmp_path):
    with (tmp_path / "faces.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["file", "emotion"])
        for i, crop in enumerate(made_crops()):
            cv2.imwrite(str(tmp_path / f"{i}.png"), crop)
            lines.writerow([f"{i}.png", LABELS[i % 7]])
    labelled = read_examples("face", tmp_path / "faces.csv")
    info = export("face", "compact", tmp_path / "out", formats=("onnx", INT8), labelled=labelled)
    assert info.inputs_compared == 7 and "1 others" in info.compared_on
    assert 0.0 <= info.original.accuracy <= 1.0
    assert info.formats["onnx"].accuracy == info.original.accuracy
    assert info.formats["onnx"].accuracy_lost == 0.0
    assert "static, calibrated" in {one.way for one in info.formats[INT8].candidates}


def test_a_damaged_export_is_caught_and_the_earlier_one_stays(tmp_path, monkeypatch):
    out = tmp_path / "out"
    export("voice", "compact", out, formats=("onnx",))
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def write_damaged(subject, folder):
        written = write_onnx(subject, folder)
        model = onnx.load(folder / "model.onnx")
        weight = next(one for one in model.graph.initializer if one.name == "gate.weight")
        weight.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(weight), weight.name))
        onnx.save(model, folder / "model.onnx")
        return written

    monkeypatch.setattr(exporting, "EXACT", {**EXACT, "onnx": (write_damaged, read_onnx)})
    with pytest.raises(ExportError, match=r"onnx export does not agree .* nothing was written"):
        export("voice", "compact", out, formats=("pytorch", "onnx"))
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("exported", "largest", "same"),
    [
        ([[0.9, 0.1], [0.2, 0.8]], 0.0, 1.0),
        ([[0.9, 0.1], [0.6, 0.4]], 0.4, 0.5),
        ([[0.9, 0.1], [np.nan, 0.8]], 1.0, 0.0),
        ([[0.9, 0.1]], 1.0, 0.0),
    ],
)
def test_difference(exported, largest, same):
    found = difference(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array(exported))
    assert found[0] == pytest.approx(largest) and found[2] == same


@pytest.mark.parametrize("largest", [1.1 * TOLERANCE, 1.0, float("nan")])
def test_what_differs_is_refused(largest):
    require_agreement("onnx", 0.9 * TOLERANCE)
    with pytest.raises(ExportError, match="torchscript export does not agree"):
        require_agreement("torchscript", largest)


def test_same_command_same_bytes(tmp_path):
    for name in ("one", "two"):
        export("face", "compact", tmp_path / name, formats=("pytorch", "onnx"))
    for file in ("model.onnx", "pytorch/graph.json", "pytorch/state.pt", "pytorch/card.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_model_of_another_package_is_not_exported(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.train.export.subject.load_named", lambda *_: object())
    with pytest.raises(ExportError, match="choose `compact`"):
        export("face", "deepface", tmp_path / "out")
    assert not list(tmp_path.iterdir())


def graph_of(nodes, constants, shape, opset=17):
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def node(kind, inputs, output="y", **attributes):
    return helper.make_node(kind, inputs.split(), [output], **attributes)


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        (
            [node("Conv", "x w", pads=[1, 0, 2, 1], strides=[2, 1])],
            {"w": np.ones((3, 2, 2, 3), np.float32)},
        ),
        ([node("Conv", "x w", group=2, dilations=[2, 2])], {"w": np.ones((2, 1, 2, 2), np.float32)}),
        ([node("MaxPool", "x", kernel_shape=[2, 3], strides=[2, 1], pads=[0, 1, 1, 1])], {}),
        (
            [node("Slice", "x s e a t")],
            {"s": np.array([-1]), "e": np.array([-99]), "a": np.array([3]), "t": np.array([-1])},
        ),
        (
            [node("Slice", "x s e a t")],
            {"s": np.array([1]), "e": np.array([5]), "a": np.array([2]), "t": np.array([2])},
        ),
        (
            [node("GlobalAveragePool", "x", "p"), node("Flatten", "p", "f"), node("Gemm", "f w b", transB=1)],
            {"w": np.ones((4, 2), np.float32), "b": np.arange(4, dtype=np.float32)},
        ),
        (
            [
                node("Shape", "x", "s", start=0, end=1),
                node("Concat", "s k", "z", axis=0),
                node("Expand", "v z"),
            ],
            {"k": np.array([3]), "v": np.array([[1.0, 2.0, 3.0]], np.float32)},
        ),
        ([node("Clip", "x lo hi")], {"lo": np.float32(-0.5), "hi": np.float32(0.5)}),
        ([node("ReduceMax", "x", axes=[1, 2], keepdims=0)], {}),
        ([node("Reshape", "x s", "r"), node("LogSoftmax", "r", axis=1)], {"s": np.array([0, -1])}),
        ([node("Unsqueeze", "x a", "u"), node("Transpose", "u", perm=[0, 4, 1, 2, 3])], {"a": np.array([1])}),
    ],
)
def test_a_rebuilt_graph_answers_as_onnxruntime_does(nodes, constants):
    content = graph_of(nodes, constants, ["n", 2, 6, 6]).SerializeToString()
    x = np.random.default_rng(0).normal(size=(3, 2, 6, 6)).astype(np.float32)
    (expected,) = onnxruntime.InferenceSession(content).run(None, {"x": x})
    found = GraphNet(*read_graph(content))(torch.from_numpy(x)).numpy()
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_graph_with_unknown_nodes_says_which(tmp_path):
    content = graph_of([node("Selu", "x")], {}, ["n", 2]).SerializeToString()
    with pytest.raises(ModelError, match="Selu"):
        GraphNet(*read_graph(content))


def test_the_way_kept_is_small_fast_and_agrees():
    ways = [
        Candidate("large", 90, 1.0, 0.0, 0.0, 1.0),
        Candidate("slow", 20, 9.0, 0.0, 0.0, 1.0),
        Candidate("wrong", 10, 1.0, 0.3, 0.1, 0.9),
        Candidate("good", 30, 1.0, 0.1, 0.01, 0.995),
    ]
    assert chosen(ways, 100, 1.0).way == "good"
    assert chosen(ways[:2], 100, 1.0).way == "slow"


def test_calibration_examples_are_not_compared(tmp_path):
    (tmp_path / "lines.csv").write_text("text,emotion\n" + "".join(f"line {i},sad\n" for i in range(50)))
    compared, calibration = divided(read_examples("text", tmp_path / "lines.csv"), 20)
    assert len(compared.examples) == 20 and len(calibration.examples) == 10
    assert not set(compared.examples) & set(calibration.examples)


def test_made_inputs_are_always_the_same():
    for make in (made_crops, made_windows):
        assert all(np.array_equal(a, b) for a, b in zip(make(), make(), strict=True))
