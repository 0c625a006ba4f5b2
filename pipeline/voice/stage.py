"""The stages `speech` (where someone speaks), `speakers` (whose voice) and `voice` (what it sounds like)."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.config import VoiceSection
from pipeline.engine.stage import Progress
from pipeline.media.audio import AUDIO_FILE, SAMPLE_RATE_HZ
from pipeline.media.recording import Recording, Sound
from pipeline.models.load import load_backend
from pipeline.records import (
    CARD_FILE,
    MEDIA_FILE,
    OBSERVATIONS_FILE,
    SPEECH_FILE,
    TURNS_FILE,
    WARNINGS_FILE,
    read_record,
    read_records,
    write_record,
    write_records,
    write_sentences,
)
from pipeline.types import US_PER_S, MediaInfo, Observation, Span, Status, Turn
from pipeline.voice.activity import load_detector, speech_probabilities, speech_spans
from pipeline.voice.backends import BACKENDS, Samples, VoiceBackend
from pipeline.voice.quality import window_quality
from pipeline.voice.speaker_encoder import Encoder, encode, is_here, load_encoder
from pipeline.voice.speakers import HOP_US, WINDOW_US, turns, voices
from pipeline.voice.windows import Window, gaps, windows

MODALITY = "voice"
# Enough speech to know a voice by; more would only cost memory and time.
KNOWN_SPEECH_S = 180
KNOWN_PIECE_S = 3
NO_ENCODER = (
    "Voices were not told apart, since the speaker encoder is not on this machine; run "
    "`emotion-pipeline models pull campplus`."
)


def run_speech(inputs: Mapping[str, Path], settings: VoiceSection, out: Path, progress: Progress) -> None:
    """Write ``speech.jsonl``: the stretches of speech, in order."""
    info = read_record(inputs["probe"] / MEDIA_FILE, MediaInfo)
    audio = Recording(inputs["audio"] / AUDIO_FILE)
    spans: list[Span] = []
    if info.has_audio and audio.size:
        probabilities = speech_probabilities(audio, load_detector(), progress)
        spans = speech_spans(probabilities, settings.speech_threshold, info.duration_us)
    write_records(out / SPEECH_FILE, Span, spans)


def run_speakers(inputs: Mapping[str, Path], settings: VoiceSection, out: Path, progress: Progress) -> None:
    """Write ``turns.jsonl``: who speaks when, without turns where voices cannot be told apart; the card.

    Raises:
        ModelError: the encoder on this machine is not what was published.
    """
    speech = read_records(inputs["speech"] / SPEECH_FILE, Span)
    spoken: list[Turn] = []
    if settings.speakers == 1:
        spoken = [Turn(span, "S1") for span in speech]
    elif speech and not is_here():
        write_sentences(out / WARNINGS_FILE, [NO_ENCODER])
    elif speech:
        encoder = load_encoder()
        spoken = speakers_of(Recording(inputs["audio"] / AUDIO_FILE), speech, encoder, settings, progress)
        write_record(out / CARD_FILE, encoder.card)
    write_records(out / TURNS_FILE, Turn, spoken)


def speakers_of(
    audio: Sound, speech: Sequence[Span], encoder: Encoder, settings: VoiceSection, progress: Progress
) -> list[Turn]:
    """Turns of the voices in ``audio``, which is read window by window."""
    cut = [window.span for window in windows(speech, WINDOW_US, HOP_US, 0)]
    vectors = []
    for vector in encode(encoder, audio, cut):
        vectors.append(vector)
        progress(len(vectors) / len(cut))
    known = settings.speakers if isinstance(settings.speakers, int) else None
    labels, probabilities = voices(np.array(vectors, np.float64), known, settings.max_speakers)
    return turns(speech, cut, labels, probabilities)


def run_voice(inputs: Mapping[str, Path], settings: VoiceSection, out: Path, progress: Progress) -> None:
    """Write ``observations.jsonl``: one per window of speech and one per stretch without; the model's card.

    Raises:
        ModelError: the chosen model is not on this machine or does not fit.
    """
    info = read_record(inputs["probe"] / MEDIA_FILE, MediaInfo)
    audio = Recording(inputs["audio"] / AUDIO_FILE)
    film = Span(0, info.duration_us)
    if not info.has_audio or audio.size == 0:
        write_records(out / OBSERVATIONS_FILE, Observation, [Observation(MODALITY, film, Status.NO_AUDIO)])
        return
    speech = read_records(inputs["speech"] / SPEECH_FILE, Span)
    cut = windows(speech, _us(settings.window_s), _us(settings.hop_s), _us(settings.min_speech_s))
    readable = [window for window in cut if not window.too_short]
    observations = [Observation(MODALITY, span, Status.SILENCE) for span in gaps(speech, film.end_us)]
    observations += [Observation(MODALITY, w.span, Status.TOO_SHORT) for w in cut if w.too_short]
    if readable:
        backend: VoiceBackend = load_backend(BACKENDS, settings.backend, settings.device)
        observations += read_windows(audio, speech, readable, backend, settings=settings, progress=progress)
        write_record(out / CARD_FILE, backend.card)
    write_records(out / OBSERVATIONS_FILE, Observation, sorted(observations, key=lambda one: one.span))


def read_windows(
    audio: Sound,
    speech: Sequence[Span],
    readable: Sequence[Window],
    backend: VoiceBackend,
    *,
    settings: VoiceSection,
    progress: Progress,
) -> Iterator[Observation]:
    """Emotion of every window, in batches and in order."""
    known = known_speech(audio, speech)
    for first in range(0, len(readable), settings.batch_size):
        batch = readable[first : first + settings.batch_size]
        samples = [samples_of(audio, window.span) for window in batch]
        for window, heard, scores in zip(batch, samples, backend(samples, known), strict=True):
            quality, evidence = window_quality(heard, settings.window_s)
            yield Observation(
                MODALITY, window.span, Status.OK, scores, raw=scores, quality=quality, evidence=evidence
            )
        progress(min(1.0, (first + len(batch)) / len(readable)))


def samples_of(audio: Sound, span: Span) -> Samples:
    """Samples of a span, in memory; what lies beyond the end of the audio is left out."""
    first, last = (at_us * SAMPLE_RATE_HZ // US_PER_S for at_us in (span.start_us, span.end_us))
    return np.array(audio[first:last], dtype=np.float32)


def known_speech(audio: Sound, speech: Sequence[Span]) -> NDArray[np.float32]:
    """All speech, or ``KNOWN_SPEECH_S`` of it in pieces spread evenly over a long video."""
    pieces = [w.span for w in windows(speech, _us(KNOWN_PIECE_S), _us(KNOWN_PIECE_S), 0)]
    most = KNOWN_SPEECH_S // KNOWN_PIECE_S
    if len(pieces) > most:
        pieces = [pieces[i] for i in np.linspace(0, len(pieces) - 1, most).round().astype(int)]
    else:
        pieces = list(speech)
    parts = [samples_of(audio, span) for span in pieces]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _us(seconds: float) -> int:
    return round(seconds * US_PER_S)
