import pytest

from pipeline.writers.film.ass import ass_colour, ass_time, escaped, filled


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("a\\Nb", "a＼Nb"),
        ("a\\b", "a\\b"),
        ("{\\b1}x", "\\{\\b1\\}x"),
        ("\\{", "＼\\{"),
        ("", ""),
        ("a\nb", "a b"),
    ],
)
def test_escaped(text: str, drawn: str) -> None:
    assert escaped(text) == drawn


@pytest.mark.parametrize(
    ("time_us", "text"),
    [(0, "0:00:00.00"), (208_333, "0:00:00.20"), (3_661_999_999, "1:01:01.99"), (-5, "0:00:00.00")],
)
def test_a_time_is_cut_so_that_its_frame_is_covered(time_us: int, text: str) -> None:
    assert ass_time(time_us) == text


def test_colours() -> None:
    assert ass_colour("#0072B2") == "&H00B27200"
    assert filled("#F0E442") == "\\c&H00000000\\4c&H0042E4F0"
    assert filled("#0072B2").startswith("\\c&H00FFFFFF")
