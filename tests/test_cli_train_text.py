import csv
import json

import pytest

from pipeline.cli import main


@pytest.fixture
def posts(tmp_path):
    with (tmp_path / "posts.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "mood", "thread"])
        for i in range(40):
            rows.writerow(
                [("ich bin so wütend", "ich freue mich sehr")[i % 2], ("anger", "joy")[i % 2], i // 4]
            )
    return tmp_path / "posts.csv"


def test_a_text_model_from_a_csv(posts, tmp_path, capsys):
    run = ["train", "text", "--data", str(posts), "--label-column", "mood", "--group-column", "thread"]
    assert main([*run, "--language", "de", "--out", str(tmp_path / "runs"), "--seed", "3"]) == 0
    said = capsys.readouterr()
    assert "no dialogue or writer is on two sides: 10 in all" in said.err
    assert f"use it: --backend {tmp_path / 'runs' / 'text-posts' / 'model'}" in said.out
    model = str(tmp_path / "runs" / "text-posts" / "model")
    asked = ["evaluate", "text", "--backend", model, "--data", str(posts), "--label-column", "mood"]
    assert main([*asked, "--language", "de", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == 1


def test_mistakes_are_one_sentence(posts, capsys):
    assert main(["train", "text", "--data", str(posts), "--epochs", "9"]) == 2
    assert "--epochs does nothing with --backbone compact" in capsys.readouterr().err
    assert main(["train", "text", "--data", str(posts)]) == 2
    assert "has no column 'emotion'" in capsys.readouterr().err
