"""What `make analyze` leaves of the command's own ending."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.mark.parametrize(("code", "ends"), [(0, 0), (3, 0), (2, 2), (1, 2)])
def test_the_commands_sentence_is_the_last_word_where_work_was_done(code, ends, tmp_path):
    """make itself ends with 2 for every failure of a recipe."""
    command = tmp_path / "bin" / "emotion-pipeline"
    command.parent.mkdir()
    command.write_text(f"#!/bin/sh\necho partly done: a sentence\nexit {code}\n", encoding="utf-8")
    command.chmod(0o755)
    for made in ("bin/python", "installed"):
        (tmp_path / made).touch()
    ended = subprocess.run(
        ["make", "--no-print-directory", "-C", ROOT, "analyze", f"VENV={tmp_path}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == ends and ended.stdout.splitlines()[-1] == "partly done: a sentence"
    assert bool(ended.stderr) == bool(ends)
