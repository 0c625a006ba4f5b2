"""The recurrent part of the compact text model: vectors of tokens and pairs, a GRU either way, two poolings.

The vectors come from the training texts (see ``text_vectors``). Those of the tokens are trained on, those of
the pairs stay: there are too many pairs for the labels at hand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from pipeline.labels import EMOTIONS
from pipeline.text.featurise import pair_hashes, token_hashes, without_punctuation
from pipeline.train.text_net import PADDING, Rows, batches, class_weights, serialised
from pipeline.train.text_vectors import vectors

FIRST = 2  # rows before the first known one: padding, unknown
GAIN = 0.25  # of the vectors, which have unit variance
WARM_UP = 100  # steps
LARGEST_GRADIENT = 5.0
Hashes = npt.NDArray[np.uint32]
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RecurrentSettings:
    """``pairs`` is the size of the pairs' vectors, 0 without; a pair stands in ``min_pair_texts`` texts.

    ``token_levels`` and ``pair_levels`` are the steps either side of zero that the vectors are rounded to.
    """

    embedding: int
    pairs: int
    min_texts: int
    min_pair_texts: int
    window: int
    hidden: int
    input_dropout: float
    dropout: float
    epochs: int
    batch_size: int
    learning_rate: float
    smoothing: float
    balance: tuple[float, ...]  # per register; 0: class sizes as they are, 1: all classes weigh the same
    strip_share: float  # of the spoken lines read without punctuation, drawn anew each epoch
    token_levels: int = 127
    pair_levels: int = 127


@dataclass(frozen=True, slots=True)
class Tables:
    """Sorted hashes of the tokens and of the pairs that have a vector."""

    tokens: Hashes
    pairs: Hashes

    def ids(self, words: Sequence[str]) -> tuple[Ids, Ids]:
        """Rows of the tokens, (n,), and of the pair each one opens, (n,); the last opens none."""
        opened = np.full(len(words), PADDING, dtype=np.int64)
        opened[: max(len(words) - 1, 0)] = _ids(self.pairs, pair_hashes(words))
        return _ids(self.tokens, token_hashes(words)), opened


class RecurrentNet(nn.Module):  # type: ignore[misc]
    """One body, one head per register; ``forward`` gives logits (n, r, k)."""

    def __init__(self, start: npt.NDArray[np.float32], tables: Tables, settings: RecurrentSettings) -> None:
        super().__init__()
        self.settings = settings
        split = len(tables.tokens)
        self.embedding = _embedding(start[:split, : settings.embedding])
        self.pairs = _embedding(start[split:, : settings.pairs])
        self.pairs.weight.requires_grad_(False)
        size = settings.embedding + settings.pairs
        self.rightward = nn.GRU(size, settings.hidden, batch_first=True)
        self.leftward = nn.GRU(size, settings.hidden, batch_first=True)
        self.attention = nn.Linear(2 * settings.hidden, 1)
        self.dropout = nn.Dropout(settings.dropout)
        self.heads = nn.Linear(4 * settings.hidden, len(settings.balance) * len(EMOTIONS))

    def forward(self, tokens: torch.Tensor, pairs: torch.Tensor) -> torch.Tensor:
        """Rows (n, t) of tokens and pairs, padded on the right; padding does not count."""
        there = tokens != PADDING
        read = torch.cat([self.embedding(tokens), self.pairs(pairs)], dim=2)
        read = functional.dropout(read, self.settings.input_dropout, self.training) * there[:, :, None]
        # A text is turned round within its own length, so that neither way begins with padding.
        length, place = there.sum(dim=1, keepdim=True), torch.arange(tokens.shape[1])[None]
        turned = torch.where(place < length, length - 1 - place, place)[:, :, None]
        back = self.leftward(read.gather(1, turned.expand_as(read)))[0]
        both = torch.cat([self.rightward(read)[0], back.gather(1, turned.expand_as(back))], dim=2)
        both = functional.dropout(both, 0.3, self.training)
        out = (~there)[:, :, None] * -1e4
        attended = (both * torch.softmax(self.attention(both) + out, dim=1)).sum(dim=1)
        pooled = self.dropout(torch.cat([attended, (both + out).amax(dim=1)], dim=1))
        return torch.as_tensor(self.heads(pooled).reshape(len(tokens), -1, len(EMOTIONS)))


def train_recurrent(
    rows: Sequence[Rows], tables: Tables, settings: RecurrentSettings, seed: int
) -> RecurrentNet:
    """Vectors from the texts, then all registers at once, one register a batch."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    texts = [words for part in rows for words in part.words]
    wide = max(settings.embedding, settings.pairs)
    start = vectors(texts, tables.tokens, tables.pairs, dimensions=wide, window=settings.window, seed=seed)
    net = RecurrentNet(start, tables, settings)
    weights = [class_weights(p.labels, b) for p, b in zip(rows, settings.balance, strict=True)]
    trained = [one for one in net.parameters() if one.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=settings.learning_rate, weight_decay=0.01)
    steps = settings.epochs * len(batches(rows, settings.batch_size, np.random.default_rng(seed)))
    step = 0
    net.train()
    for epoch in range(settings.epochs):
        for register, chosen in batches(rows, settings.batch_size, rng):
            for group in optimiser.param_groups:
                warm = min(1.0, (step + 1) / WARM_UP)
                group["lr"] = settings.learning_rate * warm * (1 - step / steps)
            step += 1
            part = rows[register]
            strip = part.spoken & (rng.random(len(chosen)) < settings.strip_share)
            drawn = [
                (without_punctuation(part.words[i]) or part.words[i]) if bare else part.words[i]
                for i, bare in zip(chosen, strip, strict=True)
            ]
            loss = functional.cross_entropy(
                net(*padded(drawn, tables))[:, register],
                torch.from_numpy(part.labels[chosen]),
                weight=weights[register],
                label_smoothing=settings.smoothing,
            )
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(trained, LARGEST_GRADIENT)
            optimiser.step()
        print(f"  epoch {epoch + 1} of {settings.epochs}", flush=True)
    net.eval()
    return net


def recurrent_logits(
    net: RecurrentNet, texts: Sequence[Sequence[str]], tables: Tables
) -> npt.NDArray[np.float64]:
    """Logits of every head, shape ``(n, r, k)``."""
    order = np.argsort([len(words) for words in texts], kind="stable")
    found = np.zeros((len(texts), len(net.settings.balance), len(EMOTIONS)))
    with torch.inference_mode():
        for i in range(0, len(order), 256):
            chosen = order[i : i + 256]
            found[chosen] = net(*padded([texts[j] for j in chosen], tables)).numpy()
    return found


def padded(texts: Sequence[Sequence[str]], tables: Tables) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of tokens and pairs of several texts, padded on the right, (n, t) each; no tokens: one unknown."""
    rows = [tables.ids(words) if words else (np.ones(1, np.int64), np.zeros(1, np.int64)) for words in texts]
    shape = (len(rows), max(len(tokens) for tokens, _ in rows))
    filled = np.full((2, *shape), PADDING, dtype=np.int64)
    for i, (tokens, pairs) in enumerate(rows):
        filled[0, i, : len(tokens)], filled[1, i, : len(pairs)] = tokens, pairs
    first, second = torch.from_numpy(filled)
    return first, second


def quantise(embedding: nn.Embedding, levels: int) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Round to ``levels`` steps either side of zero per dimension, in the net too: it sees what ships.

    Few levels compress well. The scale is the one of a handful with the least squared error.
    """
    weight = embedding.weight.detach().numpy()
    highest = np.maximum(np.abs(weight).max(axis=0, initial=0.0), 1e-9)
    best = np.full(weight.shape[1], np.inf)
    scale = (highest / levels).astype(np.float32)
    for share in (1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2):
        tried = (highest * share / levels).astype(np.float32)
        error = np.square(np.clip(np.round(weight / tried), -levels, levels) * tried - weight).sum(axis=0)
        scale, best = np.where(error < best, tried, scale), np.minimum(error, best)
    rounded = np.clip(np.round(weight / scale), -levels, levels).astype(np.int8)
    with torch.no_grad():
        embedding.weight.copy_(torch.from_numpy(rounded * scale))
    return rounded, scale


def _embedding(start: npt.NDArray[np.float32]) -> nn.Embedding:
    rows = np.concatenate([np.zeros((FIRST, start.shape[1]), dtype=np.float32), start * np.float32(GAIN)])
    return nn.Embedding.from_pretrained(torch.from_numpy(rows), freeze=False, padding_idx=PADDING)


def _ids(table: Hashes, hashes: Hashes) -> Ids:
    if len(table) == 0:
        return np.full(len(hashes), PADDING, dtype=np.int64)
    places = np.minimum(np.searchsorted(table, hashes), len(table) - 1)
    return np.where(table[places] == hashes, places + FIRST, 1)


def recurrent_onnx(net: RecurrentNet) -> bytes:
    """The net after its embeddings: ``tokens`` (1, e + p, t) to ``logits`` (1, r * k), any t from 1 on."""
    from onnx import helper

    hidden = net.settings.hidden
    constants: dict[str, npt.NDArray[Any]] = {
        "begin": np.array([-1]),
        "end": np.array([-(2**31)]),
        "first": np.array([0]),
        "inner": np.array([1, 2]),
        "attention_w": _array(net.attention.weight).T.copy(),
        "attention_b": _array(net.attention.bias),
        "head_w": _array(net.heads.weight),
        "head_b": _array(net.heads.bias),
    }
    turn = ["begin", "end", "first", "begin"]  # starts, ends, axes and steps of a slice
    nodes = [
        helper.make_node("Transpose", ["tokens"], ["right_in"], perm=[2, 0, 1]),
        helper.make_node("Slice", ["right_in", *turn], ["left_in"]),
    ]
    for name, gru in (("right", net.rightward), ("left", net.leftward)):
        constants |= {
            f"{name}_w": _gates(gru.weight_ih_l0)[None],
            f"{name}_r": _gates(gru.weight_hh_l0)[None],
            f"{name}_b": np.concatenate([_gates(gru.bias_ih_l0), _gates(gru.bias_hh_l0)])[None],
        }
        given = [f"{name}_in", f"{name}_w", f"{name}_r", f"{name}_b"]
        nodes += [
            helper.make_node("GRU", given, [f"{name}_y"], hidden_size=hidden, linear_before_reset=1),
            helper.make_node("Squeeze", [f"{name}_y", "inner"], [f"{name}_h"]),
        ]
    nodes += [
        helper.make_node("Slice", ["left_h", *turn], ["left_back"]),
        helper.make_node("Concat", ["right_h", "left_back"], ["both"], axis=1),
        helper.make_node("MatMul", ["both", "attention_w"], ["asked"]),
        helper.make_node("Add", ["asked", "attention_b"], ["score"]),
        helper.make_node("Softmax", ["score"], ["share"], axis=0),
        helper.make_node("Mul", ["both", "share"], ["shared"]),
        helper.make_node("ReduceSum", ["shared", "first"], ["attended"], keepdims=1),
        helper.make_node("ReduceMax", ["both"], ["highest"], axes=[0], keepdims=1),
        helper.make_node("Concat", ["attended", "highest"], ["pooled"], axis=1),
        helper.make_node("Gemm", ["pooled", "head_w", "head_b"], ["logits"], transB=1),
    ]
    return serialised("text_recurrent", nodes, constants, net.settings.embedding + net.settings.pairs)


def _gates(parameter: object) -> npt.NDArray[np.float32]:
    """ONNX has the update gate before the reset gate, torch after it."""
    reset, update, new = np.split(_array(parameter), 3)
    return np.concatenate([update, reset, new])


def _array(parameter: object) -> npt.NDArray[np.float32]:
    assert isinstance(parameter, torch.Tensor)
    return np.ascontiguousarray(parameter.detach().numpy(), dtype=np.float32)
