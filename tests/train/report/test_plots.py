"""The charts: equal figures give equal bytes, and what is drawn is what was measured."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.models.cards import Calibration, ReliabilityBin, TrainingReport
from pipeline.models.document import page, reliability_file, reliability_sets, shipped_section
from pipeline.models.known import known_for
from pipeline.train.metrics import calibration, softmax
from pipeline.train.report import plots
from pipeline.train.schedule import Epoch
from pipeline.train.score import metrics_of
from tests.train.made import made_answers

LABELS = ("angry", "happy", "sad")


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def epochs(n, phase="all"):
    return [Epoch(i + 1, phase, 1e-4, 2 / (i + 1), 2 / (i + 1), 0.5, 0.5, 0.1 * i, 1.0) for i in range(n)]


def test_a_confusion_leaves_out_what_never_occurs_and_prints_counts():
    figure = plots.confusion(LABELS, np.array([[3, 0, 1], [0, 0, 0], [0, 0, 6]]))
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["angry (4)", "sad (6)"]
    assert texts(figure) == ["3\n75%", "1\n25%", "0", "6\n100%"]


def test_a_class_that_is_only_answered_keeps_its_column():
    figure = plots.confusion(LABELS, np.array([[0, 2, 0], [0, 0, 0], [0, 0, 0]]))
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["angry (2)", "happy (0)"]


def test_curves_mark_the_best_epoch_and_the_phases():
    loss = plots.curves([*epochs(3, "head"), *epochs(4)]).axes[0]
    assert loss.get_legend().get_texts()[-1].get_text() == "best epoch: 7"
    dotted = [line for line in loss.lines if line.get_linestyle() == ":"]
    assert [line.get_xdata()[0] for line in dotted] == [3.5]


def test_curves_mark_the_epoch_that_was_kept():
    history = [replace(one, dev_loss=loss) for one, loss in zip(epochs(3), (0.5, 0.2, 0.4), strict=True)]
    loss = plots.curves(history, "dev_loss").axes[0]
    assert loss.get_legend().get_texts()[-1].get_text() == "best epoch: 2"


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.confusion(LABELS, np.eye(3, dtype=int)),
        lambda: plots.per_class(metrics_of(made_answers()).per_class),
        lambda: plots.curves(epochs(1)),
        lambda: plots.reliability({"dev": Calibration(0.1, 0.1, (), (ReliabilityBin(0.5, 0.4, 3),))}),
    ],
)
def test_equal_figures_are_equal_bytes(draw, tmp_path):
    plots.save(draw(), tmp_path / "a.png")
    plots.save(draw(), tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        assert image.getextrema()[0][0] < 100 and "Software" not in image.info


def report_with(*names):
    draw = np.random.default_rng(0)
    truth = draw.integers(0, 7, 200)
    logits = draw.normal(0, 1, (200, 7))
    logits[np.arange(200), truth] += 2
    one = calibration(truth, softmax(logits, 0.5), softmax(logits))
    return TrainingReport(
        "d", "s", "c", metrics={}, calibration=dict.fromkeys(names, one) | {"bare": Calibration(0.2, 0.1)}
    )


def test_the_models_page_shows_sets_that_have_bins_but_no_parts_of_sets():
    report = report_with("dev", "loso.plain", "loso.plain.someone", "test")
    assert list(reliability_sets(report)) == ["dev", "loso.plain", "test"]
    section = shipped_section(known_for("xlm-roberta").card(), report)
    assert "![Reliability of dev, loso.plain, test](reliability_" in section
    assert "![" not in shipped_section(known_for("xlm-roberta").card(), report_with())


def test_the_pictures_of_the_models_page_are_there():
    folder = Path(__file__).parents[3] / "docs"
    linked = re.findall(r"\]\((\S+\.png)\)", page())
    missing = [name for name in linked if not (folder / name).is_file()]
    assert not missing, "run python -m pipeline.train.report.plots"


def test_the_command_draws_one_picture_a_model_with_bins(tmp_path, monkeypatch, capsys):
    reports = {"one": report_with("dev", "a", "b", "c", "d"), "two": report_with(), "three": None}
    monkeypatch.setattr(plots, "shipped_ids", lambda: tuple(reports))
    monkeypatch.setattr(plots, "shipped_report", reports.__getitem__)
    plots.main(["--out", str(tmp_path / "docs")])
    assert [path.name for path in (tmp_path / "docs").iterdir()] == [reliability_file("one")]
    assert reliability_file("one") in capsys.readouterr().out
