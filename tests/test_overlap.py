"""Spans that overlap a stretch of time, looked up."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.overlap import Overlaps
from pipeline.types import Span

SPAN = st.builds(lambda start, length: Span(start, start + length), st.integers(0, 60), st.integers(0, 40))


@given(st.lists(SPAN), SPAN)
def test_it_gives_what_looking_through_all_gives(spans: list[Span], within: Span) -> None:
    by_hand = [i for i, span in enumerate(spans) if span.overlap_us(within)]
    assert Overlaps(spans).during(within) == by_hand


def test_spans_that_only_touch_or_last_no_time_do_not_overlap() -> None:
    index = Overlaps([Span(0, 5), Span(9, 12), Span(7, 7), Span(0, 100)])
    assert index.during(Span(5, 9)) == [3]
    assert index.during(Span(7, 7)) == []
