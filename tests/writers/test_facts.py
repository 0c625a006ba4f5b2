import pytest

from pipeline.writers.facts import percent


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
