"""What works on this machine, and what each missing thing costs."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from pipeline.graph import MODALITIES
from pipeline.models.cards import ModelError, cache_folder, shipped_card, shipped_weights
from pipeline.models.fetch import list_models
from pipeline.models.known import checked_files

FFMPEG_NEEDS = {"libx264": "encoders", "ass": "filters", "overlay": "filters", "pad": "filters"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. ``needed``: without it the main job does not run whole."""

    what: str
    works: bool
    cost: str = ""
    needed: bool = False


def examine() -> list[Finding]:
    """Look at everything once; takes a few seconds and changes nothing."""
    return [*_ffmpeg(), *_libraries(), *_font(), *_shipped(), *_fetched(), _accelerator()]


def _ffmpeg() -> Iterator[Finding]:
    import imageio_ffmpeg

    try:
        binary = imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError:
        yield Finding("ffmpeg", False, "no sound, no film; reinstall imageio-ffmpeg", needed=True)
        return
    yield Finding(f"ffmpeg {imageio_ffmpeg.get_ffmpeg_version()} ({Path(binary).name})", True)
    for name, kind in FFMPEG_NEEDS.items():
        shown = subprocess.run(
            [binary, "-hide_banner", f"-{kind}"], capture_output=True, text=True, check=False
        )
        has = any(name in line.split() for line in shown.stdout.splitlines())
        yield Finding(f"ffmpeg {kind[:-1]} {name}", has, "no annotated film", needed=True)


def _libraries() -> Iterator[Finding]:
    import cv2

    cascade = Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml"
    yield Finding(
        f"face detector haar (OpenCV {cv2.__version__})", cascade.is_file(), "no faces", needed=True
    )
    yield Finding(
        "speech activity (silero-vad)", find_spec("silero_vad") is not None, "no voice", needed=True
    )


def _font() -> Iterator[Finding]:
    here = find_spec("noto_cjk_sans_otc") is not None
    yield Finding(
        "font for Chinese (noto-cjk-sans-otc)", here, "Chinese subtitles may show as boxes in the film"
    )


def _shipped() -> Iterator[Finding]:
    for name, modality in MODALITIES.items():
        what = f"model {modality.shipped} (in the package)"
        try:
            shipped_weights(shipped_card(modality.shipped))
        except ModelError as error:
            yield Finding(what, False, f"no {name}: {error}", needed=True)
        else:
            yield Finding(what, True)


def _fetched() -> Iterator[Finding]:
    for line in list_models():
        if line.model.optional and not line.is_here:
            continue
        what, cost = f"model {line.model.id} in {cache_folder()}", ""
        if not line.is_here:
            cost = f"{line.model.without}; run `emotion-pipeline models pull`"
        else:
            try:
                checked_files(line.model)
            except ModelError as error:
                cost = f"{line.model.without}: {error}"
        yield Finding(what, not cost, cost)


def _accelerator() -> Finding:
    import torch

    works = bool(torch.cuda.is_available())
    return Finding("GPU", works, "the full models run on the processor, several times slower")
