"""Analyses with alarms of known evidence, and the sheets raters send back."""

from dataclasses import replace

import pytest

from pipeline.review import agreement
from pipeline.review.rows import Row, Sheet
from pipeline.types import Analysis, Conflict, Span
from tests.writers.conftest import S, make_analysis


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    """Intervals from fewer draws than people get: each costs a call of a library."""
    monkeypatch.setattr(agreement, "DRAWS", 200)


def film_with(factors: list[float], sha256: str = "ab" * 32, enter: float = 0.75) -> Analysis:
    """A film whose only conflicts are polarities of 1 s with these Bayes factors, a second apart."""
    one: Conflict = next(c for c in make_analysis().conflicts if c.kind == "polarity")
    conflicts = tuple(
        replace(one, span=Span(2 * i * S, (2 * i + 1) * S), evidence=factor)
        for i, factor in enumerate(factors)
    )
    film = make_analysis()
    return replace(
        film,
        name=f"film {sha256[:2]}",
        media=replace(film.media, sha256=sha256, duration_us=len(factors) * 2 * S),
        conflicts=conflicts,
        operating_point=enter,
    )


def sheet_of(path, verdicts: dict[str, str], rater: str = "") -> Sheet:
    """What a rater said, by event."""
    rows = tuple(Row(i, event, verdict, "", rater) for i, (event, verdict) in enumerate(verdicts.items(), 2))
    return Sheet(path, rows)
