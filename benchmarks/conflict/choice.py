"""How the detector's form was chosen: on development items put together so that the truth is known.

    python -m pipeline.train.voice --data DIR --out FOLDER     # leaves FOLDER/dev_answers.npz, minutes
    python -m benchmarks.conflict.choice --data DIR --voice-answers FOLDER/dev_answers.npz

Faces: FER+ dev. Voice: RAVDESS and EMO-DB, every speaker but the test ones, asked of the network of the fold
that was trained without; each speaker's own clips known. Lines: MELD and EmotionTalk dev. No test item is
looked at. What a form needs to know of a model (mean answer m, confusions C, densities) is measured on one
half of the items and the triples are made of the other, then the other way round. Triples as in part 1 of
``benchmarks.conflict``, every emotion as likely.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from benchmarks.conflict.answers import reliabilities
from benchmarks.conflict.choice_items import COUNT, FOREIGN, SEED, Half, dev_answers, halves, joined
from benchmarks.conflict.forms import FORMS, SHIPPED
from benchmarks.conflict.labelled_apart import table as labelled_apart
from benchmarks.conflict.markdown import table_of
from benchmarks.conflict.scores import (
    Floats,
    Integers,
    Mask,
    Verdicts,
    default_prior,
    interval,
    pairs,
    verdicts_of,
)
from benchmarks.conflict.triples import (
    AS_LABELLED,
    EVEN_KINDS,
    Triples,
    answers_of,
    bootstrap,
    draw,
    figures,
    uniform,
)
from benchmarks.made_clips import data_root
from pipeline.config import ConflictSection
from pipeline.fusion.belief import ALIKE, KINDS, Prior, kind_table, kinds_of, pair_states
from pipeline.fusion.channels import NO_SUBJECT, Channels
from pipeline.fusion.conflict import disagreements
from pipeline.fusion.reliability import likelihood
from pipeline.labels import EMOTIONS
from pipeline.models.cards import ModelError
from pipeline.train.examples import DataError
from pipeline.types import Reliability

MANY = 40_000  # for the calibration of rare kinds
BOOSTED_ROUNDS = 100
RESAMPLED = 60
APARTS = (0.05, ConflictSection().apart, 0.2)
BINS = 10
LEAST_IN_BIN = 30


@dataclass(frozen=True)
class Fit:
    """How far posteriors of all pairs of channels (pairs, 4) agree with the truth.

    ``log_loss``: of alike and the three kinds, in nats; ``said``: mean posterior of polarity; ``is_so``: how
    often it is polarity.
    """

    log_loss: float
    said: float
    is_so: float


def fit_of(likelihoods: Floats, triples: Triples, prior: Prior) -> Fit:
    """All pairs of all triples."""
    two = pairs(likelihoods.shape[1])
    posterior = np.concatenate([kinds_of(pair_states(likelihoods, a, b, prior)) for a, b in two])
    table = kind_table()
    truth = np.concatenate([table[triples.emotions[:, a], triples.emotions[:, b]] for a, b in two])
    place = 1 + KINDS.index("polarity")
    loss = -np.log(np.maximum(posterior[np.arange(len(truth)), truth], 1e-12)).mean()
    return Fit(float(loss), float(posterior[:, place].mean()), float((truth == place).mean()))


RIVALS = ("p/m", "Jeffrey: p through C")
RANKING = [f"{kind} {what}" for kind in KINDS for what in ("AP", "AUC")]
FITTING = ["log loss", "mean posterior of polarity", "polarity is so often"]


def ranking(triples: Triples, verdicts: Verdicts) -> list[str]:
    """AP and AUC per kind."""
    found = [figures(triples, verdicts, kind) for kind in KINDS]
    return [f"{value:.3f}" for one in found for value in (one.precision, one.area)]


def row(name: str, likelihoods: Floats, triples: Triples, prior: Prior) -> list[str]:
    """One line of a table with ``RANKING`` and ``FITTING``."""
    fit = fit_of(likelihoods, triples, prior)
    fitting = [f"{fit.log_loss:.3f}", f"{fit.said:.3f}", f"{fit.is_so:.3f}"]
    return [name, *ranking(triples, verdicts_of(likelihoods, prior)), *fitting]


def forms_table(parts: Sequence[Half], boosted: bool = True) -> str:
    """(a) Every form on the same triples; last, a classifier that knows no model of the matter."""
    triples = joined(parts)
    rows = [
        row(name, np.concatenate([one.likelihoods(form) for one in parts]), triples, default_prior())
        for name, form in FORMS.items()
    ]
    if boosted:
        rows.append(["gradient boosting on all answers", *ranking(triples, classified(parts)), "", "", ""])
    return table_of(["likelihood", *RANKING, *FITTING], rows)


def classified(parts: Sequence[Half]) -> Verdicts:
    """Kinds told by gradient-boosted trees taught on triples of the items the models were measured on."""
    found = []
    for way, one in enumerate(parts):
        taught = draw([own.truth for own in one.measured], uniform(), COUNT, SEED + 2 + way)
        model = HistGradientBoostingClassifier(
            max_iter=BOOSTED_ROUNDS, early_stopping=False, random_state=SEED
        )
        model.fit(_flat(answers_of(taught, one.measured)), taught.kind)
        found.append(model.predict_proba(_flat(one.answers))[:, 1:])
    kinds = np.concatenate(found)
    return Verdicts(kinds, np.zeros((len(kinds), parts[0].answers.shape[1])))


def ahead(parts: Sequence[Half], other: str) -> list[str]:
    """AP of the shipped form minus that of another, per kind, with 95 % over draws of items; halves' mean.

    Items that are in both halves (``instead``) are drawn for each by itself: narrower than it should be.
    """
    cells = []
    for kind in KINDS:
        draws = []
        for half in parts:
            verdicts = {
                name: verdicts_of(half.likelihoods(FORMS[name]), default_prior()) for name in (SHIPPED, other)
            }
            sizes = [int(items.max()) + 1 for items in half.triples.items.T]
            drawn = bootstrap(half.triples, verdicts, kind, sizes, RESAMPLED)
            draws.append(drawn[SHIPPED][:, 0] - drawn[other][:, 0])
        mean = np.mean(draws, axis=0)
        low, high = interval(mean)
        cells.append(f"{mean.mean():+.3f} ({low:+.3f} – {high:+.3f})")
    return cells


def _flat(answers: Floats) -> Floats:
    return answers.reshape(len(answers), -1)


def prior_with(apart: float, kinds: Mapping[str, float]) -> Prior:
    """``belief.prior_of`` for departures of which each kind has a share, every state shared alike often."""
    table = kind_table()
    away = np.zeros(table.shape)
    for kind, share in kinds.items():
        cells = (table == 1 + KINDS.index(kind)).astype(float)
        away += share * cells / np.maximum(cells.sum(axis=1, keepdims=True), 1)
    away /= away.sum(axis=1, keepdims=True)
    departs = (1 - apart) * np.eye(len(EMOTIONS)) + apart * away
    return Prior(tuple(uniform().tolist()), tuple(map(tuple, departs.tolist())))


def prior_table(drawn: Mapping[str, Sequence[Half]]) -> str:
    """(b) Which kinds a channel departs to, and how often it departs."""
    priors = {f"even kinds, apart {apart:g}": prior_with(apart, EVEN_KINDS) for apart in APARTS}
    priors["kinds as labelled"] = prior_with(ConflictSection().apart, AS_LABELLED)
    rows = []
    for case, parts in drawn.items():
        likelihoods = np.concatenate([one.likelihoods(FORMS[SHIPPED]) for one in parts])
        rows += [[case, *row(name, likelihoods, joined(parts), prior)] for name, prior in priors.items()]
    return table_of(["triples", "prior", *RANKING, *FITTING], rows)


@dataclass(frozen=True)
class Flagged:
    """Pairs of channels that show a kind of conflict: which (n,), with what evidence and confidence, and
    whether it is that kind."""

    kind: Integers
    evidence: Floats
    confidence: Floats
    right: Mask


def flagged(triples: Triples, answers: Floats, measured: Sequence[Reliability | None]) -> Flagged:
    """What the detector says of triples, as it would of stretches of film of full quality."""
    shape = answers.shape[:2]
    names = tuple(map(str, range(shape[1])))
    two = pairs(shape[1])
    channels = Channels(
        names,
        answers,
        np.ones(shape),
        np.ones(shape, np.bool_),
        np.full(shape, NO_SUBJECT),
        np.ones((shape[0], len(two)), np.bool_),
    )
    columns = [likelihood(answers[:, i], one, np.ones(shape[0])) for i, one in enumerate(measured)]
    found = disagreements(channels, np.stack(columns, axis=1), default_prior())
    table = kind_table()
    truth = np.stack([table[triples.emotions[:, a], triples.emotions[:, b]] for a, b in two], axis=1)
    there = found.kind != ALIKE
    right = (truth == found.kind)[there]
    return Flagged(found.kind[there], found.evidence[there], found.confidence[there], right)


def calibration_table(cases: Mapping[str, Flagged]) -> str:
    """(c) Mean confidence, the share that is right and how many, of pairs that show a kind."""
    enter = ConflictSection().enter
    rows = {
        f"{low / BINS:.1f} – {(low + 1) / BINS:.1f}": [_bins(one) == low for one in cases.values()]
        for low in range(BINS)
    }
    rows["all"] = [one.kind != ALIKE for one in cases.values()]
    rows[f"evidence ≥ {enter:g}"] = [one.evidence >= enter for one in cases.values()]
    places = range(1, 1 + len(KINDS))
    cells = [
        [name, *(_cell(*two, place) for two in zip(cases.values(), within, strict=True) for place in places)]
        for name, within in rows.items()
    ]
    return table_of(["confidence", *(f"{kind}, {case}" for case in cases for kind in KINDS)], cells)


def _bins(one: Flagged) -> Integers:
    return np.minimum((one.confidence * BINS).astype(np.int64), BINS - 1)


def _cell(one: Flagged, within: Mask, place: int) -> str:
    rows = within & (one.kind == place)
    if rows.sum() < LEAST_IN_BIN:
        return ""
    return f"{one.confidence[rows].mean():.2f}: {one.right[rows].mean():.2f} ({rows.sum()})"


def table(data: Path, voice: Path) -> str:
    """All tables. Raises DataError, ModelError."""
    dev, foreign = dev_answers(data, voice)
    even = halves(dev, EVEN_KINDS)
    labelled = halves(dev, AS_LABELLED)
    measured = reliabilities(tuple(dev))
    truths = [one.truth for one in dev.values()]
    confident = {}
    for case, kinds in (("even kinds", EVEN_KINDS), ("kinds as labelled", AS_LABELLED)):
        triples = draw(truths, uniform(), MANY, SEED, kinds)
        confident[case] = flagged(triples, answers_of(triples, list(dev.values())), measured)
    elsewhere = halves(dev, EVEN_KINDS, {"voice": foreign})
    abroad = f"voice: {FOREIGN}, nothing known of the speaker; no disgust"
    rows = [
        [case, other, *ahead(halved, other)]
        for case, halved in (("own domain", even), (abroad, elsewhere))
        for other in RIVALS
    ]
    sections = {
        "Likelihood, in the models' own domain": forms_table(even),
        f"Likelihood, {abroad}": forms_table(elsewhere, boosted=False),
        "AP of the shipped form minus that of another": table_of(["items", "other", *KINDS], rows),
        "Prior": prior_table({"even kinds": even, "kinds as labelled": labelled}),
        "Confidence of the shipped detector: mean, share right, pairs": calibration_table(confident),
        "Kinds among people's labels": labelled_apart(data),
    }
    return "\n".join(f"## {title}\n\n{text}\n" for title, text in sections.items())


def main() -> int:
    """Print the tables; 1 when they could not be made."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.conflict.choice",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, default=data_root())
    parser.add_argument("--voice-answers", type=Path, required=True, help="dev_answers.npz of a training")
    options = parser.parse_args()
    try:
        print(table(options.data, options.voice_answers))
    except (DataError, ModelError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
