"""Fetching from a real HTTP server on this machine."""

import hashlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pipeline.config import ConfigError, config_from_mapping
from pipeline.models import fetch
from pipeline.models.cards import CACHE_VARIABLE, ModelError, cache_folder
from pipeline.models.known import (
    KnownModel,
    RemoteFile,
    is_hub_id,
    known_for,
    known_models,
    package_bytes,
    read_lock,
    recorded_sha256,
)
from pipeline.models.load import load_backend
from pipeline.models.transformers_loader import find_model
from pipeline.profile import resolve

WEIGHTS = b"PK\x03\x04" + b"weights" * 1000
SAFETENSORS = b"\x02\0\0\0\0\0\0\0{}"
SIGN_IN = b"<!DOCTYPE html><html><body>Please sign in to the network</body></html>"
CONFIG = b'{"id2label": {"0": "happy", "1": "sad"}}'


class Hub:
    """What the server serves and what it was asked."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.cut_after: int | None = None
        self.moved_to = ""
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                hub.asked.append(f"HEAD {self.path}")
                self.send_response(301 if hub.moved_to else 404)
                self.send_header("Location", hub.moved_to)
                self.end_headers()

            def do_GET(self) -> None:
                hub.asked.append(self.path)
                content = hub.files.get(self.path)
                self.send_response(404 if content is None else 200)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                self.wfile.write((content or b"")[: hub.cut_after])

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    hub = Hub()
    thread = threading.Thread(target=hub.server.serve_forever, args=(0.02,))
    thread.start()
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv(fetch.HUB_VARIABLE, hub.address)
    yield hub
    hub.server.shutdown()
    thread.join()
    hub.server.server_close()


def listed(monkeypatch: pytest.MonkeyPatch, *files: RemoteFile) -> KnownModel:
    """Make a model with these files the only listed one."""
    model = KnownModel("owner/model", "text", "thing", "r1", "MIT", files)
    monkeypatch.setattr(fetch, "known_models", lambda: (model,))
    monkeypatch.setattr(fetch, "find_known", lambda name: model if name == model.id else None)
    return model


def left_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_pull_brings_all_files_and_tells_its_progress(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    model = listed(monkeypatch, RemoteFile("model.bin"), RemoteFile("config.json"))
    hub.files = {
        "/owner/model/resolve/r1/model.bin": WEIGHTS,
        "/owner/model/resolve/r1/config.json": CONFIG,
    }
    seen: list[tuple[str, str, int, int]] = []
    assert fetch.pull((), lambda *step: seen.append(step)) == ("owner/model",)
    assert (model.home / "model.bin").read_bytes() == WEIGHTS
    assert seen[0] == ("owner/model", "model.bin", len(WEIGHTS), len(WEIGHTS))
    assert left_in(model.home) == ["config.json", "model.bin"]
    assert read_lock()["owner/model"]["files"]["model.bin"] == hashlib.sha256(WEIGHTS).hexdigest()
    assert find_model("owner/model") == str(model.home)
    assert len(recorded_sha256(model)) == 64
    hub.asked.clear()
    assert fetch.pull(()) == ()
    assert hub.asked == []


def test_the_hub_is_asked_once_before_the_files(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    listed(monkeypatch, RemoteFile("a"), RemoteFile("b"))
    hub.files = {"/owner/model/resolve/r1/a": b"a", "/owner/model/resolve/r1/b": b"b"}
    fetch.pull(())
    assert [line.split()[0] for line in hub.asked] == [
        "HEAD",
        "/owner/model/resolve/r1/a",
        "/owner/model/resolve/r1/b",
    ]


def test_a_wrong_digest_is_refused_and_nothing_is_left(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    good = hashlib.sha256(b"a").hexdigest()
    model = listed(monkeypatch, RemoteFile("a", sha256=good), RemoteFile("b", sha256="0" * 64))
    hub.files = {"/owner/model/resolve/r1/a": b"a", "/owner/model/resolve/r1/b": b"forged"}
    with pytest.raises(ModelError, match="sha256"):
        fetch.pull(())
    assert not model.is_here
    assert not model.home.exists()
    assert read_lock() == {}


def test_a_later_pull_is_held_to_the_recorded_digest(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    model = listed(monkeypatch, RemoteFile("a"))
    hub.files = {"/owner/model/resolve/r1/a": b"first"}
    fetch.pull(())
    (model.home / "a").unlink()
    hub.files = {"/owner/model/resolve/r1/a": b"other"}
    with pytest.raises(ModelError, match="sha256"):
        fetch.pull(())
    assert not model.is_here


def test_a_connection_that_breaks_off_leaves_nothing(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    model = listed(monkeypatch, RemoteFile("a"))
    hub.files = {"/owner/model/resolve/r1/a": WEIGHTS}
    hub.cut_after = 100
    with pytest.raises(ModelError, match="broke off"):
        fetch.pull(())
    assert not model.home.exists()


def test_a_missing_file_names_the_answer(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    listed(monkeypatch, RemoteFile("a"))
    with pytest.raises(ModelError, match="404"):
        fetch.pull(())


def test_a_hub_model_that_is_not_listed(hub: Hub) -> None:
    names = ["config.json", "model.safetensors", "pytorch_model.bin", "tokenizer.json", "README.md"]
    about = {"sha": "abc", "siblings": [{"rfilename": name} for name in names]}
    hub.files = {"/api/models/some/one": json.dumps(about).encode()}
    hub.files |= {f"/some/one/resolve/abc/{name}": CONFIG for name in ("config.json", "tokenizer.json")}
    hub.files["/some/one/resolve/abc/model.safetensors"] = SAFETENSORS
    assert fetch.pull(["some/one"]) == ("some/one",)
    assert left_in(Path(find_model("some/one"))) == ["config.json", "model.safetensors", "tokenizer.json"]
    assert {line.state for line in fetch.verify()} == {"ok"}
    hub.asked.clear()
    assert fetch.pull(["some/one"]) == ()
    assert hub.asked == []


def test_verify_finds_changed_and_missing_files(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    model = listed(monkeypatch, RemoteFile("a"), RemoteFile("b"), RemoteFile("c"))
    hub.files = {f"/owner/model/resolve/r1/{name}": name.encode() for name in "abc"}
    fetch.pull(())
    (model.home / "b").write_bytes(b"changed")
    (model.home / "c").unlink()
    assert [line.state for line in fetch.verify()] == ["ok", "changed", "missing"]
    assert [line.state for line in fetch.verify(["owner/model"])] == ["ok", "changed", "missing"]


@pytest.mark.parametrize("name", ["somebody/else", "huburt"])
def test_verify_refuses_names_it_does_not_know(hub: Hub, name: str) -> None:
    with pytest.raises(ModelError, match=name):
        fetch.verify([name])


def test_verify_says_that_a_named_model_is_not_here(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    listed(monkeypatch, RemoteFile("a"))
    assert [line.state for line in fetch.verify(["owner/model"])] == ["missing"]
    assert fetch.verify() == ()


@pytest.mark.parametrize(
    "name", ["model.safetensors", "pytorch_model.bin", "base.pt", "net.onnx", "config.json", "vocab.txt"]
)
def test_a_sign_in_page_is_no_model(hub: Hub, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    model = listed(monkeypatch, RemoteFile("a"), RemoteFile(name))
    hub.files = {"/owner/model/resolve/r1/a": b"a", f"/owner/model/resolve/r1/{name}": SIGN_IN}
    with pytest.raises(ModelError, match="web page"):
        fetch.pull(())
    assert not model.home.exists()
    assert read_lock() == {}


@pytest.mark.parametrize(
    "answer", [SIGN_IN, b"[]", b'{"error": "not found"}', b'{"sha": "1", "siblings": [1]}']
)
def test_a_hub_that_does_not_answer_as_one(hub: Hub, answer: bytes) -> None:
    hub.files = {"/api/models/some/one": answer}
    with pytest.raises(ModelError, match="does not answer about some/one"):
        fetch.pull(["some/one"])


def test_one_missing_model_does_not_stop_the_others(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    models = [
        KnownModel(name, "face", name, "r", "MIT", (RemoteFile("a", url=f"{hub.address}/{name}"),))
        for name in ("gone", "there", "lost")
    ]
    monkeypatch.setattr(fetch, "known_models", lambda: tuple(models))
    hub.files = {"/there": b"a"}
    with pytest.raises(ModelError, match=r"gone could not.*404.*lost could not.*404"):
        fetch.pull(())
    assert [model.is_here for model in models] == [False, True, False]


def test_an_unreachable_hub_is_said_within_the_probe_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    listed(monkeypatch, RemoteFile("a"), RemoteFile("b"))
    with socket.socket() as deaf:  # accepts the connection and never answers
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        monkeypatch.setenv(fetch.HUB_VARIABLE, f"http://127.0.0.1:{deaf.getsockname()[1]}")
        assert fetch.PROBE_S == 3.0
        monkeypatch.setattr(fetch, "PROBE_S", 0.5)
        started = time.monotonic()
        with pytest.raises(ModelError, match="cannot be reached"):
            fetch.pull(())
        assert time.monotonic() - started < 1.5
    assert left_in(tmp_path) == []


def test_an_address_that_points_to_an_unreachable_one_has_answered(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.moved_to = "http://127.0.0.1:1/"
    assert fetch.probe([hub.address, "http://127.0.0.1:1"], 5) == {"http://127.0.0.1:1"}


def test_a_closed_port_is_said_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setenv(fetch.HUB_VARIABLE, "http://127.0.0.1:1")
    listed(monkeypatch, RemoteFile("a"))
    started = time.monotonic()
    with pytest.raises(ModelError, match="cannot be reached"):
        fetch.pull(())
    assert time.monotonic() - started < 1


def test_what_can_be_reached_is_fetched_although_another_address_is_dead(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = KnownModel("dead", "face", "x", "r", "MIT", (RemoteFile("a", url="http://127.0.0.1:1/a"),))
    alive = KnownModel("alive", "face", "y", "r", "MIT", (RemoteFile("a", url=f"{hub.address}/a"),))
    monkeypatch.setattr(fetch, "known_models", lambda: (dead, alive))
    hub.files = {"/a": b"a"}
    with pytest.raises(
        ModelError, match=r"^dead could not be fetched: http://127\.0\.0\.1:1 cannot be reached$"
    ):
        fetch.pull(())
    assert alive.is_here and not dead.is_here


def test_unknown_names_are_refused_without_the_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    with pytest.raises(ModelError, match="no model 'huburt'"):
        fetch.pull(["huburt"])


ODD_IDS = (
    "a/..", "../a", "a/.", "./a", "a/b/c", "/a", "a/", "/", "a//b", "..", ".", "a/b/..", "..\\a/b", "a/b\\..",
    "a/b c", "a/b\n", "a/b?x", "a/b#x", "a/b%2e%2e", "a/-b", "-a/b", "a..b/c", "ä/b", "a/b\0",
)  # fmt: skip


@pytest.mark.parametrize("name", ODD_IDS)
def test_what_is_no_hub_id_is_refused_wherever_it_is_given(hub: Hub, name: str, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    before = left_in(tmp_path)
    for refuse in (fetch.pull, fetch.verify):
        with pytest.raises(ModelError, match=r"there is no model .* to pull"):
            refuse([name])
    if not Path(name.replace("\0", "_")).is_dir():
        for section in ("face", "voice", "text"):
            config = config_from_mapping({section: {"backend": name}})
            with pytest.raises(ConfigError, match=f"unknown {section} back-end"):
                resolve(config, (section,), True)
            with pytest.raises(ModelError, match="unknown back-end"):
                load_backend({"transformers": "no:where"}, name, "cpu")
    assert hub.asked == [] and left_in(tmp_path) == before


@pytest.mark.parametrize("name", ["a/b", "FacebookAI/xlm-roberta_base.v1", "0x/1-2.3"])
def test_hub_ids_as_the_hub_has_them(name: str) -> None:
    assert is_hub_id(name)


def test_files_of_odd_names_are_not_fetched(hub: Hub) -> None:
    names = [
        "config.json",
        "model.safetensors",
        "../model.safetensors",
        "model..\\x.safetensors",
        "model\n.bin",
    ]
    about = {"sha": "abc", "siblings": [{"rfilename": name} for name in names]}
    hub.files = {"/api/models/some/one": json.dumps(about).encode()}
    hub.files |= {"/some/one/resolve/abc/config.json": CONFIG}
    hub.files["/some/one/resolve/abc/model.safetensors"] = SAFETENSORS
    fetch.pull(["some/one"])
    assert left_in(Path(find_model("some/one"))) == ["config.json", "model.safetensors"]


def test_what_killed_pulls_left_is_swept(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    model = listed(monkeypatch, RemoteFile("a"))
    model.home.mkdir(parents=True)
    alive = f".a.{os.getppid()}.partial"
    for name in (".a.999999999.partial", alive, ".b.999999999.partial", ".a.x.partial"):
        (model.home / name).touch()
    hub.files = {"/owner/model/resolve/r1/a": b"a"}
    fetch.pull(())
    assert left_in(model.home) == sorted([".a.x.partial", ".b.999999999.partial", alive, "a"])


def test_every_listed_model_has_what_a_pull_needs() -> None:
    for model in known_models():
        assert model.files and model.revision and model.licence and model.size_bytes and model.without
        assert model.files[-1].path == "config.json" or all(file.url for file in model.files)
        assert all(len(file.sha256) in (0, 64) for file in model.files)
        assert sum(file.size_bytes for file in model.files) in (0, model.size_bytes)
        assert all(package_bytes(part.package) for file in model.files for part in file.parts)


def test_only_what_every_analysis_wants_is_pulled_without_being_named() -> None:
    always = [model.id for model in known_models() if not model.optional]
    assert "Systran/faster-whisper-base" in always and "whisper-base" not in always
    assert known_for("faster-whisper").id == "Systran/faster-whisper-base"


def test_several_models_come_in_at_the_same_time(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(2, timeout=20)
    models = [
        KnownModel(name, "face", name, "r", "MIT", (RemoteFile("a", url=f"{hub.address}/{name}"),))
        for name in ("one", "two")
    ]
    monkeypatch.setattr(fetch, "known_models", lambda: tuple(models))
    hub.files = {"/one": b"a", "/two": b"b"}
    assert fetch.pull((), lambda *step: together.wait() and None) == ("one", "two")
    assert sorted(read_lock()) == ["one", "two"]


def test_a_lock_of_before_says_nothing_of_where_files_came_from(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = listed(monkeypatch, RemoteFile("a"))
    hub.files = {"/owner/model/resolve/r1/a": b"a"}
    monkeypatch.setenv(fetch.HUB_VARIABLE, hub.address.replace("://", "://name:secret@"))
    monkeypatch.setattr(fetch, "probe", lambda addresses, timeout_s: set())
    monkeypatch.setattr(fetch, "download", lambda url, path, report: _copied(hub, url, path))
    fetch.pull(())
    assert [line.sources for line in fetch.list_models()] == [(hub.address,)]
    lock = cache_folder() / "lock.json"
    assert "secret" not in lock.read_text()
    entry = json.loads(lock.read_text())
    del entry[model.id]["sources"]
    lock.write_text(json.dumps(entry))
    assert [line.sources for line in fetch.list_models()] == [()]
    assert [line.state for line in fetch.verify()] == ["ok"]


def _copied(hub: Hub, url: str, path: Path) -> str:
    content = hub.files[urlsplit(url).path]
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()
