"""From a back-end's name to a loaded model: the one way a modality gets its model."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any

from pipeline.models.cards import ModelError
from pipeline.models.known import is_hub_id
from pipeline.records import CARD_FILE

TRANSFORMERS, OURS = "transformers", "compact"

# Stages run in threads, and the lazy imports of transformers break when two threads load at the same time.
_loading = Lock()


def is_folder(name: str, backends: Mapping[str, str]) -> bool:
    """Whether ``name`` is a model folder; a name in ``backends`` never is, whatever lies there."""
    return name not in backends and Path(name).is_dir()


def load_backend(backends: Mapping[str, str], name: str, device: str) -> Any:
    """Import and call the loader of ``name``; heavy imports happen here and not before.

    ``backends`` maps a name to ``module:function`` with signature ``(name, device) -> back-end``. A name that
    is a folder, or a hub id (``owner/model``), goes to the entry ``transformers``; a folder with a card but
    no ``config.json``, which one of our own trainings left, to ``compact``.

    Raises:
        ModelError: no such back-end, or its weights are not on this machine.
    """
    key = name
    if is_folder(name, backends) or (name not in backends and is_hub_id(name)):
        ours = (Path(name) / CARD_FILE).is_file() and not (Path(name) / "config.json").is_file()
        key = OURS if ours else TRANSFORMERS
    if key not in backends:
        raise ModelError(
            f"unknown back-end {name!r}; choose one of {', '.join(backends)}, a folder or a hub id"
        )
    module, function = backends[key].split(":")
    with _loading:
        return getattr(import_module(module), function)(name, device)
