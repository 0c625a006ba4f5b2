"""Against what Label Studio documents for ``TimelineLabels``; its own validator is no dependency (it needs
another OpenCV)."""

import json
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pipeline.config import FilmSection
from pipeline.labels import EMOTIONS
from pipeline.types import Analysis
from pipeline.writers.exports import label_studio
from pipeline.writers.palette import COLOURS
from tests.writers.conftest import with_posture, written
from tests.writers.exports.cases import CASES


def export(analysis: Analysis, folder: Path) -> tuple[dict[str, object], ElementTree.Element]:
    label_studio.run(written(analysis, folder / "in"), FilmSection(), folder, lambda fraction: None)
    (task,) = json.loads((folder / "label_studio.json").read_text(encoding="utf-8"))
    return task, ElementTree.parse(folder / "label_studio.xml").getroot()


@pytest.mark.parametrize("case", [case for case in CASES if case not in ("hour", "without picture")])
def test_every_region_is_one_that_the_setup_knows(case: str, tmp_path: Path) -> None:
    analysis = CASES[case]()
    task, view = export(analysis, tmp_path)
    video = view.find("Video")
    assert video is not None and video.attrib["value"] == "$video" and video.attrib["frameRate"] == "$fps"
    assert task["data"]["video"] == "annotated.mp4" and task["data"]["fps"] == analysis.media.fps  # type: ignore[index]
    tags = {tag.attrib["name"]: {one.attrib["value"] for one in tag} for tag in view.iter("TimelineLabels")}
    assert len(tags) == len(analysis.modalities) + 2
    (prediction,) = task["predictions"]  # type: ignore[misc]
    frames = round(analysis.media.duration_us * analysis.media.fps / 1_000_000)
    assert 0 <= prediction["score"] <= 1
    result = prediction["result"]
    assert len({region["id"] for region in result}) == len(result)
    for region in result:
        assert (region["to_name"], region["type"]) == (video.attrib["name"], "timelinelabels")
        (label,) = region["value"]["timelinelabels"]
        assert label in tags[region["from_name"]]
        (span,) = region["value"]["ranges"]
        assert 1 <= span["start"] <= span["end"] <= frames
        assert 0 <= region["score"] <= 1


def test_a_tag_per_channel_in_the_colours_of_all_outputs(analysis: Analysis, tmp_path: Path) -> None:
    _, view = export(with_posture(analysis), tmp_path)
    names = [tag.attrib["name"] for tag in view.iter("TimelineLabels")]
    assert names == [*(f"emotion_{m}" for m in ("face", "voice", "text", "posture", "together")), "conflicts"]
    first = next(view.iter("TimelineLabels"))
    assert [(one.attrib["value"], one.attrib["background"]) for one in first] == [
        (emotion, COLOURS[emotion]) for emotion in EMOTIONS
    ]
    assert [one.attrib["value"] for one in view.iter("Header")][:3] == ["face", "voice", "words"]


def test_neighbours_share_no_frame_and_persons_are_named(analysis: Analysis, tmp_path: Path) -> None:
    task, _ = export(analysis, tmp_path)
    result = task["predictions"][0]["result"]  # type: ignore[index]
    together = [r["value"]["ranges"][0] for r in result if r["from_name"] == "emotion_together"]
    assert all(a["end"] < b["start"] for a, b in pairwise(together))
    assert [r["meta"]["text"] for r in result if r["from_name"] == "emotion_face"] == [["P1"], ["P1"], ["P2"]]
