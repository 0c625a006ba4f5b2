"""A trained fusion: its file, what it reads of a moment, and how it is applied, with numpy alone."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.fusion.nets import STRATEGIES, TINY, forward, log_softmax
from pipeline.labels import EMOTIONS
from pipeline.models.cards import ModelError, shipped_card, shipped_weights, trained_model
from pipeline.types import Fused, ModelCard, Moment, Scores

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MODALITY = "fusion"  # what its card says it reads
SHIPPED = "fusion_default"
METADATA = "metadata"  # the input that facts about the speaker or the dialogue make
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
    if about["strategy"] not in STRATEGIES:
        raise ValueError(about["strategy"])
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


def model_files(folder: Path | None) -> tuple[ModelCard, Path]:
    """Card and weights of the fusion in a folder that `train fusion` left, or of the shipped one.

    Raises:
        ModelError: there is none, or it is damaged.
    """
    if folder is not None:
        return trained_model(folder, MODALITY)
    card = shipped_card(SHIPPED)
    return card, shipped_weights(card)


def load_folder(folder: Path | None) -> FusionModel:
    """The fusion in a folder, or the shipped one. Raises ModelError."""
    _, path = model_files(folder)
    try:
        return load(path)
    except (ValueError, KeyError, OSError):
        raise ModelError(f"{path} is no fusion of this version; train it again") from None


def load_for_moments(folder: Path | None) -> FusionModel:
    """A fusion that answers the seven emotions, as moments need it. Raises ModelError."""
    model = load_folder(folder)
    if model.labels != EMOTIONS:
        raise ModelError(
            f"the fusion in {folder} answers {len(model.labels)} labels of its own, not the {len(EMOTIONS)} "
            'emotions of an analysis; train one on those, or set fusion.strategy = "dynamic"'
        )
    size = len(EMOTIONS) + 1
    if odd := [name for name, one in model.scaling.items() if one.shape[1] != size and name != METADATA]:
        raise ModelError(f"the fusion in {folder} reads features of {odd[0]!r}; train one on emotion scores")
    return model


def features_of(moments: Sequence[Moment]) -> tuple[dict[str, Floats], dict[str, Bools]]:
    """What a fusion reads of moments: scores and quality times coverage, and where there are any."""
    features, present = {}, {}
    for name in sorted({name for moment in moments for name in moment.by_modality}):
        readings = [moment.by_modality.get(name) for moment in moments]
        spoken = [one is not None and one.scores is not None for one in readings]
        probabilities = np.zeros((len(moments), len(EMOTIONS)))
        quality = np.zeros(len(moments))
        for row, one in enumerate(readings):
            if one is not None and one.scores is not None:
                probabilities[row] = one.scores.probabilities
                quality[row] = one.quality * one.coverage
        features[name], present[name] = score_features(probabilities, quality), np.array(spoken, bool)
    return features, present


def with_shares(model: FusionModel, moments: Sequence[Moment]) -> tuple[Floats, list[dict[str, float]]]:
    """Probabilities of the emotions (n, 7), and the share each modality had in them.

    A share is how far the distribution moves (total variation) when that modality is left out, of the sum of
    such moves; a modality the model does not know has none.
    """
    features, present = features_of(moments)
    said = apply(model, features, present)
    moved = {
        name: np.abs(said - apply(model, features, {**present, name: np.zeros_like(there)})).sum(axis=1) / 2
        if name in model.inputs
        else np.zeros(len(moments))
        for name, there in present.items()
    }
    shares = []
    for row, moment in enumerate(moments):
        here = {name: float(moved[name][row]) * present[name][row] for name in moment.by_modality}
        total = sum(here.values())
        known = [name for name in here if present[name][row] and name in model.inputs]
        even = {name: 1.0 / len(known) if name in known else 0.0 for name in here}
        shares.append({name: one / total for name, one in here.items()} if total > TINY else even)
    return said, shares


def heard(model: FusionModel, moment: Moment) -> bool:
    """Whether a modality that the model knows says anything in a moment."""
    return any(one.scores is not None for name, one in moment.by_modality.items() if name in model.inputs)


def fuse_learned(moments: Sequence[Moment], model: FusionModel) -> list[Fused]:
    """Every moment by a trained fusion; where no modality it knows says anything there are no scores."""
    if not moments:
        return []
    said, shares = with_shares(model, moments)
    return [
        Fused(moment.span, Scores(tuple(row.tolist())) if heard(model, moment) else None, share)
        for moment, row, share in zip(moments, said, shares, strict=True)
    ]


def mixed(trained: Sequence[Fused], pooled: Sequence[Fused], share: float) -> list[Fused]:
    """The mean of a trained fusion and of plain pooling; ``share`` is the say of the latter."""
    return [_mixed(one, plain, share) for one, plain in zip(trained, pooled, strict=True)]


def _mixed(trained: Fused, plain: Fused, share: float) -> Fused:
    if trained.scores is None or plain.scores is None:
        return plain
    both = zip(trained.scores.probabilities, plain.scores.probabilities, strict=True)
    return Fused(
        trained.span,
        Scores(tuple((1 - share) * a + share * b for a, b in both), share * plain.scores.unmapped),
        {name: (1 - share) * trained.weights[name] + share * one for name, one in plain.weights.items()},
    )
