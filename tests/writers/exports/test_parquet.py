import re
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from pipeline.types import Analysis
from pipeline.writers import table as sheets
from pipeline.writers.exports import parquet
from pipeline.writers.table import tables, text_cell
from tests.writers.conftest import with_posture, written
from tests.writers.exports.cases import CASES


def export(analysis: Analysis, folder: Path) -> Path:
    parquet.run(written(analysis, folder / "in"), None, folder, lambda fraction: None)
    return folder


def as_cell(value: object, cell: str) -> str:
    """A value in the sheet's own format, with as many decimals as the cell has."""
    if value is None:
        return ""
    return f"{value:.{len(cell.partition('.')[2])}f}" if isinstance(value, float) else str(value)


@pytest.mark.parametrize("case", ["usual", "many", "four", "hostile", "empty"])
def test_every_cell_is_the_sheets(case: str, tmp_path: Path) -> None:
    analysis = CASES[case]()
    folder = export(analysis, tmp_path)
    sheets.run(written(analysis, tmp_path / "in"), None, tmp_path, lambda fraction: None)
    for name in tables(analysis):
        cells = pd.read_csv(tmp_path / name, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        table = pq.read_table(folder / f"{Path(name).stem}.parquet")
        assert table.column_names == list(cells.columns) and table.num_rows == len(cells)
        for row, wanted in zip(table.to_pylist(), cells.to_dict("records"), strict=True):
            told = {c: as_cell(row[c], cell) for c, cell in wanted.items()}
            assert {
                c: text_cell(cell) if isinstance(row[c], str) else cell for c, cell in told.items()
            } == wanted
    assert {p.stem for p in folder.glob("*.parquet")} == {Path(name).stem for name in tables(analysis)}


def test_text_is_as_it_was_said(analysis: Analysis, tmp_path: Path) -> None:
    """No spreadsheet opens the file, so nothing stands before what would be a formula there."""
    folder = export(analysis, tmp_path)
    assert pd.read_parquet(folder / "integrated.parquet")["Content"][1] == "=SUM(A1:A9)"
    assert pd.read_parquet(folder / "conflicts.parquet")["Words"][1] == "=SUM(A1:A9)"
    sheets.run(written(analysis, tmp_path / "in"), None, tmp_path, lambda fraction: None)
    assert "'=SUM(A1:A9)" in (tmp_path / "integrated.csv").read_text(encoding="utf-8")


def test_numbers_are_numbers_and_what_is_absent_is_null(analysis: Analysis, tmp_path: Path) -> None:
    folder = export(analysis, tmp_path)
    rows = pd.read_parquet(folder / "integrated.parquet")
    assert rows["Start_Time"].dtype == rows["Visual_Confidence"].dtype == "float64"
    assert rows["Visual_Confidence"].isna().tolist() == [False, False, True, False, True]
    assert rows["Visual_Status"].tolist()[2] == "no_face"
    assert pd.read_parquet(folder / "conflicts.parquet")["Rank"].dtype == "int64"
    faces = pq.read_schema(folder / "faces.parquet")
    assert faces.metadata == {b"table": b"faces.csv", b"schema_version": b"2"}
    text = {"Person", "Status", "Emotion"}
    assert {field.name for field in faces if str(field.type) == "string"} == text


def test_a_column_of_numbers_is_not_left_as_text(analysis: Analysis) -> None:
    """A column in which the sheet shows nothing but numbers is one of numbers, and the other way round."""
    for columns, rows in tables(with_posture(analysis)).values():
        for column in columns:
            cells = [row[column] for row in rows if row.get(column)]
            if cells and column != "Conflict_Ranks":
                assert all(map(is_number, cells)) is (parquet.kind_of(column) != "text"), column


def is_number(cell: str) -> bool:
    return re.fullmatch(r"-?\d+(\.\d+)?", cell) is not None


@pytest.mark.parametrize("case", ["usual", "four", "empty"])
def test_a_column_has_one_type_whatever_is_in_it(case: str, tmp_path: Path) -> None:
    """Files of many films go into one data frame."""
    usual = export(CASES["usual"](), tmp_path / "usual")
    other = export(CASES[case](), tmp_path / "other")
    for name in ("integrated", "conflicts", "faces", "voice"):
        types = {f.name: f.type for f in pq.read_schema(usual / f"{name}.parquet")}
        again = {f.name: f.type for f in pq.read_schema(other / f"{name}.parquet")}
        assert {column: again[column] for column in types} == types
