"""How far the text of an utterance can be trusted: where it came from, and how much of it there is."""

from pipeline.media.language import is_east_asian
from pipeline.text.transcribe import is_suspicious
from pipeline.types import Utterance

_SUSPICIOUS = 0.2
# From this much text on, length no longer limits; one syllable says little by itself.
_ENOUGH_UNITS = 6
_SHORTEST = 0.4


def text_quality(utterance: Utterance) -> float:
    """Trust in [0, 1]: the recogniser's (1 for subtitles) times what the length allows."""
    return round(source_quality(utterance) * length_quality(utterance.text), 4)


def source_quality(utterance: Utterance) -> float:
    """Expected fraction of right words: 1 for subtitles, the calibrated confidence of recognised words."""
    if is_suspicious(utterance):
        return _SUSPICIOUS
    return 1.0 if utterance.confidence is None else utterance.confidence


def length_quality(text: str) -> float:
    """From 0.4 for a single syllable to 1 for six words or Chinese characters."""
    return (
        _SHORTEST + (1 - _SHORTEST) * min(1.0, (units(text) - 1) / (_ENOUGH_UNITS - 1))
        if units(text)
        else 0.0
    )


def units(text: str) -> int:
    """Words, with every Chinese, Japanese or Korean character counted as one."""
    wide = sum(is_east_asian(char) for char in text)
    words = "".join(
        " " if is_east_asian(char) or not (char.isalnum() or char == "'") else char for char in text
    )
    return wide + len(words.split())
