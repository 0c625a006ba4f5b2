"""``emotion.srt``: captions with emotion for any player, coloured where the player knows ``<font>``.

Players draw a dark outline, on which dark colours cannot be read: these are left out, and of the words only
the emotion's name is coloured.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.engine.stage import Progress
from pipeline.records import ANALYSIS_FILE, read_record
from pipeline.types import Analysis
from pipeline.writers.exports.cues import SEPARATOR, Cue, Said, conflict_colour, cues
from pipeline.writers.palette import colour, ink

SRT = "emotion.srt"
WHITE = "#FFFFFF"
AT_THE_TOP = "{\\an8}"

# SubRip has no escapes, so what players take for mark-up is widened.
_WIDENED = str.maketrans("<>{}\\", "＜＞｛｝＼")


def run(inputs: Mapping[str, Path], settings: Any, out: Path, progress: Progress) -> None:
    """Stage ``export-srt``; with nothing said and nothing seen the file is empty."""
    analysis = read_record(inputs["analysis"] / ANALYSIS_FILE, Analysis)
    (out / SRT).write_text(srt(analysis), encoding="utf-8", newline="\n")
    progress(1.0)


def srt(analysis: Analysis) -> str:
    """The whole file."""
    import pysubs2

    captions = pysubs2.SSAFile()
    for cue in cues(analysis):
        captions.append(pysubs2.SSAEvent(start=cue.start_ms, end=cue.end_ms, text=_text(cue)))
    return captions.to_string("srt", keep_ssa_tags=True)


def _text(cue: Cue) -> str:
    if cue.kind:
        (said,) = cue.lines[0]
        return AT_THE_TOP + _coloured(said.text, conflict_colour(cue.kind))
    return "\\N".join(SEPARATOR.join(_said(one) for one in line) for line in cue.lines)


def _said(said: Said) -> str:
    if said.emotion is None:
        return _plain(said.text)
    tint = colour(said.emotion)
    return _coloured(said.name, tint) + _plain(said.text) if said.name else _coloured(said.text, tint)


def _coloured(text: str, tint: str) -> str:
    dark = ink(tint) == WHITE
    return _plain(text) if dark else f'<font color="{tint}">{_plain(text)}</font>'


def _plain(text: str) -> str:
    return text.translate(_WIDENED)
