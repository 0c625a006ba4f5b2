import pytest

from pipeline.writers.facts import one_line, percent


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0.0, "0%"),
        (0.0001, "<1%"),
        (0.0049, "<1%"),
        (0.006, "1%"),
        (0.42, "42%"),
        (0.994, "99%"),
        (0.9976, ">99%"),
        (0.9999, ">99%"),
        (1.0, "100%"),
        (sum([0.1] * 10), "100%"),
    ],
)
def test_no_rounding_makes_nothing_or_certainty(share: float, said: str) -> None:
    assert percent(share) == said


def test_a_line_is_shown_as_it_is_written() -> None:
    assert one_line("\u202elive\u202c \u2067x\u2069") == "live x"
    assert one_line("\u200fשלום") == "\u200fשלום"  # a mark shows nothing as something else
