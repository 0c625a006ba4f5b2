"""By the rules of EAF 2.8 that ELAN keeps: order of elements and of time, references that lead somewhere."""

from itertools import groupby, pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from pympi.Elan import Eaf

from pipeline.config import FilmSection
from pipeline.labels import EMOTIONS
from pipeline.types import Analysis
from pipeline.writers.exports import elan
from pipeline.writers.exports.tiers import tiers
from tests.writers.conftest import HOSTILE, written
from tests.writers.exports.cases import CASES

ORDER = [
    *("HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE", "LANGUAGE", "CONSTRAINT"),
    "CONTROLLED_VOCABULARY",
]


def export(analysis: Analysis, folder: Path) -> Path:
    elan.run(written(analysis, folder / "in"), FilmSection(), folder, lambda fraction: None)
    return folder / "annotations.eaf"


@pytest.mark.parametrize("case", [case for case in CASES if case != "hour"])
def test_the_rules_of_the_format(case: str, tmp_path: Path) -> None:
    root = ElementTree.parse(export(CASES[case](), tmp_path)).getroot()
    assert [tag for tag, _ in groupby(child.tag for child in root)] == ORDER
    slots = {one.attrib["TIME_SLOT_ID"]: int(one.attrib["TIME_VALUE"]) for one in root.iter("TIME_SLOT")}
    assert all(a <= b for a, b in pairwise(slots.values()))
    found = list(root.iter("ALIGNABLE_ANNOTATION"))
    ids = [one.attrib["ANNOTATION_ID"] for one in found]
    used = [one.attrib[f"TIME_SLOT_REF{edge}"] for one in found for edge in (1, 2)]
    assert len(set(ids)) == len(ids) and sorted(used) == sorted(slots)
    last = next(one.text for one in root.iter("PROPERTY") if one.attrib["NAME"] == "lastUsedAnnotationId")
    assert last == str(len(ids))
    types = {one.attrib["LINGUISTIC_TYPE_ID"] for one in root.iter("LINGUISTIC_TYPE")}
    assert {one.attrib["LINGUISTIC_TYPE_REF"] for one in root.iter("TIER")} <= types
    for tier in root.iter("TIER"):
        times = [
            (slots[one.attrib["TIME_SLOT_REF1"]], slots[one.attrib["TIME_SLOT_REF2"]])
            for one in tier.iter("ALIGNABLE_ANNOTATION")
        ]
        assert all(start < end for start, end in times)
        assert all(a[1] <= b[0] for a, b in pairwise(times))
        if tier.attrib["LINGUISTIC_TYPE_REF"] == "emotion":
            assert {one.text for one in tier.iter("ANNOTATION_VALUE")} <= set(EMOTIONS)


def test_pympi_reads_back_every_tier(analysis: Analysis, tmp_path: Path) -> None:
    eaf = Eaf(str(export(analysis, tmp_path)))
    assert list(eaf.get_tier_names()) == [tier.name for tier in tiers(analysis)]
    for tier in tiers(analysis):
        read = sorted(eaf.get_annotation_data_for_tier(tier.name))
        assert read == [(a.start_ms, a.end_ms, a.value) for a in tier.annotations]
    assert eaf.get_parameters_for_tier("P2 face")["PARTICIPANT"] == "P2"
    assert eaf.get_parameters_for_linguistic_type("emotion")["CONTROLLED_VOCABULARY_REF"] == "emotions"
    chosen = [values[0][0] for values, _ in eaf.get_cv_entries("emotions").values()]
    assert tuple(chosen) == EMOTIONS
    assert " ".join(HOSTILE.split()) in [
        value for *_, value in eaf.get_annotation_data_for_tier("transcript")
    ]


def test_the_film_beside_it(analysis: Analysis, tmp_path: Path) -> None:
    (film,) = Eaf(str(export(analysis, tmp_path))).get_linked_files()
    assert (film["RELATIVE_MEDIA_URL"], film["MIME_TYPE"]) == ("./annotated.mp4", "video/mp4")
    assert not Eaf(str(export(CASES["without picture"](), tmp_path / "none"))).get_linked_files()
