"""The tables as Parquet, typed: the rows and columns of the sheets with numbers as numbers, and nulls.

Text is as it was said: what keeps a spreadsheet from running it as a formula is the sheets' own.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.engine.stage import Progress
from pipeline.records import ANALYSIS_FILE, read_record
from pipeline.types import Analysis
from pipeline.writers.columns import Kind, kind_of
from pipeline.writers.table import Row, tables

if TYPE_CHECKING:
    import pyarrow as pa

Value = int | float | str | None


def run(inputs: Mapping[str, Path], settings: Any, out: Path, progress: Progress) -> None:
    """Stage ``export-parquet``: a file per sheet, of the same name."""
    import pyarrow.parquet as pq

    analysis = read_record(inputs["analysis"] / ANALYSIS_FILE, Analysis)
    sheets = tables(analysis)
    for done, (name, (columns, rows)) in enumerate(sheets.items(), start=1):
        table = arrow(columns, rows, {"table": name, "schema_version": str(analysis.schema_version)})
        pq.write_table(table, out / f"{Path(name).stem}.parquet", compression="zstd")
        progress(done / len(sheets))


def typed(cell: str, kind: Kind) -> Value:
    """A sheet's cell as a value; None for an empty one."""
    if not cell:
        return None
    return int(cell) if kind == "integer" else float(cell) if kind == "number" else cell


def arrow(columns: Sequence[str], rows: Iterable[Row], about: Mapping[str, str]) -> "pa.Table":
    """A sheet as an Arrow table; ``about`` goes into its schema's metadata."""
    import pyarrow as pa

    types = {"integer": pa.int64(), "number": pa.float64(), "text": pa.string()}
    kinds = {column: kind_of(column) for column in columns}
    schema = pa.schema([(column, types[kind]) for column, kind in kinds.items()], metadata=dict(about))
    values: dict[str, list[Value]] = {column: [] for column in columns}
    for row in rows:
        for column, kind in kinds.items():
            values[column].append(typed(row.get(column, ""), kind))
    return pa.Table.from_pydict(values, schema=schema)
