"""One still per conflict, as a player shows it at its plainest: for report and creator pack."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.engine.stage import Progress
from pipeline.media.mend import media_path
from pipeline.records import ANALYSIS_FILE, WARNINGS_FILE, read_record, read_records
from pipeline.types import Analysis, Conflict, MediaInfo
from pipeline.writers.blur import BLUR_FILE, blurred_image
from pipeline.writers.facts import ranked, time_code
from pipeline.writers.regions import Region

if TYPE_CHECKING:
    from PIL.Image import Image

MOST = 200  # of the strongest
MAX_HEIGHT_PX, QUALITY = 1080, 88


def still_name(rank: int) -> str:
    """File of the conflict with this rank, counted from 1."""
    return f"event_{rank:02d}.jpg"


def still_us(conflict: Conflict) -> int:
    """Where it is plainest; the middle where that is not known."""
    middle_us = (conflict.span.start_us + conflict.span.end_us) // 2
    return middle_us if conflict.best_us is None else conflict.best_us


def run(inputs: Mapping[str, Path], settings: Any, out: Path, progress: Progress) -> None:
    """Stage ``stills``: a JPEG per conflict, the strongest first; nothing where there is no picture."""
    analysis = read_record(inputs["analysis"] / ANALYSIS_FILE, Analysis)
    if not analysis.media.has_video:
        return
    hidden = read_regions(inputs)
    events = sorted(enumerate(ranked(analysis.conflicts)[:MOST], start=1), key=lambda e: still_us(e[1]))
    times_us = [still_us(conflict) for _, conflict in events]
    missing = []
    shown = images(media_path(inputs), analysis.media, times_us, hidden, MAX_HEIGHT_PX)
    for done, ((rank, conflict), image) in enumerate(zip(events, shown, strict=True), start=1):
        if image is None:
            at = time_code(still_us(conflict))
            missing.append(f"no still of event {rank}: the picture at {at} cannot be read")
        else:
            image.save(out / still_name(rank), "JPEG", quality=QUALITY)
        progress(done / len(events))
    if missing:
        (out / WARNINGS_FILE).write_text("".join(f"{line}\n" for line in missing), encoding="utf-8")


def read_regions(inputs: Mapping[str, Path]) -> tuple[Region, ...]:
    """What is to be hidden; nothing where the stage ``blur`` is not asked for."""
    return read_records(inputs["blur"] / BLUR_FILE, Region) if "blur" in inputs else ()


def images(
    source: Path,
    media: MediaInfo,
    times_us: Sequence[int],
    hidden: Sequence[Region],
    max_height_px: int | None,
) -> "Iterator[Image | None]":
    """What a player shows at rising times, faces hidden; None where it cannot be decoded."""
    from PIL import Image

    from pipeline.media.shown import frames_shown

    for frame in frames_shown(source, media, times_us, max_height_px):
        if frame is None:
            yield None
        else:
            yield blurred_image(Image.fromarray(frame.image), hidden, frame.time_us, frame.scale)
