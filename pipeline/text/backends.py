"""Which text-emotion back-ends and transcript sources there are; nothing heavy is imported here."""

from collections.abc import Mapping

BACKENDS: Mapping[str, str] = {
    "compact": "pipeline.text.compact:load",
    "xlm-roberta": "pipeline.text.transformers_text:load_listed",
    "transformers": "pipeline.text.transformers_text:load",
}

# In the order in which `auto` tries them.
TRANSCRIBERS: Mapping[str, str] = {
    "file": "pipeline.text.captions:from_file",
    "stream": "pipeline.text.captions:from_stream",
    "whisper": "pipeline.text.whisper_speech:transcribe",
    "pocketsphinx": "pipeline.text.pocketsphinx_speech:transcribe",
}
