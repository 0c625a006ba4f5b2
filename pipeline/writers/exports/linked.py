"""What exports lead to: the annotated film beside them, on the source's own clock.

The source's full name is in no analysis, and its folder may be anyone's, so it is not linked.
"""

from pathlib import Path

from pipeline.config import FilmSection
from pipeline.records import WARNINGS_FILE
from pipeline.types import Analysis
from pipeline.writers.facts import lanes
from pipeline.writers.film.layout import film_layout
from pipeline.writers.film.video import FILM

WITHOUT_PICTURE_PX = (1280, 720)  # a timeline has a size even when its film has none


def linked(analysis: Analysis) -> str | None:
    """The file's name, beside the export; None where there is no picture, so no film."""
    return FILM if analysis.media.has_video else None


def warn_if_missing(analysis: Analysis, film: FilmSection, out: Path) -> None:
    """Leave a warning in ``out`` when the film is not made; the same for all, so that a run tells it once."""
    if linked(analysis) and not film.enabled:
        warning = f"exports lead to {FILM}, which --no-video leaves out: relink them to your video\n"
        (out / WARNINGS_FILE).write_text(warning, encoding="utf-8")


def size_px(analysis: Analysis, film: FilmSection) -> tuple[int, int]:
    """Width and height of what will be linked: the annotated film, or the source where that is not made."""
    media = analysis.media
    if not media.has_video:
        return WITHOUT_PICTURE_PX
    if not film.enabled:
        return media.width_px, media.height_px
    lane_count = len(lanes(analysis)) if film.style == "full" else 0
    layout = film_layout(media, film.max_height_px, lane_count)
    return layout.width_px, layout.height_px + layout.panel_px
