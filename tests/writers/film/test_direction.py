import subprocess
from pathlib import Path

import numpy as np
import pytest

from pipeline.media.encode import ffmpeg_exe
from pipeline.types import Span
from pipeline.writers.film.ass import BOXED, Style, script
from pipeline.writers.film.bands import band_event, subtitle_bands
from pipeline.writers.film.direction import directed, right_to_left
from pipeline.writers.film.layout import Layout
from pipeline.writers.film.subtitles import Spoken
from pipeline.writers.fonts import font_for


@pytest.mark.parametrize(
    ("text", "rtl"),
    [
        ("שלום", True),
        ("123 (مرحبا) x", True),
        ("x שלום", False),
        ("123 ...", False),
        ("我", False),
        ("", False),
    ],
)
def test_the_first_letter_decides(text: str, rtl: bool) -> None:
    assert right_to_left(text) == rtl


def test_a_line_keeps_the_direction_of_its_text() -> None:
    assert directed("[sad] שלום", rtl=True) == "\u200f[sad] שלום"
    assert directed("שלום he said", rtl=False) == "\u200eשלום he said"
    assert directed("[sad] so", rtl=False) == "[sad] so"


def drawn(text: str, folder: Path) -> np.ndarray:
    """A subtitle of 640 x 60 pixels as libass draws it, in grey."""
    layout, font = Layout(640, 60, 0, 1.0), font_for("he")
    (band,) = subtitle_bands([Spoken(Span(0, 1_000_000), text, "happy")], [], layout, font)
    styles = {"Subtitle": Style(BOXED, layout.text_px, 2, 8)}
    (folder / "x.ass").write_text(
        script(640, 60, styles, font, [band_event(0, band, layout)]), encoding="utf-8"
    )
    source = ["-f", "lavfi", "-i", "color=gray:size=640x60:duration=1", "-frames:v", "1"]
    filters = ["-vf", f"ass=x.ass:fontsdir={font.path.parent}", "-f", "rawvideo", "-pix_fmt", "gray", "-"]
    command = [ffmpeg_exe(), "-v", "error", *source, *filters]
    raw = subprocess.run(command, check=True, capture_output=True, cwd=folder).stdout
    return np.frombuffer(raw, np.uint8).reshape(60, 640)


def test_the_end_of_a_hebrew_line_is_at_its_left(tmp_path: Path) -> None:
    """Dots are low: the end of the line is where nothing stands above them."""

    def high_ink(text: str) -> tuple[int, int]:
        picture = drawn(text, tmp_path)
        rows, columns = np.nonzero(picture > 150)  # the yellow ground
        ground = picture[rows.min() : rows.max(), columns.min() : columns.max()]
        upper = ground[: ground.shape[0] // 2] < 90
        third = upper.shape[1] // 4
        return int(upper[:, :third].sum()), int(upper[:, -third:].sum())

    left, right = high_ink("שלום שלום" + "." * 40)
    assert left == 0 < right
    left, right = high_ink("hello hello" + "." * 40)
    assert right == 0 < left
