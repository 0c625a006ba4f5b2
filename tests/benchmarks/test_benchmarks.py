"""The pure parts of the benchmarks, and the measuring of a child with known memory."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import hour
from benchmarks.clip_checks import (
    check_gap,
    check_no_face,
    check_persons,
    check_tiling,
    face_share,
    has_line,
    speech_share,
)
from benchmarks.made_clips import Clip, Line, repeated
from benchmarks.process import BenchmarkError, Measured, measure, succeed
from benchmarks.reproducible import compared
from benchmarks.straightforward import Part, whole_seconds
from benchmarks.whole_job import faster, spread
from pipeline.labels import EMOTIONS
from pipeline.types import (
    US_PER_S,
    Analysis,
    MediaInfo,
    Moment,
    Observation,
    Reading,
    Scores,
    Span,
    Status,
    Transcript,
)

SCORES = Scores((1.0, *(0.0 for _ in EMOTIONS[1:])))


def seen(start_s: float, end_s: float, who: str | None = None, modality: str = "face") -> Observation:
    span = Span(round(start_s * US_PER_S), round(end_s * US_PER_S))
    status = Status.OK if who else Status.NO_FACE
    evidence = {"time_us": span.start_us}
    return Observation(modality, span, status, SCORES if who else None, subject=who, evidence=evidence)


def analysis(*faces: Observation, status: Status = Status.OK) -> Analysis:
    end_us = max(one.span.end_us for one in faces)
    return Analysis(
        name="clip",
        media=MediaInfo("", end_us, 64, 64, 10.0, False, True, True, 0, 0),
        modalities=("face",),
        transcript=Transcript((), Status.NO_TRANSCRIPT, "none"),
        observations={"face": faces},
        moments=(Moment(Span(0, end_us), None, {"face": Reading(status)}),),
        fused=(),
        conflicts=(),
        false_alarms_per_minute=None,
        models={},
    )


def holds(checks: list[object]) -> list[bool]:
    return [check.holds for check in checks]  # type: ignore[attr-defined]


def test_subtitles_of_a_looped_film_are_shifted_and_cut() -> None:
    lines = [Line(0, 1000, "a"), Line(3000, 5000, "b")]
    assert repeated(lines, 4000, 7500) == [
        Line(0, 1000, "a"),
        Line(3000, 4000, "b"),
        Line(4000, 5000, "a"),
        Line(7000, 7500, "b"),
    ]
    assert repeated([], 4000, 7500) == []


def test_parts_are_scaled_by_the_length_they_were_measured_on() -> None:
    parts = [Part("frames", 20.0, 10.0, 300), Part("Whisper", 3.0, 30.0, 6)]
    assert whole_seconds(parts, 60.0) == pytest.approx(126.0)


def test_spread_and_times_faster() -> None:
    assert str(spread([1.4, 1.2, 1.9])) == "1.40 [1.20–1.90]"
    assert faster("compact", 600.0, 20.0, 25.0).met
    assert not faster("compact", 400.0, 20.0, 25.0).met


def test_face_share_counts_frames_and_not_faces() -> None:
    faces = [seen(0, 1, "P1"), seen(0, 1, "P2"), seen(1, 2)]
    assert face_share(faces) == 0.5
    assert face_share([]) == 0.0


def test_overlapping_windows_count_once() -> None:
    windows = [seen(0, 3, "voice"), seen(1, 4, "voice"), seen(6, 7)]
    assert speech_share(windows, 8 * US_PER_S) == 0.5


@pytest.mark.parametrize(("start_s", "near"), [(2.4, True), (3.0, False)])
def test_gap_has_to_be_in_the_right_place(start_s: float, near: bool) -> None:
    film = analysis(seen(0, 0.2), seen(0.2, 2.4, "P1"), seen(2.4, 4.0), seen(4.0, 6.4))
    assert holds(check_gap(film, start_s, 6.4)) == [near]


def test_everybody_has_to_be_in_every_frame() -> None:
    both = [seen(0, 1, "P1"), seen(0, 1, "P2")]
    assert holds(check_persons(analysis(*both), 2)) == [True, True]
    assert holds(check_persons(analysis(*both, seen(1, 2, "P1")), 2)) == [True, False]
    assert holds(check_persons(analysis(*both), 1)) == [False, True]


def test_no_face_has_to_be_said_in_frames_and_moments() -> None:
    assert holds(check_no_face(analysis(seen(0, 1), status=Status.NO_FACE))) == [True, True]
    assert holds(check_no_face(analysis(seen(0, 1, "P1")))) == [False, False]


def test_rows_have_to_tile_the_film() -> None:
    film = analysis(seen(0, 2))
    whole = [{"Start_Time": "0.00", "End_Time": "1.00"}, {"Start_Time": "1.00", "End_Time": "2.00"}]
    broken = [whole[0], {"Start_Time": "1.10", "End_Time": "2.00"}]
    assert [check_tiling(film, rows)[0].holds for rows in (whole, broken, whole[:1], [])] == [
        True,
        False,
        False,
        False,
    ]


def test_a_line_needs_its_own_times() -> None:
    rows = [{"Start_Time": "0.00", "End_Time": "4.30", "Content": "銅牌 銀牌"}]
    assert has_line(rows, Line(0, 4300, "銅牌\n銀牌"))
    assert not has_line(rows, Line(100, 4300, "銅牌 銀牌"))


def test_differing_and_missing_files_are_named() -> None:
    assert compared("same", {"a": "1"}, {"a": "1"}).holds
    assert compared("other", {"a": "1", "b": "2"}, {"a": "3"}).seen == "different: a, b"
    assert not compared("nothing", {}, {}).holds


def test_memory_of_a_child_and_of_its_child_is_seen() -> None:
    grandchild = "x = b'1' * 60_000_000; import time; time.sleep(1)"
    child = f"subprocess.run([sys.executable, '-c', {grandchild!r}])"
    code = f"import subprocess, sys; x = b'1' * 60_000_000; {child}"
    # A child's peak starts at what its parent held when it forked, so the parent has to be a small one.
    asked = (
        f"import sys; from benchmarks.process import measure; m = measure([sys.executable, '-c', {code!r}])"
    )
    show = "print(m.exit_code, m.seconds, m.process_peak_mb, m.peak_mb, m.tree_peak_mb or 0)"
    said = subprocess.run(
        [sys.executable, "-c", f"{asked}; {show}"], capture_output=True, text=True, check=True
    ).stdout
    exit_code, seconds, process_mb, peak_mb, tree_mb = map(float, said.split())
    assert exit_code == 0 and seconds > 1
    assert 60 < process_mb < peak_mb or not tree_mb


def test_a_failed_program_says_why() -> None:
    with pytest.raises(BenchmarkError, match="no luck"):
        succeed([sys.executable, "-c", "raise SystemExit('no luck')"])


def test_a_struck_program_is_told_apart() -> None:
    code = "from benchmarks.faults.struck import strike; strike()"
    assert measure([sys.executable, "-c", code]).exit_code == -signal.SIGKILL


@pytest.mark.parametrize(
    "module", ["whole_job", "film", "straightforward", "clips", "checkpoints", "fuzz", "faults"]
)
def test_help_has_examples(module: str) -> None:
    said = succeed([sys.executable, "-m", f"benchmarks.{module}", "--help"]).stdout
    assert f"python -m benchmarks.{module} " in said.split("usage:")[1].split("\n", 1)[1]


def run_of(minutes: int, peak_mb: float, seconds: float) -> hour.Run:
    clip = Clip(Path("film.mp4"), Path("film.srt"), 60.0 * minutes)
    stages = {"tables": {"state": "ran", "seconds": seconds / 9, "process_peak_memory_mb": peak_mb}}
    return hour.Run(clip, 1000, Measured(0, seconds, peak_mb, peak_mb + 10, "", ""), stages)


def test_ten_times_the_film_is_held_against_what_it_may_take(capsys: pytest.CaptureFixture[str]) -> None:
    short = run_of(6, 590, 20)
    assert [(v.figure, v.met) for v in hour.verdicts(short, run_of(60, 770, 210))] == [
        ("1.30", True),
        ("10.5", True),
    ]
    assert not any(v.met for v in hour.verdicts(short, run_of(60, 800, 211)))
    hour.show_runs(short, run_of(60, 770, 210))
    assert "tables" in capsys.readouterr().out


def test_an_hour_has_ten_thousand_cues(tmp_path: Path) -> None:
    clip, cues = hour.with_cues(Clip(Path("film.mp4"), Path("film.srt"), 3600), tmp_path)
    assert cues == 10_000 == clip.subtitles.read_text(encoding="utf-8").count("-->")
