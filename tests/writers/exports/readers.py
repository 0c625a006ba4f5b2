"""The conflicts that an exported file tells of, read by its format's own library: ``events_in(path)``."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from html import unescape
from pathlib import Path
from typing import Any, get_args
from xml.etree import ElementTree

from pipeline.records import read_record
from pipeline.types import Analysis, ConflictKind
from pipeline.writers.columns import KNOWN, display
from pipeline.writers.exports.markers import frame_rate, nominal
from pipeline.writers.exports.session_schema import Session
from pipeline.writers.facts import headline, ranked
from pipeline.writers.persons import naming

KINDS = get_args(ConflictKind)
MARK = re.compile(r"^[▲◆○](\d+) ")
# What formats without escapes show instead of a character that they would take for mark-up.
NARROWED = str.maketrans("＜＞＼｛｝：［¦", "<>\\{}:[|")


@dataclass(frozen=True, slots=True)
class Event:
    """A conflict; ``end_s`` is None where the format marks its beginning alone."""

    headline: str
    start_s: float
    end_s: float | None

    @property
    def kind(self) -> str:
        return self.headline.split(" ")[0]


def expected(analysis: Analysis) -> list[Event]:
    """What every file should tell."""
    shown = naming(analysis)
    return [
        Event(plain(headline(c, shown(c))), c.span.start_s, c.span.end_s) for c in ranked(analysis.conflicts)
    ]


def plain(text: str) -> str:
    """Text as it was before a format had to replace characters."""
    kept = text.translate(NARROWED).replace("oo TextFile", "ooTextFile")
    return " ".join(kept.split())


def grain_s(path: Path, analysis: Analysis) -> float:
    """How far a time may be off: what the format can tell, and two that share a frame cannot both have it."""
    at_once = max(
        (
            sum(c.span.start_us // 200_000 == o.span.start_us // 200_000 for o in analysis.conflicts)
            for c in analysis.conflicts
        ),
        default=1,
    )
    frame_s = float(1 / frame_rate(analysis.media))
    grains = {
        "conflicts.parquet": 0.005,
        "session.json": 0.0,
        "emotion.ass": 0.01,
        "label_studio.json": frame_s,
        "markers.edl": frame_s * at_once,
        "markers_resolve.edl": frame_s * at_once,
        "markers.fcpxml": frame_s * at_once,
    }
    return grains.get(path.name, 0.001) + 1e-9


def events_in(path: Path, analysis: Analysis) -> list[Event]:
    """The file's conflicts; ``analysis`` tells the frame rate where the file does not."""
    return [Event(plain(one.headline), one.start_s, one.end_s) for one in READERS[path.name](path, analysis)]


def _elan(path: Path, analysis: Analysis) -> Iterator[Event]:
    from pympi.Elan import Eaf

    eaf = Eaf(str(path))
    for tier in eaf.get_tier_names():
        if tier.split(" ")[0] in ("conflicts", "masking"):
            for start, end, value in eaf.get_annotation_data_for_tier(tier):
                yield Event(value, start / 1000, end / 1000)


def _textgrid(path: Path, analysis: Analysis) -> Iterator[Event]:
    from praatio import textgrid

    grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=False, reportingMode="error")
    for tier in grid.tiers:
        if tier.name.split(" ")[0] in ("conflicts", "masking"):
            for start, end, label in tier.entries:
                yield Event(label, start, end)


def _captions(path: Path, analysis: Analysis) -> Iterator[Event]:
    """As pysubs2 reads them: mark-up gone, the mark and rank before the headline."""
    import pysubs2

    for one in pysubs2.load(str(path), encoding="utf-8", format_=path.suffix[1:]):
        text = re.sub(r"^\{\\an8\}", "", unescape(one.text) if path.suffix == ".vtt" else one.text)
        if MARK.match(text) and (text := MARK.sub("", text)).startswith(KINDS):
            yield Event(text, one.start / 1000, one.end / 1000)


def _parquet(path: Path, analysis: Analysis) -> Iterator[Event]:
    import pandas as pd

    prefixes = {display(m).prefix: display(m).noun for m in (*KNOWN, *analysis.modalities)}
    for row in pd.read_parquet(path).to_dict("records"):
        named = {noun: re.search(rf"{noun}( \([^)]*\))? ", row["Why"]) for noun in prefixes.values()}
        whom = {noun: (match and match[1]) or "" for noun, match in named.items()}
        said = ", ".join(
            f"{prefixes[p]}{whom[prefixes[p]]} {row[f'{p}_Emotion']}" for p in row["Modalities"].split()
        )
        reading = row["Reading"] if isinstance(row["Reading"], str) else ""
        told = " · ".join(part for part in (row["Kind"], said, reading) if part)
        yield Event(told, row["Start_Time"], row["End_Time"])


def _session(path: Path, analysis: Analysis) -> Iterator[Event]:
    for one in read_record(path, Session).detailed_results.conflicts:
        yield Event(one.headline, one.timestamp, one.end)


def _label_studio(path: Path, analysis: Analysis) -> Iterator[Event]:
    (task,) = json.loads(path.read_text(encoding="utf-8"))
    for region in task["predictions"][0]["result"]:
        if region["from_name"] == "conflicts":
            (span,), fps = region["value"]["ranges"], task["data"]["fps"]
            (said,) = region["meta"]["text"]
            assert region["value"]["timelinelabels"] == [said.split(" ")[0]]
            yield Event(said, (span["start"] - 1) / fps, span["end"] / fps)


def _edl(path: Path, analysis: Analysis) -> Iterator[Event]:
    import opentimelineio as otio

    rate = frame_rate(analysis.media)
    timeline: Any = otio.adapters.read_from_file(str(path), "cmx_3600", rate=nominal(rate))
    (clip,) = timeline.find_clips()
    for marker in clip.markers:
        yield Event(_unranked(marker.name), marker.marked_range.start_time.value / float(rate), None)


def _resolve(path: Path, analysis: Analysis) -> Iterator[Event]:
    """An event of one frame, and on the next line the marker's colour, name and frames."""
    rate = frame_rate(analysis.media)
    text = path.read_text(encoding="utf-8")
    found = re.findall(
        r"^\d+  001 +V +C +(\S+) \S+ \S+ \S+ *\n \|C:ResolveColor\w+ \|M:(.*) \|D:(\d+)$", text, re.M
    )
    for code, name, frames in found:
        hours, minutes, seconds, rest = map(int, code.split(":"))
        frame = ((hours - 1) * 3600 + minutes * 60 + seconds) * nominal(rate) + rest
        yield Event(_unranked(name), frame / float(rate), (frame + int(frames)) / float(rate))


def _fcpxml(path: Path, analysis: Analysis) -> Iterator[Event]:
    for marker in ElementTree.parse(path).getroot().iter("marker"):
        start, lasts = (
            float(Fraction(marker.attrib[name].removesuffix("s"))) for name in ("start", "duration")
        )
        yield Event(_unranked(marker.attrib["value"]), start, start + lasts)


def _unranked(name: str) -> str:
    return re.sub(r"^#\d+ ", "", name)


READERS: Mapping[str, Callable[[Path, Analysis], Iterator[Event]]] = {
    "annotations.eaf": _elan,
    "annotations.TextGrid": _textgrid,
    "emotion.vtt": _captions,
    "emotion.srt": _captions,
    "emotion.ass": _captions,
    "conflicts.parquet": _parquet,
    "session.json": _session,
    "label_studio.json": _label_studio,
    "markers.edl": _edl,
    "markers_resolve.edl": _resolve,
    "markers.fcpxml": _fcpxml,
}
