"""Which way a line is written: a player takes it from the first letter that has a direction."""

import unicodedata

LEFT_TO_RIGHT_MARK, RIGHT_TO_LEFT_MARK = "\N{LEFT-TO-RIGHT MARK}", "\N{RIGHT-TO-LEFT MARK}"


def right_to_left(text: str) -> bool:
    """Rules P2 and P3 of the Unicode bidirectional algorithm (UAX 9), for a text without isolates."""
    strong = (unicodedata.bidirectional(c) for c in text)
    return next((way for way in strong if way in ("L", "R", "AL")), "L") != "L"


def directed(line: str, rtl: bool) -> str:
    """A line of a longer text that is written the way the text is, whatever it begins with."""
    if right_to_left(line) == rtl:
        return line
    return (RIGHT_TO_LEFT_MARK if rtl else LEFT_TO_RIGHT_MARK) + line
