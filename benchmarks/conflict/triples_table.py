"""Part 1 as tables: all detectors on the triples, and what limits ours."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.conflict.answers import Asked, channels, reliabilities
from benchmarks.conflict.markdown import table_of
from benchmarks.conflict.scores import (
    BASELINES,
    Detector,
    Floats,
    Verdicts,
    belief,
    default_prior,
    interval,
    roc_area,
    shown_only,
)
from benchmarks.conflict.triples import (
    AS_LABELLED,
    COUNT,
    EVEN_KINDS,
    Figures,
    Triples,
    answers_of,
    bootstrap,
    draw,
    figures,
    judge,
    known_prior,
    natural,
    odd_accuracy,
    uniform,
)
from pipeline.config import ConflictSection
from pipeline.fusion.belief import KINDS
from pipeline.fusion.kinds import VALENCES
from pipeline.labels import EMOTIONS

OURS = "ours"
OURS_SHOWN = "ours, as events: of the kind shown"
OURS_KNOWING = "ours, base rates known"
MANY = 20_000
ASKED_BASELINES = ("argmax differs", "JSD", "|ΔV|")  # those that ours must beat
HEADLINE = "polarity"
LEAST_AREA, LEAST_RATIO, MOST_FALSE_ALARMS = 0.90, 1.5, 0.05
CERTAIN = 0.99


def table(data: Path) -> str:
    """All tables of part 1. Raises DataError, ModelError."""
    asked = channels(data)
    measured = reliabilities(tuple(asked))
    truths = [one.truth for one in asked.values()]
    parts = [f"What each model is worth on these items.\n\n{models(asked)}\n"]
    for name, frequencies, count, kinds in (
        ("every emotion as likely", uniform(), COUNT, EVEN_KINDS),
        ("natural frequencies", natural(truths), COUNT, EVEN_KINDS),
        ("kinds as people label them", uniform(), MANY, AS_LABELLED),
        ("kinds as people label them, natural frequencies", natural(truths), MANY, AS_LABELLED),
    ):
        triples = draw(truths, frequencies, count, kinds=kinds)
        known = known_prior(frequencies, ConflictSection().apart)
        detectors = {
            **BASELINES,
            OURS: belief(measured, default_prior()),
            OURS_SHOWN: shown_only(belief(measured, default_prior())),
            OURS_KNOWING: belief(measured, known),
        }
        parts.append(f"### {len(triples.kind)} triples, {name}\n")
        parts.append(report(triples, list(asked.values()), list(asked), detectors))
    return "\n".join(parts)


def report(
    triples: Triples, asked: Sequence[Asked], names: Sequence[str], detectors: Mapping[str, Detector]
) -> str:
    """What every detector reaches, whether ours reaches what it must, and what keeps it from more."""
    probabilities = answers_of(triples, asked)
    verdicts = {name: judge(detector, probabilities) for name, detector in detectors.items()}
    base = ", ".join(f"{kind} {triples.are(kind).mean():.3f}" for kind in KINDS)
    by_name = {name: figures(triples, one, HEADLINE) for name, one in verdicts.items()}
    best = max(ASKED_BASELINES, key=lambda name: by_name[name].precision)
    return "\n".join(
        [
            f"Base rates: {base}. AP average precision, AUC area under the ROC curve, FA share of the alike "
            "triples flagged at recall .5.\n",
            table_of(_columns(), [_row(name, triples, one) for name, one in verdicts.items()]),
            "",
            _headline(triples, {name: verdicts[name] for name in (best, OURS, OURS_KNOWING)}, best, asked),
            "",
            _limits(triples, probabilities, names, {name: detectors[name] for name in (best, OURS)}),
            "",
        ]
    )


def models(asked: Mapping[str, Asked]) -> str:
    """Accuracy, unweighted recall, and how well each model tells positive from negative items by valence."""
    rows = []
    for name, one in asked.items():
        right = one.probabilities.argmax(axis=1) == one.truth
        recall = np.mean([right[one.truth == emotion].mean() for emotion in np.unique(one.truth)])
        signs = np.sign(VALENCES)[one.truth]
        area = roc_area(signs[signs != 0] > 0, (one.probabilities @ VALENCES)[signs != 0])
        rows.append([name, f"{len(right)}", f"{right.mean():.3f}", f"{recall:.3f}", f"{area:.3f}"])
    return table_of(["model", "items", "accuracy", "unweighted recall", "AUC happy against negative"], rows)


def _columns() -> list[str]:
    return ["detector", *[f"{kind} {what}" for kind in KINDS for what in ("AP", "AUC", "FA")], "odd one"]


def _row(name: str, triples: Triples, verdicts: Verdicts) -> list[str]:
    cells = [name]
    for kind in KINDS:
        found = figures(triples, verdicts, kind)
        cells += [f"{found.precision:.3f}", f"{found.area:.3f}", f"{found.false_alarms:.3f}"]
    return [*cells, f"{odd_accuracy(triples, verdicts):.3f}"]


def _headline(triples: Triples, verdicts: Mapping[str, Verdicts], best: str, asked: Sequence[Asked]) -> str:
    """Polarity against what is asked for, with 95 % intervals."""
    draws = bootstrap(triples, verdicts, HEADLINE, [len(one.truth) for one in asked])
    baseline = figures(triples, verdicts[best], HEADLINE).precision
    rows = []
    for name, one in verdicts.items():
        found, drawn = figures(triples, one, HEADLINE), draws[name]
        ratio = found.precision / baseline
        rows.append(
            [
                name,
                _cell(found.area, drawn[:, 1], found.area >= LEAST_AREA),
                _cell(found.precision, drawn[:, 0], None),
                _cell(ratio, drawn[:, 0] / draws[best][:, 0], ratio >= LEAST_RATIO),
                _cell(found.false_alarms, drawn[:, 2], found.false_alarms <= MOST_FALSE_ALARMS),
            ]
        )
    columns = [
        f"{HEADLINE}, 95 % interval, whether as asked",
        f"AUC ≥ {LEAST_AREA:.2f}",
        "AP",
        f"AP over {best} ≥ {LEAST_RATIO:.1f}",
        f"FA ≤ {MOST_FALSE_ALARMS:.2f}",
    ]
    return table_of(columns, rows)


def _cell(value: float, draws: Floats, holds: bool | None) -> str:
    low, high = interval(draws)
    return f"{value:.3f} ({low:.3f} – {high:.3f}){ {True: ' yes', False: ' no', None: ''}[holds] }"


def _limits(
    triples: Triples, probabilities: Floats, names: Sequence[str], detectors: Mapping[str, Detector]
) -> str:
    """Polarity if one modality's model were always right, and by which modality is the odd one."""
    cases = {"as they are": probabilities}
    for place, name in enumerate(names):
        cases[f"{name} always right"] = _right(triples, probabilities, place)
    rows = []
    for case, answers in cases.items():
        found = {
            name: figures(triples, judge(detector, answers), HEADLINE) for name, detector in detectors.items()
        }
        rows.append([case, *_side_by_side(found)])
    verdicts = {name: judge(detector, probabilities) for name, detector in detectors.items()}
    for place, name in enumerate(names):
        found = {who: _odd_only(triples, one, place) for who, one in verdicts.items()}
        share = (triples.are(HEADLINE) & (triples.odd == place)).mean()
        rows.append([f"{name} is the odd one (base rate {share:.3f})", *_side_by_side(found)])
    columns = ["polarity", *[f"{name} {what}" for name in detectors for what in ("AP", "AUC", "FA")]]
    return table_of(columns, rows)


def _side_by_side(found: Mapping[str, Figures]) -> list[str]:
    return [f"{value:.3f}" for one in found.values() for value in (one.precision, one.area, one.false_alarms)]


def _right(triples: Triples, probabilities: Floats, place: int) -> Floats:
    """The same answers, but one modality's are certain and right."""
    sure = np.full((len(triples.kind), len(EMOTIONS)), (1 - CERTAIN) / (len(EMOTIONS) - 1))
    sure[np.arange(len(sure)), triples.emotions[:, place]] = CERTAIN
    answers = probabilities.copy()
    answers[:, place] = sure
    return answers


def _odd_only(triples: Triples, verdicts: Verdicts, place: int) -> Figures:
    """Figures where only triples with this odd modality count as found."""
    rows = ~triples.are(HEADLINE) | (triples.odd == place)
    part = Triples(triples.emotions[rows], triples.items[rows], triples.kind[rows], triples.odd[rows])
    return figures(part, Verdicts(verdicts.kinds[rows], verdicts.odd[rows]), HEADLINE)
