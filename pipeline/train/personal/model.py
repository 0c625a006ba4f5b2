"""A personalised voice model as a model folder: what was learned becomes part of the network that is run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.labels import EMOTIONS
from pipeline.media.audio import SAMPLE_RATE_HZ
from pipeline.models.cards import TRAINED_STEM, ModelError, file_sha256, shipped_weights, trained_model
from pipeline.models.load import is_folder
from pipeline.records import CARD_FILE, write_record
from pipeline.train.personal.learn import Clips, Personal
from pipeline.types import ModelCard
from pipeline.voice.backends import BACKENDS
from pipeline.voice.compact import PIECE_S, CompactBackend, Voice, hear_pieces, load
from pipeline.voice.features import FEATURE_NAMES, statistics

Samples = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

LONGEST_PIECE_S = 2 * PIECE_S
LOWEST = -9.0  # log-probabilities under it count as it: an emotion the network rules out says no more
Z_LIMIT = 4.0
SPREAD_FLOOR = 1e-3
# A picture of the window, where the features end with one, is too much to learn from a handful of clips.
HEARD = sum(not name.startswith("picture") for name in FEATURE_NAMES)


@dataclass(frozen=True, slots=True)
class Pieces:
    """Recordings cut to lengths that a film is read in: ``source`` (n,) is the recording of each."""

    samples: tuple[Samples, ...]
    source: Integers


def cut(recordings: Sequence[Samples]) -> Pieces:
    """Equal pieces of at most ``LONGEST_PIECE_S`` of each recording."""
    parts = [
        np.array_split(one, max(1, int(np.ceil(one.size / (LONGEST_PIECE_S * SAMPLE_RATE_HZ)))))
        for one in recordings
    ]
    source = np.repeat(np.arange(len(parts)), [len(one) for one in parts])
    return Pieces(tuple(piece for one in parts for piece in one), source.astype(np.int64))


def standardised(rows: npt.NDArray[np.float32], voice: Voice, own: Voice) -> Doubles:
    """``HEARD`` features (n, d) against the film's voice, as far as it is known, else the person's own."""
    known, spread_known = voice.trust.astype(np.float64)
    centre = known * voice.mean + (1 - known) * own.mean
    scale = spread_known * voice.spread + (1 - spread_known) * own.spread + SPREAD_FLOOR
    return np.asarray(np.clip((rows - centre) / scale, -Z_LIMIT, Z_LIMIT), np.float64)[:, :HEARD]


def compact_clips(backend: CompactBackend, pieces: Pieces, truth: Integers) -> tuple[Clips, Voice]:
    """What the compact model says about the pieces with their speaker known, and that speaker.

    Raises:
        ModelError: the model does not answer in the seven emotions.
    """
    if backend.card.labels != EMOTIONS:
        raise ModelError(f"{backend.card.id} does not answer in {', '.join(EMOTIONS)}; personalise another")
    own = hear_pieces(pieces.samples)
    said = backend.of_speaker(pieces.samples, pieces.samples)
    logs = np.log(np.maximum([[one.native[name] for name in EMOTIONS] for one in said], np.exp(LOWEST)))
    rows = np.stack([statistics(piece) for piece in pieces.samples])
    return Clips(logs, standardised(rows, own, own), truth, pieces.source), own


def write_compact(
    base: str, personal: Personal, own: Voice, out: Path, name: str, *, shown: Integers | Sequence[int] = ()
) -> ModelCard:
    """Write the folder of the compact model ``base`` personalised; unchanged it is a copy of another name.

    ``shown`` are the emotions it was fitted on: it answers them even if ``base`` never did.

    Raises:
        ModelError: ``base`` is missing or damaged.
    """
    backend = load(base, "cpu")
    weights = (
        trained_model(Path(base), "voice")[1] if is_folder(base, BACKENDS) else shipped_weights(backend.card)
    )
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{TRAINED_STEM}{weights.suffix}"
    content = weights.read_bytes()
    temperature, canonical = backend.card.temperature, backend.card.canonical
    if not personal.is_unchanged:
        content = with_readings(content, personal, own, temperature)
        temperature = personal.temperature
        canonical = {**canonical, **{EMOTIONS[one]: EMOTIONS[one] for one in shown}}
    path.write_bytes(content)
    card = replace(
        backend.card,
        id=name,
        revision="local",
        sha256=file_sha256(path),
        canonical=canonical,
        temperature=temperature,
        source="emotion-pipeline train voice --personalise",
        notes=f"{backend.card.id}, fitted to one person; for others the model as it was is better.",
    )
    write_record(out / CARD_FILE, card)
    return card


def with_readings(model: bytes, personal: Personal, own: Voice, temperature: float) -> bytes:
    """The network's graph with the readings behind it; its inputs and the name of its output stay.

    The logits that come out still want ``personal.temperature``: the card carries it.
    """
    import onnx
    from onnx import TensorProto, checker, helper, numpy_helper

    graph_model = onnx.load_from_string(model)
    graph = graph_model.graph
    (output,) = graph.output
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = ["network_logits" if one == output.name else one for one in names]
    floats: dict[str, Doubles | float] = {
        "temperature": temperature,
        "lowest": LOWEST,
        "said_weights": personal.said.weights.T,
        "said_bias": personal.said.bias,
    }
    nodes = [
        ("Div", ["network_logits", "temperature"], "said_scaled"),
        ("LogSoftmax", ["said_scaled"], "said_logs"),
        ("Clip", ["said_logs", "lowest"], "said_clipped"),
        *_linear("said", "said_clipped"),
    ]
    if personal.heard is not None:
        floats |= {
            "one": 1.0,
            "floor": SPREAD_FLOOR,
            "own_mean": own.mean.astype(np.float64),
            "own_spread": own.spread.astype(np.float64),
            "z_low": -Z_LIMIT,
            "z_high": Z_LIMIT,
            "heard_weights": personal.heard.weights.T,
            "heard_bias": personal.heard.bias,
        }
        nodes += [
            ("Slice", ["trust", "@0", "@1"], "mean_known"),
            ("Slice", ["trust", "@1", "@2"], "spread_known"),
            *_mixed("mean", "mean_known", "centre"),
            *_mixed("spread", "spread_known", "width"),
            ("Add", ["width", "floor"], "scale"),
            ("Sub", ["features", "centre"], "centred"),
            ("Div", ["centred", "scale"], "heard_z"),
            ("Clip", ["heard_z", "z_low", "z_high"], "heard_all"),
            ("Slice", ["heard_all", "@0", "@heard", "@last"], "heard_inputs"),
            *_linear("heard", "heard_inputs"),
        ]
        nodes.append(("Add", ["said_read", "heard_read"], output.name))
    else:
        nodes.append(("Identity", ["said_read"], output.name))
    # A prefix keeps the new names apart from the network's own; its inputs and its output keep theirs.
    kept = {output.name, *(one.name for one in graph.input), "network_logits"}

    def named(name: str) -> str:
        return name if name in kept else f"personal_{name.replace('@', 'axis')}"

    for kind, inputs, result in nodes:
        last = {"axis": -1} if kind == "LogSoftmax" else {}
        graph.node.append(helper.make_node(kind, [named(one) for one in inputs], [named(result)], **last))
    for name, value in floats.items():
        graph.initializer.append(numpy_helper.from_array(np.asarray(value, np.float32), named(name)))
    if personal.heard is not None:
        places = {"@0": 0, "@1": 1, "@2": 2, "@heard": HEARD, "@last": -1}
        for name, place in places.items():
            graph.initializer.append(helper.make_tensor(named(name), TensorProto.INT64, [1], [place]))
    checker.check_model(graph_model)
    content: bytes = graph_model.SerializeToString()
    return content


def _linear(name: str, inputs: str) -> list[tuple[str, list[str], str]]:
    """Nodes of one reading, as :class:`pipeline.train.personal.learn.Linear` computes it."""
    return [
        ("MatMul", [inputs, f"{name}_weights"], f"{name}_product"),
        ("Add", [f"{name}_product", f"{name}_bias"], f"{name}_logits"),
        ("LogSoftmax", [f"{name}_logits"], f"{name}_read"),
    ]


def _mixed(what: str, known: str, result: str) -> list[tuple[str, list[str], str]]:
    """Nodes for ``known`` times the film's figures plus the rest times the person's own."""
    return [
        ("Mul", [known, what], f"{what}_of_film"),
        ("Sub", ["one", known], f"{what}_unknown"),
        ("Mul", [f"{what}_unknown", f"own_{what}"], f"{what}_of_person"),
        ("Add", [f"{what}_of_film", f"{what}_of_person"], result),
    ]
