"""Which text-emotion back-ends and transcript sources there are; nothing heavy is imported here."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipeline.types import Scores

Reading = Callable[[Sequence[str], Sequence[str | None]], list[Scores | None]]

BACKENDS: Mapping[str, str] = {
    "compact": "pipeline.text.compact:load",
    "xlm-roberta": "pipeline.text.transformers_text:load_listed",
    "transformers": "pipeline.text.transformers_text:load",
}

# In the order in which `auto` tries them.
TRANSCRIBERS: Mapping[str, str] = {
    "file": "pipeline.text.captions:from_file",
    "stream": "pipeline.text.captions:from_stream",
    "burned-in": "pipeline.text.burned_in:transcribe",
    "faster-whisper": "pipeline.text.faster_whisper_speech:transcribe",
    "whisper": "pipeline.text.whisper_speech:transcribe",
}
# Sources whose words a model makes: what says, from the settings, which model.
RECOGNISER_CARDS: Mapping[str, str] = {
    "burned-in": "pipeline.text.burned_in:card",
    "faster-whisper": "pipeline.text.faster_whisper_speech:card",
    "whisper": "pipeline.text.whisper_speech:card",
}


def reading_of(backend: Any, spoken: bool) -> Reading:
    """How a back-end reads texts; one that reads speech in a way of its own (``of_speech``) is told."""
    reading: Reading = getattr(backend, "of_speech", backend) if spoken else backend
    return reading
