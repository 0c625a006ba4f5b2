"""The command `train` as a person meets it."""

import csv
import json
import sys

import pytest
import torch

from pipeline.cli import EXIT_OK, EXIT_USAGE, main
from pipeline.models.cards import CACHE_VARIABLE
from tests.train.faces import made_faces


@pytest.fixture(autouse=True)
def small_machine(monkeypatch, tmp_path):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_face_folds_end_to_end(tmp_path, capsys):
    data = made_faces(tmp_path / "faces")
    command = ["train", "face", "--data", str(data), "--folds", "2", "--epochs", "1", "--batch-size", "8"]
    command += ["--learning-rate", "0.002", "--class-weights", "--oversample", "--label-smoothing", "0.1"]
    assert main(command) == EXIT_OK
    printed = capsys.readouterr()
    folder = tmp_path / "outputs" / "training" / "face-labels"
    assert "2 folds, group-disjoint: 9 groups" in printed.err
    assert "DeepFace is not compared" in printed.err
    assert printed.err.count("epoch 1") == 2
    assert "test: n 36" in printed.out and "summary.html" in printed.out
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["n"] == 36
    assert any(note.startswith("accuracy of each fold") for note in metrics["about"]["notes"])
    assert metrics["about"]["split"].endswith("train and dev are means of the folds")
    assert metrics["about"]["n_train"] + metrics["about"]["n_dev"] in (17, 18)
    for number in (1, 2):
        assert (folder / f"fold-{number}" / "model" / "card.json").is_file()
        with (folder / f"fold-{number}" / "history.csv").open() as table:
            assert [row["phase"] for row in csv.DictReader(table)] == ["all"]
    assert main(command) == EXIT_USAGE
    assert "is finished" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "nowhere.csv"], "does not exist"),
        (["--data", "l.csv"], "no column 'emotion'"),
        (["--data", "l.csv", "--label-column", "label"], "1 usable faces"),
        (["--data", "l.csv", "--label-column", "file"], "is not known; use one of"),
    ],
)
def test_bad_data_is_one_sentence(arguments, said, tmp_path, capsys):
    (tmp_path / "l.csv").write_text("file,label\nfaces/00.png,sad\n", encoding="utf-8")
    made_faces(tmp_path / "faces", count=1)
    assert main(["train", "face", *arguments]) == EXIT_USAGE
    errors = capsys.readouterr().err.strip().splitlines()
    assert said in errors[-1] and len(errors) == 1


@pytest.mark.parametrize("wrong", [["--epochs", "0"], ["--test-share", "1"], ["--split", "luck"]])
def test_bad_arguments(wrong, capsys):
    assert main(["train", "face", "--data", "x.csv", *wrong]) == EXIT_USAGE
    assert wrong[0] in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["--test-share", "0"], ["--dev-share", "0.9", "--test-share", "0.9"]])
@pytest.mark.parametrize("modality", ["face", "text"])
def test_a_side_that_would_be_empty_is_one_sentence(modality, wrong, tmp_path, capsys):
    (tmp_path / "l.csv").write_text(
        "file,text,emotion\n" + "a.png,so it is today,sad\nb.png,so it was then,happy\n" * 10,
        encoding="utf-8",
    )
    assert main(["train", modality, "--data", "l.csv", *wrong]) == EXIT_USAGE
    errors = capsys.readouterr().err.strip().splitlines()
    assert len(errors) == 1 and "--test-share" in errors[0]
    assert not (tmp_path / "outputs").exists()


def test_missing_training_tools_are_named(tmp_path, capsys, monkeypatch):
    data = made_faces(tmp_path / "faces", count=12)
    monkeypatch.setitem(sys.modules, "accelerate", None)
    monkeypatch.setitem(sys.modules, "sklearn.model_selection", None)
    assert main(["train", "face", "--data", str(data), "--out", str(tmp_path / "runs")]) == EXIT_USAGE
    printed = capsys.readouterr().err
    assert "needs the package" in printed and ".[train]" in printed and "Traceback" not in printed
