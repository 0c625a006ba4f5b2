"""Speech to text with openai-whisper, from weights already on this machine."""

import math
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.media.language import normal_code
from pipeline.models.cards import ModelError, cache_folder
from pipeline.text.transcribe import Heard, Request
from pipeline.types import US_PER_S, Span, Utterance, Word

SOURCE = "whisper"


def weights_path(model: str) -> Path:
    """Where the weights of a size (``base``) are expected; a path to a ``.pt`` file is itself."""
    return Path(model) if model.endswith(".pt") else cache_folder() / "whisper" / f"{model}.pt"


def transcribe(request: Request) -> Heard | None:
    """Recognised segments, with word times where asked for; None with ``auto`` when the weights are not here.

    Raises:
        ModelError: Whisper was asked for and its weights are not here or cannot be read.
    """
    path = weights_path(request.settings.whisper_model)
    if not path.is_file():
        if request.settings.source == SOURCE:
            raise ModelError(
                f"Whisper's weights are not at {path}; run "
                f"`emotion-pipeline models pull whisper-{request.settings.whisper_model}`"
            )
        return None
    if not request.speech:
        return Heard(())
    result = _recognise(load_model(path, request.settings.device), request)
    return Heard(tuple(map(_utterance, result["segments"])), language=str(result["language"]))


def load_model(path: Path, device: str) -> Any:
    """Whisper's own loader on a local file; the head choice for word times is the one of its size.

    Raises:
        ModelError: the file holds no Whisper model.
    """
    import whisper

    try:
        model = whisper.load_model(str(path), device=device)
    except Exception as error:  # torch.load raises whatever an unpickler can
        raise ModelError(
            f"{path} is not a Whisper model ({type(error).__name__}); delete it and pull it again"
        ) from error
    # Which attention heads follow the sound is known for the library's own sizes; any other model, also one
    # under such a name, keeps the default: all heads of the upper half.
    heads = getattr(whisper, "_ALIGNMENT_HEADS", {}).get(path.stem)
    if heads is not None:
        with suppress(RuntimeError):
            model.set_alignment_heads(heads)
    return model


def _recognise(model: Any, request: Request) -> dict[str, Any]:
    """Seeded: when a segment fails Whisper's checks it is decoded again by sampling."""
    import torch

    language = normal_code(request.settings.language)
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # Whisper leaves its vocabulary file for the garbage collector to close.
        warnings.simplefilter("ignore", ResourceWarning)
        torch.manual_seed(0)
        result: dict[str, Any] = model.transcribe(
            request.waveform(),
            language=language,
            word_timestamps=request.settings.word_times,
            condition_on_previous_text=False,  # or one invented line breeds the next
            fp16=request.settings.device != "cpu",
        )
    return result


def _utterance(segment: dict[str, Any]) -> Utterance:
    return Utterance(
        span=_span(segment["start"], segment["end"]),
        text=str(segment["text"]).strip(),
        language=None,
        source=SOURCE,
        words=tuple(
            Word(_span(word["start"], word["end"]), str(word["word"]).strip())
            for word in segment.get("words", ())
        ),
        avg_logprob=_finite(segment["avg_logprob"]),
        no_speech_prob=_finite(segment["no_speech_prob"]),
        compression_ratio=_finite(segment["compression_ratio"]),
    )


def _span(start_s: float, end_s: float) -> Span:
    start_us = max(0, round(float(start_s) * US_PER_S))
    return Span(start_us, max(start_us, round(float(end_s) * US_PER_S)))


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(float(value)) else None
