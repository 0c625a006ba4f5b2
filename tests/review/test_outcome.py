"""What is counted where, and the account of it."""

from dataclasses import replace

import pytest

from pipeline.review.events import ReviewError, event_id, events
from pipeline.review.outcome import outcome
from pipeline.review.report import as_json, as_text
from tests.review.conftest import film_with, sheet_of

SHA = "ab" * 6


def two_raters(tmp_path, film, first, second):
    ids = [event.id for event in events(film)]
    named = {"r": "right", "w": "wrong", "u": "unsure", "-": ""}
    return [
        sheet_of(tmp_path / f"{who}.csv", {i: named[v] for i, v in zip(ids, said, strict=True)})
        for who, said in (("ann", first), ("周", second))
    ]


def test_the_account_says_what_was_found(tmp_path):
    film = film_with([50.0, 40.0, 30.0, 20.0])
    text = as_text(outcome(two_raters(tmp_path, film, "rrw-", "rwwu"), {SHA: film}, 0.8))
    lines = text.splitlines()
    assert lines[0] == "4 of 4 events marked by 2 raters (ann, 周)"
    (alarms,) = (line.split() for line in lines if line.startswith("alarms  "))
    assert alarms[:6] == ["alarms", "4", "1", "1", "2", "0.50"]
    assert "Cohen's kappa, ann and 周: 0.40 (the same verdict in 67% of events, 3 events; too few" in text
    assert "film ab  0:02.0  polarity face + words: ann right, 周 wrong" in text
    assert "nothing can be proposed; nearest is 0." in text and "were every event right" in text
    by_rater = [line for line in lines if line.startswith(("  ann ", "  周 "))]
    ends = {line.replace("周", "xx").index("  0.") for line in by_rater}  # two cells wide
    assert len(by_rater) == 2 and len(ends) == 1


def test_every_order_of_sheets_gives_the_same(tmp_path):
    film = film_with([float(i) for i in range(10, 35)])
    sheets = two_raters(tmp_path, film, "rrwwr" * 5, "rwwur" * 5)
    first = outcome(sheets, {SHA: film}, 0.8)
    assert first.kappas[0].interval is not None and first.alpha.interval is not None
    turned = [replace(one, rows=tuple(reversed(one.rows))) for one in reversed(sheets)]
    second = outcome(turned, {SHA: film}, 0.8)
    assert as_json(first) == as_json(second) and as_text(first) == as_text(second)


def test_a_film_of_a_stricter_point_sets_where_proposing_begins(tmp_path):
    loose, strict = film_with([4.0, 40.0], enter=0.75), film_with([30.0], "cd" * 32, enter=0.95)
    ids = [event.id for film in (loose, strict) for event in events(film)]
    sheet = sheet_of(tmp_path / "ann.csv", dict.fromkeys(ids, "right"))
    found = outcome([sheet], {SHA: loose, "cd" * 6: strict}, 0.8)
    assert found.proposal.present == 0.95
    assert found.alarms.marked == 3 and found.proposal.points[0].kept.marked == 2


def test_results_without_an_operating_point_are_named(tmp_path):
    film = film_with([4.0], enter=0.0)
    sheet = sheet_of(tmp_path / "ann.csv", {events(film)[0].id: "right"})
    with pytest.raises(ReviewError, match=r"film ab are of an older version.* analyze the video again"):
        outcome([sheet], {SHA: film}, 0.8)


def test_foils_are_no_alarms(tmp_path):
    film = film_with([40.0])
    (alarm,) = events(film)
    foil = event_id(film.media.sha256, "blend", ("face", "voice"), alarm.span, foil=True)
    found = outcome([sheet_of(tmp_path / "a.csv", {alarm.id: "right", foil: "wrong"})], {SHA: film}, 0.8)
    assert (found.alarms.right, found.alarms.wrong) == (1, 0)
    assert (found.foils.right, found.foils.wrong) == (0, 1)
    assert found.proposal.points[0].kept.marked == 1


def test_marks_count_though_the_film_was_analysed_again(tmp_path):
    before, after = film_with([4.0, 40.0, 50.0], enter=0.75), film_with([40.0], enter=0.9)
    sheets = two_raters(tmp_path, before, "rrw", "rrr")  # strongest first: 50 and 40 are gone
    found = outcome(sheets, {SHA: after}, 0.8)
    assert (found.alarms.marked, found.kappas[0].n, found.without_analysis) == (3, 3, 0)
    assert found.proposal.points[0].kept.marked == 1 and found.proposal.present == 0.9
    (note,) = found.notes
    assert note.startswith("2 marked events are not in the analysis at hand of film ab, which was made with")
    assert note in as_text(found) and as_json(found)["notes"] == [note]
    none = outcome(sheets, {SHA: film_with([])}, 0.8)
    assert none.alarms.marked == 3 and none.proposal is None and none.notes[0].startswith("3 marked events")
    assert outcome(sheets, {SHA: before}, 0.8).notes == ()
