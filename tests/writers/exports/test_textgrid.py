from pathlib import Path

import pytest
from praatio import textgrid as praat

from pipeline.types import Analysis
from pipeline.writers.exports import textgrid
from pipeline.writers.exports.tiers import tiers
from tests.writers.conftest import HOSTILE, written
from tests.writers.exports.cases import CASES


def export(analysis: Analysis, folder: Path) -> Path:
    textgrid.run(written(analysis, folder / "in"), None, folder, lambda fraction: None)
    return folder / "annotations.TextGrid"


@pytest.mark.parametrize("case", [case for case in CASES if case != "hour"])
def test_every_tier_covers_the_film_without_a_hole(case: str, tmp_path: Path) -> None:
    path = export(CASES[case](), tmp_path)
    grid = praat.openTextgrid(str(path), includeEmptyIntervals=True, reportingMode="error")
    assert grid.maxTimestamp == 3
    for tier in grid.tiers:
        at = 0.0
        for start, end, _ in tier.entries:
            assert start == at < end
            at = end
        assert at == 3


def test_praatio_reads_back_every_tier(analysis: Analysis, tmp_path: Path) -> None:
    grid = praat.openTextgrid(str(export(analysis, tmp_path)), False, "error")
    assert list(grid.tierNames) == [tier.name for tier in tiers(analysis)]
    for tier, read in zip(tiers(analysis), grid.tiers, strict=True):
        assert [(round(s * 1000), round(e * 1000), label) for s, e, label in read.entries] == [
            (a.start_ms, a.end_ms, a.value) for a in tier.annotations
        ]


def test_quotes_are_doubled_and_a_label_stays_on_its_line(analysis: Analysis, tmp_path: Path) -> None:
    lines = export(analysis, tmp_path).read_bytes().decode("utf-8").split("\n")
    assert (
        " ".join(HOSTILE.split())
        == "</script><script>alert('x')</script> \\N{\\p1}m 0 0{b} & \"quoted\", 100% next line"
    )
    assert any('""quoted""' in line and line.rstrip().endswith('next line"') for line in lines)
    assert textgrid.label("item [3] items[") == "item ［3] items["


@pytest.mark.parametrize("case", CASES)
def test_praat_itself_reads_every_label_where_it_stands(case: str, tmp_path: Path) -> None:
    import parselmouth

    analysis = CASES[case]()
    grid = parselmouth.read(str(export(analysis, tmp_path)))
    shown = tiers(analysis)
    assert parselmouth.praat.call(grid, "Get number of tiers") == len(shown)
    for number, tier in enumerate(shown, start=1):
        assert parselmouth.praat.call(grid, "Get tier name...", number) == textgrid.label(tier.name)
        read = []
        for at in range(1, parselmouth.praat.call(grid, "Get number of intervals...", number) + 1):
            text = parselmouth.praat.call(grid, "Get label of interval...", number, at)
            edges = (
                parselmouth.praat.call(grid, f"Get {edge} time of interval...", number, at)
                for edge in ("start", "end")
            )
            read += [(*(round(edge * 1000) for edge in edges), text)] if text else []
        assert read == [(a.start_ms, a.end_ms, textgrid.label(a.value)) for a in tier.annotations]
