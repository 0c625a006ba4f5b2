"""Our own ONNX graphs as torch modules; a node kind that those graphs do not use is an error."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.models.cards import ModelError
from pipeline.train.export.kinds import KINDS, Attribute, Node, Value


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes in the order they run; ``constants`` name tensors, ``numbers`` are whole-number constants."""

    inputs: tuple[str, ...]
    output: str
    nodes: tuple[Node, ...]
    constants: tuple[str, ...]
    numbers: Mapping[str, int | list[int]]


class GraphNet(nn.Module):  # type: ignore[misc]
    """Runs a :class:`Graph`; its constants are buffers, named ``of_<initialiser>``."""

    def __init__(self, graph: Graph, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        unknown = sorted({node.kind for node in graph.nodes} - set(KINDS))
        if unknown:
            raise ModelError(
                f"the model's graph has nodes of kind {', '.join(unknown)}, which cannot be rebuilt "
                "in torch; ask for --formats onnx"
            )
        self.graph = graph
        for name in graph.constants:
            self.register_buffer(buffer_name(name), state[buffer_name(name)])

    def forward(self, *inputs: Tensor) -> Tensor:
        """The graph's one output, from its inputs in their order."""
        values: dict[str, Value] = {"": None, **self.graph.numbers}
        values |= {name: getattr(self, buffer_name(name)) for name in self.graph.constants}
        values |= dict(zip(self.graph.inputs, inputs, strict=True))
        for node in self.graph.nodes:
            made = KINDS[node.kind](node, [values[name] for name in node.inputs])
            several = made if isinstance(made, tuple) else (made,)
            values |= dict(zip(node.outputs, several, strict=True))
        return values[self.graph.output]


def buffer_name(initialiser: str) -> str:
    """A name torch accepts."""
    return "of_" + initialiser.replace(".", "__")


def read_graph(model: bytes) -> tuple[Graph, dict[str, Tensor]]:
    """A serialised ONNX model with one output, and the state that :class:`GraphNet` takes with it."""
    import onnx
    from onnx import helper, numpy_helper

    graph = onnx.load_from_string(model).graph
    arrays = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    nodes = []
    for node in graph.node:
        found = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        if node.op_type == "Constant":
            arrays[node.output[0]] = numpy_helper.to_array(found["value"])
        else:
            nodes.append(Node(node.op_type, tuple(node.input), outputs_of(node), _plain(found)))
    whole = {name: value for name, value in arrays.items() if value.dtype == np.int64 and value.ndim < 2}
    return (
        Graph(
            inputs=tuple(one.name for one in graph.input if one.name not in arrays),
            output=graph.output[0].name,
            nodes=tuple(nodes),
            constants=tuple(name for name in arrays if name not in whole),
            numbers={name: value.tolist() for name, value in whole.items()},
        ),
        {buffer_name(n): torch.from_numpy(v.copy()) for n, v in arrays.items() if n not in whole},
    )


def outputs_of(node: Any) -> tuple[str, ...]:
    """The outputs of a node that are given a name; those at the end may be left out."""
    return tuple(name for name in node.output if name)


def _plain(attributes: Mapping[str, Any]) -> dict[str, Attribute]:
    return {
        name: value.decode() if isinstance(value, bytes) else list(value) if np.ndim(value) else value
        for name, value in attributes.items()
    }
