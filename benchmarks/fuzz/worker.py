"""A process that puts one damaged file after the other through the product's own stages.

    python -m benchmarks.fuzz.worker        tasks come as JSON lines, answers go out as JSON lines

It calls what `analyze` calls: ``pipeline.plan.plan`` and the ``run`` of the stages in ``pipeline.graph``.
"""

import contextlib
import json
import os
import re
import resource
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MAX_FILE_BYTES = 1 << 30  # a runaway file ends there and is counted
RIM = ("probe", "audio", "faces")
FILM = ("moments", "fuse", "conflicts", "analysis", "film")
SENTENCES_IN = ("warnings.txt", "losses.txt")
EXPECTED = ("MediaError", "EncodeError", "UsageError", "ConfigError", "ModelError", "NotEnoughSpaceError")
SILENT = ("probe", "audio", "speech")


def main() -> None:
    """Answer tasks until the input ends."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE_BYTES, MAX_FILE_BYTES))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not come between
    for line in sys.stdin:
        task = json.loads(line)
        _forget_peak()
        begin = time.perf_counter()
        answer = MADE_BY[task["kind"]](task)
        answer |= {"seconds": round(time.perf_counter() - begin, 3), "peak_mb": _peak_mb()}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def media(task: Mapping[str, Any]) -> dict[str, Any]:
    """Probe, sound, frames, and where asked the film; ``out`` is the caller's to remove."""
    out = Path(task["out"])
    settings = {
        "run": {"profile": "compact", "only": ["face", "voice"]},
        "face": {"sample_fps": task["sample_fps"]},
        "film": {"enabled": task["film"]},
    }
    answer: dict[str, Any] = {"errors": {}, "uncaught": "", "sentences": []}
    made = _made(answer, task, settings, (*RIM, *(FILM if task["film"] else ())), {})
    written = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return answer | _seen(made) | {"written_mb": round(written / 1e6, 1)}


def subtitles(task: Mapping[str, Any]) -> dict[str, Any]:
    """The lines that the stage `transcript` reads from a subtitle file given for a film without sound."""
    settings = {"run": {"profile": "compact", "only": ["text"]}, "film": {"enabled": False}}
    answer: dict[str, Any] = {"errors": {}, "uncaught": "", "sentences": [], "text": ""}
    if task["video"] not in _silent:
        before = {"path": task["video"], "out": f"{task['before']}-{os.getpid()}"}
        _silent[task["video"]] = _made({**answer}, before, settings, SILENT, {})
    ready = _silent[task["video"]]
    made = _made(answer, task, settings, ("words",), ready)
    if "words" in made:
        transcript = json.loads((made["words"] / "transcript.json").read_text(encoding="utf-8"))
        answer["text"] = " ".join(line["text"] for line in transcript["utterances"])
    return answer


# What a film without sound brings to its subtitles, by the film's path: made once a process.
_silent: dict[str, dict[str, Path]] = {}


def _made(
    answer: dict[str, Any],
    task: Mapping[str, Any],
    settings: Mapping[str, Any],
    names: tuple[str, ...],
    ready: Mapping[str, Path],
) -> dict[str, Path]:
    """Plan ``task`` and run the stages ``names``; what is ready and what was made, errors in ``answer``."""
    from pipeline.config import config_from_mapping
    from pipeline.plan import Request, choose, plan

    out, words = Path(task["out"]), task.get("transcript")
    video, given = Path(task.get("video", task["path"])), Path(words) if words else None
    try:
        planned = plan(choose(Request(video, config_from_mapping(settings), out, given)))
    except Exception as error:
        _note(answer, "plan", error)
        return {}
    made = {**ready, **{name: artifact.path for name, artifact in planned.sources.items()}}
    for stage in (stage for stage in planned.stages if stage.name in names):
        if any(name not in made for name in stage.needs):
            continue
        folder = out / stage.name
        folder.mkdir(parents=True)
        inputs = {name: made[name] for name in (*stage.needs, *stage.wants) if name in made}
        try:
            stage.run(inputs, planned.settings.get(stage.name), folder, lambda fraction: None)
        except Exception as error:
            _note(answer, stage.name, error)
            continue
        made[stage.name] = folder
        answer["sentences"] += sentences(folder)
    return made


def sentences(folder: Path) -> list[str]:
    """What a stage says to the person who runs it."""
    paths = (folder / name for name in SENTENCES_IN)
    return [line for path in paths if path.is_file() for line in path.read_text("utf-8").splitlines() if line]


def _seen(made: Mapping[str, Path]) -> dict[str, Any]:
    """Frames and loud windows of sound in what the stages left."""
    import numpy as np

    from benchmarks.fuzz.reference import loud_windows

    seen: dict[str, Any] = {
        "frames": 0,
        "sound_windows": 0,
        "film_frames": None,
        "refused": "probe" not in made,
    }
    if "faces" in made:
        seen["frames"] = len(np.load(made["faces"] / "frames.npy"))
    if "audio" in made:
        seen["sound_windows"] = loud_windows(np.load(made["audio"] / "audio.npy", mmap_mode="r"))
    if "film" in made:
        film = made["film"] / "annotated.mp4"
        seen["film_frames"] = _packets(film) if film.is_file() else 0
    return seen


def _packets(film: Path) -> int:
    import av

    with av.open(str(film)) as container:
        return sum(packet.pts is not None for packet in container.demux(video=0))


def _note(answer: dict[str, Any], stage: str, error: Exception) -> None:
    """Put an error down: expected ones say one sentence, the others are bugs."""
    sentence = str(error).strip()
    answer["errors"][stage] = f"{type(error).__name__}: {sentence}"
    if type(error).__name__ not in EXPECTED or "\n" in sentence or not sentence:
        answer["uncaught"] += "".join(traceback.format_exception(error))[-3000:]


def _forget_peak() -> None:
    """Let the kernel count this process's peak memory anew (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak_mb() -> float:
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    match = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(match[1]) / 1e3 if match else 0.0


MADE_BY = {"media": media, "subtitles": subtitles}

if __name__ == "__main__":
    main()
