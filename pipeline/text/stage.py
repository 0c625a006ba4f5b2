"""The stages of the text channel: the words, whose they are, and the emotion of each utterance."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from pipeline.config import TextSection
from pipeline.engine.stage import Progress
from pipeline.media.audio import AUDIO_FILE
from pipeline.media.mend import media_path
from pipeline.media.recording import Recording
from pipeline.models.load import load_backend
from pipeline.records import (
    CARD_FILE,
    DOUBTFUL_KEY,
    LOSSES_FILE,
    MEDIA_FILE,
    OBSERVATIONS_FILE,
    SPEECH_FILE,
    TRANSCRIPT_FILE,
    TURNS_FILE,
    WARNINGS_FILE,
    read_record,
    read_records,
    write_record,
    write_records,
    write_sentences,
)
from pipeline.text.backends import BACKENDS, RECOGNISER_CARDS, reading_of
from pipeline.text.chunks import sound_of
from pipeline.text.corrections import Correction, within
from pipeline.text.quality import text_quality
from pipeline.text.transcribe import Request, TranscriptSettings, is_suspicious, transcribe
from pipeline.text.voices import named
from pipeline.types import MediaInfo, Observation, Scores, Span, Status, Transcript, Turn, Utterance

MODALITY = "text"


def run_words(
    inputs: Mapping[str, Path], settings: TranscriptSettings, out: Path, progress: Progress
) -> None:
    """Write ``transcript.json`` without voices, what was noted and lost on the way, the card of what read it.

    Raises:
        ConfigError, ModelError, MediaError: see ``transcribe``.
    """
    media = read_record(inputs["probe"] / MEDIA_FILE, MediaInfo)
    if settings.is_corrected:
        correction = read_record(inputs["subtitles"], Correction)
        _write(out, within(correction.transcript, media.duration_us))
        if correction.card is not None and correction.is_recognised:
            write_record(out / CARD_FILE, correction.card)
        progress(1.0)
        return
    request = Request(
        source=media_path(inputs),
        media=media,
        settings=settings.section,
        speech=read_records(inputs["speech"] / SPEECH_FILE, Span),
        sound=sound_of(Recording(inputs["audio"] / AUDIO_FILE)),
        progress=progress,
        subtitles=inputs.get("subtitles"),
    )
    transcript = transcribe(request)
    transcript = replace(
        transcript,
        note=" ".join(filter(None, (settings.note, transcript.note))),
        losses=tuple(filter(None, (settings.loss, *transcript.losses))),
    )
    _write(out, transcript)
    if transcript.utterances and transcript.source in RECOGNISER_CARDS:
        module, function = RECOGNISER_CARDS[transcript.source].split(":")
        write_record(out / CARD_FILE, getattr(import_module(module), function)(settings.section))
    progress(1.0)


def _write(out: Path, transcript: Transcript) -> None:
    write_record(out / TRANSCRIPT_FILE, transcript)
    write_sentences(out / WARNINGS_FILE, [transcript.note])
    write_sentences(out / LOSSES_FILE, transcript.losses)


def run_transcript(
    inputs: Mapping[str, Path], settings: TranscriptSettings, out: Path, progress: Progress
) -> None:
    """Write ``transcript.json`` with the voice of every line, and the card of what read it.

    Apart from the stage ``words``, which takes long and needs no voices. Whoever corrected a transcript has
    named its speakers too.
    """
    transcript = read_record(inputs["words"] / TRANSCRIPT_FILE, Transcript)
    if "speakers" in inputs and not settings.is_corrected:
        turns = read_records(inputs["speakers"] / TURNS_FILE, Turn)
        transcript = replace(transcript, utterances=tuple(named(transcript.utterances, turns)))
    write_record(out / TRANSCRIPT_FILE, transcript)
    if (inputs["words"] / CARD_FILE).is_file():
        shutil.copyfile(inputs["words"] / CARD_FILE, out / CARD_FILE)
    progress(1.0)


def run_text(inputs: Mapping[str, Path], settings: TextSection, out: Path, progress: Progress) -> None:
    """Write ``observations.jsonl``: one per utterance and per stretch without words, and the model's card."""
    transcript = read_record(inputs["transcript"] / TRANSCRIPT_FILE, Transcript)
    film = Span(0, read_record(inputs["probe"] / MEDIA_FILE, MediaInfo).duration_us)
    if not transcript.utterances:
        write_records(
            out / OBSERVATIONS_FILE, Observation, [Observation(MODALITY, film, Status.NO_TRANSCRIPT)]
        )
        return
    backend: Any = load_backend(BACKENDS, settings.backend, settings.device)
    observations = [
        *read_utterances(transcript.utterances, backend, settings.batch_size, progress),
        *(Observation(MODALITY, gap, Status.NO_WORDS) for gap in gaps(transcript.utterances, film)),
    ]
    write_records(out / OBSERVATIONS_FILE, Observation, sorted(observations, key=lambda one: one.span))
    write_record(out / CARD_FILE, backend.card)
    is_unread = all(one.status is not Status.OK for one in observations)
    write_sentences(
        out / (LOSSES_FILE if is_unread else WARNINGS_FILE), [unsupported(observations, backend.card.id)]
    )


def unsupported(observations: Sequence[Observation], model: str) -> str:
    """How many lines are in a language that the model does not read; empty where there are none."""
    foreign = [o for o in observations if o.status is Status.UNSUPPORTED_LANGUAGE]
    if not foreign:
        return ""
    lines = sum(o.status is not Status.NO_WORDS for o in observations)
    languages = ", ".join(sorted({str(o.evidence.get("language") or "an unknown language") for o in foreign}))
    return (
        f"{len(foreign)} of {lines} lines of text are in {languages}, which {model} does not read; name the "
        "language with --language where that is wrong, or give another model as text.backend"
    )


def gaps(utterances: Sequence[Utterance], film: Span) -> list[Span]:
    """What is left of the film beside the ordered utterances."""
    found, at = [], film.start_us
    for utterance in utterances:
        if utterance.span.start_us > at:
            found.append(Span(at, min(utterance.span.start_us, film.end_us)))
        at = max(at, utterance.span.end_us)
    return found + ([Span(at, film.end_us)] if at < film.end_us else [])


def read_utterances(
    utterances: Sequence[Utterance], backend: Any, batch_size: int, progress: Progress
) -> tuple[Observation, ...]:
    """Emotion of every utterance, in batches and in order."""
    read = reading_of(backend, spoken=True)
    scores: list[Scores | None] = []
    for i in range(0, len(utterances), batch_size):
        batch = utterances[i : i + batch_size]
        scores += read([u.text for u in batch], [u.language for u in batch])
        progress(len(scores) / len(utterances))
    return tuple(map(_observation, utterances, scores))


def _observation(utterance: Utterance, scores: Scores | None) -> Observation:
    evidence = {"text": utterance.text, "language": utterance.language}
    if is_suspicious(utterance):
        evidence[DOUBTFUL_KEY] = "recognised text looks invented"
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
