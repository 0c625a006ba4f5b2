"""``emotion.vtt``: captions with emotion for players on web pages, a class and a colour per emotion.

Written here, since pysubs2 writes WebVTT without classes, styles and settings. Cue ids are plain numbers:
simple readers know these from text.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pipeline.engine.stage import Progress
from pipeline.labels import EMOTIONS
from pipeline.records import ANALYSIS_FILE, read_record
from pipeline.types import Analysis, ConflictKind
from pipeline.writers.exports.cues import SEPARATOR, Cue, Said, conflict_colour, cues
from pipeline.writers.palette import colour, ink
from pipeline.writers.web_vtt import escaped, timestamp

VTT = "emotion.vtt"
AT_THE_TOP = " line:0"


def run(inputs: Mapping[str, Path], settings: Any, out: Path, progress: Progress) -> None:
    """Stage ``export-vtt``."""
    analysis = read_record(inputs["analysis"] / ANALYSIS_FILE, Analysis)
    (out / VTT).write_text(vtt(analysis), encoding="utf-8", newline="\n")
    progress(1.0)


def vtt(analysis: Analysis) -> str:
    """The whole file."""
    blocks = ["WEBVTT", _styles()]
    blocks += [_block(number, cue) for number, cue in enumerate(cues(analysis), start=1)]
    return "\n\n".join(blocks) + "\n"


def _styles() -> str:
    """Every class in its colour, on black or white, whichever reads better."""
    colours = {emotion: colour(emotion) for emotion in EMOTIONS}
    colours |= {kind: conflict_colour(kind) for kind in get_args(ConflictKind)}
    rules = (
        f"::cue(.{name}) {{ color: {tint}; background-color: {ink(tint)}; }}"
        for name, tint in colours.items()
    )
    return "\n".join(["STYLE", *rules])


def _block(number: int, cue: Cue) -> str:
    where = AT_THE_TOP if cue.kind else ""
    head = f"{number}\n{timestamp(cue.start_ms)} --> {timestamp(cue.end_ms)}{where}"
    lines = [SEPARATOR.join(_marked(said, cue.kind) for said in line) for line in cue.lines]
    return "\n".join([head, *lines])


def _marked(said: Said, kind: ConflictKind | None) -> str:
    name = kind or said.emotion
    text = escaped(f"{said.name}{said.text}")
    return f"<c.{name}>{text}</c>" if name else text
