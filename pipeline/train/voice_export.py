"""Writes the compact voice network as ONNX, its large tables in half precision."""

import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from pipeline.train.voice_fit import HALVED_FROM
from pipeline.train.voice_net import VoiceNet
from pipeline.voice.features import FEATURE_NAMES


def export(net: VoiceNet, path: Path) -> None:
    """Write the network as ONNX; any number of windows at a time."""
    width = len(FEATURE_NAMES)
    example = (torch.zeros(2, width), torch.zeros(width), torch.ones(width), torch.zeros(2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            example,
            str(path),
            input_names=["features", "mean", "spread", "trust"],
            output_names=["logits"],
            dynamic_shapes={
                "features": {0: torch.export.Dim("windows")},
                "mean": None,
                "spread": None,
                "trust": None,
            },
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    model = onnx.load(str(path))
    without_traces(model)
    halve(model)
    onnx.save(model, str(path))


def without_traces(model: onnx.ModelProto) -> None:
    """Take out where on this machine each of its nodes comes from."""
    for one in (*model.graph.node, *model.graph.value_info, model.graph, model):
        if hasattr(one, "metadata_props"):
            del one.metadata_props[:]
        if hasattr(one, "doc_string"):
            one.doc_string = ""


def halve(model: onnx.ModelProto) -> None:
    """Store large tables in half precision, cast back as the model is loaded.

    ``voice_fit.fit`` leaves no figure in the parameters that does not fit; convolutions into which a
    normalisation was folded lose up to 2^-11 of each weight.
    """
    casts = []
    for table in model.graph.initializer:
        values = numpy_helper.to_array(table)
        if values.dtype != np.float32 or values.size < HALVED_FROM:
            continue
        name = table.name
        table.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [table.name], [name], f"{name}.cast", to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
