"""Bars on a terminal, and silence elsewhere."""

import io

import pytest
from rich.console import Console

from pipeline.cli_progress import counting


@pytest.mark.parametrize("terminal", [True, False])
def test_what_is_counted_is_shown_on_a_terminal_alone(terminal):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=90, color_system=None)
    with counting(console) as step:
        step("examples", 0, None)
        step("examples", 3, 10)
        step("other", 1, 2)
    shown = console.file.getvalue()
    assert ("examples" in shown, "3/10" in shown, "1/2" in shown) == (terminal,) * 3
