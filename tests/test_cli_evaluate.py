"""The command `evaluate` from its arguments to its exit code."""

import html
import json
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest

from pipeline.cli import EXIT_OK, EXIT_USAGE, main
from pipeline.config import config_from_mapping
from pipeline.models.cards import shipped_card, shipped_weights
from pipeline.models.load import load_backend
from pipeline.profile import resolve
from pipeline.records import CARD_FILE, write_record
from pipeline.text.backends import BACKENDS
from pipeline.train.report.summary import OWN_BASELINE
from tests.train.test_score import write_clip

LINES = [
    ("今天真是太开心了，哈哈哈", "happiness", "a"),
    ("气死我了，滚", "anger", "a"),
    ("好难过，我哭了一个晚上", "sad", "b"),
    ("今天星期三", "neutral", "b"),
]


@pytest.fixture
def texts(tmp_path):
    def write(rows=LINES, header="text,mood,speaker"):
        path = tmp_path / "labels.csv"
        path.write_text("\n".join([header, *(",".join(f'"{c}"' for c in row) for row in rows)]), "utf-8")
        return path

    return write


def evaluate(*arguments):
    return main(["evaluate", *map(str, arguments)])


def test_json_is_one_object_with_the_promised_keys(texts, capsys):
    code = evaluate("text", "--backend", "compact", "--data", texts(), "--label-column", "mood", "--json")
    found = json.loads(capsys.readouterr().out)
    assert code == EXIT_OK
    assert found["n"] == 4 and 0 <= found["accuracy"] <= 1
    assert set(found["per_class"]) == {"happy", "angry", "sad", "neutral"}


def test_text_for_people_names_classes_groups_and_what_was_left_out(texts, capsys):
    rows = [*LINES, ("Сегодня очень грустный день", "sad", "b"), ("嗯嗯", "other", "a")]
    data = texts(rows)
    options = ("--label-column", "mood", "--group-column", "speaker")
    assert evaluate("text", "--backend", "compact", "--data", data, *options) == EXIT_OK
    out = capsys.readouterr().out
    assert "left out: 1, in a language the model does not read (Сегодня очень грустный день)" in out
    assert "left out: 1, labelled other, none of the seven" in out
    assert [line.split()[:2] for line in out.splitlines() if line[:2] in ("a ", "b ")] == [
        ["a", "2"],
        ["b", "2"],
    ]


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        ([("好", "glad", "a")], ("--label-column", "mood"), "angry, disgust"),
        (LINES, (), "emotion"),
        (LINES, ("--label-column", "mood", "--group-column", "actor"), "actor"),
        ([("Как дела у вас", "sad", "a")], ("--label-column", "mood"), "not one example"),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_2(texts, rows, options, said, capsys):
    assert evaluate("text", "--backend", "compact", "--data", texts(rows), *options) == EXIT_USAGE
    captured = capsys.readouterr()
    assert said in captured.err and captured.err.count("\n") == 1 and captured.out == ""


def test_an_unknown_backend_is_exit_2(texts, capsys):
    options = ("--data", texts(), "--label-column", "mood")
    assert evaluate("text", "--backend", "nonesuch", *options) == EXIT_USAGE
    assert "nonesuch" in capsys.readouterr().err


def test_voices_are_read_plain_and_normalised_and_leave_a_report(tmp_path, capsys):
    rows = ["file,emotion,speaker"]
    for i in range(8):
        write_clip(tmp_path / f"{i}.wav", 1 + i / 8, seed=i)
        rows.append(f"{i}.wav,{('angry', 'sad')[i % 2]},{('ann', 'bob')[i // 4]}")
    (tmp_path / "labels.csv").write_text("\n".join(rows), "utf-8")
    options = ("--data", tmp_path / "labels.csv", "--group-column", "speaker")
    out = tmp_path / "report"
    assert evaluate("voice", "--backend", "compact", *options, "--json", "--out", out) == EXIT_OK
    found = json.loads(capsys.readouterr().out)
    assert set(found["groups"]) == {"ann", "bob"}
    assert found["speaker_normalised"]["n"] == found["n"] == 8
    left = json.loads((out / "metrics.json").read_text("utf-8"))
    assert {key: left[key] for key in ("accuracy", "ece")} == {k: found[k] for k in ("accuracy", "ece")}
    (known,) = left["baselines"].values()
    assert known["accuracy"] == found["speaker_normalised"]["accuracy"]


def test_faces_are_read_plain_and_with_the_persons_own_baseline_and_leave_a_report(tmp_path, capsys):
    rows = ["file,emotion,performer"]
    draw = np.random.default_rng(0)
    for i in range(8):
        cv2.imwrite(str(tmp_path / f"{i}.png"), draw.integers(0, 255, (48, 48, 3), np.uint8))
        rows.append(f"{i}.png,{('angry', 'sad')[i % 2]},{('ann', 'bob')[i // 4]}")
    (tmp_path / "labels.csv").write_text("\n".join(rows), "utf-8")
    options = ("--data", tmp_path / "labels.csv", "--group-column", "performer")
    out = tmp_path / "report"
    assert evaluate("face", "--backend", "compact", *options, "--json", "--out", out) == EXIT_OK
    found = json.loads(capsys.readouterr().out)
    assert found["own_baseline"]["n"] == found["n"] == 8
    assert set(found["own_baseline"]["groups"]) == {"ann", "bob"} and found["speaker_normalised"] is None
    left = json.loads((out / "metrics.json").read_text("utf-8"))["baselines"]
    assert left == {OWN_BASELINE: found["own_baseline"] | {"groups": {}}}
    assert OWN_BASELINE in html.unescape((out / "summary.html").read_text("utf-8"))


def test_a_device_that_is_not_there_is_exit_2(texts, capsys):
    options = ("--data", texts(), "--label-column", "mood", "--device", "nonesuch")
    assert evaluate("text", "--backend", "compact", *options) == EXIT_USAGE
    assert "this machine has no device 'nonesuch'" in capsys.readouterr().err


def test_a_folder_of_ours_is_a_back_end_and_its_reliability_is_in_the_key(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    card = shipped_card("text_compact")
    shutil.copy(shipped_weights(card), folder / "model.npz")
    write_record(folder / CARD_FILE, replace(card, reliability=None))
    config = config_from_mapping({"text": {"backend": str(folder)}})
    before = resolve(config, ("text",), has_subtitles=True).models["text"]
    data = tmp_path / "dev.csv"
    data.write_text("text,emotion\nI am so happy,happy\nthis makes me sad,sad\n", "utf-8")
    asked = ["evaluate", "text", "--backend", str(folder), "--data", str(data), "--save-reliability"]
    assert main(asked) == EXIT_OK
    saved = load_backend(BACKENDS, str(folder), "cpu").card.reliability
    assert saved.n == 2 and saved.data == "dev.csv"
    assert resolve(config, ("text",), has_subtitles=True).models["text"] != before


def test_only_a_folder_can_hold_its_reliability(tmp_path, capsys):
    data = tmp_path / "dev.csv"
    data.write_text("text,emotion\nI am so happy,happy\n", "utf-8")
    asked = ["evaluate", "text", "--backend", "compact", "--data", str(data), "--save-reliability"]
    assert main(asked) == EXIT_USAGE
    assert "give a folder" in capsys.readouterr().err


def test_texts_known_to_be_speech_are_read_as_in_films(texts, capsys):
    options = ("--backend", "compact", "--data", texts(), "--label-column", "mood", "--json")
    found = []
    for more in ((), ("--spoken",)):
        assert evaluate("text", *options, *more) == EXIT_OK
        found.append(json.loads(capsys.readouterr().out)["ece"])
    assert found[0] != found[1]


@pytest.mark.parametrize("modality", ["face", "voice", "fusion"])
def test_only_texts_are_known_to_be_speech(modality, texts, capsys):
    backend = () if modality == "fusion" else ("--backend", "compact")
    assert evaluate(modality, *backend, "--data", texts(), "--spoken") == EXIT_USAGE
    assert f"--spoken does nothing with evaluate {modality}; leave it out" in capsys.readouterr().err
