"""``transcript.srt``: the words with their times, for players and editors."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.engine.stage import Progress
from pipeline.records import ANALYSIS_FILE, read_record
from pipeline.types import Analysis, Utterance
from pipeline.writers.facts import one_line

CAPTIONS = "transcript.srt"


def run(inputs: Mapping[str, Path], settings: Any, out: Path, progress: Progress) -> None:
    """Stage ``captions``; no file without words."""
    utterances = read_record(inputs["analysis"] / ANALYSIS_FILE, Analysis).transcript.utterances
    if utterances:
        (out / CAPTIONS).write_text(srt(utterances), encoding="utf-8", newline="\n")
    progress(1.0)


def srt(utterances: Sequence[Utterance]) -> str:
    """One caption of one line per utterance; a blank line inside a text would end it for a player."""
    import pysubs2

    captions = pysubs2.SSAFile()
    for utterance in utterances:
        start_ms, end_ms = (round(t / 1000) for t in (utterance.span.start_us, utterance.span.end_us))
        captions.append(pysubs2.SSAEvent(start=start_ms, end=end_ms, text=_kept(one_line(utterance.text))))
    # Otherwise braces would be taken for styling and dropped.
    return captions.to_string("srt", keep_ssa_tags=True)


def _kept(text: str) -> str:
    """Backslashes widened: the library takes them for white space or, in braces, for a hidden drawing."""
    return text.replace("\\", "＼")
