"""What raters get, what they send back, and what is refused."""

import csv
import io
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pipeline.review.events import ReviewError, event_id, events, parse_id
from pipeline.review.foils import foils
from pipeline.review.marks import gather
from pipeline.review.rows import read_sheet
from pipeline.review.sheet import Asked, as_csv, check_free, columns
from pipeline.types import Abstention, Span
from tests.review.conftest import film_with, sheet_of
from tests.writers.conftest import S, make_analysis, with_posture

PLAIN = Asked()


def cells_of(content: bytes):
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def filled(analysis, verdicts: str, asked=PLAIN):
    """The sheet with these verdicts from the top, one letter each; as rows of cells."""
    named = {"r": "right", "w": "wrong", "u": "unsure", " ": ""}
    found = cells_of(as_csv([analysis], asked))
    return [{**row, "Verdict": named[v]} for row, v in zip(found, verdicts, strict=True)]


@dataclass(frozen=True)
class Saved:
    """How a spreadsheet writes a CSV."""

    encoding: str = "utf-8-sig"
    separator: str = ","
    lines: str = "\n"


PLAINLY = Saved()


def saved(path: Path, rows, how=PLAINLY, names=None) -> Path:
    text = io.StringIO()
    pen = csv.DictWriter(text, names or list(rows[0]), delimiter=how.separator, lineterminator=how.lines)
    pen.writeheader()
    pen.writerows(rows)
    path.write_bytes(text.getvalue().encode(how.encoding))
    return path


def test_a_sheet_asks_and_does_not_tell():
    content = as_csv([make_analysis()], PLAIN)
    assert content.startswith(b"\xef\xbb\xbf") and content == as_csv([make_analysis()], PLAIN)
    rows = {row["Kind"]: row for row in cells_of(content)}
    assert set(rows) == {"polarity", "blend"}  # masking is information
    assert not {"Evidence", "Confidence"} & set(columns(PLAIN))
    assert "7.25" not in content.decode()
    row = rows["polarity"]
    assert row["Question"] == "Is it so here: face (P1) sad, words happy; maybe tears of joy?"
    assert (row["Time_Code"], row["Start_Time"], row["End_Time"]) == ("0:00.0", "0.00", "1.00")
    assert row["Channels"] == "face + words" and row["Words"] == "我真的很開心，太好了"
    assert row["Verdict"] == row["Note"] == row["Rater"] == ""


def test_evidence_and_masking_for_those_who_ask():
    rows = cells_of(as_csv([make_analysis()], Asked(evidence=True, masking=True)))
    assert {row["Kind"]: row["Evidence"] for row in rows} == {
        "polarity": "7.25",
        "blend": "3.50",
        "masking": "30.04",
    }


def test_rows_do_not_come_strongest_first_and_the_film_alone_decides():
    film = film_with([float(i) for i in range(30, 5, -1)])
    order = [row["Event"] for row in cells_of(as_csv([film], PLAIN))]
    strongest_first = [event.id for event in events(film)]
    assert sorted(order) == sorted(strongest_first) and order != strongest_first
    shuffled = replace(film, conflicts=tuple(reversed(film.conflicts)))
    assert [row["Event"] for row in cells_of(as_csv([shuffled], PLAIN))] == order
    other = film_with([float(i) for i in range(30, 5, -1)], sha256="cd" * 32)
    times = [row["Start_Time"] for row in cells_of(as_csv([other], PLAIN))]
    assert times != [row["Start_Time"] for row in cells_of(as_csv([film], PLAIN))]


def test_no_cell_is_a_formula():
    film = make_analysis()
    hostile = replace(
        film.conflicts[1], words="=HYPERLINK(1)\n\x1b[31m", emotions={"face": "sad", "voice": "angry"}
    )
    film = replace(film, name="@SUM(A1)", conflicts=(hostile,))
    (row,) = cells_of(as_csv([film], PLAIN))
    assert row["Words"] == "'=HYPERLINK(1) [31m" and row["Video"] == "'@SUM(A1)"
    assert not any(cell.startswith(("=", "+", "-", "@")) or "\n" in cell for cell in row.values())


def test_a_fourth_channel():
    film = with_posture(make_analysis())
    conflict = replace(
        film.conflicts[2], modalities=("posture", "text"), emotions={"posture": "fear", "text": "happy"}
    )
    (row,) = cells_of(as_csv([replace(film, conflicts=(conflict,))], PLAIN))
    assert row["Channels"] == "posture + words" and "posture fear" in row["Question"]


def test_names_last_and_tell_what_an_event_is():
    name = event_id("0123456789ab" + "f" * 52, "polarity", ("text", "body_pose"), Span(1_499_600, 2_000_400))
    assert name.startswith("0123456789ab-polarity-body_pose+text-1500-2000-")
    named = parse_id(name)
    assert (named.video, named.kind, named.channels) == ("0123456789ab", "polarity", ("body_pose", "text"))
    assert (named.span, named.foil) == (Span(1_500_000, 2_000_000), False)
    assert parse_id(name.replace("1500", "1501")) is None
    assert parse_id(name[:-1]) is None and parse_id("") is None
    before = Span(-20_000, 0)
    assert parse_id(event_id("ab" * 32, "blend", ("face", "voice"), before)).span == before


def test_a_foil_looks_like_an_alarm_and_is_told_by_its_name_alone():
    film = replace(make_analysis(), conflicts=(), abstentions=())
    found = foils(film, 10)
    assert found and found == foils(film, 10) and len(foils(film, 1)) == 1
    assert all(parse_id(event.id).foil for event in found)
    assert {event.kind for event in found} <= {"polarity", "blend"}
    assert all("neutral" not in event.shown for event in found)
    row = cells_of(as_csv([film], Asked(foils=10)))[0]
    assert set(row) == set(columns(PLAIN)) and "foil" not in ",".join(row.values())


def test_no_foil_over_a_conflict_or_where_nothing_was_compared():
    film = make_analysis()
    assert foils(film, 10) == ()  # its three utterances carry conflicts
    first = replace(film, conflicts=(), moments=film.moments[:1], abstentions=())
    assert len(foils(first, 10)) == 1
    still = Abstention(film.moments[0].span, ("face", "voice"), "not_speaking")
    (event,) = foils(replace(first, abstentions=(still,)), 10)
    assert "text" in event.modalities
    wordless = Abstention(film.moments[0].span, ("text",), "doubtful_transcript")
    assert foils(replace(first, abstentions=(still, wordless)), 10) == ()


@pytest.mark.parametrize(
    ("encoding", "separator", "lines"),
    [
        ("utf-8-sig", ",", "\r\n"),
        ("utf-8-sig", ";", "\r\n"),
        ("utf-8", ";", "\r"),
        ("utf-16", "\t", "\r\n"),
        ("gb18030", ";", "\r\n"),
    ],
)
def test_what_a_spreadsheet_makes_of_it_is_read(tmp_path, encoding, separator, lines):
    film = make_analysis()
    rows = filled(film, "rw")
    for row in rows:
        row["Verdict"] = f" {row['Verdict'].upper()} "
        row["Start_Time"], row["Time_Code"], row["Mine"] = row["Start_Time"].replace(".", ","), "00:00", "a;b"
    names = ["Mine", *reversed(columns(PLAIN))]
    path = saved(tmp_path / "ann.csv", rows, Saved(encoding, separator, lines), names)
    marked = gather([read_sheet(path)])
    assert marked.raters == ("ann",)
    assert sorted(v["ann"] for v in marked.marks.values()) == ["right", "wrong"]
    assert read_sheet(path).readable == (encoding != "gb18030")


def test_odd_headers(tmp_path):
    name = event_id("ab" * 32, "polarity", ("face", "text"), Span(0, 1))
    path = tmp_path / "bob.csv"
    path.write_text(
        f"sep=;\n\n EVENT ;verdict;RATER;note\n{name};Ｒｉｇｈｔ\u00a0;Bo\u200bb\x1b;=1+1\n;;;\n{name};;\n",
        "utf-8",
    )
    sheet = read_sheet(path)
    assert [(row.event, row.verdict, row.rater) for row in sheet.rows] == [
        (name, "right", "Bob"),
        (name, "", ""),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no columns Event and Verdict"),
        (b"a,b\n1,2\n", "no columns Event and Verdict"),
        (b"Event,Verdict,verdict\n", "two columns Verdict"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "no columns Event and Verdict"),
        (b"PK\x03\x04" + b"\x00" * 40, "no columns Event and Verdict"),
        (b'Event,Verdict\n"' + b"x" * 200_000 + b'",right\n', "cannot be read as CSV"),
    ],
)
def test_what_is_no_sheet(tmp_path, content, said):
    path = tmp_path / "thing.csv"
    path.write_bytes(content)
    with pytest.raises(ReviewError, match=said) as caught:
        read_sheet(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


ONE = event_id("ab" * 32, "polarity", ("face", "text"), Span(0, S))
TWO = event_id("ab" * 32, "polarity", ("face", "text"), Span(2 * S, 3 * S))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([(ONE, "maybe", "")], "a.csv, row 2: 'maybe' is none of right, wrong, unsure"),
        ([(ONE, "right", ""), ("xyz", "right", "")], "a.csv, row 3: 'xyz' is no event of ours"),
        ([(ONE, "right", ""), ("xyz", "", "")], "row 3: 'xyz' is no event"),
        ([(ONE, "right", ""), (ONE, "wrong", "")], "row 3: a has marked this event already .*a.csv, row 2"),
        ([(ONE, "right", "Ann"), (ONE, "wrong", " ann")], "has marked this event already"),
        ([(ONE, "right", ""), (TWO[:-4] + "0000", "right", "")], "row 3: .* is no event of ours"),
        ([(ONE, "", "")], "carries no marks"),
    ],
)
def test_what_cannot_be_counted(tmp_path, rows, said):
    path = saved(
        tmp_path / "a.csv", [dict(zip(("Event", "Verdict", "Rater"), row, strict=True)) for row in rows]
    )
    with pytest.raises(ReviewError, match=said):
        gather([read_sheet(path)])


def test_one_rater_in_two_files_and_two_raters_in_one(tmp_path):
    one = sheet_of(tmp_path / "a.csv", {ONE: "right"}, "ANN")
    other = sheet_of(tmp_path / "b.csv", {TWO: "wrong"}, "Ann")
    marked = gather([one, other])
    assert marked.raters == ("ANN",) and len(marked.marks) == 2
    twice = gather([one, sheet_of(tmp_path / "b.csv", {ONE: "wrong"}, "Bob")])
    assert twice.marks == {ONE: {"ANN": "right", "Bob": "wrong"}}


def test_marks_are_never_written_over(tmp_path):
    film = make_analysis()
    path = tmp_path / "review.csv"
    check_free(path)
    path.write_bytes(as_csv([film], PLAIN))
    check_free(path)  # nobody has marked anything
    for column in ("Verdict", "Note", "Rater"):
        rows = cells_of(as_csv([film], PLAIN))
        rows[1][column] = "x"
        saved(path, rows)
        with pytest.raises(ReviewError, match="carries marks already"):
            check_free(path)
    path.write_text("my thesis", encoding="utf-8")
    with pytest.raises(ReviewError, match="is not a review sheet"):
        check_free(path)
