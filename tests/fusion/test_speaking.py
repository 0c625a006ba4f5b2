from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.fusion.speaking import MOVING, STILL, STILL_ON, Silent, mouths, not_speaking, of_speakers
from pipeline.types import US_PER_S, Observation, Span, Status
from tests.fusion.conftest import peaked

STEP_S = 0.2


def span(start_s, end_s):
    return Span(round(start_s * US_PER_S), round(end_s * US_PER_S))


def shown(motion, start_s=0.0, subject="P1", modality="eyes", step_s=STEP_S):
    """One observation per value of motion; None: no motion could be measured."""
    return [
        Observation(
            modality,
            span(start_s + i * step_s, start_s + (i + 1) * step_s),
            Status.OK,
            peaked("happy"),
            subject=subject,
            evidence={} if value is None else {"mouth_motion": value},
        )
        for i, value in enumerate(motion)
    ]


def heard(*spans_s, modality="ears"):
    return [
        Observation(modality, span(a, b), Status.OK, peaked("sad"), evidence={"speech_share": 0.9})
        for a, b in spans_s
    ]


def found(motion, *spans_s, **changes):
    return not_speaking({"eyes": shown(motion, **changes), "ears": heard(*spans_s)})


def test_a_still_mouth_under_speech_does_not_speak():
    assert found([0.02] * 50, (0, 10)) == (Silent(span(0, 10), "eyes", "P1"),)


def test_a_moving_mouth_speaks_and_one_between_is_left_open():
    assert found([0.3] * 50, (0, 10)) == ()
    assert found([(STILL + MOVING) / 2] * 50, (0, 10)) == ()
    for motion, verdict in ((0.3, "speaking"), (0.09, "unknown"), (0.01, "not_speaking")):
        seen = mouths({"eyes": shown([motion] * 20), "ears": heard((0, 4))})
        assert {one.verdict for one in seen} == {verdict}


def test_without_speech_nothing_is_said():
    assert found([0.0] * 50) == ()
    quiet = [replace(one, status=Status.SILENCE, scores=None) for one in heard((0, 10))]
    assert not_speaking({"eyes": shown([0.0] * 50), "ears": quiet}) == ()


def test_without_motion_nothing_is_said():
    assert found([None] * 50, (0, 10)) == ()
    assert found([0.0] * 5, (0, 10), step_s=0.2) == ()


@pytest.mark.parametrize(("length_s", "told"), [(1.8, False), (2.0, True)])
def test_a_short_stretch_is_unknown(length_s, told):
    assert bool(found([0.0] * 50, (1, 1 + length_s))) == told
    assert bool(found([0.0] * round(length_s / STEP_S), (0, 10))) == told


def test_a_speaker_who_pauses_still_speaks():
    """Closed lips for a second and a half in eight seconds of speech."""
    assert found([0.3] * 16 + [0.01] * 7 + [0.3] * 17, (0, 8)) == ()


def test_who_listens_first_and_speaks_then():
    (only,) = found([0.01] * 30 + [0.3] * 30, (0, 12))
    assert only.span.start_us == 0
    assert 5.0 <= only.span.end_s <= 7.0


def test_motion_in_a_pause_of_the_voice_does_not_count():
    """Laughing while nobody is heard does not make a speaker."""
    motion = [0.01] * 15 + [0.9] * 4 + [0.01] * 15
    assert found(motion, (0, 3), (3.8, 6.8)) == (Silent(span(0, 6.8), "eyes", "P1"),)


def test_stretches_far_apart_stay_apart():
    spans = [one.span for one in found([0.01] * 60, (0, 4), (8, 12))]
    assert spans == [span(0, 4), span(8, 12)]


def test_a_mouth_may_stir_a_little_while_it_keeps_still():
    between = (STILL + STILL_ON) / 2
    assert found([0.02] * 25 + [between] * 25 + [0.02] * 25, (0, 15)) == (Silent(span(0, 15), "eyes", "P1"),)
    assert found([between] * 75, (0, 15)) == ()


def test_each_subject_for_itself():
    film = {"eyes": [*shown([0.4] * 40), *shown([0.01] * 40, subject="P2")], "ears": heard((0, 8))}
    assert not_speaking(film) == (Silent(span(0, 8), "eyes", "P2"),)


def test_evidence_counts_and_not_the_name_of_a_channel():
    film = {"c": shown([0.01] * 40, modality="c"), "d": shown([0.01] * 40, modality="d"), "z": heard((0, 8))}
    assert [one.modality for one in not_speaking(film)] == ["c", "d"]


def test_overlapping_windows_of_speech_are_one_stretch():
    windows = [(start, start + 3) for start in range(6)]
    assert found([0.01] * 50, *windows) == (Silent(span(0, 8), "eyes", "P1"),)


@given(st.lists(st.floats(0, 0.5), min_size=10, max_size=60), st.integers(0, 10**9))
def test_a_shift_in_time_shifts_what_is_found(motion, by_us):
    film = {"eyes": shown(motion), "ears": heard((0, 3), (3.5, 9))}
    later = {name: [replace(one, span=one.span.shifted(by_us)) for one in own] for name, own in film.items()}
    moved = tuple(replace(one, span=one.span.shifted(by_us)) for one in not_speaking(film))
    assert not_speaking(later) == moved


@given(st.lists(st.floats(0, 0.3), min_size=10, max_size=60), st.floats(1, 3))
def test_more_motion_never_silences(motion, times):
    def silent_us(values):
        return sum(one.span.duration_us for one in found(values, (0, 12)))

    assert silent_us([times * value for value in motion]) <= silent_us(motion)


def test_an_hour_of_film():
    motion = np.random.default_rng(0).uniform(0, 0.3, 18_000).tolist()
    talk = [(8.0 * i, 8.0 * i + 6) for i in range(450)]
    assert len(mouths({"eyes": shown(motion), "ears": heard(*talk)})) > 12_000


def talking(film):
    return of_speakers(film, not_speaking(film))


def test_who_talks_speaks_for_the_modality_beside_someone_who_listens():
    listener, talker = shown([0.01] * 40), shown([0.4] * 40, subject="P2")
    film = {"eyes": [*listener, *talker], "ears": heard((0, 8))}
    assert talking(film) == {"eyes": tuple(talker), "ears": tuple(film["ears"])}
    alone = {"eyes": listener, "ears": heard((0, 8))}
    assert talking(alone)["eyes"] == tuple(listener)
    before = [*shown([0.01] * 80), *shown([0.4] * 80, subject="P2")]
    kept = talking({"eyes": before, "ears": heard((8, 16))})["eyes"]
    assert [one.subject for one in kept].count("P1") == 40  # nobody is heard yet: both count
