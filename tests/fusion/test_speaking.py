from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.fusion.mouth import evidence_of, sights
from pipeline.fusion.speaking import Silent, heard, mouths, not_speaking, of_speakers
from pipeline.types import US_PER_S, Bound, Observation, Span, Status, Turn
from tests.fusion.conftest import peaked

STEP_S = 0.2
TALKS, STILL = 0.3, 0.01


def span(start_s, end_s):
    return Span(round(start_s * US_PER_S), round(end_s * US_PER_S))


def shown(motion, start_s=0.0, subject="P1", *, modality="eyes", step_s=STEP_S, gaps=None):
    """One observation per value of motion, with the gap between the lips if ``gaps`` are given."""
    observations = []
    for i, value in enumerate(motion):
        evidence = {} if value is None else {"mouth_motion": value}
        if gaps is not None:
            evidence["lip_gap"] = gaps[i]
        where = span(start_s + i * step_s, start_s + (i + 1) * step_s)
        observations.append(
            Observation(modality, where, Status.OK, peaked("happy"), subject=subject, evidence=evidence)
        )
    return observations


def closed(count, **changes):
    return shown([STILL] * count, gaps=[0.004] * count, **changes)


def sounds(*spans_s, modality="ears"):
    return [
        Observation(modality, span(a, b), Status.OK, peaked("sad"), evidence={"speech_share": 0.9})
        for a, b in spans_s
    ]


def both(mine, other=TALKS, seconds=8):
    """P1 as given beside P2, whose mouth moves so much, while someone is heard all the time."""
    mine = [mine] * round(seconds / STEP_S) if isinstance(mine, float) else mine
    return {
        "eyes": [*shown(mine), *shown([other] * len(mine), subject="P2")],
        "ears": sounds((0, seconds)),
    }


def test_who_listens_beside_who_talks():
    assert not_speaking(both(STILL)) == (Silent(span(0, 8), "eyes", "P1"),)
    verdicts = {(one.subject, one.verdict) for one in mouths(both(STILL))}
    assert verdicts == {("P1", "not_speaking"), ("P2", "speaking")}


def test_of_two_moving_mouths_neither_is_called_silent():
    film = both(TALKS)
    assert not_speaking(film) == ()
    assert {one.verdict for one in mouths(film)} == {"unknown"}


def test_of_two_still_mouths_neither_speaks_for_sure():
    film = both(STILL, other=STILL)
    assert not_speaking(film) == ()
    assert {one.verdict for one in mouths(film)} == {"unknown"}


@pytest.mark.parametrize("motion", [0.0, 0.02, 0.05, 0.3])
def test_who_is_alone_is_never_silent_for_a_mouth_that_hardly_moves(motion):
    """The picture of a woman with her mouth wide open changes little while she speaks."""
    film = {"eyes": shown([motion] * 60), "ears": sounds((0, 12))}
    assert not_speaking(film) == ()
    assert {one.verdict for one in mouths(film)} == {"unknown" if motion < 0.05 else "speaking"}


def test_who_is_alone_with_an_open_mouth_is_not_silent_either():
    film = {"eyes": shown([STILL] * 60, gaps=[0.2] * 60), "ears": sounds((0, 12))}
    assert not_speaking(film) == ()


@pytest.mark.parametrize(("seconds", "is_silent"), [(3, False), (5, True), (12, True)])
def test_lips_closed_for_long_do_not_speak(seconds, is_silent):
    film = {"eyes": closed(60), "ears": sounds((0, seconds))}
    assert not_speaking(film) == ((Silent(span(0, seconds), "eyes", "P1"),) if is_silent else ())


def test_closed_lips_of_a_small_face_are_not_believed():
    film = {"eyes": closed(60), "ears": sounds((0, 12))}
    for side, is_silent in ((40.0, False), (90.0, True)):
        boxed = [
            replace(one, evidence={**one.evidence, "box": [5.0, 5.0, side, side + 9]}) for one in film["eyes"]
        ]
        assert bool(not_speaking(film | {"eyes": boxed})) == is_silent


def test_lips_that_open_once_in_a_while_are_not_closed():
    gaps = [0.1 if i % 8 in (0, 1) else 0.004 for i in range(60)]
    film = {"eyes": shown([STILL] * 60, gaps=gaps), "ears": sounds((0, 12))}
    assert not_speaking(film) == ()


def test_moving_lips_speak_though_the_picture_hardly_changes():
    """A wide open mouth: its lips move, the picture around them does not."""
    wide = [0.35 + 0.06 * (i % 2) for i in range(40)]
    film = {
        "eyes": [*shown([0.03] * 40, gaps=wide), *shown([TALKS] * 40, subject="P2", gaps=wide)],
        "ears": sounds((0, 8)),
    }
    assert not_speaking(film) == ()


def test_without_speech_nothing_is_said():
    film = both(STILL)
    assert not_speaking({"eyes": film["eyes"]}) == ()
    quiet = [replace(one, status=Status.SILENCE, scores=None) for one in film["ears"]]
    assert not_speaking({"eyes": film["eyes"], "ears": quiet}) == ()


def test_without_a_mouth_nothing_is_said():
    film = both([None] * 40)
    assert not_speaking(film) == ()
    assert {one.subject for one in mouths(film)} == {"P2"}


@pytest.mark.parametrize(("length_s", "is_silent"), [(0.4, False), (0.8, False), (2.0, True)])
def test_a_short_stretch_is_unknown(length_s, is_silent):
    film = both(STILL) | {"ears": sounds((1, 1 + length_s))}
    assert bool(not_speaking(film)) == is_silent


def test_a_speaker_who_pauses_still_speaks():
    """Closed lips for a second in eight seconds of speech, beside a listener who laughs for that long."""
    talker = [TALKS] * 17 + [STILL] * 5 + [TALKS] * 18
    listener = [STILL] * 17 + [TALKS] * 5 + [STILL] * 18
    film = {"eyes": [*shown(talker), *shown(listener, subject="P2")], "ears": sounds((0, 8))}
    assert {one.subject for one in not_speaking(film)} == {"P2"}


def test_who_listens_first_and_speaks_then():
    mine = [STILL] * 30 + [TALKS] * 30
    film = {"eyes": [*shown(mine), *shown(mine[::-1], subject="P2")], "ears": sounds((0, 12))}
    first, second = not_speaking(film)
    assert (first.subject, second.subject) == ("P1", "P2")
    assert first.span.start_us == 0 and 4.0 <= first.span.end_s <= 7.0
    assert second.span.end_s == 12 and 5.0 <= second.span.start_s <= 8.0


def test_motion_in_a_pause_of_the_voice_does_not_count():
    """Laughing while nobody is heard does not make a speaker."""
    film = both([STILL] * 15 + [0.9] * 4 + [STILL] * 15) | {"ears": sounds((0, 3), (3.8, 6.8))}
    assert not_speaking(film) == (Silent(span(0, 6.8), "eyes", "P1"),)


def test_stretches_far_apart_stay_apart():
    film = both(STILL, seconds=12) | {"ears": sounds((0, 4), (8, 12))}
    assert [one.span for one in not_speaking(film)] == [span(0, 4), span(8, 12)]


def test_evidence_counts_and_not_the_name_of_a_channel():
    film = {"c": closed(40, modality="c"), "d": closed(40, modality="d"), "z": sounds((0, 8))}
    assert [one.modality for one in not_speaking(film)] == ["c", "d"]


def test_overlapping_windows_of_speech_are_one_stretch():
    windows = [(start, start + 3) for start in range(6)]
    film = both(STILL) | {"ears": sounds(*windows)}
    assert not_speaking(film) == (Silent(span(0, 8), "eyes", "P1"),)


def test_a_change_of_the_lips_is_taken_from_some_200_ms_before():
    """Also of a film sampled at every frame, and never across a gap."""
    fine = shown([None] * 50, step_s=0.04, gaps=[0.01 * i for i in range(50)])
    changes = [one.change for one in sights(fine)]
    assert changes[:3] == [None] * 3  # nothing lies 120 ms before
    assert changes[10:] == pytest.approx([0.05] * 40)
    apart = [*shown([None], gaps=[0.0]), *shown([None], start_s=0.8, gaps=[0.1])]
    assert [one.change for one in sights(apart)] == [None, None]


def test_more_movement_is_more_evidence():
    assert evidence_of(None, None) is None
    for measure in (
        lambda x: evidence_of(x / 5, None),
        lambda x: evidence_of(None, x),
        lambda x: evidence_of(x / 5, x),
    ):
        values = [measure(x) for x in (0.0, 0.02, 0.1, 0.3, 1.0)]
        assert values == sorted(values)
        assert values[0] < -2 and values[-1] > 2


@given(st.lists(st.floats(0, 0.5), min_size=10, max_size=60), st.integers(0, 10**9))
def test_a_shift_in_time_shifts_what_is_found(motion, by_us):
    film = both(motion) | {"ears": sounds((0, 3), (3.5, 9))}
    later = {name: [replace(one, span=one.span.shifted(by_us)) for one in own] for name, own in film.items()}
    moved = tuple(replace(one, span=one.span.shifted(by_us)) for one in not_speaking(film))
    assert not_speaking(later) == moved


@given(st.lists(st.floats(0, 0.3), min_size=10, max_size=60), st.floats(1, 3))
def test_more_motion_never_silences(motion, times):
    def silent_us(values):
        film = both(values) | {"ears": sounds((0, 12))}
        return sum(one.span.duration_us for one in not_speaking(film) if one.subject == "P1")

    assert silent_us([times * value for value in motion]) <= silent_us(motion)


def test_an_hour_of_film():
    motion = np.random.default_rng(0).uniform(0, 0.3, 18_000).tolist()
    talk = [(8.0 * i, 8.0 * i + 6) for i in range(450)]
    assert len(mouths({"eyes": shown(motion), "ears": sounds(*talk)})) > 12_000


def turn(start_s, end_s, speaker):
    return Turn(span(start_s, end_s), speaker)


def test_a_change_of_speaker_ends_a_stretch_of_speech():
    turns = [turn(0, 2, "S1"), turn(2.5, 4, "S1"), turn(4, 6, "S2"), turn(6.1, 7, "S1"), turn(9, 10, "S1")]
    assert heard({}, turns) == [
        ("S1", [span(0, 2), span(2.5, 4)]),
        ("S2", [span(4, 6)]),
        ("S1", [span(6.1, 7)]),
        ("S1", [span(9, 10)]),
    ]
    assert heard({"ears": sounds((0, 1), (1.5, 2), (4, 5))}) == [
        (None, [span(0, 1), span(1.5, 2)]),
        (None, [span(4, 5)]),
    ]


BOUND = (Bound("S1", "P1", 0.98, "eyes"), Bound("S2", "P2", 0.98, "eyes"))


def test_who_is_alone_in_view_while_another_ones_voice_speaks():
    """The listener's reaction, seen while the other one is heard."""
    film = {"eyes": shown([STILL] * 40, subject="P2"), "ears": sounds((0, 8))}
    assert not_speaking(film) == ()
    assert not_speaking(film, [turn(0, 8, "S1")], BOUND) == (Silent(span(0, 8), "eyes", "P2"),)
    assert not_speaking(film, [turn(0, 8, "S2")], BOUND) == ()
    unsure = [replace(one, confidence=0.7) for one in BOUND]
    assert not_speaking(film, [turn(0, 8, "S1")], unsure) == ()
    moving = {"eyes": shown([TALKS] * 40, subject="P2"), "ears": sounds((0, 8))}
    assert not_speaking(moving, [turn(0, 8, "S1")], BOUND) == ()  # its mouth says otherwise


def test_who_is_bound_to_no_voice_may_be_the_speaker_in_another_shot():
    """Persons get a new name after a cut: only a face whose own voice is known is known not to speak."""
    film = {"eyes": shown([STILL] * 40, subject="P3"), "ears": sounds((0, 8))}
    assert not_speaking(film, [turn(0, 8, "S1")], BOUND) == ()
    film["eyes"] += shown([TALKS] * 40, subject="P4")
    assert [one.subject for one in not_speaking(film, [turn(0, 8, "S1")], BOUND)] == ["P3"]
    verdicts = {(one.subject, one.verdict) for one in mouths(film, [turn(0, 8, "S1")], BOUND)}
    assert verdicts == {("P3", "not_speaking"), ("P4", "speaking")}


def test_who_is_in_view_while_a_voice_off_screen_speaks():
    film = {"eyes": shown([STILL] * 40), "ears": sounds((0, 8))}
    bound = (Bound("S1", None, 0.95),)
    assert not_speaking(film, [turn(0, 8, "S1")], bound) == (Silent(span(0, 8), "eyes", "P1"),)


def test_two_voices_at_once_may_both_be_in_view():
    film = both(TALKS)
    turns = [turn(0, 8, "S1"), turn(0, 8, "S2")]
    assert not_speaking(film, turns, BOUND) == ()
    assert {one.speaker for one in mouths(film, turns, BOUND)} == {"S1", "S2"}


def talking(film, turns=(), bindings=()):
    return of_speakers(film, not_speaking(film, turns, bindings), turns, bindings)


def test_who_talks_speaks_for_the_modality_beside_someone_who_listens():
    listener, talker = shown([STILL] * 40), shown([TALKS] * 40, subject="P2")
    film = {"eyes": [*listener, *talker], "ears": sounds((0, 8))}
    assert talking(film) == {"eyes": tuple(talker), "ears": tuple(film["ears"])}
    alone = {"eyes": closed(40), "ears": sounds((0, 8))}
    assert talking(alone)["eyes"] == tuple(alone["eyes"])
    before = [*shown([STILL] * 80), *shown([TALKS] * 80, subject="P2")]
    kept = talking({"eyes": before, "ears": sounds((8, 16))})["eyes"]
    assert [one.subject for one in kept].count("P1") == 40  # nobody is heard yet: both count


def test_whose_voice_it_is_speaks_for_the_modality_though_another_mouth_moves():
    """One who laughs while the other one speaks."""
    film = both(TALKS)
    assert {one.subject for one in talking(film)["eyes"]} == {"P1", "P2"}
    turns = [turn(0, 4, "S1"), turn(4, 8, "S2")]
    kept = talking(film, turns, BOUND)["eyes"]
    assert [one.subject for one in kept if one.span.end_us <= 4 * US_PER_S] == ["P1"] * 20
    assert [one.subject for one in kept if one.span.start_us >= 4 * US_PER_S] == ["P2"] * 20
    off = talking(film, turns, (Bound("S1", None, 0.99), Bound("S2", None, 0.99)))["eyes"]
    assert len(off) == 80  # nobody in view is the speaker: nobody is left out
