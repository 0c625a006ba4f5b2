"""Opens a back-end for export: its graphs, their inputs, and what happens before and after them."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pipeline.models.cards import file_sha256, shipped_weights, trained_model
from pipeline.models.load import is_folder
from pipeline.records import CARD_FILE, read_record, write_record
from pipeline.train.export.graph import Graph, GraphNet, read_graph
from pipeline.train.export.part import (
    BATCH_AXIS,
    MEANING,
    OUTSIDE,
    AsSession,
    ExportError,
    Input,
    Part,
    Put,
    Run,
    Subject,
    face_crop,
    plugged,
    recorded,
    session_run,
    torch_run,
)
from pipeline.train.score import backends_of, load_named


def opened(modality: str, name: str, put: Put) -> Subject:
    """Load a back-end and take it apart; ``put`` shows it some inputs, of which its feeds are made.

    Raises:
        ModelError: it cannot be loaded.
        ExportError: it is none that can be exported.
    """
    backend = load_named(modality, name, "cpu")
    if hasattr(backend, "models"):
        return _text_subject(name, backend, put)
    model = getattr(backend, "model", None)
    if hasattr(model, "run"):
        return _session_subject(modality, name, backend, put)
    if isinstance(model, nn.Module):
        from pipeline.train.export.transformers import transformers_subject

        return transformers_subject(modality, name, backend, put)
    raise ExportError(
        f"the back-end {name!r} belongs to a package of its own and is not exported; "
        "choose `compact`, a Transformers model or a folder of `train`"
    )


def _weights(modality: str, name: str, backend: Any) -> Path:
    if is_folder(name, backends_of(modality)):
        return trained_model(Path(name), modality)[1]
    return shipped_weights(backend.card)


def _session_subject(modality: str, name: str, backend: Any, put: Put) -> Subject:
    weights = _weights(modality, name, backend)
    content = weights.read_bytes()
    net = GraphNet(*read_graph(content)).eval()

    def plug(runs: Mapping[str, Run]) -> Any:
        return plugged(backend, AsSession(runs[""]))

    given = backend.model.get_inputs()
    inputs = tuple(
        Input(one.name, "float32", _free_first(one.shape), MEANING.get(one.name, "")) for one in given
    )
    names = [one.name for one in inputs]
    feeds = recorded(plug, {"": torch_run(net, names)}, put)[""]
    part = Part("", net, inputs, tuple(feeds), content)
    preprocessing, details = _session_preparation(modality)
    return Subject(
        modality=modality,
        name=name,
        backend=backend,
        card=backend.card,
        parts=(part,),
        runs={"": session_run(backend.model)},
        weights_bytes=len(content),
        plug=plug,
        save=lambda folder: _save_nets(folder, backend.card, {"": net}),
        load=lambda folder: _load_nets(folder, plug, {"": names}),
        preprocessing=preprocessing,
        details=details,
        outside=OUTSIDE,
        side_files={},
    )


def _free_first(shape: Sequence[int | str | None]) -> tuple[int | str, ...]:
    return tuple(one if isinstance(one, int) else BATCH_AXIS for one in shape)


def _session_preparation(modality: str) -> tuple[tuple[str, ...], Mapping[str, Any]]:
    if modality == "face":
        from pipeline.face.compact import SIDE_PX

        return (*face_crop(SIDE_PX), "Grey by .299 R + .587 G + .114 B, float32, 0 to 255, not scaled."), {}
    from pipeline.voice.compact import FULLY_KNOWN_S, PIECE_S, SPREAD_PRIOR_PIECES
    from pipeline.voice.features import FEATURE_NAMES

    return (
        "Mono sound at 16 kHz, float32 in -1 to 1, one window of speech.",
        f"`features`: the {len(FEATURE_NAMES)} statistics of pipeline.voice.features.statistics(window), "
        "named in feature_names.",
        "A known speaker: `mean` and `spread` are mean and standard deviation of the features over pieces "
        f"of {PIECE_S} s of the speaker's speech; `trust` is [k, k n / (n + {SPREAD_PRIOR_PIECES})] with n "
        f"pieces and k = min(1, seconds of speech / {FULLY_KNOWN_S}). Unknown: zeros, ones, [0, 0].",
    ), {"feature_names": list(FEATURE_NAMES)}


def _text_subject(name: str, backend: Any, put: Put) -> Subject:
    from pipeline.train.export import text

    weights = _weights("text", name, backend)
    with np.load(weights) as stored:
        graphs = {language: stored[f"{language}_convolution"].tobytes() for language in backend.models}
    nets = {
        language: text.TextGraph(GraphNet(*read_graph(graphs[language])), text.arrays_of(model)).eval()
        for language, model in backend.models.items()
    }
    inputs = {language: text.inputs_of(model) for language, model in backend.models.items()}
    names = {language: [one.name for one in taken] for language, taken in inputs.items()}

    def plug(runs: Mapping[str, Run]) -> Any:
        return text.GraphText(backend, runs)

    runs = {language: torch_run(net, names[language]) for language, net in nets.items()}
    feeds = recorded(plug, runs, put)
    return Subject(
        modality="text",
        name=name,
        backend=backend,
        card=backend.card,
        parts=tuple(Part(lang, net, inputs[lang], tuple(feeds[lang])) for lang, net in nets.items()),
        runs=runs,
        weights_bytes=weights.stat().st_size,
        plug=plug,
        save=lambda folder: _save_nets(folder, backend.card, nets),
        load=lambda folder: _load_nets(folder, plug, names),
        preprocessing=text.PREPROCESSING,
        details={},
        outside=text.OUTSIDE,
        side_files={"vocabulary.npz": text.vocabulary_of(backend.models)},
    )


def _save_nets(folder: Path, card: Any, nets: Mapping[str, nn.Module]) -> None:
    """State dicts, graphs as JSON, and the card."""
    folder.mkdir()
    for name, net in nets.items():
        torch.save(net.state_dict(), folder / _dotted("state", name, ".pt"))
        write_record(folder / _dotted("graph", name, ".json"), getattr(net, "convolution", net).graph)
    states = {_dotted("state", name, ".pt") for name in nets}
    digests = {one: file_sha256(folder / one) for one in sorted(states)}
    sha256 = next(iter(digests.values())) if len(digests) == 1 else _digest(digests)
    write_record(folder / CARD_FILE, replace(card, sha256=sha256))


def load_net(folder: Path, name: str = "") -> nn.Module:
    """A module from a PyTorch folder that an export of one of our own models left.

    ``name`` is the language for a text model.
    """
    state = torch.load(folder / _dotted("state", name, ".pt"), weights_only=True, map_location="cpu")
    graph = read_record(folder / _dotted("graph", name, ".json"), Graph)
    inner = "convolution."
    if not any(key.startswith(inner) for key in state):
        return GraphNet(graph, state).eval()
    from pipeline.train.export.text import TextGraph

    constants = {key.removeprefix(inner): value for key, value in state.items() if key.startswith(inner)}
    return TextGraph(GraphNet(graph, constants), state).eval()


def _load_nets(
    folder: Path, plug: Callable[[Mapping[str, Run]], Any], names: Mapping[str, Sequence[str]]
) -> tuple[Any, Mapping[str, Any]]:
    nets = {part: load_net(folder, part) for part in names}
    return plug({part: torch_run(net, names[part]) for part, net in nets.items()}), nets


def _dotted(stem: str, name: str, suffix: str) -> str:
    return f"{stem}.{name}{suffix}" if name else f"{stem}{suffix}"


def _digest(digests: Mapping[str, str]) -> str:
    import hashlib

    return hashlib.sha256(json.dumps(dict(digests), sort_keys=True).encode()).hexdigest()
