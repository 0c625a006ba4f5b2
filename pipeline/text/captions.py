"""Transcript from subtitles: a file beside the video, or a stream in its container."""

from pipeline.config import ConfigError
from pipeline.media.beside import Track, preference
from pipeline.media.cues import count_of, spoken_lines
from pipeline.media.language import normal_code
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
    """What is said by the best subtitle stream (see ``beside.preference``); None without streams.

    Raises:
        ConfigError: a stream was asked for and there is none.
        MediaError: the stream cannot be read.
    """
    streams = request.media.subtitle_streams
    if not streams:
        if request.settings.source == "stream":
            raise ConfigError(
                "transcript.source is 'stream' but the video holds no subtitle stream; use 'auto'"
            )
        return None
    chosen = min(
        streams,
        key=lambda s: preference(Track(s.language), request.settings.language, request.sound_language),
    )
    subtitles = extract_stream(request.source, chosen.index, chosen.codec)
    return spoken(subtitles, request, "stream", normal_code(chosen.language))


def spoken(subtitles: Subtitles, request: Request, source: str, language: str | None) -> Heard:
    """Utterances out of cues, and what of the subtitles was lost; ``language`` as the source states it."""
    made = spoken_lines(
        subtitles.cues,
        subtitles.name,
        request.media.duration_us,
        request.settings.language,
        request.sound_language,
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
