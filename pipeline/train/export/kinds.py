"""The kinds of ONNX nodes that our own graphs use, as torch operations.

An operation takes the node and its inputs and returns its output, as the ONNX operator reference says.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.models.cards import ModelError

# A value on the way through a graph: a tensor, or whole numbers (shapes, axes), which stay outside of tensors
# so that a batch size survives tracing.
Value = Any
Attribute = int | float | str | list[int]


@dataclass(frozen=True, slots=True)
class Node:
    """One operation; "" among ``inputs`` is an input that was left out. Most have one output."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


def _windowed(node: Node, dims: int) -> tuple[list[int], list[int], list[int], list[int]]:
    """Strides, dilations, and margins before and after."""
    of = node.attributes
    if of.get("auto_pad", "NOTSET") != "NOTSET":
        raise ModelError(f"a {node.kind} of the model pads by itself, which this version cannot rebuild")
    pads: Any = of.get("pads", [0] * 2 * dims)
    strides: Any = of.get("strides", [1] * dims)
    dilations: Any = of.get("dilations", [1] * dims)
    return strides, dilations, pads[:dims], pads[dims:]


def _margin(before: Sequence[int], after: Sequence[int]) -> list[int]:
    """As ``functional.pad`` wants it: last axis first."""
    return [one for pair in zip(reversed(before), reversed(after), strict=True) for one in pair]


def _conv(node: Node, given: list[Value]) -> Value:
    values, weight, bias = (*given, None)[:3]
    strides, dilations, before, after = _windowed(node, weight.dim() - 2)
    if before == after:
        margin = before
    else:
        values, margin = functional.pad(values, _margin(before, after)), [0] * len(before)
    run = (functional.conv1d, functional.conv2d)[weight.dim() - 3]
    groups: Any = node.attributes.get("group", 1)
    return run(values, weight, bias, strides, margin, dilations, groups)


def _max_pool(node: Node, given: list[Value]) -> Value:
    shape: Any = node.attributes["kernel_shape"]
    strides, dilations, before, after = _windowed(node, len(shape))
    values = functional.pad(given[0], _margin(before, after), value=float("-inf"))
    run = (functional.max_pool1d, functional.max_pool2d)[len(shape) - 1]
    return run(values, shape, strides, 0, dilations, bool(node.attributes.get("ceil_mode", 0)))


def _gemm(node: Node, given: list[Value]) -> Value:
    of: Any = node.attributes
    first = given[0].T if of.get("transA", 0) else given[0]
    second = given[1].T if of.get("transB", 0) else given[1]
    product = of.get("alpha", 1.0) * (first @ second)
    return product if len(given) < 3 else product + of.get("beta", 1.0) * given[2]


def _axes(node: Node, given: list[Value]) -> list[int] | None:
    axes: Any = given[1] if len(given) > 1 else node.attributes.get("axes")
    return [axes] if isinstance(axes, int) else axes


def _reduced(run: Callable[..., Tensor]) -> Callable[[Node, list[Value]], Value]:
    def act(node: Node, given: list[Value]) -> Value:
        axes = _axes(node, given)
        if axes is None:
            axes = list(range(given[0].dim()))
        return run(given[0], dim=axes, keepdim=bool(node.attributes.get("keepdims", 1)))

    return act


def _slice(node: Node, given: list[Value]) -> Value:
    values, starts, ends, axes, steps = (*given, None, None)[:5]
    axes = list(range(len(starts))) if axes is None else axes
    for axis, start, end, step in zip(axes, starts, ends, steps or [1] * len(starts), strict=True):
        if isinstance(values, list):
            values = values[start:end:step]
        elif step == -1 and start in (-1, values.shape[axis] - 1) and end < -values.shape[axis]:
            values = values.flip(axis)
        elif step > 0:
            whole = [slice(None)] * (axis % values.dim())
            values = values[(*whole, slice(start, end, step))]
        else:
            raise ModelError(
                f"the model's graph slices backwards by {step}, which cannot be rebuilt in torch"
            )
    return values


def _concat(node: Node, given: list[Value]) -> Value:
    if all(isinstance(one, list) for one in given):
        return [number for one in given for number in one]
    return torch.cat(given, dim=int(node.attributes["axis"]))  # type: ignore[arg-type]


def _split(node: Node, given: list[Value]) -> Value:
    if len(given) > 1:
        return torch.split(given[0], list(given[1]), dim=int(node.attributes.get("axis", 0)))  # type: ignore[arg-type]
    parts = int(node.attributes["num_outputs"])  # type: ignore[arg-type]
    return torch.chunk(given[0], parts, dim=int(node.attributes.get("axis", 0)))  # type: ignore[arg-type]


def _reshape(node: Node, given: list[Value]) -> Value:
    values, shape = given
    if not isinstance(values, Tensor):
        return values
    return values.reshape([values.shape[i] if size == 0 else size for i, size in enumerate(shape)])


def _expand(node: Node, given: list[Value]) -> Value:
    values, shape = given
    there = [1] * (len(shape) - values.dim()) + list(values.shape)
    return values.expand([old if new == 1 else new for old, new in zip(there, shape, strict=True)])


def _unsqueeze(node: Node, given: list[Value]) -> Value:
    values, axes = given[0], _axes(node, given) or []
    if isinstance(values, int):
        return [values]
    for axis in sorted(one % (values.dim() + len(axes)) for one in axes):
        values = values.unsqueeze(axis)
    return values


def _squeeze(node: Node, given: list[Value]) -> Value:
    axes = _axes(node, given)
    if isinstance(given[0], list):
        return given[0][0]
    if axes is None:
        return given[0].squeeze()
    values = given[0]
    for axis in sorted((one % values.dim() for one in axes), reverse=True):
        values = values.squeeze(axis)  # one by one: the tracing exporter knows no list of axes
    return values


def _gather(node: Node, given: list[Value]) -> Value:
    values, places = given
    if isinstance(values, list):
        return values[places] if isinstance(places, int) else [values[one] for one in places]
    if isinstance(places, int):
        return values.select(int(node.attributes.get("axis", 0)), places)  # type: ignore[arg-type]
    if node.attributes.get("axis", 0):
        raise ModelError("the model's graph gathers along a later axis, which cannot be rebuilt in torch")
    return values[torch.as_tensor(places)]


def _cast(node: Node, given: list[Value]) -> Value:
    if not isinstance(given[0], Tensor):
        return given[0]
    return given[0].to(_TYPES[int(node.attributes["to"])])  # type: ignore[arg-type]


def _shape(node: Node, given: list[Value]) -> Value:
    of: Any = node.attributes
    return list(given[0].shape)[of.get("start", 0) : of.get("end")]


def _clip(node: Node, given: list[Value]) -> Value:
    values, low, high = (*given, None, None)[:3]
    values = values if low is None else torch.maximum(values, low)
    return values if high is None else torch.minimum(values, high)


def _gru(node: Node, given: list[Value]) -> Value:
    """One way, from a zero state; ONNX has the update gate before the reset gate, torch after it."""
    of = node.attributes
    if len(given) > 4 or of.get("direction", "forward") != "forward" or not of.get("linear_before_reset", 0):
        raise ModelError("the model's graph has a GRU of a kind that cannot be rebuilt in torch")
    if torch.compiler.is_exporting():  # it would fix the number of steps in silence
        raise ModelError("torch.export cannot follow a GRU over any number of steps")
    values, weight, recurrent, bias = given
    inner, outer = bias[0].chunk(2)
    parts = []
    for one in (weight[0], recurrent[0], inner, outer):
        update, reset, new = one.chunk(3)
        parts.append(torch.cat([reset, update, new]))
    start = values.new_zeros(1, values.shape[1], recurrent.shape[2])
    return torch.gru(values, start, parts, True, 1, 0.0, False, False, False)[0].unsqueeze(1)


def _each(run: Callable[..., Tensor]) -> Callable[[Node, list[Value]], Value]:
    return lambda node, given: run(*given)


def _along(run: Callable[..., Tensor]) -> Callable[[Node, list[Value]], Value]:
    return lambda node, given: run(given[0], dim=node.attributes.get("axis", -1))


_TYPES = {
    1: torch.float32,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
    10: torch.float16,
    11: torch.float64,
}
KINDS: Mapping[str, Callable[[Node, list[Value]], Value]] = {
    "Add": _each(torch.add),
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "Div": _each(torch.div),
    "Erf": _each(torch.erf),
    "Exp": _each(torch.exp),
    "Expand": _expand,
    "Flatten": lambda node, given: given[0].flatten(node.attributes.get("axis", 1)),
    "Gather": _gather,
    "Gelu": lambda node, given: functional.gelu(
        given[0], approximate=str(node.attributes.get("approximate", "none"))
    ),
    "Gemm": _gemm,
    "GlobalAveragePool": lambda node, given: given[0].mean(list(range(2, given[0].dim())), keepdim=True),
    "GlobalMaxPool": lambda node, given: given[0].amax(list(range(2, given[0].dim())), keepdim=True),
    "GRU": _gru,
    "Identity": lambda node, given: given[0],
    "Log": _each(torch.log),
    "LogSoftmax": _along(torch.log_softmax),
    "MatMul": _each(torch.matmul),
    "MaxPool": _max_pool,
    "Mean": lambda node, given: torch.stack(torch.broadcast_tensors(*given)).mean(dim=0),
    "Mul": _each(torch.mul),
    "Neg": _each(torch.neg),
    "Pow": _each(torch.pow),
    "ReduceMax": _reduced(torch.amax),
    "ReduceMean": _reduced(torch.mean),
    "ReduceSum": _reduced(torch.sum),
    "Relu": _each(torch.relu),
    "Reshape": _reshape,
    "Shape": _shape,
    "Sigmoid": _each(torch.sigmoid),
    "Slice": _slice,
    "Split": _split,
    "Softmax": _along(torch.softmax),
    "Sqrt": _each(torch.sqrt),
    "Squeeze": _squeeze,
    "Sub": _each(torch.sub),
    "Tanh": _each(torch.tanh),
    "Transpose": lambda node, given: given[0].permute(node.attributes["perm"]),
    "Unsqueeze": _unsqueeze,
}
