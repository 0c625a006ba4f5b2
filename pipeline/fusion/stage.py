"""The fusion stages: read records, call a pure function, write records."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from pipeline.config import TRAINED, ConflictSection, FusionSection
from pipeline.engine.stage import Progress
from pipeline.fusion.align import align
from pipeline.fusion.binding import binding
from pipeline.fusion.detect import Seen, find, seen_of
from pipeline.fusion.fuse import fuse
from pipeline.fusion.learned import MODALITY, fuse_learned, load_for_moments, mixed, model_files
from pipeline.fusion.readings import SHIPPED, load_rules
from pipeline.fusion.speaking import not_speaking, of_speakers
from pipeline.records import (
    ANALYSIS_FILE,
    CARD_FILE,
    CUTS_FILE,
    LOSSES_FILE,
    MEDIA_FILE,
    OBSERVATIONS_FILE,
    TRANSCRIPT_FILE,
    TURNS_FILE,
    WARNINGS_FILE,
    read_record,
    read_records,
    write_record,
    write_records,
)
from pipeline.types import (
    US_PER_S,
    Abstention,
    Analysis,
    Bound,
    Conflict,
    Fused,
    MediaInfo,
    ModelCard,
    Moment,
    Observation,
    Status,
    Transcript,
    Turn,
)

MOMENTS_FILE = "moments.jsonl"
BINDINGS_FILE = "bindings.jsonl"


def run_moments(
    inputs: Mapping[str, Path], settings: tuple[FusionSection, tuple[str, ...]], out: Path, progress: Progress
) -> None:
    """Align everything that could be made; a modality whose stage failed shows as failed.

    Also ``bindings.jsonl``: whose voice each speaker's is.
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
    turns = turns_of(inputs)
    bindings = binding(observations, turns)
    still = not_speaking(observations, turns, bindings)
    talking = of_speakers(observations, still, turns, bindings)
    moments = align(info.duration_us, spoken, talking, round(section.gap_s * US_PER_S))
    write_records(out / MOMENTS_FILE, Moment, moments)
    write_records(out / BINDINGS_FILE, Bound, bindings)


def turns_of(inputs: Mapping[str, Path]) -> tuple[Turn, ...]:
    """Who is heard when; none where no stage has found that out."""
    path = inputs["speakers"] / TURNS_FILE if "speakers" in inputs else None
    return read_records(path, Turn) if path is not None and path.is_file() else ()


def bindings_of(inputs: Mapping[str, Path]) -> tuple[Bound, ...]:
    """Whose voices the speakers' are, as the stage `moments` left it."""
    return read_records(inputs["moments"] / BINDINGS_FILE, Bound)


def run_fuse(inputs: Mapping[str, Path], settings: FusionSection, out: Path, progress: Progress) -> None:
    """Fuse every moment; a trained fusion leaves its card."""
    moments = read_records(inputs["moments"] / MOMENTS_FILE, Moment)
    found = fuse(moments, "fixed" if settings.strategy == "fixed" else "dynamic", settings.weights)
    if settings.strategy in TRAINED:
        model = load_for_moments(settings.model)
        write_record(out / CARD_FILE, model_files(settings.model)[0])
        trained = fuse_learned(moments, model)
        found = mixed(trained, found, model.score_share) if settings.strategy == "hybrid" else trained
    write_records(out / "fused.jsonl", Fused, found)


def run_conflicts(
    inputs: Mapping[str, Path], settings: ConflictSection, out: Path, progress: Progress
) -> None:
    """Find events, explain them, say what could not be compared and how many alarms chance would give."""
    rules = (load_rules(settings.readings) if settings.readings else ()) + load_rules(SHIPPED)
    found = find(_seen(inputs, settings), settings, rules)
    write_records(out / "conflicts.jsonl", Conflict, found.conflicts)
    write_records(out / "abstentions.jsonl", Abstention, found.abstentions)
    null = {
        "false_alarms_per_minute": found.chance_per_minute,
        "operating_point": found.enter,
        "operating_point_asked": settings.enter,
    }
    (out / "null.json").write_text(json.dumps(null), encoding="utf-8")


def _seen(inputs: Mapping[str, Path], settings: ConflictSection) -> Seen:
    """What the detector looks at; the moments, which it looks at in finer stretches, are not kept."""
    moments = read_records(inputs["moments"] / MOMENTS_FILE, Moment)
    names = tuple(moments[0].by_modality) if moments else ()
    observations = {
        name: read_records(inputs[name] / OBSERVATIONS_FILE, Observation) if name in inputs else ()
        for name in names
    }
    cards = {
        name: read_record(inputs[name] / CARD_FILE, ModelCard)
        for name in names
        if name in inputs and (inputs[name] / CARD_FILE).is_file()
    }
    cuts = cuts_of(inputs.values())
    return seen_of(
        moments,
        observations,
        cards,
        cuts,
        settings.stretch_s,
        turns=turns_of(inputs),
        bindings=bindings_of(inputs),
    )


def cuts_of(folders: Iterable[Path]) -> list[int]:
    """Times in microseconds of the cuts that any stage has found."""
    files = [folder / CUTS_FILE for folder in folders if (folder / CUTS_FILE).is_file()]
    return sorted({int(time_us) for file in files for time_us in np.load(file)})


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
        bindings=bindings_of(inputs),
        moments=read_records(inputs["moments"] / MOMENTS_FILE, Moment),
        fused=read_records(inputs["fuse"] / "fused.jsonl", Fused),
        conflicts=read_records(inputs["conflicts"] / "conflicts.jsonl", Conflict),
        false_alarms_per_minute=null["false_alarms_per_minute"],
        operating_point=null["operating_point"],
        operating_point_asked=null["operating_point_asked"],
        abstentions=read_records(inputs["conflicts"] / "abstentions.jsonl", Abstention),
        models={
            m: read_record(folder / CARD_FILE, ModelCard)
            for m, folder in [
                *((m, inputs[m]) for m in read),
                *((m, inputs[m]) for m in ("transcript", "speakers") if m in inputs),
                (MODALITY, inputs["fuse"]),
            ]
            if (folder / CARD_FILE).is_file()
        },
        turns=turns_of(inputs),
        warnings=tuple(
            dict.fromkeys(
                line
                for stage in sorted(inputs)
                for path in (inputs[stage] / LOSSES_FILE, inputs[stage] / WARNINGS_FILE)
                if path.is_file()
                for line in path.read_text(encoding="utf-8").splitlines()
            )
        ),
    )
    write_record(out / ANALYSIS_FILE, analysis)
