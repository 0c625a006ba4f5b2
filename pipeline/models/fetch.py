"""Fetches models into the cache folder: the only code of the package that uses the network.

Every address is tried once, all at the same time and for three seconds at most, before anything else happens:
without a network a pull says so at once. A file is written under a temporary name, checked, and renamed.
"""

import glob
import json
import os
import re
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.models.cards import ModelError, cache_folder, file_sha256
from pipeline.models.download import download, read_url
from pipeline.models.formats import begins_as_named
from pipeline.models.known import (
    LOCK_NAME,
    KnownModel,
    RemoteFile,
    find_known,
    is_hub_id,
    known_models,
    read_lock,
)

PROBE_S = 3.0
FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")  # of a hub model, beside its config.json
HUB_VARIABLE = "HF_ENDPOINT"  # the hub client's own name for a mirror

# (model id, file, bytes done, bytes in all; 0 when the server does not say)
Progress = Callable[[str, str, int, int], None]

# What a Transformers model needs besides its weights.
_SUPPORT = (
    "config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json",
    "special_tokens_map.json", "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt",
    "sentencepiece.bpe.model", "spiece.model", "tokenizer.model",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of ``models list``."""

    model: KnownModel
    is_here: bool
    is_pinned: bool  # the digest of every file was known before the first pull


@dataclass(frozen=True, slots=True)
class Verified:
    """One file looked at by ``models verify``; ``state`` is one of ok, changed, missing, unrecorded."""

    model_id: str
    path: Path
    state: str


def list_models() -> tuple[Listed, ...]:
    """Every listed model and whether it is on this machine."""
    return tuple(
        Listed(model, model.is_here, all(file.sha256 for file in model.files)) for model in known_models()
    )


def hub() -> str:
    """Address of the model hub; the environment variable ``HF_ENDPOINT`` names a mirror."""
    return os.environ.get(HUB_VARIABLE, "https://huggingface.co").rstrip("/")


def pull(ids: Sequence[str], progress: Progress | None = None) -> tuple[str, ...]:
    """Fetch models that are not here yet; without ids, every listed one that is not optional.

    Args:
        ids: listed ids, back-end names (``hubert``) or hub ids (``owner/model``).
        progress: called while a file comes in.

    Returns:
        The ids fetched now.

    Raises:
        ModelError: unknown id, no network, a server's refusal, or a file with another content than expected.
            What can be fetched is fetched all the same and stays; of a failing model nothing is left.
    """
    wanted = [_resolve(name) for name in ids] or [model for model in known_models() if not model.optional]
    missing = [item for item in wanted if not _is_here(item)]
    if not missing:
        return ()
    unreachable = probe({_host(url) for item in missing for url in _addresses(item)}, PROBE_S)
    left = [item for item in missing if unreachable & {_host(url) for url in _addresses(item)}]
    fetched, failures = [], []
    for item in missing:
        if item not in left:
            try:
                model = _ask_hub(item) if isinstance(item, str) else item
                _fetch(model, progress or _no_progress)
                fetched.append(model.id)
            except ModelError as error:
                failures.append(f"{_name(item)} could not be fetched: {error}")
    if left:
        names = ", ".join(map(_name, left))
        failures.append(
            f"{', '.join(sorted(unreachable))} cannot be reached, so {names} could not be fetched; the "
            "models in the package work without, try `emotion-pipeline models pull` again with a network"
        )
    if failures:
        raise ModelError(" | ".join(failures))
    return tuple(fetched)


def verify(ids: Sequence[str] = ()) -> tuple[Verified, ...]:
    """Hash every fetched file again and hold it against the pinned or recorded digest.

    Args:
        ids: as for :func:`pull`; the files of a model named here that was never fetched are missing.

    Raises:
        ModelError: an id that is neither listed nor was ever pulled.
    """
    lock = read_lock()
    chosen = {_name(item) for item in map(_resolve, ids)}
    known = {model.id for model in known_models()}
    if strange := sorted(chosen - known - lock.keys()):
        raise ModelError(
            f"{', '.join(strange)} was never fetched; run `emotion-pipeline models pull` with it"
        )
    expected: dict[str, dict[str, str]] = {name: dict(entry["files"]) for name, entry in lock.items()}
    homes = {name: cache_folder() / name for name in lock}
    for model in known_models():
        if model.is_here or model.id in lock or model.id in chosen:
            recorded = expected.get(model.id, {})
            expected[model.id] = {
                file.path: file.sha256 or recorded.get(file.path, "") for file in model.files
            }
            homes[model.id] = model.home
    results = []
    for name in sorted(expected):
        for path, digest in expected[name].items() if not ids or name in chosen else ():
            results.append(Verified(name, homes[name] / path, _state(homes[name] / path, digest)))
    return tuple(results)


def probe(addresses: Iterable[str], timeout_s: float) -> set[str]:
    """Ask all addresses at once; return those that did not answer within ``timeout_s`` in all.

    Any answer counts, an error page too. The threads are daemons: a name server that hangs holds nothing up.
    """
    answered: set[str] = set()

    def ask(address: str) -> None:
        try:
            request = urllib.request.Request(address, method="HEAD")
            urllib.request.urlopen(request, timeout=timeout_s).close()
        except urllib.error.HTTPError as error:
            error.close()
        except (OSError, ValueError):
            return
        answered.add(address)

    asked = set(addresses)
    threads = [threading.Thread(target=ask, args=(address,), daemon=True) for address in sorted(asked)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + timeout_s
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return asked - answered


def _no_progress(model_id: str, path: str, done: int, total: int) -> None:
    pass


def _resolve(name: str) -> KnownModel | str:
    """The listed model called ``name``, or the name itself when it is a hub id. Raises ModelError."""
    known = find_known(name) or next((m for m in known_models() if m.backend == name), None)
    if known is not None:
        return known
    if is_hub_id(name):
        return name
    listed = ", ".join(model.id for model in known_models())
    raise ModelError(f"there is no model {name!r} to pull; choose one of {listed}, or a hub id (owner/model)")


def _name(item: KnownModel | str) -> str:
    return item if isinstance(item, str) else item.id


def _is_here(item: KnownModel | str) -> bool:
    if not isinstance(item, str):
        return item.is_here
    files = read_lock().get(item, {}).get("files", {})
    return bool(files) and all((cache_folder() / item / path).is_file() for path in files)


def _addresses(item: KnownModel | str) -> list[str]:
    if isinstance(item, str):
        return [hub()]
    return [file.url or hub() for file in item.files]


def _host(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _ask_hub(hub_id: str) -> KnownModel:
    """Revision and files of a model that is not listed. Raises ModelError."""
    answer = read_url(f"{hub()}/api/models/{hub_id}")
    try:
        about: dict[str, Any] = json.loads(answer)
        revision = str(about["sha"])
        listed = (str(entry["rfilename"]) for entry in about["siblings"])
        names = {name for name in listed if FILE_NAME.fullmatch(name)}
        licence = str((about.get("cardData") or {}).get("license", "see the model's own page"))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ModelError(
            f"{hub()} does not answer about {hub_id} as the model hub does; sign in to the network or check "
            f"{HUB_VARIABLE}, then try again"
        ) from None
    weights = sorted(
        n for n in names if n.startswith("model") and n.endswith((".safetensors", ".safetensors.index.json"))
    )
    weights = weights or sorted(
        n for n in names if n.startswith("pytorch_model") and n.endswith((".bin", ".bin.index.json"))
    )
    if "config.json" not in names or not weights:
        raise ModelError(f"{hub_id} is not a Transformers model with weights; choose another")
    support = sorted((n for n in _SUPPORT if n in names), key=lambda n: n == "config.json")
    return KnownModel(
        id=hub_id,
        modality="",
        backend="transformers",
        revision=revision,
        licence=licence,
        files=tuple(RemoteFile(path) for path in [*weights, *support]),
    )


def _fetch(model: KnownModel, progress: Progress) -> None:
    recorded = read_lock().get(model.id, {})
    known = recorded.get("files", {}) if recorded.get("revision") == model.revision else {}
    digests: dict[str, str] = {}
    placed: list[tuple[Path, Path]] = []
    try:
        for file in model.files:
            target = model.home / file.path
            temporary = target.with_name(f".{target.name}.{os.getpid()}.partial")
            target.parent.mkdir(parents=True, exist_ok=True)
            _sweep(target)
            placed.append((temporary, target))
            report = partial(progress, model.id, file.path)
            digests[file.path] = download(_address(model, file), temporary, report)
            if not begins_as_named(temporary, file.path):
                raise ModelError(
                    f"{model.id}: {file.path} came with another content than its name says, a web page "
                    "perhaps; nothing was kept, sign in to the network and try again"
                )
            expected = file.sha256 or known.get(file.path)
            if expected and digests[file.path] != expected:
                raise ModelError(
                    f"{model.id}: {file.path} came with sha256 {digests[file.path][:12]}… instead of "
                    f"{expected[:12]}…; nothing was kept, try again or ask whoever runs the mirror"
                )
        _record(model, digests)
        for temporary, target in placed:
            temporary.replace(target)
    except OSError as error:
        raise ModelError(f"{model.id} cannot be written to {model.home}: {error.strerror or error}") from None
    finally:
        for temporary, _ in placed:
            temporary.unlink(missing_ok=True)
        _remove_empty(model.home)


def _sweep(target: Path) -> None:
    """Remove what pulls that were killed left of a file."""
    for path in target.parent.glob(f".{glob.escape(target.name)}.*.partial"):
        process = path.name.split(".")[-2]
        if process.isdecimal() and not _is_alive(int(process)):
            path.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    if os.name == "nt":  # there the question would end the process
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _address(model: KnownModel, file: RemoteFile) -> str:
    return file.url or f"{hub()}/{model.id}/resolve/{model.revision}/{urllib.parse.quote(file.path)}"


def _record(model: KnownModel, digests: dict[str, str]) -> None:
    lock = {**read_lock(), model.id: {"revision": model.revision, "files": digests}}
    path = cache_folder() / LOCK_NAME
    temporary = path.with_name(f".{LOCK_NAME}.{os.getpid()}")
    temporary.write_text(json.dumps(lock, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    temporary.replace(path)


def _state(path: Path, expected: str) -> str:
    if not path.is_file():
        return "missing"
    if not expected:
        return "unrecorded"
    return "ok" if file_sha256(path) == expected else "changed"


def _remove_empty(folder: Path) -> None:
    """Remove ``folder`` and its parents below the cache folder as long as they are empty."""
    root = cache_folder()
    while folder != root and root in folder.parents and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
