"""What a back-end is worth on somebody's labelled examples: figures for people and for programs.

Examples of an emotion the model has no label for are left out of every figure and counted in ``skipped``:
the figures say how well the model does what it can do. ``accuracy_if_lacking_wrong`` counts each as wrong.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from pipeline.face.baseline import relative_to_own
from pipeline.labels import EMOTIONS
from pipeline.train.examples import LabelledSet
from pipeline.train.inputs import How, knows_speakers
from pipeline.train.metrics import Metrics
from pipeline.train.score import Answers, Show, ask, by_group, lacking, left_out, load_named, metrics_of

FIGURES: Mapping[str, str] = {
    "accuracy": "accuracy",
    "uar": "unweighted recall",
    "macro_f1": "macro-F1",
    "weighted_f1": "weighted F1",
    "ece": "calibration error",
}
DECIMALS = 4
LEAST_OUTSIDE = 1e-6  # a smaller rest of a distribution is rounding, not labels outside the seven


@dataclass(frozen=True)
class Evaluation:
    """Answers as the examples come and, where it is known whose each is, with what is known of the person.

    ``known_speaker``: voices normalised by the speaker; None when no groups were asked for, or when the
    back-end does not normalise. ``own_baseline``: faces relative to the person's mean answer; None without
    groups.
    """

    plain: Answers
    by_groups: bool = False
    known_speaker: Answers | None = None
    own_baseline: Answers | None = None

    @property
    def known(self) -> tuple[str, Answers] | None:
        """The answers with what is known of the person, and what to call them; None when there are none."""
        if self.known_speaker is not None:
            return "speaker-normalised", self.known_speaker
        return None if self.own_baseline is None else ("own baseline", self.own_baseline)


def evaluation(
    backend_name: str,
    examples: LabelledSet,
    device: str = "auto",
    *,
    detect: bool = False,
    by_groups: bool = False,
    language: str | None = None,
    spoken: bool = False,
    show: Show | None = None,
) -> Evaluation:
    """Ask a back-end about all examples, with ``by_groups`` also as persons whom it knows.

    Raises:
        ModelError: the back-end cannot be used.
        DataError: not one example could be answered.
    """
    backend = load_named(examples.modality, backend_name, device)
    plain = ask(backend, examples, How(detect, language=language, spoken=spoken), show)
    if not (by_groups and (plain.groups != "").any()):
        return Evaluation(plain, by_groups)
    if knows_speakers(backend):
        return Evaluation(plain, by_groups, ask(backend, examples, How(known_speaker=True), show))
    own = with_own_baseline(plain) if plain.modality == "face" else None
    return Evaluation(plain, by_groups, own_baseline=own)


def with_own_baseline(answers: Answers) -> Answers:
    """Answers relative to the mean of their group's (``face.own_baseline``); the nameless stay as they are.

    Emotions the model has no label for stay at 0. Its mass on labels outside the seven is one more column.
    """
    known = answers.groups != ""
    columns = [EMOTIONS.index(emotion) for emotion in answers.labels]
    there = answers.probabilities[known][:, columns]
    outside = np.clip(1 - there.sum(axis=1, keepdims=True), 0, 1)
    if (outside > LEAST_OUTSIDE).any():
        there = np.hstack([there, outside])
    rows = relative_to_own(there, answers.groups[known], np.ones(len(there)))
    probabilities = answers.probabilities.copy()
    probabilities[np.ix_(known, columns)] = rows[:, : len(columns)]
    return replace(answers, probabilities=probabilities, uncalibrated=None)


def accuracy_if_lacking_wrong(answers: Answers) -> float:
    """Accuracy when each example of an emotion that the model has no label for counts as wrong."""
    right = int((answers.predicted == answers.truth).sum())
    return right / (len(answers.truth) + sum(lacked(answers).values()))


def lacked(answers: Answers) -> dict[str, int]:
    """How many examples are labelled with each emotion that the model has no label for."""
    return {
        emotion: answers.skipped[why] for emotion in EMOTIONS if (why := lacking(emotion)) in answers.skipped
    }


def accuracy_range(metrics: Metrics) -> tuple[float, float]:
    """95 % interval of the accuracy (Wilson 1927, score interval), as if the examples were independent."""
    n, p, z = metrics.n, metrics.accuracy, 1.96
    middle = p + z * z / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def figures(metrics: Metrics) -> dict[str, Any]:
    """``n, accuracy, uar, macro_f1, weighted_f1, ece, per_class``, rounded."""
    named = {key: _rounded(getattr(metrics, key)) for key in FIGURES}
    classes = {
        name: {key: _rounded(value) if key != "n" else value for key, value in asdict(one).items()}
        for name, one in metrics.per_class.items()
    }
    return {"n": metrics.n, **named, "per_class": classes}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), DECIMALS)


def answers_json(answers: Answers, by_groups: bool = False) -> dict[str, Any]:
    """Figures of some answers with what was left out; ``groups`` has the figures of each group."""
    return {
        **figures(metrics_of(answers)),
        "accuracy_if_lacking_wrong": _rounded(accuracy_if_lacking_wrong(answers)),
        "labels": list(answers.labels),
        "lacking": lacked(answers),
        "skipped": dict(answers.skipped),
        "groups": {name: figures(one) for name, one in by_group(answers).items()} if by_groups else {},
    }


def as_json(result: Evaluation) -> dict[str, Any]:
    """The whole result for programs; ``speaker_normalised``, ``own_baseline``: null unless measured."""
    known = {"speaker_normalised": result.known_speaker, "own_baseline": result.own_baseline}
    return {
        **answers_json(result.plain, result.by_groups),
        **{key: None if one is None else answers_json(one, result.by_groups) for key, one in known.items()},
    }


def as_text(result: Evaluation) -> str:
    """The whole result for a person."""
    plain = metrics_of(result.plain)
    known = () if result.known is None else ((result.known[0], metrics_of(result.known[1])),)
    columns = [("plain", plain), *known]
    rows = [["", *(name for name, _ in columns)]] if known else []
    rows.append(["n", *(str(one.n) for _, one in columns)])
    rows += [[word, *(_shown(getattr(one, key)) for _, one in columns)] for key, word in FIGURES.items()]
    rows.append(["95 % of accuracy", *("{:.3f} – {:.3f}".format(*accuracy_range(one)) for _, one in columns)])
    parts = [_aligned(rows), class_table(plain)]
    parts += [f"{name}\n{class_table(one)}" for name, one in known]
    if result.by_groups:
        parts.append(group_table(result))
    parts += [_left_out(result)]
    return "\n\n".join(part for part in parts if part)


def class_table(metrics: Metrics) -> str:
    """Precision, recall, F1 and number of each class."""
    rows = [["class", "precision", "recall", "F1", "n"]]
    for name, one in metrics.per_class.items():
        rows.append([name, _shown(one.precision), _shown(one.recall), _shown(one.f1), str(one.n)])
    return _aligned(rows)


def group_table(result: Evaluation) -> str:
    """Accuracy and unweighted recall of each group; with what is known of the person where measured."""
    name, answers = result.known or ("", None)
    known = {} if answers is None else by_group(answers)
    more = [f"{name} accuracy", f"{name} recall"] if known else []
    rows = [["group", "n", "accuracy", "unweighted recall", *more]]
    for name, one in by_group(result.plain).items():
        row = [name, str(one.n), _shown(one.accuracy), _shown(one.uar)]
        if known:
            row += [_shown(known[name].accuracy), _shown(known[name].uar)]
        rows.append(row)
    if len(rows) == 1:
        return "No example says which group it belongs to."
    lines = _aligned(rows)
    nameless = int((result.plain.groups == "").sum())
    return f"{lines}\n{nameless} examples belong to no group." if nameless else lines


def _left_out(result: Evaluation) -> str:
    answers = result.plain
    lines = [f"left out: {line}" for line in left_out(answers.skipped, answers.named)]
    if not set(EMOTIONS) <= set(answers.labels):
        lines.append(f"the model answers {', '.join(answers.labels)}")
    counted = accuracy_if_lacking_wrong(answers)
    if counted < metrics_of(answers).accuracy:
        lines.append(f"accuracy if examples of emotions it lacks count as wrong: {_shown(counted)}")
    if result.by_groups and answers.modality == "voice" and result.known_speaker is None:
        lines.append("this back-end does not normalise by the speaker")
    return "\n".join(lines)


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns under one another; the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
