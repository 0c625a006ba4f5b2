"""``emotion.ass``: captions with emotion for players and editors, a style per emotion and conflict."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pipeline.engine.stage import Progress
from pipeline.labels import EMOTIONS
from pipeline.records import ANALYSIS_FILE, read_record
from pipeline.types import Analysis, ConflictKind
from pipeline.writers.exports.cues import SEPARATOR, Cue, Said, conflict_colour, cues
from pipeline.writers.film.ass import WIDENED
from pipeline.writers.palette import colour, ink, rgb

ASS = "emotion.ass"
PLAIN = "Default"
WIDTH, HEIGHT = 1280, 720  # of the script's own canvas; players scale it to the film
TEXT, SMALL = 44, 32
BOTTOM, TOP = 2, 8


def run(inputs: Mapping[str, Path], settings: Any, out: Path, progress: Progress) -> None:
    """Stage ``export-ass``."""
    analysis = read_record(inputs["analysis"] / ANALYSIS_FILE, Analysis)
    (out / ASS).write_text(ass(analysis), encoding="utf-8", newline="\n")
    progress(1.0)


def ass(analysis: Analysis) -> str:
    """The whole script."""
    import pysubs2

    script = pysubs2.SSAFile()
    script.info |= {"PlayResX": str(WIDTH), "PlayResY": str(HEIGHT), "ScaledBorderAndShadow": "yes"}
    script.styles = {PLAIN: _style("#FFFFFF", BOTTOM, TEXT)}
    script.styles |= {emotion: _style(colour(emotion), BOTTOM, TEXT) for emotion in EMOTIONS}
    kinds = get_args(ConflictKind)
    script.styles |= {kind: _style(conflict_colour(kind), TOP, SMALL) for kind in kinds}
    for cue in cues(analysis):
        start, end = _hundredths(cue)
        event = pysubs2.SSAEvent(start=start, end=end, text=_text(cue), style=_style_of(cue))
        script.append(event)
    text: str = script.to_string("ass")
    return text


def _style(tint: str, alignment: int, size: int) -> Any:
    """Text in a colour with an outline in black or white, whichever sets it off."""
    import pysubs2

    return pysubs2.SSAStyle(
        fontname="Arial",
        fontsize=size,
        primarycolor=pysubs2.Color(*rgb(tint)),
        outlinecolor=pysubs2.Color(*rgb(ink(tint))),
        bold=True,
        outline=3,
        shadow=0,
        alignment=pysubs2.Alignment(alignment),
        marginl=40,
        marginr=40,
        marginv=24,
    )


def _hundredths(cue: Cue) -> tuple[int, int]:
    """In milliseconds, to the format's grain: both half up, so that neighbours stay neighbours."""
    start, end = ((time_ms + 5) // 10 * 10 for time_ms in (cue.start_ms, cue.end_ms))
    return start, max(start + 10, end)


def _style_of(cue: Cue) -> str:
    return cue.kind or cue.lines[0][0].emotion or PLAIN


def _text(cue: Cue) -> str:
    first, *rest = cue.lines
    second = f"{_restyled(PLAIN)}{SEPARATOR}"
    lines = [SEPARATOR.join(_plain(said) for said in first)]
    lines += [second.join(f"{_restyled(one.emotion or PLAIN)}{_plain(one)}" for one in line) for line in rest]
    return "\\N".join(lines)


def _plain(said: Said) -> str:
    return f"{said.name}{said.text}".translate(WIDENED)


def _restyled(style: str) -> str:
    """From here on in another style, at the size of a second line."""
    return f"{{\\r{style}\\fs{SMALL}}}"
