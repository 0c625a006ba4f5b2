"""Small state files: whatever is wrong with one, it counts as absent; writing leaves the old or the new."""

import os
from pathlib import Path

import pytest

from pipeline.corrections import RECORDS as EDITABLE
from pipeline.engine import files
from pipeline.engine.files import copy_private, private_folder, read_state, sweep_parts, write_state
from pipeline.engine.sources import MEMORY
from pipeline.engine.store import MANIFESTS
from pipeline.publish import NAMES
from pipeline.run_record import RECORDS
from pipeline.text.corrections import CORRECTIONS

KINDS = {
    "memory": MEMORY,
    "manifest": MANIFESTS,
    "published": NAMES,
    "run": RECORDS,
    "editable": EDITABLE,
    "kept": CORRECTIONS,
}
DAMAGES = {
    "empty": b"",
    "not JSON": b"{",
    "another type": b"7",
    "null": b"null",
    "list of numbers": b"[1, 2]",
    "dict of dicts": b'{"a": {"b": 1}}',
    "wrong values": b'{"a": "b", "digest": 1, "files": [1], "sha256": 2, "recipe": [], "stages": 3}',
    "number as text": b'{"digest": "a", "files": {}, "recipe": {}, "seconds": "3", "peak_memory_mb": null}',
    "not UTF-8": b'{"a": "\xff\xfe"}',
    "UTF-16": '["a"]'.encode("utf-16"),
    "NUL bytes": b"\0" * 4096,
    "nested": b"[" * 1_000_000,
    "nested dicts": b'{"a":' * 1_000_000,
    "lone surrogate": b'["\\ud800"]',
    "endless number": b"[" + b"9" * 100_000 + b"]",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_state_file_counts_as_absent(kind, damage, tmp_path):
    path = tmp_path / "state.json"
    path.write_bytes(DAMAGES[damage])
    assert read_state(path, KINDS[kind]) is None


def test_what_is_no_readable_file_counts_as_absent(tmp_path, monkeypatch):
    assert read_state(tmp_path / "none.json", NAMES) is None
    assert read_state(tmp_path, NAMES) is None
    assert read_state(tmp_path / "none" / "none.json", NAMES) is None
    write_state(tmp_path / "big.json", ["a"] * 100)
    assert read_state(tmp_path / "big.json", NAMES) == ["a"] * 100
    monkeypatch.setattr(files, "MAX_STATE_BYTES", 100)
    assert read_state(tmp_path / "big.json", NAMES) is None


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_files_and_folders_are_private_whatever_the_umask(umask, tmp_path):
    (tmp_path / "source").write_bytes(b"bytes")
    old = os.umask(umask)
    try:
        private_folder(tmp_path / "a" / "b", parents=True)
        write_state(tmp_path / "a" / "b" / "state.json", {"a": 1})
        copy_private(tmp_path / "source", tmp_path / "a" / "b" / "copy")
    finally:
        os.umask(old)
    assert {p.stat().st_mode & 0o777 for p in (tmp_path / "a", tmp_path / "a" / "b")} == {0o700}
    assert {p.stat().st_mode & 0o777 for p in (tmp_path / "a" / "b").iterdir()} == {0o600}


def test_a_folder_that_is_there_keeps_its_mode_and_none_is_made_below_a_vanished_one(tmp_path):
    tmp_path.chmod(0o755)
    private_folder(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o755
    with pytest.raises(FileNotFoundError):
        private_folder(tmp_path / "vanished" / "below")


def test_writing_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "state.json"
    write_state(path, ["old"])

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_state(path, ["new"])
    assert read_state(path, NAMES) == ["old"] and list(tmp_path.iterdir()) == [path]


def test_only_what_we_left_half_written_is_swept(tmp_path):
    kept = ("a.part", ".hidden", ".b.part", "notes.123-4.part", ".c.12-x.part")
    for name in (*kept, ".report.html.123-456.part", ".run.json.1-2.part"):
        (tmp_path / name).touch()
    sweep_parts(tmp_path)
    sweep_parts(tmp_path / "none")
    assert {path.name for path in tmp_path.iterdir()} == set(kept)


def test_text_is_written_whatever_it_holds(tmp_path):
    files.write_private(tmp_path / "error.txt", "a \udcff b")
    assert (tmp_path / "error.txt").read_text(encoding="utf-8") == "a \\udcff b"


def test_a_digest_is_of_bytes_and_of_values(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert files.file_digest(tmp_path / "a").startswith("ba7816bf")
    assert files.json_digest({"a": 1, "b": 2}) == files.json_digest({"b": 2, "a": 1})
