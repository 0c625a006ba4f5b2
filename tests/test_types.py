"""Spans put together."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipeline.types import Span, united

SPANS = st.lists(
    st.builds(lambda start, length: Span(start, start + length), st.integers(0, 50), st.integers(1, 9))
)


@given(SPANS)
def test_united_spans_cover_the_same_time_once_and_in_order(spans: list[Span]) -> None:
    parts = united(spans)
    covered = {t for span in spans for t in range(span.start_us, span.end_us)}
    assert [t for part in parts for t in range(part.start_us, part.end_us)] == sorted(covered)
    assert all(a.end_us < b.start_us for a, b in pairwise(parts))


def test_spans_that_touch_are_one() -> None:
    assert united([Span(5, 9), Span(0, 5), Span(20, 30)]) == [Span(0, 9), Span(20, 30)]
