"""Speech to text with PocketSphinx and the English model in its package: works anywhere, often wrong."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.config import ConfigError
from pipeline.media.language import normal_code
from pipeline.text.transcribe import Heard, Request
from pipeline.types import US_PER_S, Span, Utterance, Word

SOURCE = "pocketsphinx"
SAMPLE_RATE_HZ = 16_000
FRAME_US = 10_000
# Long stretches are cut: the decoder's search grows with the length of an utterance.
MAX_STRETCH_US = 15 * US_PER_S
NOTE = "Recognised by PocketSphinx, which gets a quarter to over half of the words wrong: read it with care."


def transcribe(request: Request) -> Heard | None:
    """One utterance per stretch of speech; None with ``auto`` unless the language is given as English.

    Raises:
        ConfigError: PocketSphinx was asked for and the language is not given as English.
    """
    if normal_code(request.settings.language) != "en":
        if request.settings.source == SOURCE:
            raise ConfigError(
                "PocketSphinx understands English only; add --language en, or give a subtitle file"
            )
        return None
    if not request.speech:
        return Heard((), language="en")
    waveform = request.waveform()
    decoder = _decoder()
    stretches = cut(request.speech)
    utterances = []
    for i, span in enumerate(stretches):
        utterances.append(_decode(decoder, waveform, span))
        request.progress((i + 1) / len(stretches))
    return Heard(tuple(u for u in utterances if u.text), language="en", note=NOTE)


def cut(speech: Sequence[Span]) -> tuple[Span, ...]:
    """Stretches of speech with those that are too long cut into equal parts."""
    parts = []
    for span in speech:
        n = -(-span.duration_us // MAX_STRETCH_US) or 1
        edges = [span.start_us + span.duration_us * i // n for i in range(n + 1)]
        parts += [Span(a, b) for a, b in pairwise(edges)]
    return tuple(parts)


def _decoder() -> Any:
    import pocketsphinx

    return pocketsphinx.Decoder(pocketsphinx.Config(samprate=float(SAMPLE_RATE_HZ), loglevel="FATAL"))


def _decode(decoder: Any, waveform: npt.NDArray[np.float32], span: Span) -> Utterance:
    first, last = (round(t * SAMPLE_RATE_HZ / US_PER_S) for t in (span.start_us, span.end_us))
    samples = np.clip(waveform[first:last], -1, 1)
    decoder.start_utt()
    decoder.process_raw((samples * 32767).astype("<i2").tobytes(), full_utt=True)
    decoder.end_utt()
    words = tuple(
        Word(
            Span(span.start_us + s.start_frame * FRAME_US, span.start_us + (s.end_frame + 1) * FRAME_US),
            s.word.split("(")[0],
        )
        for s in decoder.seg() or ()
        if not s.word.startswith(("<", "["))
    )
    return Utterance(span, " ".join(word.text for word in words), "en", SOURCE, words)
