"""One analysis from a request to a folder of results: plan, run, publish, account for it."""

import errno
import json
import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline.engine.runner import Outcome, Run, StageEvent, run_graph
from pipeline.engine.store import MANIFEST
from pipeline.graph import WRITERS
from pipeline.memory import give_back
from pipeline.models.cards import one_sentence
from pipeline.plan import Plan, Request, UsageError, nothing_left_behind, plan
from pipeline.publish import publish, write_atomically
from pipeline.records import ANALYSIS_FILE, WARNINGS_FILE, read_record
from pipeline.types import Analysis

RUN_FILE = "run.json"
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


def run(request: Request, on_event: Callable[[StageEvent], None] = lambda event: None) -> Result:
    """Run the analysis and publish what it made.

    Raises:
        UsageError, ConfigError, MediaError, ModelError: the sentence says what to do.
        KeyboardInterrupt: finished stages are kept.
    """
    try:
        return _run(request, on_event)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise _disk_full(request.folder) from error


def _run(request: Request, on_event: Callable[[StageEvent], None]) -> Result:
    from pipeline.media.container import MediaError

    begin = time.perf_counter()
    with nothing_left_behind(request.folder):
        planned = plan(request)
        outcome = run_graph(planned.stages, planned.sources, _as_run(planned, on_event))
        if isinstance(problem := outcome.failed.get("probe"), MediaError):
            raise problem
    if full := next((e for e in outcome.failed.values() if _disk_is_full(e)), None):
        raise _disk_full(request.folder) from full
    folder = request.folder
    replaced = _other_video(folder, planned.sources["source"].digest)
    files = publish(folder, _made(outcome))
    planned.store.sweep({artifact.path for artifact in outcome.artifacts.values()}, KEPT_PER_STAGE)
    analysis = (
        read_record(outcome.artifacts["analysis"].path / ANALYSIS_FILE, Analysis)
        if "analysis" in outcome.artifacts
        else None
    )
    result = Result(
        analysis=analysis,
        out=folder,
        files=files,
        missing=_missing(outcome),
        warnings=(*replaced, *_warnings(outcome, analysis)),
        ran=outcome.ran,
        seconds=round(time.perf_counter() - begin, 2),
    )
    write_atomically(folder / RUN_FILE, json.dumps(_run_facts(planned, outcome, result), indent=1))
    return result


def _made(outcome: Outcome) -> dict[str, Path]:
    """Name to path of every file the writers made."""
    made: dict[str, Path] = {}
    for stage in WRITERS:
        if stage in outcome.artifacts:
            source = outcome.artifacts[stage].path
            made |= {f.name: f for f in sorted(source.iterdir()) if f.name not in (MANIFEST, WARNINGS_FILE)}
    return made


def _disk_is_full(error: BaseException) -> bool:
    return getattr(error, "errno", None) == errno.ENOSPC or "disk is full" in str(error)


def _disk_full(folder: Path) -> UsageError:
    return UsageError(
        f"the disk is full where {folder} lies; make room and run the same command, finished stages are kept"
    )


def _other_video(folder: Path, digest: str) -> tuple[str, ...]:
    """A warning when the folder holds results of another video of the same name."""
    try:
        before = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ()
    if before.get("sha256") in (None, digest):
        return ()
    return (f"{folder} held results of another video ({before.get('video')}); they were replaced",)


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
        peak_memory_mb=peak_memory_mb,
        on_event=tidied,
    )


def peak_memory_mb() -> float:
    """Largest resident memory so far of this process or of one child (ffmpeg), in MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    usage = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return max(usage) * unit / 1e6


def _missing(outcome: Outcome) -> dict[str, str]:
    reasons = {stage: one_sentence(error) for stage, error in outcome.failed.items()}
    blocked = {stage: f"it needs {', '.join(lost)}" for stage, lost in outcome.blocked.items()}
    return reasons | blocked


def _warnings(outcome: Outcome, analysis: Analysis | None) -> tuple[str, ...]:
    found: list[str] = list(analysis.media.warnings) if analysis else []
    for artifact in outcome.artifacts.values():
        path = artifact.path / WARNINGS_FILE
        if path.is_file():
            found += path.read_text(encoding="utf-8").splitlines()
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
        "files": [path.name for path in result.files],
    }


def _state(stage: str, outcome: Outcome) -> str:
    if stage in outcome.failed:
        return "failed"
    if stage in outcome.blocked:
        return "blocked"
    return "ran" if stage in outcome.ran else "cached"
