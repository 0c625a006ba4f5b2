import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.fusion.belief import ALIKE, KINDS, prior_of
from pipeline.fusion.channels import Apart, channels_of
from pipeline.fusion.conflict import Limits, candidates, disagreements, events, events_among
from pipeline.fusion.kinds import NEUTRAL_AT
from pipeline.labels import EMOTIONS, NEUTRAL
from pipeline.types import Moment, Reading, Span, Status
from tests.fusion.conftest import (
    LIMITS,
    compared,
    distributions,
    few,
    film_of,
    moments,
    reading,
    reliabilities,
    scored,
)

SECOND = 1_000_000
NAMES = ("face", "text", "voice")
CALM, TORN = {"face": "happy", "text": "happy"}, {"face": "sad", "text": "happy"}
rows_of_emotions = st.lists(
    st.tuples(*[st.sampled_from(["happy", "sad", "angry", NEUTRAL, None])] * 3), max_size=10
)


def pair(a: Reading, b: Reading, trust_a=None, trust_b=None) -> tuple[str | None, float, float, float]:
    """Kind, strength, evidence and confidence of what two channels have against one another."""
    found = compared(film_of([{"a": a, "b": b}]), {"a": trust_a, "b": trust_b}).found
    kind = (None, *KINDS)[found.kind[0, 0]]
    return kind, found.strength[0, 0], found.evidence[0, 0], found.confidence[0, 0]


def spans_s(found) -> list[tuple[float, float]]:
    return [(one.span.start_s, one.span.end_s) for one in found]


def told(found) -> set[tuple]:
    """Events without the order of their channels."""
    return {
        (e.span, e.kind, frozenset(e.emotions), round(e.evidence, 6), round(e.confidence, 6)) for e in found
    }


@few
@given(distributions(), distributions(), reliabilities(), reliabilities())
def test_disagreements_are_symmetric_finite_shares(a, b, trust_a, trust_b):
    kind, *measures = pair(scored(a), scored(b), trust_a, trust_b)
    assert all(np.isfinite(one) and 0 <= one <= 1 for one in measures)
    swapped, *others = pair(scored(b), scored(a), trust_b, trust_a)
    assert swapped == kind and others == pytest.approx(measures, abs=1e-9)


@few
@given(distributions(), reliabilities(), reliabilities())
def test_identical_distributions_are_silent_whatever_their_models(a, trust_a, trust_b):
    assert pair(scored(a), scored(a), trust_a, trust_b) == (None, 0, 0, 0)


@few
@given(distributions(), distributions(), reliabilities(), reliabilities())
def test_neutral_against_anything_is_never_an_alarm(a, b, trust_a, trust_b):
    if NEUTRAL_AT in (a.argmax(), b.argmax()):
        assert pair(scored(a), scored(b), trust_a, trust_b)[0] in (None, "masking")


PLAIN = {
    "polarity": ("sad", "happy"),
    "polarity, the other way": ("happy", "sad"),
    "blend": ("sad", "angry"),
    "masking": ("sad", NEUTRAL),
    "masking, the other way": (NEUTRAL, "sad"),
}


@pytest.mark.parametrize("kind", PLAIN)
@few
@given(st.floats(0.4, 0.99), st.floats(0, 0.009), st.floats(0.4, 1), st.floats(0.1, 1))
def test_sharper_disagreement_is_no_less(kind, p, more, other, quality):
    """Evidence where it can hold an event: below, a sure channel beside a doubtful one proves nothing."""
    one, against = PLAIN[kind]
    weaker = pair(reading(one, p, quality), reading(against, other, quality))
    sharper = pair(reading(one, p + more, quality), reading(against, other, quality))
    assert weaker[0] == sharper[0] == kind.split(",")[0]
    assert sharper[1] >= weaker[1] - 1e-9
    if weaker[2] >= LIMITS.leave:
        assert sharper[2] >= weaker[2] - 1e-9 and sharper[3] >= weaker[3] - 1e-9


@few
@given(st.floats(0.3, 1), st.floats(0.1, 1), st.floats(0, 0.2))
def test_better_seen_disagreement_is_no_less_evidence(p, quality, more):
    worse = pair(reading("sad", p, quality), reading("happy", 0.9))
    better = pair(reading("sad", p, min(1.0, quality + more)), reading("happy", 0.9))
    assert better[2] >= worse[2] - 1e-9


@pytest.mark.parametrize("nothing", [scored([0.0] * 7), scored([1 / 7] * 7), reading("angry", 0.2)])
@pytest.mark.parametrize("third", ["sad", NEUTRAL, "surprise"])
def test_a_channel_that_says_nothing_takes_no_part(nothing, third):
    """Not even when the others disagree, and the first label would be its most probable one."""
    rows = {"text": reading("happy", 0.9), "voice": reading(third, 0.9)}
    found = events(compared(film_of([{"face": nothing, **rows}])), LIMITS)
    assert found and all("face" not in dict(one.emotions) for one in found)
    assert told(found) == told(events(compared(film_of([rows])), LIMITS))


@few
@given(st.lists(st.tuples(distributions(), distributions(), distributions()), max_size=4), reliabilities())
def test_any_film_gives_sound_events(rows, trust):
    film = film_of([dict(zip(NAMES, map(scored, row), strict=True)) for row in rows])
    for one in events(compared(film, dict.fromkeys(NAMES, trust)), LIMITS):
        assert one.evidence >= LIMITS.enter and 0 <= one.confidence <= 1 and 0 <= one.strength <= 1
        assert len(one.emotions) >= 2 and len(set(dict(one.emotions).values())) >= 2


@few
@given(
    st.lists(st.tuples(distributions(), distributions(), distributions()), max_size=6),
    st.floats(LIMITS.enter, 1),
    st.floats(LIMITS.leave, 1),
)
def test_candidates_lose_nothing_that_stricter_limits_would_find(rows, enter, leave):
    film = compared(film_of([dict(zip(NAMES, map(scored, row), strict=True)) for row in rows]))
    stricter = Limits(enter, min(enter, leave), LIMITS.min_duration_us, LIMITS.merge_gap_us)
    assert events_among(candidates(film, LIMITS), stricter) == events(film, stricter)


def test_an_unmeasured_pair_is_not_compared():
    apart = [Apart(Span(0, 2 * SECOND), "face", None, "text")]
    film = film_of([{"face": reading("sad"), "text": reading("happy")}])
    assert events(compared(film), LIMITS) and events(compared(film, apart=apart), LIMITS) == []


def test_a_witness_counts():
    torn = {"face": reading("sad"), "text": reading("happy")}
    alone, backed = (
        compared(film_of([{**torn, "voice": voice}])).found.evidence[0, 0]
        for voice in (Reading(Status.SILENCE), reading("sad"))
    )
    assert backed > alone + 0.01


def test_an_event_has_the_span_of_its_stretches():
    (event,) = events(compared(moments([CALM] * 3 + [TORN] * 2)), LIMITS)
    assert event.span == Span(6 * SECOND, 10 * SECOND) and event.kind == "polarity"
    assert dict(event.emotions) == {"face": "sad", "text": "happy"} and event.moments == (3, 4)


def test_hysteresis_holds_what_was_entered():
    weak = {"face": reading("sad", 0.5), "text": reading("happy", 0.5)}
    strong = {"face": reading("sad", 0.9), "text": reading("happy", 0.9)}
    level = compared(film_of([weak])).found.evidence[0, 0]
    limits = Limits(enter=level + 0.05, leave=level - 0.01, min_duration_us=0, merge_gap_us=0)
    film = film_of([weak, strong, weak, weak], length_s=1)
    (event,) = events(compared(film), limits)
    assert event.moments == (0, 1, 2, 3) and event.evidence > limits.enter
    assert events(compared(film_of([weak, weak])), limits) == []
    ended = Limits(enter=level + 0.05, leave=level + 0.01, min_duration_us=0, merge_gap_us=0)
    assert [one.moments for one in events(compared(film), ended)] == [(1,)]


def test_short_gaps_are_merged_and_short_events_dropped():
    (event,) = events(compared(moments([TORN, CALM, TORN], length_s=0.8)), LIMITS)
    assert event.moments == (0, 2) and event.span == Span(0, 2_400_000)
    assert len(events(compared(moments([TORN, CALM, TORN], length_s=1)), LIMITS)) == 1  # just the gap
    assert len(events(compared(moments([TORN, CALM, TORN])), LIMITS)) == 2
    lone = compared(moments([CALM, TORN, CALM], length_s=0.6))
    assert len(events(lone, LIMITS)) == 1
    assert events(lone, Limits(LIMITS.enter, LIMITS.leave, 600_001, 0)) == []


def test_confidence_is_a_mean_over_time():
    strong, weak = ({"face": reading("sad", p), "text": reading("happy", p)} for p in (0.95, 0.7))
    spans = [Span(0, 3 * SECOND), Span(3 * SECOND, 4 * SECOND)]
    film = compared([Moment(span, None, row) for span, row in zip(spans, (strong, weak), strict=True)])
    (event,) = events(film, LIMITS)
    first, second = film.found.confidence[:, 0]
    assert event.confidence == pytest.approx((3 * first + second) / 4)
    assert event.evidence == film.found.evidence.max() and event.strength == film.found.strength.max()


def test_other_emotions_are_another_event():
    found = events(compared(moments([TORN, {"face": "angry", "text": "happy"}])), LIMITS)
    assert [dict(one.emotions)["face"] for one in found] == ["sad", "angry"]


def test_a_third_modality_joins_the_side_it_agrees_with():
    (event,) = events(compared(moments([{"face": "sad", "text": "happy", "voice": "sad"}])), LIMITS)
    assert dict(event.emotions) == {"face": "sad", "text": "happy", "voice": "sad"}


def test_a_modality_that_agrees_only_for_a_while_does_not_join():
    torn = {"face": reading("sad", 0.95), "text": reading("happy", 0.95)}
    film = film_of([{**torn, "voice": reading("sad")}, {**torn, "voice": reading(None)}])
    (event,) = events(compared(film), LIMITS)
    assert event.moments == (0, 1) and dict(event.emotions) == {"face": "sad", "text": "happy"}


def test_a_longer_weaker_conflict_outlives_a_short_strong_one():
    torn = {"face": reading("sad", 0.9), "voice": reading("happy"), "text": reading("sad", 0.9)}
    first = {**torn, "face": reading("sad", 0.99), "text": reading("happy", 0.99)}
    found = events(compared(film_of([first] + [torn] * 9, length_s=1)), LIMITS)
    assert spans_s(found) == [(0, 1), (1, 10)]
    assert dict(found[0].emotions) == {"face": "sad", "text": "happy", "voice": "happy"}
    assert dict(found[1].emotions) == {"face": "sad", "text": "sad", "voice": "happy"}


@few
@given(rows_of_emotions)
def test_every_strong_disagreement_lies_in_an_event_of_its_kind(rows):
    film = compared(moments([dict(zip(NAMES, row, strict=True)) for row in rows]))
    found = events(film, LIMITS)
    for index, place in zip(*np.nonzero(film.found.evidence >= LIMITS.enter), strict=True):
        kind = KINDS[film.found.kind[index, place] - 1]
        assert any(one.kind == kind and index in one.moments for one in found)
    for one in found:
        assert all((film.found.kind[i] != ALIKE).any() for i in one.moments)


@few
@given(rows_of_emotions)
def test_no_two_events_of_a_kind_hold_the_same_stretch(rows):
    found = events(compared(moments([dict(zip(NAMES, row, strict=True)) for row in rows])), LIMITS)
    for kind in KINDS:
        held = [i for one in found if one.kind == kind for i in one.moments]
        assert len(held) == len(set(held))


@few
@given(rows_of_emotions, st.integers(0, 10**9))
def test_events_move_with_time(rows, shift):
    film = moments([dict(zip(NAMES, row, strict=True)) for row in rows])
    moved = [Moment(one.span.shifted(shift), one.utterance, one.by_modality) for one in film]
    here, there = events(compared(film), LIMITS), events(compared(moved), LIMITS)
    assert [one.span.shifted(shift) for one in here] == [one.span for one in there]
    assert [(one.kind, one.emotions, one.evidence) for one in here] == [
        (one.kind, one.emotions, one.evidence) for one in there
    ]


@few
@given(rows_of_emotions, st.permutations(range(3)))
def test_the_order_of_the_modalities_does_not_matter(rows, order):
    film = [dict(zip(NAMES, row, strict=True)) for row in rows]
    moved = [{NAMES[i]: row[NAMES[i]] for i in order} for row in film]
    assert told(events(compared(moments(moved)), LIMITS)) == told(events(compared(moments(film)), LIMITS))


@pytest.mark.parametrize("names", [(), ("face",)])
def test_with_less_than_two_channels_there_is_no_conflict(names):
    assert events(compared(moments([dict.fromkeys(names, "sad")] * 3)), LIMITS) == []
    assert events(compared([]), LIMITS) == []


def test_emotions_are_named_as_the_channels_show_them():
    for emotion in EMOTIONS:
        found = events(compared(moments([{"face": emotion, "text": "happy"}])), LIMITS)
        assert all(dict(one.emotions) == {"face": emotion, "text": "happy"} for one in found)
        assert bool(found) == (emotion != "happy")


def test_someone_who_does_not_speak_bears_no_witness():
    rows = moments([{"face": "happy", "text": "sad", "voice": "happy"}])
    span = rows[0].span
    apart = [Apart(span, "face", None, other) for other in ("text", "voice")]
    prior = prior_of(0.112)

    def heard(film, given=()):
        channels = channels_of(film, given)
        found = disagreements(channels, channels.likelihoods({}), prior)
        return found.evidence[0, channels.pairs.index((1, 2))]

    without = moments([{"face": None, "text": "sad", "voice": "happy"}])
    assert heard(rows, apart) == heard(without) != heard(rows)
