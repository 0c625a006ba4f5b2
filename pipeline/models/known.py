"""Models outside the package: those listed in ``cards.toml`` and any Transformers folder or hub id."""

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from pipeline.labels import canonical_map
from pipeline.models.cards import ModelError, cache_folder, file_sha256, folder_sha256
from pipeline.records import CARD_FILE, read_record
from pipeline.types import ModelCard

LOCK_NAME = "lock.json"
LOCKS = TypeAdapter(dict[str, dict[str, str | dict[str, str]]])
# Both parts become folders of the cache: what could lead out of it is no id.
HUB_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*/[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a model. No ``url``: it comes from the hub. No ``sha256``: the first pull records it."""

    path: str
    url: str = ""
    sha256: str = ""
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model that can be pulled; ``labels`` are in output order, ``size_bytes`` is what it takes on disk."""

    id: str
    modality: str
    backend: str
    revision: str
    licence: str
    files: tuple[RemoteFile, ...]
    labels: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    temperature: float = 1.0
    source: str = ""
    notes: str = ""
    size_bytes: int = 0
    folder: str = ""
    optional: bool = False  # pulled only when named

    @property
    def home(self) -> Path:
        """The folder its files live in."""
        return cache_folder() / (self.folder or self.id)

    @property
    def is_here(self) -> bool:
        """Whether every file is on this machine."""
        return all((self.home / file.path).is_file() for file in self.files)

    def card(self) -> ModelCard:
        """Its card; ``sha256`` is empty while the model is not on this machine."""
        return ModelCard(
            id=self.id,
            modality=self.modality,
            revision=self.revision,
            sha256=recorded_sha256(self),
            licence=self.licence,
            labels=self.labels,
            canonical=canonical_map(self.labels) if self.labels else {},
            temperature=self.temperature,
            languages=self.languages,
            source=self.source,
            notes=self.notes,
        )


def is_hub_id(name: str) -> bool:
    """Whether ``name`` has the form of a hub id (``owner/model``)."""
    return HUB_ID.fullmatch(name) is not None and ".." not in name


@cache
def known_models() -> tuple[KnownModel, ...]:
    """Every model of ``cards.toml``, in file order."""
    listed = tomllib.loads((Path(__file__).parent / "cards.toml").read_text(encoding="utf-8"))["model"]
    return TypeAdapter(tuple[KnownModel, ...]).validate_python(listed)


def find_known(name: str) -> KnownModel | None:
    """The listed model with this id or, for a folder, the one whose id the folder's path ends with."""
    tail = "/".join(Path(name).parts[-2:])
    return next((model for model in known_models() if model.id in (name, tail)), None)


def known_for(backend: str) -> KnownModel:
    """The listed model behind a back-end's short name (``hubert``, ``xlm-roberta``). Raises ModelError."""
    for model in known_models():
        if model.backend == backend:
            return model
    raise ModelError(
        f"no listed model belongs to the back-end {backend!r}; see `emotion-pipeline models list`"
    )


def checked_files(model: KnownModel) -> dict[str, Path]:
    """The model's files by the name they are listed under, their content held against the pinned digests.

    Everything is read once; a file that was changed on this machine is never used.

    Raises:
        ModelError: a file is missing, cannot be read, or holds another content.
    """
    recorded = read_lock().get(model.id, {}).get("files", {})
    paths = {file.path: model.home / file.path for file in model.files}
    for file in model.files:
        path = paths[file.path]
        again = f"run `emotion-pipeline models pull {model.id}`"
        if not path.is_file():
            raise ModelError(f"the model {model.id} is not on this machine; {again}")
        try:
            digest = file_sha256(path)
        except OSError as error:
            raise ModelError(f"{path} cannot be read ({error.strerror}); delete it and {again}") from error
        if digest != (file.sha256 or recorded.get(file.path, digest)):
            raise ModelError(f"{path} is not the file {model.id} was published with; delete it and {again}")
    return paths


def read_lock() -> dict[str, dict[str, Any]]:
    """What earlier pulls recorded: model id to ``{"revision": …, "files": {path: sha256}}``."""
    path = cache_folder() / LOCK_NAME
    if not path.is_file():
        return {}
    damaged = ModelError(f"{path} is damaged; delete it and run `emotion-pipeline models pull`")
    try:
        lock = LOCKS.validate_json(path.read_bytes(), strict=True)
    except ValueError:
        raise damaged from None
    for name, entry in lock.items():
        if not (is_hub_id(name) or is_hub_id(f"listed/{name}")):
            raise damaged
        if not (isinstance(entry.get("revision"), str) and isinstance(entry.get("files"), dict)):
            raise damaged
    return lock


def recorded_sha256(model: KnownModel) -> str:
    """One digest for a pulled model, from what was checked when it was pulled: nothing is read anew.

    A model put there by hand has no record; its files are hashed. Empty when the model is not here.
    """
    if not model.is_here:
        return ""
    recorded = read_lock().get(model.id, {}).get("files", {})
    digests = {
        file.path: str(recorded.get(file.path) or file_sha256(model.home / file.path)) for file in model.files
    }
    return next(iter(digests.values())) if len(digests) == 1 else _digest(digests)


def transformers_card(name: str, modality: str, where: str) -> ModelCard:
    """Card of a Transformers model: the one in its folder, the listed one, or one read from ``config.json``.

    Args:
        name: the folder or hub id the user gave.
        modality: what it reads.
        where: the folder it was found in.

    Raises:
        ModelError: its card cannot be read, or the configuration does not say which output is which emotion.
    """
    if (Path(where) / CARD_FILE).is_file():
        return _own_card(Path(where), modality)
    known = find_known(name)
    if known is not None:
        card = known.card()
        return card if card.sha256 else replace(card, sha256=folder_sha256(Path(where)))
    config = json.loads((Path(where) / "config.json").read_text(encoding="utf-8"))
    names = {int(i): str(label) for i, label in (config.get("id2label") or {}).items()}
    labels = tuple(names[i] for i in sorted(names))
    try:
        canonical = canonical_map(labels)
    except ValueError as error:
        raise ModelError(
            f"the model {name} does not name its emotions ({error}); put the names, in output order, "
            "into id2label of its config.json"
        ) from None
    return ModelCard(
        id=name,
        modality=modality,
        revision=str(read_lock().get(name, {}).get("revision", config.get("_commit_hash") or "local")),
        sha256=_folder_digest(name, Path(where)),
        licence="see the model's own page",
        labels=labels,
        canonical=canonical,
        source=name,
    )


def _own_card(folder: Path, modality: str) -> ModelCard:
    """The card a training left in the folder; its digest covers all files, the card itself among them."""
    try:
        card = read_record(folder / CARD_FILE, ModelCard)
    except ValidationError:
        raise ModelError(f"{folder / CARD_FILE} is damaged; train the model again") from None
    if card.modality != modality:
        raise ModelError(f"the model in {folder} reads {card.modality}, not {modality}; give another folder")
    return replace(card, sha256=folder_sha256(folder))


def _folder_digest(name: str, where: Path) -> str:
    files = read_lock().get(name, {}).get("files", {})
    return _digest(files) if files else folder_sha256(where)


def _digest(files: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(dict(files), sort_keys=True).encode()).hexdigest()
