"""Tiny models in the very form the real ones have, made with the libraries' own classes."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from pipeline.models.known import RemoteFile, known_for


def another_yunet(monkeypatch) -> Path:
    """Where a net in YuNet's form goes that is not the published one; the loader takes it for once."""
    known = known_for("yunet")
    made = replace(known, files=(RemoteFile(known.files[0].path),))  # without a digest known beforehand
    monkeypatch.setattr("pipeline.face.yunet.known_for", lambda name: made)
    made.home.mkdir(parents=True, exist_ok=True)
    return made.home / made.files[0].path


def deepface_net(path: Path, favourite: int, labels: int = 7, side_px: int = 48) -> Path:
    """DeepFace's interface, (n, 48, 48, 1) to probabilities (n, 7); brighter faces favour one output more."""
    weights = np.zeros((1, labels), np.float32)
    weights[0, favourite] = 0.02
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["output"], axis=-1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", side_px, side_px, 1])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", labels])],
        [numpy_helper.from_array(weights, "weights")],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def convnext_folder(folder: Path, labels: list[str], favourite: int | None = None) -> Path:
    """A ConvNeXt of a few hundred weights, saved as Transformers saves it."""
    from transformers import ConvNextConfig, ConvNextForImageClassification, ConvNextImageProcessorPil

    torch.manual_seed(0)
    config = ConvNextConfig(
        num_stages=2,
        hidden_sizes=[8, 16],
        depths=[1, 1],
        image_size=32,
        id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
    )
    model = ConvNextForImageClassification(config)
    if favourite is not None:
        with torch.no_grad():
            model.classifier.weight.zero_()
            model.classifier.bias.zero_()
            model.classifier.bias[favourite] = 3.0
    model.save_pretrained(folder)
    ConvNextImageProcessorPil(size={"shortest_edge": 32}).save_pretrained(folder)
    return folder


def rename_processor(folder: Path, name: str) -> None:
    """Say in the folder's preprocessor file that its processor is called ``name``."""
    path = folder / "preprocessor_config.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content.pop("feature_extractor_type", None)
    content["image_processor_type"] = name
    path.write_text(json.dumps(content), encoding="utf-8")


def yunet_net(path: Path, height: int | str, width: int | str, cells: int, hit: dict[str, object]) -> Path:
    """YuNet's interface with answers that do not depend on the picture: one face in a cell of stride 8."""
    outputs = []
    constants = []
    nodes = []
    for stride in (8, 16, 32):
        count = cells if stride == 8 else 1
        for kind, columns in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            name = f"{kind}_{stride}"
            value = np.zeros((1, count, columns), np.float32)
            if stride == 8:
                value[0, hit["cell"]] = hit[kind]
            constants.append(numpy_helper.from_array(value, f"{name}_value"))
            # Adding nought times the picture's mean keeps the input in use.
            nodes.append(helper.make_node("Add", [f"{name}_value", "nought"], [name]))
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, count, columns]))
    constants.append(numpy_helper.from_array(np.zeros((1, 1, 1), np.float32), "zero"))
    first = [
        helper.make_node("ReduceMean", ["input"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nought"]),
    ]
    graph = helper.make_graph(
        [*first, *nodes],
        "tiny",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, height, width])],
        outputs,
        constants,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


# Where the Face Landmarker's file is on this machine, whatever a test says about the cache later.
LANDMARKER = known_for("landmarks").home / known_for("landmarks").files[0].path


def put_landmarker() -> None:
    """Put the landmarker into the cache a test has chosen; the test is skipped where it was never fetched."""
    if not LANDMARKER.is_file():
        pytest.skip(f"the Face Landmarker is not in {LANDMARKER.parent}; see `emotion-pipeline models pull`")
    home = known_for("landmarks").home
    home.mkdir(parents=True, exist_ok=True)
    if not (home / LANDMARKER.name).exists():
        (home / LANDMARKER.name).symlink_to(LANDMARKER)
