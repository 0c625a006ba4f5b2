"""``label_studio.json`` and ``label_studio.xml``: pre-annotated task and labelling set-up for Label Studio.

Spans over a video are regions of the ``TimelineLabels`` tag (Label Studio 1.14 or later): ranges of whole
frames, counted from 1, both ends included. A channel is a tag of its own; a region's notes name the person.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args
from xml.etree import ElementTree

from pipeline.config import FilmSection
from pipeline.engine.stage import Progress
from pipeline.labels import EMOTIONS
from pipeline.records import ANALYSIS_FILE, WARNINGS_FILE, read_record
from pipeline.types import Analysis, ConflictKind
from pipeline.writers.exports.cues import conflict_colour
from pipeline.writers.exports.linked import linked, warn_if_missing
from pipeline.writers.exports.markers import film_name, frame_rate
from pipeline.writers.exports.tiers import CONFLICTS, Annotation, Tier, milliseconds, tiers
from pipeline.writers.facts import headline, one_line, ranked
from pipeline.writers.palette import colour
from pipeline.writers.persons import naming

TASKS, SETUP = "label_studio.json", "label_studio.xml"
VIDEO = "video"
MODEL_VERSION = "emotion-pipeline"
NOTHING = "no picture: Label Studio export skipped\n"
TIMELINE_PX = 200


def run(inputs: Mapping[str, Path], settings: FilmSection, out: Path, progress: Progress) -> None:
    """Stage ``export-label-studio``, or one warning when there is no picture to label."""
    analysis = read_record(inputs["analysis"] / ANALYSIS_FILE, Analysis)
    if not analysis.media.has_video:
        (out / WARNINGS_FILE).write_text(NOTHING, encoding="utf-8")
        return
    text = json.dumps(tasks(analysis), ensure_ascii=False, indent=1, allow_nan=False)
    (out / TASKS).write_text(text + "\n", encoding="utf-8", newline="\n")
    (out / SETUP).write_text(setup(analysis), encoding="utf-8", newline="\n")
    warn_if_missing(analysis, settings, out)
    progress(1.0)


def tasks(analysis: Analysis) -> list[dict[str, Any]]:
    """One task with one prediction; its score is the mean over the emotions' time."""
    result = [*_emotions(analysis), *_conflicts(analysis)]
    lengths = [(a.end_ms - a.start_ms, a.score) for t in _channels(analysis) for a in t.annotations]
    total = sum(length for length, _ in lengths)
    score = sum(length * (mean or 0.0) for length, mean in lengths) / total if total else 0.0
    data = {VIDEO: linked(analysis), "fps": _fps(analysis), "name": film_name(analysis)}
    prediction = {"model_version": MODEL_VERSION, "score": round(score, 4), "result": result}
    return [{"data": data, "predictions": [prediction]}]


def _fps(analysis: Analysis) -> float:
    """What Label Studio counts frames with; of a film that does not say, the rate of the edit lists."""
    return analysis.media.fps or float(frame_rate(analysis.media))


def _channels(analysis: Analysis) -> list[Tier]:
    return [tier for tier in tiers(analysis) if tier.content == "emotion"]


def _emotions(analysis: Analysis) -> Iterator[dict[str, Any]]:
    for tier in _channels(analysis):
        for number, one in enumerate(tier.annotations, start=1):
            note = [one_line(tier.person)] if tier.person else []
            yield _region(f"{tier.name} {number}", tag_name(tier.source), one, note, _fps(analysis))


def _conflicts(analysis: Analysis) -> Iterator[dict[str, Any]]:
    shown_in = naming(analysis)
    for rank, conflict in enumerate(ranked(analysis.conflicts), start=1):
        start, end = milliseconds(conflict.span.start_us), milliseconds(conflict.span.end_us)
        one = Annotation(start, end, conflict.kind, round(conflict.confidence, 4))
        told = one_line(headline(conflict, shown_in(conflict)))
        yield _region(f"{CONFLICTS} {rank}", CONFLICTS, one, [told], _fps(analysis))


def _region(name: str, control: str, one: Annotation, notes: Sequence[str], fps: float) -> dict[str, Any]:
    first, after = (int(time_ms * fps / 1000 + 0.5) for time_ms in (one.start_ms, one.end_ms))
    region: dict[str, Any] = {
        "id": name.replace(" ", "_"),
        "from_name": control,
        "to_name": VIDEO,
        "type": "timelinelabels",
        "value": {
            "ranges": [{"start": first + 1, "end": max(first + 1, after)}],
            "timelinelabels": [one.value],
        },
        "score": one.score,
    }
    return region | ({"meta": {"text": list(notes)}} if notes else {})


def tag_name(source: str) -> str:
    """What a channel's tag is called: apart from the conflicts', whatever the modality's name."""
    return f"emotion_{source}"


def setup(analysis: Analysis) -> str:
    """The labelling set-up: the video, and for each channel and the conflicts their labels."""
    view = ElementTree.Element("View")
    film = {"name": VIDEO, "value": f"${VIDEO}", "frameRate": "$fps", "timelineHeight": str(TIMELINE_PX)}
    ElementTree.SubElement(view, "Video", film)
    emotions = {emotion: colour(emotion) for emotion in EMOTIONS}
    for source, noun in {t.source: _noun(t) for t in _channels(analysis)}.items():
        _labels(view, tag_name(source), noun, emotions)
    kinds = {kind: conflict_colour(kind) for kind in get_args(ConflictKind)}
    _labels(view, CONFLICTS, CONFLICTS, kinds)
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"


def _noun(tier: Tier) -> str:
    return tier.name.removeprefix(f"{one_line(tier.person)} ") if tier.person else tier.name


def _labels(view: ElementTree.Element, name: str, heading: str, colours: Mapping[str, str]) -> None:
    ElementTree.SubElement(view, "Header", value=heading)
    tag = ElementTree.SubElement(view, "TimelineLabels", name=name, toName=VIDEO)
    for label, tint in colours.items():
        ElementTree.SubElement(tag, "Label", value=label, background=tint)
