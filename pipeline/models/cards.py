"""Which models there are: shipped cards beside their weights, known ones in ``cards.toml``.

A shipped model is one file ``weights/<id>.onnx`` or ``.npz`` with ``weights/<id>.card.json``, both written by
its training command; the card holds the file's sha256. A known model is fetched by
``models pull`` into the cache folder, never during an analysis.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from pipeline import privacy
from pipeline.records import CARD_FILE, read_record
from pipeline.types import ModelCard

WEIGHTS = Path(__file__).parent / "weights"
WEIGHTS_SUFFIXES = (".onnx", ".npz")
TRAINED_STEM = "model"  # weights of a model folder that a training left
CACHE_VARIABLE = privacy.CACHE_VARIABLE
cache_folder = privacy.cache_folder


class ModelError(RuntimeError):
    """A model that cannot be used; the message is one sentence that says what to do next."""


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Answers of like confidence: their mean confidence, the share that was right, how many they are."""

    confidence: float
    accuracy: float
    n: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """Expected calibration error on one data set, before and after calibration, and what it is made of."""

    ece_before: float
    ece_after: float
    bins_before: tuple[ReliabilityBin, ...] = ()
    bins_after: tuple[ReliabilityBin, ...] = ()


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts with the truth in rows and the answer in columns, both in the order of ``labels``."""

    labels: tuple[str, ...]
    matrix: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What a training command measured: written as ``weights/<id>.report.json`` beside the weights.

    ``metrics``, ``calibration`` and ``confusion`` have one entry per data set scored; ``reference`` holds,
    under the same names, the figures to beat.
    """

    data: str
    split: str
    command: str
    metrics: Mapping[str, Mapping[str, float]]
    reference: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    calibration: Mapping[str, Calibration] = field(default_factory=dict)
    confusion: Mapping[str, Confusion] = field(default_factory=dict)
    size_bytes: int = 0
    milliseconds: float | None = None  # one input on one thread
    train_seconds: float | None = None  # of processor time
    notes: str = ""


def one_sentence(error: BaseException) -> str:
    """The first line of an error, with its type when it says nothing else."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def shipped_ids() -> tuple[str, ...]:
    """Ids of the models inside the package."""
    return tuple(sorted(path.name.removesuffix(".card.json") for path in WEIGHTS.glob("*.card.json")))


def shipped_card(model_id: str, folder: Path = WEIGHTS) -> ModelCard:
    """Card of a model inside the package, or in a training's ``folder``.

    Raises:
        ModelError: there is none, or it cannot be read.
    """
    path = folder / f"{model_id}.card.json"
    if not path.is_file():
        raise ModelError(f"the package carries no model {model_id!r}; reinstall it")
    try:
        return read_record(path, ModelCard)
    except ValidationError:
        raise ModelError(f"{path.name} is damaged; reinstall the package") from None


def shipped_weights(card: ModelCard, folder: Path = WEIGHTS) -> Path:
    """The weights that belong to a card, their sha256 held against it.

    Raises:
        ModelError: they are missing or damaged.
    """
    paths = [path for suffix in WEIGHTS_SUFFIXES if (path := folder / f"{card.id}{suffix}").is_file()]
    if not paths:
        raise ModelError(f"the weights of {card.id} are missing; reinstall the package")
    if file_sha256(paths[0]) != card.sha256:
        raise ModelError(f"{paths[0].name} is damaged; reinstall the package")
    return paths[0]


def trained_model(folder: Path, modality: str) -> tuple[ModelCard, Path]:
    """Card and weights in a folder that one of our own trainings left (``card.json``, ``model.*``).

    Raises:
        ModelError: it holds none, one of another modality, or a damaged one.
    """
    again = "train it again or give another folder"
    try:
        card = read_record(folder / CARD_FILE, ModelCard)
    except (OSError, ValidationError):
        raise ModelError(f"{folder} holds no readable {CARD_FILE}; {again}") from None
    if card.modality != modality:
        raise ModelError(f"the model in {folder} reads {card.modality}, not {modality}; {again}")
    paths = [path for suffix in WEIGHTS_SUFFIXES if (path := folder / f"{TRAINED_STEM}{suffix}").is_file()]
    if not paths or file_sha256(paths[0]) != card.sha256:
        raise ModelError(f"the weights in {folder} are missing or damaged; {again}")
    return card, paths[0]


def shipped_report(model_id: str) -> TrainingReport | None:
    """What the training of a shipped model measured; None without a report. Raises ModelError."""
    path = WEIGHTS / f"{model_id}.report.json"
    if not path.is_file():
        return None
    try:
        return read_record(path, TrainingReport)
    except ValidationError:
        raise ModelError(f"{path.name} is no training report; run the model's training again") from None


def file_sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def folder_sha256(folder: Path) -> str:
    """Digest of all files below a model folder, by relative name and content."""
    digests = {
        str(path.relative_to(folder)): file_sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()
