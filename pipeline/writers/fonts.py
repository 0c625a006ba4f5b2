"""One font for film, pictures and measuring: the packaged Noto Sans CJK, so no machine lacks Chinese.

Characters it lacks are drawn by libass from the system's fonts; when those lack them too, the person is told.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.writers.facts import one_line

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

# Face of the collection per language tag; the same character is written differently in each region.
REGIONS = {"ja": "JP", "ko": "KR", "zh-tw": "TC", "zh-hant": "TC", "zh-hk": "HK", "yue": "HK"}
ORDER = ("JP", "KR", "SC", "TC", "HK")  # of the faces inside the collection


@dataclass(frozen=True, slots=True)
class Font:
    """A face of the packaged collection. ``family`` is what an ASS style names."""

    path: Path
    region: str

    @property
    def family(self) -> str:
        return f"Noto Sans CJK {self.region}"

    def sized(self, em_px: int) -> "FreeTypeFont":
        """The face at a size, for drawing and measuring with Pillow."""
        return _loaded(self.path, ORDER.index(self.region), em_px)

    def width_px(self, text: str, em_px: int) -> int:
        """Width of one line of text."""
        return round(self.sized(em_px).getlength(text))

    def ass_size(self, em_px: int) -> float:
        """ASS counts font size as line height (ascent + descent), Pillow as the em square."""
        ascent, descent = self.sized(1000).getmetrics()
        return em_px * (ascent + descent) / 1000


def font_for(language: str | None) -> Font:
    """The packaged font, in the shapes of the language's region (mainland Chinese when unknown)."""
    from noto_cjk_sans_otc import FONT_PATH

    return Font(Path(str(FONT_PATH)), REGIONS.get((language or "").lower(), "SC"))


def undrawable(texts: Iterable[str], font: Font) -> str:
    """Characters that neither the packaged font nor a system font can draw, sorted."""
    missing = {c for text in texts for c in one_line(text) if not c.isspace()}
    missing -= {chr(c) for c in _coverage(font.path)}
    if missing:
        for path in _system_fonts():
            missing -= {chr(c) for c in _coverage(path)}
            if not missing:
                break
    return "".join(sorted(missing))


def drawable(text: str, font: Font) -> str:
    """Text with an empty square for each character that the packaged font lacks."""
    has = _coverage(font.path)
    return "".join(c if ord(c) in has or c.isspace() else "□" for c in text)


@cache
def _loaded(path: Path, index: int, em_px: int) -> "FreeTypeFont":
    from PIL import ImageFont

    return ImageFont.truetype(str(path), em_px, index=index)


def _system_fonts() -> list[Path]:
    from matplotlib.font_manager import findSystemFonts

    return sorted(Path(path) for path in findSystemFonts())


@cache
def _coverage(path: Path) -> frozenset[int]:
    from fontTools.ttLib import TTFont, TTLibError

    try:
        with TTFont(path, fontNumber=0, lazy=True) as font:
            return frozenset(font.getBestCmap() or ())
    except (TTLibError, OSError):
        return frozenset()  # a broken font on this machine draws nothing
