"""One file over HTTP: streamed to disk and hashed on the way; trouble becomes one sentence."""

import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from pipeline.models.cards import ModelError

READ_TIMEOUT_S = 30.0
CHUNK_BYTES = 1 << 20


def download(url: str, path: Path, on_bytes: Callable[[int, int], None]) -> str:
    """Write what ``url`` serves to ``path``; returns its sha256.

    Args:
        url: where it is.
        path: where it goes; a broken-off file may be left there, the caller removes it.
        on_bytes: called with bytes done and bytes in all (0 when the server does not say).

    Raises:
        ModelError: no answer, a refusal, or the connection broke off.
        OSError: the file cannot be written.
    """
    digest = sha256()
    done = 0
    with _open(url) as answer, path.open("wb") as out:
        total = int(answer.headers.get("Content-Length") or 0)
        while chunk := _chunk(answer, url):
            out.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            on_bytes(done, total)
        out.flush()
        os.fsync(out.fileno())
    if total and done != total:
        raise ModelError(f"{url} broke off after {done} of {total} bytes")
    return digest.hexdigest()


def read_url(url: str) -> bytes:
    """A small answer as bytes. Raises ModelError."""
    with _open(url) as answer:
        return _chunk(answer, url, size=-1)


def _open(url: str) -> http.client.HTTPResponse:
    try:
        answer: http.client.HTTPResponse = urllib.request.urlopen(url, timeout=READ_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        with error:
            raise ModelError(f"the server answers {error.code} for {url}") from None
    except OSError as error:
        raise ModelError(f"{url} cannot be fetched ({error})") from None
    return answer


def _chunk(answer: http.client.HTTPResponse, url: str, size: int = CHUNK_BYTES) -> bytes:
    try:
        return answer.read(size) if size >= 0 else answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise ModelError(f"the connection to {url} broke off ({error})") from None
