"""Nothing leaves the machine, nothing lies where nobody looks for it: seen by the kernel, not by Python."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.models.known import known_for
from pipeline.privacy import CACHE_VARIABLE, LIBRARY_FOLDERS, ONNXRUNTIME_SWITCH, SWITCHES, keep_private
from tests.made import media

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "inputs" / "sample.mp4"
STRACE = shutil.which("strace")
# Local sockets are the machine's own; AF_NETLINK asks the kernel, not the net.
ABROAD = re.compile(r"AF_INET6?\b")
CREATED = re.compile(r'(?:openat\([^"]*|open\(|creat\()"(/[^"]*)".*(?:O_CREAT|creat).*(?:= \d+|unfinished)')


@dataclass(frozen=True)
class Machine:
    """A home, a folder for temporary files and a model cache that held nothing before."""

    root: Path

    @property
    def environment(self) -> dict[str, str]:
        clean = {
            name: value
            for name, value in os.environ.items()
            if name
            not in (*SWITCHES, *LIBRARY_FOLDERS, "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "HF_HUB_OFFLINE")
        }
        return clean | {
            "HOME": str(self.root / "home"),
            "TMPDIR": str(self.root / "tmp"),
            CACHE_VARIABLE: str(self.root / "models"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(ROOT),
        }

    def run(self, *argv: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *map(str, argv)]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False, cwd=ROOT
        )

    def traced(self, *argv: object) -> str:
        """What the kernel was asked by the command and all its children, in sockets and opened files."""
        if STRACE is None:
            pytest.skip("strace is not installed (Debian package strace)")
        log = self.root / "trace"
        calls = "trace=network,open,openat,creat"
        command = [STRACE, "-f", "--seccomp-bpf", "-qq", "-s", "4096", "-e", calls, "-o", str(log)]
        ended = subprocess.run(
            [*command, sys.executable, *map(str, argv)],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
        if "ptrace" in ended.stderr or "PTRACE" in ended.stderr:
            pytest.skip("this machine lets nobody trace a process")
        assert ended.returncode == 0, ended.stderr + ended.stdout
        return log.read_text(encoding="utf-8", errors="replace")

    def left(self) -> list[Path]:
        """Files in the home and in the folder for temporary files."""
        return [f for name in ("home", "tmp") for f in (self.root / name).rglob("*") if f.is_file()]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    for name in ("home", "tmp"):
        (tmp_path / name).mkdir()
    return Machine(tmp_path)


def assert_private(trace: str, machine: Machine, out: Path) -> None:
    assert trace.count("\n") > 100
    assert [line for line in trace.splitlines() if ABROAD.search(line)] == []
    own = (str(out), str(machine.root / "models"), str(machine.root / "tmp"), "/dev/", "/proc/self/")
    created = {found.group(1) for line in trace.splitlines() if (found := CREATED.search(line))}
    assert [path for path in sorted(created) if not path.startswith(own)] == []
    assert machine.left() == []


def test_no_socket_and_no_file_elsewhere(machine, made):
    out = machine.root / "out"
    arguments = ("-m", "pipeline.cli", "analyze", made(media.make_faces, 1), "--out", out, "--no-video")
    assert_private(machine.traced(*arguments), machine, out)


@pytest.mark.parametrize("package", ["pipeline", "benchmarks", "tests"])
def test_the_first_import_of_every_entry_sets_the_switches(package, machine):
    """``benchmarks`` and ``tests`` too import libraries; a package's own file runs before its modules."""
    said = machine.run("-c", f"import json, os, {package}; print(json.dumps(dict(os.environ)))")
    environment = json.loads(said.stdout)
    assert SWITCHES.items() <= environment.items()
    folders = {Path(environment[name]).parent for name in LIBRARY_FOLDERS}
    assert folders == {machine.root / "models" / "libraries"}


def test_a_model_leaves_no_device_id(machine):
    weights = ROOT / "pipeline" / "models" / "weights"
    net = next(weights.glob("*.onnx"))
    code = f"from pipeline.models.session import session; session(open({str(net)!r}, 'rb').read())"
    ended = machine.run("-c", code)
    assert ended.returncode == 0 and machine.left() == [], ended.stderr


def test_a_library_that_was_faster_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", object())
    monkeypatch.setenv(ONNXRUNTIME_SWITCH, "0")
    with pytest.warns(RuntimeWarning, match="import pipeline first"):
        keep_private()
    assert os.environ[ONNXRUNTIME_SWITCH] == "1"
    keep_private()


SHOWN = (
    "import json, os, pipeline, pipeline.privacy as p; "
    "print(json.dumps({**os.environ, 'fonts': p.child_environment()['XDG_CACHE_HOME']}))"
)


@pytest.mark.parametrize("models", [str(SAMPLE / "models"), "~/models"])
def test_a_cache_that_cannot_be_written_is_passed_over_and_a_chosen_folder_stays(models, machine):
    """Below a file, and of a user without a home."""
    chosen = {CACHE_VARIABLE: models, "MPLCONFIGDIR": "mine", "HOME": "~"}
    command = [sys.executable, "-c", SHOWN]
    shown = subprocess.run(
        command, env={**machine.environment, **chosen}, capture_output=True, text=True, check=True, cwd=ROOT
    )
    environment = json.loads(shown.stdout)
    fallback = Path(environment["fonts"])
    assert fallback.parent == machine.root / "tmp" and not fallback.exists(), "it goes with the process"
    assert environment["MPLCONFIGDIR"] == "mine"
    assert environment["TRITON_CACHE_DIR"] == str(fallback / "triton")


def test_a_users_own_deepface_folder_stays(machine):
    (machine.root / "home" / ".deepface").mkdir()
    environment = json.loads(machine.run("-c", SHOWN).stdout)
    assert environment["DEEPFACE_HOME"] == str(machine.root / "home")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_socket_with_everything_that_is_written(machine):
    out = machine.root / "out"
    arguments = ("-m", "pipeline.cli", "analyze", SAMPLE, "--out", out, "--highlights", "--export", "all")
    assert_private(machine.traced(*arguments), machine, out)


@pytest.mark.data
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("clip", "settings"),
    [
        ("zh_interview_38s.mp4", ""),
        (
            "zh_interview_38s.mp4",
            '[face]\nbackend = "deepface"\n[voice]\nbackend = "hubert"\n[text]\nbackend = "{text}"\n'
            '[transcript]\nsource = "whisper"\nwhisper_model = "{whisper}"\n',
        ),
        (
            "en_talk_a_8s.mp4",
            '[face]\nbackend = "convnext"\n[voice]\nbackend = "{voice}"\n'
            '[transcript]\nsource = "faster-whisper"\nlanguage = "en"\n',
        ),
    ],
    ids=["compact", "deepface, hubert, whisper", "convnext, transformers, faster-whisper"],
)
def test_no_socket_with_every_back_end(clip, settings, machine, data_root, monkeypatch):
    """Real films; weights of the fetched models as small as they come, in the form the real ones have."""
    from tests.face.models import convnext_folder, deepface_net
    from tests.text.checkpoints import tiny_text_model, tiny_whisper
    from tests.voice.checkpoints import hubert_ch_weights, write_classifier, write_hubert_ch

    models, out = machine.root / "models", machine.root / "out"
    recogniser = known_for("faster-whisper")
    fetched, is_fetched = recogniser.home, recogniser.is_here
    monkeypatch.setenv(CACHE_VARIABLE, str(models))
    if recogniser.backend in settings:
        if not is_fetched:
            pytest.skip(f"the weights of {recogniser.id} were not fetched")
        recogniser.home.parent.mkdir(parents=True)
        recogniser.home.symlink_to(fetched)
    deepface_net(models / "deepface" / known_for("deepface").files[0].path, favourite=3)
    convnext_folder(models / known_for("convnext").id, list(known_for("convnext").labels))
    write_hubert_ch(models, hubert_ch_weights())
    for name in ("convnext", "hubert"):
        for file in known_for(name).files:  # on the list, not read
            if not (path := known_for(name).home / file.path).exists():
                path.write_text("{}")
    own = {
        "text": tiny_text_model(models / "own-text", ["happy", "sad"]),
        "voice": write_classifier(models / "own-voice", ["happy", "sad"]),
        "whisper": tiny_whisper(models / "own-whisper.pt"),
    }
    for name, path in own.items():
        settings = settings.replace(f"{{{name}}}", str(path))
    (machine.root / "settings.toml").write_text(settings, encoding="utf-8")
    arguments = ("-m", "pipeline.cli", "analyze", data_root / "videos" / clip, "--out", out)
    trace = machine.traced(*arguments, "--config", machine.root / "settings.toml")
    assert_private(trace, machine, out)
