"""``annotations.eaf`` for ELAN: the tiers, emotions from a controlled vocabulary, linked to the film.

EAF 2.8, written by pympi, without its clock: author and date are fixed, so equal analyses are equal bytes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.config import FilmSection
from pipeline.engine.stage import Progress
from pipeline.labels import EMOTIONS
from pipeline.records import ANALYSIS_FILE, read_record
from pipeline.types import Analysis
from pipeline.writers.exports.linked import linked, warn_if_missing
from pipeline.writers.exports.tiers import Tier, tiers
from pipeline.writers.facts import one_line

EAF = "annotations.eaf"
AUTHOR, DATE = "emotion-pipeline", "1970-01-01T00:00:00+00:00"
EMOTION_TYPE, TEXT_TYPE = "emotion", "text"
VOCABULARY = "emotions"
UNDETERMINED = ("und", "http://cdb.iso.org/lg/CDB-00130975-001", "undetermined (und)")


def run(inputs: Mapping[str, Path], settings: FilmSection, out: Path, progress: Progress) -> None:
    """Stage ``export-elan``."""
    analysis = read_record(inputs["analysis"] / ANALYSIS_FILE, Analysis)
    document(analysis).to_file(str(out / EAF))
    warn_if_missing(analysis, settings, out)
    progress(1.0)


def document(analysis: Analysis) -> Any:
    """The analysis as a ``pympi.Elan.Eaf``."""
    from pympi.Elan import Eaf

    eaf = Eaf(author=AUTHOR)
    eaf.adocument["DATE"] = DATE
    eaf.header = {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"}
    if film := linked(analysis):
        eaf.add_linked_file(f"./{film}", relpath=f"./{film}", mimetype="video/mp4")
    _types(eaf)
    shown = tiers(analysis)
    for tier in shown:
        kind = EMOTION_TYPE if tier.content == "emotion" else TEXT_TYPE
        part = one_line(tier.person) if tier.person else None
        eaf.add_tier(tier.name, ling=kind, part=part, ann=AUTHOR)
    count = _annotate(eaf, shown)
    eaf.properties = [("lastUsedAnnotationId", str(count))]
    return eaf


def _types(eaf: Any) -> None:
    """In the place of pympi's own, two linguistic types: emotions, from the vocabulary; and free text."""
    eaf.tiers.clear()
    eaf.linguistic_types.clear()
    plain = {"TIME_ALIGNABLE": "true", "GRAPHIC_REFERENCES": "false"}
    chosen = {"LINGUISTIC_TYPE_ID": EMOTION_TYPE, **plain, "CONTROLLED_VOCABULARY_REF": VOCABULARY}
    eaf.add_linguistic_type(EMOTION_TYPE, param_dict=chosen)
    eaf.add_linguistic_type(TEXT_TYPE, param_dict={"LINGUISTIC_TYPE_ID": TEXT_TYPE, **plain})
    language = UNDETERMINED[0]
    eaf.add_language(*UNDETERMINED)
    eaf.add_controlled_vocabulary(VOCABULARY)
    for number, emotion in enumerate(EMOTIONS):
        eaf.add_cv_entry(VOCABULARY, f"cveid{number}", [(emotion, language, None)])


def _annotate(eaf: Any, shown: Sequence[Tier]) -> int:
    """Tie every annotation to two time slots of its own; returns how many there are.

    ELAN wants time slots in order of time, and pympi numbers them as annotations come: so they are made in
    order here, ends before starts.
    """
    edges = sorted(
        (time_ms, is_start, row, place)
        for row, tier in enumerate(shown)
        for place, one in enumerate(tier.annotations)
        for time_ms, is_start in ((one.start_ms, True), (one.end_ms, False))
    )
    eaf.timeslots = {f"ts{number}": edge[0] for number, edge in enumerate(edges, start=1)}
    slots = {edge[1:]: name for edge, name in zip(edges, eaf.timeslots, strict=True)}
    for row, tier in enumerate(shown):
        for place, one in enumerate(tier.annotations):
            name = f"a{len(eaf.annotations) + 1}"
            between = slots[True, row, place], slots[False, row, place]
            eaf.tiers[tier.name][0][name] = (*between, one.value, None)
            eaf.annotations[name] = tier.name
    return len(eaf.annotations)
