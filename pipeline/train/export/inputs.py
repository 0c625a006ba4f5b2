"""What an export is compared on: labelled data where there is some, made inputs otherwise."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.media.audio import SAMPLE_RATE_HZ
from pipeline.train.examples import LabelledSet
from pipeline.train.export.part import Put

MADE = 8
CALIBRATION = 100
SENTENCES: tuple[tuple[str, str], ...] = (
    ("I am so glad to see you again!", "en"),
    ("Leave me alone, I have had enough of this.", "en"),
    ("He died last year and I miss him every day.", "en"),
    ("What? You cannot be serious.", "en"),
    ("We meet at three tomorrow, in the usual place, and then take the bus to the station.", "en"),
    ("Go.", "en"),
    ("太好了，我们赢了！", "zh"),
    ("你怎么能这样对我，气死我了", "zh"),
    ("我真的很难过，什么都不想做。", "zh"),
    ("我有點害怕，不敢一個人走那條路", "zh"),
    ("明天下午三点开会，请大家准时到，会后一起去车站坐车。", "zh"),
    ("啊？", "zh"),
)


def made_inputs(modality: str) -> Put:
    """Made faces, windows or sentences, always the same, put to a back-end one by one."""
    return {"face": _put_faces, "voice": _put_windows, "text": _put_sentences}[modality]


def _put_faces(backend: Any) -> None:
    for crop in made_crops():
        backend([crop])


def _put_windows(backend: Any) -> None:
    for window in made_windows():
        backend([window], None)


def _put_sentences(backend: Any) -> None:
    for text, language in SENTENCES:
        backend([text], [language])


def made_crops() -> list[NDArray[np.uint8]]:
    """Blurred noise of several sizes, contrasts and brightnesses, RGB."""
    import cv2

    rng = np.random.default_rng(0)
    crops = []
    for i in range(MADE):
        side = 48 + 24 * i
        noise = rng.normal(size=(side, side, 3)).astype(np.float32)
        smooth = cv2.GaussianBlur(noise, (0, 0), 1.0 + side / 24)
        levels = 128 + 20 * (i % 5 - 2) + (20 + 6 * i) * smooth / smooth.std()
        crops.append(np.clip(levels, 0, 255).astype(np.uint8))
    return crops


def made_windows() -> list[NDArray[np.float32]]:
    """Gliding harmonic tones in noise, 1 to 2.75 s."""
    rng = np.random.default_rng(0)
    windows = []
    for i in range(MADE):
        time_s = np.arange(round((1.0 + i / 4) * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
        pitch_hz = 90 + 20 * i + 30 * np.sin(2 * np.pi * (1 + i % 3) * time_s)
        phase = 2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE_HZ
        voice = sum(np.sin(k * phase) / k for k in range(1, 9)) * (1 + np.sin(2 * np.pi * 4 * time_s))
        windows.append((0.05 * voice + 0.005 * rng.normal(size=time_s.size)).astype(np.float32))
    return windows


def divided(labelled: LabelledSet, limit: int) -> tuple[LabelledSet, LabelledSet]:
    """Examples to compare on and, apart from these, to calibrate with: evenly spaced over the set.

    A fifth, at most ``CALIBRATION``, calibrates; at most ``limit`` of the others are compared.
    """
    places = np.arange(len(labelled.examples))
    for_calibration = _spaced(places, min(CALIBRATION, len(places) // 5))
    for_comparison = _spaced(np.setdiff1d(places, for_calibration), limit)
    return _of(labelled, for_comparison), _of(labelled, for_calibration)


def first(labelled: LabelledSet, count: int) -> LabelledSet:
    """A set of the first few examples."""
    return _of(labelled, np.arange(min(count, len(labelled.examples))))


def _spaced(places: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    if count >= len(places):
        return places
    return places[np.linspace(0, len(places), count, endpoint=False).astype(np.int64)]


def _of(labelled: LabelledSet, places: NDArray[np.int64]) -> LabelledSet:
    return replace(labelled, examples=tuple(labelled.examples[i] for i in places), unmapped={})
