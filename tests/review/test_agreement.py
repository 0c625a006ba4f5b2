"""Coefficients and intervals against published values; the order of rows and raters changes nothing."""

import math
from pathlib import Path

import krippendorff
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.review.agreement import LEAST_EVENTS, Precision, alpha, kappas, precision, wilson
from pipeline.review.events import event_id
from pipeline.review.marks import VERDICTS, gather, majority, of_events
from pipeline.types import Span
from tests.review.conftest import sheet_of


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    # Newcombe (1998), Statistics in Medicine 17: 857-872, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_as_published(right, n, low, high):
    assert wilson(right, n) == pytest.approx((low, high), abs=5e-5)


def marks_of(*columns):
    """Verdicts of raters a, b, … on events 0, 1, …; None: not marked."""
    raters = [chr(ord("a") + i) for i in range(len(columns))]
    return {
        str(i): {rater: said for rater, said in zip(raters, row, strict=True) if said}
        for i, row in enumerate(zip(*columns, strict=True))
    }, raters


def columns_of(table):
    """Two raters from the cells of their cross table."""
    pairs = [pair for pair, n in table.items() for _ in range(n)]
    return [a for a, _ in pairs], [b for _, b in pairs]


@pytest.mark.parametrize(
    ("both", "first", "second", "neither", "kappa"),
    # The three worked examples of "Cohen's kappa", Wikipedia.
    [(20, 5, 10, 15, 0.4), (45, 15, 25, 15, 0.1304), (25, 35, 5, 35, 0.2593)],
)
def test_kappa_of_two_readers(both, first, second, neither, kappa):
    table = {
        ("right", "right"): both,
        ("right", "wrong"): first,
        ("wrong", "right"): second,
        ("wrong", "wrong"): neither,
    }
    marks, raters = marks_of(*columns_of(table))
    (found,) = kappas(marks, raters)
    assert (found.n, found.value) == (sum(table.values()), pytest.approx(kappa, abs=5e-5))
    assert found.same == pytest.approx((both + neither) / found.n)
    low, high = found.interval
    assert low < kappa < high and 0.2 < high - low < 0.7


def test_alpha_of_the_textbook():
    # Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", A: binary data, two observers: .095.
    named = {"0": "right", "1": "wrong"}
    marks, raters = marks_of([named[c] for c in "0100000010"], [named[c] for c in "1110010000"])
    found = alpha(marks, raters)
    assert (found.n, found.value) == (10, pytest.approx(0.095, abs=5e-4))
    assert found.same == pytest.approx(0.6)
    assert found.interval is None  # ten events are too few


def test_alpha_goes_without_what_one_alone_marked():
    nan = float("nan")
    data = [[0, 1, 2, nan, 1, 0, nan], [0, 1, 1, 2, nan, 0, nan], [nan, 1, 2, 2, 0, 1, 2]]
    columns = [[None if math.isnan(x) else VERDICTS[int(x)] for x in row] for row in data]
    marks, raters = marks_of(*columns)
    found = alpha(marks, raters)
    assert found.n == 6
    assert found.value == pytest.approx(krippendorff.alpha(data, level_of_measurement="nominal"))


@pytest.mark.parametrize(
    ("columns", "kappa", "all_of_them"),
    [
        ((["right"] * 3, ["right"] * 3), "both said right throughout", "all said right throughout"),
        (
            (["right", None], [None, "wrong"]),
            "no event was marked by both",
            "no event was marked by two raters",
        ),
        ((["right", "wrong"],), None, "it takes two raters"),
    ],
)
def test_what_is_undefined_is_said(columns, kappa, all_of_them):
    marks, raters = marks_of(*columns)
    assert [one.undefined for one in kappas(marks, raters)] == ([] if kappa is None else [kappa])
    assert [one.value for one in kappas(marks, raters)] == [None] * (len(columns) - 1)
    assert (alpha(marks, raters).value, alpha(marks, raters).undefined) == (None, all_of_them)


def test_one_sided_marks_get_no_interval():
    n = LEAST_EVENTS
    marks, raters = marks_of(["right"] * n, [*["right"] * (n - 1), "wrong"])
    (kappa,) = kappas(marks, raters)
    assert kappa.value == pytest.approx(0) and kappa.interval is None
    assert alpha(marks, raters).interval is None


def test_precision_and_what_unsure_could_make_of_it():
    found = precision(["right", "right", "right", "wrong", "unsure"])
    assert found == Precision(3, 1, 1)
    assert (found.value, found.least, found.most) == (0.75, 0.6, 0.8)
    assert found.interval == wilson(3, 4)
    nothing = precision(["unsure"])
    assert (nothing.value, nothing.interval, nothing.least, nothing.most) == (None, None, 0.0, 1.0)
    assert precision([]).least is None


@pytest.mark.parametrize(
    ("verdicts", "together"),
    [
        ("right", "right"),
        ("right wrong", "unsure"),
        ("right right wrong", "right"),
        ("wrong unsure unsure", "unsure"),
        ("right wrong unsure", "unsure"),
        ("wrong right wrong right unsure", "unsure"),
    ],
)
def test_majority(verdicts, together):
    assert majority(tuple(verdicts.split())) == together


EVENTS = [event_id("ab" * 32, "polarity", ("face", "text"), Span(i * 1000, i * 1000 + 500)) for i in range(6)]
said = st.dictionaries(st.sampled_from(EVENTS), st.sampled_from(VERDICTS), min_size=1)


@settings(max_examples=30)
@given(st.lists(said, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_rows_and_files_changes_nothing(raters, random):
    names = [f"rater {i}" for i in range(len(raters))]

    def found(order, rows):
        sheets = [
            sheet_of(Path(f"{names[i]}.csv"), {e: raters[i][e] for e in rows if e in raters[i]})
            for i in order
        ]
        marked = gather(sheets)
        return marked, kappas(marked.marks, marked.raters), alpha(marked.marks, marked.raters)

    order, rows = list(range(len(raters))), list(EVENTS)
    first = found(order, rows)
    random.shuffle(order)
    random.shuffle(rows)
    assert found(order, rows) == first
    assert list(of_events(first[0].marks)) == sorted({e for one in raters for e in one})
