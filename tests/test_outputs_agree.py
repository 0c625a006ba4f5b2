"""One run of the sample with everything asked for: what tells of conflicts tells the same ones."""

import csv
import gc
import re
from fnmatch import fnmatchcase
from html import unescape
from itertools import islice
from pathlib import Path

import av
import pysubs2
import pytest

from pipeline.config import config_from_mapping
from pipeline.graph import EXPORTS, WRITES
from pipeline.job import Result, run
from pipeline.models.cards import CACHE_VARIABLE
from pipeline.plan import Request
from pipeline.review.sheet import Asked
from pipeline.review.sheet import rows as review_rows
from pipeline.writers.columns import KNOWN, display
from pipeline.writers.facts import ranked
from pipeline.writers.film.bands import badge_bands, badges, subtitle_bands
from pipeline.writers.film.face_boxes import faces, standing
from pipeline.writers.film.layout import Layout, film_layout
from pipeline.writers.film.script import ass_script
from pipeline.writers.film.subtitles import spoken
from pipeline.writers.fonts import font_for
from pipeline.writers.palette import ABSENT, CONFLICT, MARKS, rgb
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


def test_every_result_has_a_name_that_is_known_before_anything_runs(result: Result) -> None:
    patterns = [pattern for stage in WRITES.values() for pattern in stage]
    names = [path.name for path in result.files]
    assert [name for name in names if not any(fnmatchcase(name, pattern) for pattern in patterns)] == []
    missing = [p for p in patterns if not any(fnmatchcase(name, p) for name in names)]
    assert missing == ["transcript_words.csv"]  # subtitles hold no times of words


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


def claims(row: dict[str, str]) -> list[str]:
    """Who says what, by the sheet's own sentence, which has to say what its columns say."""
    told = re.sub(r" \S*%", "", row["Why"].split(' while saying "')[0]).split(", ")
    noun = {display(m).prefix: display(m).noun for m in KNOWN}
    columns = [(noun[prefix], row[f"{prefix}_Emotion"]) for prefix in row["Modalities"].split()]
    assert [(one.split()[0], one.split()[-1]) for one in told] == columns
    return told


def shown_layout(result: Result) -> Layout:
    return film_layout(result.analysis.media, 1080, len(result.analysis.modalities) + 1)


def test_the_words_of_the_badges(result: Result, sheet: list[dict[str, str]]) -> None:
    """What is handed to libass says each conflict's kind, channels, emotions, reading and times."""
    font = font_for(result.analysis.transcript.language)
    script = pysubs2.SSAFile.from_string(ass_script(result.analysis, shown_layout(result), font))
    found = [
        (e.start / 1000, e.end / 1000, e.plaintext.replace("\n", " ")) for e in script if e.style == "Badge"
    ]
    wanted = sorted((float(row["Start_Time"]), float(row["End_Time"]), _headline(row)) for row in sheet)
    assert [text for _, _, text in sorted(found)] == [text for _, _, text in wanted]
    for was, asked in zip(sorted(found), wanted, strict=True):
        assert was[:2] == pytest.approx(asked[:2], abs=0.016)


def _headline(row: dict[str, str]) -> str:
    parts = (row["Kind"], ", ".join(claims(row)), row["Reading"])
    return f"{MARKS[row['Kind']]} " + " · ".join(part for part in parts if part)


def test_the_badges_in_the_picture(result: Result, sheet: list[dict[str, str]]) -> None:
    """In the middle of each conflict, masking too, its ground is where its words are."""
    layout, font = shown_layout(result), font_for(result.analysis.transcript.language)
    boxes = standing(faces(result.analysis, layout))
    seen = sorted((span, box) for span, _, box in boxes)
    below = subtitle_bands(spoken(result.analysis), seen, layout, font)
    bands = badge_bands(badges(result.analysis), below, seen, layout, font)
    assert {band.tint for band in bands} == {CONFLICT, ABSENT} and len(bands) == len(sheet)
    middles = {
        rank: (float(row["Start_Time"]) + float(row["End_Time"])) / 2 for rank, row in enumerate(sheet)
    }
    with av.open(str(result.out / "annotated.mp4")) as film:
        for frame in film.decode(video=0):
            due = [rank for rank, middle in middles.items() if frame.time >= middle]
            picture = frame.to_ndarray(format="rgb24").astype(int) if due else None
            for rank in due:
                x, y, width, _ = bands[rank].box
                edge = picture[y + 2 : y + 4, x + 4 : x + width - 4]
                assert abs(edge - rgb(bands[rank].tint)).max(axis=2).mean() < 12, sheet[rank]
                del middles[rank]
    assert not middles


def test_no_badge_where_there_is_no_conflict(result: Result, sheet: list[dict[str, str]]) -> None:
    spans = [(float(row["Start_Time"]), float(row["End_Time"])) for row in sheet if row["Kind"] != "masking"]
    height, seen = shown_layout(result).height_px, 0
    with av.open(str(result.out / "annotated.mp4")) as film:
        for frame in islice(film.decode(video=0), 0, None, 5):
            if all(not start - 0.1 < frame.time < end + 0.1 for start, end in spans):
                picture = frame.to_ndarray(format="rgb24")[:height].astype(int)
                assert (abs(picture - rgb(CONFLICT)).max(axis=2) < 12).sum() < 500, frame.time
                seen += 1
    assert seen


def test_the_page(result: Result, sheet: list[dict[str, str]]) -> None:
    text = (result.out / "report.html").read_text(encoding="utf-8")
    for row in sheet:
        rank = row["Rank"]
        opening = re.search(rf'<article class="card (\w+)[^>]* id="conflict-{rank}"', text)
        assert opening is not None and opening[1] == row["Kind"]
        card = text[opening.start() :].split("</article>")[0]
        heading = plain(re.search(rf'<h3 id="title-{rank}">(.*?)</h3>', card, re.DOTALL)[1])
        assert heading.split() == [rank, MARKS[row["Kind"]], row["Kind"]]
        start_s, end_s = float(row["Start_Time"]), float(row["End_Time"])
        times = re.findall(r"▶ (\S+)–(\S+)</button>", card)
        assert [[_seconds(time) for time in pair] for pair in times] == [
            pytest.approx([start_s, end_s], abs=0.105)
        ]
        assert row["Time_Code"] == times[0][0]
        said = plain(re.search(rf'<p id="said-{rank}">(.*?)</p>', card, re.DOTALL)[1])
        assert re.sub(r" \S*%", "", said) == " ".join([*claims(row), row["Reading"]]).strip()
        assert "data:image/jpeg;base64," in card
    assert f'id="conflict-{len(sheet) + 1}"' not in text


def plain(markup: str) -> str:
    """The text of a piece of a page, each element's apart."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", markup)).split())


def _seconds(time_code: str) -> float:
    return sum(float(part) * 60**i for i, part in enumerate(reversed(time_code.split(":"))))


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
