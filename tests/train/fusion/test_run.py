"""Who is trained on and who is measured."""

import csv

import pytest

from pipeline.train.fusion.data import Columns
from pipeline.train.fusion.descend import FitSettings
from pipeline.train.fusion.run import FusionTuning, ask, train

TRAINED, TESTED = 40, 22
OTHER = {"happy": "sad", "sad": "happy"}


@pytest.fixture
def turned(tmp_path):
    """A voice that says the opposite while trained on, and the truth in the test."""
    rows = []
    for place in range(TRAINED + TESTED):
        emotion, tested = ("happy", "sad")[place % 2], place >= TRAINED
        said = emotion if tested else OTHER[emotion]
        rows.append((emotion, said, ("train", "dev")[place % 5 == 0] if not tested else "test"))
    path = tmp_path / "turned.csv"
    with path.open("w", encoding="utf-8", newline="") as table:
        csv.writer(table).writerows([("emotion", "voice_label", "split"), *rows])
    return path


def test_the_test_side_is_measured_and_never_trained_on(turned, tmp_path):
    asked = FusionTuning(turned, tmp_path / "run", "average", fit=FitSettings())
    result = train(asked, "train", False, lambda line: None)
    assert result.metrics.n == TESTED and result.metrics.accuracy == 0
    _, measured = ask(turned, Columns(), tmp_path / "run" / "model", ())
    assert measured.sides.tolist() == ["test"] * TESTED


def test_data_without_sides_are_measured_whole(turned, tmp_path):
    train(FusionTuning(turned, tmp_path / "run", "average"), "train", False, lambda line: None)
    text = turned.read_text(encoding="utf-8").replace(",split", ",part")
    turned.write_text(text, encoding="utf-8")
    assert len(ask(turned, Columns(), tmp_path / "run" / "model", ())[1].truth) == TRAINED + TESTED
