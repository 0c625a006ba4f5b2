from dataclasses import replace

import pytest

from pipeline.types import Abstention, Analysis, Span
from pipeline.writers.evidence import (
    FELT,
    about,
    bayes_factor,
    because,
    caution,
    compared_us,
    expected_by_chance,
    factor_of,
    grade,
    not_compared,
    not_compared_cell,
    of_film,
    reliability,
    rule,
    scale,
    state,
    vanishing,
)
from pipeline.writers.facts import ranked
from tests.writers.conftest import HOSTILE, LINES, S


@pytest.mark.parametrize(
    ("factor", "name"),
    [
        (0.0, "against it"),
        (0.99, "against it"),
        (1.0, "weak"),
        (3.0, "positive"),
        (19.99, "positive"),
        (20.0, "strong"),
        (150.0, "very strong"),
        (1e9, "very strong"),
    ],
)
def test_a_bayes_factor_has_a_name(factor: float, name: str) -> None:
    assert grade(factor) == name


def test_the_scale_names_every_grade() -> None:
    assert scale() == "1–3 weak, 3–20 positive, 20–150 strong, above 150 very strong"


@pytest.mark.parametrize(
    ("factor", "text"),
    [
        (0.5, "0.5"),
        (3.04, "3.0"),
        (9.96, "10"),
        (23.4, "23"),
        (147.0, "150"),
        (999.0, "1000"),
        (1e9, "over 1000"),
    ],
)
def test_a_bayes_factor_has_two_digits(factor: float, text: str) -> None:
    assert bayes_factor(factor) == text


def test_an_operating_point_is_a_bayes_factor() -> None:
    assert factor_of(0.75) == pytest.approx(3.0) and factor_of(1.0) > 1e8


def test_who_says_what_with_the_names_a_person_knows(analysis: Analysis) -> None:
    _, _, tears = analysis.conflicts
    assert because(tears) == f'face sad 70%, words happy 91% while saying "{LINES[0][2]}"'
    assert because(replace(tears, words="", probabilities={"face": 0.7})) == "face sad 70%, words happy"
    assert len(because(replace(tears, words=HOSTILE)).splitlines()) == 1


def test_what_would_undo_it(analysis: Analysis) -> None:
    masking, blend, tears = analysis.conflicts
    assert vanishing(tears) == "face counted at most 60% as much or words counted for nothing"
    assert vanishing(blend) == "face counted at most 85% as much or voice counted at most 90% as much"
    assert vanishing(masking) == "more than one of them were doubted"


def test_the_rule_and_what_they_say_together(analysis: Analysis) -> None:
    _, blend, tears = analysis.conflicts
    assert rule(tears) == "words: happy + other: angry or sad" and rule(blend) == ""
    held_back = replace(blend, rule={"face": ("neutral",), "other": tuple(sorted(FELT))})
    assert rule(held_back) == "face: neutral + other: any emotion"
    assert state(tears.fused) == "happy 0.51" and state(None) == ""


def test_strongest_evidence_first_then_strength_then_confidence(analysis: Analysis) -> None:
    one = analysis.conflicts[1]
    order = [
        replace(one, evidence=9.0, strength=0.1, confidence=0.1),
        replace(one, evidence=5.0, strength=0.9, confidence=0.1),
        replace(one, evidence=5.0, strength=0.8, confidence=0.9),
        replace(one, evidence=5.0, strength=0.8, confidence=0.2),
        replace(one, evidence=1e9, strength=1.0, confidence=1.0, kind="masking"),
    ]
    assert list(ranked(reversed(order))) == order


def test_times_not_compared_add_up_by_who_and_why() -> None:
    seen = [
        Abstention(Span(0, 2), ("face",), "no_face"),
        Abstention(Span(4, 9), ("face",), "no_face"),
        Abstention(Span(0, 4), ("face", "text"), "not_speaking"),
        Abstention(Span(20, 30), ("text",), "no_words"),
    ]
    found = not_compared(seen, Span(0, 8))
    assert [(one.nouns, one.reason, one.time_us) for one in found] == [
        (("face",), "no_face", 6),
        (("face", "words"), "not_speaking", 4),
    ]
    assert not_compared_cell(seen, Span(0, 8)) == "face: no_face 75%; face+words: not_speaking 50%"
    assert not_compared_cell(seen, Span(20, 30)) == "words: no_words"
    assert not_compared_cell(seen, Span(10, 20)) == ""


def test_a_reason_nobody_has_worded_is_shown_as_it_is(analysis: Analysis) -> None:
    odd = replace(analysis, abstentions=(Abstention(Span(0, 9), ("posture",), "out_of_sight"),))
    assert [one.explained for one in of_film(odd)] == ["out of sight"]


def test_chance_is_for_the_whole_film(analysis: Analysis) -> None:
    assert expected_by_chance(analysis) == pytest.approx(0.4 * 3 / 60)
    assert expected_by_chance(replace(analysis, false_alarms_per_minute=None)) is None


def test_how_long_anything_was_compared(analysis: Analysis) -> None:
    """Two of three that are out leave nothing to compare; a pair that is out leaves two others."""

    def left(*out: tuple[int, int, tuple[str, ...]]) -> int:
        abstentions = tuple(Abstention(Span(a, b), who, "no_words") for a, b, who in out)
        return compared_us(replace(analysis, abstentions=abstentions))

    whole = analysis.media.duration_us
    assert left() == whole == left((0, whole, ("text",))) == left((0, whole, ("face", "voice")))
    assert left((0, whole, ("text",)), (S, 2 * S, ("voice",))) == whole - S
    assert left((0, whole, ("text",)), (S, 2 * S, ("voice", "face"))) == whole - S
    assert left((0, whole, ("text",)), (0, whole, ("voice",)), (S, whole, ("face",))) == 0
    assert compared_us(replace(analysis, modalities=("face",), abstentions=())) == 0
    assert compared_us(replace(analysis, moments=(), abstentions=())) == 0


@pytest.mark.parametrize(
    ("found", "expected", "said"),
    [
        (0, 5.0, ""),
        (20, 1.9, ""),
        (20, 2.0, "so some of them may be chance"),
        (6, 5.5, "so most of them may be chance"),
        (6, 6.0, "so all of them may be chance"),
        (1, 0.05, ""),
        (1, 0.4, "so it may be chance"),
        (1, 1.6, "so it may well be chance"),
    ],
)
def test_chance_is_told_by_degrees(found: int, expected: float, said: str) -> None:
    assert caution(found, expected) == said


def test_a_small_number_is_not_said_to_be_none() -> None:
    assert (about(0.04), about(0.06), about(5.46)) == ("fewer than 0.1", "about 0.1", "about 5.5")


def test_a_model_says_whether_it_was_measured(analysis: Analysis) -> None:
    assert reliability(analysis.models["face"]) == (
        "right in 14%, the mean over the seven emotions, on 3,211 examples of FER+ dev (by guessing: 14%)"
    )
    assert reliability(analysis.models["voice"]) == "not measured: its evidence is discounted"
