from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.fusion.channels import channels_of
from pipeline.fusion.conflict import Limits, Timeline, candidates
from pipeline.fusion.null import (
    LEAST_STRETCHES,
    MOST_SHIFTS,
    STRICTEST,
    alarms,
    chance_rate_per_minute,
    moved,
    operating_point,
    shuffled,
)
from pipeline.labels import NEUTRAL
from pipeline.types import Moment
from tests.fusion.conftest import LIMITS, PRIOR, compared, few, film_of, moments, peaked, reading, scored

NAMES = ("face", "text")
AGREE = moments([{"face": e, "text": e} for e in ("happy", "sad") * 6])
rows_of_emotions = st.lists(
    st.tuples(*[st.sampled_from(["happy", "sad", NEUTRAL, None])] * 2), min_size=4, max_size=9
)


def shuffled_films(film: list[Moment]):
    channels = channels_of(film)
    timeline = Timeline(tuple(one.span for one in film))
    return list(shuffled(timeline, channels, channels.likelihoods({}), PRIOR))


def nulls_of(film: list[Moment], limits: Limits = LIMITS):
    return [candidates(null, limits) for null in shuffled_films(film)]


def rate(film: list[Moment], limits: Limits = LIMITS) -> float | None:
    return chance_rate_per_minute(nulls_of(film, limits), limits)


def test_channels_that_agree_in_time_give_alarms_only_when_shuffled():
    assert alarms(candidates(compared(AGREE), LIMITS), LIMITS) == 0
    assert rate(AGREE) > 1


def test_a_film_that_never_changes_gives_as_many_alarms_shuffled_as_not():
    torn = moments([{"face": "sad", "text": "happy"}] * 8)
    assert rate(torn) == pytest.approx(alarms(candidates(compared(torn), LIMITS), LIMITS) / (16 / 60))
    assert rate(moments([{"face": "sad", "text": "sad"}] * 8)) == 0


def test_masking_is_no_alarm():
    film = moments([{"face": e, "text": e} for e in ("happy", NEUTRAL) * 6])
    assert any(null.found.kind.any() for null in shuffled_films(film)) and rate(film) == 0


@pytest.mark.parametrize(
    "film",
    [
        [],
        AGREE[: LEAST_STRETCHES - 1],
        moments([{"face": "sad", "text": None}] * 8),
        moments([{"face": "sad"}] * 8),
        moments([{"face": "sad", "text": None}, {"face": None, "text": "sad"}] * 8),
    ],
)
def test_too_little_to_shuffle(film):
    assert rate(film) is None
    assert operating_point(nulls_of(film), LIMITS, 0.0) == LIMITS


def test_how_many_shuffles():
    assert len(nulls_of(AGREE[:LEAST_STRETCHES])) == 2 * (LEAST_STRETCHES - 1)  # every shift, either channel
    assert len(nulls_of(moments([{"face": "sad", "text": "sad"}] * 60))) == 2 * MOST_SHIFTS


def words(count: int) -> list[Moment]:
    """Every stretch says something else, so that it can be found again."""
    shown = [peaked("happy", 0.5 + i / 100).probabilities for i in range(count)]
    return film_of(
        {"face": scored(p, 0.5 + i / 100, f"P{i}"), "text": reading("sad")} for i, p in enumerate(shown)
    )


def test_shifts_are_circular_and_never_by_nothing():
    film = words(9)
    original = channels_of(film)
    by = []
    for null in shuffled_films(film)[:8]:  # the shifts of the first channel
        was = [int(np.flatnonzero((original.probabilities[:, 0] == row).all(axis=1))[0])
               for row in null.channels.probabilities[:, 0]]  # fmt: skip
        lags = {(i - place) % 9 for i, place in enumerate(was)}
        assert len(lags) == 1 and sorted(was) == list(range(9))
        assert null.channels.quality[:, 0].tolist() == original.quality[was, 0].tolist()
        assert null.channels.subject[:, 0].tolist() == original.subject[was, 0].tolist()
        assert (null.channels.probabilities[:, 1] == original.probabilities[:, 1]).all()
        by += lags
    assert sorted(by) == list(range(1, 9))


@few
@given(rows_of_emotions)
def test_where_a_channel_is_silent_it_stays_silent(rows):
    film = moments([dict(zip(NAMES, row, strict=True)) for row in rows])
    original = channels_of(film)
    evidence = original.likelihoods({})
    for null in shuffled_films(film):
        assert (null.channels.speaks == original.speaks).all()
        assert (null.channels.comparable == original.comparable).all()
        assert (null.channels.probabilities.any(axis=2) == original.speaks).all()
        assert ((null.channels.quality > 0) == original.speaks).all()
        assert (null.found.kind[~original.comparable] == 0).all()
    for channel in range(2):
        there = np.flatnonzero(original.speaks[:, channel])
        shown, likely = moved(original, evidence, channel, there, there)
        assert (shown.probabilities == original.probabilities).all() and (likely == evidence).all()
        _, likely = moved(original, evidence, channel, there, np.roll(there, 1))
        assert (likely[~original.speaks] == 1).all()


def test_the_film_itself_is_left_as_it_was():
    channels = channels_of(AGREE)
    before = channels.probabilities.copy(), channels.quality.copy()
    evidence = channels.likelihoods({})
    list(shuffled(Timeline(tuple(one.span for one in AGREE)), channels, evidence, PRIOR))
    assert (channels.probabilities == before[0]).all() and (channels.quality == before[1]).all()
    assert (evidence == channels.likelihoods({})).all()


def test_cuts_stay_where_they_are():
    timeline = Timeline(tuple(one.span for one in AGREE), frozenset({3}))
    channels = channels_of(AGREE)
    for null in shuffled(timeline, channels, channels.likelihoods({}), PRIOR):
        assert null.timeline == timeline


@pytest.mark.parametrize("most", [0.0, 0.5, 2.0, 3.0])
def test_the_operating_point_keeps_chance_under_the_rate_asked_for(most):
    pairs = (0.35, 0.5, 0.6, 0.7, 0.8, 0.9)
    film = film_of({n: reading(e, p) for n in NAMES} for e in ("happy", "sad") for p in pairs)
    nulls = nulls_of(film)
    point = operating_point(nulls, LIMITS, most)
    assert LIMITS.enter <= point.enter <= STRICTEST
    assert point == replace(LIMITS, enter=point.enter)
    assert chance_rate_per_minute(nulls, point) <= most < chance_rate_per_minute(nulls, LIMITS)
    assert chance_rate_per_minute(nulls, replace(point, enter=max(LIMITS.enter, point.enter - 0.02))) > most


def test_without_a_rate_asked_for_or_one_that_is_kept_nothing_changes():
    nulls = nulls_of(AGREE)
    assert operating_point(nulls, LIMITS, None) == LIMITS
    assert operating_point(nulls, LIMITS, 1000.0) == LIMITS


def test_a_rate_that_cannot_be_kept_gives_the_strictest_point():
    torn = {"face": "sad", "text": "happy", "voice": "sad"}
    plain, sure = (film_of([{n: reading(e, p) for n, e in torn.items()}] * 8) for p in (0.8, 1.0))
    assert operating_point(nulls_of(sure), LIMITS, 0.0).enter == STRICTEST
    strict = replace(LIMITS, enter=STRICTEST + 0.001)
    assert operating_point(nulls_of(sure), strict, 0.0) == strict  # never below what was set
    assert operating_point(nulls_of(plain), LIMITS, 0.0).enter < STRICTEST


def test_the_same_film_gives_the_same_null():
    one, again = shuffled_films(AGREE), shuffled_films(AGREE)
    assert all((a.found.evidence == b.found.evidence).all() for a, b in zip(one, again, strict=True))
    one, again = nulls_of(AGREE), nulls_of(AGREE)
    assert operating_point(one, LIMITS, 0.5) == operating_point(again, LIMITS, 0.5)
