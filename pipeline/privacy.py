"""Keeps libraries from talking to their makers and from leaving files outside our own cache folder.

Importing ``pipeline`` runs :func:`keep_private` before anything else of ours is imported, so every entry
(library, command, workers, training, export, benchmarks, tests) has it. A library reads its switches when it
is imported, therefore nothing may come before; child processes inherit them.
"""

import atexit
import os
import shutil
import socket
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from platformdirs import user_cache_path

CACHE_VARIABLE = "EMOTION_PIPELINE_MODELS"
ONNXRUNTIME_SWITCH = "ORT_DISABLE_TELEMETRY"
# docs/PRIVACY.md lists these. Set whatever they were before: nobody is asked, nobody can be.
SWITCHES: Mapping[str, str] = {
    ONNXRUNTIME_SWITCH: "1",  # its own disable_telemetry_events() comes after the first look-up
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "DISABLE_SAFETENSORS_CONVERSION": "1",  # transformers would ask a service to convert old weights
    "DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}
# Where libraries keep what they compute once. A folder that was chosen before stays.
LIBRARY_FOLDERS: Mapping[str, str] = {
    "MPLCONFIGDIR": "matplotlib",
    "DEEPFACE_HOME": "deepface",
    "NUMBA_CACHE_DIR": "numba",
    "TRITON_CACHE_DIR": "triton",
    "TORCHINDUCTOR_CACHE_DIR": "torchinductor",
    "CUDA_CACHE_PATH": "cuda",
}
FONTS_VARIABLES = frozenset({"FONTCONFIG_FILE", "FONTCONFIG_PATH"})
FONTS_FILE = Path(__file__).with_name("fonts.conf")


def cache_folder() -> Path:
    """Where fetched models live; the environment variable ``EMOTION_PIPELINE_MODELS`` overrides it."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen) if chosen else user_cache_path("emotion-pipeline") / "models"


def keep_private() -> None:
    """Set every switch and folder in this process's environment; warns where a library was faster."""
    if "onnxruntime" in sys.modules and os.environ.get(ONNXRUNTIME_SWITCH) != "1":
        warnings.warn(
            "onnxruntime was imported before pipeline and may look up its maker's telemetry host; import "
            f"pipeline first, or set {ONNXRUNTIME_SWITCH}=1 before the program starts",
            RuntimeWarning,
            stacklevel=4,
        )
    os.environ.update(SWITCHES)
    if all(variable in os.environ for variable in LIBRARY_FOLDERS):
        return
    user = os.path.expanduser("~")  # noqa: PTH111  unlike Path.home() it stands a user without one
    if os.path.isdir(os.path.join(user, ".deepface")):  # noqa: PTH112, PTH118  with weights perhaps
        os.environ.setdefault("DEEPFACE_HOME", user)
    for variable, name in LIBRARY_FOLDERS.items():
        os.environ.setdefault(variable, str(library_home() / name))


def child_environment() -> dict[str, str]:
    """The environment for a child that draws text: its font cache lies in our folder too.

    A choice of fonts that was made for this process stays.
    """
    fonts = {} if FONTS_VARIABLES & os.environ.keys() else {"FONTCONFIG_FILE": str(FONTS_FILE)}
    return {**os.environ, **fonts, "XDG_CACHE_HOME": str(library_home())}


@contextmanager
def no_probing() -> Iterator[None]:
    """For the import of something that imports urllib3, which else opens an IPv6 socket to see if it can."""
    can = socket.has_ipv6
    socket.has_ipv6 = False
    try:
        yield
    finally:
        socket.has_ipv6 = can
        if connection := sys.modules.get("urllib3.util.connection"):
            connection.HAS_IPV6 = can  # type: ignore[attr-defined]


@cache
def library_home() -> Path:
    """A folder in the model cache, or one for this process alone where that cannot be written."""
    folder = cache_folder()
    if not str(folder).startswith("~"):  # a user without a home
        folder = folder.absolute() / "libraries"
        existing = next(path for path in (folder, *folder.parents) if os.path.exists(path))  # noqa: PTH110
        if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
            return folder
    try:
        temporary = tempfile.mkdtemp(prefix="emotion-pipeline-")
    except OSError:  # nowhere at all: each library says so itself when it has something to keep
        return folder
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    return Path(temporary)
