"""One run of the sample with everything asked for: what tells of conflicts tells the same ones."""

import csv
import gc
import re
from pathlib import Path

import av
import pytest

from pipeline.config import config_from_mapping
from pipeline.graph import EXPORTS
from pipeline.job import Result, run
from pipeline.models.cards import CACHE_VARIABLE
from pipeline.plan import Request
from pipeline.review.sheet import Asked
from pipeline.review.sheet import rows as review_rows
from pipeline.writers.facts import ranked
from pipeline.writers.film.layout import film_layout
from pipeline.writers.palette import CONFLICT, rgb
from pipeline.writers.stills import still_name
from tests.writers.exports.readers import READERS, events_in, grain_s

# MoviePy leaves the pipes of its children to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
SAMPLE = Path(__file__).parent.parent / "inputs" / "sample.mp4"
MANY = {"enter": 0.3, "leave": 0.2}  # the sample has one conflict at the settings' own operating point


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(tmp_path_factory.mktemp("no-models")))
        config = config_from_mapping(
            {"conflict": MANY, "highlights": {"enabled": True}, "export": {"formats": list(EXPORTS)}}
        )
        made = run(Request(SAMPLE, config, tmp_path_factory.mktemp("out") / "sample"))
    gc.collect()  # so that those pipes are closed in here
    assert made.complete and made.analysis is not None and len(made.analysis.conflicts) > 2
    return made


@pytest.fixture(scope="module")
def sheet(result: Result) -> list[dict[str, str]]:
    with (result.out / "conflicts.csv").open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(lines))


def test_the_sheet_is_the_record(result: Result, sheet: list[dict[str, str]]) -> None:
    order = ranked(result.analysis.conflicts)
    assert [row["Kind"] for row in sheet] == [c.kind for c in order]
    assert [float(row["Start_Time"]) for row in sheet] == pytest.approx(
        [c.span.start_s for c in order], abs=0.006
    )


def test_the_chapters_of_the_film(result: Result, sheet: list[dict[str, str]]) -> None:
    with av.open(str(result.out / "annotated.mp4")) as film:
        found = {
            chapter["metadata"]["title"]: float(chapter["start"] * chapter["time_base"])
            for chapter in film.chapters()
        }
    at = {}
    for title, start_s in found.items():
        for part in title.split(" | "):
            if match := re.match(r"(\d+)\. (\w+) ", part):
                at[int(match[1])] = (match[2], start_s)
    assert sorted(at) == [int(row["Rank"]) for row in sheet]
    for row in sheet:
        kind, start_s = at[int(row["Rank"])]
        assert kind == row["Kind"] and start_s == pytest.approx(float(row["Start_Time"]), abs=0.006)


def test_the_badges_in_the_picture(result: Result, sheet: list[dict[str, str]]) -> None:
    """The colour of a conflict is above the panel while one lasts, and at no other time."""
    alarms = [row for row in sheet if row["Kind"] != "masking"]
    spans = [(float(row["Start_Time"]), float(row["End_Time"])) for row in alarms]
    assert spans
    media = result.analysis.media
    height = film_layout(media, 1080, len(result.analysis.modalities) + 1).height_px
    seen = []
    with av.open(str(result.out / "annotated.mp4")) as film:
        for frame in film.decode(video=0):
            inside = [start + 0.1 < frame.time < end - 0.1 for start, end in spans]
            outside = all(not start - 0.1 < frame.time < end + 0.1 for start, end in spans)
            if frame.pts % 5 or not (any(inside) or outside):
                continue
            picture = frame.to_ndarray(format="rgb24")[:height].astype(int)
            near = (abs(picture - rgb(CONFLICT)).max(axis=2) < 12).sum()
            seen.append(any(inside))
            assert (near > 500) == any(inside), (frame.time, near)
    assert set(seen) == {True, False}


def test_the_page(result: Result, sheet: list[dict[str, str]]) -> None:
    text = (result.out / "report.html").read_text(encoding="utf-8")
    for row in sheet:
        card = text[text.index(f'id="conflict-{row["Rank"]}"') :].split("</article>")[0]
        assert row["Kind"] in card and row["Time_Code"] in card
        assert "data:image/jpeg;base64," in card
    assert f'id="conflict-{len(sheet) + 1}"' not in text


def test_the_stills(result: Result, sheet: list[dict[str, str]]) -> None:
    stills = {path.name for path in result.files if path.name.startswith("event_")}
    assert stills == {still_name(int(row["Rank"])) for row in sheet}


def test_the_exports(result: Result, sheet: list[dict[str, str]]) -> None:
    told = [path for path in result.files if path.name in READERS]
    assert len(told) >= len(EXPORTS)
    for path in told:
        found = sorted((event.kind, event.start_s) for event in events_in(path, result.analysis))
        wanted = sorted((row["Kind"], float(row["Start_Time"])) for row in sheet)
        assert [kind for kind, _ in found] == [kind for kind, _ in wanted], path.name
        off_s = grain_s(path, result.analysis) + 0.006  # and what the sheet rounds
        assert [s for _, s in found] == pytest.approx([s for _, s in wanted], abs=off_s), path.name


def test_what_reviewers_are_asked(result: Result, sheet: list[dict[str, str]]) -> None:
    asked = review_rows(result.analysis, Asked(masking=True))
    keys = ("Start_Time", "End_Time", "Kind", "Time_Code")
    assert sorted([row[key] for key in keys] for row in asked) == sorted(
        [row[key] for key in keys] for row in sheet
    )


def test_the_soft_subtitles(result: Result) -> None:
    said = [utterance.text for utterance in result.analysis.transcript.utterances]
    with av.open(str(result.out / "annotated.mp4")) as film:
        (stream,) = film.streams.subtitles
        texts = [
            bytes(packet)[2:].decode("utf-8", "replace") for packet in film.demux(stream) if packet.size > 2
        ]
    assert len(texts) == len(said) and all(words in text for words, text in zip(said, texts, strict=True))


def test_the_summary(result: Result, sheet: list[dict[str, str]]) -> None:
    from pipeline.summary import as_json

    told = as_json(result, 0)["conflicts"]
    assert [(c["kind"], c["start_s"]) for c in told] == [
        (row["Kind"], float(row["Start_Time"])) for row in sheet
    ]
