import csv
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.types import Analysis, Span
from pipeline.writers import table
from pipeline.writers.columns import CONTENT
from pipeline.writers.table import integrated_columns, seconds, tables, text_cell, write_sheet
from tests.writers.conftest import LINES, with_posture, written

GOLDEN = Path(__file__).parent / "golden"
FIRST_NINE = [
    *("Start_Time", "End_Time", "Content", "Visual_Emotion", "Visual_Confidence"),
    *("Text_Emotion", "Text_Confidence", "Audio_Emotion", "Audio_Confidence"),
]


def run(analysis: Analysis, folder: Path) -> dict[str, list[dict[str, str]]]:
    out = folder / "out"
    out.mkdir(parents=True, exist_ok=True)
    table.run(written(analysis, folder), None, out, lambda fraction: None)
    sheets = {}
    for path in out.iterdir():
        with path.open(encoding="utf-8-sig", newline="") as lines:
            sheets[path.name] = list(csv.DictReader(lines))
    return sheets


@pytest.mark.parametrize("name", ["integrated.csv", "conflicts.csv", "faces.csv", "voice.csv"])
def test_bytes_are_as_committed(analysis: Analysis, tmp_path: Path, name: str) -> None:
    run(analysis, tmp_path)
    assert (tmp_path / "out" / name).read_bytes() == (GOLDEN / name).read_bytes()


def test_written_twice_gives_the_same_files(analysis: Analysis, tmp_path: Path) -> None:
    run(analysis, tmp_path / "a")
    run(analysis, tmp_path / "b")
    first, second = ({p.name: p.read_bytes() for p in (tmp_path / x / "out").iterdir()} for x in "ab")
    assert first == second
    assert set(first) == {"integrated.csv", "conflicts.csv", "faces.csv", "voice.csv"}


def test_excel_sees_utf8(analysis: Analysis, tmp_path: Path) -> None:
    run(analysis, tmp_path)
    data = (tmp_path / "out" / "integrated.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbf") and LINES[0][2] in data.decode("utf-8-sig")


def test_first_nine_columns_never_move(analysis: Analysis) -> None:
    for modalities in ((), ("text",), analysis.modalities, ("posture", *analysis.modalities)):
        assert integrated_columns(modalities)[:9] == FIRST_NINE


def test_rows_tile_the_film_at_two_decimals(analysis: Analysis) -> None:
    rows = list(tables(analysis)["integrated.csv"][1])
    assert rows[0]["Start_Time"] == "0.00" and rows[-1]["End_Time"] == "3.00"
    assert all(a["End_Time"] == b["Start_Time"] for a, b in pairwise(rows))


@pytest.mark.parametrize(
    ("time_us", "text"), [(0, "0.00"), (4_999, "0.00"), (5_000, "0.01"), (3_599_995_000, "3600.00")]
)
def test_seconds(time_us: int, text: str) -> None:
    assert seconds(time_us) == text


def test_an_absent_modality_shows_its_status_and_no_confidence(analysis: Analysis, tmp_path: Path) -> None:
    rows = run(analysis, tmp_path)["integrated.csv"]
    assert (rows[2]["Visual_Emotion"], rows[2]["Visual_Confidence"]) == ("no_face", "")
    assert (rows[1]["Text_Emotion"], rows[1]["Text_Confidence"]) == ("unsupported_language", "")
    assert (rows[2]["Fused_Emotion"], rows[2]["Fused_Confidence"]) == ("unknown", "")


def test_a_modality_not_asked_for_says_so(analysis: Analysis, tmp_path: Path) -> None:
    moments = tuple(
        replace(m, by_modality={k: r for k, r in m.by_modality.items() if k != "voice"})
        for m in analysis.moments
    )
    sheets = run(replace(analysis, modalities=("face", "text"), moments=moments), tmp_path)
    assert {row["Audio_Emotion"] for row in sheets["integrated.csv"]} == {"not_requested"}
    assert {row["Audio_Confidence"] for row in sheets["integrated.csv"]} == {""}
    assert "voice.csv" not in sheets


def test_an_unknown_modality_gets_columns_and_a_table(analysis: Analysis, tmp_path: Path) -> None:
    sheets = run(with_posture(analysis), tmp_path)
    row = sheets["integrated.csv"][0]
    assert (row["Posture_Emotion"], row["Posture_Confidence"], row["Posture_Weight"]) == (
        "fear",
        "0.5100",
        "0.2500",
    )
    assert len(sheets["posture.csv"]) == len(analysis.moments)


@pytest.mark.parametrize("before", ["", " ", "\t", "\r\n", "\u3000", "\ufeff", "\u200b\u202e"])
@pytest.mark.parametrize("sign", [*"=+-@", *"＝＋－＠", *"﹦﹢﹣﹫"])
def test_no_cell_is_a_formula(before: str, sign: str, tmp_path: Path) -> None:
    """In a cell made one line, and in one written as it came."""
    text = f"{before}{sign}1"
    assert text_cell(text).startswith("'")
    write_sheet(tmp_path / "sheet.csv", [CONTENT], [{CONTENT: text}])
    with (tmp_path / "sheet.csv").open(encoding="utf-8-sig", newline="") as sheet:
        assert [row[0] for row in csv.reader(sheet)][1] == f"'{text}"


@pytest.mark.parametrize("text", ["", "plain", "我很高興", "– so", "1=1", "'quoted'"])
def test_harmless_cells_stay(text: str) -> None:
    assert text_cell(text) == text


def test_a_negative_number_stays_one(analysis: Analysis, tmp_path: Path) -> None:
    seen = list(analysis.observations["face"])
    seen[0] = replace(seen[0], subject="-P1", evidence={**seen[0].evidence, "box": [-6.5, 0, 40, 48]})
    row = run(replace(analysis, observations={"face": tuple(seen)}), tmp_path)["faces.csv"][0]
    assert (row["Box_X"], row["Person"]) == ("-6.5", "'-P1")


def test_every_cell_is_one_line(analysis: Analysis) -> None:
    for _, rows in tables(analysis).values():
        assert not [cell for row in rows for cell in row.values() if len(cell.splitlines()) > 1]


def test_conflicts_come_strongest_first_and_masking_last(analysis: Analysis) -> None:
    rows = list(tables(analysis)["conflicts.csv"][1])
    assert [(row["Rank"], row["Kind"]) for row in rows] == [
        ("1", "polarity"),
        ("2", "blend"),
        ("3", "masking"),
    ]


def test_a_row_shows_its_strongest_conflict(analysis: Analysis) -> None:
    rows = list(tables(analysis)["integrated.csv"][1])
    assert (rows[0]["Conflict_Kind"], rows[0]["Conflict_Ranks"]) == ("polarity", "1 2")
    assert (rows[1]["Conflict_Kind"], rows[1]["Conflict_Ranks"]) == ("blend", "2")
    assert "Conflict_Kind" not in rows[2]


def test_the_speaker_is_whom_the_line_names_else_who_speaks_in_the_row(analysis: Analysis) -> None:
    first, *others = analysis.moments
    assert first.utterance is not None
    line = replace(first.utterance, speaker="ANNA\n")
    moments = (replace(first, utterance=line), *others)
    rows = list(tables(replace(analysis, moments=moments))["integrated.csv"][1])
    assert [row["Speaker"] for row in rows] == ["ANNA", "S2", "", "S1", "S2"]
    silent = tables(replace(analysis, moments=moments, turns=()))["integrated.csv"][1]
    assert [row["Speaker"] for row in silent] == ["ANNA", "S2", "", "S1", ""]


def test_words_whose_speaker_a_person_took_away_get_none_from_the_voices(analysis: Analysis) -> None:
    first, *others = analysis.moments
    assert first.utterance is not None
    cleared = replace(first, utterance=replace(first.utterance, speaker=None))
    row = next(iter(tables(replace(analysis, moments=(cleared, *others)))["integrated.csv"][1]))
    assert row["Speaker"] == ""


def test_a_film_without_anything(analysis: Analysis, tmp_path: Path) -> None:
    empty = replace(
        analysis, modalities=(), observations={}, moments=(), fused=(), conflicts=(), models={}, warnings=()
    )
    sheets = run(empty, tmp_path)
    assert sheets == {"integrated.csv": [], "conflicts.csv": []}


def test_touching_is_not_overlapping(analysis: Analysis) -> None:
    conflicts = tuple(replace(c, span=Span(1_400_005, 1_900_000)) for c in analysis.conflicts[:1])
    rows = list(tables(replace(analysis, conflicts=conflicts))["integrated.csv"][1])
    assert ["Conflict_Kind" in row for row in rows] == [False, False, True, False, False]
