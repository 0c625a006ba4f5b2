"""Frames of the strongest conflicts, small, as text inside the page."""

import base64
import io
from collections.abc import Mapping
from pathlib import Path

from pipeline.writers.stills import still_name

MOST, WIDTH_PX, HEIGHT_PX, QUALITY = 40, 360, 360, 72


def pictures(folder: Path | None, count: int) -> Mapping[int, str]:
    """Data URIs, by rank, of the stills in a folder for the strongest of ``count`` conflicts."""
    if folder is None:
        return {}
    ranks = range(1, min(count, MOST) + 1)
    return {rank: data_uri(path) for rank in ranks if (path := folder / still_name(rank)).is_file()}


def data_uri(path: Path) -> str:
    """A picture as a JPEG of at most 360 x 360 px."""
    from PIL import Image

    with Image.open(path) as picture:
        small = picture.convert("RGB")
    small.thumbnail((WIDTH_PX, HEIGHT_PX))
    held = io.BytesIO()
    small.save(held, "JPEG", quality=QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(held.getvalue()).decode("ascii")
