"""A trained fusion: its file, what it reads of a moment, and how it is applied, with numpy alone."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.fusion.nets import forward, log_softmax

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

FLOOR = 1e-4  # of a probability before its logarithm
ABOUT = "about"  # the array of the file that holds everything but numbers, as JSON


@dataclass(frozen=True)
class FusionModel:
    """A trained strategy.

    ``inputs`` are the names it reads in order, ``members`` the arrays of each of its networks, whose
    probabilities are averaged; ``scaling`` holds mean and scale (2, d) per input; ``encoding`` says how a
    CSV's metadata columns became numbers. ``score_share`` is the say of plain pooling beside it in `hybrid`.
    """

    strategy: str
    labels: tuple[str, ...]
    inputs: tuple[str, ...]
    scaling: Mapping[str, Floats]
    members: tuple[Mapping[str, Floats], ...]
    temperature: float = 1.0
    score_share: float = 0.5
    encoding: Mapping[str, Any] = field(default_factory=dict)


def score_features(probabilities: Floats, quality: Floats) -> Floats:
    """Log-probabilities over the labels and the quality: (n, k + 1) from (n, k) and (n,).

    Mass that is missing to 1 (native labels outside the set) is spread evenly: it says nothing.
    """
    k = probabilities.shape[1]
    full = probabilities + np.maximum(0.0, 1.0 - probabilities.sum(axis=1, keepdims=True)) / k
    return np.column_stack([np.log(np.maximum(full, FLOOR)), quality])


def standardised(
    scaling: Mapping[str, Floats], features: Mapping[str, Floats], present: Mapping[str, Bools]
) -> dict[str, Floats]:
    """The features of the model's inputs as the network takes them, zeros where absent."""
    return {
        name: np.where(present[name][:, None], (features[name] - mean) / scale, 0.0)
        for name, (mean, scale) in scaling.items()
    }


def apply(model: FusionModel, features: Mapping[str, Floats], present: Mapping[str, Bools]) -> Floats:
    """Probabilities (n, k). Inputs the model does not know are ignored, those not given count as absent."""
    known = [name for name in model.inputs if name in features]
    count = len(next(iter(features.values())))
    full = {
        name: features[name] if name in known else np.zeros((count, model.scaling[name].shape[1]))
        for name in model.inputs
    }
    here = {name: present[name] if name in known else np.zeros(count, bool) for name in model.inputs}
    x = standardised(model.scaling, full, here)
    there = np.stack([here[name] for name in model.inputs], axis=1).astype(np.float64)
    said = [np.exp(forward(np, model.strategy, one, x, there)) for one in model.members]
    logs = np.log(np.maximum(np.mean(said, axis=0), FLOOR**2))
    return np.asarray(np.exp(log_softmax(np, logs / model.temperature)))


def save(model: FusionModel, path: Path) -> None:
    """Write the model as float32 arrays; equal models, equal bytes."""
    about = {
        "strategy": model.strategy,
        "labels": model.labels,
        "inputs": model.inputs,
        "members": len(model.members),
        "temperature": model.temperature,
        "score_share": model.score_share,
        "encoding": model.encoding,
    }
    arrays = {f"scaling/{name}": values.astype(np.float32) for name, values in model.scaling.items()}
    for place, member in enumerate(model.members):
        arrays |= {f"{place}/{name}": np.asarray(one, np.float32) for name, one in member.items()}
    text = np.frombuffer(json.dumps(about, ensure_ascii=False).encode(), np.uint8)
    np.savez_compressed(path, allow_pickle=False, **{ABOUT: text}, **arrays)


def load(path: Path) -> FusionModel:
    """Read a model. Raises ValueError, KeyError or OSError: it is not one."""
    with np.load(path, allow_pickle=False) as file:
        about = json.loads(file[ABOUT].tobytes().decode())
        arrays = {name: file[name].astype(np.float64) for name in file.files if name != ABOUT}
    members: Sequence[dict[str, Floats]] = [{} for _ in range(about["members"])]
    scaling = {}
    for name, values in arrays.items():
        where, _, what = name.partition("/")
        if where == "scaling":
            scaling[what] = values
        else:
            members[int(where)][what] = values
    return FusionModel(
        strategy=about["strategy"],
        labels=tuple(about["labels"]),
        inputs=tuple(about["inputs"]),
        scaling=scaling,
        members=tuple(members),
        temperature=about["temperature"],
        score_share=about["score_share"],
        encoding=about["encoding"],
    )
