"""``markers.fcpxml`` for Final Cut Pro and DaVinci Resolve: a timeline with a marker at every conflict.

Written here: OpenTimelineIO's adapter knows no exact NTSC rate and leaves the formats without a size; its
reader reads it. The format has no colours: a conflict is a marker to be done, masking a plain one.
"""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from pipeline.engine.stage import Progress
from pipeline.records import ANALYSIS_FILE, read_record
from pipeline.types import ALARMS, Analysis
from pipeline.writers.evidence import because
from pipeline.writers.exports.markers import Marker, film_frames, film_name, frame_rate, markers, rate_note
from pipeline.writers.facts import one_line
from pipeline.writers.film.video import FILM

FCPXML = "markers.fcpxml"
VERSION = "1.8"
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n'
FORMAT, ASSET = "r1", "r2"
WITHOUT_PICTURE_PX = (1280, 720)  # a timeline has a size even when its film has none
START = "0s"


def run(inputs: Mapping[str, Path], settings: Any, out: Path, progress: Progress) -> None:
    """Stage ``export-fcpxml``."""
    analysis = read_record(inputs["analysis"] / ANALYSIS_FILE, Analysis)
    (out / FCPXML).write_text(fcpxml(analysis), encoding="utf-8", newline="\n")
    progress(1.0)


def fcpxml(analysis: Analysis) -> str:
    """The whole document."""
    root = ElementTree.Element("fcpxml", version=VERSION)
    rate, name = frame_rate(analysis.media), film_name(analysis)
    duration = rational(film_frames(analysis), rate)
    _resources(root, analysis, duration)
    event = ElementTree.SubElement(ElementTree.SubElement(root, "library"), "event", name=name)
    project = ElementTree.SubElement(event, "project", name=name)
    timed = {"duration": duration, "format": FORMAT, "tcFormat": "NDF"}
    sequence = ElementTree.SubElement(project, "sequence", {**timed, "tcStart": START})
    spine = ElementTree.SubElement(sequence, "spine")
    whole = {"ref": ASSET, "name": name, "offset": START, "start": START, **timed}
    clip = ElementTree.SubElement(spine, "asset-clip", whole)
    ElementTree.SubElement(clip, "note").text = rate_note(analysis.media)
    for one in sorted(markers(analysis), key=lambda marker: marker.frame):
        ElementTree.SubElement(clip, "marker", _marker(one, rate))
    ElementTree.indent(root)
    return HEAD + ElementTree.tostring(root, encoding="unicode") + "\n"


def _resources(root: ElementTree.Element, analysis: Analysis, duration: str) -> None:
    media, rate = analysis.media, frame_rate(analysis.media)
    size = (media.width_px, media.height_px) if media.has_video else WITHOUT_PICTURE_PX
    resources = ElementTree.SubElement(root, "resources")
    frame = {"frameDuration": rational(1, rate), "width": str(size[0]), "height": str(size[1])}
    ElementTree.SubElement(resources, "format", {"id": FORMAT, **frame})
    name = film_name(analysis)
    asset = {
        "id": ASSET,
        "name": name,
        "src": f"./{FILM}" if media.has_video else f"./{quote(name, safe='')}",
    }
    asset |= {"start": START, "duration": duration, "format": FORMAT}
    asset |= {"hasVideo": "1"} if media.has_video else {}
    asset |= {"hasAudio": "1", "audioSources": "1"} if media.has_audio else {}
    ElementTree.SubElement(resources, "asset", asset)


def _marker(marker: Marker, rate: Fraction) -> dict[str, str]:
    times = {"start": rational(marker.frame, rate), "duration": rational(marker.frames, rate)}
    to_do = {"completed": "0"} if marker.conflict.kind in ALARMS else {}
    return {**times, "value": marker.name, **to_do, "note": one_line(because(marker.conflict))}


def rational(frames: int, rate: Fraction) -> str:
    """So many frames in seconds, as the fraction that FCPXML asks for: ``2002/30000s``."""
    return f"{frames * rate.denominator}/{rate.numerator}s" if frames else START
