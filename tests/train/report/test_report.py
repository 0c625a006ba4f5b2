"""What a run leaves: complete, the same for the same answers, and honest in words."""

import csv
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from pipeline.labels import EMOTIONS
from pipeline.train.report import sheets
from pipeline.train.report.folder import RunAbout, mistakes, successes, write_report
from pipeline.train.report.summary import PICTURES, guess, limits
from pipeline.train.schedule import Epoch
from pipeline.train.score import metrics_of
from pipeline.writers.fonts import font_for
from tests.train.made import made_answers

ABOUT = RunAbout(
    title="face: ours & theirs",
    command="emotion-pipeline train face --data faces",
    data="faces",
    split="by performer, 70/10/20",
    seed=3,
    n_train=70,
    n_dev=10,
    n_test=60,
    leaking_groups=0,
    notes=("Raters agree with the actors on 78 %.",),
)
HISTORY = [Epoch(i + 1, "all", 1e-4, 2.0, 2.0, 0.5, 0.5, 0.4, 1.0) for i in range(3)]
LONG = "这一天从早上开始就没有一件顺心的事情，" * 12


def rows_of(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_everything_is_left_and_twice_the_same(tmp_path):
    answers = made_answers(names=(LONG, "=1+1", *(f"line {i}" for i in range(58))))
    for name in ("a", "b"):
        write_report(tmp_path / name, answers, HISTORY, ABOUT, {"zero-shot": made_answers(right=0.3)})
    left = contents(tmp_path / "a")
    tables = {"metrics.json", "classification_report.csv", "errors.csv", "summary.html"}
    assert left.keys() == tables | set(PICTURES)
    assert left == contents(tmp_path / "b")
    figures = json.loads(left["metrics.json"])
    assert figures["n"] == 60 and figures["about"]["seed"] == 3
    assert figures["baselines"]["zero-shot"]["accuracy"] < figures["accuracy"]
    assert set(figures["groups"]) == {"ann", "bob"}


def test_every_mistake_is_listed_the_most_confident_first(tmp_path):
    answers = made_answers(names=("=1+1", *(f"line {i}" for i in range(59))), right=0.0)
    write_report(tmp_path, answers, (), ABOUT, {})
    rows = rows_of(tmp_path / "errors.csv")
    wrong = answers.predicted != answers.truth
    assert len(rows) == wrong.sum() and wrong[0]
    confidences = [float(row["confidence"]) for row in rows]
    assert confidences == sorted(confidences, reverse=True)
    assert all(row["true"] != row["predicted"] for row in rows)
    assert "'=1+1" in {row["name"] for row in rows}, "no spreadsheet shall run a text"


def test_the_classification_report_has_classes_and_averages(tmp_path):
    answers = made_answers(emotions=("happy", "sad"))
    write_report(tmp_path, answers, (), ABOUT, {})
    rows = {row["class"]: row for row in rows_of(tmp_path / "classification_report.csv")}
    assert list(rows) == ["happy", "sad", "macro average", "weighted average", "accuracy"]
    metrics = metrics_of(answers)
    assert rows["macro average"]["recall"] == f"{metrics.uar:.3f}"
    assert rows["weighted average"]["f1"] == f"{metrics.weighted_f1:.3f}"
    assert rows["accuracy"]["f1"] == f"{metrics.accuracy:.3f}"


def test_a_run_without_history_or_mistakes_takes_the_older_pictures_away(tmp_path):
    (tmp_path / "model").mkdir()
    for name in PICTURES:
        (tmp_path / name).write_bytes(b"of an earlier run")
    perfect = made_answers()
    perfect = perfect.only(perfect.predicted == perfect.truth)
    write_report(tmp_path, perfect, (), ABOUT, {})
    left = {path.name for path in tmp_path.iterdir()}
    assert "model" in left and not {"curves.png", "error_gallery.png"} & left
    assert "curves.png" not in (tmp_path / "summary.html").read_text(encoding="utf-8")


def test_the_page_says_what_leaks_and_what_is_not_known(tmp_path):
    answers = made_answers(n=8, emotions=("happy", "sad"), skipped={"no face was found": 2})
    write_report(tmp_path, answers, (), replace(ABOUT, leaking_groups=5), {"DeepFace": answers})
    page = (tmp_path / "summary.html").read_text(encoding="utf-8")
    for said in (
        "face: ours &amp; theirs",
        "DeepFace",
        "By performer, 70/10/20.",
        "5 groups stand on both sides of the split",
        "Left out: 2, no face was found.",
        "Raters agree with the actors on 78 %.",
        "Too few examples for figures of their own: happy (4), sad (4).",
        "Nothing is known about angry, disgust, fear, surprise, neutral",
        "Always answering happy has accuracy 0.500 and unweighted recall 0.500.",
    ):
        assert said in page, said
    assert page.count("data:image/png;base64,") == len(list(tmp_path.glob("*.png")))
    assert "http" not in page


def test_a_model_that_is_too_sure_is_said_to_be():
    answers = made_answers(right=0.2)
    said = " ".join(limits(answers, metrics_of(answers), ABOUT))
    assert "the model is too sure" in said
    assert guess(metrics_of(made_answers(n=7))).endswith("unweighted recall 0.143.")


def test_successes_come_from_all_classes():
    answers = made_answers(n=140, right=1.0)
    places = successes(answers, 21)
    assert np.bincount(answers.truth[places], minlength=7).min() >= 2
    assert answers.truth[places].tolist() == sorted(answers.truth[places])
    assert (answers.predicted[places] == answers.truth[places]).all()
    assert set(mistakes(answers)).isdisjoint(places)


def test_faces_are_shown_as_pictures(tmp_path):
    names = tuple(f"{i}.png" for i in range(20))
    for name in names[1:]:
        cv2.imwrite(str(tmp_path / name), np.full((48, 30, 3), (0, 0, 255), np.uint8))
    answers = made_answers(n=20, modality="face", right=0.0, names=names, root=tmp_path)
    write_report(tmp_path / "run", answers, (), ABOUT, {})
    with Image.open(tmp_path / "run" / "error_gallery.png") as sheet:
        red = (np.asarray(sheet) == (255, 0, 0)).all(axis=2).sum()
    shown = (answers.predicted != answers.truth)[1:].sum()  # the file of the first is gone
    assert red == pytest.approx(shown * sheets.FACE_PX * sheets.FACE_PX * 30 / 48, rel=0.1)


def test_long_lines_are_wrapped_and_end_in_an_ellipsis():
    font = font_for("zh")
    lines = sheets.wrapped(LONG, font, 300)
    assert len(lines) == sheets.MOST_LINES and lines[-1].endswith("…")
    assert all(font.width_px(line, sheets.EM_PX) <= 300 for line in lines)
    assert sheets.wrapped("one two three", font, 70)[0] in ("one", "one two")
    assert sheets.wrapped("", font, 70) == [""]
    mark = sheets.wrapped("一二三四，五六七八", font, font.width_px("一二三四", sheets.EM_PX))
    assert mark == ["一二三", "四，五六", "七八"]


def test_a_table_of_chinese_is_drawn_in_chinese():
    # Without such a font both would be empty squares.
    glad, sorry = (np.asarray(sheets.table(["text"], [[text]])) for text in ("开心吗", "难过吗"))
    assert glad.shape == sorry.shape and (glad != sorry).any()


def test_emotions_of_a_table_are_coloured():
    image = np.asarray(sheets.table(["a"], [[EMOTIONS[0]]])).reshape(-1, 3)
    assert (image == (0xD5, 0x5E, 0x00)).all(axis=1).any()
