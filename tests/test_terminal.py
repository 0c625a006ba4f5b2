"""What is printed steers no terminal, and a terminal that cannot take it costs nothing."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.cli import EXIT_OK, EXIT_PARTIAL, EXIT_USAGE, main
from pipeline.terminal import UnprintedError, harmless, printable, say, say_aside
from tests.made import media

ROOT = Path(__file__).parents[1]
EVIL = "a\x1b]0;owned\x07\x9b31m\u202egnp\r採"
STEERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@pytest.mark.parametrize(
    ("text", "encoding", "shown"),
    [
        ("plain é 我 👩‍👧\n\tlayout", "utf-8", "plain é 我 👩‍👧\n\tlayout"),
        ("\x1b[31m\x07\x7f\x9b", "utf-8", "\\u001b[31m\\u0007\\u007f\\u009b"),
        ("\u202edlo\u2066\u200f\u2028", "utf-8", "\\u202edlo\\u2066\\u200f\\u2028"),
        ("é我👩", "ascii", "\\u00e9\\u6211\\ud83d\\udc69"),
        ("é我", "latin-1", "é\\u6211"),
        ("\udcb2", "utf-8", "\\udcb2"),
    ],
)
def test_printable(text, encoding, shown):
    assert printable(text, encoding) == shown
    assert STEERS.search(shown) is None


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_inside_json_it_is_the_same_character(encoding):
    value = {"name": f"{EVIL} 👩 \u2028"}
    assert json.loads(printable(json.dumps(value, ensure_ascii=False), encoding)) == value


def test_a_full_output_is_named_and_a_full_error_stream_is_not(monkeypatch):
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stdout", Full())
    monkeypatch.setattr(sys, "stderr", Full())
    say_aside("nobody reads this")
    with pytest.raises(UnprintedError, match="No space left"):
        say("summary")


def test_progress_on_a_terminal_that_went_away_stops_no_stage():
    @contextmanager
    def lines():
        def show(event):
            raise OSError(5, "Input/output error")

        yield show
        raise OSError(5, "Input/output error")

    with harmless(lines()) as show:
        show("event")
    with pytest.raises(ValueError, match="of the run"), harmless(lines()):
        raise ValueError("of the run")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A film with a hostile name, and its results."""
    folder = tmp_path_factory.mktemp("hostile")
    video = folder / f"{EVIL}.mp4"
    shutil.copy(media.make_no_audio(folder), video)
    arguments = ["analyze", str(video), "--out", str(folder / EVIL), "--only", "voice", "--no-video"]
    return arguments, folder / EVIL


def test_hostile_names_are_shown_and_do_nothing(finished, capsys):
    arguments, _ = finished
    for more in ([], ["--json"]):
        assert main([*arguments, *more]) == EXIT_OK
        printed = capsys.readouterr()
        assert STEERS.search(printed.out + printed.err) is None and "\\u001b]0;owned" in printed.out
    assert Path(json.loads(printed.out)["out"]).name == EVIL
    for wrong in (
        ["explain", EVIL],
        ["analyze", EVIL, "--only", EVIL],
        [EVIL],
        ["review", EVIL],
        ["--" + EVIL],
    ):
        assert main(wrong) == EXIT_USAGE
        printed = capsys.readouterr()
        assert STEERS.search(printed.out + printed.err) is None and "owned" in printed.err


def test_a_name_of_two_lines_is_a_sentence_of_one(capsys):
    assert main(["analyze", "first\nsecond.mp4"]) == EXIT_USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert "first second.mp4" in line and "check the path" in line


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ("<&- >&- 2>&-", EXIT_OK),
        (">/dev/full", EXIT_PARTIAL),
        *(
            pytest.param(where, code, marks=pytest.mark.slow)
            for where, code in {
                "": EXIT_OK,
                ">&-": EXIT_OK,
                "2>&-": EXIT_OK,
                ">/dev/full 2>&1": EXIT_PARTIAL,
                "2>/dev/full": EXIT_OK,
                "--json | head -c 1": EXIT_OK,
            }.items()
        ),
    ],
)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux's device that is always full")
def test_a_stream_that_takes_nothing_costs_no_result(where, code, finished):
    arguments, out = finished
    (out / "integrated.csv").unlink(missing_ok=True)
    command = f'"$0" -m pipeline.cli "$@" {where}; exit ${{PIPESTATUS[0]}}'
    ended = subprocess.run(
        ["bash", "-c", command, sys.executable, *arguments],
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == code, ended.stderr
    assert (out / "integrated.csv").is_file() and "Traceback" not in ended.stderr
    assert ("could not be printed" in ended.stderr) == (where == ">/dev/full")


def test_nothing_is_printed_another_way():
    """`config` prints a page of its own, and `train` holds programs for developers."""
    package = ROOT / "pipeline"
    own = {package / "config.py", package / "terminal.py", *(package / "train").rglob("*.py")}
    files = set(package.rglob("*.py")) - own
    plain = re.compile(r"(?<![\w.\"])print\(|sys\.std(out|err)\.write")
    assert [str(p) for p in files if plain.search(p.read_text(encoding="utf-8"))] == []
