"""The command `export` from its arguments to its exit code."""

import json

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
