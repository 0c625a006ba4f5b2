"""The convolutional part of the compact text model: token embeddings, several widths, maximum over time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from pipeline.labels import EMOTIONS
from pipeline.text.featurise import token_hashes, without_punctuation

PADDING, UNKNOWN, FIRST = 0, 1, 2
SHARES = (1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2)  # of the largest value, where rounding may stop

Show = Callable[[int, int], None]  # epochs done, epochs in all


@dataclass(frozen=True, slots=True)
class NetSettings:
    embedding: int
    channels: int
    widths: tuple[int, ...]
    dropout: float
    epochs: int
    batch_size: int
    learning_rate: float
    smoothing: float
    balance: tuple[
        float, ...
    ]  # per register; 0 leaves class sizes as they are, 1 makes all classes weigh the same
    strip_share: float  # of the spoken training lines read without punctuation, drawn anew each epoch
    token_levels: int = 127  # steps either side of zero that the embedding is rounded to


@dataclass(frozen=True, slots=True)
class Rows:
    """Training rows of one register."""

    words: Sequence[list[str]]
    labels: npt.NDArray[np.int64]
    spoken: bool


class TextNet(nn.Module):  # type: ignore[misc]
    """One body, one head per register."""

    def __init__(self, vocabulary: int, settings: NetSettings, registers: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary + FIRST, settings.embedding, padding_idx=PADDING)
        nn.init.normal_(self.embedding.weight, 0.0, 0.1)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(settings.embedding, settings.channels, width) for width in settings.widths
        )
        self.dropout = nn.Dropout(settings.dropout)
        size = settings.channels * len(settings.widths)
        self.heads = nn.ModuleList(nn.Linear(size, len(EMOTIONS)) for _ in range(registers))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Ids ``(n, t)`` to pooled features ``(n, channels * widths)``; padding does not count."""
        there = (ids != PADDING)[:, None, :].float()
        embedded = functional.dropout(self.embedding(ids), 0.2, self.training) * there.transpose(1, 2)
        pooled = [
            (functional.relu(one(functional.pad(embedded.transpose(1, 2), margins(one)))) * there).amax(2)
            for one in self.convolutions
        ]
        return self.dropout(torch.cat(pooled, dim=1))


def margins(convolution: nn.Module) -> tuple[int, int]:
    """Zeros left and right that keep the number of positions."""
    width = int(convolution.kernel_size[0])
    return (width - 1) // 2, width // 2


def token_ids(words: Sequence[str], vocabulary: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
    """Row of each token in the embedding, shape ``(n,)``."""
    return rows_of(token_hashes(words), vocabulary)


def rows_of(hashes: npt.NDArray[np.uint32], table: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
    """Where each hash stands in a sorted table that is not empty, shape ``(n,)``; else ``UNKNOWN``."""
    places = np.minimum(np.searchsorted(table, hashes), len(table) - 1)
    return np.where(table[places] == hashes, places + FIRST, UNKNOWN)


def token_vocabulary(texts: Sequence[Sequence[str]], min_texts: int = 2) -> npt.NDArray[np.uint32]:
    """Sorted hashes of tokens in at least ``min_texts`` texts."""
    hashes, counts = np.unique(
        np.concatenate([np.unique(token_hashes(words)) for words in texts]), return_counts=True
    )
    return np.asarray(hashes[counts >= min_texts], dtype=np.uint32)


def texts_drawn(
    part: Rows, chosen: npt.NDArray[np.int64], strip_share: float, rng: np.random.Generator
) -> list[list[str]]:
    """The chosen texts of a register; of spoken ones a share, drawn anew, without punctuation."""
    strip = part.spoken & (rng.random(len(chosen)) < strip_share)
    return [
        (without_punctuation(part.words[i]) or part.words[i]) if bare else part.words[i]
        for i, bare in zip(chosen, strip, strict=True)
    ]


def _printed(done: int, total: int) -> None:
    print(f"  epoch {done} of {total}", flush=True)


def train_net(
    rows: Sequence[Rows],
    vocabulary: npt.NDArray[np.uint32],
    settings: NetSettings,
    seed: int,
    show: Show = _printed,
) -> TextNet:
    """Train on all registers at once, one register a batch."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = TextNet(len(vocabulary), settings, len(rows))
    weights = [class_weights(p.labels, b) for p, b in zip(rows, settings.balance, strict=True)]
    optimiser = torch.optim.AdamW(net.parameters(), lr=settings.learning_rate, weight_decay=0.01)
    for epoch in range(settings.epochs):
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * (1 - epoch / settings.epochs)
        net.train()
        for register, chosen in batches(rows, settings.batch_size, rng):
            part = rows[register]
            texts = texts_drawn(part, chosen, settings.strip_share, rng)
            logits = net.heads[register](net(pad_ids(texts, vocabulary)))
            truth = torch.from_numpy(part.labels[chosen])
            loss = functional.cross_entropy(
                logits, truth, weight=weights[register], label_smoothing=settings.smoothing
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        show(epoch + 1, settings.epochs)
    net.eval()
    return net


def logits_of(
    net: TextNet, texts: Sequence[Sequence[str]], vocabulary: npt.NDArray[np.uint32]
) -> npt.NDArray[np.float64]:
    """Logits of every head, shape ``(n, r, k)``."""
    parts = []
    with torch.inference_mode():
        for i in range(0, len(texts), 256):
            pooled = net(pad_ids(texts[i : i + 256], vocabulary))
            parts.append(torch.stack([head(pooled) for head in net.heads], dim=1))
    return np.asarray(torch.cat(parts).numpy(), dtype=np.float64)


def pad_ids(texts: Sequence[Sequence[str]], vocabulary: npt.NDArray[np.uint32]) -> torch.Tensor:
    """Ids of several texts, padded to the longest, shape ``(n, t)``."""
    rows = [token_ids(words, vocabulary) for words in texts]
    padded = np.full((len(rows), max(1, *(len(row) for row in rows))), PADDING, dtype=np.int64)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row
    return torch.from_numpy(padded)


def quantise(
    embedding: nn.Embedding, levels: int, shares: Sequence[float] = SHARES
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Round to ``levels`` steps either side of zero per dimension, in the net too: it sees what ships.

    Few levels compress well. The highest step stands for the one of ``shares`` of the largest value that has
    the least squared error.
    """
    weight = embedding.weight.detach().numpy()
    highest = np.maximum(np.abs(weight).max(axis=0, initial=0.0), 1e-9)
    best = np.full(weight.shape[1], np.inf)
    scale = (highest / levels).astype(np.float32)
    for share in shares:
        tried = (highest * share / levels).astype(np.float32)
        error = np.square(np.clip(np.round(weight / tried), -levels, levels) * tried - weight).sum(axis=0)
        scale, best = np.where(error < best, tried, scale), np.minimum(error, best)
    rounded = np.clip(np.round(weight / scale), -levels, levels).astype(np.int8)
    with torch.no_grad():
        embedding.weight.copy_(torch.from_numpy(rounded * scale))
    return rounded, scale


def to_onnx(net: TextNet) -> bytes:
    """The net after its embedding: ``tokens`` (1, e, t) to ``logits`` (1, r * k), any t from 1 on."""
    from onnx import helper

    constants: dict[str, npt.NDArray[np.float32]] = {}
    nodes = []
    for i, one in enumerate(net.convolutions):
        constants |= {f"w{i}": _array(one.weight), f"b{i}": _array(one.bias)}
        pads = list(margins(one))
        nodes.append(helper.make_node("Conv", ["tokens", f"w{i}", f"b{i}"], [f"c{i}"], pads=pads))
        nodes.append(helper.make_node("Relu", [f"c{i}"], [f"r{i}"]))
        nodes.append(helper.make_node("GlobalMaxPool", [f"r{i}"], [f"m{i}"]))
    pooled = [f"m{i}" for i in range(len(net.convolutions))]
    nodes.append(helper.make_node("Concat", pooled, ["pooled"], axis=1))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["flat"], axis=1))
    constants["head_w"] = np.concatenate([_array(head.weight) for head in net.heads])
    constants["head_b"] = np.concatenate([_array(head.bias) for head in net.heads])
    nodes.append(helper.make_node("Gemm", ["flat", "head_w", "head_b"], ["logits"], transB=1))
    sizes = (net.embedding.embedding_dim, len(constants["head_b"]))
    return serialised("text_convolution", nodes, constants, sizes)


def serialised(
    name: str,
    nodes: Sequence[Any],
    constants: Mapping[str, npt.NDArray[Any]],
    sizes: tuple[int, int],
    *,
    halved: bool = False,
) -> bytes:
    """A checked ONNX file of ``tokens`` (1, sizes[0], t) to ``logits`` (1, sizes[1]).

    ``halved`` stores matrices in 16 bits; they are widened when the file is loaded.
    """
    from onnx import TensorProto, checker, helper, numpy_helper

    stored: dict[str, npt.NDArray[Any]] = {}
    widened = []
    for key, value in constants.items():
        if halved and value.dtype == np.float32 and value.ndim > 1:
            stored[f"{key}_16"] = value.astype(np.float16)
            widened.append(helper.make_node("Cast", [f"{key}_16"], [key], to=TensorProto.FLOAT))
        else:
            stored[key] = value
    graph = helper.make_graph(
        [*widened, *nodes],
        name,
        [helper.make_tensor_value_info("tokens", TensorProto.FLOAT, [1, sizes[0], "t"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, sizes[1]])],
        [numpy_helper.from_array(value, key) for key, value in stored.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def class_weights(labels: npt.NDArray[np.int64], balance: float) -> torch.Tensor:
    """Weight of each emotion, shape ``(k,)``, 1 on average over the rows."""
    counts = np.bincount(labels, minlength=len(EMOTIONS))
    weights = (len(labels) / np.maximum(counts, 1)) ** balance * (counts > 0)
    return torch.from_numpy(weights * len(labels) / (weights * counts).sum()).float()


def _array(parameter: object) -> npt.NDArray[np.float32]:
    assert isinstance(parameter, torch.Tensor)
    return np.ascontiguousarray(parameter.detach().numpy(), dtype=np.float32)


def batches(
    rows: Sequence[Rows], size: int, rng: np.random.Generator
) -> list[tuple[int, npt.NDArray[np.int64]]]:
    """Batches of texts of about the same length, in random order."""
    found = []
    for register, part in enumerate(rows):
        lengths = np.array([len(words) for words in part.words]) + rng.random(len(part.words)) * 10
        order = np.argsort(lengths, kind="stable")
        found += [(register, order[i : i + size]) for i in range(0, len(order), size)]
    return [found[i] for i in rng.permutation(len(found))]
