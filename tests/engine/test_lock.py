"""One writer at a time, between processes and between threads, and no lock that outlives its process."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from pipeline.engine import lock
from pipeline.engine.lock import only_writer

HOLDER = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from pipeline.engine.lock import only_writer
    with only_writer(Path(sys.argv[1]), print) as alone:
        print("in", alone, flush=True)
        sys.stdin.read()
""")


def unexpected(process: str) -> None:
    raise AssertionError(f"waited for {process}")


@pytest.fixture
def holder(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "w" / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "in True\n"
        yield process
        process.kill()


@pytest.mark.parametrize("ends", ["well", "killed"])
def test_the_second_waits_for_the_first_and_says_for_whom(holder, ends, tmp_path):
    waited_for = []

    def end(process: str) -> None:
        waited_for.append(process)
        if ends == "well":
            holder.stdin.close()
        else:
            os.kill(holder.pid, signal.SIGKILL)

    with only_writer(tmp_path / "w" / "lock", end) as alone:
        assert alone and waited_for == [str(holder.pid)]
    with only_writer(tmp_path / "w" / "lock", unexpected):
        pass


def test_an_interrupt_ends_the_wait(holder, tmp_path):
    def interrupt(process: str) -> None:
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()

    with pytest.raises(KeyboardInterrupt), only_writer(tmp_path / "w" / "lock", interrupt):
        pass


def test_threads_take_turns(tmp_path):
    inside, most = [], []

    def enter() -> None:
        with only_writer(tmp_path / "lock", lambda process: None):
            inside.append(1)
            most.append(len(inside))
            inside.pop()

    threads = [threading.Thread(target=enter) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 8


def test_a_folder_that_was_removed_meanwhile_is_made_anew_and_locked_there(holder, tmp_path):
    def remove(process: str) -> None:
        shutil.rmtree(tmp_path / "w")
        holder.stdin.close()

    with only_writer(tmp_path / "w" / "lock", remove) as alone:
        assert alone and (tmp_path / "w" / "lock").read_text() == str(os.getpid())
        assert (tmp_path / "w").stat().st_mode & 0o777 == 0o700


def test_without_locks_a_run_goes_on_and_knows_it(tmp_path, monkeypatch):
    def refuse(handle: int, how: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(lock.fcntl, "flock", refuse)
    with only_writer(tmp_path / "lock", unexpected) as alone:
        assert not alone
    monkeypatch.setattr(lock, "fcntl", None)
    with only_writer(tmp_path / "w" / "lock", unexpected) as alone:
        assert not alone and (tmp_path / "w").is_dir()


def test_a_lock_file_is_no_way_to_another_file(tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "lock").symlink_to(tmp_path / "mine")
    with pytest.raises(OSError), only_writer(tmp_path / "lock", unexpected):
        pass
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_lock_file_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError), only_writer(tmp_path / "file" / "lock", unexpected):
        pass
