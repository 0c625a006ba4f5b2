"""Correct the words in the results, run again: they are used, kept, and given up when that is wanted."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.cli import EXIT_USAGE, main
from pipeline.config import config_from_mapping
from pipeline.corrections import FILES
from pipeline.engine.runner import StageEvent
from pipeline.erase import erase, survey
from pipeline.job import Result, run
from pipeline.media.container import MediaError
from pipeline.models.cards import CACHE_VARIABLE
from pipeline.plan import Request, explain
from pipeline.publish import Made
from pipeline.text.backends import TRANSCRIBERS
from pipeline.text.transcribe import Heard
from pipeline.text.transcribe import Request as Asked
from pipeline.types import Span, Utterance, Word
from tests.made import media

SRT, VTT, CSV = FILES
WORDS = ("we", "one", "it")
FOLLOWING = {"words", "transcript", "text", "moments", "fuse", "conflicts", "analysis"}
OBSERVING = {"probe", "audio", "speech", "voice", "faces", "face"}
HOME = Path(".work", "corrections")
recognised: list[str] = []


def recogniser(asked: Asked) -> Heard:
    """In place of Whisper: three lines of one word."""
    recognised.append(asked.source.name)
    lines = [
        Utterance(span, text, "en", "whisper", (Word(span, text, 0.9),), -0.1, 0.0, 1.0, confidence=0.8)
        for i, text in enumerate(WORDS)
        for span in [Span(i * 600_000, i * 600_000 + 500_000)]
    ]
    return Heard(tuple(lines), "en")


@pytest.fixture(autouse=True)
def only_this_recogniser(monkeypatch, tmp_path_factory):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path_factory.getbasetemp() / "no-models"))
    monkeypatch.setitem(TRANSCRIBERS, "stream", f"{__name__}:recogniser")
    recognised.clear()


def analyze(
    out: Path,
    video: Path,
    transcript: Path | None = None,
    on_event: Callable[[StageEvent], None] = lambda event: None,
    **sections,
) -> Result:
    config = config_from_mapping({"film": {"enabled": False}, **sections})
    return run(Request(video, config, out, transcript), on_event)


@pytest.fixture(scope="module")
def video(made) -> Path:
    return made(media.make_faces, 1)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, video) -> Path:
    """What a run leaves, made once."""
    out = tmp_path_factory.mktemp("finished") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(tmp_path_factory.getbasetemp() / "no-models"))
        patch.setitem(TRANSCRIBERS, "stream", f"{__name__}:recogniser")
        analyze(out, video)
    return out


@pytest.fixture
def out(tmp_path, finished) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "out"))


def edit(path: Path, old: str, new: str, age_s: int = 0) -> None:
    """Save the file with other words, ``age_s`` seconds after it was published."""
    text = path.read_text(encoding="utf-8-sig")
    assert old in text
    before = path.stat().st_mtime
    path.write_text(text.replace(old, new), encoding="utf-8")
    os.utime(path, (before + age_s, before + age_s))


def facts(out: Path) -> dict:
    return json.loads((out / "run.json").read_text(encoding="utf-8"))


def said(result: Result) -> list[str]:
    return [utterance.text for utterance in result.analysis.transcript.utterances]


@pytest.mark.parametrize("name", FILES)
def test_corrected_words_are_used_and_only_what_follows_is_redone(name, out, video):
    edit(out / name, "one", "won")
    result = analyze(out, video)
    assert said(result) == ["we", "won", "it"] and result.complete and recognised == []
    assert set(result.ran) >= FOLLOWING and not set(result.ran) & OBSERVING
    states = {stage: one["state"] for stage, one in facts(out)["stages"].items()}
    assert {states[stage] for stage in OBSERVING} == {"cached"}
    first, second, third = result.analysis.transcript.utterances
    assert (second.words, second.confidence, second.source) == ((), None, "file")
    assert [(u.words[0].text, u.confidence, u.source) for u in (first, third)] == [
        ("we", 0.8, "whisper"),
        ("it", 0.8, "whisper"),
    ]
    assert "Corrected by hand: 1 of 3 lines differ." in result.warnings
    assert facts(out)["corrected"] == {"file": name, "differ": 1, "lines": 3, "left_out": 0}
    for file in (*FILES, "integrated.csv", "report.html"):
        assert "won" in (out / file).read_text(encoding="utf-8-sig")
    assert (
        not [p for p in (out / HOME).iterdir() if p.stat().st_mode & 0o777 != 0o600]
        and (out / HOME).stat().st_mode & 0o777 == 0o700
    )


def test_a_correction_stays_and_a_later_one_takes_its_place(out, video):
    edit(out / CSV, ",,one,", ",Anna,won,")
    analyze(out, video)
    third = analyze(out, video)
    assert third.ran == () and said(third) == ["we", "won", "it"]
    edit(out / SRT, "it", "the final")
    later = analyze(out, video)
    assert said(later) == ["we", "won", "the final"]
    assert [u.speaker for u in later.analysis.transcript.utterances] == [None, "Anna", None]
    assert facts(out)["corrected"] == {"file": SRT, "differ": 2, "lines": 3, "left_out": 0}
    edit(out / VTT, "<v Anna>won", "one")
    edit(out / VTT, "the final", "it")
    back = analyze(out, video)
    assert said(back) == list(WORDS) and facts(out)["corrected"] is None
    assert not (out / HOME / "correction.json").exists() and recognised == []


def test_a_file_saved_without_a_change_is_no_correction(out, video):
    (out / CSV).write_text((out / CSV).read_text(encoding="utf-8-sig").replace(",", ";"), encoding="gbk")
    before = (out / SRT).read_bytes()
    again = analyze(out, video)
    assert again.ran == () and again.warnings == () and facts(out)["corrected"] is None
    assert (out / SRT).read_bytes() == before and (out / CSV).read_bytes().startswith(b"\xef\xbb\xbf")


def test_of_two_edited_files_the_newer_is_read_and_both_are_kept(out, video):
    edit(out / SRT, "one", "older", age_s=5)
    edit(out / CSV, "one", "newer", age_s=9)
    result = analyze(out, video)
    assert said(result) == ["we", "newer", "it"]
    (note,) = [line for line in result.warnings if SRT in line]
    assert note.startswith(f"{SRT} was edited too, but before {CSV}, and was not used; a copy is in ")
    assert "older" in (out / HOME / SRT).read_text(encoding="utf-8")
    assert not [line for line in analyze(out, video).warnings if SRT in line]


@pytest.mark.parametrize("only", [(), ("face",)])
def test_an_edited_file_that_cannot_be_read_stops_the_run_and_stays(only, out, video, capsys):
    edit(out / SRT, "00:00:00,600 -->", "00:0O:00,600 ->")
    before = {p.name: p.read_bytes() for p in out.iterdir() if p.is_file()}
    with pytest.raises(MediaError) as raised:
        analyze(out, video, run={"only": only})
    assert f"{out / SRT} cannot be read: line 6 " in str(raised.value)
    assert "it was edited by hand and nothing is overwritten: mend it, or delete it" in str(raised.value)
    assert {p.name: p.read_bytes() for p in out.iterdir() if p.is_file()} == before
    assert main(["analyze", str(video), "--out", str(out), "--no-video"]) == EXIT_USAGE
    assert len(capsys.readouterr().err.splitlines()) == 1
    (out / SRT).unlink()
    assert said(analyze(out, video)) == list(WORDS) and (out / SRT).is_file()


def test_deleting_all_three_files_withdraws_the_correction(out, video):
    edit(out / SRT, "one", "won")
    analyze(out, video)
    (out / SRT).unlink()
    (out / CSV).unlink()
    assert said(analyze(out, video)) == ["we", "won", "it"] and (out / SRT).is_file()
    for name in FILES:
        (out / name).unlink()
    result = analyze(out, video)
    assert said(result) == list(WORDS) and recognised == [] and facts(out)["corrected"] is None
    (note,) = result.warnings
    assert "were deleted, so the correction by hand is withdrawn; a copy of transcript.srt is in" in note
    assert "won" in (out / HOME / SRT).read_text(encoding="utf-8")
    assert analyze(out, video).warnings == ()


def test_a_transcript_that_is_given_wins_for_that_run(out, video, tmp_path):
    given = tmp_path / "given.srt"
    given.write_text("1\n00:00:00,100 --> 00:00:01,000\nhello there\n")
    edit(out / SRT, "one", "won")
    result = analyze(out, video, given)
    assert said(result) == ["hello there"] and facts(out)["corrected"] is None
    assert any(
        "given.srt is read, as asked, and not the transcript corrected by hand" in w for w in result.warnings
    )
    assert said(analyze(out, video)) == ["we", "won", "it"]


def test_a_run_without_words_in_between_costs_no_correction(out, video):
    edit(out / SRT, "one", "won")
    analyze(out, video, run={"only": ["face"]})
    assert not any((out / name).exists() for name in FILES)
    assert said(analyze(out, video)) == ["we", "won", "it"]


def test_what_is_edited_during_a_run_is_left_and_read_by_the_next(out, video):
    def on_event(event: StageEvent) -> None:
        if (event.stage, event.state) == ("text", "started"):
            edit(out / VTT, "it", "the final")

    edit(out / SRT, "one", "won")
    result = analyze(out, video, on_event=on_event)
    assert list(result.missing) == [VTT] and "edited during the run" in result.missing[VTT]
    assert "the final" in (out / VTT).read_text() and "won" in (out / SRT).read_text()
    again = analyze(out, video)
    assert again.complete and said(again) == ["we", "one", "the final"]


def test_what_is_edited_during_a_run_that_has_no_words_is_left_too(out, video):
    def on_event(event: StageEvent) -> None:
        if (event.stage, event.state) == ("moments", "started"):
            edit(out / VTT, "it", "the final")

    result = analyze(out, video, on_event=on_event, run={"only": ["face"]})
    assert list(result.missing) == [VTT] and "the final" in (out / VTT).read_text()
    assert said(analyze(out, video)) == ["we", "one", "the final"]


def test_a_run_that_is_cut_off_before_it_publishes_loses_nothing(out, video, monkeypatch):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    edit(out / SRT, "one", "won")
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.job.publish", stop)
        with pytest.raises(KeyboardInterrupt):
            analyze(out, video)
    assert "won" in (out / SRT).read_text()
    again = analyze(out, video)
    assert said(again) == ["we", "won", "it"] and again.ran == () and recognised == []


def test_files_of_a_run_that_was_cut_off_while_it_published_are_no_corrections(
    out, video, tmp_path, monkeypatch
):
    given = tmp_path / "given.srt"
    given.write_text("1\n00:00:00,100 --> 00:00:01,000\nhello there\n")

    def copy(file: Made, target: Path) -> None:
        if target.name == VTT:
            raise KeyboardInterrupt
        shutil.copy(file.path, target)

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.publish._copy", copy)
        with pytest.raises(KeyboardInterrupt):
            analyze(out, video, given)
    assert "hello there" in (out / SRT).read_text() and "hello there" not in (out / VTT).read_text()
    assert said(analyze(out, video)) == list(WORDS) and facts(out)["corrected"] is None


def test_what_is_edited_while_the_run_waits_is_read(out, video, monkeypatch):
    def waiting(*_: object) -> None:
        edit(out / SRT, "one", "won")

    monkeypatch.setattr("pipeline.job.require_ours", waiting)
    result = analyze(out, video)
    assert said(result) == ["we", "won", "it"] and result.complete


def test_explain_says_what_would_run_and_writes_nothing(out, video):
    edit(out / SRT, "one", "won")
    config = config_from_mapping({"film": {"enabled": False}})
    stages = dict(explain(Request(video, config, out)))
    assert {stages[name] for name in OBSERVING} == {"already done"}
    assert stages["words"].startswith("would run: changed:") and not (out / HOME / SRT).exists()


def test_results_of_another_video_take_no_correction_with_them(out, video, made):
    edit(out / SRT, "one", "won")
    analyze(out, video)
    edit(out / CSV, "it", "the final")
    other = analyze(out, made("plain.mp4"))
    assert said(other) == list(WORDS) and facts(out)["corrected"] is None
    (note,) = [w for w in other.warnings if "corrected by hand" in w]
    assert note.startswith("transcript.csv, transcript.srt, corrected by hand, belonged to another video")
    assert "the final" in (out / HOME / CSV).read_text(encoding="utf-8")


@pytest.mark.parametrize("is_used", [False, True])
def test_erasing_pictures_keeps_the_words_of_a_person(is_used, out, video):
    edit(out / SRT, "one", "won")
    if is_used:
        analyze(out, video)
    erase(survey(out, everything=False))
    assert (out / ".work").exists() == is_used
    assert said(analyze(out, video)) == ["we", "won", "it"]
    erase(survey(out, everything=True))
    assert not out.exists()


@pytest.mark.parametrize("differ", [1, 3])
def test_a_correction_outlives_the_work_folder(differ, out, video):
    edit(out / SRT, "one", "won")
    analyze(out, video)
    shutil.rmtree(out / ".work")
    if differ == 3:  # without the record nothing tells a person's lines from others
        (out / "analysis.json").write_text("{")
    assert said(analyze(out, video)) == ["we", "won", "it"]
    assert facts(out)["corrected"]["differ"] == differ and recognised == []


@pytest.mark.parametrize("name", ["published.json", "correction.json"])
def test_a_damaged_record_overwrites_nothing(name, out, video):
    edit(out / SRT, "one", "won")
    analyze(out, video)
    (out / HOME / name).write_text("{")
    if name == "correction.json":
        with pytest.raises(MediaError, match=r"correction\.json, which keeps .* is damaged: remove it"):
            analyze(out, video)
        assert "won" in (out / SRT).read_text()
    else:
        edit(out / CSV, "it", "the final")
        assert said(analyze(out, video)) == ["we", "won", "the final"]
