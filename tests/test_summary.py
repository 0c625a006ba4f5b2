"""The account of a run: for a person and for a program."""

from dataclasses import replace
from pathlib import Path

from pipeline.job import Result
from pipeline.summary import as_json, as_text, modality_facts
from pipeline.types import Abstention, Analysis, Span
from pipeline.writers.report.page import page
from tests.writers.conftest import LINES, make_analysis, ok


def result(analysis: Analysis) -> Result:
    return Result(analysis, Path("out"), (), {}, (), ("probe",), 1.0)


def test_a_person_reads_the_evidence_and_what_chance_would_give():
    lines = as_text(result(make_analysis())).splitlines()
    assert "2 possible conflicts (chance alone would give fewer than 0.1), 1 stretch of masking" in lines
    first = next(line for line in lines if "polarity" in line)
    assert first == (
        "  0:00.0-0:01.0  polarity · face (P1) sad, words happy · maybe tears of joy"
        " (positive evidence 7.2, strength 0.82, confidence 0.70)"
    )
    assert (
        "not compared: face with voice 1.0 s (not speaking), face 0.5 s (no face), voice 0.5 s (silence)"
        in lines
    )


def test_it_is_no_surer_than_the_page():
    many = replace(make_analysis(), false_alarms_per_minute=30.0)
    assert "chance alone would give about 1.5, so most of them may be chance" in as_text(result(many))
    whole = Span(0, many.media.duration_us)
    out = tuple(Abstention(whole, (modality,), "silence") for modality in many.modalities)
    mute = as_text(result(replace(many, conflicts=(), abstentions=out))).splitlines()
    assert page(replace(many, conflicts=(), abstentions=out)).nothing in mute
    assert "Nothing could be compared, because face: silence; words: silence; voice: silence." in mute
    assert not any("conflict" in line for line in mute)


def test_a_moment_read_in_part_counts_in_part():
    """As sad for longer, happy for longer where it was read."""
    plain = make_analysis()
    first, second, *rest = plain.moments
    moments = (
        replace(first, by_modality={**first.by_modality, "voice": ok("happy", 0.9)}),
        replace(second, by_modality={**second.by_modality, "voice": replace(ok("sad", 0.9), coverage=0.1)}),
        replace(rest[0], by_modality={**rest[0].by_modality, "voice": replace(ok("sad", 0.9), coverage=0.1)}),
        replace(rest[1], by_modality={**rest[1].by_modality, "voice": replace(ok("sad", 0.9), coverage=0.1)}),
        *rest[2:],
    )
    facts = modality_facts(replace(plain, moments=moments))
    assert facts["voice"]["dominant_emotion"] == "happy"


def test_the_operating_point_is_told_only_where_it_was_raised():
    raised = make_analysis()
    told = "  counted from a Bayes factor of 4.0 on instead of 3.0, to keep the alarms by chance down"
    assert told in as_text(result(raised)).splitlines()
    assert "Bayes factor" not in as_text(result(replace(raised, operating_point=0.75)))


def test_nothing_left_out_is_not_told():
    assert "not compared" not in as_text(result(replace(make_analysis(), abstentions=())))


def test_a_program_reads_the_same():
    found = as_json(result(make_analysis()), 0)
    assert (found["operating_point"], found["operating_point_asked"]) == (0.8, 0.75)
    assert found["not_compared"][0] == {
        "modalities": ["face", "voice"],
        "reason": "not_speaking",
        "seconds": 1.0,
    }
    first = found["conflicts"][0]
    assert first["kind"] == "polarity" and first["evidence"] == 7.25 and first["prior"] == 0.0082
    assert (first["best_s"], first["words"]) == (0.75, LINES[0][2])
    assert first["probabilities"] == {"face": 0.7, "text": 0.91}
