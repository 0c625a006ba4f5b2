"""Opens a back-end for export: its graphs, their inputs, and what happens before and after them."""

import json
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pipeline.models.cards import file_sha256, shipped_weights, trained_model
from pipeline.models.transformers_loader import load_strict, quiet
from pipeline.records import CARD_FILE, read_record, write_record
from pipeline.train.export_graph import Graph, GraphNet, read_graph
from pipeline.train.export_part import (
    BATCH_AXIS,
    AsModule,
    AsSession,
    AsTransformers,
    ExportError,
    Feed,
    Input,
    Part,
    Run,
    Subject,
    torch_run,
)
from pipeline.train.score import load_named

Ask = Callable[[Any], None]  # puts some inputs to a back-end

LENGTH_AXIS: Mapping[str, str] = {"voice": "samples", "text": "tokens"}
MEANING: Mapping[str, str] = {
    "pixel_values": "RGB picture, channels first, prepared as said under preprocessing",
    "faces": "grey face, 0 to 255",
    "features": "statistics of a window, in the order of feature_names",
    "mean": "mean of the features over the speaker's speech; zeros when the speaker is not known",
    "spread": "their standard deviation; ones when the speaker is not known",
    "trust": "how far to believe mean and spread, 0 to 1; zeros when the speaker is not known",
    "input_values": "sound at 16 kHz, prepared as said under preprocessing",
    "samples": "sound at 16 kHz, prepared as said under preprocessing",
    "input_ids": "token numbers of the tokenizer in the PyTorch folder",
    "attention_mask": "1 for an example's own positions, 0 for padding",
    "token_type_ids": "0 throughout",
}


class LogitsOf(nn.Module):  # type: ignore[misc]
    """A Transformers classifier that takes its inputs by place and gives the logits alone."""

    def __init__(self, model: Any, names: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self.names = tuple(names)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Inputs in the order of ``names``."""
        output = self.model(**dict(zip(self.names, inputs, strict=True)))
        return output if isinstance(output, torch.Tensor) else output.logits


def opened(modality: str, name: str, put: Ask) -> Subject:
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
        return _transformers_subject(modality, name, backend, put)
    raise ExportError(
        f"the back-end {name!r} belongs to a package of its own and is not exported; "
        "choose `compact`, a Transformers model or a folder of `train`"
    )


def plugged(backend: Any, model: Any) -> Any:
    """The back-end with another model in it."""
    twin = copy(backend)
    twin.model = model
    return twin


def recorded(
    plug: Callable[[Mapping[str, Run]], Any], runs: Mapping[str, Run], put: Ask
) -> dict[str, list[Feed]]:
    """What ``put`` makes a back-end give to its graphs, by part."""
    feeds: dict[str, list[Feed]] = {name: [] for name in runs}

    def recording(name: str, run: Run) -> Run:
        def act(feed: Feed) -> Any:
            feeds[name].append({key: np.array(value) for key, value in feed.items()})
            return run(feed)

        return act

    put(plug({name: recording(name, run) for name, run in runs.items()}))
    return feeds


def _weights(modality: str, name: str, backend: Any) -> Path:
    if Path(name).is_dir():
        return trained_model(Path(name), modality)[1]
    return shipped_weights(backend.card)


def _session_subject(modality: str, name: str, backend: Any, put: Ask) -> Subject:
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
        weights_bytes=len(content),
        plug=plug,
        save=lambda folder: _save_nets(folder, backend.card, {"": net}),
        load=lambda folder: _load_nets(folder, plug, {"": names}),
        preprocessing=preprocessing,
        details=details,
        outside="Preprocessing is no graph and stays outside in every format.",
        side_files={},
    )


def _free_first(shape: Sequence[int | str | None]) -> tuple[int | str, ...]:
    return tuple(one if isinstance(one, int) else BATCH_AXIS for one in shape)


def _session_preparation(modality: str) -> tuple[tuple[str, ...], Mapping[str, Any]]:
    if modality == "face":
        from pipeline.face.compact import SIDE_PX

        return (*_face_crop(SIDE_PX), "Grey by .299 R + .587 G + .114 B, float32, 0 to 255, not scaled."), {}
    from pipeline.voice.compact import FULLY_KNOWN_S, PIECE_S, SPREAD_PRIOR_PIECES
    from pipeline.voice.features import FEATURE_NAMES

    return (
        "Mono sound at 16 kHz, float32 in -1 to 1, one window of speech.",
        f"`features`: the {len(FEATURE_NAMES)} statistics of pipeline.voice.features.statistics(window), "
        "named in feature_names.",
        f"A known speaker: `mean` and `spread` are mean and standard deviation of the features over pieces of "
        f"{PIECE_S} s of the speaker's speech; `trust` is [k, k n / (n + {SPREAD_PRIOR_PIECES})] with n pieces "
        f"and k = min(1, seconds of speech / {FULLY_KNOWN_S}). Unknown: zeros, ones, [0, 0].",
    ), {"feature_names": list(FEATURE_NAMES)}


def _face_crop(side_px: int) -> tuple[str, ...]:
    from pipeline.face.crop import MARGIN

    return (
        f"A stored crop holds {MARGIN} times the face's square: its middle 1/{MARGIN} is scaled to "
        f"{side_px} x {side_px} px, 8 bit RGB (pipeline.face.crop.tight).",
    )


def _text_subject(name: str, backend: Any, put: Ask) -> Subject:
    from pipeline.train import export_text as text

    weights = _weights("text", name, backend)
    with np.load(weights) as stored:
        graphs = {language: stored[f"{language}_convolution"].tobytes() for language in backend.models}
    nets = {
        language: text.TextGraph(GraphNet(*read_graph(graphs[language])), text.arrays_of(model)).eval()
        for language, model in backend.models.items()
    }
    names = [one.name for one in text.INPUTS]

    def plug(runs: Mapping[str, Run]) -> Any:
        return text.GraphText(backend, runs)

    runs = {language: torch_run(net, names) for language, net in nets.items()}
    feeds = recorded(plug, runs, put)
    return Subject(
        modality="text",
        name=name,
        backend=backend,
        card=backend.card,
        parts=tuple(Part(lang, net, text.INPUTS, tuple(feeds[lang])) for lang, net in nets.items()),
        weights_bytes=weights.stat().st_size,
        plug=plug,
        save=lambda folder: _save_nets(folder, backend.card, nets),
        load=lambda folder: _load_nets(folder, plug, dict.fromkeys(nets, names)),
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
    from pipeline.train.export_text import TextGraph

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


def _transformers_subject(modality: str, name: str, backend: Any, put: Ask) -> Subject:
    model, processor = backend.model, getattr(backend, "processor", None)
    own_head = _has_own_head(modality, backend)
    stand_in = AsModule if own_head else AsTransformers

    def plug(runs: Mapping[str, Run]) -> Any:
        return plugged(backend, stand_in(runs[""]))

    def as_it_is(feed: Feed) -> Any:
        with torch.inference_mode():
            output = model(**{key: torch.from_numpy(value) for key, value in feed.items()})
        return np.asarray(getattr(output, "logits", output).numpy(), np.float32)

    batches = recorded(plug, {"": as_it_is}, put)[""]
    inputs = tuple(_input_of(modality, key, value) for key, value in batches[0].items())
    names = [one.name for one in inputs]

    def load(folder: Path) -> tuple[Any, Mapping[str, Any]]:
        if own_head:
            again = plugged(backend, load_strict(type(model), str(folder), "cpu"))
        else:
            again = load_named(modality, str(folder), "cpu")
        return again, {"": LogitsOf(again.model, names)}

    return Subject(
        modality=modality,
        name=name,
        backend=backend,
        card=backend.card,
        parts=(Part("", LogitsOf(model, names), inputs, tuple(_one_by_one(batches))),),
        weights_bytes=sum(one.numel() * one.element_size() for one in model.state_dict().values()),
        plug=plug,
        save=lambda folder: _save_transformers(folder, backend),
        load=load,
        preprocessing=_transformers_preparation(modality, own_head, processor),
        details={} if processor is None or modality == "text" else {"processor": _settings(processor)},
        outside="Preprocessing is no graph and stays outside in every format.",
        side_files={},
    )


def _one_by_one(batches: Sequence[Feed]) -> list[Feed]:
    return [
        {key: value[i : i + 1] for key, value in batch.items()}
        for batch in batches
        for i in range(len(next(iter(batch.values()))))
    ]


def _has_own_head(modality: str, backend: Any) -> bool:
    """Whether it is the model whose head no Transformers class has."""
    if modality != "voice":
        return False
    from pipeline.voice.hubert import HubertBackend

    return isinstance(backend, HubertBackend)


def _input_of(modality: str, name: str, value: np.ndarray[Any, Any]) -> Input:
    shape: list[int | str] = [BATCH_AXIS, *value.shape[1:]]
    if modality in LENGTH_AXIS and len(shape) == 2:
        shape[1] = LENGTH_AXIS[modality]
    return Input(name, str(value.dtype), tuple(shape), MEANING.get(name, ""))


def _save_transformers(folder: Path, backend: Any) -> None:
    """A folder that is a back-end by itself: weights, configuration, processor, card."""
    model, card = backend.model, backend.card
    model.config.id2label = dict(enumerate(card.labels))
    model.config.label2id = {label: i for i, label in enumerate(card.labels)}
    with quiet():
        model.save_pretrained(folder)
        if getattr(backend, "processor", None) is not None:
            backend.processor.save_pretrained(folder)
    write_record(folder / CARD_FILE, replace(card, sha256=file_sha256(folder / "model.safetensors")))


def _transformers_preparation(modality: str, own_head: bool, processor: Any) -> tuple[str, ...]:
    if modality == "face":
        from pipeline.face.transformers_image import SIDE_PX

        return (
            *_face_crop(SIDE_PX),
            "Then as the image processor says, whose settings stand under processor.",
        )
    if modality == "text":
        from pipeline.text.transformers_text import MAX_TOKENS

        return (
            "Unicode NFKC.",
            f"The tokenizer of the PyTorch folder, at most {MAX_TOKENS} tokens; texts of one batch are padded "
            "to the longest.",
        )
    sound = "Mono sound at 16 kHz, float32 in -1 to 1; only windows of one length share a batch."
    level = "Each window less its mean, divided by the square root of its variance + 1e-7."
    if own_head:
        from pipeline.voice.hubert import PADDED_SAMPLES

        return (
            sound,
            f"At most the first {PADDED_SAMPLES} samples.",
            level,
            f"Then zeros up to {PADDED_SAMPLES} samples.",
        )
    named = "Then as the feature extractor says, whose settings stand under processor."
    return (sound, level if processor is None else named)


def _settings(processor: Any) -> Mapping[str, Any]:
    settings: Mapping[str, Any] = json.loads(processor.to_json_string())
    return settings
