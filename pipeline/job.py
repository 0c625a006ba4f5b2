"""One analysis from a request to a folder of results: plan, run, publish, account for it."""

import os
import platform
import resource
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline.config import ConfigError
from pipeline.engine.disk import AGAIN, disk_trouble
from pipeline.engine.files import private_folder, write_private, write_state
from pipeline.engine.runner import CancelledError, Outcome, Run, StageEvent, run_graph
from pipeline.engine.sources import SourceChangedError
from pipeline.engine.store import artifact_files
from pipeline.erase import artifacts_of, drop_pictures
from pipeline.graph import STAGE_NAMES, WRITERS
from pipeline.memory import give_back
from pipeline.models.cards import ModelError, one_sentence
from pipeline.plan import (
    ARTIFACTS,
    CORRECTIONS,
    WORK,
    Choice,
    Plan,
    Request,
    UsageError,
    choose,
    plan,
    standing_of,
)
from pipeline.publish import ERRORS, Made, claimed, publish, require_ours, spared, withdraw_unused
from pipeline.records import ANALYSIS_FILE, LOSSES_FILE, WARNINGS_FILE, read_record
from pipeline.run_record import RUN_FILE, read_run
from pipeline.terminal import say_aside
from pipeline.types import Analysis

KEPT_PER_STAGE = 3
NOT_PUBLISHED = frozenset({WARNINGS_FILE, LOSSES_FILE})
PACKAGES = (
    "emotion-pipeline",
    "ffmpeg-python",
    "imageio-ffmpeg",
    "faster-whisper",
    "ctranslate2",
    "openai-whisper",
    "torch",
    "transformers",
    "opencv-contrib-python-headless",
    "deepface",
    "pandas",
    "moviepy",
    "onnxruntime",
    "ai-edge-litert",
    "silero-vad",
    "av",
    "numpy",
)


@dataclass(frozen=True, slots=True)
class Result:
    """What a run left. ``missing`` maps an output or stage to the reason it is not there.

    ``losses`` are those of the ``warnings`` that say what of the input was lost or could not be read.
    """

    analysis: Analysis | None
    out: Path
    files: tuple[Path, ...]
    missing: Mapping[str, str]
    warnings: tuple[str, ...]
    ran: tuple[str, ...]
    seconds: float
    losses: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        return not self.missing and not self.losses


def _to_stderr(sentence: str) -> None:
    say_aside(f"emotion-pipeline: {sentence}")


def run(
    request: Request,
    on_event: Callable[[StageEvent], None] = lambda event: None,
    waiting: Callable[[str], None] = _to_stderr,
) -> Result:
    """Run the analysis and publish what it made.

    ``waiting`` is called with one sentence when another run has to leave the output folder first.

    Raises:
        UsageError, ConfigError, MediaError, ModelError: the sentence says what to do.
        KeyboardInterrupt: finished stages are kept.
    """
    begin = time.perf_counter()
    try:
        choice = choose(request)
        require_ours(request.folder, request.video, (stage.name for stage in choice.stages))
        with claimed(request.folder, waiting) as is_new:
            try:
                return _run(_with_corrections_kept(choice), on_event, begin)
            except Exception as error:
                sentence = _trouble(error, request.folder) if isinstance(error, OSError) else None
                if is_new:
                    withdraw_unused(request.folder)
                if sentence is not None:
                    raise _StoppedError(sentence) from error
                raise
            finally:
                if request.config.run.keep_no_faces:
                    drop_pictures(artifacts_of(request.folder))
    except (SourceChangedError, _StoppedError) as error:
        raise UsageError(str(error)) from error


class _StoppedError(RuntimeError):
    """The run cannot go on, in one sentence; unlike after a UsageError, its finished stages are kept."""


def _with_corrections_kept(choice: Choice) -> Choice:
    """Keep what a person corrected before anything can be written over it.

    The choice is made once more where another run ended, or a file was saved, since it was made.
    """
    from pipeline.corrections import keep

    if standing_of(choice.request) != choice.corrections:
        choice = choose(choice.request)
    keep(choice.request.folder / WORK / CORRECTIONS, choice.corrections)
    return choice


def _run(choice: Choice, on_event: Callable[[StageEvent], None], begin: float) -> Result:
    from pipeline.media.container import MediaError

    planned = plan(choice)
    folder, settings = choice.request.folder, _as_run(planned, on_event)
    outcome = run_graph(planned.stages, planned.sources, settings)
    if isinstance(problem := outcome.failed.get("probe"), MediaError):
        raise problem
    for error in outcome.failed.values():
        if sentence := _trouble(error, folder):
            raise _StoppedError(sentence) from error
    settings.check_watched()
    replaced = _other_video(folder, planned.sources["source"].digest)
    analysis = (
        read_record(outcome.artifacts["analysis"].path / ANALYSIS_FILE, Analysis)
        if "analysis" in outcome.artifacts
        else None
    )
    made = _made(outcome)
    files, unread = _publish(choice, planned.sources["source"].digest, made, analysis)
    kept = {artifact.path for artifact in outcome.artifacts.values()}
    planned.store.sweep(kept, KEPT_PER_STAGE, STAGE_NAMES)
    losses = _losses(outcome, analysis)
    result = Result(
        analysis=analysis,
        out=folder,
        files=files,
        missing=_missing(outcome, folder / WORK / ERRORS) | unread,
        warnings=(
            *replaced,
            *choice.corrections.notes,
            *_repaired(outcome),
            *dict.fromkeys((*losses, *_sentences(outcome, WARNINGS_FILE))),
        ),
        ran=outcome.ran,
        seconds=round(time.perf_counter() - begin, 2),
        losses=losses,
    )
    facts = _run_facts(planned, outcome, result)
    facts["corrected"] = asdict(choice.corrected.facts) if choice.corrected is not None else None
    facts["digests"] = {name: file.digest for name, file in made.items()}
    write_state(folder / RUN_FILE, facts)
    return result


def _publish(
    choice: Choice, video: str, made: Mapping[str, Made], analysis: Analysis | None
) -> tuple[tuple[Path, ...], dict[str, str]]:
    """Publish, and write down what a person may now edit: the files, and those edited too late to be read."""
    from pipeline.corrections import FILES, NO_WORDS, RECOGNISER, Published, record

    folder, state = choice.request.folder, choice.corrections
    home = folder / WORK / CORRECTIONS
    digests = {name: made[name].digest for name in FILES if name in made}
    before = state.published or Published(video, {}, NO_WORDS)
    transcript = analysis.transcript if analysis is not None else before.transcript
    card = analysis.models.get(RECOGNISER) if analysis is not None else before.card
    is_corrected = choice.corrected is not None if analysis is not None else before.is_corrected

    def note(kept: Mapping[str, Iterable[str]]) -> None:
        both = {name: [*kept.get(name, ()), *([digests[name]] if name in digests else [])] for name in FILES}
        both = {name: list(dict.fromkeys(of_one)) for name, of_one in both.items() if of_one}
        if both or home.is_dir():
            record(home, Published(video, both, transcript, is_corrected, card))

    def replaceable(name: str) -> frozenset[str] | None:
        known = state.replaceable(name)
        return known if known is None or name not in digests else known | {digests[name]}

    note(before.digests)
    files = publish(folder, made, replaceable)
    late = spared(folder, made, [name for name in FILES if state.published is not None])
    note({name: before.digests.get(name, ()) for name in late})
    reason = "it was edited during the run and is left as it is; run the same command again to have it read"
    return files, dict.fromkeys(late, reason)


def _made(outcome: Outcome) -> dict[str, Made]:
    """Every file the writers made, by name."""
    made: dict[str, Made] = {}
    for stage in WRITERS:
        if stage in outcome.artifacts:
            path = outcome.artifacts[stage].path
            digests = artifact_files(path)
            names = sorted(digests.keys() - NOT_PUBLISHED)
            made |= {name: Made(path / name, digests[name]) for name in names}
    return made


def _trouble(error: BaseException, folder: Path) -> str | None:
    """The sentence for an error that is the disk's, or that of someone who removed what we work in."""
    gone = [path for path in (folder, folder / WORK, folder / WORK / ARTIFACTS) if not path.is_dir()]
    if not gone and isinstance(error, FileNotFoundError) and error.filename:
        gone = [path for path in (Path(os.fsdecode(error.filename)),) if folder / WORK in path.parents]
    return f"{gone[0]} vanished during the run; {AGAIN}" if gone else disk_trouble(error, folder)


def _other_video(folder: Path, digest: str) -> tuple[str, ...]:
    """A warning when the folder holds results of another video of the same name."""
    before = read_run(folder)
    if before is None or before.sha256 == digest:
        return ()
    return (f"{folder} held results of another video ({before.video}); they were replaced",)


def _repaired(outcome: Outcome) -> tuple[str, ...]:
    if not outcome.repaired:
        return ()
    return (f"what lay in {WORK} of {', '.join(outcome.repaired)} was damaged and has been made again",)


def _as_run(planned: Plan, on_event: Callable[[StageEvent], None]) -> Run:
    def tidied(event: StageEvent) -> None:
        if event.state == "done":
            give_back()
        on_event(event)

    return Run(
        settings=planned.settings,
        keys=planned.keys,
        store=planned.store,
        workers=planned.request.config.run.workers or os.cpu_count() or 1,
        force=planned.request.force,
        watched=planned.watched,
        peak_memory_mb=peak_memory_mb,
        on_event=tidied,
    )


def peak_memory_mb() -> float:
    """Largest resident memory so far of this process or of one child (ffmpeg), in MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    usage = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return max(usage) * unit / 1e6


def _missing(outcome: Outcome, errors: Path) -> dict[str, str]:
    reasons = {stage: _reason(stage, error, errors) for stage, error in outcome.failed.items()}
    blocked = {stage: f"it needs {', '.join(lost)}" for stage, lost in outcome.blocked.items()}
    return reasons | blocked


def _reason(stage: str, error: BaseException, errors: Path) -> str:
    """One sentence; the traceback of an error that no stage foresees goes into a file that it names."""
    from pipeline.media.container import MediaError
    from pipeline.media.encode import EncodeError

    message = one_sentence(error)
    if isinstance(error, (MediaError, EncodeError, ModelError, ConfigError, UsageError, CancelledError)):
        return message
    path, sentence = (
        errors / f"{stage}.txt",
        f"internal error in stage {stage}: {type(error).__name__}: {message}",
    )
    try:
        private_folder(errors)
        write_private(path, "".join(traceback.format_exception(error)))
    except OSError:  # the sentence is worth more than the file
        return sentence
    return f"{sentence}; the traceback is in {path}"


def _losses(outcome: Outcome, analysis: Analysis | None) -> tuple[str, ...]:
    media = analysis.media.warnings if analysis else ()
    return tuple(dict.fromkeys((*media, *_sentences(outcome, LOSSES_FILE))))


def _sentences(outcome: Outcome, name: str) -> tuple[str, ...]:
    """The lines of every file of this name that a stage left."""
    files = (artifact.path / name for artifact in outcome.artifacts.values())
    texts = (path.read_text(encoding="utf-8") for path in files if path.is_file())
    return tuple(line for text in texts for line in text.splitlines() if line)


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
        "digests_in_keys": dict(planned.resolved.models),
        "models": {
            modality: {"id": c.id, "revision": c.revision, "sha256": c.sha256, "licence": c.licence}
            for modality, c in models.items()
        },
        "stages": {
            stage.name: {
                "state": _state(stage.name, outcome),
                "seconds": made.made_in_s if made else None,
                "process_peak_memory_mb": made.peak_memory_mb if made else None,
            }
            for stage in planned.stages
            for made in [outcome.artifacts.get(stage.name)]
        },
        "missing": dict(result.missing),
        "warnings": list(result.warnings),
        "losses": list(result.losses),
        "files": [path.name for path in result.files],
    }


def _state(stage: str, outcome: Outcome) -> str:
    if stage in outcome.failed:
        return "failed"
    if stage in outcome.blocked:
        return "blocked"
    return "ran" if stage in outcome.ran else "cached"
