"""What a run leaves for people: figures, pictures, every mistake, and one page that shows them."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.labels import EMOTIONS
from pipeline.models.cards import Calibration
from pipeline.train.evaluate import answers_json
from pipeline.train.inputs import face_detector, read_face
from pipeline.train.metrics import Metrics, calibration, confusion_matrix
from pipeline.train.report import plots, sheets
from pipeline.train.report.summary import PICTURES, RunAbout, shown, summary
from pipeline.train.schedule import METRIC
from pipeline.train.score import Answers, metrics_of
from pipeline.writers.table import text_cell

if TYPE_CHECKING:
    from pipeline.train.schedule import Epoch

__all__ = ["METRICS_FILE", "SUMMARY_FILE", "RunAbout", "write_report"]

METRICS_FILE = "metrics.json"
SUMMARY_FILE = "summary.html"
GALLERY_FACES, GALLERY_ROWS = 28, 20
CLASS_HEADER = ("class", "precision", "recall", "f1", "n")
ROW_HEADER = ("name", "true", "predicted", "confidence", "entropy_bits", "group")


def write_report(
    folder: Path,
    answers: Answers,
    history: Sequence["Epoch"],
    about: RunAbout,
    baselines: Mapping[str, Answers],
    *,
    metric: str = METRIC,
) -> None:
    """Write figures, pictures, lists of answers and ``summary.html``; equal input, equal bytes.

    Args:
        folder: made if need be; what else lies in it stays.
        answers: the model's answers on data it was not trained on.
        history: the epochs of its training; empty: no curves.
        about: how the run came about.
        baselines: answers of other models on the same examples, by name.
        metric: the field of ``Epoch`` that told which epoch to keep.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figures = metrics_of(answers)
    _write_metrics(folder / METRICS_FILE, answers, about, baselines)
    _write_csv(folder / "classification_report.csv", CLASS_HEADER, class_rows(figures))
    order = mistakes(answers)
    rows = [
        (text_cell(name), *facts, text_cell(group)) for name, *facts, group in answer_rows(answers, order)
    ]
    _write_csv(folder / "errors.csv", ROW_HEADER, rows)
    pictures = _draw(folder, answers, figures, history, metric)
    for name in PICTURES.keys() - set(pictures):
        (folder / name).unlink(missing_ok=True)  # of an earlier run that had more to show
    with _replacing(folder / SUMMARY_FILE) as part:
        part.write_text(summary(folder, answers, about, baselines, pictures), encoding="utf-8")


def class_rows(figures: Metrics) -> list[tuple[str, ...]]:
    """Rows of the classification report: one a class, then the averages."""
    rows = [
        (name, shown(one.precision), shown(one.recall), shown(one.f1), str(one.n))
        for name, one in figures.per_class.items()
    ]
    weights = [one.n / figures.n for one in figures.per_class.values()]
    precisions = [one.precision for one in figures.per_class.values()]
    weighted = sum(w * p for w, p in zip(weights, precisions, strict=True))
    macro = sum(precisions) / len(precisions)
    n = str(figures.n)
    rows.append(("macro average", shown(macro), shown(figures.uar), shown(figures.macro_f1), n))
    rows.append(("weighted average", shown(weighted), shown(figures.accuracy), shown(figures.weighted_f1), n))
    return [*rows, ("accuracy", "", "", shown(figures.accuracy), n)]


def answer_rows(answers: Answers, places: Iterable[int]) -> list[tuple[str, ...]]:
    """Rows of a list of answers."""
    return [
        (
            answers.names[i],
            EMOTIONS[answers.truth[i]],
            EMOTIONS[answers.predicted[i]],
            f"{answers.confidence[i]:.4f}",
            f"{answers.entropy_bits[i]:.3f}",
            str(answers.groups[i]),
        )
        for i in places
    ]


def mistakes(answers: Answers) -> npt.NDArray[np.int64]:
    """Places of all wrong answers, the most confident first."""
    wrong = np.flatnonzero(answers.predicted != answers.truth)
    return wrong[np.argsort(-answers.confidence[wrong], kind="stable")]


def successes(answers: Answers, most: int) -> list[int]:
    """Places of the most confident right answers, taken from the classes in turn and shown class by class."""
    right = answers.predicted == answers.truth
    queues = []
    for emotion in range(len(EMOTIONS)):
        own = np.flatnonzero(right & (answers.truth == emotion))
        queues.append(own[np.argsort(-answers.confidence[own], kind="stable")].tolist())
    taken: list[tuple[int, int, int]] = []
    for rank in range(max(map(len, queues))):
        taken += [(emotion, rank, own[rank]) for emotion, own in enumerate(queues) if rank < len(own)]
    return [place for _, _, place in sorted(taken[:most])]


def calibrations(answers: Answers) -> Calibration:
    """Reliability of the answers; without a temperature there is no before."""
    before = answers.uncalibrated
    both = calibration(
        answers.truth, answers.probabilities if before is None else before, answers.probabilities
    )
    return both if before is not None else Calibration(both.ece_after, both.ece_after, (), both.bins_after)


def _draw(
    folder: Path, answers: Answers, figures: Metrics, history: Sequence["Epoch"], metric: str
) -> list[str]:
    """Write the pictures there is something to show on; their names in the order of the page."""
    counts = confusion_matrix(answers.truth, answers.predicted, len(EMOTIONS))
    charts = {
        "confusion.png": plots.confusion(EMOTIONS, counts),
        "per_class.png": plots.per_class(figures.per_class),
        "reliability.png": plots.reliability({"": calibrations(answers)}),
    }
    if history:
        charts["curves.png"] = plots.curves(history, metric)
    for name, chart in charts.items():
        with _replacing(folder / name) as part:
            plots.save(chart, part)
    drawn = {
        "classification_report.png": sheets.table(CLASS_HEADER, class_rows(figures)),
        "error_gallery.png": _gallery(answers, mistakes(answers).tolist(), "most confident mistakes"),
        "success_gallery.png": _gallery(
            answers, successes(answers, _gallery_size(answers)), "most confident right answers"
        ),
    }
    images = {name: image for name, image in drawn.items() if image is not None}
    for name, image in images.items():
        with _replacing(folder / name) as part:
            sheets.save(image, part)
    return [name for name in PICTURES if name in charts or name in images]


def _gallery_size(answers: Answers) -> int:
    return GALLERY_FACES if answers.modality == "face" else GALLERY_ROWS


def _gallery(answers: Answers, places: Sequence[int], title: str) -> Any | None:
    """Faces as a contact sheet, clips and texts as a table; None when there is nothing to show."""
    chosen = list(places)[: _gallery_size(answers)]
    if not chosen:
        return None
    if answers.modality == "face":
        return sheets.contact_sheet(list(_faces(answers, chosen)), title)
    what = "text" if answers.modality == "text" else "file"
    grouped = bool(set(answers.groups[chosen]) - {""})
    header = [what, "labelled", "answered", "confidence", "bits", *(["group"] if grouped else [])]
    rows = [row if grouped else row[:-1] for row in answer_rows(answers, chosen)]
    return sheets.table(
        header, [(*row[:3], f"{float(row[3]):.3f}", f"{float(row[4]):.2f}", *row[5:]) for row in rows]
    )


def _faces(answers: Answers, places: Sequence[int]) -> Iterator[sheets.Face]:
    from PIL import Image

    detector = face_detector() if answers.detect else None
    for i in places:
        crop = read_face(answers.root / answers.names[i], detector, margin=False)
        if isinstance(crop, str):
            continue
        yield sheets.Face(
            Image.fromarray(crop),
            EMOTIONS[answers.truth[i]],
            EMOTIONS[answers.predicted[i]],
            f"{answers.confidence[i]:.0%}, {answers.entropy_bits[i]:.2f} bits",
        )


def _write_metrics(path: Path, answers: Answers, about: RunAbout, baselines: Mapping[str, Answers]) -> None:
    grouped = bool(set(answers.groups) - {""})
    content = {
        **answers_json(answers, by_groups=grouped),
        "baselines": {name: answers_json(one) for name, one in baselines.items()},
        "about": {name: getattr(about, name) for name in RunAbout.__dataclass_fields__},
    }
    with _replacing(path) as part:
        part.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    # With a byte order mark: Excel shows Chinese then.
    with _replacing(path) as part, part.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([header, *rows])


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A sibling to write to, which takes the file's place once it is whole."""
    part = path.with_name(f"{path.name}.part")
    yield part
    part.replace(path)
