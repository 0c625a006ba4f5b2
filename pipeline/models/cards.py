"""Which models there are: shipped cards beside their weights, known ones in ``cards.toml``.

A shipped model is ``weights/<id>.onnx`` (plus any other ``weights/<id>.*`` it needs) with
``weights/<id>.card.json``, both written by its training command. A known model is fetched by
``models pull`` into the cache folder, never during an analysis.
"""

import hashlib
import json
import os
from pathlib import Path

from platformdirs import user_cache_path

from pipeline.records import read_record
from pipeline.types import ModelCard

WEIGHTS = Path(__file__).parent / "weights"
CACHE_VARIABLE = "EMOTION_PIPELINE_MODELS"


class ModelError(RuntimeError):
    """A model that cannot be used; the message is one sentence that says what to do next."""


def cache_folder() -> Path:
    """Where fetched models live; the environment variable ``EMOTION_PIPELINE_MODELS`` overrides it."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen) if chosen else user_cache_path("emotion-pipeline") / "models"


def shipped_card(model_id: str) -> ModelCard:
    """Card of a model inside the package. Raises ModelError when there is none."""
    path = WEIGHTS / f"{model_id}.card.json"
    if not path.is_file():
        raise ModelError(f"the package carries no model {model_id!r}; reinstall it")
    return read_record(path, ModelCard)


def file_sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def folder_sha256(folder: Path) -> str:
    """Digest of all files below a model folder, by relative name and content."""
    digests = {
        str(path.relative_to(folder)): file_sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()
