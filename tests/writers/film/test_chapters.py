from dataclasses import replace
from itertools import pairwise

import pytest

from pipeline.types import Analysis, Conflict, Span
from pipeline.writers.film.chapters import LONGEST_TITLE, chapters, ffmetadata
from tests.writers.conftest import HOSTILE

S = 1_000_000


def conflict(start_us: int, end_us: int, label: str = "", evidence: float = 2.0) -> Conflict:
    return Conflict(Span(start_us, end_us), "blend", ("face",), 0.5, 0.5, label, {}, evidence)


def lasting(analysis: Analysis, *conflicts: Conflict, seconds: float = 10) -> Analysis:
    media = replace(analysis.media, duration_us=round(seconds * S))
    return replace(analysis, media=media, conflicts=conflicts, observations={})


def listed(analysis: Analysis) -> list[tuple[float, float, str]]:
    return [(c.span.start_s, c.span.end_s, c.title) for c in chapters(analysis)]


def test_conflicts_and_what_lies_between_tile_the_film(analysis: Analysis) -> None:
    found = lasting(analysis, conflict(2 * S, 3 * S, "b"), conflict(5 * S, 7 * S, "a", evidence=9.0))
    assert listed(found) == [
        (0, 2, "0:00.0"),
        (2, 3, "2. blend · face ? · maybe b"),
        (3, 5, "0:03.0"),
        (5, 7, "1. blend · face ? · maybe a"),
        (7, 10, "0:07.0"),
    ]


def test_none_without_a_conflict(analysis: Analysis) -> None:
    assert chapters(lasting(analysis)) == ()
    assert "CHAPTER" not in ffmetadata(())


def test_overlapping_conflicts_follow_each_other_by_start(analysis: Analysis) -> None:
    found = lasting(
        analysis, conflict(0, 6 * S, "a"), conflict(2 * S, 4 * S, "b"), conflict(2 * S, 8 * S, "c")
    )
    assert [(a, b) for a, b, _ in listed(found)] == [(0, 2), (2, 8), (8, 10)]
    assert "maybe b | " in listed(found)[1][2] and listed(found)[1][2].endswith("maybe c | 1. (continued)")


def test_a_long_conflict_is_named_until_its_end(analysis: Analysis) -> None:
    """Others that begin and end inside it do not hide that it goes on."""
    found = lasting(
        analysis, conflict(S, 9 * S, "a", 9.0), conflict(2 * S, 3 * S, "b"), conflict(5 * S, 6 * S, "c", 5.0)
    )
    assert listed(found) == [
        (0, 1, "0:00.0"),
        (1, 2, "1. blend · face ? · maybe a"),
        (2, 3, "3. blend · face ? · maybe b | 1. (continued)"),
        (3, 5, "1. (continued) blend · face ? · maybe a"),
        (5, 6, "2. blend · face ? · maybe c | 1. (continued)"),
        (6, 9, "1. (continued) blend · face ? · maybe a"),
        (9, 10, "0:09.0"),
    ]


def test_a_long_title_still_says_what_goes_on(analysis: Analysis) -> None:
    found = lasting(analysis, conflict(S, 9 * S, "a", 9.0), conflict(2 * S, 3 * S, "b" * 200))
    title = listed(found)[2][2]
    assert len(title) == LONGEST_TITLE and title.endswith("b… | 1. (continued)")
    many = lasting(analysis, *(conflict(i, 9 * S, "a") for i in range(0, 900_000, 1000)))
    assert max(len(title) for _, _, title in listed(many)) <= LONGEST_TITLE


@pytest.mark.parametrize(
    "conflicts",
    [
        [(0, 10 * S)],
        [(9_999_000, 20 * S)],
        [(10 * S, 11 * S), (1, 2)],
        [(4 * S, 4 * S)],
        [(3_000_100, 3_000_900), (3_000_950, 5 * S)],
        [(i * 7_001, i * 7_001 + 2 * S) for i in range(400)],
    ],
)
def test_chapters_always_tile(analysis: Analysis, conflicts: list[tuple[int, int]]) -> None:
    found = chapters(lasting(analysis, *(conflict(a, b) for a, b in conflicts)))
    assert (found[0].span.start_us, found[-1].span.end_us) == (0, 10 * S)
    assert all(a.span.end_us == b.span.start_us for a, b in pairwise(found))
    assert all(c.span.duration_us >= 1000 and c.span.start_us % 1000 == 0 for c in found)


def test_hostile_titles_are_one_escaped_line(analysis: Analysis) -> None:
    found = chapters(lasting(analysis, conflict(0, S, f"a=b;c#d\\e\n[CHAPTER]\nSTART=0 {HOSTILE}")))
    assert len(found[0].title) <= LONGEST_TITLE and found[0].title.endswith("…")
    lines = ffmetadata(found).splitlines()
    assert lines.count("[CHAPTER]") == len(found)
    assert "a\\=b\\;c\\#d\\\\e [CHAPTER] START\\=0" in ffmetadata(found)
