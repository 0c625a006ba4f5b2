"""ONNX sessions that give the same bytes on every machine load."""

from pathlib import Path

import onnxruntime

from pipeline.models.cards import ModelError


def session(path: Path) -> onnxruntime.InferenceSession:
    """A session on one CPU thread: these nets are too small to gain from more, and sums keep their order.

    Raises:
        ModelError: the file is not a model.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a dozen classes without a common base
        raise ModelError(
            f"the model file {path} cannot be read; delete it and run `emotion-pipeline models pull`"
        ) from error
