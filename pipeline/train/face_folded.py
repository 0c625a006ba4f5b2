"""The compact face net read back from its ONNX file: batch normalisation stays folded in."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import numpy_helper
from torch import nn

from pipeline.models.cards import ModelError
from pipeline.train.face_net import FaceNet


def read_net(path: Path, dropout: float) -> FaceNet:
    """The net of a file that ``face_export.to_onnx`` wrote; what it adds to the logits goes into the head.

    Raises:
        ModelError: the file holds another architecture.
    """
    graph = onnx.load(path).graph
    constants = _constants(graph)
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    (head,) = [node for node in graph.node if node.op_type == "Gemm"]
    weight, bias = (constants[name] for name in head.input[1:3])
    added = constants[graph.node[-1].input[1]]
    net = without_norms(FaceNet(len(bias), dropout))
    layers = [layer for layer in net.body.modules() if isinstance(layer, nn.Conv2d)]
    try:
        with torch.no_grad():
            for layer, node in zip(layers, convolutions, strict=True):
                layer.weight.copy_(constants[node.input[1]].reshape(layer.weight.shape))
                layer.bias.copy_(constants[node.input[2]])
            net.head.weight.copy_(weight)
            net.head.bias.copy_(bias + added)
    except (ValueError, RuntimeError):
        raise ModelError(
            f"{path.name} was made by another version of the program; train from its own"
        ) from None
    return net


def without_norms(net: FaceNet) -> FaceNet:
    """The same net whose convolutions have a bias instead of a normalisation, and without its second head."""
    for parent in list(net.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.BatchNorm2d):
                setattr(parent, name, nn.Identity())
            elif isinstance(layer, nn.Conv2d) and layer.bias is None:
                layer.bias = nn.Parameter(torch.zeros(layer.out_channels))
    net.acted = nn.Identity()
    return net


def with_norms(folded: FaceNet, faces: torch.Tensor, dropout: float) -> FaceNet:
    """The same answers from a net that normalises again, which learns faster and at higher rates.

    Each normalisation starts with the mean and deviation of ``faces`` (n, 1, 48, 48) where it stands, and
    with the gain and shift that undo it.
    """
    net = FaceNet(folded.head.out_features, dropout)
    net.acted = nn.Identity()
    seen: dict[nn.Module, torch.Tensor] = {}
    before = [layer for layer in folded.body.modules() if isinstance(layer, nn.Conv2d)]
    hooks = [layer.register_forward_hook(lambda one, _, out: seen.update({one: out})) for layer in before]
    with torch.no_grad():
        folded.eval()(faces)
        for old, (new, norm) in zip(before, _normalised(net), strict=True):
            new.weight.copy_(old.weight)
            if norm is None:
                new.bias.copy_(old.bias)
                continue
            norm.running_mean.copy_(seen[old].mean((0, 2, 3)) - old.bias)
            norm.running_var.copy_(seen[old].var((0, 2, 3)))
            norm.weight.copy_((norm.running_var + norm.eps).sqrt())
            norm.bias.copy_(norm.running_mean + old.bias)
        net.head.load_state_dict(folded.head.state_dict())
    for hook in hooks:
        hook.remove()
    return net


def _normalised(net: FaceNet) -> list[tuple[nn.Conv2d, nn.BatchNorm2d | None]]:
    """Every convolution in order, with the normalisation after it."""
    layers = [layer for layer in net.body.modules() if isinstance(layer, nn.Conv2d | nn.BatchNorm2d)]
    return [
        (layer, after if isinstance(after, nn.BatchNorm2d) else None)
        for layer, after in zip(layers, [*layers[1:], None], strict=True)
        if isinstance(layer, nn.Conv2d)
    ]


def _constants(graph: Any) -> dict[str, torch.Tensor]:
    """Initial values by name, and by the name of the cast that brings one back to single precision."""
    values = {one.name: _tensor(numpy_helper.to_array(one)) for one in graph.initializer}
    return values | dict(_cast(graph, values))


def _cast(graph: Any, values: dict[str, torch.Tensor]) -> Iterator[tuple[str, torch.Tensor]]:
    for node in graph.node:
        if node.op_type == "Cast" and node.input[0] in values:
            yield node.output[0], values[node.input[0]]


def _tensor(value: npt.NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(np.array(value, np.float32))
