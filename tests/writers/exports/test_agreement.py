"""Every format, over every made analysis: its own library reads back the conflicts of the analysis."""

import time
from importlib import import_module
from pathlib import Path

import pytest

from pipeline.config import FilmSection
from pipeline.graph import EXPORTS
from pipeline.types import Analysis, ExportFormat
from pipeline.writers.table import tables
from tests.writers.conftest import make_analysis, written
from tests.writers.exports.cases import CASES
from tests.writers.exports.readers import READERS, events_in, expected, grain_s

ONLY_A_WARNING = {("label-studio", "without picture")}


def export(name: ExportFormat, analysis: Analysis, folder: Path) -> dict[str, Path]:
    """The files of one format, as its stage leaves them."""
    out = folder / "out"
    out.mkdir(parents=True)
    module, function = EXPORTS[name].split(":")
    inputs = written(analysis, folder / "in")
    getattr(import_module(module), function)(inputs, FilmSection(), out, lambda fraction: None)
    return {path.name: path for path in sorted(out.iterdir())}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", EXPORTS)
def test_the_conflicts(name: ExportFormat, case: str, tmp_path: Path) -> None:
    analysis = CASES[case]()
    files = export(name, analysis, tmp_path)
    if (name, case) in ONLY_A_WARNING:
        assert list(files) == ["warnings.txt"]
        return
    told = [path for path in files.values() if path.name in READERS]
    assert told
    for path in told:
        found = sorted(events_in(path, analysis), key=lambda e: (e.headline, e.start_s))
        wanted = sorted(expected(analysis), key=lambda e: (e.headline, e.start_s))
        assert [e.headline for e in found] == [e.headline for e in wanted]
        grain = grain_s(path, analysis)
        for one, right in zip(found, wanted, strict=True):
            assert one.start_s == pytest.approx(right.start_s, abs=grain), path.name
            if one.end_s is not None:
                assert one.end_s == pytest.approx(
                    right.end_s, abs=grain + (right.end_s == right.start_s) * 0.04
                )


def test_with_the_sheet() -> None:
    """``expected`` is what ``conflicts.csv`` says, so each file agrees with the sheet."""
    for case in CASES.values():
        analysis = case()
        rows = list(tables(analysis)["conflicts.csv"][1])
        for row, event in zip(rows, expected(analysis), strict=True):
            assert row["Kind"] == event.kind
            assert float(row["Start_Time"]) == pytest.approx(event.start_s, abs=0.00501)


def test_names_do_not_collide_and_bytes_do_not_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    analysis = make_analysis()
    names: list[str] = []
    for name in EXPORTS:
        first = export(name, analysis, tmp_path / name / "first")
        with monkeypatch.context() as later:
            later.setattr(time, "strftime", lambda *given: "2099-01-01T00:00:00")
            later.setattr(time, "time", lambda: 4e9)
            again = export(name, analysis, tmp_path / name / "again")
        assert {n: p.read_bytes() for n, p in first.items()} == {n: p.read_bytes() for n, p in again.items()}
        names += first
    assert len(set(names)) == len(names)
    told = (Path(__file__).parents[3] / "docs" / "EXPORTS.md").read_text(encoding="utf-8")
    assert [one for one in (*EXPORTS, *names) if f"`{one}`" not in told] == []
    assert not set(names) & {*tables(analysis), "analysis.json", "transcript.srt", "run.json"}
