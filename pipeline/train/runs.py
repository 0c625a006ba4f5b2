"""The folder of a training run: new, unfinished and gone on with, or finished and kept."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.train.examples import DataError

SETTINGS_FILE, MODEL_FOLDER, DONE_FILE = "settings.json", "model", "finished"


def check_run(folder: Path, settings: Mapping[str, Any], force: bool) -> None:
    """What :func:`open_run` would refuse, before anything is written.

    Raises:
        DataError: the run is finished, has other settings, or the folder holds something else.
    """
    path = folder / SETTINGS_FILE
    if folder.exists() and any(folder.iterdir()) and not path.is_file():
        raise DataError(f"{folder} holds something else than a training; give another --name")
    if force or not path.is_file():
        return
    changed = _changed(json.loads(path.read_text(encoding="utf-8")), _told(settings))
    if changed:
        raise DataError(
            f"{folder} has other settings ({', '.join(changed)}); give another --name, or --force"
        )
    if (folder / DONE_FILE).is_file():
        raise DataError(f"{folder} is finished; give another --name, or --force to train it again")


def open_run(folder: Path, settings: Mapping[str, Any], force: bool) -> bool:
    """Make the folder, or find an unfinished run of the same settings in it; True when there is one.

    Raises:
        DataError: the run is finished, has other settings, or the folder holds something else.
    """
    check_run(folder, settings, force)
    path = folder / SETTINGS_FILE
    if force and folder.exists():
        shutil.rmtree(folder)
    if path.is_file():
        return True
    folder.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(path.name + ".part")
    scratch.write_text(json.dumps(_told(settings), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    scratch.replace(path)
    return False


def close_run(folder: Path) -> None:
    """Mark the run as finished; what only a resumption needs goes away."""
    (folder / DONE_FILE).touch()
    for path in folder.rglob("checkpoint.pt"):
        path.unlink()


def _told(settings: Mapping[str, Any]) -> Any:
    return json.loads(json.dumps(settings, default=str))


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
