"""Transcript from subtitles: a file beside the video, or a stream in its container."""

from pipeline.config import ConfigError
from pipeline.media.language import normal_code
from pipeline.media.streams import choice_note, ranked_subtitles
from pipeline.media.subtitles import extract_stream, read_subtitles
from pipeline.text.transcribe import Heard, Request
from pipeline.types import Utterance


def from_file(request: Request) -> Heard | None:
    """Lines of the subtitle file; None when there is none.

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
    lines = read_subtitles(request.subtitles)
    return Heard(tuple(Utterance(span, text, None, "file") for span, text in lines))


def from_stream(request: Request) -> Heard | None:
    """Lines of the subtitle stream that is meant (``media.streams``); None where none is stored as text.

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
    lines = extract_stream(request.source, chosen.index)
    return Heard(
        tuple(Utterance(span, text, None, "stream") for span, text in lines),
        language=normal_code(chosen.language),
        note=choice_note("subtitle", chosen, streams),
    )
