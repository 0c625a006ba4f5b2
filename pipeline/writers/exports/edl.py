"""``markers.edl`` and ``markers_resolve.edl``: the film as one event with a marker at every conflict.

The first is CMX 3600 by OpenTimelineIO with ``* LOC:`` locators, as Avid writes them. DaVinci Resolve takes
markers only in the form it exports itself ("Timeline Markers to EDL"), an event per marker: the second.
"""

import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.engine.stage import Progress
from pipeline.records import ANALYSIS_FILE, read_record
from pipeline.types import Analysis
from pipeline.writers.exports.markers import (
    Marker,
    film_frames,
    film_name,
    frame_rate,
    markers,
    nominal,
    rate_note,
    time_code,
)

EDL, RESOLVE_EDL = "markers.edl", "markers_resolve.edl"
NON_DROP = "FCM: NON-DROP FRAME"
UNKNOWN_REEL = "AX"
REEL_LENGTH = 8
RESOLVE_START_S = 3600  # a new timeline in Resolve starts at 01:00:00:00


def run(inputs: Mapping[str, Path], settings: Any, out: Path, progress: Progress) -> None:
    """Stage ``export-edl``."""
    analysis = read_record(inputs["analysis"] / ANALYSIS_FILE, Analysis)
    (out / EDL).write_text(edl(analysis), encoding="utf-8", newline="\n")
    (out / RESOLVE_EDL).write_text(resolve_edl(analysis), encoding="utf-8", newline="\n")
    progress(1.0)


def edl(analysis: Analysis) -> str:
    """The whole film as one event with its locators.

    Frames are counted at the nominal rate, which makes OpenTimelineIO's time code non-drop-frame. Locators go
    in as comments: as markers it would write them in capitals.
    """
    import opentimelineio as otio

    rate = frame_rate(analysis.media)
    whole = otio.opentime.TimeRange(
        otio.opentime.RationalTime(0, nominal(rate)),
        otio.opentime.RationalTime(film_frames(analysis), nominal(rate)),
    )
    locators = [
        f"LOC: {time_code(one.frame, rate)} {one.colour.upper():7} {one.name}" for one in markers(analysis)
    ]
    clip = otio.schema.Clip(name=film_name(analysis), source_range=whole)
    clip.metadata["cmx_3600"] = {
        "reel": reel(analysis.name),
        "comments": [rate_note(analysis.media), *locators],
    }
    timeline = otio.schema.Timeline(name=film_name(analysis))
    timeline.tracks.append(otio.schema.Track(kind=otio.schema.TrackKind.Video, children=[clip]))
    text: str = otio.adapters.write_to_string(timeline, "cmx_3600", rate=nominal(rate))
    title, rest = text.split("\n", 1)
    return f"{title}\n{NON_DROP}\n{rest}"


def reel(name: str) -> str:
    """At most eight capitals, digits and underscores; ``AX`` is the format's word for an unknown reel."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    cleaned = re.sub(r"[^A-Z0-9]+", "_", ascii_name.upper()).strip("_")
    return cleaned[:REEL_LENGTH].strip("_") or UNKNOWN_REEL


def resolve_edl(analysis: Analysis) -> str:
    """An event of one frame per marker, with its colour, name and duration in frames, in order of time."""
    found = sorted(markers(analysis), key=lambda one: one.frame)
    events = [_resolve_event(number, one, analysis) for number, one in enumerate(found, start=1)]
    return "\n".join([f"TITLE: {film_name(analysis)}", NON_DROP, "", *events])


def _resolve_event(number: int, marker: Marker, analysis: Analysis) -> str:
    rate = frame_rate(analysis.media)
    frame = RESOLVE_START_S * nominal(rate) + marker.frame
    times = f"{time_code(frame, rate)} {time_code(frame + 1, rate)}"
    name = marker.name.replace("|", "¦")
    return (
        f"{number:03d}  001      V     C        {times} {times}  \n"
        f" |C:ResolveColor{marker.colour} |M:{name} |D:{marker.frames}\n"
    )
