import json

import numpy as np
import pytest

from pipeline.cli import main
from tests.train.fusion.made import write_scores


def test_trained_measured_and_kept(tmp_path, capsys):
    data = write_scores(tmp_path / "scores.csv", 150, role=["host", "guest"])
    train = ["train", "fusion", "--data", str(data), "--strategy", "stacking", "--epochs", "3"]
    train += ["--metadata", "role", "--out", str(tmp_path / "runs")]
    assert main(train) == 0
    said = capsys.readouterr()
    run = tmp_path / "runs" / "fusion-scores"
    assert f'model = "{run / "model"}"' in said.out and "without metadata:" in said.out
    assert "no group is on two sides: 25 in all" in said.err
    assert {"settings.json", "metrics.json", "summary.html", "finished"} <= {
        one.name for one in run.iterdir()
    }
    assert {one.name for one in (run / "model").iterdir()} == {"model.npz", "card.json"}
    assert "without face" in json.loads((run / "metrics.json").read_text(encoding="utf-8"))["baselines"]
    assert main(train) == 2
    assert "is finished; give another --name, or --force" in capsys.readouterr().err
    assert main([*train, "--force"]) == 0
    capsys.readouterr()
    ask = ["evaluate", "fusion", "--data", str(data), "--model", str(run / "model")]
    assert main([*ask, "--json"]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert whole["n"] == 150 and set(whole["without"]) == {"face", "voice", "metadata"}
    assert main([*ask, "--without", "face"]) == 0
    assert "all but face: n 150" in capsys.readouterr().out
    without = write_scores(tmp_path / "plain.csv", 30)
    assert main(["evaluate", "fusion", "--data", str(without), "--model", str(run / "model")]) == 0


def test_a_seed_below_zero_is_a_wrong_argument(capsys):
    assert main(["train", "fusion", "--data", "x.csv", "--strategy", "average", "--seed", "-1"]) == 2
    assert "argument --seed: -1 is not a whole number from 0 up" in capsys.readouterr().err


@pytest.mark.parametrize(("column", "value"), [("emotion", "sad"), ("voice_label", "")])
def test_refused_data_leave_nothing_behind(column, value, tmp_path, capsys):
    rows = write_scores(tmp_path / "a.csv", 40).read_text().splitlines()
    place = rows[0].split(",").index(column)
    cells = [row.split(",") for row in rows[1:]]
    cut = [",".join([*row[:place], value, *row[place + 1 :]]) for row in cells]
    (tmp_path / "a.csv").write_text("\n".join([f"{rows[0]},split", *(f"{row},train" for row in cut)]))
    with (tmp_path / "a.csv").open("a") as table:
        table.write("".join(f"\n{row},test" for row in rows[1:]))
    train = ["train", "fusion", "--data", str(tmp_path / "a.csv"), "--strategy", "average"]
    assert main([*train, "--out", str(tmp_path / "runs")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "training examples" in error
    assert not (tmp_path / "runs").exists()


def test_a_fusion_of_features_is_not_offered_for_an_analysis(tmp_path, capsys):
    draw = np.random.default_rng(0)
    arrays = {f"{one}_{side}": draw.random((40, 3)) for one in ("a", "b") for side in ("train", "test")}
    np.savez(tmp_path / "x.npz", **arrays, y_train=np.arange(40) % 2, y_test=np.arange(40) % 2)
    train = ["train", "fusion", "--data", str(tmp_path / "x.npz"), "--strategy", "average"]
    assert main([*train, "--out", str(tmp_path / "runs")]) == 0
    said = capsys.readouterr().out
    assert "[fusion]" not in said and "measure it: evaluate fusion --data FILE --model" in said


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["train", "fusion", "--data", "no.csv", "--strategy", "average"], "no.csv does not exist"),
        (["train", "fusion", "--data", "few.csv", "--strategy", "average"], "has 5 examples"),
        (
            ["train", "fusion", "--data", "x.npz", "--strategy", "average", "--metadata", "role"],
            "--metadata does nothing with an .npz file",
        ),
        (
            ["train", "fusion", "--data", "few.csv", "--strategy", "average", "--epochs", "3"],
            "--epochs does nothing with --strategy average",
        ),
        (["evaluate", "fusion", "--data", "few.csv", "--model", "none"], "none holds no readable card.json"),
        (["evaluate", "fusion", "--data", "few.csv", "--without", "smell"], "there is no input 'smell'"),
        (
            ["evaluate", "fusion", "--data", "few.csv", "--backend", "x"],
            "--backend does nothing with evaluate",
        ),
        (["evaluate", "text", "--data", "few.csv"], "say what is measured: --backend NAME"),
        (
            ["evaluate", "text", "--data", "x", "--backend", "compact", "--without", "face"],
            "--without does noth",
        ),
    ],
)
def test_mistakes_are_one_sentence(options, sentence, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_scores(tmp_path / "few.csv", 5)
    assert main(options) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1
    assert [one.name for one in tmp_path.iterdir()] == ["few.csv"]
