"""The page of a run: headline figures, what stands beside them, and what they do not mean."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.train.evaluate import FIGURES, accuracy_range
from pipeline.train.metrics import Metrics
from pipeline.train.score import Answers, by_group, left_out, metrics_of

TEMPLATE = Path(__file__).with_name("summary.html")
THIS = "this model"
KNOWN_SPEAKER = "this model, normalised by the speaker"
OWN_BASELINE = "this model, relative to the person's own mean answer"
FEW = 20  # examples below which a class's own figures say little
UNSURE_ECE = 0.1
PICTURES: Mapping[str, str] = {
    "confusion.png": "What was labelled as what: counts, and shares of each row",
    "per_class.png": "Precision, recall and F1 of each class, with its number of examples",
    "curves.png": "Loss, development figures and learning rate over the epochs",
    "reliability.png": "How often answers of a confidence are right; on the dotted line it can be believed",
    "error_gallery.png": "The mistakes the model was most sure of; entropy in bits, 0 is certain",
    "success_gallery.png": "The right answers the model was most sure of, taken from all classes in turn",
    "classification_report.png": "Figures of each class",
}


@dataclass(frozen=True)
class RunAbout:
    """What figures and pictures do not say by themselves. ``split`` and ``notes`` are sentences."""

    title: str
    command: str
    data: str
    split: str
    seed: int
    n_train: int
    n_dev: int
    n_test: int
    leaking_groups: int
    notes: tuple[str, ...]


def summary(
    folder: Path,
    answers: Answers,
    about: RunAbout,
    baselines: Mapping[str, Answers],
    pictures: Sequence[str],
) -> str:
    """The page, with the pictures of ``folder`` inside it."""
    import jinja2

    figures = metrics_of(answers)
    embedded = [
        (name, what, base64.b64encode((folder / name).read_bytes()).decode("ascii"))
        for name, what in PICTURES.items()
        if name in pictures
    ]
    page = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        TEMPLATE.read_text(encoding="utf-8")
    )
    return page.render(
        about=about,
        headline=[(word, shown(getattr(figures, key))) for key, word in FIGURES.items()],
        figures=figures,
        columns=list(FIGURES.values()),
        rows=[
            (name, metrics_of(one).n, [shown(getattr(metrics_of(one), key)) for key in FIGURES])
            for name, one in {THIS: answers, **baselines}.items()
        ],
        guess=guess(figures),
        split=split_words(about),
        skipped=left_out(answers.skipped, answers.named),
        groups=group_words(answers),
        limits=limits(answers, figures, about),
        pictures=embedded,
    )


def guess(figures: Metrics) -> str:
    """What can be had for nothing, as a yardstick."""
    name, most = max(figures.per_class.items(), key=lambda item: item[1].n)
    k = len(figures.per_class)
    return f"Always answering {name} has accuracy {most.n / figures.n:.3f} and unweighted recall {1 / k:.3f}."


def split_words(about: RunAbout) -> list[str]:
    """How the data was divided, in sentences."""
    lines = [about.split[:1].upper() + about.split[1:].rstrip(".") + "."]
    if about.n_train:
        lines.append(
            f"{about.n_train} examples to train on, {about.n_dev} to choose on, {about.n_test} to measure "
            f"on; seed {about.seed}."
        )
    if about.leaking_groups:
        lines.append(
            f"{about.leaking_groups} {'group stands' if about.leaking_groups == 1 else 'groups stand'} on "
            "both sides of the split: the figures say how well it does on those it knows, not on others."
        )
    return lines


def group_words(answers: Answers) -> str:
    """How far the groups differ; empty with fewer than two."""
    groups = by_group(answers)
    if len(groups) < 2:
        return ""
    worst = min(groups, key=lambda name: groups[name].accuracy)
    best = max(groups, key=lambda name: groups[name].accuracy)
    return (
        f"{len(groups)} groups; accuracy from {groups[worst].accuracy:.3f} ({worst}, n = {groups[worst].n}) "
        f"to {groups[best].accuracy:.3f} ({best}, n = {groups[best].n})."
    )


def limits(answers: Answers, figures: Metrics, about: RunAbout) -> list[str]:
    """What the figures do not mean, as far as it can be told from them."""
    low, high = accuracy_range(figures)
    lines = [
        f"With {figures.n} examples the accuracy lies between {low:.3f} and {high:.3f} (95 %) if they are "
        "independent of one another; several of one person or recording are not, and it is less certain then."
    ]
    rare = [f"{name} ({one.n})" for name, one in figures.per_class.items() if one.n < FEW]
    if rare:
        lines.append(f"Too few examples for figures of their own: {', '.join(rare)}.")
    absent = [name for name in answers.labels if name not in figures.per_class]
    if absent:
        lines.append(f"Nothing is known about {', '.join(absent)}: no example has that label.")
    if figures.ece is not None and figures.ece > UNSURE_ECE:
        gap = float(answers.confidence.mean()) - figures.accuracy
        lines.append(
            f"On this data the model is too {'sure' if gap > 0 else 'unsure'}: mean confidence "
            f"{answers.confidence.mean():.2f}, accuracy {figures.accuracy:.2f}. Do not read a confidence as "
            "a probability."
        )
    if about.leaking_groups:
        lines.append(
            "People or dialogues of the training data are in the test data: expect less on new ones."
        )
    lines.append(
        "The labels are what somebody acted or what raters saw: the figures say how well the model agrees "
        "with them, on data of this kind, and not what anyone felt."
    )
    return lines


def shown(value: float | None) -> str:
    """A figure with three decimals."""
    return "–" if value is None else f"{value:.3f}"
