"""``markers.fcpxml`` for Final Cut Pro and DaVinci Resolve: a timeline with a marker at every conflict.

Written here: OpenTimelineIO's adapter knows no exact NTSC rate and leaves the formats without a size; its
reader reads it. The format has no colours: a conflict is a marker to be done, masking a plain one.
"""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

from pipeline.config import FilmSection
from pipeline.engine.stage import Progress
from pipeline.records import ANALYSIS_FILE, read_record
from pipeline.types import ALARMS, Analysis
from pipeline.writers.exports.linked import linked, size_px, warn_if_missing
from pipeline.writers.exports.markers import Marker, film_frames, film_name, frame_rate, markers, rate_note

FCPXML = "markers.fcpxml"
VERSION = "1.8"
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n'
FORMAT, ASSET = "r1", "r2"
START = "0s"


def run(inputs: Mapping[str, Path], settings: FilmSection, out: Path, progress: Progress) -> None:
    """Stage ``export-fcpxml``."""
    analysis = read_record(inputs["analysis"] / ANALYSIS_FILE, Analysis)
    (out / FCPXML).write_text(fcpxml(analysis, settings), encoding="utf-8", newline="\n")
    warn_if_missing(analysis, settings, out)
    progress(1.0)


def fcpxml(analysis: Analysis, film: FilmSection) -> str:
    """The whole document; without a picture the markers stand on a gap as long as the sound."""
    root = ElementTree.Element("fcpxml", version=VERSION)
    rate, name = frame_rate(analysis.media), film_name(analysis)
    duration = rational(film_frames(analysis), rate)
    _resources(root, analysis, film, duration)
    event = ElementTree.SubElement(ElementTree.SubElement(root, "library"), "event", name=name)
    project = ElementTree.SubElement(event, "project", name=name)
    timed = {"duration": duration, "format": FORMAT, "tcFormat": "NDF"}
    sequence = ElementTree.SubElement(project, "sequence", {**timed, "tcStart": START})
    spine = ElementTree.SubElement(sequence, "spine")
    whole = {"name": name, "offset": START, "start": START, "duration": duration}
    if linked(analysis):
        clip = ElementTree.SubElement(spine, "asset-clip", {"ref": ASSET, **whole, **timed})
    else:
        clip = ElementTree.SubElement(spine, "gap", whole)
    ElementTree.SubElement(clip, "note").text = rate_note(analysis.media)
    for one in sorted(markers(analysis), key=lambda marker: marker.frame):
        ElementTree.SubElement(clip, "marker", _marker(one, rate))
    ElementTree.indent(root)
    return HEAD + ElementTree.tostring(root, encoding="unicode") + "\n"


def _resources(root: ElementTree.Element, analysis: Analysis, film: FilmSection, duration: str) -> None:
    media, rate = analysis.media, frame_rate(analysis.media)
    size = size_px(analysis, film)
    resources = ElementTree.SubElement(root, "resources")
    frame = {"frameDuration": rational(1, rate), "width": str(size[0]), "height": str(size[1])}
    ElementTree.SubElement(resources, "format", {"id": FORMAT, **frame})
    if source := linked(analysis):
        asset = {"id": ASSET, "name": film_name(analysis), "src": f"./{source}"}
        asset |= {"start": START, "duration": duration, "format": FORMAT, "hasVideo": "1"}
        asset |= {"hasAudio": "1", "audioSources": "1"} if media.has_audio else {}
        ElementTree.SubElement(resources, "asset", asset)


def _marker(marker: Marker, rate: Fraction) -> dict[str, str]:
    times = {"start": rational(marker.frame, rate), "duration": rational(marker.frames, rate)}
    to_do = {"completed": "0"} if marker.conflict.kind in ALARMS else {}
    return {**times, "value": marker.name, **to_do, "note": marker.why}


def rational(frames: int, rate: Fraction) -> str:
    """So many frames in seconds, as the fraction that FCPXML asks for: ``2002/30000s``."""
    return f"{frames * rate.denominator}/{rate.numerator}s" if frames else START
