"""THE page: every stage, what it needs, what it writes, and which settings are in its key.

To add a modality: one folder, its entry in ``MODALITIES`` with its stages in ``STAGES``, one config section.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from pipeline.config import Config
from pipeline.engine.stage import Progress, Stage, in_order
from pipeline.types import ExportFormat


def _call(target: str, inputs: Mapping[str, Path], settings: Any, out: Path, progress: Progress) -> None:
    module, function = target.split(":")
    getattr(import_module(module), function)(inputs, settings, out, progress)


def _stage(
    name: str, version: int, target: str, needs: tuple[str, ...] = (), wants: tuple[str, ...] = ()
) -> Stage:
    """A stage whose module is imported when it runs, so that ``--help`` loads no video library."""
    return Stage(name, version, partial(_call, target), needs, wants)


@dataclass(frozen=True, slots=True)
class Modality:
    """One channel of a person: its stages (the last one writes its observations) and its back-ends.

    ``section`` is the config section that names the back-end; ``shipped`` is the id of the model inside the
    package and ``full`` the back-end that ``--profile full`` asks for. ``boxes``: its observations say where
    faces are, so nothing can be blurred without them.
    """

    stages: tuple[str, ...]
    backends: str
    section: str
    shipped: str
    full: str
    boxes: bool = False


MODALITIES: Mapping[str, Modality] = {
    "face": Modality(
        ("faces", "face"), "pipeline.face.backends:BACKENDS", "face", "face_compact", "convnext", boxes=True
    ),
    "voice": Modality(
        ("audio", "speech", "speakers", "voice"),
        "pipeline.voice.backends:BACKENDS",
        "voice",
        "voice_compact",
        "hubert",
    ),
    "text": Modality(
        ("audio", "speech", "words", "speakers", "transcript", "text"),
        "pipeline.text.backends:BACKENDS",
        "text",
        "text_compact",
        "xlm-roberta",
    ),
}

# What ``--export`` can write: a stage per format.
EXPORTS: Mapping[ExportFormat, str] = {
    "elan": "pipeline.writers.exports.elan:run",
    "textgrid": "pipeline.writers.exports.textgrid:run",
    "vtt": "pipeline.writers.exports.vtt:run",
    "srt": "pipeline.writers.exports.srt:run",
    "ass": "pipeline.writers.exports.ass:run",
    "parquet": "pipeline.writers.exports.parquet:run",
    "session": "pipeline.writers.exports.session:run",
    "label-studio": "pipeline.writers.exports.label_studio:run",
    "edl": "pipeline.writers.exports.edl:run",
    "fcpxml": "pipeline.writers.exports.fcpxml:run",
}


def export_stage(name: ExportFormat) -> str:
    """Name of the stage that writes a format."""
    return f"export-{name}"


SOURCES = frozenset({"source", "subtitles"})
OBSERVING = tuple(MODALITIES)
FOUND = ("moments", "fuse", "conflicts")

STAGES: tuple[Stage, ...] = in_order(
    (
        _stage("probe", 3, "pipeline.media.probe:run", ("source",)),
        _stage("audio", 2, "pipeline.media.audio:run", ("source", "probe")),
        _stage("faces", 3, "pipeline.face.stage:run_faces", ("source", "probe")),
        _stage("face", 3, "pipeline.face.stage:run_face", ("faces", "probe")),
        _stage("speech", 1, "pipeline.voice.stage:run_speech", ("audio", "probe")),
        # Before its siblings: what takes longest is to start first.
        _stage(
            "words",
            1,
            "pipeline.text.stage:run_words",
            ("source", "probe", "audio", "speech"),
            ("subtitles",),
        ),
        _stage("speakers", 1, "pipeline.voice.stage:run_speakers", ("audio", "speech", "probe")),
        _stage("voice", 2, "pipeline.voice.stage:run_voice", ("audio", "speech", "probe")),
        _stage("transcript", 4, "pipeline.text.stage:run_transcript", ("words",), ("speakers",)),
        _stage("text", 5, "pipeline.text.stage:run_text", ("transcript", "probe")),
        _stage(
            "moments",
            5,
            "pipeline.fusion.stage:run_moments",
            ("probe",),
            ("transcript", "speakers", *OBSERVING),
        ),
        _stage("fuse", 1, "pipeline.fusion.stage:run_fuse", ("moments",)),
        _stage(
            "conflicts",
            5,
            "pipeline.fusion.stage:run_conflicts",
            ("moments",),
            ("faces", "speakers", *OBSERVING),  # faces: where the picture is cut
        ),
        _stage(
            "analysis",
            6,
            "pipeline.fusion.stage:run_analysis",
            ("probe", *FOUND),
            ("words", "transcript", "audio", "faces", "speakers", *OBSERVING),  # of some only what was lost
        ),
        _stage("tables", 6, "pipeline.writers.table:run", ("analysis",)),
        _stage("captions", 4, "pipeline.writers.captions:run", ("analysis",)),
        _stage("picture", 3, "pipeline.writers.picture:run", ("analysis",)),
        _stage("blur", 1, "pipeline.writers.blur:run", ("analysis",)),
        _stage("stills", 1, "pipeline.writers.stills:run", ("source", "probe", "analysis"), ("blur",)),
        _stage("film", 3, "pipeline.writers.film.video:run", ("source", "probe", "analysis"), ("blur",)),
        _stage("report", 3, "pipeline.writers.report:run", ("analysis",), ("stills",)),
        _stage("keyframes", 2, "pipeline.writers.keyframes:run", ("source", "probe", "analysis"), ("blur",)),
        _stage(
            "highlights",
            3,
            "pipeline.writers.highlights:run",
            ("source", "probe", "analysis"),
            ("film", "stills"),
        ),
        *(_stage(export_stage(name), 1, target, ("analysis",)) for name, target in EXPORTS.items()),
    ),
    SOURCES,
)

STAGE_NAMES = frozenset(stage.name for stage in STAGES)

# Without these, what shows the picture would show bare faces.
BLURRED = frozenset({"blur", "film"})
CREATOR_PACK = ("keyframes", "highlights")
# The stages whose files are published; an order a person would look at them in.
WRITERS = (
    *("analysis", "tables", "captions", "picture", "film", "report", *CREATOR_PACK),
    *(export_stage(name) for name in EXPORTS),
)
# The stages whose artifacts show somebody: what is erased, or not kept, where faces are not to stay.
PICTURING = ("faces", "stills", "film", "report", *CREATOR_PACK)
# The files they write, as patterns: what a folder may hold without being ours is judged before anything runs.
WRITES: Mapping[str, tuple[str, ...]] = {
    "analysis": ("analysis.json",),
    "tables": ("integrated.csv", "conflicts.csv", "faces.csv", "voice.csv"),
    "captions": ("transcript.srt", "transcript.vtt", "transcript.csv", "transcript_words.csv"),
    "picture": ("timeline.png",),
    "film": ("annotated.mp4",),
    "report": ("report.html",),
    "keyframes": ("keyframes.csv", "keyframes.jpg"),
    "highlights": ("highlights.mp4", "event_[0-9]*.jpg"),
    "export-elan": ("annotations.eaf",),
    "export-textgrid": ("annotations.TextGrid",),
    "export-vtt": ("emotion.vtt",),
    "export-srt": ("emotion.srt",),
    "export-ass": ("emotion.ass",),
    "export-parquet": ("integrated.parquet", "conflicts.parquet", "faces.parquet", "voice.parquet"),
    "export-session": ("session.json",),
    "export-label-studio": ("label_studio.json", "label_studio.xml"),
    "export-edl": ("markers.edl", "markers_resolve.edl"),
    "export-fcpxml": ("markers.fcpxml",),
}

# The fields of each stage's config section that change its bytes; the rest (device, batch size) do not.
SETTINGS: Mapping[str, tuple[str, frozenset[str]]] = {
    "probe": ("media", frozenset({"audio_track"})),
    "faces": ("face", frozenset({"sample_fps", "detector", "min_face_px", "hold_s", "crop_px"})),
    "face": ("face", frozenset({"backend", "smoothing_s", "hold_s", "own_baseline"})),
    "speech": ("voice", frozenset({"speech_threshold"})),
    "speakers": ("voice", frozenset({"speakers", "max_speakers"})),
    "voice": ("voice", frozenset({"backend", "window_s", "hop_s", "min_speech_s"})),
    "words": (
        "transcript",
        frozenset({"source", "whisper_model", "language", "script", "min_speech_share"}),
    ),
    "text": ("text", frozenset({"backend"})),
    "moments": ("fusion", frozenset({"gap_s"})),
    "fuse": ("fusion", frozenset({"strategy", "weights"})),
    "conflicts": (
        "conflict",
        frozenset(
            {
                "enter",
                "leave",
                "most_false_alarms_per_minute",
                "apart",
                "stretch_s",
                "min_duration_s",
                "merge_gap_s",
                "readings",
            }
        ),
    ),
    "film": ("film", frozenset({"crf", "preset", "max_height_px", "style"})),
    "keyframes": ("highlights", frozenset({"keyframes", "expressive"})),
    "highlights": ("highlights", frozenset({"most", "lead_in_s"})),
    # What these lead to.
    "export-elan": ("film", frozenset({"enabled"})),
    "export-label-studio": ("film", frozenset({"enabled"})),
    "export-fcpxml": ("film", frozenset({"enabled", "max_height_px", "style"})),
}


def stages_for(modalities: tuple[str, ...], config: Config) -> tuple[Stage, ...]:
    """The stages of a run that reads ``modalities``; the runner leaves out wants that are not among them.

    Where faces are to be blurred, what shows the picture needs the blur, and the blur the channels that find
    them: none is made without.
    """
    chosen = {"probe", *FOUND, *WRITERS, "stills", "blur"}
    chosen |= {stage for modality in modalities for stage in MODALITIES[modality].stages}
    chosen -= set() if config.film.enabled else {"film"}
    chosen -= set() if config.film.blur_faces else {"blur"}
    chosen -= set() if config.highlights.enabled else set(CREATOR_PACK)
    chosen -= {export_stage(name) for name in EXPORTS if name not in config.export.formats}
    found = (stage for stage in STAGES if stage.name in chosen)
    if "blur" not in chosen:
        return tuple(found)
    looking = tuple(MODALITIES[m].stages[-1] for m in modalities if MODALITIES[m].boxes)
    return tuple(_needing(stage, looking if stage.name == "blur" else ()) for stage in found)


def _needing(stage: Stage, also: tuple[str, ...]) -> Stage:
    """The stage needing what of ``BLURRED`` it wants, and ``also``."""
    wants = tuple(name for name in stage.wants if name not in BLURRED)
    return replace(stage, needs=(*stage.needs, *(n for n in stage.wants if n in BLURRED), *also), wants=wants)


def section_of(stage: str, config: Config) -> Any:
    """The config section a stage receives; None for a stage without settings."""
    return getattr(config, SETTINGS[stage][0]) if stage in SETTINGS else None


def key_of(stage: str, config: Config) -> dict[str, Any]:
    """The part of a stage's settings that belongs in its key, as JSON values."""
    if stage not in SETTINGS:
        return {}
    section, fields = SETTINGS[stage]
    values: dict[str, Any] = getattr(config, section).model_dump(mode="json", include=set(fields))
    return values
