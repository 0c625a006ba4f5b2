"""The recurrent part of the compact text model: vectors of tokens and pairs, a GRU either way, two poolings.

The vectors come from the training texts (see ``text_vectors``). Those of the tokens are trained on; those of
the pairs are too many for a GRU and the labels at hand: they stay, or learn from an averaging net alone (see
``text_means``). Before it sees a label, the net guesses the next token (see ``text_language_model``). Several
readers may share the vectors: each learns from a loss of its own, the answer is the mean of their logits.
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
from pipeline.train.text_descent import descend, learning_rate_at
from pipeline.train.text_language_model import LanguageModelSettings, pretrain
from pipeline.train.text_means import MeansNet
from pipeline.train.text_net import FIRST, PADDING, Rows, batches, class_weights, serialised, texts_drawn
from pipeline.train.text_tables import Tables, hide_tokens, padded, turned
from pipeline.train.text_vectors import vectors

GAIN = 0.25  # of the vectors, which have unit variance


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
    readers: int = 1
    means: int = 0  # hidden units of the averaging net that trains the pairs' vectors, 0 without
    token_dropout: float = 0.0  # of the tokens of a text made unknown, drawn anew each time
    language_model: LanguageModelSettings | None = None
    token_levels: int = 127
    pair_levels: int = 127


class Reader(nn.Module):  # type: ignore[misc]
    """Two GRUs, attention and maximum over their states, one head per register; gives logits (n, r * k)."""

    def __init__(self, size: int, settings: RecurrentSettings) -> None:
        super().__init__()
        self.rightward = nn.GRU(size, settings.hidden, batch_first=True)
        self.leftward = nn.GRU(size, settings.hidden, batch_first=True)
        self.attention = nn.Linear(2 * settings.hidden, 1)
        self.dropout = nn.Dropout(settings.dropout)
        self.heads = nn.Linear(4 * settings.hidden, len(settings.balance) * len(EMOTIONS))

    def forward(self, read: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
        turn = turned(there)[:, :, None]
        back = self.leftward(read.gather(1, turn.expand_as(read)))[0]
        both = torch.cat([self.rightward(read)[0], back.gather(1, turn.expand_as(back))], dim=2)
        both = functional.dropout(both, 0.3, self.training)
        out = (~there)[:, :, None] * -1e4
        attended = (both * torch.softmax(self.attention(both) + out, dim=1)).sum(dim=1)
        pooled = self.dropout(torch.cat([attended, (both + out).amax(dim=1)], dim=1))
        return torch.as_tensor(self.heads(pooled))


class RecurrentNet(nn.Module):  # type: ignore[misc]
    """One body, one head per register; ``forward`` gives logits (n, r, k)."""

    def __init__(self, start: npt.NDArray[np.float32], tables: Tables, settings: RecurrentSettings) -> None:
        super().__init__()
        self.settings = settings
        split = len(tables.tokens)
        self.embedding = _embedding(start[:split, : settings.embedding])
        self.pairs = _embedding(start[split:, : settings.pairs])
        self.pairs.weight.requires_grad_(settings.means > 0)
        size = settings.embedding + settings.pairs
        self.readers = nn.ModuleList(Reader(size, settings) for _ in range(settings.readers))
        outputs = len(settings.balance) * len(EMOTIONS)
        self.means = MeansNet(size, settings.means, outputs, settings.dropout) if settings.means else None

    def forward(self, tokens: torch.Tensor, pairs: torch.Tensor) -> torch.Tensor:
        """Rows (n, t) of tokens and pairs, padded on the right; padding does not count."""
        said = self._by_readers(self.embedding(tokens), self.pairs(pairs), tokens != PADDING)
        return torch.stack(said).mean(dim=0)

    def each(self, tokens: torch.Tensor, pairs: torch.Tensor) -> list[torch.Tensor]:
        """Logits (n, r, k) of every reader, and of the averaging net where there is one."""
        there = tokens != PADDING
        single, double = self.embedding(tokens), self.pairs(pairs)
        said = self._by_readers(single, double.detach(), there)
        if self.means is not None:
            read = torch.cat([single, double], dim=2)
            said.append(_by_register(self.means(self._dropped(read, there), there)))
        return said

    def _by_readers(
        self, single: torch.Tensor, double: torch.Tensor, there: torch.Tensor
    ) -> list[torch.Tensor]:
        read = torch.cat([single, double], dim=2)
        return [_by_register(reader(self._dropped(read, there), there)) for reader in self.readers]

    def _dropped(self, read: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
        return functional.dropout(read, self.settings.input_dropout, self.training) * there[:, :, None]


def _by_register(logits: torch.Tensor) -> torch.Tensor:
    return logits.reshape(len(logits), -1, len(EMOTIONS))


def train_recurrent(
    rows: Sequence[Rows], tables: Tables, settings: RecurrentSettings, seed: int
) -> RecurrentNet:
    """Vectors and a language model from the texts, then all registers at once, one register a batch."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    texts = [words for part in rows for words in part.words]
    wide = max(settings.embedding, settings.pairs)
    start = vectors(texts, tables.tokens, tables.pairs, dimensions=wide, window=settings.window, seed=seed)
    net = RecurrentNet(start, tables, settings)
    if settings.language_model is not None:
        first = net.readers[0]
        ids = [tables.ids(words) for words in texts]
        ways = (first.rightward, first.leftward)
        pretrain((net.embedding, net.pairs), ways, ids, settings.language_model, seed)
        for other in net.readers[1:]:
            other.rightward.load_state_dict(first.rightward.state_dict())
            other.leftward.load_state_dict(first.leftward.state_dict())
    weights = [class_weights(p.labels, b) for p, b in zip(rows, settings.balance, strict=True)]
    trained = [one for one in net.parameters() if one.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=settings.learning_rate, weight_decay=0.01)
    steps = settings.epochs * len(batches(rows, settings.batch_size, np.random.default_rng(seed)))
    step = 0
    net.train()
    for epoch in range(settings.epochs):
        for register, chosen in batches(rows, settings.batch_size, rng):
            part = rows[register]
            drawn = texts_drawn(part, chosen, settings.strip_share, rng)
            truth = torch.from_numpy(part.labels[chosen])
            losses = [
                functional.cross_entropy(
                    logits[:, register], truth, weight=weights[register], label_smoothing=settings.smoothing
                )
                for logits in net.each(*hide_tokens(*padded(drawn, tables), settings.token_dropout, rng))
            ]
            rate = learning_rate_at(step, steps, settings.learning_rate)
            descend(torch.stack(losses).sum(), optimiser, rate)
            step += 1
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


def _embedding(start: npt.NDArray[np.float32]) -> nn.Embedding:
    rows = np.concatenate([np.zeros((FIRST, start.shape[1]), dtype=np.float32), start * np.float32(GAIN)])
    return nn.Embedding.from_pretrained(torch.from_numpy(rows), freeze=False, padding_idx=PADDING)


def recurrent_onnx(net: RecurrentNet) -> bytes:
    """The net after its embeddings: ``tokens`` (1, e + p, t) to ``logits`` (1, r * k), any t from 1 on."""
    from onnx import helper

    constants: dict[str, npt.NDArray[Any]] = {
        "begin": np.array([-1]),
        "end": np.array([-(2**31)]),
        "first": np.array([0]),
        "inner": np.array([1, 2]),
    }
    turn = ["begin", "end", "first", "begin"]  # starts, ends, axes and steps of a slice
    nodes = [
        helper.make_node("Transpose", ["tokens"], ["right_in"], perm=[2, 0, 1]),
        helper.make_node("Slice", ["right_in", *turn], ["left_in"]),
    ]
    heads = [f"logits_{i}" for i in range(len(net.readers))]
    for i, reader in enumerate(net.readers):
        more, weights = _reader_graph(reader, f"_{i}", turn)
        nodes += more
        constants |= weights
    nodes.append(helper.make_node("Mean", heads, ["logits"]))
    settings = net.settings
    outputs = len(settings.balance) * len(EMOTIONS)
    return serialised(
        "text_recurrent", nodes, constants, (settings.embedding + settings.pairs, outputs), halved=True
    )


def _reader_graph(
    reader: nn.Module, end: str, turn: Sequence[str]
) -> tuple[list[Any], dict[str, npt.NDArray[np.float32]]]:
    """From ``right_in`` and ``left_in`` (t, 1, e + p) to ``logits`` with ``end``, as all other names."""
    from onnx import helper

    constants = {
        "attention_w": _array(reader.attention.weight).T.copy(),
        "attention_b": _array(reader.attention.bias),
        "head_w": _array(reader.heads.weight),
        "head_b": _array(reader.heads.bias),
    }
    steps: list[tuple[str, list[str], str, dict[str, Any]]] = []
    for name, gru in (("right", reader.rightward), ("left", reader.leftward)):
        constants |= {
            f"{name}_w": _gates(gru.weight_ih_l0)[None],
            f"{name}_r": _gates(gru.weight_hh_l0)[None],
            f"{name}_b": np.concatenate([_gates(gru.bias_ih_l0), _gates(gru.bias_hh_l0)])[None],
        }
        given = [f"{name}_in", f"{name}_w", f"{name}_r", f"{name}_b"]
        steps += [
            ("GRU", given, f"{name}_y", {"hidden_size": gru.hidden_size, "linear_before_reset": 1}),
            ("Squeeze", [f"{name}_y", "inner"], f"{name}_h", {}),
        ]
    steps += [
        ("Slice", ["left_h", *turn], "left_back", {}),
        ("Concat", ["right_h", "left_back"], "both", {"axis": 1}),
        ("MatMul", ["both", "attention_w"], "asked", {}),
        ("Add", ["asked", "attention_b"], "score", {}),
        ("Softmax", ["score"], "share", {"axis": 0}),
        ("Mul", ["both", "share"], "shared", {}),
        ("ReduceSum", ["shared", "first"], "attended", {"keepdims": 1}),
        ("ReduceMax", ["both"], "highest", {"axes": [0], "keepdims": 1}),
        ("Concat", ["attended", "highest"], "pooled", {"axis": 1}),
        ("Gemm", ["pooled", "head_w", "head_b"], "logits", {"transB": 1}),
    ]
    common = {*turn, "inner", "right_in", "left_in"}
    nodes = [
        helper.make_node(
            kind, [name if name in common else name + end for name in given], [made + end], **options
        )
        for kind, given, made, options in steps
    ]
    return nodes, {name + end: value for name, value in constants.items()}


def _gates(parameter: object) -> npt.NDArray[np.float32]:
    """ONNX has the update gate before the reset gate, torch after it."""
    reset, update, new = np.split(_array(parameter), 3)
    return np.concatenate([update, reset, new])


def _array(parameter: object) -> npt.NDArray[np.float32]:
    assert isinstance(parameter, torch.Tensor)
    return np.ascontiguousarray(parameter.detach().numpy(), dtype=np.float32)
