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
    interval,
)
from benchmarks.conflict.triples import (
    Figures,
    Triples,
    answers_of,
    bootstrap,
    draw,
    figures,
    judge,
    natural,
    odd_accuracy,
    uniform,
)
from pipeline.fusion.belief import KINDS
from pipeline.labels import EMOTIONS

OURS = "ours"
ASKED_BASELINES = ("argmax differs", "JSD", "|ΔV|")  # those that ours must beat
HEADLINE = "polarity"
LEAST_AREA, LEAST_RATIO, MOST_FALSE_ALARMS = 0.90, 1.5, 0.05
CERTAIN = 0.99


def table(data: Path) -> str:
    """All tables of part 1. Raises DataError, ModelError."""
    asked = channels(data)
    detectors = {**BASELINES, OURS: belief(reliabilities(tuple(asked)))}
    truths = [one.truth for one in asked.values()]
    parts = []
    for name, frequencies in (
        ("every emotion as likely", uniform()),
        ("natural frequencies", natural(truths)),
    ):
        triples = draw(truths, frequencies)
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
            _headline(triples, {name: verdicts[name] for name in (OURS, best)}, best, asked),
            "",
            _limits(triples, probabilities, names, {name: detectors[name] for name in (best, OURS)}),
            "",
        ]
    )


def _columns() -> list[str]:
    return ["detector", *[f"{kind} {what}" for kind in KINDS for what in ("AP", "AUC", "FA")], "odd one"]


def _row(name: str, triples: Triples, verdicts: Verdicts) -> list[str]:
    cells = [name]
    for kind in KINDS:
        found = figures(triples, verdicts, kind)
        cells += [f"{found.precision:.3f}", f"{found.area:.3f}", f"{found.false_alarms:.3f}"]
    return [*cells, f"{odd_accuracy(triples, verdicts):.3f}"]


def _headline(triples: Triples, verdicts: Mapping[str, Verdicts], best: str, asked: Sequence[Asked]) -> str:
    """Polarity with 95 % intervals against what is asked for."""
    draws = bootstrap(triples, verdicts, HEADLINE, [len(one.truth) for one in asked])
    ours, other = (figures(triples, verdicts[name], HEADLINE) for name in (OURS, best))
    spans = [interval(draws[OURS][:, column]) for column in range(3)]
    ratio = interval(draws[OURS][:, 0] / draws[best][:, 0])
    rows = [
        ("AUC", ours.area, spans[1], f"≥ {LEAST_AREA:.2f}", ours.area >= LEAST_AREA),
        ("AP", ours.precision, spans[0], "", None),
        (
            f"AP over that of {best} ({other.precision:.3f})",
            ours.precision / other.precision,
            ratio,
            f"≥ {LEAST_RATIO:.1f}",
            ours.precision >= LEAST_RATIO * other.precision,
        ),
        (
            "false alarms on alike triples at recall .5",
            ours.false_alarms,
            spans[2],
            f"≤ {MOST_FALSE_ALARMS:.2f}",
            ours.false_alarms <= MOST_FALSE_ALARMS,
        ),
    ]
    said = {True: "yes", False: "no", None: ""}
    return table_of(
        [HEADLINE, OURS, "95 %", "must", "holds"],
        [
            [
                what,
                f"{value:.3f}",
                f"{low:.3f} – {high:.3f}",
                must,
                said[holds],
            ]
            for what, value, (low, high), must, holds in rows
        ],
    )


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
        rows.append([f"{name} is the odd one", *_side_by_side(found)])
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
    """Figures where only triples with this odd modality count as found; their base rate is a third."""
    rows = ~triples.are(HEADLINE) | (triples.odd == place)
    part = Triples(triples.emotions[rows], triples.items[rows], triples.kind[rows], triples.odd[rows])
    return figures(part, Verdicts(verdicts.kinds[rows], verdicts.odd[rows]), HEADLINE)
