"""What an export is made of: graphs from named arrays to logits, and how one takes the original's place."""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.models.cards import ModelError
from pipeline.train.metrics import softmax
from pipeline.types import ModelCard, Scores

Feed = Mapping[str, NDArray[Any]]  # a graph's inputs by name
Run = Callable[[Feed], NDArray[np.float32]]  # to logits (n, labels)

Put = Callable[[Any], object]  # shows some inputs to a back-end

BATCH_AXIS = "n"
OUTSIDE = "Preprocessing is no graph and stays outside in every format."
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


class ExportError(ModelError):
    """A model that cannot be exported as asked; one sentence that says what to do next."""


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a graph; a name in ``shape`` is an axis of any length, equal names equal lengths."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    meaning: str


@dataclass(frozen=True)
class Part:
    """One graph of a model, most models being one: ``name`` is "" then, else for instance a language.

    ``module`` takes the inputs in their order; ``onnx`` is the graph where the model is an ONNX file already;
    ``feeds`` are real inputs of one example each.
    """

    name: str
    module: Any
    inputs: tuple[Input, ...]
    feeds: tuple[Feed, ...]
    onnx: bytes | None = None

    def file(self, stem: str, suffix: str) -> str:
        """Name of this part's file."""
        return f"{stem}.{self.name}{suffix}" if self.name else f"{stem}{suffix}"


@dataclass(frozen=True)
class Subject:
    """A back-end opened up for export.

    ``runs`` are its graphs as they stand (our text model has none: its parts, rebuilt); ``plug`` is the
    back-end with other graphs in it, by name of the part; ``save`` writes the PyTorch folder and ``load``
    makes a back-end and its modules, by name of the part, from one.
    """

    modality: str
    name: str
    backend: Any
    card: ModelCard
    parts: tuple[Part, ...]
    runs: Mapping[str, Run]
    weights_bytes: int
    plug: Callable[[Mapping[str, Run]], Any]
    save: Callable[[Path], None]
    load: Callable[[Path], tuple[Any, Mapping[str, Any]]]
    preprocessing: tuple[str, ...]
    details: Mapping[str, Any]
    outside: str
    side_files: Mapping[str, Mapping[str, NDArray[Any]]]


class Listening:
    """A back-end that keeps its native distributions in the order it gave them."""

    def __init__(self, backend: Any) -> None:
        self.card: ModelCard = backend.card
        self.rows: list[list[float]] = []
        self._backend = backend

    def __call__(self, *inputs: Any) -> list[Scores | None]:
        """As the back-end."""
        answers: list[Scores | None] = self._backend(*inputs)
        self.rows += [[one.native[label] for label in self.card.labels] for one in answers if one is not None]
        return answers


class AsSession:
    """A graph in place of an onnxruntime session with one output."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def run(self, names: Sequence[str] | None, feed: Feed) -> list[NDArray[np.float32]]:
        """As ``InferenceSession.run``."""
        return [self._run(feed)]


class AsTransformers:
    """A graph in place of a Transformers classifier."""

    def __init__(self, run: Run) -> None:
        import torch

        self.device = torch.device("cpu")
        self._run = run

    def __call__(self, **batch: Any) -> SimpleNamespace:
        """As the model's forward, with ``logits``."""
        import torch

        feed = {name: value.numpy() for name, value in batch.items()}
        return SimpleNamespace(logits=torch.from_numpy(self._run(feed)))


class AsModule:
    """A graph in place of a torch module from ``samples`` to logits."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def __call__(self, samples: Any) -> Any:
        """As the module's forward."""
        import torch

        return torch.from_numpy(self._run({"samples": samples.numpy()}))


def torch_run(module: Any, names: Sequence[str]) -> Run:
    """A module that takes the inputs ``names`` by place, as a run."""
    import torch

    def run(feed: Feed) -> NDArray[np.float32]:
        with torch.inference_mode():
            logits = module(*(torch.from_numpy(np.ascontiguousarray(feed[name])) for name in names))
        return np.asarray(logits.numpy(), np.float32)

    return run


def session_run(session: Any) -> Run:
    """An onnxruntime session as a run; a graph may have dropped inputs that it does not use."""
    names = [one.name for one in session.get_inputs()]
    output = session.get_outputs()[0].name
    return lambda feed: np.asarray(session.run([output], {name: feed[name] for name in names})[0])


def probabilities(logits: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """Logits (n, labels) to calibrated probabilities."""
    return softmax(logits, temperature)


def doubled(feed: Feed, inputs: Sequence[Input]) -> Feed:
    """The example of a feed twice."""
    batched = {one.name for one in inputs if BATCH_AXIS in one.shape}
    return {name: np.concatenate([value] * 2) if name in batched else value for name, value in feed.items()}


def plugged(backend: Any, model: Any) -> Any:
    """The back-end with another model in it."""
    twin = copy(backend)
    twin.model = model
    return twin


def recorded(
    plug: Callable[[Mapping[str, Run]], Any], runs: Mapping[str, Run], put: Put
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


def face_crop(side_px: int) -> tuple[str, ...]:
    """How a face is cut out, in words."""
    from pipeline.face.crop import MARGIN

    return (
        f"A stored crop holds {MARGIN} times the face's square: its middle 1/{MARGIN} is scaled to "
        f"{side_px} x {side_px} px, 8 bit RGB (pipeline.face.crop.tight).",
    )
