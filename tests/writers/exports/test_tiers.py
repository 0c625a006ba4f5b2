from dataclasses import replace

import pytest

from pipeline.types import Analysis, Observation, Span, Status, Turn, Utterance
from pipeline.writers.exports.tiers import Annotation, milliseconds, tiers, without_overlap
from tests.writers.conftest import S, make_analysis, scores, with_posture
from tests.writers.exports.cases import CASES, empty, overlapping


def names(analysis: Analysis) -> list[str]:
    return [tier.name for tier in tiers(analysis)]


def test_a_row_per_person_and_modality_and_the_fixed_ones() -> None:
    assert names(make_analysis()) == [
        *("P1 face", "P2 face", "voice", "words", "together", "transcript"),
        *("speakers", "speakers 2", "conflicts", "conflicts 2", "masking"),
    ]
    assert "P1 posture" in names(with_posture(make_analysis()))
    assert names(empty()) == ["face", "voice", "words", "together", "transcript", "conflicts", "masking"]


def test_samples_of_one_emotion_are_joined_and_what_is_unread_is_a_gap() -> None:
    first = tiers(make_analysis())[0]
    assert first.annotations == (Annotation(0, 1250, "sad", 0.68), Annotation(1750, 2000, "sad", 0.63))
    assert (first.content, first.source, first.person) == ("emotion", "face", "P1")


def test_of_windows_that_overlap_each_speaks_until_the_next() -> None:
    heard = tuple(
        Observation("voice", Span(a * S, b * S), Status.OK, scores(emotion, 0.5))
        for a, b, emotion in ((0, 3, "sad"), (1, 4, "happy"), (2, 5, "happy"))
    )
    analysis = make_analysis()
    analysis = replace(analysis, observations={**analysis.observations, "voice": heard})
    (voice,) = (tier for tier in tiers(analysis) if tier.source == "voice")
    assert voice.annotations == (Annotation(0, 1000, "sad", 0.5), Annotation(1000, 5000, "happy", 0.5))


def test_people_who_talk_at_once_have_rows_of_their_own() -> None:
    said = [t for t in tiers(overlapping()) if t.content == "words"]
    assert [t.name for t in said] == ["transcript", "transcript 2", "transcript 3"]
    assert [[a.value for a in t.annotations] for t in said] == [["one"], ["three"], ["two"]]


def test_who_speaks_is_whom_the_transcript_names_and_between_its_lines_the_voice() -> None:
    lines = (
        Utterance(Span(1 * S, 2 * S), "one", None, "file", speaker="ANNA"),
        Utterance(Span(3 * S, 4 * S), "nobody's, as a person corrected it", None, "file"),
    )
    analysis = make_analysis()
    turns = (Turn(Span(0, 2 * S), "S1"), Turn(Span(2 * S, 3 * S), "S2"), Turn(Span(3 * S, 5 * S), "S2"))
    analysis = replace(
        analysis, transcript=replace(analysis.transcript, utterances=lines), turns=turns, moments=()
    )
    (speakers,) = (tier for tier in tiers(replace(analysis, fused=())) if tier.content == "speaker")
    assert speakers.annotations == (
        *(Annotation(0, 1000, "S1"), Annotation(1000, 2000, "ANNA")),
        *(Annotation(2000, 3000, "S2"), Annotation(4000, 5000, "S2")),
    )
    nobody = replace(analysis, transcript=replace(analysis.transcript, utterances=()), turns=())
    assert "speakers" not in names(replace(nobody, fused=()))


def test_what_is_shorter_than_the_grain_is_not_lost() -> None:
    analysis = make_analysis()
    brief = replace(analysis.transcript, utterances=(Utterance(Span(7, 8), "ah", None, "file"),))
    said = next(t for t in tiers(replace(analysis, transcript=brief)) if t.content == "words")
    assert said.annotations == (Annotation(0, 1, "ah"),)


@pytest.mark.parametrize(
    ("time_us", "time_ms"), [(0, 0), (499, 0), (500, 1), (1_499, 1), (1_500, 2), (1_999, 2), (-1_500, 0)]
)
def test_milliseconds_are_rounded_half_up(time_us: int, time_ms: int) -> None:
    assert milliseconds(time_us) == time_ms


@pytest.mark.parametrize("case", CASES)
def test_no_row_has_an_overlap_or_a_twin(case: str) -> None:
    found = tiers(CASES[case]())
    assert len({tier.name for tier in found}) == len(found)
    for tier in found:
        at = 0
        for one in tier.annotations:
            assert at <= one.start_ms < one.end_ms
            at = one.end_ms


def test_as_few_rows_as_needed() -> None:
    spans = [(0, 2), (1, 3), (2, 4), (3, 5)]
    rows = without_overlap(Annotation(a, b, "") for a, b in spans)
    assert [[(a.start_ms, a.end_ms) for a in row] for row in rows] == [[(0, 2), (2, 4)], [(1, 3), (3, 5)]]
    assert without_overlap([]) == [()]
