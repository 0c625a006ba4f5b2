"""CMU-MOSI: every fusion strategy on the official test, ``python -m benchmarks.conflict.mosi --data DIR``.

Text, voice and face features of 2,199 film reviews' utterances; positive or negative. The text features (and in
part the face's) come from networks that were trained on these training utterances: text alone is right of 98 %
of them by cross-validation and of 76 % of the test. Cross-validation therefore cannot tell strategies apart;
of settings that it cannot tell apart the strongest regularisation is taken (Breiman's one-standard-error rule).

What else is there to fuse: who speaks. The voice features tell recordings apart, and a review is mostly of one
mind; so a second figure lets what is said in the same recording speak too (as contextual models of this data
do, Poria et al. 2017), the recording being found by the voice: utterances of the same set near in voice.
Neither the order of the test's rows nor any label of it is used; its features are, without labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.conflict.recording import Context, choose_context, recording_axes, with_context
from pipeline.fusion.learned import FusionModel, apply
from pipeline.fusion.nets import STRATEGIES
from pipeline.train.fusion.data import TEST, TRAIN, Columns, FusionSet, read_fusion
from pipeline.train.fusion.fit import FitSettings, fit

Doubles = npt.NDArray[np.float64]

FILE = Path("fusion") / "cmu_mosi_2way.npz"
SEEDS = range(5)
FOLDS = 5
REFERENCE = 0.767  # logistic regression on all features
# From strong to weak; deviation of the noise added to standardised features.
NOISES = (4.0, 2.0, 1.0, 0.5, 0.0)
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)
BASE = FitSettings(
    members=3, epochs=30, batch_size=64, learning_rate=2e-3, weight_decay=1e-2, modality_dropout=0.3
)


@dataclass(frozen=True)
class Row:
    """Test accuracies of one strategy, one a seed: each utterance by itself, and with its recording."""

    strategy: str
    alone: tuple[float, ...]
    with_recording: tuple[float, ...]


def cross_validated(strategy: str, data: FusionSet, settings: FitSettings) -> tuple[float, float]:
    """Mean accuracy over folds of the training utterances, and its standard error."""
    from sklearn.model_selection import StratifiedKFold

    found = []
    parted = StratifiedKFold(FOLDS, shuffle=True, random_state=settings.seed)
    for rest, held in parted.split(data.truth, data.truth):
        model = fit(strategy, data.rows(rest), None, settings)
        asked = data.rows(held)
        found.append(float((apply(model, asked.features, asked.present).argmax(1) == asked.truth).mean()))
    return float(np.mean(found)), float(np.std(found, ddof=1) / np.sqrt(FOLDS))


def chosen_settings(train: FusionSet) -> FitSettings:
    """The strongest regularisation whose accuracy is within one standard error of the best."""
    quick = replace(BASE, members=1)
    strengths = [
        cross_validated("average", train.only(["text"]), replace(quick, strength=one)) for one in STRENGTHS
    ]
    noises = [cross_validated("concat", train, replace(quick, noise=one)) for one in NOISES]
    return replace(BASE, strength=_strongest(STRENGTHS, strengths), noise=_strongest(NOISES, noises))


def _strongest(values: Sequence[float], found: Sequence[tuple[float, float]]) -> float:
    best, error = max(found)
    return next(value for value, (mean, _) in zip(values, found, strict=True) if mean >= best - error)


def rows(data: Path, seeds: Sequence[int] = SEEDS, strategies: Sequence[str] = STRATEGIES) -> list[Row]:
    """Accuracies of every strategy; everything is chosen on the training utterances."""
    both = read_fusion(data / FILE, Columns())
    train, test = both.rows(both.sides == TRAIN), both.rows(both.sides == TEST)
    settings = chosen_settings(train)
    axes = recording_axes(train.features["audio"], train.truth)
    context = choose_context(train.features["audio"], train.truth)
    return [
        _row(one, train, test, settings, seeds, (axes(test.features["audio"]), context)) for one in strategies
    ]


def _row(
    strategy: str,
    train: FusionSet,
    test: FusionSet,
    settings: FitSettings,
    seeds: Sequence[int],
    near: tuple[Doubles, Context],
) -> Row:
    alone, recorded = [], []
    for seed in seeds:
        model = fit(strategy, train, None, replace(settings, seed=seed))
        odds, words = _odds(model, test), _odds(model, test.without(["audio", "video"]))
        alone.append(float(((odds > 0) == test.truth).mean()))
        recorded.append(float(((with_context(odds, words, *near) > 0) == test.truth).mean()))
    return Row(strategy, tuple(alone), tuple(recorded))


def _odds(model: FusionModel, data: FusionSet) -> Doubles:
    said = np.log(np.maximum(apply(model, data.features, data.present), 1e-9))
    return np.asarray(said[:, 1] - said[:, 0])
