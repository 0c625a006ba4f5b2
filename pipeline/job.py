"""One analysis from a file name to a folder of results: plan, run, publish."""

import json
import os
import platform
import resource
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline.config import Config
from pipeline.engine.runner import Outcome, Run, StageEvent, run_graph
from pipeline.engine.sources import source_artifact
from pipeline.engine.stage import Stage
from pipeline.engine.store import MANIFEST, Artifact, Store, file_digest
from pipeline.fusion.readings import load_rules
from pipeline.graph import OBSERVING, WRITERS, key_of, section_of, stages_for
from pipeline.profile import Resolved, resolve
from pipeline.records import WARNINGS_FILE, read_record
from pipeline.types import Analysis

WORK = ".work"
RUN_FILE = "run.json"
SAMPLE = "sample.mp4"
INPUTS = Path("inputs")
OUTPUTS = Path("outputs")
KEPT_PER_STAGE = 3
PACKAGES = (
    "emotion-pipeline",
    "ffmpeg-python",
    "imageio-ffmpeg",
    "openai-whisper",
    "torch",
    "transformers",
    "opencv-contrib-python-headless",
    "deepface",
    "pandas",
    "moviepy",
    "onnxruntime",
    "av",
    "numpy",
)


class UsageError(ValueError):
    """Something the person can mend; the message is one sentence that says how."""


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for. ``out`` None means ``outputs/<video name>``."""

    video: Path
    config: Config = field(default_factory=Config)
    out: Path | None = None
    transcript: Path | None = None
    force: bool = False
    highlights: bool = False

    @property
    def folder(self) -> Path:
        return self.out if self.out is not None else OUTPUTS / self.video.stem


@dataclass(frozen=True, slots=True)
class Result:
    """What a run left. ``missing`` maps an output or stage to the reason it is not there."""

    analysis: Analysis | None
    out: Path
    files: tuple[Path, ...]
    missing: Mapping[str, str]
    warnings: tuple[str, ...]
    ran: tuple[str, ...]
    seconds: float

    @property
    def complete(self) -> bool:
        lost = self.analysis is not None and bool(self.analysis.media.warnings)
        return not self.missing and not lost


@dataclass(frozen=True, slots=True)
class Plan:
    """A request with every choice made: stages, their settings and keys, and where artifacts go."""

    request: Request
    resolved: Resolved
    modalities: tuple[str, ...]
    stages: tuple[Stage, ...]
    sources: Mapping[str, Artifact]
    settings: Mapping[str, Any]
    keys: Mapping[str, Any]
    store: Store


def find_video(name: str | None) -> Path:
    """A path, or a name found in ``inputs/``; None means the sample. Raises UsageError."""
    if not name:
        name = SAMPLE
    for path in (Path(name), INPUTS / name):
        if path.exists():
            return path
    raise UsageError(f"there is no file {name}, and none of that name in {INPUTS}/; check the path")


def plan(request: Request) -> Plan:
    """Choose models and stages, find the subtitles, and check that the output folder can be written.

    Raises:
        UsageError, ConfigError, MediaError, ModelError: one sentence each.
    """
    from pipeline.media.container import open_media

    with open_media(request.video):
        pass
    work = _writable(request.folder) / WORK
    memory = work / "digests.json"
    modalities = request.config.run.only or OBSERVING
    if unknown := set(modalities) - set(OBSERVING):
        raise UsageError(f"--only takes {', '.join(OBSERVING)}; {sorted(unknown)[0]!r} is none of them")
    modalities = tuple(modality for modality in OBSERVING if modality in modalities)
    resolved = resolve(request.config, modalities, memory)
    sources = {"source": source_artifact(request.video, memory)}
    if "text" in modalities and (subtitles := _subtitles(request)) is not None:
        sources["subtitles"] = source_artifact(subtitles, memory)
    stages = stages_for(modalities, request.config.film.enabled, request.highlights)
    config = resolved.config
    settings = {stage.name: section_of(stage.name, config) for stage in stages}
    keys: dict[str, Any] = {
        stage.name: {**key_of(stage.name, config), "model": resolved.models.get(stage.name, "")}
        for stage in stages
    }
    settings["moments"] = (config.fusion, modalities)
    settings["analysis"] = (request.video.stem, modalities)
    if config.conflict.readings is not None:
        keys["conflicts"] |= {"readings": _digest_of_readings(config.conflict.readings)}
    keys["moments"] |= {"modalities": modalities}
    keys["analysis"] |= {"name": request.video.stem, "modalities": modalities}
    return Plan(request, resolved, modalities, stages, sources, settings, keys, Store(work / "artifacts"))


def run(request: Request, on_event: Callable[[StageEvent], None] = lambda event: None) -> Result:
    """Run the analysis and publish what it made.

    Raises:
        UsageError, ConfigError, MediaError, ModelError: nothing was made, and the sentence says what to do.
        KeyboardInterrupt: finished stages are kept.
    """
    from pipeline.media.container import MediaError

    begin = time.perf_counter()
    existed = request.folder.exists()
    try:
        planned = plan(request)
        outcome = run_graph(planned.stages, planned.sources, _as_run(planned, on_event))
        if isinstance(problem := outcome.failed.get("probe"), MediaError):
            raise problem
    except (ValueError, RuntimeError):
        if not existed:
            shutil.rmtree(request.folder, ignore_errors=True)
        raise
    files = publish(planned, outcome)
    missing = _missing(outcome)
    planned.store.sweep({artifact.path for artifact in outcome.artifacts.values()}, KEPT_PER_STAGE)
    analysis = (
        read_record(outcome.artifacts["analysis"].path / "analysis.json", Analysis)
        if "analysis" in outcome.artifacts
        else None
    )
    warnings = _warnings(outcome, analysis)
    seconds = round(time.perf_counter() - begin, 2)
    result = Result(analysis, request.folder, files, missing, warnings, outcome.ran, seconds)
    _write_atomically(request.folder / RUN_FILE, json.dumps(_run_facts(planned, outcome, result), indent=1))
    return result


def _digest_of_readings(path: Path) -> str:
    """The file's content is in the key, not its name. Raises ConfigError when it cannot be read."""
    load_rules(path)
    return file_digest(path)


def _as_run(planned: Plan, on_event: Callable[[StageEvent], None]) -> Run:
    return Run(
        settings=planned.settings,
        keys=planned.keys,
        store=planned.store,
        workers=planned.request.config.run.workers or os.cpu_count() or 1,
        force=planned.request.force,
        peak_memory_mb=peak_memory_mb,
        on_event=on_event,
    )


def peak_memory_mb() -> float:
    """Largest resident memory so far of this process or of one child (ffmpeg), in MB."""
    per_mb = 1e6 if sys.platform == "darwin" else 1e3
    usage = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return max(usage) / per_mb


def publish(planned: Plan, outcome: Outcome) -> tuple[Path, ...]:
    """Copy what the writers made into the output folder, each file whole or not at all.

    A result of an earlier run that this run did not make is removed, so that everything in the folder
    belongs together; its artifact stays in the store.
    """
    folder = planned.request.folder
    made: dict[str, Path] = {}
    for stage in WRITERS:
        if stage in outcome.artifacts:
            source = outcome.artifacts[stage].path
            made |= {f.name: f for f in sorted(source.iterdir()) if f.name not in (MANIFEST, WARNINGS_FILE)}
    previous = _published(folder)
    for name in previous - set(made):
        (folder / name).unlink(missing_ok=True)
    for name, source in made.items():
        _copy(source, folder / name)
    return tuple(folder / name for name in made)


def _published(folder: Path) -> set[str]:
    try:
        names: list[str] = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError):
        return set()
    return {name for name in names if Path(name).name == name}


def _copy(source: Path, target: Path) -> None:
    have, want = (target.stat() if target.is_file() else None), source.stat()
    if have is not None and (have.st_size, have.st_mtime_ns) == (want.st_size, want.st_mtime_ns):
        return
    scratch = target.with_name(f".{target.name}.part")
    try:
        shutil.copy2(source, scratch)
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)


def _write_atomically(path: Path, text: str) -> None:
    scratch = path.with_name(f".{path.name}.part")
    try:
        scratch.write_text(text + "\n", encoding="utf-8")
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def _writable(folder: Path) -> Path:
    """The folder, made if need be. Raises UsageError when it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".write-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UsageError(
            f"cannot write into {folder} ({error.strerror}); choose another folder with --out"
        ) from None
    return folder


def _subtitles(request: Request) -> Path | None:
    """The subtitle file to use, checked. Raises UsageError or MediaError."""
    from pipeline.media.subtitles import find_beside, read_subtitles

    if request.transcript is not None:
        if not request.transcript.is_file():
            raise UsageError(f"there is no subtitle file {request.transcript}; check --transcript")
        path: Path | None = request.transcript
    elif request.config.transcript.source in ("auto", "file"):
        path = find_beside(request.video)
    else:
        path = None
    if path is not None:
        read_subtitles(path)
    return path


def _missing(outcome: Outcome) -> dict[str, str]:
    reasons = {stage: one_sentence(error) for stage, error in outcome.failed.items()}
    blocked = {stage: f"it needs {', '.join(lost)}" for stage, lost in outcome.blocked.items()}
    return reasons | blocked


def one_sentence(error: BaseException) -> str:
    """The first line of an error, with its type when it says nothing else."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _warnings(outcome: Outcome, analysis: Analysis | None) -> tuple[str, ...]:
    found: list[str] = list(analysis.media.warnings) if analysis else []
    for artifact in outcome.artifacts.values():
        path = artifact.path / WARNINGS_FILE
        if path.is_file():
            found += path.read_text(encoding="utf-8").splitlines()
    if analysis and "text" in analysis.modalities and analysis.transcript.note:
        found.append(analysis.transcript.note)
    return tuple(dict.fromkeys(line for line in found if line))


def _run_facts(planned: Plan, outcome: Outcome, result: Result) -> dict[str, Any]:
    models = result.analysis.models if result.analysis else {}
    return {
        "video": str(planned.request.video),
        "sha256": planned.sources["source"].digest,
        "finished_at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "seconds": result.seconds,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: version(name) for name in PACKAGES},
        "settings": planned.resolved.config.model_dump(mode="json"),
        "models": {
            modality: {"id": c.id, "revision": c.revision, "sha256": c.sha256, "licence": c.licence}
            for modality, c in models.items()
        },
        "stages": {
            stage.name: {
                "state": _state(stage.name, outcome),
                "seconds": outcome.artifacts[stage.name].made_in_s
                if stage.name in outcome.artifacts
                else None,
                "process_peak_memory_mb": outcome.artifacts[stage.name].peak_memory_mb
                if stage.name in outcome.artifacts
                else None,
            }
            for stage in planned.stages
        },
        "missing": dict(result.missing),
        "warnings": list(result.warnings),
        "files": [path.name for path in result.files],
    }


def _state(stage: str, outcome: Outcome) -> str:
    if stage in outcome.failed:
        return "failed"
    if stage in outcome.blocked:
        return "blocked"
    return "ran" if stage in outcome.ran else "cached"


def explain(request: Request) -> list[tuple[str, str]]:
    """For every stage, whether it would run and why. Makes nothing but the output folder's digest memory."""
    from pipeline.engine.runner import recipe_for

    planned = plan(request)
    ready = dict(planned.sources)
    told = []
    for stage in planned.stages:
        waiting = [n for n in (*stage.needs, *stage.wants) if n not in ready and n not in planned.sources]
        waiting = [name for name in waiting if name != "subtitles"]
        if waiting:
            told.append((stage.name, f"would run: {', '.join(waiting)} would run first"))
            continue
        recipe = recipe_for(stage, planned.keys.get(stage.name), ready)
        found = planned.store.find(stage.name, recipe)
        if found is not None and not request.force:
            ready[stage.name] = found
            told.append((stage.name, "already done"))
        else:
            told.append((stage.name, f"would run: {planned.store.why_not(stage.name, recipe)}"))
    return told
