"""ONNX sessions that give the same bytes on every machine load."""

from pathlib import Path

import onnxruntime

from pipeline.models.cards import ModelError


def session(model: Path | bytes) -> onnxruntime.InferenceSession:
    """A session on one CPU thread, from a file or from a serialised graph.

    These nets are too small to gain from more threads, and on one their sums keep their order.

    Raises:
        ModelError: the file is not a model.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        graph = model if isinstance(model, bytes) else str(model)
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a dozen classes without a common base
        name = "in memory" if isinstance(model, bytes) else model
        raise ModelError(
            f"the model file {name} cannot be read; delete it and run `emotion-pipeline models pull`"
        ) from error
