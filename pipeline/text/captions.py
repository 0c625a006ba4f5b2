"""Transcript from subtitles: a file beside the video, or a stream in its container."""

from pipeline.config import ConfigError
from pipeline.media.subtitles import extract_stream, read_subtitles
from pipeline.media.language import normal_code
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
    """Lines of the subtitle stream, the one in the wanted language if there is one; None without streams.

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
    wanted = normal_code(request.settings.language)
    chosen = next((s for s in streams if wanted and normal_code(s.language) == wanted), streams[0])
    lines = extract_stream(request.source, chosen.index)
    return Heard(
        tuple(Utterance(span, text, None, "stream") for span, text in lines),
        language=normal_code(chosen.language),
    )
