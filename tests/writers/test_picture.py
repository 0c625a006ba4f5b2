import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.types import Analysis, Span
from pipeline.writers import picture
from pipeline.writers.facts import Verdict, thinned
from pipeline.writers.palette import COLOURS, CONFLICT, LETTERS, ink, rgb
from tests.writers.conftest import HOSTILE, with_posture, written


def drawn(analysis: Analysis, folder: Path) -> np.ndarray:
    picture.run(written(analysis, folder / "in"), None, folder, lambda fraction: None)
    return np.asarray(Image.open(folder / "timeline.png").convert("RGB"))


def has(image: np.ndarray, hex_colour: str) -> int:
    return int((np.abs(image.astype(int) - rgb(hex_colour)).max(axis=2) <= 2).sum())


def test_every_verdict_has_its_colour(analysis: Analysis, tmp_path: Path) -> None:
    image = drawn(analysis, tmp_path)
    swatch = 500  # a legend entry alone is smaller
    assert all(has(image, COLOURS[e]) > swatch for e in ("sad", "angry", "happy", "neutral"))
    assert has(image, COLOURS["disgust"]) < swatch and has(image, CONFLICT) > swatch


def test_pyplot_is_left_alone(analysis: Analysis, tmp_path: Path) -> None:
    drawn(analysis, tmp_path)
    assert "matplotlib.pyplot" not in sys.modules


def test_same_picture_twice(analysis: Analysis, tmp_path: Path) -> None:
    drawn(analysis, tmp_path / "a")
    drawn(analysis, tmp_path / "b")
    assert (tmp_path / "a/timeline.png").read_bytes() == (tmp_path / "b/timeline.png").read_bytes()


@pytest.mark.parametrize("text", [HOSTILE, "$\\frac{", "$^$", "訪談\U000f0001.mp4", "%d{}"])
def test_any_text_can_be_drawn(analysis: Analysis, tmp_path: Path, text: str) -> None:
    wild = replace(analysis, name=text, conflicts=tuple(replace(c, label=text) for c in analysis.conflicts))
    assert drawn(wild, tmp_path).any()


def test_a_fourth_lane_and_an_empty_film(analysis: Analysis, tmp_path: Path) -> None:
    four = drawn(with_posture(analysis), tmp_path / "four")
    assert has(four, COLOURS["fear"]) > 500 and four.shape[0] > drawn(analysis, tmp_path / "three").shape[0]
    none = replace(analysis, moments=(), fused=(), conflicts=(), observations={}, modalities=())
    assert drawn(none, tmp_path / "none").any()


def test_samples_denser_than_pixels_keep_what_lasts_longest() -> None:
    dense = [(Span(i, i + 1), Verdict("sad" if i % 3 else "happy", 0.5)) for i in range(9000)]
    assert thinned(dense, 9000, columns=100) == ((Span(0, 9000), Verdict("sad", None)),)


def test_stretches_with_room_stay_as_they_are() -> None:
    wide = [(Span(0, 400), Verdict("sad", 0.5)), (Span(600, 1000), Verdict("no_face", None))]
    assert thinned(wide, 1000, columns=100) == wide
    in_columns = thinned(wide, 1000, columns=100, always=True)
    assert [(s.start_us, s.end_us, v.key) for s, v in in_columns] == [(0, 400, "sad"), (600, 1000, "no_face")]


def test_letters_and_colours_tell_emotions_apart() -> None:
    assert len(set(LETTERS.values())) == len(set(COLOURS.values())) == len(COLOURS) == 7
    assert CONFLICT not in COLOURS.values()
    assert (ink("#FFFFFF"), ink("#000000"), ink(COLOURS["sad"]), ink(COLOURS["happy"])) == (
        "#000000", "#FFFFFF", "#FFFFFF", "#000000",
    )  # fmt: skip


def _luminance(hex_colour: str) -> float:
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in np.array(rgb(hex_colour)) / 255
    ]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


@pytest.mark.parametrize("colour", COLOURS.values())
def test_text_on_every_colour_can_be_read(colour: str) -> None:
    low, high = sorted((_luminance(colour), _luminance(ink(colour))))
    assert (high + 0.05) / (low + 0.05) >= 4.5  # WCAG 2 AA
