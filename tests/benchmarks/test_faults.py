"""How the faults bench judges a run that was struck, and that it sees what lives on."""

import signal
import sys
from pathlib import Path

import pytest

from benchmarks.faults.program import Ended, Running, differs, digest, flip_bit, lived_on
from benchmarks.process import measure


@pytest.mark.parametrize(
    ("ended", "fine"),
    [
        (Ended(0, "done", "", 1.0), True),
        (Ended(2, "", "emotion-pipeline: the disk is full\n", 1.0), True),
        (Ended(2, "", "", 1.0), False),
        (Ended(130, "", "interrupted\n", 1.0), True),
        (Ended(1, "", "emotion-pipeline: something\n", 1.0), False),
        (Ended(3, "face failed: internal error: KeyError", "", 1.0), False),
        (Ended(2, "", "Traceback (most recent call last):\nOSError\n", 1.0), False),
        (Ended(0, "done", "", 1.0, ("ffmpeg -i film",)), False),
    ],
)
def test_a_sentence_and_an_end_of_all_it_started_are_asked_for(ended: Ended, fine: bool) -> None:
    assert (ended.trouble((0, 2, 3, 130)) == "") is fine


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="processes are looked up in /proc")
def test_a_child_that_lives_on_is_seen_and_ended() -> None:
    child = "import time; time.sleep(60)"
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}])"
    running = Running([sys.executable, "-c", code])
    ended = running.end()
    assert ended.code == 0 and len(ended.orphans) == 1 and "time.sleep" in ended.orphans[0]
    assert lived_on(running.pid) == ()


def test_a_running_program_is_struck_at_the_moment_that_was_asked_for(tmp_path: Path) -> None:
    there = tmp_path / "there"
    code = f"import pathlib, time; pathlib.Path({str(there)!r}).touch(); time.sleep(60)"
    running = Running([sys.executable, "-c", code])
    assert running.wait_for(there.exists, 0.1)
    running.send(signal.SIGKILL)
    assert running.end().code == -signal.SIGKILL
    short = Running([sys.executable, "-c", "pass"])
    assert not short.wait_for((tmp_path / "never").exists)
    assert short.end().code == 0


def test_a_program_is_killed_at_its_limit() -> None:
    took = measure([sys.executable, "-c", "import time; time.sleep(60)"], limit_s=0.5)
    assert took.exit_code == -signal.SIGKILL and took.seconds < 30


def test_a_flipped_bit_keeps_size_and_times(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abcdef")
    before, stat = digest(path), path.stat()
    flip_bit(path, 1234)
    assert digest(path) != before
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)


def test_published_folders_are_compared_whole(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"files": ["a.csv"]}', encoding="utf-8")
    (tmp_path / "a.csv").write_text("1", encoding="utf-8")
    assert differs(tmp_path, {"a.csv": digest(tmp_path / "a.csv")}) == ""
    assert differs(tmp_path, {"a.csv": "other"}) == "different: a.csv"
    assert "missing" in differs(tmp_path / "none", {}) or "cannot be read" in differs(tmp_path / "none", {})
