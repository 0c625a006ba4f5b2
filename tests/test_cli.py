"""The command line as a person meets it: real files, exit codes, one sentence per mistake."""

import csv
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import pytest

from pipeline.cli import EXIT_INTERRUPTED, EXIT_OK, EXIT_PARTIAL, EXIT_USAGE, build_parser, main
from pipeline.graph import STAGES
from tests.made import media

SAMPLE = Path(__file__).parent.parent / "inputs" / "sample.mp4"
GOLDEN = Path(__file__).with_name("sample_events.json")
ODD_NAME = "-odd 'name' \"100%d\" 12:30 a,b;c [v] #x@y&z 採訪"
COMMAND = [sys.executable, "-m", "pipeline.cli"]


@pytest.fixture(autouse=True)
def without_fetched_models(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("EMOTION_PIPELINE_MODELS", str(tmp_path_factory.mktemp("no-models")))


def analyze(*arguments: object) -> int:
    return main(["analyze", *map(str, arguments)])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as sheet:
        return list(csv.DictReader(sheet))


def event(conflict: dict) -> dict:
    """A conflict of the summary as far as a golden file can hold it."""
    return {
        "kind": conflict["kind"],
        "emotions": conflict["emotions"],
        "start_s": round(conflict["start_s"], 1),
        "end_s": round(conflict["end_s"], 1),
        "evidence": pytest.approx(conflict["evidence"], abs=0.1),  # processors differ in the last digits
    }


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda folder: folder / "nowhere.mp4", "no file"),
        (lambda folder: folder, "folder"),
        (media.make_empty, "empty"),
        (media.make_text, ""),
        (media.make_image, "image"),
        (media.make_zero_length, ""),
        (media.make_headless, ""),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(make, part, tmp_path, capsys):
    video = make(tmp_path)
    out = tmp_path / "out"
    assert analyze(video, "--out", out) == EXIT_USAGE
    printed = capsys.readouterr()
    assert printed.out == "" and len(printed.err.strip().splitlines()) == 1
    assert part in printed.err and "Traceback" not in printed.err
    assert not out.exists()


def test_mistakes_in_arguments(tmp_path, made, capsys):
    video, out = made("plain.mp4"), tmp_path / "out"
    settings = tmp_path / "settings.toml"
    settings.write_text("[face]\nsample_fpss = 3\n")
    (tmp_path / "broken.srt").write_bytes(b"\x00\x01\x02 not subtitles")
    for arguments, part in (
        (("--config", settings), "did you mean 'face.sample_fps'?"),
        (("--transcript", tmp_path / "broken.srt"), "broken.srt"),
        (("--transcript", tmp_path / "none.srt"), "there is no subtitle file"),
        (("--only", "face,smell"), "'smell'"),
        (("--only", " ,"), "--only lists nothing"),
        (("--export", "elan,excel"), "--export takes all or some of elan, textgrid, vtt"),
        (("--export", ",,"), "--export lists nothing"),
        (("--profile", "full"), "models pull"),
        (("--out", settings / "below"), "cannot write into"),
    ):
        assert analyze(video, "--out", out, *arguments) == EXIT_USAGE
        printed = capsys.readouterr().err.strip()
        assert part in printed and len(printed.splitlines()) == 1
        assert not out.exists()


def test_sample_holds_what_its_page_says(tmp_path, capsys):
    out = tmp_path / "sample"
    assert analyze(SAMPLE, "--out", out, "--json") == EXIT_OK
    summary = json.loads(capsys.readouterr().out)
    assert {p.name for p in out.iterdir() if p.name != ".work"} == {*summary["files"], "run.json"}
    table = rows(out / "integrated.csv")
    said = {row["Content"]: row for row in table if row["Content"]}
    happy, sad, plain = said.values()
    assert happy["Visual_Emotion"] == happy["Text_Emotion"] == "happy"
    assert happy["Conflict_Ranks"] == "" and happy["Not_Compared"] == ""
    assert (sad["Visual_Emotion"], sad["Text_Emotion"]) == ("happy", "sad")
    assert (sad["Conflict_Kind"], sad["Conflict_Ranks"]) == ("polarity", "1")
    assert plain["Visual_Emotion"] == "no_face" and plain["Visual_Confidence"] == ""
    assert plain["Not_Compared"] == "face: no_face"
    last = table[-1]
    assert (last["Visual_Emotion"], last["Audio_Emotion"]) == ("happy", "silence")
    assert float(table[0]["Start_Time"]) == 0 and float(last["End_Time"]) == pytest.approx(28, abs=0.1)
    assert all(a["End_Time"] == b["Start_Time"] for a, b in itertools.pairwise(table))
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert [event(c) for c in summary["conflicts"]] == golden
    told = rows(out / "conflicts.csv")
    record = json.loads((out / "analysis.json").read_text(encoding="utf-8"))["conflicts"]
    assert sorted(c["evidence"] for c in record) == sorted(float(c["Evidence"]) for c in told)
    assert [float(c["Evidence"]) for c in told] == [c["evidence"] for c in summary["conflicts"]]
    cards = (out / "report.html").read_text(encoding="utf-8")
    assert [f"plainest at {c['Best_Frame']}" in cards for c in told] == [True] * len(golden)
    with av.open(str(out / "annotated.mp4")) as film:
        assert film.duration / 1e6 == pytest.approx(28, abs=0.1)

    before = {name: (out / name).read_bytes() for name in summary["files"]}
    assert analyze(SAMPLE, "--out", out, "--json") == EXIT_OK
    again = json.loads(capsys.readouterr().out)
    assert again["stages_run"] == [] and {n: (out / n).read_bytes() for n in again["files"]} == before
    assert main(["explain", str(SAMPLE), "--out", str(out)]) == EXIT_OK
    assert all(line.endswith("already done") for line in capsys.readouterr().out.splitlines())

    settings = tmp_path / "settings.toml"
    settings.write_text("[conflict]\nenter = 0.95\n")
    assert analyze(SAMPLE, "--out", out, "--config", settings, "--no-video", "--json") == EXIT_OK
    changed = json.loads(capsys.readouterr().out)
    assert "conflicts" in changed["stages_run"] and not {"face", "faces", "voice"} & set(
        changed["stages_run"]
    )
    assert not (out / "annotated.mp4").exists()


def test_words_nobody_can_read_make_a_run_partly_done(tmp_path, capsys):
    video = shutil.copy(
        SAMPLE, tmp_path / "alone.mp4"
    )  # spoken, without its subtitles and without a recogniser
    out = tmp_path / "out"
    assert analyze(video, "--out", out, "--only", "text", "--no-video", "--json") == EXIT_PARTIAL
    summary = json.loads(capsys.readouterr().out)
    (loss,) = summary["losses"]
    assert "--transcript" in loss and loss in summary["warnings"] and summary["missing"] == {}
    assert json.loads((out / "run.json").read_text(encoding="utf-8"))["losses"] == [loss]
    assert loss in json.loads((out / "analysis.json").read_text(encoding="utf-8"))["warnings"]
    assert not (out / "transcript.srt").exists() and not (out / "losses.txt").exists()
    assert analyze(video, "--out", out, "--only", "text", "--no-video") == EXIT_PARTIAL
    assert capsys.readouterr().out.count(loss) == 1


@pytest.mark.parametrize(
    "what",
    [
        media.make_no_audio,
        *(pytest.param(what, marks=pytest.mark.slow) for what in (media.make_silence, "plain.mp4")),
    ],
)
def test_what_the_film_does_not_have_is_no_loss(what, tmp_path, made):
    """No sound, nothing in it, no speech and no face."""
    assert analyze(made(what), "--out", tmp_path / "out", "--no-video") == EXIT_OK
    assert not (tmp_path / "out" / "transcript.srt").exists()


def test_audio_only_file_is_read_without_a_film(tmp_path, made, capsys):
    out = tmp_path / "out"
    assert analyze(made(media.make_audio_only), "--out", out, "--json") == EXIT_OK
    summary = json.loads(capsys.readouterr().out)
    assert summary["modalities"]["face"]["status"] == "no_video" and "annotated.mp4" not in summary["files"]
    assert any("film" in warning for warning in summary["warnings"])


def test_truncated_file_is_read_as_far_as_it_goes(tmp_path, made, capsys):
    out = tmp_path / "out"
    assert analyze(made(media.make_truncated), "--out", out, "--no-video") == EXIT_PARTIAL
    assert re.search(r"promises \d+\.\d s", capsys.readouterr().out)
    assert rows(out / "integrated.csv")


def test_odd_name_goes_all_the_way(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(media.make_faces(tmp_path, 1), f"{ODD_NAME}.mp4")
    Path(f"{ODD_NAME}.srt").write_text("1\n00:00:00,100 --> 00:00:01,500\n我很高興\n", encoding="utf-8")
    assert main(["analyze", "--json", "--", f"{ODD_NAME}.mp4"]) == EXIT_OK
    summary = json.loads(capsys.readouterr().out)
    out = tmp_path / "outputs" / ODD_NAME
    assert (out / "annotated.mp4").stat().st_size > 1000 and summary["utterances"] == 1
    assert "我很高興" in (out / "integrated.csv").read_text(encoding="utf-8-sig")


def test_only_and_no_video(tmp_path, made, capsys):
    out = tmp_path / "out"
    assert analyze(made("plain.mp4"), "--out", out, "--only", "voice", "--no-video") == EXIT_OK
    table = rows(out / "integrated.csv")
    assert {row["Visual_Emotion"] for row in table} == {"not_requested"}
    assert {path.name for path in (out / ".work" / "artifacts").iterdir()}.isdisjoint(
        {"faces", "text", "film"}
    )


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("stop", ["SIGINT", "SIGHUP"])
def test_interrupt_ends_at_once_and_keeps_finished_stages(stop, tmp_path):
    out = tmp_path / "out"
    with subprocess.Popen(
        [*COMMAND, "analyze", str(SAMPLE), "--out", str(out)],
        stderr=subprocess.PIPE,
        # A shell starts what runs in the background deaf to Ctrl-C, these tests and their children too.
        preexec_fn=_hears_signals,  # noqa: PLW1509
    ) as run:
        store = out / ".work" / "artifacts"
        deadline = time.monotonic() + 60
        while not list(store.glob("probe/[!.]*/manifest.json")) and time.monotonic() < deadline:
            time.sleep(0.02)
        run.send_signal(getattr(signal, stop))
        sent = time.monotonic()
        code = run.wait(timeout=20)
        took = time.monotonic() - sent
        message = run.stderr.read().decode()
    assert code == EXIT_INTERRUPTED and "finished stages are kept" in message and "Traceback" not in message
    assert took < 4, "other tests run beside this one: more than the second that was promised"
    assert list(store.glob("probe/[!.]*/manifest.json")) and not list(store.glob("*/.tmp-*"))


def _hears_signals():
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 3 MB, where this machine lets us mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


def test_full_disk_is_named_and_leaves_nothing_half_written(small_disk, capsys):
    out = small_disk / "out"
    assert analyze(SAMPLE, "--out", out) == EXIT_USAGE
    printed = capsys.readouterr()
    assert "the disk is full" in printed.err and len(printed.err.strip().splitlines()) == 1
    assert not [p for p in out.rglob("*") if p.name.startswith(".tmp-") or p.suffix == ".part"]


def test_help_is_quick_and_has_examples():
    begin = time.perf_counter()
    shown = subprocess.run([*COMMAND, "analyze", "--help"], capture_output=True, text=True, check=True).stdout
    assert "examples:" in shown and "--transcript" in shown
    assert time.perf_counter() - begin < 10
    loaded = [sys.executable, "-X", "importtime", "-m", "pipeline.cli", "--help"]
    names = subprocess.run(loaded, capture_output=True, text=True, check=True).stderr
    assert not re.search(r"\| +(numpy|torch|cv2|av|pandas|pydantic|rich)\b", names)


def test_every_command_is_in_the_readme():
    readme = (SAMPLE.parent.parent / "README.md").read_text(encoding="utf-8")
    parser = build_parser()
    (commands,) = (a for a in parser._actions if getattr(a, "choices", None) and a.metavar == "COMMAND")
    for command in commands.choices:
        assert f"emotion-pipeline {command}" in readme
    assert len(STAGES) > 10


def test_reader_that_goes_away_is_no_fault(tmp_path):
    quiet = {**os.environ, "PYTHONUNBUFFERED": ""}
    with subprocess.Popen(
        [*COMMAND, "analyze", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=quiet
    ) as run:
        run.stdout.close()
        assert b"Exception" not in run.stderr.read()


def test_version_and_no_command(capsys):
    assert main(["--version"]) == EXIT_OK and re.match(r"emotion-pipeline \d", capsys.readouterr().out)
    assert main([]) == EXIT_USAGE
