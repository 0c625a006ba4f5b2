"""Whether a file begins as its name promises: the sign-in page of a network is no model."""

import json
import struct
from pathlib import Path

HEAD_BYTES = 64
# First bytes of an ONNX ModelProto: the tags of its fields 1 to 8, 14, 20, 25 and 26 (onnx.proto).
_ONNX_TAGS = frozenset({0x08, 0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42, 0x72, 0xA2, 0xCA, 0xD2})
_ZIP = b"PK\x03\x04"
_PICKLES = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
_PAGES = (b"<!doctype", b"<html", b"<?xml")


def begins_as_named(content: Path, name: str) -> bool:
    """Whether the file ``content``, to be called ``name``, can be what the suffix of that name says.

    Looks at the first bytes, for JSON at all of it. Of a suffix without a known beginning only a web page is
    refused.
    """
    suffix = Path(name).suffix
    if suffix == ".json":
        return _is_json(content)
    with content.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    if suffix == ".safetensors":
        return _is_safetensors(head, content.stat().st_size)
    if suffix in (".bin", ".pt", ".pth"):
        return head.startswith((_ZIP, *_PICKLES))
    if suffix == ".onnx":
        return bool(head) and head[0] in _ONNX_TAGS
    return not _begins_as_page(head)


def is_web_page(content: Path) -> bool:
    """Whether the file ``content`` begins as a web page does."""
    with content.open("rb") as stream:
        return _begins_as_page(stream.read(HEAD_BYTES))


def _begins_as_page(head: bytes) -> bool:
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_PAGES)


def _is_json(content: Path) -> bool:
    try:
        json.loads(content.read_bytes())
    except ValueError:
        return False
    return True


def _is_safetensors(head: bytes, size_bytes: int) -> bool:
    """Eight bytes with the length of a JSON header, then that header."""
    if len(head) < 9:
        return False
    (header_bytes,) = struct.unpack("<Q", head[:8])
    return 2 <= header_bytes <= size_bytes - 8 and head[8:9] == b"{"
