"""8-bit weights: the ways onnxruntime offers, and which of them to keep."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.train.export.formats import ONNX_SUFFIX, STEM, tracing, write_onnx
from pipeline.train.export.part import Feed, Subject

INT8_SUFFIX = ".int8.onnx"
STATIC = "static, calibrated"
# A way is passed over, unless all are, when its files are larger than this share of the unquantised graphs:
# it left most weights as they are ...
LARGER = 0.6
# ... or when it is this much slower than these ...
SLOWER = 1.5
# ... or when it gives the original's answer this much less often than the best way.
AGREES_LESS = 0.01
MATRICES = ("MatMul", "Gemm")
CALIBRATED = (*MATRICES, "Conv")
DYNAMIC: Mapping[str, tuple[str, ...]] = {
    "dynamic, matrices": MATRICES,
    "dynamic, matrices and embeddings": (*MATRICES, "Gather"),
    "dynamic, matrices and convolutions": (*MATRICES, "Conv"),
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way of quantising, measured."""

    way: str
    size_bytes: int
    milliseconds: float
    max_difference: float
    mean_difference: float
    same_top: float


def plain_graphs(subject: Subject, folder: Path) -> None:
    """The model as ONNX in ``folder``, constants folded, so that weights stand where the quantiser looks."""
    write_onnx(subject, folder)
    for part in subject.parts:
        _prepare(folder / part.file(STEM, ONNX_SUFFIX))


def ways(subject: Subject, plain: Path, calibrated: bool) -> dict[str, tuple[str, ...]]:
    """Ways that find something to quantise, and the kinds of nodes each takes."""
    import onnx

    kinds = {
        node.op_type
        for part in subject.parts
        for node in onnx.load(plain / part.file(STEM, ONNX_SUFFIX)).graph.node
    }
    found = {way: types for way, types in DYNAMIC.items() if kinds & set(types[len(MATRICES) :] or types)}
    if calibrated and kinds & set(CALIBRATED):
        found[STATIC] = CALIBRATED
    return found


def quantised(
    subject: Subject, plain: Path, way: str, types: Sequence[str], feeds: Mapping[str, Sequence[Feed]]
) -> Path:
    """A folder below ``plain`` with the files one way makes."""
    made = plain / str(len(list(plain.iterdir())))
    made.mkdir()
    for part in subject.parts:
        source, target = plain / part.file(STEM, ONNX_SUFFIX), made / part.file(STEM, INT8_SUFFIX)
        _quantise(source, target, types, feeds.get(part.name, ()) if way == STATIC else ())
    return made


def chosen(measured: Sequence[Candidate], plain_bytes: int, plain_milliseconds: float) -> Candidate:
    """The smallest files among the ways that are not slow and agree with the original as well as the best."""
    small = [one for one in measured if one.size_bytes <= LARGER * plain_bytes] or list(measured)
    fast = [one for one in small if one.milliseconds <= SLOWER * plain_milliseconds] or small
    best = max(one.same_top for one in fast)
    near = [one for one in fast if one.same_top >= best - AGREES_LESS]
    return min(near, key=lambda one: (one.size_bytes, one.mean_difference))


def _prepare(path: Path) -> None:
    """Fold constants (16-bit weights among them), so that weights stand where the quantiser looks."""
    import onnx
    from onnxruntime.quantization.shape_inference import quant_pre_process

    ready = path.with_suffix(".ready")
    with tracing():
        quant_pre_process(str(path), str(ready), skip_symbolic_shape=True, skip_onnx_shape=False)
    model = onnx.load(ready)
    # The quantiser turns weights round without the shapes noted for them, and then stumbles over these.
    del model.graph.value_info[:]
    onnx.save(model, path)
    ready.unlink()


def _quantise(source: Path, target: Path, types: Sequence[str], feeds: Sequence[Feed]) -> None:
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static

    graph = onnx.load(source).graph
    stacked = {one.name for one in graph.initializer if len(one.dims) > 2}
    matrices = [node for node in graph.node if node.op_type in MATRICES]
    # onnxruntime does not run stacks of matrices with a scale a channel.
    per_channel = not any(stacked & set(node.input) for node in matrices)
    if not feeds:
        quantize_dynamic(
            str(source), str(target), op_types_to_quantize=list(types), per_channel=per_channel,
            weight_type=QuantType.QInt8,
        )  # fmt: skip
        return
    quantize_static(
        str(source), str(target), _Feeds(feeds), quant_format=QuantFormat.QDQ, per_channel=per_channel,
        op_types_to_quantize=list(types), weight_type=QuantType.QInt8, activation_type=QuantType.QUInt8,
    )  # fmt: skip


class _Feeds:
    """What onnxruntime calls a calibration data reader."""

    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._left = iter(feeds)

    def get_next(self) -> dict[str, Any] | None:
        """The next input, None at the end."""
        feed = next(self._left, None)
        return None if feed is None else dict(feed)
