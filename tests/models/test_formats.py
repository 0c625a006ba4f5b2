"""Real files pass, others do not."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pipeline.models.cards import WEIGHTS
from pipeline.models.formats import begins_as_named


def test_what_the_libraries_write_is_accepted(tmp_path: Path) -> None:
    tensors = {"weight": torch.zeros(2)}
    save_file(tensors, tmp_path / "model.safetensors")
    torch.save(tensors, tmp_path / "pytorch_model.bin")
    torch.save(tensors, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    (tmp_path / "config.json").write_text(json.dumps({"a": "é"}), encoding="utf-8")
    (tmp_path / "vocab.txt").write_text("<s>\n[PAD]\n")
    for path in tmp_path.iterdir():
        assert begins_as_named(path, path.name), path.name
    for path in WEIGHTS.glob("*.onnx"):
        assert begins_as_named(path, path.name), path.name


@pytest.mark.parametrize("name", ["a.safetensors", "a.bin", "a.pt", "a.onnx", "a.json"])
@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"<html>", b"\xef\xbb\xbf\r\n<HTML>", b"Not Found", b'{"error": 404', b"version 1\n"],
)
def test_other_content_is_not(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / "came"
    path.write_bytes(content)
    assert not begins_as_named(path, name)


def test_a_cut_off_safetensors_header_is_noticed(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, tmp_path / "whole")
    cut = tmp_path / "cut"
    cut.write_bytes((tmp_path / "whole").read_bytes()[:20])
    assert begins_as_named(tmp_path / "whole", "model.safetensors")
    assert not begins_as_named(cut, "model.safetensors")
