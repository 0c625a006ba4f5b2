"""The graph of the speaker encoder CAM++ for onnxruntime, without its weights, which are fetched.

Wang et al. (2023), "CAM++: A fast and efficient network for speaker verification using context-aware
masking", Interspeech. Its segments of 200 frames are longer than our windows: the mean over a
segment is that over the window. Every weight is a constant kept outside of the graph, under the name it has
in the published file.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

MEL_BANDS = 80
EMBEDDING = 192
MAX_FRAMES = 200  # one segment of the context-aware mask
CHANNELS = 128  # of the bottleneck of a layer
GROWTH = 32  # channels a layer adds
BLOCKS = ((12, 1), (24, 2), (16, 2))  # layers, dilation
EXTERNAL = "weights"  # where the graph says its constants are; they are handed over when it is loaded
OPSET = 17


@dataclass
class _Graph:
    nodes: list[Any] = field(default_factory=list)
    outside: dict[str, tuple[int, ...]] = field(default_factory=dict)
    inside: dict[str, NDArray[Any]] = field(default_factory=dict)

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        from onnx import helper

        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def weight(self, name: str, *shape: int) -> str:
        self.outside[name] = shape
        return name

    def constant(self, name: str, values: NDArray[Any]) -> str:
        self.inside[name] = values
        return name

    def convolution(
        self, x: str, name: str, shape: tuple[int, ...], *, bias: bool = False, **how: Any
    ) -> str:
        weights = [self.weight(f"{name}.weight", *shape)]
        weights += [self.weight(f"{name}.bias", shape[0])] if bias else []
        return self.node("Conv", x, *weights, **how)

    def normalised(self, x: str, name: str, width: int) -> str:
        parts = ("weight", "bias", "running_mean", "running_var")
        return self.node("BatchNormalization", x, *(self.weight(f"{name}.{part}", width) for part in parts))

    def mean(self, x: str, keepdims: int) -> str:
        return self.node("ReduceMean", x, axes=[-1], keepdims=keepdims)


def _residual(graph: _Graph, x: str, name: str, step: int) -> str:
    """Two convolutions over (bands, time) beside a shortcut; ``step`` thins the bands."""
    width = (GROWTH, GROWTH, 3, 3)
    thinned: dict[str, Any] = {"pads": [1, 1, 1, 1], "strides": [step, 1]}
    y = graph.convolution(x, f"{name}.conv1", width, **thinned)
    y = graph.node("Relu", graph.normalised(y, f"{name}.bn1", GROWTH))
    y = graph.convolution(y, f"{name}.conv2", width, pads=[1, 1, 1, 1])
    y = graph.normalised(y, f"{name}.bn2", GROWTH)
    if step > 1:
        x = graph.convolution(x, f"{name}.shortcut.0", (GROWTH, GROWTH, 1, 1), strides=[step, 1])
        x = graph.normalised(x, f"{name}.shortcut.1", GROWTH)
    return graph.node("Relu", graph.node("Add", y, x))


def _head(graph: _Graph, x: str) -> tuple[str, int]:
    """From (n, 1, bands, time) to (n, channels, time)."""
    x = graph.convolution(x, "head.conv1", (GROWTH, 1, 3, 3), pads=[1, 1, 1, 1])
    x = graph.node("Relu", graph.normalised(x, "head.bn1", GROWTH))
    for layer in ("layer1", "layer2"):
        x = _residual(graph, x, f"head.{layer}.0", 2)
        x = _residual(graph, x, f"head.{layer}.1", 1)
    x = graph.convolution(x, "head.conv2", (GROWTH, GROWTH, 3, 3), pads=[1, 1, 1, 1], strides=[2, 1])
    x = graph.node("Relu", graph.normalised(x, "head.bn2", GROWTH))
    channels = GROWTH * MEL_BANDS // 8
    flat = graph.constant("flat", np.array([0, channels, -1]))
    return graph.node("Reshape", x, flat), channels


def _layer(graph: _Graph, x: str, name: str, channels: int, dilation: int) -> str:
    """One densely connected layer with its mask: what it adds to its input."""
    y = graph.node("Relu", graph.normalised(x, f"{name}.nonlinear1.batchnorm", channels))
    y = graph.convolution(y, f"{name}.linear1", (CHANNELS, channels, 1))
    y = graph.node("Relu", graph.normalised(y, f"{name}.nonlinear2.batchnorm", CHANNELS))
    mask = graph.node("Mul", graph.mean(y, 1), graph.constant("two", np.array(2, np.float32)))
    mask = graph.convolution(mask, f"{name}.cam_layer.linear1", (CHANNELS // 2, CHANNELS, 1), bias=True)
    mask = graph.node("Relu", mask)
    mask = graph.convolution(mask, f"{name}.cam_layer.linear2", (GROWTH, CHANNELS // 2, 1), bias=True)
    local: dict[str, Any] = {"pads": [dilation, dilation], "dilations": [dilation]}
    y = graph.convolution(y, f"{name}.cam_layer.linear_local", (GROWTH, CHANNELS, 3), **local)
    return graph.node("Mul", y, graph.node("Sigmoid", mask))


def _statistics(graph: _Graph, x: str) -> str:
    """Mean and deviation over time, (n, 2 * channels, 1)."""
    mean = graph.mean(x, 1)
    deviation = graph.node("Sub", x, mean)
    variance = graph.mean(graph.node("Mul", deviation, deviation), 1)
    count = graph.node(
        "Cast", graph.node("Gather", graph.node("Shape", x), graph.constant("last", np.array(2))), to=1
    )
    one = graph.constant("one", np.array(1, np.float32))
    unbiased = graph.node("Mul", variance, graph.node("Div", count, graph.node("Sub", count, one)))
    return graph.node("Concat", mean, graph.node("Sqrt", unbiased), axis=1)


def encoder_graph(projection: NDArray[np.float32]) -> bytes:
    """A serialised graph from ``mels`` (n, frames <= 200, 80) to ``vectors`` (n, d).

    The encoder's embeddings, brought to length one, times ``projection`` (192, d).
    """
    from onnx import TensorProto, helper, numpy_helper

    graph = _Graph()
    x = graph.node("Transpose", "mels", perm=[0, 2, 1])
    x = graph.node("Unsqueeze", x, graph.constant("channel", np.array([1])))
    x, channels = _head(graph, x)
    x = graph.convolution(x, "xvector.tdnn.linear", (CHANNELS, channels, 5), pads=[2, 2], strides=[2])
    x = graph.node("Relu", graph.normalised(x, "xvector.tdnn.nonlinear.batchnorm", CHANNELS))
    channels = CHANNELS
    for i, (layers, dilation) in enumerate(BLOCKS, start=1):
        for j in range(1, layers + 1):
            added = _layer(graph, x, f"xvector.block{i}.tdnnd{j}", channels, dilation)
            x = graph.node("Concat", x, added, axis=1)
            channels += GROWTH
        x = graph.node("Relu", graph.normalised(x, f"xvector.transit{i}.nonlinear.batchnorm", channels))
        x = graph.convolution(x, f"xvector.transit{i}.linear", (channels // 2, channels, 1))
        channels //= 2
    x = graph.node("Relu", graph.normalised(x, "xvector.out_nonlinear.batchnorm", channels))
    x = graph.convolution(_statistics(graph, x), "xvector.dense.linear", (EMBEDDING, 2 * channels, 1))
    ones, zeros = np.ones(EMBEDDING, np.float32), np.zeros(EMBEDDING, np.float32)
    x = graph.node(
        "BatchNormalization",
        *(x, graph.constant("ones", ones), graph.constant("zeros", zeros)),
        graph.weight("xvector.dense.nonlinear.batchnorm.running_mean", EMBEDDING),
        graph.weight("xvector.dense.nonlinear.batchnorm.running_var", EMBEDDING),
    )
    x = graph.node("Squeeze", x, graph.constant("time", np.array([2])))
    x = graph.node("LpNormalization", x, axis=1, p=2)
    weights = graph.constant("projection", projection)
    graph.nodes.append(helper.make_node("MatMul", [x, weights], ["vectors"]))
    constants = [numpy_helper.from_array(values, name) for name, values in graph.inside.items()]
    for name, shape in graph.outside.items():
        tensor = TensorProto(name=name, dims=shape, data_type=TensorProto.FLOAT)
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=EXTERNAL)
        constants.append(tensor)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "speaker_encoder",
            [helper.make_tensor_value_info("mels", TensorProto.FLOAT, ["n", "frames", MEL_BANDS])],
            [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["n", projection.shape[1]])],
            constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=9,
    )
    return bytes(model.SerializeToString())
