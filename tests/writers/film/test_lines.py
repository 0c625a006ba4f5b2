import pytest

from pipeline.writers.film.lines import wrapped


def width(text: str) -> float:
    """One for a letter, two for a Chinese character."""
    return float(sum(1 + (ord(c) > 0x2E00) for c in text))


@pytest.mark.parametrize(
    ("text", "room", "lines"),
    [
        ("one two three", 20, ("one two three",)),
        ("one two three four five", 16, ("one two three", "four five")),
        ("aaaa bb cc dd", 10, ("aaaa bb", "cc dd")),
        ("我真的很開心，太好了", 10, ("我真的很開", "心，太好了")),
        ("（我）（你）", 6, ("（我）", "（你）")),
        ("abcdefghij", 4, ("abcd", "efgh", "ij")),
        ("say 我們 now", 8, ("say 我", "們 now")),
        ("", 5, ()),
        ("   ", 5, ()),
        ("wide", 0.5, ("w", "i", "d", "e")),
    ],
)
def test_wrapped(text: str, room: float, lines: tuple[str, ...]) -> None:
    assert wrapped(text, room, width) == lines


@pytest.mark.parametrize("room", [3, 7, 12, 30])
@pytest.mark.parametrize(
    "text", ["we went, as they say, to the end of it", "他說：「好！」然後就走了。再見", "ab 我 cd，ef 你"]
)
def test_nothing_is_lost_and_nothing_is_too_wide(text: str, room: float) -> None:
    lines = wrapped(text, room, width)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(width(line) <= room for line in lines)
    if room >= 12:
        assert not any(line[0] in "，。：」！," for line in lines)
