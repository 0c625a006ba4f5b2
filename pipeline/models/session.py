"""ONNX sessions that give the same bytes on every machine load."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import onnxruntime

from pipeline.models.cards import ModelError


def session(
    model: Path | bytes, weights: Mapping[str, onnxruntime.OrtValue] = MappingProxyType({})
) -> onnxruntime.InferenceSession:
    """A session on one CPU thread, from a file or from a serialised graph.

    These nets are too small to gain from more threads, and on one their sums keep their order. ``weights``
    are those constants, by name, that the graph says are outside of it; they have to live as long as the
    session.

    Raises:
        ModelError: the file is not a model.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if weights:
        options.add_external_initializers(list(weights), list(weights.values()))
    try:
        graph = model if isinstance(model, bytes) else str(model)
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a dozen classes without a common base
        name = "in memory" if isinstance(model, bytes) else model
        raise ModelError(
            f"the model file {name} cannot be read; delete it and run `emotion-pipeline models pull`"
        ) from error
