"""One colour and one letter per emotion, greys for what is absent: used by every output.

Colours are from Okabe & Ito (2008), "Color Universal Design": told apart under the common colour-vision
deficiencies. Neutral is a light grey; an absent reading is a darker grey and always hatched.
"""

from collections.abc import Mapping

from pipeline.labels import EMOTIONS

COLOURS: Mapping[str, str] = {
    "angry": "#D55E00",
    "disgust": "#009E73",
    "fear": "#CC79A7",
    "happy": "#F0E442",
    "sad": "#0072B2",
    "surprise": "#56B4E9",
    "neutral": "#D0D0D0",
}
LETTERS: Mapping[str, str] = {
    "angry": "A",
    "disgust": "D",
    "fear": "F",
    "happy": "H",
    "sad": "S",
    "surprise": "U",
    "neutral": "N",
}
ABSENT = "#7A7A7A"
HATCH = "#555555"
CONFLICT = "#E69F00"  # the one Okabe-Ito colour that no emotion uses
DARK = "#181818"  # ground of the film's panel and of words without an emotion
# A person keeps one of these, in order of appearance; greys and tints, so that none passes for an emotion.
PERSONS = ("#FFFFFF", "#B8A1E3", "#8FD6C8", "#F2B5A7", "#A9A9A9", "#D9C58B")
MARKS: Mapping[str, str] = {"polarity": "▲", "blend": "◆", "masking": "○"}


def colour(key: str) -> str:
    """Hex colour of an emotion; of anything else (a status), the grey of absence."""
    return COLOURS.get(key, ABSENT)


def is_emotion(key: str) -> bool:
    """Whether a lane's key is an emotion rather than a status."""
    return key in EMOTIONS


def rgb(hex_colour: str) -> tuple[int, int, int]:
    """``#RRGGBB`` as three integers."""
    return int(hex_colour[1:3], 16), int(hex_colour[3:5], 16), int(hex_colour[5:7], 16)


def ink(hex_colour: str) -> str:
    """Black or white, whichever reads better on a colour (WCAG 2 relative luminance)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in _unit(hex_colour)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if luminance > 0.179 else "#FFFFFF"


def _unit(hex_colour: str) -> list[float]:
    return [channel / 255 for channel in rgb(hex_colour)]
