from dataclasses import replace
from pathlib import Path

import av
import pytest

from pipeline.types import Analysis, Span
from pipeline.writers import highlights
from pipeline.writers.highlights import reel, write_highlights
from tests.conftest import Made
from tests.writers.conftest import written

S = 1_000_000
# MoviePy leaves the pipes of its readers to the garbage collector.
moviepy_leaks = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


def test_the_strongest_in_order_of_time(analysis: Analysis) -> None:
    strong, weak, masking = (
        replace(c, span=s, strength=x, kind=k)
        for c, s, x, k in zip(
            analysis.conflicts,
            (Span(20 * S, 22 * S), Span(5 * S, 6 * S), Span(40 * S, 41 * S)),
            (0.9, 0.2, 0.99),
            ("blend", "polarity", "masking"),
            strict=True,
        )
    )
    assert reel([masking, strong, weak], 60 * S, S, 2) == [Span(4 * S, 7 * S), Span(19 * S, 23 * S)]


def test_cuts_stay_in_the_film_and_do_not_overlap(analysis: Analysis) -> None:
    assert reel(analysis.conflicts, 3 * S, S, 3) == [Span(0, 3 * S)]
    assert reel(analysis.conflicts[:1], 1 * S, S, 3) == []


@moviepy_leaks
def test_a_reel(made: Made, tmp_path: Path, analysis: Analysis) -> None:
    source = made("plain.mp4")
    write_highlights(source, analysis.conflicts[2:], tmp_path / "reel.mp4", lead_in_s=0.5)
    with av.open(str(tmp_path / "reel.mp4")) as container:
        assert container.duration == pytest.approx(1_500_000, abs=60_000)
        assert container.streams.video[0].pix_fmt == "yuv420p"
        assert container.streams.audio[0].codec_context.name == "aac"
    assert [p.name for p in tmp_path.iterdir()] == ["reel.mp4"]


@moviepy_leaks
def test_the_stage(made: Made, tmp_path: Path, analysis: Analysis) -> None:
    inputs = {"source": made("plain.mp4"), **written(analysis, tmp_path / "in")}
    highlights.run(inputs, None, tmp_path, lambda fraction: None)
    assert (tmp_path / "highlights.mp4").stat().st_size > 1000


@pytest.mark.parametrize("what", ["conflicts", "picture"])
def test_nothing_to_cut_is_one_warning(made: Made, tmp_path: Path, analysis: Analysis, what: str) -> None:
    less = {
        "conflicts": replace(analysis, conflicts=()),
        "picture": replace(analysis, media=replace(analysis.media, has_video=False)),
    }[what]
    inputs = {"source": made("plain.mp4"), **written(less, tmp_path / "in")}
    highlights.run(inputs, None, tmp_path, lambda fraction: None)
    assert "highlights skipped" in (tmp_path / "warnings.txt").read_text()
    assert not (tmp_path / "highlights.mp4").exists()
