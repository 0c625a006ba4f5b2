"""What the fuzz chooses, damages, expects and judges; and that its workers are watched."""

import sys
import time
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from benchmarks.fuzz import damage, subtitles
from benchmarks.fuzz.__main__ import chosen
from benchmarks.fuzz.pool import OVER_MEMORY, OVER_TIME, Worker, side_by_side
from benchmarks.fuzz.reference import RATE_HZ, Decoded, frame_times, loud_windows
from benchmarks.fuzz.runs import told, unwhole
from benchmarks.fuzz.verdict import REFUSED, SAID, SILENT, UNCAUGHT, Whole, judge, judge_text
from benchmarks.fuzz.verdict import WHOLE as NOTHING_LOST
from benchmarks.process import Measured

DATA = bytes(range(256)) * 64
TIMES_S = tuple(i / 25 for i in range(150))
ANSWER: dict[str, Any] = {
    "frames": 150,
    "sound_windows": 600,
    "film_frames": None,
    "refused": False,
    "errors": {},
    "sentences": [],
    "uncaught": "",
    "peak_mb": 200.0,
    "written_mb": 1.0,
}
DECODED = Decoded(TIMES_S, 600, 0, 6.0)
FILE = Whole(DECODED, ANSWER, 6.0, True)


def verdict(decoded: Decoded = DECODED, joined: bool = False, **changed: Any) -> str:
    return judge(FILE, decoded, ANSWER | changed, None, joined=joined, max_mb=1500.0).name


def test_every_pair_comes_once_before_any_comes_twice() -> None:
    inputs = chosen(("a", "b"), ("x", "y", "z"), 9)
    assert len({one.name for one in inputs}) == 9
    assert {(one.base, one.damage) for one in inputs[:6]} == {(a, b) for a in "ab" for b in "xyz"}
    assert inputs[:4] == chosen(("a", "b"), ("x", "y", "z"), 4)


@pytest.mark.parametrize("kind", damage.ON_BYTES)
def test_damage_changes_the_file_and_follows_from_the_seed(kind: str) -> None:
    made = [damage.ON_BYTES[kind](DATA, Random(seed)) for seed in (1, 1, 2)]
    assert made[0] == made[1] != DATA
    assert made[0] != made[2] or kind == "joined"


def test_what_is_not_lost_is_no_finding() -> None:
    assert verdict() == NOTHING_LOST
    assert verdict(frames=144) == NOTHING_LOST


def test_loss_has_to_be_said_when_a_plain_decoder_has_more() -> None:
    assert verdict(frames=100) == SILENT
    assert verdict(sound_windows=500) == SILENT
    assert verdict(film_frames=100) == SILENT
    assert verdict(frames=100, sentences=["50 frames cannot be decoded."]) == SAID
    assert verdict(frames=0, errors={"faces": "MediaError: gone"}) == SAID


def test_loss_that_nobody_can_know_is_none() -> None:
    half = replace(DECODED, times_s=TIMES_S[:75], sound_windows=300, stated_s=3.0)
    assert verdict(half, frames=75, sound_windows=300) == NOTHING_LOST


def test_loss_that_could_be_known_has_to_be_said() -> None:
    half = replace(DECODED, times_s=TIMES_S[:75], sound_windows=300, stated_s=6.0)
    assert verdict(half, frames=75, sound_windows=300) == SILENT
    assert verdict(replace(half, stated_s=3.0, complaints=2), frames=75, sound_windows=300) == SILENT
    assert verdict(replace(half, ended=False), frames=75, sound_windows=300) == NOTHING_LOST


def test_sentences_of_the_whole_file_say_nothing_about_damage() -> None:
    usual = replace(FILE, answer=ANSWER | {"sentences": ["two tracks"]})
    answer = ANSWER | {"frames": 10, "sentences": ["two tracks"]}
    assert judge(usual, DECODED, answer, None, joined=False, max_mb=1500.0).name == SILENT


def test_both_of_two_joined_recordings_are_wanted() -> None:
    twice = replace(DECODED, times_s=TIMES_S * 2, sound_windows=1200)
    assert verdict(twice, joined=False) == NOTHING_LOST
    assert verdict(twice, joined=True) == SILENT


def test_what_must_never_be_comes_first() -> None:
    assert verdict(uncaught="Traceback\nIndexError: x", refused=True) == UNCAUGHT
    assert verdict(peak_mb=1600.0) == OVER_MEMORY
    assert verdict(written_mb=640.0) == "over disk"
    assert verdict(refused=True, errors={"plan": "MediaError: no video"}) == REFUSED
    assert judge(FILE, DECODED, {"ended": OVER_TIME}, None, joined=False, max_mb=1500.0).bad


def test_frame_times_and_sound_are_counted() -> None:
    lines = ["#tb 0: 1/50", "#media_type 0: video", "0, 0, 0, 1, 8, 0xaa", "0, 2, 3, 1, 8, 0xbb"]
    assert frame_times(lines) == [0.0, 0.06]
    sound = np.zeros(RATE_HZ, np.float32)
    sound[: RATE_HZ // 2] = 0.1
    assert loud_windows(sound) == 50
    assert Decoded((0.0, 0.04, 0.08, 0.12), 0, 0, None).slots(12.5) == 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "utf-32"])
def test_intact_cues_are_those_whose_lines_stand_where_a_reader_looks(encoding: str) -> None:
    whole = subtitles.make_subtitles("srt", "en", encoding)
    every = subtitles.survivors(whole, whole.data)
    assert every.count("thought") == 5 and every.endswith(str(subtitles.CUES))
    assert subtitles.survivors(whole, whole.data[: len(whole.data) // 2]) in every
    assert subtitles.survivors(whole, whole.data[: len(whole.data) // 2]) != every
    if encoding != "utf-8":
        assert subtitles.survivors(whole, whole.data[3:]) == ""


def test_every_whole_subtitle_file_is_intact() -> None:
    for form, language, encoding in subtitles.every_file():
        whole = subtitles.make_subtitles(form, language, encoding)
        words = subtitles.survivors(whole, whole.data).split()
        assert len([word for word in words if word.isdigit()]) == subtitles.CUES, (form, encoding)


def test_letters_that_are_not_read_have_to_be_said() -> None:
    answer = {"errors": {}, "sentences": [], "uncaught": "", "peak_mb": 100.0, "text": "one two three"}
    assert judge_text("one two three", answer, [], 1500.0).name == NOTHING_LOST
    assert judge_text("one two three four", answer, [], 1500.0).name == SILENT
    assert judge_text("one four", answer | {"sentences": ["1 cue lost"]}, [], 1500.0).name == SAID
    assert judge_text("one four", answer | {"sentences": ["usual"]}, ["usual"], 1500.0).name == SILENT


def took(exit_code: int, stderr: str = "") -> Measured:
    return Measured(exit_code, 1.0, 100.0, None, "", stderr)


def test_a_run_leaves_a_whole_folder_or_none(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert told(took(2, "emotion-pipeline: no video\n"), out).name == REFUSED
    assert told(took(1, "emotion-pipeline: x\n"), out).name == UNCAUGHT
    assert told(took(3, "Traceback (most recent call last)\n"), out).name == UNCAUGHT
    assert told(took(0), out).name == UNCAUGHT
    out.mkdir()
    assert told(took(2, "emotion-pipeline: no video\n"), out).name == UNCAUGHT
    (out / "run.json").write_text('{"files": ["a.csv"]}', encoding="utf-8")
    assert "a.csv is missing" in unwhole(out)
    (out / "a.csv").touch()
    assert told(took(3), out).name == SAID and told(took(0), out).name == NOTHING_LOST
    (out / ".a.csv.1-2.part").touch()
    assert "left behind" in unwhole(out)


@pytest.mark.parametrize(
    ("code", "limit_s", "wanted"),
    [
        ("import time; input(); time.sleep(60)", 0.5, OVER_TIME),
        ("import time; input(); x = b'1' * 400_000_000; time.sleep(60)", 30.0, OVER_MEMORY),
        ("input(); raise SystemExit(3)", 30.0, "died"),
    ],
)
def test_a_worker_that_misbehaves_is_replaced(code: str, limit_s: float, wanted: str, tmp_path: Path) -> None:
    worker = Worker(limit_s, 200.0, tmp_path / "errors.txt", [sys.executable, "-c", code])
    try:
        assert [worker.ask({})["ended"] for _ in range(2)] == [wanted] * 2
    finally:
        worker.end()


def test_everything_is_tried_once_and_nothing_begins_too_late(tmp_path: Path) -> None:
    def workers() -> list[Worker]:
        return [Worker(1.0, 100.0, tmp_path / "errors.txt") for _ in range(2)]

    later = time.perf_counter() + 60
    assert sorted(side_by_side(range(5), lambda worker, n: n, workers(), later)) == [0, 1, 2, 3, 4]
    assert list(side_by_side(range(5), lambda worker, n: n, workers(), 0.0)) == []
    with pytest.raises(ZeroDivisionError):
        list(side_by_side([0], lambda worker, n: 1 // n, workers(), later))
