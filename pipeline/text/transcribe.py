"""From a video to its transcript: the sources in order, text over non-speech dropped, languages named."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.config import AUTO, ConfigError, TranscriptSection
from pipeline.media.container import MediaError
from pipeline.media.language import line_language, normal_code, transcript_language
from pipeline.models.cards import ModelError
from pipeline.overlap import Overlaps
from pipeline.text.backends import TRANSCRIBERS
from pipeline.text.script import in_script
from pipeline.text.word_alignment import with_word_times
from pipeline.types import MediaInfo, Span, Status, Transcript, Utterance

# Whisper's own limits: the defaults of its `transcribe`.
MAX_COMPRESSION_RATIO = 2.4
MAX_NO_SPEECH_PROB = 0.6
MIN_AVG_LOGPROB = -1.0
NO_SOURCE = "none"
SPOKEN_SOURCES = frozenset({"faster-whisper", "whisper"})
READ_SOURCES = frozenset({"burned-in"})  # words without times, read by a model


@dataclass(frozen=True, slots=True)
class Request:
    """What a source may need. ``sound`` reads 16 kHz mono float32 samples of a span of the media clock."""

    source: Path
    media: MediaInfo
    settings: TranscriptSection
    speech: tuple[Span, ...]
    sound: Callable[[Span], npt.NDArray[np.float32]]
    progress: Callable[[float], None]
    subtitles: Path | None = None


@dataclass(frozen=True, slots=True)
class TranscriptSettings:
    """The config section, and what the plan knows of subtitle files: which was chosen, which unreadable.

    ``is_corrected``: the file is no subtitles but the transcript that a person corrected.
    """

    section: TranscriptSection
    note: str = ""
    loss: str = ""
    is_corrected: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """What a source found, before gating; ``language`` as the source says, and how probable it holds that."""

    utterances: tuple[Utterance, ...]
    language: str | None = None
    language_probability: float | None = None
    note: str = ""
    losses: tuple[str, ...] = ()


def transcribe(request: Request) -> Transcript:
    """Ask the chosen source, or with ``auto`` one after the other until one has text.

    Subtitles without text are passed over, and with ``auto`` those that cannot be read, which is a loss; so
    is a film in which somebody speaks and that no source can read.

    Raises:
        ConfigError: the chosen source does not exist for this video.
        ModelError: the chosen source's model is not on this machine.
        MediaError: the chosen subtitle file or stream cannot be read.
    """
    wanted = request.settings.source
    notes: list[str] = []
    losses: list[str] = []
    for name in TRANSCRIBERS if wanted == AUTO else (wanted,):
        module, function = TRANSCRIBERS[name].split(":")
        try:
            heard: Heard | None = getattr(import_module(module), function)(request)
        except MediaError as error:
            if wanted != AUTO:
                raise
            losses.append(f"{error} The words come from elsewhere, if from anywhere.")
            continue
        if heard is None:
            continue
        transcript = settle(heard, name, request)
        if name in READ_SOURCES and transcript.utterances:
            transcript = _timed(transcript, request)
        notes.append(transcript.note)
        if name in SPOKEN_SOURCES | READ_SOURCES and (codecs := _pictures(request)):
            notes.append(f"The subtitles in the film are pictures of text ({codecs}), which cannot be read.")
        losses += transcript.losses
        if transcript.status is Status.OK or name in SPOKEN_SOURCES:
            # A recogniser that heard nothing is not overruled by a worse one.
            return replace(transcript, note=" ".join(filter(None, notes)), losses=tuple(losses))
    if request.speech:
        losses.append(_advice(request))
    elif not notes and not losses:
        notes.append(_advice(request))
    return Transcript(
        (), Status.NO_TRANSCRIPT, NO_SOURCE, note=" ".join(filter(None, notes)), losses=tuple(losses)
    )


def _timed(transcript: Transcript, request: Request) -> Transcript:
    """The transcript with the times of its words, where a recogniser that is here hears them.

    What was read stays as it is; a recogniser that cannot be loaded costs the times alone.
    """
    settings = request.settings.model_copy(update={"source": AUTO, "language": transcript.language})
    for name in TRANSCRIBERS:
        if name not in SPOKEN_SOURCES:
            continue
        module, function = TRANSCRIBERS[name].split(":")
        try:
            heard: Heard | None = getattr(import_module(module), function)(
                replace(request, settings=settings)
            )
        except (ConfigError, ModelError) as error:
            return replace(
                transcript, note=f"{transcript.note} When each word is said is not known: {error}."
            )
        if heard is None:
            continue
        recognised = [word for utterance in heard.utterances for word in utterance.words]
        timed = with_word_times(transcript.utterances, recognised)
        lines = sum(bool(utterance.words) for utterance in timed)
        times = f"The times of the words in {lines} of {len(timed)} lines are as {name} heard them."
        return replace(
            transcript, utterances=timed, note=f"{transcript.note} {times}" if lines else transcript.note
        )
    return transcript


def settle(heard: Heard, source: str, request: Request) -> Transcript:
    """Clip to the film, drop what was recognised over non-speech, name each line's language."""
    film = Span(0, request.media.duration_us)
    lines = [replace(u, span=_clipped(u.span, film)) for u in heard.utterances if u.text.strip()]
    lines = [u for u in lines if u.span.start_us < film.end_us and u.span.duration_us > 0]
    lines.sort(key=lambda u: u.span)
    dropped = 0
    if source in SPOKEN_SOURCES:
        kept = over_speech(lines, request.speech, request.settings.min_speech_share)
        dropped, lines = len(lines) - len(kept), list(kept)
    language = transcript_language(
        [u.text for u in lines], normal_code(request.settings.language) or heard.language
    )
    lines = [replace(u, language=line_language(u.text, language)) for u in lines]
    if request.settings.script != AUTO:
        lines = list(in_script(lines, request.settings.script))
    notes = [heard.note]
    if dropped:
        notes.append(f"{dropped} recognised line{'s' if dropped > 1 else ''} over non-speech dropped.")
    if doubtful := sum(map(is_suspicious, lines)):
        notes.append(f"{doubtful} of {len(lines)} recognised lines look doubtful and weigh less.")
    if not lines and not heard.losses:
        notes.append(_nothing(source, request))
    return Transcript(
        utterances=tuple(lines),
        status=Status.OK if lines else Status.NO_TRANSCRIPT,
        source=source,
        language=language,
        language_probability=None if normal_code(request.settings.language) else heard.language_probability,
        dropped_over_silence=dropped,
        note=" ".join(note for note in notes if note),
        losses=heard.losses,
    )


def _nothing(source: str, request: Request) -> str:
    if source not in SPOKEN_SOURCES:
        return f"The subtitle {source} holds no text."
    if not request.media.has_audio:
        return "The video has no sound to recognise words in; give a subtitle file with --transcript."
    if not request.speech:
        return "No speech was heard, so no words were recognised; if words are spoken, give a subtitle file."
    return f"No speech was recognised by {source}."


def over_speech(
    utterances: Sequence[Utterance], speech: Sequence[Span], min_share: float
) -> tuple[Utterance, ...]:
    """Those of which at least ``min_share`` lies over speech; a line of no length must touch speech."""
    kept = []
    overlaps = Overlaps(speech)
    for utterance in utterances:
        span = utterance.span
        shared = sum(span.overlap_us(speech[i]) for i in overlaps.during(span))
        inside = overlaps.during(Span(span.start_us, span.start_us + 1))
        if shared >= min_share * span.duration_us if span.duration_us else inside:
            kept.append(utterance)
    return tuple(kept)


def is_suspicious(utterance: Utterance) -> bool:
    """Whether recognised text looks invented: too repetitive, or probably silence and unlikely words."""
    ratio, silence, logprob = utterance.compression_ratio, utterance.no_speech_prob, utterance.avg_logprob
    if ratio is not None and ratio > MAX_COMPRESSION_RATIO:
        return True
    return (
        silence is not None
        and silence > MAX_NO_SPEECH_PROB
        and (logprob is None or logprob < MIN_AVG_LOGPROB)
    )


def _clipped(span: Span, film: Span) -> Span:
    start = min(max(span.start_us, film.start_us), film.end_us)
    return Span(start, max(start, min(span.end_us, film.end_us)))


def _pictures(request: Request) -> str:
    """Codecs of the subtitle streams that are pictures of text, empty where there are none."""
    return ", ".join(sorted({one.codec for one in request.media.subtitle_streams if not one.is_text}))


def _advice(request: Request) -> str:
    pictures = _pictures(request)
    if not pictures and not request.media.has_audio:
        return "The video has no sound and no subtitles; give a subtitle file with --transcript."
    if not pictures and not request.speech:
        return "No speech was heard and there are no subtitles; if words are spoken, give a subtitle file."
    what = "There are no subtitles with words"
    if pictures:
        what = f"The subtitles in the film are pictures of text ({pictures}), which cannot be read"
    if not request.speech:
        return f"{what}; give a subtitle file with --transcript."
    recogniser = import_module(TRANSCRIBERS["faster-whisper"].split(":")[0])
    missing = recogniser.missing(request.settings.whisper_model)
    return f"{what}, and {missing}, or give a subtitle file with --transcript."
