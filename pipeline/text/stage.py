"""The two stages of the text room: the transcript, and the emotion of each of its utterances."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config import TextSection, TranscriptSection
from pipeline.engine.stage import Progress
from pipeline.models.load import load_backend
from pipeline.records import read_record, read_records, write_record, write_records
from pipeline.text.backends import BACKENDS
from pipeline.text.quality import text_quality
from pipeline.text.transcribe import Request, is_suspicious, transcribe
from pipeline.types import MediaInfo, Observation, Scores, Span, Status, Transcript, Utterance

MODALITY = "text"


def run_transcript(
    inputs: Mapping[str, Path], settings: TranscriptSection, out: Path, progress: Progress
) -> None:
    """Write ``transcript.json``. Raises ConfigError, ModelError or MediaError (see ``transcribe``)."""
    request = Request(
        source=inputs["source"],
        media=read_record(inputs["probe"] / "media.json", MediaInfo),
        settings=settings,
        speech=read_records(inputs["speech"] / "speech.jsonl", Span),
        waveform=lambda: np.load(inputs["audio"] / "audio.npy"),
        progress=progress,
        subtitles=inputs.get("subtitles"),
    )
    transcript = transcribe(request)
    write_record(out / "transcript.json", transcript)
    if transcript.note:
        (out / "warnings.txt").write_text(transcript.note + "\n", encoding="utf-8")
    progress(1.0)


def run_text(inputs: Mapping[str, Path], settings: TextSection, out: Path, progress: Progress) -> None:
    """Write ``observations.jsonl``: one per utterance, or one over the film when there is no transcript."""
    transcript = read_record(inputs["transcript"] / "transcript.json", Transcript)
    media = read_record(inputs["probe"] / "media.json", MediaInfo)
    observations = read_transcript(transcript, media.duration_us, settings, progress)
    write_records(out / "observations.jsonl", Observation, observations)


def read_transcript(
    transcript: Transcript, duration_us: int, settings: TextSection, progress: Progress
) -> tuple[Observation, ...]:
    """Emotion of every utterance, in batches. Raises ModelError."""
    utterances = transcript.utterances
    if not utterances:
        return (Observation(MODALITY, Span(0, duration_us), Status.NO_TRANSCRIPT),)
    backend: Any = load_backend(BACKENDS, settings.backend, settings.device)
    scores: list[Scores | None] = []
    for i in range(0, len(utterances), settings.batch_size):
        batch = utterances[i : i + settings.batch_size]
        scores += backend([u.text for u in batch], [u.language for u in batch])
        progress(len(scores) / len(utterances))
    return tuple(map(_observation, utterances, scores))


def _observation(utterance: Utterance, scores: Scores | None) -> Observation:
    evidence = {"text": utterance.text, "language": utterance.language}
    if is_suspicious(utterance):
        evidence["doubtful"] = "recognised text looks invented"
    if not any(char.isalnum() for char in utterance.text):
        return Observation(MODALITY, utterance.span, Status.TOO_SHORT, evidence=evidence)
    if scores is None:
        return Observation(MODALITY, utterance.span, Status.UNSUPPORTED_LANGUAGE, evidence=evidence)
    return Observation(
        MODALITY,
        utterance.span,
        Status.OK,
        scores=scores,
        raw=scores,
        quality=text_quality(utterance),
        evidence=evidence,
    )
