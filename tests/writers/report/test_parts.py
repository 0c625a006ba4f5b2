"""What the page is made of: bars, shares, the numbers of the timeline, scripts and pictures."""

import base64
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from pipeline.labels import EMOTIONS
from pipeline.types import Analysis, Observation, Scores, Span, Status
from pipeline.writers.report import html
from pipeline.writers.report.chart import chart, stacked, thinned, valence
from pipeline.writers.report.chip import language_tag
from pipeline.writers.report.coverage import OTHERS, coverage_of, read_and_gaps
from pipeline.writers.report.scripts import as_json, policy, scripts
from pipeline.writers.report.shares import ANYONE, MOST_PERSONS, UNKNOWN, emotion_shares
from pipeline.writers.report.spread import spreads
from pipeline.writers.report.stills import MOST, WIDTH_PX, pictures
from pipeline.writers.stills import still_name
from tests.writers.conftest import S, scores, with_posture

SCRIPTS = re.compile(r"<script.*?</script>", re.DOTALL)


def shares_of(analysis: Analysis, span: Span, modality: str) -> dict[str, str]:
    bars = spreads(analysis).over(span, modality)
    return {} if bars is None else {bar.letter: bar.text for bar in bars.bars}


def test_bars_are_the_mean_of_what_the_person_showed(analysis: Analysis) -> None:
    """The face of the one who was read (P1), not of the other who is in the picture too."""
    told = shares_of(analysis, Span(0, 500_000), "face")
    assert told["S"] == "70%" and told["N"] == "5%" and sum(int(p[:-1]) for p in told.values()) == 100


def test_bars_weigh_by_overlap_and_quality(analysis: Analysis) -> None:
    def heard(start_us: int, end_us: int, emotion: str, quality: float) -> Observation:
        said = scores(emotion, 1.0)
        return Observation("voice", Span(start_us, end_us), Status.OK, said, quality=quality)

    voice = (heard(0, S, "sad", 0.5), heard(S, 2 * S, "angry", 1.0))
    found = replace(analysis, observations={**analysis.observations, "voice": voice})
    assert shares_of(found, Span(0, 1_250_000), "voice") | {"A": "", "S": ""} == dict.fromkeys(
        "DFHUN", "0%"
    ) | {"A": "", "S": ""}
    assert shares_of(found, Span(0, 1_500_000), "voice")["A"] == "50%"  # half as long, twice as good
    assert shares_of(found, Span(0, S), "voice")["S"] == "100%"


def test_bars_without_samples_are_those_of_the_rows(analysis: Analysis) -> None:
    assert shares_of(analysis, Span(0, S), "text")["H"] == "91%"
    assert shares_of(analysis, Span(1_400_005, 1_900_000), "text") == {}
    assert shares_of(analysis, Span(0, 0), "face") == {} == shares_of(analysis, Span(0, S), "unheard_of")


def test_bars_lead_with_what_the_detector_named(analysis: Analysis) -> None:
    for conflict in analysis.conflicts:
        for modality in conflict.modalities:
            told = spreads(analysis).over(conflict.span, modality)
            assert told is not None and told.told.startswith(conflict.emotions[modality])


def test_shares_of_time(analysis: Analysis) -> None:
    told = emotion_shares(analysis)
    found = {(s.who, s.name): {p.emotion or UNKNOWN: p.text for p in s.parts} for s in told}
    assert list(found) == [
        *((ANYONE, name) for name in ("face", "voice", "words", "together")),
        ("P1", "face"),
        ("P2", "face"),
    ]
    face = found[ANYONE, "face"]
    assert (face["sad"], face[UNKNOWN], face["happy"]) == ("55%", "45%", "0%")
    assert found[ANYONE, "words"]["happy"] == "25%" and found[ANYONE, "words"]["neutral"] == "20%"
    assert found[ANYONE, "together"][UNKNOWN] == "45%"
    assert found["P2", "face"]["neutral"] == "100%" and found["P1", "face"][UNKNOWN] == "0%"
    assert [s.lasts for s in told][-2:] == ["0:01.5", "0:00.2"]
    assert ("P1", "posture") in {(s.who, s.name) for s in emotion_shares(with_posture(analysis))}
    assert emotion_shares(replace(analysis, moments=(), fused=(), observations={}, conflicts=())) == ()


def test_a_row_read_in_part_counts_in_part(analysis: Analysis) -> None:
    """What the bars say was read is what the table of coverage says."""
    first, *rest = analysis.moments
    face = replace(first.by_modality["face"], coverage=0.1)
    found = replace(
        analysis, moments=(replace(first, by_modality={**first.by_modality, "face": face}), *rest)
    )
    for one in (analysis, found, with_posture(analysis)):
        unknown = {s.name: s.parts[-1].text for s in emotion_shares(one) if s.who == ANYONE}
        for modality in one.modalities:
            read = coverage_of(one, modality)
            assert int(read.read[:-1]) + int(unknown[read.name][:-1]) == pytest.approx(100, abs=1)
    assert coverage_of(found, "face").read != coverage_of(analysis, "face").read


def test_what_was_read_and_what_was_not_are_the_whole(analysis: Analysis) -> None:
    for modality in analysis.modalities:
        read, gaps = read_and_gaps(analysis, modality)
        assert read + sum(gaps.values()) == pytest.approx(analysis.media.duration_us, abs=10)
    assert coverage_of(analysis, "face").gaps.startswith("no face")
    first = analysis.moments[0]
    alone = replace(analysis, moments=(first,), fused=analysis.fused[:1])
    assert dict(read_and_gaps(alone, "face")[1]) == {OTHERS: pytest.approx(250_000)}
    seen = {"face": (Observation("face", Span(0, 10 * S), Status.NO_FACE),)}
    assert dict(read_and_gaps(replace(alone, observations=seen), "face")[1]) == {
        "no_face": pytest.approx(250_000)
    }
    assert dict(read_and_gaps(replace(alone, observations={}), "face")[1]) == {
        "not_observed": pytest.approx(250_000)
    }


def test_nothing_rounds_to_certainty(analysis: Analysis) -> None:
    first, *rest = analysis.moments
    sure = {**first.by_modality, "face": replace(first.by_modality["face"], scores=scores("sad", 0.9976))}
    seen = tuple(
        replace(o, scores=scores("sad", 0.9976)) if o.scores else o for o in analysis.observations["face"]
    )
    conflicts = tuple(
        replace(c, probabilities=dict.fromkeys(c.modalities, 0.9976)) for c in analysis.conflicts
    )
    found = replace(
        analysis,
        moments=(replace(first, by_modality=sure), *rest),
        observations={**analysis.observations, "face": seen},
        conflicts=conflicts,
    )
    text = SCRIPTS.sub("", html(found))
    assert "sad &gt;99%" in text and not re.search(r"(sad|happy) 100%", text.split('id="shares"')[0])
    assert chart(found, ())["lanes"][0]["shares"][0] == 99.5
    assert shares_of(found, Span(0, S), "face")["H"] == "<1%"


def test_persons_who_were_seen_briefly_have_no_bars(analysis: Analysis) -> None:
    """The first persons are seen for less long than the last ones."""
    count = MOST_PERSONS + 3
    seen = tuple(
        Observation(
            "face", Span(0, (i + 1) * S), Status.OK, scores("sad", 0.9), subject=f"P{i + 1}", quality=1
        )
        for i in range(count)
    )
    found = replace(analysis, observations={"face": seen})
    own = [share for share in emotion_shares(found) if share.colour]
    assert [share.who for share in own] == [f"P{i + 1}" for i in range(count)]
    assert [share.who for share in own if share.brief] == ["P1", "P2", "P3"]
    assert "Others, read more briefly" in html(found) and "Others, read" not in html(analysis)


def test_spans_that_overlap_get_rows_of_their_own() -> None:
    spans = [Span(0, 10), Span(5, 15), Span(10, 20), Span(6, 7), Span(6, 8)]
    assert stacked(spans) == [0, 1, 0, 2, 2]
    assert stacked([]) == [] and stacked([Span(1, 1), Span(1, 1)]) == [0, 0]


def test_the_curve_follows_the_person_who_was_read(analysis: Analysis) -> None:
    curves = {curve["name"]: curve for curve in chart(analysis, ())["curves"]}
    assert list(curves) == ["face", "voice"]
    at, total = [], 0
    for step in curves["face"]["steps"]:
        total += step
        at.append(total)
    assert at == [125, 375, 625, 875, 1125]  # the last sighting falls into a row without a face
    assert curves["voice"] == {"name": "voice", "steps": [0, 1400], "values": [-36, -36]}
    assert all(isinstance(step, int) and step >= 0 for c in curves.values() for step in c["steps"])


def test_a_curve_breaks_where_nothing_was_read(analysis: Analysis) -> None:
    one, _, late = analysis.observations["voice"]
    again = replace(late, status=Status.OK, scores=one.scores)
    found = chart(replace(analysis, observations={"voice": (one, again)}), ())["curves"][0]
    assert found["values"] == [-36, -36, None, -36, -36] and found["steps"] == [0, 1400, 0, 500, 1100]


def test_a_thinned_curve_keeps_its_breaks() -> None:
    level = [(at, 5) for at in range(10)]
    points = [*level, (10, None), (20, 1), (21, None), *((at, 7) for at in range(30, 35))]
    kept = thinned(points, 4)
    assert kept == [(0, 5), (4, 5), (8, 5), (10, None), (20, 1), (21, None), (30, 7), (34, 7)]
    assert thinned(points, 1) == points and thinned([], 3) == []


def test_utterances_that_overlap_do_not_run_back_in_time(analysis: Analysis) -> None:
    said = scores("happy", 0.9)
    spans = (Span(0, 2 * S), Span(S, 3 * S), Span(S, 1_500_000), Span(2 * S, 2 * S))
    text = tuple(Observation("text", span, Status.OK, said, quality=0.5) for span in spans)
    found = chart(replace(analysis, observations={"text": text}), ())["curves"]
    assert [(c["name"], c["steps"]) for c in found] == [("words", [0, 2000, 0, 1000])]


def test_valence_leaves_out_what_names_no_emotion() -> None:
    assert valence(Scores((0.0,) * 7, 1.0)) == 0
    assert valence(Scores(tuple(float(e == "happy") for e in EMOTIONS))) == pytest.approx(0.81)


def test_data_cannot_leave_its_element() -> None:
    wild = '</script><!--<script>&\u2028\u2029"\x00\ud83d\ude00'
    text = as_json({"x": wild})
    assert not set("<>&\u2028\u2029\x00") & set(text) and json.loads(text) == {"x": wild}


def test_every_script_is_allowed_and_nothing_else() -> None:
    found = scripts(chart=True)
    assert len(found.texts) == 3 and found.policy == policy(found.texts)
    assert "unsafe-eval" not in found.policy and "script-src 'sha256-" in found.policy
    assert found.policy.startswith("default-src 'none'") and "http" not in found.policy
    assert all("</script" not in text.lower() and "<!--" not in text for text in found.texts)
    assert "Redistribution and use" in found.texts[0] and len(scripts(chart=False).texts) == 1


def test_stills_become_small_pictures(tmp_path: Path) -> None:
    for rank in range(1, MOST + 3):
        size = (1280, 720) if rank % 2 else (90, 1600)
        Image.new("RGB", size).save(tmp_path / still_name(rank))
    (tmp_path / still_name(2)).unlink()
    found = pictures(tmp_path, 100)
    assert sorted(found) == [1, *range(3, MOST + 1)] and pictures(None, 3) == {}
    assert sorted(pictures(tmp_path, 1)) == [1] and found == pictures(tmp_path, 100)
    kind, data = found[1].split(",")
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        assert (kind, picture.width, picture.height) == ("data:image/jpeg;base64", WIDTH_PX, 203)


def test_only_languages_are_called_so() -> None:
    assert [language_tag(one) for one in ("zh", "zh-TW", "en-x-a", None, "", 'zh"><b>', "english")] == [
        *("zh", "zh-TW", "en-x-a", "", "", "", ""),
    ]
