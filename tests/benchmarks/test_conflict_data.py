"""What the detector must reach on the real data (docs/CONFLICTS.md)."""

from pathlib import Path

import pytest

from benchmarks.conflict import null, triples_table, votes
from benchmarks.conflict.markdown import records

pytestmark = [pytest.mark.data, pytest.mark.slow]


def figure(cell: str) -> float:
    """The figure before its interval."""
    return float(cell.split(maxsplit=1)[0])


def test_votes_of_raters(data_root: Path) -> None:
    rows = {row["detector"]: row for row in records(votes.table(data_root))}
    # The protocol: figures of those who set the task.
    assert figure(rows["|ΔV|"]["opposite valence"]) == pytest.approx(0.45, abs=0.03)
    assert figure(rows["JSD"]["opposite valence"]) == pytest.approx(0.085, abs=0.01)
    assert figure(rows["starting scores"]["different emotion, neither neutral"]) == pytest.approx(
        0.38, abs=0.02
    )
    assert figure(rows["ours"]["opposite valence"]) >= 0.50
    assert figure(rows["ours"]["different emotion, neither neutral"]) >= 0.42


def test_triples(data_root: Path) -> None:
    rows = records(triples_table.table(data_root))
    ours = [row for row in rows if triples_table.OURS in row.values() and "AUC ≥ 0.90" in row]
    assert len(ours) == 4
    for row in ours:
        assert figure(row["AUC ≥ 0.90"]) >= 0.90
        assert figure(row["FA ≤ 0.05"]) <= 0.05


def test_chance_gives_as_many_alarms_as_it_is_said_to(data_root: Path) -> None:
    rows = records(null.table(data_root))
    assert rows
    assert all(figure(row["apart"]) <= 1.5 for row in rows)
    assert sum(int(row["alarms"]) for row in rows) > 100
