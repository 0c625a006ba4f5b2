"""A request with every choice made: which stages, with which models and settings, on which files."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pipeline.config import Config, ConfigError
from pipeline.engine.runner import recipe_for
from pipeline.engine.sources import Source, read_source
from pipeline.engine.stage import Stage
from pipeline.engine.store import Artifact, Store
from pipeline.fusion.readings import OTHER, load_rules
from pipeline.graph import MODALITIES, OBSERVING, key_of, section_of, stages_for
from pipeline.profile import Resolved, resolve
from pipeline.types import ExportFormat

if TYPE_CHECKING:  # they bring the video library, which the command line does without
    from pipeline.corrections import Standing
    from pipeline.text.corrections import Correction
    from pipeline.text.transcribe import TranscriptSettings

WORK = ".work"
ARTIFACTS, DIGESTS, CORRECTIONS = "artifacts", "digests.json", "corrections"  # in WORK
SAMPLE = "sample.mp4"
ALL = "all"  # of the export formats
INPUTS = Path("inputs")
OUTPUTS = Path("outputs")


class UsageError(ValueError):
    """Something the person can mend; the message is one sentence that says how."""


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for. ``out`` None means ``outputs/<video name>``, a folder directly in ``outputs``."""

    video: Path
    config: Config = field(default_factory=Config)
    out: Path | None = None
    transcript: Path | None = None
    force: bool = False

    @property
    def folder(self) -> Path:
        return self.out if self.out is not None else OUTPUTS / self.video.stem


@dataclass(frozen=True, slots=True)
class Choice:
    """A request that can be met: models and stages chosen, nothing written yet.

    ``corrections`` of the transcript are those of earlier runs; ``corrected`` is the one that is used.
    """

    request: Request
    modalities: tuple[str, ...]
    resolved: Resolved
    stages: tuple[Stage, ...]
    subtitles: Path | None
    transcript: "TranscriptSettings"
    readings: Source | None
    corrections: "Standing"
    corrected: "Correction | None"


@dataclass(frozen=True, slots=True)
class Plan:
    """A request with every choice made: stages, their settings and keys, and where artifacts go.

    ``watched`` are the files, the sources among them, that may not change while the plan is carried out.
    """

    request: Request
    resolved: Resolved
    stages: tuple[Stage, ...]
    sources: Mapping[str, Artifact]
    watched: tuple[Source, ...]
    settings: Mapping[str, Any]
    keys: Mapping[str, Any]
    store: Store


def listed(flag: str, text: str) -> list[str]:
    """What a flag lists, between commas. Raises UsageError when that is nothing."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise UsageError(f"{flag} lists nothing; leave it out, or see `emotion-pipeline analyze --help`")
    return parts


def formats_listed(text: str) -> list[str]:
    """What ``--export`` lists; ``all`` is every format. Raises UsageError."""
    known, parts = get_args(ExportFormat), listed("--export", text)
    if unknown := next((part for part in parts if part not in (*known, ALL)), None):
        raise UsageError(f"--export takes {ALL} or some of {', '.join(known)}; {unknown!r} is none of them")
    return list(known) if ALL in parts else parts


def find_video(name: str | None) -> Path:
    """A path, or a name found in ``inputs/``; None means the sample. Raises UsageError."""
    if not name:
        name = SAMPLE
    try:
        name.encode("utf-8")
        found = next((path for path in (Path(name), INPUTS / name) if path.exists()), None)
    except UnicodeEncodeError:
        raise UsageError("the video's name is not valid UTF-8; rename it and try again") from None
    except OSError as error:
        raise UsageError(f"cannot look at {name[:80]} ({error.strerror}); check the path") from None
    if found is not None:
        return found
    raise UsageError(f"there is no file {name}, and none of that name in {INPUTS}/; check the path")


def named_folder(text: str | None) -> Path | None:
    """What ``--out`` names. Raises UsageError when that can be no folder."""
    if text is None:
        return None
    if not text.strip():
        raise UsageError("--out names no folder; leave it out, or give it one")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError("the folder given with --out is not valid UTF-8; choose another") from None
    return Path(text)


def choose(request: Request) -> Choice:
    """Choose models and stages and find the subtitles; writes nothing.

    Raises:
        UsageError, ConfigError, MediaError, ModelError: one sentence each.
    """
    from pipeline.media.container import open_media
    from pipeline.media.streams import StreamChoice, inventory, ranked_sounds

    with open_media(request.video) as container:
        sounds = inventory(container).sounds
    if request.out is None:
        _check_names_a_folder(request.video)
    _check_modalities("run.only (--only)", request.config.run.only)
    _check_modalities("fusion.weights", request.config.fusion.weights)
    modalities = tuple(m for m in OBSERVING if m in (request.config.run.only or OBSERVING))
    _check_blur(request.config, modalities)
    corrections = standing_of(request)
    corrected = corrections.correction if request.transcript is None and "text" in modalities else None
    config = _with_words_of_a_file(request, corrected is not None)
    ranked = ranked_sounds(sounds, StreamChoice(config.transcript.language, config.media.audio_track))
    sound_language = ranked[0].language if ranked else None
    subtitles, transcript = _subtitles(
        request, config, sound_language, "text" in modalities and corrected is None
    )
    transcript = replace(transcript, is_corrected=corrected is not None)
    if request.transcript is not None and corrections.correction is not None:
        note = f"{request.transcript.name} is read, as asked, and not the transcript corrected by hand."
        transcript = replace(transcript, note=note)
    resolved = resolve(config, modalities, subtitles is not None or corrected is not None)
    readings = config.conflict.readings
    return Choice(
        request=request,
        modalities=modalities,
        resolved=resolved,
        stages=stages_for(modalities, resolved.config),
        subtitles=subtitles,
        transcript=transcript,
        readings=None if readings is None else _checked_readings(readings),
        corrections=corrections,
        corrected=corrected,
    )


def standing_of(request: Request) -> "Standing":
    """Which corrections of the transcript lie in the request's folder.

    Raises:
        MediaError: an edited transcript cannot be read.
        SourceChangedError, UsageError: nor can the video.
    """
    from pipeline.corrections import standing

    work = request.folder / WORK

    def video_digest() -> str:
        return _read(request.video, work / DIGESTS, remember=False).digest

    return standing(request.folder, work / CORRECTIONS, video_digest)


def plan(choice: Choice, *, remember: bool = True) -> Plan:
    """The choice with the digests of its sources, remembered in the output folder if it is there.

    Without ``remember`` nothing is written.

    Raises:
        SourceChangedError: a file is being written to.
        UsageError: one cannot be read.
    """
    from pipeline.corrections import kept_file
    from pipeline.media.streams import StreamChoice

    request, config, modalities = choice.request, choice.resolved.config, choice.modalities
    work = request.folder / WORK
    memory = work / DIGESTS if work.is_dir() else None
    sources = {"source": _read(request.video, memory, remember)}
    if choice.subtitles is not None:
        sources["subtitles"] = _read(choice.subtitles, memory, remember)
    artifacts = {name: source.artifact for name, source in sources.items()}
    if choice.corrected is not None:
        artifacts["subtitles"] = Artifact(kept_file(work / CORRECTIONS), choice.corrected.digest)
    settings = {stage.name: section_of(stage.name, config) for stage in choice.stages}
    keys: dict[str, Any] = {
        stage.name: {**key_of(stage.name, config), "model": choice.resolved.models.get(stage.name, "")}
        for stage in choice.stages
    }
    settings["probe"] = StreamChoice(config.transcript.language, config.media.audio_track)
    keys["probe"] |= {"language": config.transcript.language}
    if "words" in settings:
        settings["words"] = settings["transcript"] = replace(choice.transcript, section=config.transcript)
        keys["words"] |= {"note": choice.transcript.note, "loss": choice.transcript.loss}
        keys["transcript"] |= {"is_corrected": choice.transcript.is_corrected}
    settings["moments"] = (config.fusion, modalities)
    settings["analysis"] = (request.video.stem, modalities)
    watched = (*sources.values(), *choice.resolved.files)
    if choice.readings is not None:
        keys["conflicts"] |= {"readings": choice.readings.digest}
        watched = (*watched, choice.readings)
    keys["moments"] |= {"modalities": modalities}
    keys["analysis"] |= {"name": request.video.stem, "modalities": modalities}
    return Plan(
        request=request,
        resolved=choice.resolved,
        stages=choice.stages,
        sources=artifacts,
        watched=watched,
        settings=settings,
        keys=keys,
        store=Store(work / ARTIFACTS),
    )


def _read(path: Path, memory: Path | None, remember: bool) -> Source:
    try:
        return read_source(path, memory, remember=remember)
    except OSError as error:
        raise UsageError(f"cannot read {path} ({error.strerror}); check the file and its disk") from error


def _check_names_a_folder(video: Path) -> None:
    """Refuse a name that would put the results into ``outputs`` itself, above it, or out of sight."""
    if not video.stem.strip(". ") or (video.name.startswith(".") and not video.suffix):
        raise UsageError(
            f"the name {video.name} gives the results no name of their own; rename the video, or choose a "
            "folder with --out"
        )


def _with_words_of_a_file(request: Request, is_corrected: bool) -> Config:
    """The settings; a transcript that was given, or corrected, wins over the source they name."""
    if request.transcript is None and not is_corrected:
        return request.config
    transcript = request.config.transcript.model_copy(update={"source": "file"})
    return request.config.model_copy(update={"transcript": transcript})


def _check_modalities(where: str, names: Iterable[str]) -> None:
    if unknown := sorted(set(names) - set(OBSERVING)):
        raise UsageError(f"{where} takes {', '.join(OBSERVING)}; {unknown[0]!r} is none of them")


def _check_blur(config: Config, modalities: tuple[str, ...]) -> None:
    """Refuse what would show faces that were to be blurred."""
    if not config.film.blur_faces:
        return
    finding = [name for name, modality in MODALITIES.items() if modality.boxes]
    if not set(finding) & set(modalities):
        raise UsageError(
            f"faces are blurred where they were found; let --only include {' or '.join(finding)}"
        )
    if config.highlights.enabled and not config.film.enabled:
        raise UsageError("with --blur-faces the reel is cut from the blurred film; leave out --no-video")


def _checked_readings(path: Path) -> Source:
    """The file's content is in the key, not its name. Raises ConfigError when it cannot be used."""
    for rule in load_rules(path):
        if unknown := sorted(set(rule.when) - {*OBSERVING, OTHER}):
            known = ", ".join((*OBSERVING, OTHER))
            raise ConfigError(f"{path}, reading {rule.name!r}: {unknown[0]!r} is none of {known}")
    return _read(path, None, remember=False)


def _subtitles(
    request: Request, config: Config, sound_language: str | None, is_wanted: bool
) -> "tuple[Path | None, TranscriptSettings]":
    """The subtitle file to use, and what the transcript has to say about it.

    One that was given must be readable; one that only lies beside the film is left out when it is not.

    Raises:
        UsageError, MediaError: the file given with --transcript does not exist, or cannot be read.
    """
    from pipeline.media.beside import find_beside
    from pipeline.media.container import MediaError
    from pipeline.media.subtitles import read_subtitles
    from pipeline.text.transcribe import TranscriptSettings

    settings = TranscriptSettings(config.transcript)
    if not is_wanted:
        return None, settings
    if request.transcript is not None:
        if not request.transcript.is_file():
            raise UsageError(f"there is no subtitle file {request.transcript}; check --transcript")
        read_subtitles(request.transcript)
        return request.transcript, settings
    if config.transcript.source not in ("auto", "file"):
        return None, settings
    choice = find_beside(request.video, config.transcript.language, sound_language)
    if choice is None:
        return None, settings
    try:
        read_subtitles(choice.path)
    except MediaError as error:
        return None, replace(settings, loss=f"{error} It lies beside the film and was left out.")
    return choice.path, replace(settings, note=choice.note)


def explain(request: Request) -> list[tuple[str, str]]:
    """For every stage, whether it would run and why. Makes nothing, and waits for no other run."""
    planned = plan(choose(request), remember=False)
    names = {stage.name for stage in planned.stages}
    ready = dict(planned.sources)
    told = []
    for stage in planned.stages:
        waiting = [n for n in (*stage.needs, *stage.wants) if n in names and n not in ready]
        if waiting:
            told.append((stage.name, f"would run: {', '.join(waiting)} would run first"))
            continue
        recipe = recipe_for(stage, planned.keys.get(stage.name), ready)
        found = planned.store.find(stage.name, recipe)
        if found is not None and not request.force:
            ready[stage.name] = found
            told.append((stage.name, "already done"))
        else:
            why = "--force" if found is not None else planned.store.why_not(stage.name, recipe)
            told.append((stage.name, f"would run: {why}"))
    return told
