"""A film on paper and what a transcript source may ask of it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.config import TranscriptSection
from pipeline.text.chunks import sound_of
from pipeline.text.transcribe import Request
from pipeline.types import MediaInfo, Span, SubtitleStream

S = 1_000_000


def media(
    duration_s: float = 10.0, streams: Sequence[SubtitleStream] = (), has_audio: bool = True
) -> MediaInfo:
    return MediaInfo(
        "0" * 64, round(duration_s * S), 320, 240, 25.0, False, True, has_audio, 0, 0,
        subtitle_streams=tuple(streams),
    )  # fmt: skip


def span(start_s: float, end_s: float) -> Span:
    return Span(round(start_s * S), round(end_s * S))


def request(
    source: str = "auto",
    *,
    speech: Sequence[Span] = (),
    waveform: NDArray[np.float32] | None = None,
    subtitles: Path | None = None,
    info: MediaInfo | None = None,
    language: str | None = None,
    whisper_model: str = "base",
    script: str = "auto",
) -> Request:
    samples = np.zeros(160_000, np.float32) if waveform is None else waveform
    return Request(
        source=Path("film.mp4"),
        media=info or media(len(samples) / 16_000),
        settings=TranscriptSection(
            source=source, language=language, whisper_model=whisper_model, script=script
        ),
        speech=tuple(speech),
        sound=sound_of(samples),
        progress=lambda share: None,
        subtitles=subtitles,
    )
