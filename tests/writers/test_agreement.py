"""Sheet, film and page say the same, conflict by conflict and row by row."""

import json
import re
from html import unescape

import pysubs2
import pytest
from pydantic import TypeAdapter

from pipeline.types import Analysis
from pipeline.writers.columns import display
from pipeline.writers.evidence import bayes_factor
from pipeline.writers.facts import ranked, time_code
from pipeline.writers.film.layout import film_layout
from pipeline.writers.film.script import ass_script
from pipeline.writers.fonts import font_for
from pipeline.writers.report import html
from pipeline.writers.report.page import page
from pipeline.writers.table import tables
from tests.writers.conftest import make_analysis, with_posture
from tests.writers.exports.cases import many


@pytest.fixture(params=["usual", "many", "four"])
def found(request: pytest.FixtureRequest) -> Analysis:
    return {
        "usual": make_analysis(),
        "many": many(),
        "four": with_posture(make_analysis()),
    }[request.param]


def test_conflicts(found: Analysis) -> None:
    rows = list(tables(found)["conflicts.csv"][1])
    cards = page(found).cards
    script = ass_script(found, film_layout(found.media, 1080, 4), font_for("zh"))
    badges = [e for e in pysubs2.SSAFile.from_string(script) if e.style == "Badge"]
    lines = [line.replace(r"\N", " ") for line in script.splitlines() if ",Badge," in line]
    assert len(rows) == len(cards) == len(lines) == len(badges) == len(found.conflicts)
    for row, card, line in zip(rows, cards, lines, strict=True):
        assert row["Kind"] == card.kind and f" {card.kind} · " in line
        assert row["Reading"] == card.reading and card.reading in line
        assert row["Time_Code"] == card.time.split("–")[0]
        start = float(row["Start_Time"])
        assert abs(start - float(card.seek)) <= 0.005 and abs(start - _seconds(line.split(",")[1])) <= 0.01
        assert abs(float(row["End_Time"]) - _seconds(line.split(",")[2])) <= 0.01
        for name, chip in card.said:
            assert f"{name} {chip.text}" in line and chip.text in row.values()


def test_the_evidence(found: Analysis) -> None:
    """Sheet, page and record give one figure; a person's names stand where the record has the modality's."""
    record = TypeAdapter(Analysis).validate_json(TypeAdapter(Analysis).dump_json(found))
    assert record == found
    rows = list(tables(found)["conflicts.csv"][1])
    for row, shown, conflict in zip(rows, page(found).cards, ranked(record.conflicts), strict=True):
        assert row["Evidence"] == f"{conflict.evidence:.2f}"
        assert shown.evidence.startswith(f"Bayes factor {bayes_factor(conflict.evidence)}:")
        assert (row["Strength"], row["Confidence"]) == (
            f"{conflict.strength:.4f}",
            f"{conflict.confidence:.4f}",
        )
        assert shown.strength == f"{conflict.strength:.2f}"
        assert row["Best_Frame"] == shown.best and row["Words"].removeprefix("'") == shown.words
        assert row["Rule"] == shown.rule and row["Vanishes_If"] == shown.vanishes
        for modality, (name, chip) in zip(conflict.modalities, shown.said, strict=True):
            prefix = display(modality).prefix
            share = conflict.probabilities.get(modality)
            assert row[f"{prefix}_Emotion"] == conflict.emotions[modality] == chip.text
            assert row.get(f"{prefix}_Probability", "") == ("" if share is None else f"{share:.4f}")
            assert f"{name} {chip.text} {chip.share}".strip() in row["Why"]
        together = "" if shown.together is None else shown.together.text
        assert row["Read_Together"].split(" ")[0] == together
        apart = {m: row[f"Without_{display(m).prefix}"].split(" ")[0] for m in conflict.without}
        assert list(apart.values()) == [chip.text for _, chip in shown.without]


def test_what_was_not_compared(found: Analysis) -> None:
    rows = list(tables(found)["integrated.csv"][1])
    told = {part.split(": ")[0] for row in rows for part in row["Not_Compared"].split("; ") if part}
    assert told == {skipped.names.replace(" with ", "+") for skipped in page(found).skipped}
    assert told == {"+".join(display(m).noun for m in one.modalities) for one in found.abstentions}


def test_moments(found: Analysis) -> None:
    rows = list(tables(found)["integrated.csv"][1])
    lines = page(found).lines
    prefixes = {"face": "Visual", "voice": "Audio", "text": "Text", "posture": "Posture"}
    for row, line, moment in zip(rows, lines, found.moments, strict=True):
        shown = [row[f"{prefixes[m]}_Emotion"] for m in found.modalities] + [row["Fused_Emotion"]]
        assert [chip.text for chip in line.chips] == [key.replace("_", " ") for key in shown]
        assert row.get("Conflict_Ranks", "") == " ".join(map(str, line.ranks))
        assert line.time.startswith(time_code(moment.span.start_us))


def test_the_timeline_shows_the_rows(found: Analysis) -> None:
    """The still one, for paper, and what the script draws from."""
    rows = list(tables(found)["integrated.csv"][1])
    fused = [row["Fused_Emotion"] for row in rows]
    text = html(found)
    lane = re.search(r'aria-label="together">(.*?)</svg>', text, re.DOTALL)
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert lane is not None and data is not None
    titles = [unescape(title) for title in re.findall("<title>(.*?)</title>", lane[1])]
    assert [title.split(" together ")[1].split()[0] for title in titles] == fused
    drawn = json.loads(data[1])
    assert [drawn["keys"][key] for key in drawn["lanes"][-1]["keys"]] == fused
    for at_ms, cell in (("starts", "Start_Time"), ("ends", "End_Time")):
        assert [t / 1000 for t in drawn[at_ms]] == pytest.approx([float(r[cell]) for r in rows], abs=0.006)
    told = [(c["kind"], round(c["start"] / 1000, 2)) for c in drawn["conflicts"]]
    sheet = list(tables(found)["conflicts.csv"][1])
    assert told == [(row["Kind"], pytest.approx(float(row["Start_Time"]), abs=0.011)) for row in sheet]


def _seconds(ass_time: str) -> float:
    hours, minutes, seconds = ass_time.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
