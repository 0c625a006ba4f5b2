import json

import pytest

from pipeline import cli_train_voice
from pipeline.cli import main
from pipeline.train.voice_manifest import KINDS
from tests.made.clips import voiced, write_wave


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Clips of one person in a folder per emotion and of another in RAVDESS names."""
    made = tmp_path_factory.mktemp("clips")
    for take in range(4):
        for emotion in ("angry", "sad"):
            write_wave(made / "mine" / emotion / "ann" / f"{take}.wav", voiced(emotion, 1, take))
            code = {"angry": "05", "sad": "04"}[emotion]
            write_wave(made / "ravdess" / f"03-01-{code}-01-01-0{take}-02.wav", voiced(emotion, 2, take))
    return made


def test_the_kinds_of_corpora_are_said_once_for_all():
    assert set(cli_train_voice.KINDS) == set(KINDS)


def test_a_manifest_of_two_corpora_then_one_person(folder, tmp_path, capsys):
    out = tmp_path / "clips.csv"
    prepare = ["--prepare", "folder", str(folder / "mine"), "--prepare", "ravdess", str(folder / "ravdess")]
    assert main(["train", "voice", *prepare, "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "16 of 16 clips are fit for training" in said
    assert "2 speakers" in said
    rows = out.read_text(encoding="utf-8").splitlines()
    assert len(rows) == 17
    of_ann = tmp_path / "ann.csv"
    of_ann.write_text("\n".join(row for row in rows if "ravdess" not in row) + "\n", encoding="utf-8")
    run = ["train", "voice", "--personalise", "--data", str(of_ann), "--name", "ann", "--out", str(tmp_path)]
    assert main(run) == 0
    said = capsys.readouterr().out
    assert "UAR" in said
    assert f"--backend {tmp_path / 'ann' / 'model'}" in said
    assert json.loads((tmp_path / "ann" / "metrics.json").read_text(encoding="utf-8"))["n"] == 8
    assert main(run) == 2
    assert "is finished" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "give either --prepare KIND DIR with --out FILE, or --data CSV"),
        (["--prepare", "folder", "x", "--data", "y.csv"], "give either --prepare"),
        (["--prepare", "folder", "x"], "say where the list goes: --out manifest.csv"),
        (["--prepare", "tess", "x", "--out", "m.csv"], "'tess' is no kind of corpus; choose one of ravdess"),
        (["--prepare", "folder", "nowhere", "--out", "m.csv"], "nowhere is no folder"),
        (["--data", "x.csv", "--all-layers"], "--all-layers does nothing with --backbone compact"),
        (["--data", "x.csv", "--personalise", "--dev-share", "0.3"], "--dev-share does nothing with --perso"),
        (["--data", "x.csv", "--backbone", "y", "--epochs", "3"], "x.csv does not exist"),
        (["--data", "nowhere.csv"], "nowhere.csv does not exist"),
    ],
)
def test_mistakes_are_one_sentence(options, sentence, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "voice", *options]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_clips_without_speakers_are_refused_or_warned_about(folder, tmp_path, capsys):
    assert main(["train", "voice", "--data", str(folder / "mine"), "--out", str(tmp_path / "runs")]) == 2
    assert "does not say who speaks" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
