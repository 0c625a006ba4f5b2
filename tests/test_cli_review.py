"""The command `review` from results to a sheet, and from marked sheets to figures."""

import csv
import io
import json
import tomllib
from dataclasses import replace

import pytest

from pipeline.cli import EXIT_OK, EXIT_USAGE, main
from pipeline.config import config_from_mapping
from pipeline.records import ANALYSIS_FILE, write_record
from tests.review.conftest import film_with
from tests.writers.conftest import make_analysis


def review(*arguments):
    return main(["review", *map(str, arguments)])


def results(folder, analysis):
    folder.mkdir(parents=True, exist_ok=True)
    write_record(folder / ANALYSIS_FILE, analysis)
    return folder


def mark(sheet, target, verdict):
    """A copy of the sheet with a verdict for each row, as ``verdict`` says for the row."""
    rows = list(csv.DictReader(io.StringIO(sheet.read_text("utf-8-sig"))))
    text = io.StringIO()
    pen = csv.DictWriter(text, list(rows[0]), delimiter=";", lineterminator="\r\n")
    pen.writeheader()
    pen.writerows({**row, "Verdict": verdict(row)} for row in rows)
    target.write_bytes(text.getvalue().encode("utf-8-sig"))
    return target


def printed(capsys):
    return json.loads(capsys.readouterr().out)


def test_from_results_to_an_operating_point(tmp_path, capsys):
    folder = results(
        tmp_path / "vlog", film_with([4.0 + i / 100 for i in range(8)] + [30.0 + i for i in range(30)])
    )
    assert review(folder) == EXIT_OK
    assert "38 events to mark" in capsys.readouterr().out
    sheet = folder / "review.csv"

    def strong(row):
        return float(row["Start_Time"]) >= 16  # from the ninth event on

    ann = mark(sheet, folder / "ann.csv", lambda row: "right" if strong(row) else "wrong")
    bob = mark(sheet, folder / "bob.csv", lambda row: "Right " if strong(row) else "unsure")
    assert review("--import", ann, bob) == EXIT_OK
    text = capsys.readouterr().out
    assert "38 of 38 events marked by 2 raters (ann, bob)" in text
    assert "Cohen's kappa, ann and bob: 0." in text and "Krippendorff's alpha, all: 0." in text
    assert "ann wrong, bob unsure" in text and "what was missed is unknown" in text
    assert "the present point does it, were the 8 unsure no worse" in text  # wrong and unsure: a tie
    toml = text[text.index("[conflict]") :].split("\n\n")[0]
    assert config_from_mapping(tomllib.loads(toml)).conflict.enter == 0.75

    assert review("--import", bob, ann, "--json") == EXIT_OK
    found = printed(capsys)
    assert found["raters"] == ["ann", "bob"] and found["notes"] == []
    assert found["alarms"]["right"] == 30 and found["alarms"]["unsure"] == 8
    assert found["by_rater"]["ann"]["wrong"] == 8
    assert found["operating_point"]["enter"] == 0.75
    assert len(found["disagreements"]) == 8
    assert found["disagreements"][0]["verdicts"] == {"ann": "wrong", "bob": "unsure"}
    assert found["false_alarms_per_minute"] == [{"video": "film ab", "by_chance": 0.4}]


def test_a_point_above_the_present_one(tmp_path, capsys):
    folder = results(tmp_path / "vlog", film_with([4.0] * 8 + [30.0] * 30))
    review(folder)
    ann = mark(
        folder / "review.csv",
        folder / "ann.csv",
        lambda r: "wrong" if float(r["Start_Time"]) < 16 else "right",
    )
    capsys.readouterr()
    assert review("--import", ann) == EXIT_OK
    text = capsys.readouterr().out
    assert "[conflict]\nenter = 0.96\n" in text and "it takes a second rater" in text
    assert review("--import", ann, "--precision", "0.95", "--json") == EXIT_OK
    found = printed(capsys)["operating_point"]
    assert (found["enter"], found["nearest"], found["marks_needed_if_all_right"]) == (None, 0.96, 73)


def test_sheets_from_elsewhere(tmp_path, capsys):
    folder = results(tmp_path / "vlog", film_with([4.0, 40.0]))
    other = results(tmp_path / "talk", film_with([5.0], sha256="cd" * 32))
    both = tmp_path / "both.csv"
    assert review(folder, other, folder, "--out", both) == EXIT_OK
    away = tmp_path / "mail"
    away.mkdir()
    ann = mark(both, away / "ann.csv", lambda row: "right")
    capsys.readouterr()
    assert review("--import", ann, "--json") == EXIT_OK
    found = printed(capsys)
    assert found["alarms"]["right"] == 3 and found["operating_point"] is None
    assert review("--import", ann) == EXIT_OK
    assert "name their results with --results" in capsys.readouterr().out
    assert review("--import", ann, "--results", folder, "--json") == EXIT_OK
    found = printed(capsys)
    assert found["without_analysis"] == 1 and found["operating_point"]["points"][0]["marked"] == 2
    assert review(folder, other, "--import", ann, "--json") == EXIT_OK
    assert printed(capsys)["without_analysis"] == 0
    assert not (folder / "review.csv").exists()


def test_foils_and_masking_are_counted_apart(tmp_path, capsys):
    film = make_analysis()
    masking = next(c for c in film.conflicts if c.kind == "masking")
    folder = results(tmp_path / "vlog", replace(film, conflicts=(masking,), abstentions=()))
    assert review(folder) == EXIT_OK
    said = capsys.readouterr()
    assert said.out == "" and "nothing to review" in said.err
    assert not (folder / "review.csv").exists()
    assert review(folder, "--with-foils", "5", "--with-masking") == EXIT_OK
    assert "2 events to mark right, wrong or unsure, 1 of them put in" in capsys.readouterr().out
    ann = mark(folder / "review.csv", folder / "ann.csv", lambda row: "right")
    assert review("--import", ann, "--json") == EXIT_OK
    found = printed(capsys)
    assert found["alarms"]["marked"] == 0
    assert found["foils"]["right"] == 1 and found["information"]["masking"]["right"] == 1
    assert review("--import", ann) == EXIT_OK
    assert "put in unmarked" in capsys.readouterr().out


def test_marks_are_kept(tmp_path, capsys):
    folder = results(tmp_path / "vlog", make_analysis())
    review(folder)
    before = (folder / "review.csv").read_bytes()
    assert review(folder) == EXIT_OK and (folder / "review.csv").read_bytes() == before
    marked = mark(folder / "review.csv", folder / "review.csv", lambda row: "right").read_bytes()
    other = results(tmp_path / "other", make_analysis())
    assert review(other, folder) == EXIT_USAGE
    assert "carries marks already" in capsys.readouterr().err
    assert (folder / "review.csv").read_bytes() == marked
    assert not (other / "review.csv").exists()  # nothing half done


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name a folder of results"),
        (("nowhere",), "nowhere holds no analysis.json"),
        (("broken",), "broken/analysis.json cannot be read"),
        (("vlog", "--out", "nowhere/sheet.csv"), "cannot write nowhere/sheet.csv"),
        (("vlog", "--out", "vlog"), "vlog is not a review sheet"),
        (("vlog", "--json"), "--json goes with --import"),
        (("vlog", "--results", "vlog"), "--results goes with --import"),
        (("--import", "ann.csv"), "cannot read ann.csv"),
        (("--import", "vlog/analysis.json"), "no columns Event and Verdict"),
        (("--import", "ann.csv", "--out", "x.csv"), "--out is for writing a sheet"),
        (("vlog", "--with-foils", "3", "--show-evidence"), "give the foils away"),
        (("vlog", "again", "--out", "both.csv"), "vlog and again are results of one film; name one of them"),
    ],
)
def test_a_mistake_is_one_sentence(arguments, said, tmp_path, monkeypatch, capsys):
    results(tmp_path / "vlog", make_analysis())
    results(tmp_path / "again", replace(make_analysis(), conflicts=()))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / ANALYSIS_FILE).write_text("{}", encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    assert review(*arguments) == EXIT_USAGE
    told = capsys.readouterr()
    assert told.out == "" and len(told.err.strip().splitlines()) == 1 and said in told.err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "flags",
    [
        ("--precision", "1"),
        ("--precision", "abc"),
        ("--precision", "nan"),
        ("--with-foils", "0"),
        ("--with-foils", "x"),
    ],
)
def test_a_number_out_of_range(flags, capsys):
    assert review("vlog", *flags) == EXIT_USAGE
    assert "is not a" in capsys.readouterr().err
