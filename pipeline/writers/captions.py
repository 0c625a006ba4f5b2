"""The words with their times: ``transcript.srt`` and ``.vtt`` for players, ``transcript.csv`` for people.

These three are what a person corrects (``pipeline.corrections``): each holds every utterance, one a caption
or row. ``transcript_words.csv`` has a row per word, for statistics; nothing is read back from it.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.engine.stage import Progress
from pipeline.records import ANALYSIS_FILE, read_record
from pipeline.types import Analysis, Utterance
from pipeline.writers.columns import CONTENT, END, START
from pipeline.writers.facts import one_line
from pipeline.writers.table import Row, milliseconds, share, write_sheet
from pipeline.writers.web_vtt import escaped, timestamp

SRT, VTT, CSV, WORDS = "transcript.srt", "transcript.vtt", "transcript.csv", "transcript_words.csv"
SPEAKER, CONFIDENCE, LANGUAGE, UTTERANCE = "Speaker", "Confidence", "Language", "Utterance"
WORD, PROBABILITY = "Word", "Probability"
COLUMNS = (START, END, SPEAKER, CONTENT, CONFIDENCE, LANGUAGE, UTTERANCE)
WORD_COLUMNS = (START, END, WORD, PROBABILITY, SPEAKER, UTTERANCE)


def run(inputs: Mapping[str, Path], settings: Any, out: Path, progress: Progress) -> None:
    """Stage ``captions``; no file without words, and none of single words where their times are not known."""
    utterances = read_record(inputs["analysis"] / ANALYSIS_FILE, Analysis).transcript.utterances
    if utterances:
        (out / SRT).write_text(srt(utterances), encoding="utf-8", newline="\n")
        (out / VTT).write_text(vtt(utterances), encoding="utf-8", newline="\n")
        write_sheet(out / CSV, COLUMNS, utterance_rows(utterances))
    if any(utterance.words for utterance in utterances):
        write_sheet(out / WORDS, WORD_COLUMNS, word_rows(utterances))
    progress(1.0)


def srt(utterances: Sequence[Utterance]) -> str:
    """One caption of one line per utterance; a blank line inside a text would end it for a player."""
    import pysubs2

    captions = pysubs2.SSAFile()
    for utterance in utterances:
        start_ms, end_ms = _times_ms(utterance)
        captions.append(pysubs2.SSAEvent(start=start_ms, end=end_ms, text=_kept(one_line(utterance.text))))
    # Otherwise braces would be taken for styling and dropped.
    return captions.to_string("srt", keep_ssa_tags=True)


def vtt(utterances: Sequence[Utterance]) -> str:
    """WebVTT, one cue of one line per utterance; the speaker stands before it as ``<v Name>``."""
    cues = [
        f"{number}\n{timestamp(start_ms)} --> {timestamp(end_ms)}\n{_voice(utterance)}"
        f"{escaped(one_line(utterance.text))}\n"
        for number, utterance in enumerate(utterances, start=1)
        for start_ms, end_ms in [_times_ms(utterance)]
    ]
    return "\n".join(["WEBVTT\n", *cues])


def utterance_rows(utterances: Sequence[Utterance]) -> Iterator[Row]:
    """One row per utterance; ``Utterance`` counts from 1."""
    for number, utterance in enumerate(utterances, start=1):
        yield {
            START: milliseconds(utterance.span.start_us),
            END: milliseconds(utterance.span.end_us),
            SPEAKER: one_line(utterance.speaker or ""),
            CONTENT: one_line(utterance.text),
            CONFIDENCE: share(utterance.confidence),
            LANGUAGE: one_line(utterance.language or ""),
            UTTERANCE: str(number),
        }


def word_rows(utterances: Sequence[Utterance]) -> Iterator[Row]:
    """One row per word whose time is known; ``Utterance`` is the row of ``transcript.csv`` it stands in."""
    for number, utterance in enumerate(utterances, start=1):
        for word in utterance.words:
            yield {
                START: milliseconds(word.span.start_us),
                END: milliseconds(word.span.end_us),
                WORD: one_line(word.text),
                PROBABILITY: share(word.probability),
                SPEAKER: one_line(utterance.speaker or ""),
                UTTERANCE: str(number),
            }


def _times_ms(utterance: Utterance) -> tuple[int, int]:
    return round(utterance.span.start_us / 1000), round(utterance.span.end_us / 1000)


def _voice(utterance: Utterance) -> str:
    name = one_line(utterance.speaker or "")
    return f"<v {escaped(name)}>" if name else ""


def _kept(text: str) -> str:
    """Backslashes widened: the library takes them for white space or, in braces, for a hidden drawing."""
    return text.replace("\\", "＼")
