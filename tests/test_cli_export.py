"""The command `export` from its arguments to its exit code."""

import json
import sys

import pytest

from pipeline.cli import EXIT_OK, EXIT_USAGE, main


def export(*arguments):
    return main(["export", *map(str, arguments)])


def test_a_table_a_folder_and_what_is_there_is_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert export("voice", "--backend", "compact", "--formats", "onnx,torchscript") == EXIT_OK
    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines()[2:6]] == [
        "format",
        "original",
        "onnx",
        "torchscript",
    ]
    out = tmp_path / "outputs" / "export" / "voice-compact"
    info = json.loads((out / "model_info.json").read_text("utf-8"))
    assert info["model"]["card"]["id"] == "voice_compact"
    assert info["model"]["temperature"] == info["model"]["card"]["temperature"]
    assert set(info["formats"]) == {"onnx", "torchscript"}

    assert export("voice", "--backend", "compact") == EXIT_USAGE
    assert "--force" in capsys.readouterr().err
    assert export("voice", "--backend", "compact", "--formats", "onnx", "--force") == EXIT_OK
    assert not (out / "model.torchscript.pt").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--backend", "compact", "--formats", "onnx,coreml"), "coreml; offered are pytorch, torchscript"),
        (("--backend", "compact", "--formats", ","), "offered are"),
        (("--backend", "nowhere/nothing"), "models pull nowhere/nothing"),
        (("--backend", "nothing"), "unknown back-end 'nothing'"),
        (("--backend", "compact", "--data", "nowhere.csv"), "nowhere.csv does not exist"),
        (("--backend", "compact", "--limit", "0"), "--limit"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert export("face", *arguments) == EXIT_USAGE
    printed = capsys.readouterr()
    assert printed.out == "" and len(printed.err.strip().splitlines()) == 1
    assert said in printed.err
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_another_folder_is_not_replaced(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work", encoding="utf-8")
    for out in ("mine", "mine/thesis.txt", "."):
        assert (
            export("voice", "--backend", "compact", "--formats", "onnx", "--out", out, "--force")
            == EXIT_USAGE
        )
        assert "holds something else than an export" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "thesis.txt"]


def test_into_the_folder_one_is_in(tmp_path, monkeypatch, capsys):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert export("voice", "--backend", "compact", "--formats", "onnx", "--out", ".", "--force") == EXIT_OK
    assert (tmp_path / "here" / "model_info.json").is_file()


def test_a_trained_model_is_named_for_its_run(tmp_path, monkeypatch, capsys):
    (tmp_path / "ann" / "model").mkdir(parents=True)
    (tmp_path / "outputs" / "export" / "voice-ann").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert export("voice", "--backend", "ann/model/") == EXIT_USAGE
    assert "voice-ann is there already" in capsys.readouterr().err


def test_a_missing_library_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "pipeline.train.export.run", raising=False)
    monkeypatch.delitem(sys.modules, "pipeline.train.export.formats", raising=False)
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert export("voice", "--backend", "compact") == EXIT_USAGE
    printed = capsys.readouterr().err
    assert "needs the package onnx" in printed and len(printed.strip().splitlines()) == 1
