"""``annotations.TextGrid`` for Praat: the tiers as interval tiers that cover the whole film."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.engine.stage import Progress
from pipeline.records import ANALYSIS_FILE, read_record
from pipeline.types import Analysis
from pipeline.writers.exports.tiers import end_ms, tiers

TEXTGRID = "annotations.TextGrid"

# Praat tells a label from the file's own words by its quotes; praatio and other readers search for these.
_OWN_WORDS = re.compile(r"\b(item|intervals|points)( ?)\[")


def run(inputs: Mapping[str, Path], settings: Any, out: Path, progress: Progress) -> None:
    """Stage ``export-textgrid``."""
    analysis = read_record(inputs["analysis"] / ANALYSIS_FILE, Analysis)
    grid(analysis).save(str(out / TEXTGRID), "long_textgrid", includeBlankSpaces=True, reportingMode="error")
    progress(1.0)


def grid(analysis: Analysis) -> Any:
    """The analysis as a ``praatio.textgrid.Textgrid``, in seconds to the millisecond."""
    from praatio import textgrid

    shown = tiers(analysis)
    end_s = end_ms(analysis, shown) / 1000
    result = textgrid.Textgrid(0, end_s)
    for tier in shown:
        entries = [(a.start_ms / 1000, a.end_ms / 1000, label(a.value)) for a in tier.annotations]
        result.addTier(textgrid.IntervalTier(label(tier.name), entries, 0, end_s))
    return result


def label(text: str) -> str:
    """A label that no reader takes for the file's own words: there, a bracket is widened."""
    return _OWN_WORDS.sub(r"\1\2［", text).replace("ooTextFile", "oo TextFile")
