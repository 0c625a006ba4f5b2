"""CMU-MOSI: every fusion strategy on the official test, ``python -m benchmarks.conflict --only mosi``.

Text, voice and face features of 2,199 utterances of film reviews; positive or negative. The text features
(and in part the face's) come from networks that were trained on these very training utterances: text alone is
right of 98 % of them in cross-validation, of 76 % of the test. Cross-validation therefore cannot tell
strategies apart; of settings that it cannot tell apart the strongest regularisation is taken (one standard
error's rule, Breiman 1984).

The protocol of this data is each utterance alone. What else there is to fuse is who speaks: the voice
features tell recordings apart, and a review is mostly of one mind; so a second figure lets neighbours speak
too (as contextual models of this data do, Poria et al. 2017). Neighbours are utterances near in voice:
neither the order of the test's rows nor any label of it is used, but its features are, all at once: it is
transductive.

.79 is met with neighbours only (`weighted` .794, `confidence` .790); alone the best is .772. Which of the
nine is best is read off the test.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.conflict.markdown import table_of
from benchmarks.conflict.recording import Context, choose_context, recording_axes, scaled, with_context
from pipeline.fusion.learned import FusionModel, apply
from pipeline.fusion.nets import STRATEGIES
from pipeline.train.fusion.data import TEST, TRAIN, Columns, FusionSet, read_fusion
from pipeline.train.fusion.descend import FitSettings
from pipeline.train.fusion.fit import fit

Doubles = npt.NDArray[np.float64]

FILE = Path("fusion") / "cmu_mosi_2way.npz"
SEEDS = range(5)
FOLDS = 5
REFERENCE = 0.767  # logistic regression on all features
# From strong to weak; deviation of the noise added to standardised features.
NOISES = (4.0, 2.0, 1.0, 0.5, 0.0)
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)
BASE = FitSettings(epochs=30, batch_size=64, learning_rate=2e-3, weight_decay=1e-2, modality_dropout=0.3)
MEMBERS = 3  # networks averaged, once settings are chosen
TEXT, VOICE = "text", "audio"


@dataclass(frozen=True)
class Row:
    """Test accuracies of one strategy, one a seed: each utterance by itself, and with its recording."""

    strategy: str
    alone: tuple[float, ...]
    with_recording: tuple[float, ...]


@dataclass(frozen=True)
class Found:
    """What is chosen on the training utterances: how strategies are trained, and how a recording speaks."""

    settings: FitSettings
    context: Context


def cross_validated(strategy: str, data: FusionSet, settings: FitSettings) -> tuple[float, float]:
    """Mean accuracy over folds of the training utterances, and its standard error."""
    from sklearn.model_selection import StratifiedKFold

    right = []
    parted = StratifiedKFold(FOLDS, shuffle=True, random_state=settings.seed)
    for rest, held in parted.split(data.truth, data.truth):
        model = fit(strategy, data.rows(rest), None, settings)
        asked = data.rows(held)
        right.append(float((apply(model, asked.features, asked.present).argmax(1) == asked.truth).mean()))
    return float(np.mean(right)), float(np.std(right, ddof=1) / np.sqrt(FOLDS))


def choose(train: FusionSet) -> Found:
    """Of each setting, the strongest regularisation within one standard error of the best accuracy."""
    text = train.only([TEXT])
    strengths = [cross_validated("average", text, replace(BASE, strength=one)) for one in STRENGTHS]
    noises = [cross_validated("concat", train, replace(BASE, noise=one)) for one in NOISES]
    settings = replace(
        BASE, members=MEMBERS, strength=_strongest(STRENGTHS, strengths), noise=_strongest(NOISES, noises)
    )
    return Found(settings, choose_context(train.features[VOICE], train.truth))


def _strongest(values: Sequence[float], found: Sequence[tuple[float, float]]) -> float:
    best, error = max(found)
    return next(value for value, (mean, _) in zip(values, found, strict=True) if mean >= best - error)


def rows(data: Path, seeds: Sequence[int] = SEEDS, strategies: Sequence[str] = STRATEGIES) -> list[Row]:
    """Accuracies of every strategy; everything is chosen on the training utterances."""
    torch.set_num_threads(1)
    both = read_fusion(data / FILE, Columns())
    train, test = both.rows(both.sides == TRAIN), both.rows(both.sides == TEST)
    found = choose(train)
    cosines = recording_axes(train.features[VOICE], train.truth)(test.features[VOICE])
    others = [name for name in test.features if name != TEXT]
    result = []
    for strategy in strategies:
        alone, recorded = [], []
        for seed in seeds:
            model = fit(strategy, train, None, replace(found.settings, seed=seed))
            odds, words = _scaled_odds(model, train, test), _scaled_odds(model, train, test, others)
            alone.append(_accuracy(odds, test))
            recorded.append(_accuracy(with_context(odds, words, cosines, found.context), test))
        result.append(Row(strategy, tuple(alone), tuple(recorded)))
    return result


def odds_of(model: FusionModel, data: FusionSet) -> Doubles:
    """Log-odds (n,) of the second label."""
    said = np.log(np.maximum(apply(model, data.features, data.present), 1e-9))
    return np.asarray(said[:, 1] - said[:, 0])


def _scaled_odds(
    model: FusionModel, train: FusionSet, test: FusionSet, left_out: Sequence[str] = ()
) -> Doubles:
    """Log-odds of the test on the scale that those of training tell."""
    spread = float(odds_of(model, train.without(left_out)).std())
    return scaled(odds_of(model, test.without(left_out)), spread)


def _accuracy(odds: Doubles, data: FusionSet) -> float:
    return float(((odds > 0) == data.truth).mean())


def table(data: Path) -> str:
    """The figures as Markdown: mean and deviation over the seeds."""
    cells = [
        [
            row.strategy,
            *(f"{np.mean(one):.3f} ± {np.std(one):.3f}" for one in (row.alone, row.with_recording)),
        ]
        for row in rows(data)
    ]
    reference = ["logistic regression on everything (reference)", f"{REFERENCE:.3f}", ""]
    return table_of(
        ("strategy", "each utterance alone (the protocol)", "with neighbours, transductive"),
        [reference, *cells],
    )
