"""The made hour is what it says, and the page's figures are held against their targets."""

from pathlib import Path

import pytest

from benchmarks.report_page import MOST_BYTES, Measured, bench, verdicts
from pipeline.types import Span
from tests.made.browser import chromium
from tests.made.long_timeline import long_timeline


def test_targets() -> None:
    good = verdicts(Measured([1.0, 1.2, 9.0], [0.5], MOST_BYTES, 2.0))
    poor = verdicts(Measured([1.6, 1.7, 9.0], [0.5], MOST_BYTES + 1, 2.0))
    assert [row[3] for row in good] == ["met", "met", "", ""]
    assert [row[3] for row in poor] == ["missed", "missed", "", ""]


def test_the_made_film() -> None:
    made = long_timeline(120, 30, 6)
    assert made == long_timeline(120, 30, 6)
    assert (len(made.transcript.utterances), len(made.conflicts)) == (30, 6)
    assert len(made.observations["face"]) == 120 * 5 * 2 and len(made.observations["voice"]) >= 120
    edges = [moment.span.start_us for moment in made.moments[1:]]
    assert edges == [moment.span.end_us for moment in made.moments[:-1]]
    assert Span(0, 120_000_000) == Span(made.moments[0].span.start_us, made.moments[-1].span.end_us)


@pytest.mark.slow
def test_a_page_is_measured(tmp_path: Path) -> None:
    path = chromium()
    if path is None:
        pytest.skip("no Chromium is installed")
    measured = bench(tmp_path, 60, 1, path)
    assert (
        0 < measured.computing_s[0] < measured.usable_s[0] < 30
        and 1_000_000 < measured.size_bytes < MOST_BYTES
    )
