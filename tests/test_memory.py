"""Freed memory goes back to the system, and other systems lose nothing by it."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import memory

# Blocks too small to be mapped one by one, the last of which keeps the heap from shrinking by itself.
SCRIPT = """
import numpy as np
from pathlib import Path
from pipeline.memory import give_back
def resident(): return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
blocks = [np.ones(8_000) for _ in range(2_000)]
kept = blocks.pop()
blocks.clear()
before = resident()
give_back()
assert before - resident() > 60e6, (before, resident())
"""


@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="needs /proc")
def test_what_was_freed_is_given_back() -> None:
    subprocess.run([sys.executable, "-c", SCRIPT], check=True, cwd=Path(__file__).parents[1])


def test_another_c_library_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_trim", lambda: None)
    memory.give_back()
