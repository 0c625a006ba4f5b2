"""Where an event must end: at cuts of the picture and where another person is shown."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipeline.fusion.conflict import events
from pipeline.labels import NEUTRAL
from pipeline.types import Reading, Status
from tests.fusion.conftest import LIMITS, compared, few, film_of, moments, peaked, reading, scored

NAMES = ("face", "text", "voice")
CALM, TORN = {"face": "happy", "text": "happy"}, {"face": "sad", "text": "happy"}
rows_of_emotions = st.lists(
    st.tuples(*[st.sampled_from(["happy", "sad", "angry", NEUTRAL, None])] * 3), max_size=10
)


def spans_s(found) -> list[tuple[float, float]]:
    return [(one.span.start_s, one.span.end_s) for one in found]


def test_no_event_lasts_across_a_cut():
    film = moments([TORN] * 4)
    assert spans_s(events(compared(film), LIMITS)) == [(0, 8)]
    assert spans_s(events(compared(film, cut=[2]), LIMITS)) == [(0, 4), (4, 8)]
    bridged = moments([TORN, CALM, TORN], length_s=0.8)
    for cut in (1, 2):
        assert len(events(compared(bridged, cut=[cut]), LIMITS)) == 2


def of(person: str | None, emotion: str = "sad") -> dict[str, Reading]:
    return {"face": scored(peaked(emotion).probabilities, subject=person), "text": reading("happy")}


def test_no_event_lasts_across_a_change_of_person():
    assert spans_s(events(compared(film_of([of("P1"), of("P1"), of("P2")])), LIMITS)) == [(0, 4), (4, 6)]
    assert spans_s(events(compared(film_of([of("P1"), of("P1")])), LIMITS)) == [(0, 4)]


def test_no_event_lasts_across_a_change_of_person_seen_late():
    """Between the two nobody is seen, for less than the gap over which events are merged."""
    nobody = {"face": Reading(Status.NO_FACE), "text": reading("happy")}
    for between in (nobody, of(None, "happy"), of("P2", "happy")):
        film = film_of([of("P1"), between, of("P2")], length_s=0.8)
        assert spans_s(events(compared(film), LIMITS)) == [(0, 0.8), (1.6, 2.4)]
    back = film_of([of("P1"), nobody, of("P1")], length_s=0.8)
    assert spans_s(events(compared(back), LIMITS)) == [(0, 2.4)]


@few
@given(
    rows_of_emotions, st.sets(st.integers(0, 9)), st.lists(st.sampled_from(["P1", "P2", None]), min_size=10)
)
def test_between_two_cuts_and_persons(rows, cuts, persons):
    film = film_of(
        [
            {name: reading(e) if name != "face" or e is None else scored(peaked(e).probabilities, subject=who)
             for name, e in zip(NAMES, row, strict=True)}
            for row, who in zip(rows, persons, strict=False)
        ],
        length_s=0.7,
    )  # fmt: skip
    for one in events(compared(film, cut=cuts), LIMITS):
        first, last = one.moments[0], one.moments[-1]
        assert not any(cut in range(first + 1, last + 1) for cut in cuts)
        if "face" in dict(one.emotions):
            shown = [film[i].by_modality["face"].subject for i in range(first, last + 1)]
            assert all(a == b for a, b in pairwise(who for who in shown if who is not None))
