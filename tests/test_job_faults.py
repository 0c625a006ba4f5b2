"""What happens to a run whose files, folder or disk change under it: the same bytes, or one sentence."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config import config_from_mapping
from pipeline.engine.files import file_digest
from pipeline.engine.runner import StageEvent
from pipeline.job import Result, run
from pipeline.models.cards import CACHE_VARIABLE, ModelError
from pipeline.plan import WORK, Request, UsageError

SECTIONS = {"film": {"enabled": False}, "run": {"only": ["voice"]}}
COMMAND = [sys.executable, "-m", "pipeline.cli", "analyze", "--only", "voice", "--no-video"]
VARIES = {"run.json", "lock"}


def slow(value: str):
    return pytest.param(value, marks=pytest.mark.slow)


@pytest.fixture(autouse=True, scope="module")
def without_fetched_models(tmp_path_factory):
    """For the whole module: what one fixture leaves is run again by many tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(tmp_path_factory.mktemp("no-models")))
        yield


@pytest.fixture
def video(tmp_path, made) -> Path:
    folder = tmp_path / "films"
    folder.mkdir()
    return Path(shutil.copy(made("plain.mp4"), folder / "talk.mp4"))


def analyze(video: Path, out: Path, on_event: Callable[[StageEvent], None] = lambda event: None, **sections):
    return run(Request(video, config_from_mapping(SECTIONS | sections), out), on_event)


def results(out: Path) -> dict[str, str]:
    return {p.name: file_digest(p) for p in out.iterdir() if p.is_file() and p.name not in VARIES}


def at(stage: str, act: Callable[[], object]) -> Callable[[StageEvent], None]:
    """Does ``act`` when the stage starts."""

    def on_event(event: StageEvent) -> None:
        if (event.stage, event.state) == (stage, "started"):
            act()

    return on_event


def other_film(video: Path, made) -> None:
    """Put a film of another content in the video's place, as `mv` does."""
    other = Path(shutil.copy(made("ntsc.mp4"), video.with_name("other.mp4")))
    os.utime(other, ns=(video.stat().st_atime_ns, video.stat().st_mtime_ns))
    other.replace(video)


@pytest.mark.parametrize("moment", ["audio", "analysis", slow("probe"), slow("voice"), slow("report")])
def test_an_input_swapped_in_mid_run_ends_it_and_nothing_is_cached_under_the_wrong_name(
    moment, video, tmp_path, made
):
    out = tmp_path / "out"
    with pytest.raises(UsageError, match=r"talk\.mp4 changed while it was read; run the same command again"):
        analyze(video, out, at(moment, lambda: other_film(video, made)))
    assert not results(out)
    again = analyze(video, out)
    assert again.complete and again.analysis.media.sha256 == file_digest(video)
    clean = analyze(video, tmp_path / "clean")
    assert clean.complete and results(out) == results(tmp_path / "clean")


def test_an_input_swapped_before_publishing_publishes_nothing(video, tmp_path, made):
    out = tmp_path / "out"
    analyze(video, out)
    before = results(out)

    def on_event(event: StageEvent) -> None:
        if (event.stage, event.state) == ("report", "cached"):
            (out / "report.html").write_text("edited")
            other_film(video, made)

    with pytest.raises(UsageError, match=r"talk\.mp4 changed while it was read"):
        analyze(video, out, on_event)
    assert results(out) == before | {"report.html": file_digest(out / "report.html")}
    assert (out / "report.html").read_text() == "edited"


@pytest.mark.parametrize("moment", [slow("probe"), "voice"])
def test_an_input_that_goes_away_is_one_sentence(moment, video, tmp_path):
    with pytest.raises(UsageError, match=r"talk\.mp4 went away while it was read"):
        analyze(video, tmp_path / "out", at(moment, video.unlink))


def test_a_source_that_cannot_be_read_is_one_sentence(video, tmp_path, monkeypatch):
    def unreadable(path: Path) -> str:
        raise OSError(5, "Input/output error", str(path))

    monkeypatch.setattr("pipeline.engine.sources.file_digest", unreadable)
    with pytest.raises(UsageError, match=r"cannot read .*talk\.mp4 \(Input/output error\); check the file"):
        analyze(video, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    weights = tmp_path / "own.pt"
    weights.write_bytes(b"w")
    with pytest.raises(ModelError, match=r"cannot read .*own\.pt \(Input/output error\); mend or remove it"):
        analyze(video, tmp_path / "out", run={"only": ["text"]}, transcript={"whisper_model": str(weights)})


def test_subtitles_and_readings_are_watched_too(video, tmp_path):
    spoken, readings = tmp_path / "talk.srt", tmp_path / "own.toml"
    spoken.write_text("1\n00:00:00,100 --> 00:00:01,000\nhello there\n")
    readings.write_text('[[reading]]\nname = "x"\nwhen = { face = ["sad"] }\n')
    sections = {"run": {"only": ["text"]}, "conflict": {"readings": str(readings)}}
    config = config_from_mapping(SECTIONS | sections)
    for path in (spoken, readings):
        text = path.read_text()
        with pytest.raises(UsageError, match=f"{path.name} changed while it was read"):
            run(Request(video, config, tmp_path / "out", spoken), at("fuse", lambda p=path: p.write_text("")))
        path.write_text(text)
    assert run(Request(video, config, tmp_path / "out", spoken)).complete


def bits(out: Path) -> list[Path]:
    return sorted(p for p in (out / WORK / "artifacts").rglob("*") if p.is_file() and p.stat().st_size)


def test_bit_rot_anywhere_in_the_work_folder_gives_the_same_bytes(video, tmp_path):
    out = tmp_path / "out"
    analyze(video, out)
    before = results(out)
    for number, path in enumerate(bits(out)):
        data = bytearray(path.read_bytes())
        data[len(data) * number // len(bits(out))] ^= 1 << number % 8
        state = path.stat()
        path.write_bytes(data)
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    healed = analyze(video, out)
    assert results(out) == before and healed.complete
    (warning,) = [line for line in healed.warnings if "damaged" in line]
    assert "voice" in warning and "tables" in warning and "made again" in warning
    assert analyze(video, out).warnings == ()


@pytest.mark.parametrize("name", [".work/digests.json", ".work/published.json", "run.json", ".work/lock"])
@pytest.mark.parametrize("content", [b"", b"[]", b"7", b"\xff\xfe\0", b"[" * 100_000, b'{"sha256": 1}'])
def test_a_damaged_state_file_costs_nothing(name, content, finished, made):
    before = results(finished)
    (finished / name).write_bytes(content)
    again = analyze(made("plain.mp4"), finished)
    assert again.complete and again.ran == () and results(finished) == before
    if name != ".work/lock":
        assert json.loads((finished / name).read_text())


@pytest.fixture(scope="module")
def finished(tmp_path_factory, made) -> Path:
    out = tmp_path_factory.mktemp("finished") / "out"
    analyze(made("plain.mp4"), out)
    return out


def test_everything_is_private(finished):
    modes = {p.relative_to(finished): p.stat().st_mode & 0o777 for p in finished.rglob("*")}
    assert {mode for path, mode in modes.items() if (finished / path).is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if (finished / path).is_file()} == {0o600}
    assert finished.stat().st_mode & 0o777 == 0o700 and len(modes) > 50


@pytest.mark.parametrize(
    "options", ["size=400k", "nr_inodes=40", slow("size=100k"), slow("size=700k"), slow("nr_inodes=20")]
)
def test_a_full_disk_is_one_sentence_and_finished_stages_are_kept(options, video, tmp_path, small_disk):
    disk = small_disk(options)
    with pytest.raises(UsageError, match=r"the disk is full where .*; make room and run the same command"):
        analyze(video, disk / "out")
    assert not list(disk.rglob("*.part")) and not list(disk.rglob(".tmp-*"))
    subprocess.run(["mount", "-o", "remount,size=9m,nr_inodes=9999", str(disk)], check=True)
    again = analyze(video, disk / "out")
    assert again.complete and "probe" not in again.ran
    analyze(video, tmp_path / "clean")
    assert results(disk / "out") == results(tmp_path / "clean")


def test_a_disk_that_becomes_read_only_is_one_sentence(video, small_disk):
    disk = small_disk("size=9m")

    store = disk / "out" / WORK / "artifacts"

    def close() -> None:
        subprocess.run(["mount", "--bind", str(store), str(store)], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", str(store)], check=True)

    with pytest.raises(
        UsageError, match=r"out lies on a file system that is read-only now; mend that and run"
    ):
        analyze(video, disk / "out", at("voice", close))
    subprocess.run(["umount", str(store)], check=True)
    assert "audio" not in analyze(video, disk / "out").ran
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(
        UsageError, match=r"cannot write into .*Read-only file system\); choose another folder"
    ):
        analyze(video, disk / "out")


@pytest.mark.parametrize("gone", ["", slow(WORK), slow(f"{WORK}/artifacts"), f"{WORK}/artifacts/audio"])
@pytest.mark.parametrize("moment", ["voice", slow("report")])
def test_a_folder_that_vanishes_is_one_sentence_and_is_not_made_anew(gone, moment, video, tmp_path):
    out = tmp_path / "out"
    try:
        result = analyze(video, out, at(moment, lambda: shutil.rmtree(out / gone)))
    except UsageError as error:
        assert "vanished during the run; run the same command again" in str(error)
        assert gone or not out.exists()
    else:  # the sound was not needed any more
        assert gone.endswith("audio") and moment == "report" and result.complete
    assert analyze(video, out).complete


def test_whatever_a_stage_says_a_folder_that_vanished_is_named(video, tmp_path, monkeypatch):
    out = tmp_path / "out"

    def breaks(*_: object) -> None:
        shutil.rmtree(out)
        raise RuntimeError("ffmpeg failed: no such file")

    monkeypatch.setattr("pipeline.voice.stage.run_voice", breaks)
    with pytest.raises(UsageError, match="out vanished during the run; run the same command again"):
        analyze(video, out)


def test_an_unforeseen_error_is_named_as_ours_and_leaves_its_traceback(video, tmp_path, monkeypatch):
    def breaks(*_: object) -> None:
        raise ZeroDivisionError("by\nnothing")

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.voice.stage.run_voice", breaks)
        why = analyze(video, out).missing["voice"]
    path = out / WORK / "errors" / "voice.txt"
    assert why == f"internal error in stage voice: ZeroDivisionError: by; the traceback is in {path}"
    assert (
        "def breaks" not in why and "in breaks" in path.read_text() and path.stat().st_mode & 0o777 == 0o600
    )
    assert analyze(video, out).missing == {} and not path.exists()


def test_a_foreseen_error_stays_its_own_sentence(video, tmp_path, monkeypatch):
    from pipeline.media.encode import EncodeError

    def breaks(*_: object) -> None:
        raise EncodeError("ffmpeg failed: so it is")

    monkeypatch.setattr("pipeline.voice.stage.run_voice", breaks)
    assert analyze(video, tmp_path / "out").missing == {"voice": "ffmpeg failed: so it is"}
    assert not (tmp_path / "out" / WORK / "errors").exists()


@pytest.mark.parametrize("foreign", ["{}", "[]", '{"sha256": "1"}', "not JSON"])
def test_a_folder_that_is_not_ours_is_refused_before_any_stage(foreign, video, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "run.json").write_text(foreign)
    with pytest.raises(UsageError, match=r"run\.json is not a result of ours"):
        analyze(video, out, lambda event: pytest.fail(f"{event.stage} {event.state}"))
    assert (out / "run.json").read_text() == foreign and [p.name for p in out.iterdir()] == ["run.json"]


def test_two_runs_at_once_give_what_one_gives(video, tmp_path, finished):
    command = [*COMMAND, str(video), "--out", str(tmp_path / "out")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    first = subprocess.Popen(command, **pipes)
    while not (tmp_path / "out" / WORK / "lock").exists():
        time.sleep(0.01)
    second = subprocess.run(command, **pipes, check=False)
    errors = first.communicate()[1]
    assert (first.returncode, second.returncode, errors) == (0, 0, "")
    waiting = f"another run (process {first.pid}) writes into {tmp_path / 'out'}; waiting for it to end"
    assert second.stderr == f"emotion-pipeline: {waiting}\n"
    assert "all stages were done before" in second.stdout


def test_a_killed_run_holds_no_lock_and_what_it_left_is_swept(video, tmp_path):
    out = tmp_path / "out"
    with subprocess.Popen([*COMMAND, str(video), "--out", str(out)], stdout=subprocess.DEVNULL) as process:
        while not list(out.glob(".work/artifacts/*/.tmp-*")):
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
    assert isinstance(analyze(video, out), Result)
    assert not list(out.rglob(".tmp-*")) and not list(out.rglob("*.part"))


@pytest.mark.parametrize("name", ["...mp4", "..mp4", ".mp4", " .mp4"])
def test_a_name_without_a_name_is_refused(name, video, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    odd = video.rename(tmp_path / name)
    with pytest.raises(
        UsageError, match="gives the results no name of their own; rename the video, or choose"
    ):
        run(Request(odd, config_from_mapping(SECTIONS)))
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(
    "name", ["x" * 251 + ".mp4", slow("x" * 255), slow("é" * 125 + ".mp4"), slow("con.mp4"), slow("a..mp4")]
)
def test_long_and_odd_names_make_a_folder_in_outputs(name, video, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    odd = video.rename(tmp_path / name)
    result = run(Request(odd, config_from_mapping(SECTIONS)))
    assert (
        result.complete and result.out.parent == Path("outputs") and len(list(Path("outputs").iterdir())) == 1
    )


def test_explain_makes_nothing_and_waits_for_nobody(video, tmp_path, finished, made):
    from pipeline.plan import explain

    config = config_from_mapping(SECTIONS)
    assert explain(Request(video, config, tmp_path / "out"))[0] == (
        "probe",
        "would run: it has not been run yet",
    )
    assert not (tmp_path / "out").exists()
    assert {why for _, why in explain(Request(made("plain.mp4"), config, finished))} == {"already done"}
