from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.fusion.binding import binding
from pipeline.types import Bound
from tests.fusion.test_speaking import STILL, TALKS, closed, shown, sounds, turn

CHANGES = ((0, 5, "S1"), (5, 10, "S2"), (10, 15, "S1"), (15, 20, "S2"))
TURNS = [turn(*one) for one in CHANGES]


def dialogue():
    """P1 speaks in S1's turns, P2 in S2's, both in view all the time."""
    first = ([TALKS] * 25 + [STILL] * 25) * 2
    return {
        "eyes": [*shown(first), *shown(first[25:] + first[:25], subject="P2")],
        "ears": sounds((0, 20)),
    }


def names(bound):
    return {one.speaker: one.subject for one in bound}


def test_each_voice_is_bound_to_the_face_that_moves_with_it():
    bound = binding(dialogue(), TURNS)
    assert names(bound) == {"S1": "P1", "S2": "P2"}
    assert all(one.confidence > 0.9 and one.modality == "eyes" for one in bound)
    assert all(one.seen_us == 10_000_000 for one in bound)


def test_a_third_voice_with_which_no_mouth_moves_is_off_screen():
    film = dialogue()
    film["eyes"] += closed(60, start_s=20) + closed(60, start_s=20, subject="P2")
    bound = binding(film, [*TURNS, turn(20, 32, "S3")])
    assert names(bound) == {"S1": "P1", "S2": "P2", "S3": None}
    assert bound[2].confidence > 0.8 and bound[2].modality is None and bound[2].seen_us > 0


def test_two_names_of_one_voice_are_bound_to_one_face():
    """A voice in tears is often taken for another one."""
    film = {"eyes": shown([TALKS] * 100), "ears": sounds((0, 20))}
    assert names(binding(film, TURNS)) == {"S1": "P1", "S2": "P1"}


def test_speakers_who_are_shown_one_at_a_time():
    """Shot and counter-shot: each is in view while speaking, and for a while as a listener."""
    eyes = [
        *shown([TALKS] * 20, 0),
        *shown([STILL] * 5, 4, "P2"),
        *shown([TALKS] * 20, 5, "P2"),
        *shown([STILL] * 5, 9, "P1"),
        *shown([TALKS] * 25, 10),
        *shown([TALKS] * 25, 15, "P2"),
    ]
    assert names(binding({"eyes": eyes}, TURNS)) == {"S1": "P1", "S2": "P2"}


@pytest.mark.parametrize("motion", [STILL, TALKS])
def test_one_person_and_one_voice_belong_together(motion):
    """However long the mouth hardly moves, as long as it is not closed."""
    film = {"eyes": shown([motion] * 300), "ears": sounds((0, 60))}
    (bound,) = binding(film, [turn(0, 60, "S1")])
    assert bound.subject == "P1" and bound.confidence > 0.95
    brief = binding(film, [turn(0, 0.4, "S1")])
    assert brief == (Bound("S1", "P1", 0.9524, "eyes", 0),)  # too brief for any evidence


def test_unless_the_mouth_says_no():
    film = {"eyes": closed(60), "ears": sounds((0, 12))}
    (bound,) = binding(film, [turn(0, 12, "S1")])
    assert bound.subject is None and bound.confidence > 0.9


def test_a_mouth_that_moves_alike_in_pauses_has_less_evidence():
    """One who chews all the time, and one who moves with the voice."""
    speaks = ([TALKS] * 15 + [STILL] * 15) * 4
    film = {"eyes": [*shown([TALKS] * 120, subject="P1"), *shown(speaks, subject="P2")]}
    turns = [turn(6 * i, 6 * i + 3, "S1") for i in range(4)]
    assert names(binding(film, turns)) == {"S1": "P2"}


def test_many_who_pass_by_do_not_outweigh_who_speaks():
    film = dialogue()
    for i in range(30):
        film["eyes"] += shown([STILL] * 4, start_s=0.4 * i, subject=f"P{i + 3}")
    bound = binding(film, TURNS)
    assert names(bound) == {"S1": "P1", "S2": "P2"}
    assert all(one.confidence > 0.8 for one in bound)


def test_nothing_to_bind():
    assert binding(dialogue(), ()) == ()
    assert binding({}, TURNS) == (Bound("S1", None, 0.5), Bound("S2", None, 0.5))


@given(st.permutations(range(4)), st.integers(0, 10**9))
def test_order_and_shift_do_not_count(order, by_us):
    film = {
        name: [replace(one, span=one.span.shifted(by_us)) for one in own] for name, own in dialogue().items()
    }
    turns = [replace(TURNS[i], span=TURNS[i].span.shifted(by_us)) for i in order]
    assert binding(film, turns) == binding(dialogue(), TURNS)
