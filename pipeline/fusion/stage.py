"""The fusion stages: read records, call a pure function, write records."""

import json
from collections.abc import Mapping
from pathlib import Path

from pipeline.config import ConflictSection, FusionSection
from pipeline.engine.stage import Progress
from pipeline.fusion.align import align
from pipeline.fusion.conflict import Limits, as_conflict, chance_rate_per_minute, events
from pipeline.fusion.fuse import fuse
from pipeline.fusion.readings import SHIPPED, load_rules, reading_of
from pipeline.records import (
    ANALYSIS_FILE,
    CARD_FILE,
    MEDIA_FILE,
    OBSERVATIONS_FILE,
    TRANSCRIPT_FILE,
    WARNINGS_FILE,
    read_record,
    read_records,
    write_record,
    write_records,
)
from pipeline.types import (
    US_PER_S,
    Analysis,
    Conflict,
    Fused,
    MediaInfo,
    ModelCard,
    Moment,
    Observation,
    Status,
    Transcript,
)


def run_moments(
    inputs: Mapping[str, Path], settings: tuple[FusionSection, tuple[str, ...]], out: Path, progress: Progress
) -> None:
    """Align everything that could be made; a modality whose stage failed shows as failed.

    ``settings`` is the fusion section and the modalities asked for.
    """
    section, modalities = settings
    info = read_record(inputs["probe"] / MEDIA_FILE, MediaInfo)
    spoken = (
        read_record(inputs["transcript"] / TRANSCRIPT_FILE, Transcript).utterances
        if "transcript" in inputs
        else ()
    )
    observations = {
        modality: read_records(inputs[modality] / OBSERVATIONS_FILE, Observation)
        if modality in inputs
        else ()
        for modality in modalities
    }
    moments = align(info.duration_us, spoken, observations, round(section.gap_s * US_PER_S))
    write_records(out / "moments.jsonl", Moment, moments)


def run_fuse(inputs: Mapping[str, Path], settings: FusionSection, out: Path, progress: Progress) -> None:
    """Fuse every moment."""
    moments = read_records(inputs["moments"] / "moments.jsonl", Moment)
    write_records(out / "fused.jsonl", Fused, fuse(moments, settings.strategy, settings.weights))


def run_conflicts(
    inputs: Mapping[str, Path], settings: ConflictSection, out: Path, progress: Progress
) -> None:
    """Find events, name them, and estimate how many chance alone would give."""
    moments = read_records(inputs["moments"] / "moments.jsonl", Moment)
    limits = Limits(
        settings.enter,
        settings.leave,
        round(settings.min_duration_s * US_PER_S),
        round(settings.merge_gap_s * US_PER_S),
    )
    rules = (load_rules(settings.readings) if settings.readings else ()) + load_rules(SHIPPED)
    found = [
        as_conflict(event, reading_of(event.kind, dict(event.emotions), rules), moments)
        for event in events(moments, limits)
    ]
    write_records(out / "conflicts.jsonl", Conflict, found)
    rate = chance_rate_per_minute(moments, limits)
    (out / "null.json").write_text(json.dumps({"false_alarms_per_minute": rate}), encoding="utf-8")


def run_analysis(
    inputs: Mapping[str, Path], settings: tuple[str, tuple[str, ...]], out: Path, progress: Progress
) -> None:
    """Put everything found into the one record that every writer reads.

    ``settings`` is the video's name and the modalities asked for.
    """
    name, modalities = settings
    read = [modality for modality in modalities if modality in inputs]
    null = json.loads((inputs["conflicts"] / "null.json").read_text(encoding="utf-8"))
    analysis = Analysis(
        name=name,
        media=read_record(inputs["probe"] / MEDIA_FILE, MediaInfo),
        modalities=modalities,
        transcript=read_record(inputs["transcript"] / TRANSCRIPT_FILE, Transcript)
        if "transcript" in inputs
        else Transcript((), Status.NOT_REQUESTED, "none"),
        observations={m: read_records(inputs[m] / OBSERVATIONS_FILE, Observation) for m in read},
        moments=read_records(inputs["moments"] / "moments.jsonl", Moment),
        fused=read_records(inputs["fuse"] / "fused.jsonl", Fused),
        conflicts=read_records(inputs["conflicts"] / "conflicts.jsonl", Conflict),
        false_alarms_per_minute=null["false_alarms_per_minute"],
        models={
            m: read_record(inputs[m] / CARD_FILE, ModelCard)
            for m in read
            if (inputs[m] / CARD_FILE).is_file()
        },
        warnings=tuple(
            line
            for stage in sorted(inputs)
            if (inputs[stage] / WARNINGS_FILE).is_file()
            for line in (inputs[stage] / WARNINGS_FILE).read_text(encoding="utf-8").splitlines()
        ),
    )
    write_record(out / ANALYSIS_FILE, analysis)
