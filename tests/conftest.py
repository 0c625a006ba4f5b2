"""What all tests share: made films, and the folder of real ones."""

import gc
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# One thread each, before numpy and torch are imported: files then run alike whichever came before, and
# several workers do not crowd each other out.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.made import media

# The same examples in every run, and no failure because a machine is busy.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

Made = Callable[..., Path]


def pytest_collection_finish() -> None:
    """Spare garbage collections, which the training library asks for each time, all that was imported."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Let all of it go again, or libraries complain of leaks at the end."""
    gc.unfreeze()


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """``made("ntsc.mp4")``: a film of ``media.CLOCKS``; ``made(media.make_faces, 2)``: another; made once."""
    folder = tmp_path_factory.mktemp("made")
    ready: dict[tuple[object, ...], Path] = {}

    def make(what: str | Callable[..., Path], *arguments: object) -> Path:
        key = (what, *arguments)
        if key not in ready:
            own = folder / str(len(ready))  # makers name files by some of their arguments only
            own.mkdir()
            ready[key] = media.make_clock(what, own) if isinstance(what, str) else what(own, *arguments)
        return ready[key]

    return make


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of shared data (``EMOTION_DATA``); the test is skipped where there is none."""
    default = Path(__file__).parents[2] / "shared" / "data"
    root = Path(os.environ.get("EMOTION_DATA", default))
    if not root.is_dir():
        pytest.skip(f"no shared data in {root}")
    return root


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """``small_disk("size=1m")``: a folder on a file system of its own; skipped where none can be mounted."""
    mounted: list[Path] = []

    def mount(options: str) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        if os.name != "posix" or os.getuid() != 0 or shutil.which("mount") is None:
            pytest.skip("only root can mount a small file system")
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            pytest.skip("no file system can be mounted here")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)
