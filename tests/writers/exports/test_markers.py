"""Edit lists: ``markers.edl``, ``markers_resolve.edl`` and ``markers.fcpxml``."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import opentimelineio as otio
import pytest

from pipeline.config import FilmSection
from pipeline.types import Analysis, Conflict
from pipeline.writers.exports import fcpxml
from pipeline.writers.exports.edl import edl, reel, resolve_edl
from pipeline.writers.exports.markers import film_frames, frame_rate, markers, rate_note, time_code
from tests.writers.conftest import S, make_analysis
from tests.writers.exports.cases import CASES

FILMED = FilmSection()
NTSC = Fraction(30000, 1001)


def filmed(fps: float, varies: bool = False) -> Analysis:
    analysis = make_analysis()
    return replace(analysis, media=replace(analysis.media, fps=fps, variable_frame_rate=varies))


@pytest.mark.parametrize(
    ("fps", "rate", "said"),
    [
        (25.0, Fraction(25), "25 fps"),
        (23.976, Fraction(24000, 1001), "23.976 fps"),
        (24.0, Fraction(24), "24 fps"),
        (29.97002997, NTSC, "29.97 fps"),
        (30.0, Fraction(30), "30 fps"),
        (59.94, Fraction(60000, 1001), "59.94 fps"),
        (60.0, Fraction(60), "60 fps"),
        (12.0, Fraction(24), "the film has 12.000 fps"),
        (15.0, Fraction(30), "the film has 15.000 fps"),
        (26.4, Fraction(25), "the film has 26.400 fps"),
        (120.0, Fraction(60), "the film has 120.000 fps"),
    ],
)
def test_a_standard_rate_is_chosen_and_said_in_both_files(fps: float, rate: Fraction, said: str) -> None:
    analysis = filmed(fps)
    assert frame_rate(analysis.media) == rate
    assert said in rate_note(analysis.media) and "non-drop-frame" in rate_note(analysis.media)
    assert said in edl(analysis) and said in fcpxml.fcpxml(analysis, FILMED)


def test_a_varying_rate_and_no_picture_are_said() -> None:
    assert "varies around 24.60" in edl(filmed(24.6, varies=True))
    silent = CASES["without picture"]()
    assert frame_rate(silent.media) == 25 and "has no picture" in fcpxml.fcpxml(silent, FILMED)


def test_time_code_counts_frames_and_drops_none() -> None:
    assert time_code(0, NTSC) == "00:00:00:00"
    assert time_code(29, NTSC) == "00:00:00:29" and time_code(30 * 60, NTSC) == "00:01:00:00"
    assert time_code(25 * 3600 + 7, Fraction(25)) == "01:00:00:07"
    text = edl(filmed(29.97))
    assert "FCM: NON-DROP FRAME" in text and ";" not in text


@pytest.mark.parametrize("fps", [25.0, 23.976, 29.97, 59.94])
def test_opentimelineio_reads_the_film_and_its_markers(fps: float) -> None:
    analysis = filmed(fps)
    wanted = {one.name: (one.frame, one.colour.upper()) for one in markers(analysis)}
    rate = round(fps)
    (clip,) = otio.adapters.read_from_string(edl(analysis), "cmx_3600", rate=rate).find_clips()
    assert {m.name: (m.marked_range.start_time.value, m.color) for m in clip.markers} == wanted
    assert clip.source_range.duration.value == film_frames(analysis)
    assert (clip.name, clip.metadata["cmx_3600"]["reel"]) == (analysis.name, "A_B_BOLD")

    timeline: Any = otio.adapters.read_from_string(fcpxml.fcpxml(analysis, FILMED), "fcpx_xml")
    (project,) = timeline
    (clip,) = project.find_clips()
    assert {m.name for m in clip.markers} == set(wanted) and clip.name == analysis.name
    kinds = {m.name.split(" ")[1]: m.color for m in clip.markers}
    assert kinds == {"polarity": "RED", "blend": "RED", "masking": "PURPLE"}


@pytest.mark.parametrize("fps", [25.0, 23.976, 29.97])
def test_times_in_fcpxml_are_whole_frames(fps: float) -> None:
    root = ElementTree.fromstring(fcpxml.fcpxml(filmed(fps), FILMED).split("\n", 2)[2])
    frame = root.find(".//format").attrib["frameDuration"]  # type: ignore[union-attr]
    length = Fraction(frame.removesuffix("s"))
    assert length == 1 / frame_rate(filmed(fps).media)
    times = [
        value
        for one in root.iter()
        for key, value in one.attrib.items()
        if key in ("start", "duration", "offset", "tcStart")
    ]
    assert times and all((Fraction(value.removesuffix("s")) / length).denominator == 1 for value in times)


def test_fcpxml_is_laid_out_as_its_dtd_asks() -> None:
    root = ElementTree.fromstring(fcpxml.fcpxml(make_analysis(), FILMED).split("\n", 2)[2])
    assert [child.tag for child in root] == ["resources", "library"]
    clip = root.find("library/event/project/sequence/spine/asset-clip")
    assert clip is not None and [child.tag for child in clip] == ["note", "marker", "marker", "marker"]
    asset = root.find("resources/asset")
    assert asset is not None and asset.attrib["src"] == "./annotated.mp4"
    assert (asset.attrib["hasVideo"], asset.attrib["hasAudio"]) == ("1", "1")
    named = {one.attrib["id"] for one in root.iter() if "id" in one.attrib}
    asked = {one.attrib[key] for one in root.iter() for key in ("ref", "format") if key in one.attrib}
    assert asked <= named


def test_without_a_picture_nothing_is_linked_and_every_marker_is_there() -> None:
    text = fcpxml.fcpxml(CASES["without picture"](), FILMED)
    root = ElementTree.fromstring(text.split("\n", 2)[2])
    assert [child.tag for child in root.find("resources") or ()] == ["format"] and "src=" not in text
    (gap,) = root.find("library/event/project/sequence/spine") or ()
    assert gap.tag == "gap" and [child.tag for child in gap] == ["note", "marker", "marker", "marker"]
    assert set(gap.attrib) == {"name", "offset", "start", "duration"}
    assert otio.adapters.read_from_string(text, "fcpx_xml")


def test_two_that_start_together_have_a_frame_each_and_the_stronger_its_own() -> None:
    found = markers(CASES["overlapping"]())
    assert len({one.frame for one in found}) == len(found) == 5
    assert [(one.frame, one.name.split(" ")[0]) for one in found[:2]] == [(0, "#1"), (1, "#2")]


def test_a_film_of_one_frame_still_has_its_markers() -> None:
    analysis = make_analysis()
    brief = replace(analysis, media=replace(analysis.media, duration_us=1))
    assert [(one.frame, one.frames) for one in markers(brief)] == [(0, 1)] * 3
    assert edl(brief).count("* LOC: 00:00:00:00") == 3


def test_a_conflict_past_the_end_is_marked_on_the_last_frame() -> None:
    analysis = make_analysis()
    late: Conflict = replace(analysis.conflicts[0], span=type(analysis.conflicts[0].span)(9 * S, 10 * S))
    (only,) = markers(replace(analysis, conflicts=(late,)))
    assert (only.frame, only.frames) == (74, 1)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("interview", "INTERVIE"),
        ("Été 2024.mp4", "ETE_2024"),
        ("中文", "AX"),
        ("", "AX"),
        ("../../x y", "X_Y"),
        ("a\n* LOC: 00", "A_LOC_00"),
    ],
)
def test_the_reel_is_eight_plain_characters(name: str, wanted: str) -> None:
    assert reel(name) == wanted


def test_resolve_gets_an_event_of_a_frame_per_marker_from_the_first_hour_on() -> None:
    lines = resolve_edl(make_analysis()).split("\n")
    assert lines[3] == "001  001      V     C        01:00:00:00 01:00:00:01 01:00:00:00 01:00:00:01  "
    assert (
        lines[4]
        == " |C:ResolveColorRed |M:#1 polarity · face (P1) sad, words happy · maybe tears of joy |D:25"
    )
    assert lines[9].startswith("003  001 ") and "01:00:01:23" in lines[9]
    hostile = resolve_edl(CASES["hostile"]()).split("\n")
    assert all(line.count("|") == 3 for line in hostile if line.startswith(" |"))


@pytest.mark.parametrize("write", [edl, resolve_edl])
def test_hostile_text_adds_no_line(write: Any, tmp_path: Path) -> None:
    usual, hostile = write(make_analysis()), write(CASES["hostile"]())
    assert len(hostile.splitlines()) == len(usual.splitlines())
