"""What stands in ``model_info.json``: all one needs to use an export without this program."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline.models.cards import file_sha256
from pipeline.train.export.int8 import Candidate
from pipeline.train.export.part import Input, Subject
from pipeline.types import ModelCard

INFO_FILE = "model_info.json"
LIBRARIES = ("torch", "transformers", "onnx", "onnxruntime", "numpy")
OUTPUT = "logits, float32, (n, labels), in the order of labels"
AFTERWARDS = (
    "Divide the logits by the temperature, take the softmax; add up the labels of one canonical emotion. "
    "A label without one is outside the seven: its probability is kept apart."
)


@dataclass(frozen=True, slots=True)
class FormatInfo:
    """One format: its files and how it does.

    ``milliseconds``: median of one input through the graph on one thread, preprocessing left out.
    ``max_difference``: of any probability from the original's; ``same_top``: share of equal top answers.
    """

    files: tuple[str, ...]
    size_bytes: int
    milliseconds: float
    max_difference: float
    same_top: float
    accuracy: float | None = None
    accuracy_lost: float | None = None
    opset: int | None = None
    notes: tuple[str, ...] = ()
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class Original:
    """The model as it was; ``milliseconds`` as in :class:`FormatInfo`."""

    weights_bytes: int
    milliseconds: float
    accuracy: float | None


@dataclass(frozen=True)
class Model:
    """What a model is and how it is used. ``inputs`` are by graph: "" where a model is one graph."""

    modality: str
    backend: str
    labels: tuple[str, ...]
    canonical: Mapping[str, str | None]
    temperature: float
    inputs: Mapping[str, tuple[Input, ...]]
    output: str
    preprocessing: tuple[str, ...]
    postprocessing: str
    outside_the_graph: str
    details: Mapping[str, Any]
    card: ModelCard


@dataclass(frozen=True)
class ModelInfo:
    """An export: the model, what it was compared on, how each format does, and every file's sha256."""

    model: Model
    compared_on: str
    inputs_compared: int
    original: Original
    formats: Mapping[str, FormatInfo]
    sha256: Mapping[str, str]
    versions: Mapping[str, str]
    processor: str


def about(subject: Subject) -> Model:
    """The model of an export."""
    card = subject.card
    return Model(
        modality=subject.modality,
        backend=subject.name,
        labels=card.labels,
        canonical=card.canonical,
        temperature=card.temperature,
        inputs={part.name: part.inputs for part in subject.parts},
        output=OUTPUT,
        preprocessing=subject.preprocessing,
        postprocessing=AFTERWARDS,
        outside_the_graph=subject.outside,
        details=subject.details,
        card=card,
    )


def digests(folder: Path) -> dict[str, str]:
    """sha256 of every file below a folder, by name relative to it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}


def versions() -> dict[str, str]:
    """Of this program, Python and the libraries that write and run the formats."""
    ours = {"emotion-pipeline": version("emotion-pipeline"), "python": platform.python_version()}
    return ours | {name: version(name) for name in LIBRARIES}


def processor() -> str:
    """What the times were measured on."""
    return f"{platform.machine()}, one thread"
