"""Transcript from subtitles: a file beside the video, or a stream in its container."""

from dataclasses import replace

from pipeline.config import ConfigError
from pipeline.media.cues import count_of, spoken_lines
from pipeline.media.language import normal_code
from pipeline.media.streams import choice_note, ranked_subtitles
from pipeline.media.subtitles import Subtitles, extract_stream, read_subtitles
from pipeline.text.transcribe import Heard, Request
from pipeline.types import Utterance


def from_file(request: Request) -> Heard | None:
    """What is said by the subtitle file; None when there is none.

    Raises:
        ConfigError: a file was asked for and none was given.
        MediaError: the file cannot be read.
    """
    if request.subtitles is None:
        if request.settings.source == "file":
            raise ConfigError(
                "transcript.source is 'file' but there is no subtitle file; give one with --transcript"
            )
        return None
    return spoken(read_subtitles(request.subtitles), request, "file", None)


def from_stream(request: Request) -> Heard | None:
    """What is said by the subtitle stream that is meant (``media.streams``); None where none is text.

    Raises:
        ConfigError: a stream was asked for and there is none.
        MediaError: the stream cannot be read.
    """
    streams = request.media.subtitle_streams
    ranked = ranked_subtitles(streams, request.settings.language, request.media.audio_language)
    if not ranked:
        if request.settings.source == "stream":
            raise ConfigError(
                "transcript.source is 'stream' but the video holds no subtitles stored as text; use 'auto'"
            )
        return None
    chosen = ranked[0]
    subtitles = extract_stream(request.source, chosen.index, chosen.codec)
    heard = spoken(subtitles, request, "stream", normal_code(chosen.language))
    note = choice_note("subtitle", chosen, streams)
    return replace(heard, note=" ".join(filter(None, (note, heard.note))))


def spoken(subtitles: Subtitles, request: Request, source: str, language: str | None) -> Heard:
    """Utterances out of cues, and what of the subtitles was lost; ``language`` as the source states it."""
    made = spoken_lines(
        subtitles.cues,
        subtitles.name,
        request.media.duration_us,
        request.settings.language,
        request.media.audio_language,
    )
    losses = made.losses
    if subtitles.unreadable:
        losses = (
            f"{count_of(subtitles.unreadable, 'character')} of {subtitles.name} could not be read; "
            "save it again as UTF-8 where it comes from.",
            *losses,
        )
    if subtitles.damaged:
        lines = count_of(subtitles.damaged, "line")
        losses = (f"{lines} of {subtitles.name} could not be read; get a whole copy of it.", *losses)
    return Heard(
        tuple(Utterance(line.span, line.text, None, source, speaker=line.speaker) for line in made.lines),
        language=language,
        note=" ".join(made.notes),
        losses=losses,
    )
