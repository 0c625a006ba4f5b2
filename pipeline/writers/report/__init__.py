"""``report.html``: one file that explains what was found, opens offline, plays the film beside it.

Everything that came from the video, its subtitles or a user's own readings is escaped by the template engine.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.engine.stage import Progress
from pipeline.records import ANALYSIS_FILE, read_record
from pipeline.types import Analysis
from pipeline.writers.palette import COLOURS, CONFLICT, ink
from pipeline.writers.report.page import page
from pipeline.writers.report.scripts import scripts
from pipeline.writers.report.stills import pictures

REPORT = "report.html"
OPEN_CARDS = 20  # more wait behind a button


def run(inputs: Mapping[str, Path], settings: Any, out: Path, progress: Progress) -> None:
    """Stage ``report``."""
    analysis = read_record(inputs["analysis"] / ANALYSIS_FILE, Analysis)
    stills = pictures(inputs.get("stills"), len(analysis.conflicts))
    with (out / REPORT).open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(_pieces(analysis, stills))
    progress(1.0)


def html(analysis: Analysis, stills: Mapping[int, str] | None = None) -> str:
    """The page as text; equal analyses and pictures give equal bytes."""
    return "".join(_pieces(analysis, stills))


def _pieces(analysis: Analysis, stills: Mapping[int, str] | None) -> Iterator[str]:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template("page.html").generate(
        page=page(analysis, stills),
        scripts=scripts(chart=bool(analysis.moments)),
        colours=COLOURS,
        conflict=CONFLICT,
        ink=ink,
        few=OPEN_CARDS,
    )
