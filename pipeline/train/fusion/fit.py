"""Training of the fusion strategies: linear readings with scikit-learn, what needs gradients with torch."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from pipeline.fusion.learned import Bools, Floats, FusionModel, apply, standardised
from pipeline.fusion.nets import BOTH_LEVELS, SCORE_LEVEL, experts, pooled
from pipeline.train.examples import DataError
from pipeline.train.fusion.data import FusionSet
from pipeline.train.fusion.descend import SAID, Batch, FitSettings, Start, beginning, descend
from pipeline.train.metrics import fit_temperature, negative_log_likelihood
from pipeline.train.splits import Groups

Integers = npt.NDArray[np.int64]

POWERS = (0.0, 0.5, 1.0, 2.0, 4.0)
ABSENT_CLASS = -12.0  # the logit of a class no example of which was there
FOLDS = 5
ONE_LABEL = "the training examples show one label only; give examples of at least two"


def fit(strategy: str, train: FusionSet, dev: FusionSet | None, settings: FitSettings) -> FusionModel:
    """Train a strategy; ``dev`` stops the training early and sets the temperature.

    Raises:
        DataError: there is too little to learn from.
    """
    if len(np.unique(train.truth)) < 2:
        raise DataError(ONE_LABEL)
    names = tuple(train.features)
    scaling = {name: _scaling(train.features[name], train.present[name]) for name in names}
    members = tuple(
        _member(strategy, train, dev, scaling, replace(settings, seed=settings.seed + 1000 * place))
        for place in range(settings.members)
    )
    model = FusionModel(strategy, train.labels, names, scaling, members, encoding=train.encoding)
    if dev is not None and len(dev.truth):
        logs = np.log(np.maximum(apply(model, dev.features, dev.present), 1e-8))
        model = replace(model, temperature=fit_temperature(dev.truth, logs, 0.5, 4.0))
    return model


def _scaling(values: Floats, present: Bools) -> Floats:
    """Mean and deviation of what is there, (2, d); a constant column stays as it is."""
    if not present.any():
        return np.stack([np.zeros(values.shape[1]), np.ones(values.shape[1])])
    mean, spread = values[present].mean(axis=0), values[present].std(axis=0)
    return np.stack([mean, np.where(spread > 1e-6, spread, 1.0)])


def _member(
    strategy: str,
    train: FusionSet,
    dev: FusionSet | None,
    scaling: Mapping[str, Floats],
    settings: FitSettings,
) -> Mapping[str, Floats]:
    k = len(train.labels)
    counts = np.bincount(train.truth, minlength=k)
    weight = (1.0 / np.maximum(counts, 1)) ** settings.class_power
    weight /= weight[train.truth].mean()
    batch = batch_of(scaling, train, weight)
    watched = batch_of(scaling, dev, weight) if dev is not None and len(dev.truth) else None
    fixed: dict[str, Floats] = {"prior": np.log(np.maximum(counts * weight, 1e-3))}
    if strategy in (*SCORE_LEVEL, BOTH_LEVELS):
        fixed |= linear_readings(batch, k, settings.strength)
    if strategy == "average":
        return fixed
    if strategy in SCORE_LEVEL:
        batch = replace(batch, x={SAID: _unseen(batch, k, train.groups, settings)})
        if strategy == "confidence":
            return fixed | {"power": _best_power(fixed, batch)}
        if watched is not None:
            watched = replace(watched, x={SAID: np.asarray(experts(np, fixed, watched.x))})
    if strategy == "cross-attention":
        fixed |= {"allowed": _allowed(tuple(scaling), settings.anchor)}
    sizes = {name: one.shape[1] for name, one in scaling.items()}
    start = Start(fixed, beginning(strategy, sizes, k, settings))
    return descend(strategy, start, batch, watched, settings)


def batch_of(scaling: Mapping[str, Floats], data: FusionSet, weight: Floats) -> Batch:
    """Examples as a network takes them; ``weight`` (k,) is that of each class."""
    there = np.stack([data.present[name] for name in scaling], axis=1).astype(np.float64)
    return Batch(standardised(scaling, data.features, data.present), there, data.truth, weight[data.truth])


def _allowed(names: Sequence[str], anchor: tuple[str, str] | None) -> Floats:
    """Which input (row) may ask which other (column)."""
    allowed = 1.0 - np.eye(len(names))
    if anchor is not None:
        name, role = anchor
        own = np.array([one == name for one in names], np.float64)
        allowed *= own[:, None] if role == "query" else own[None, :]
    return allowed


def linear_readings(batch: Batch, k: int, strength: float) -> dict[str, Floats]:
    """One multinomial logistic regression per input, on the examples in which it is there."""
    from sklearn.linear_model import LogisticRegression

    arrays: dict[str, Floats] = {}
    for place, (name, z) in enumerate(batch.x.items()):
        rows = batch.there[:, place] > 0
        kinds = np.unique(batch.truth[rows])
        w, b = np.zeros((z.shape[1], k)), np.zeros(k)
        if len(kinds) > 1:
            found = LogisticRegression(C=strength, max_iter=300)
            found.fit(z[rows], batch.truth[rows], sample_weight=batch.weight[rows])
            coefficients, intercept = found.coef_, found.intercept_
            if len(kinds) == 2:  # one row stands for both
                coefficients, intercept = (
                    np.concatenate([-one, one]) / 2 for one in (coefficients, intercept)
                )
            b[:] = ABSENT_CLASS
            w[:, kinds], b[kinds] = coefficients.T, intercept
        arrays |= {f"expert.{name}.w": w, f"expert.{name}.b": b}
    return arrays


def _unseen(batch: Batch, k: int, groups: Groups, settings: FitSettings) -> Floats:
    """What linear readings say of examples they were not fitted on (n, m, k): a fold at a time."""
    said = np.zeros((len(batch.truth), len(batch.x), k))
    for rest, held in folds_of(batch.truth, groups, settings.seed):
        part = Batch(
            {name: one[rest] for name, one in batch.x.items()},
            batch.there[rest],
            batch.truth[rest],
            batch.weight[rest],
        )
        arrays = linear_readings(part, k, settings.strength)
        said[held] = experts(np, arrays, {name: one[held] for name, one in batch.x.items()})
    return said


def folds_of(truth: Integers, groups: Groups, seed: int) -> list[tuple[Integers, Integers]]:
    """Rows to learn from and rows held back, group-disjoint where enough groups are known."""
    from sklearn.model_selection import GroupKFold, KFold

    count = min(FOLDS, len(truth))
    if len(set(groups.tolist()) - {""}) >= count:
        return list(GroupKFold(count).split(truth, truth, groups))
    return list(KFold(count, shuffle=True, random_state=seed).split(truth))


def _best_power(fixed: Mapping[str, Floats], batch: Batch) -> Floats:
    """How strongly certainty counts: the power with the least log loss."""

    def loss(power: float) -> float:
        arrays = {**fixed, "power": np.array(power)}
        logs = pooled(np, "confidence", arrays, batch.x[SAID], batch.there)
        return negative_log_likelihood(batch.truth, np.exp(logs))

    return np.array(min(POWERS, key=loss))
