import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import ConfigError
from pipeline.fusion.conflict import (
    Limits,
    as_conflict,
    blend,
    chance_rate_per_minute,
    events,
    evidence,
    jensen_shannon,
    masking,
    polarity,
)
from pipeline.fusion.readings import SHIPPED, load_rules, reading_of
from pipeline.labels import EMOTIONS, NEUTRAL
from pipeline.types import Moment, Reading, Scores, Span, Status
from tests.fusion.conftest import moments, peaked, reading

LIMITS = Limits(enter=0.3, leave=0.2, min_duration_us=500_000, merge_gap_us=1_000_000)
distributions = (
    st.lists(st.floats(0, 1), min_size=7, max_size=7)
    .filter(lambda r: sum(r) > 0.01)
    .map(lambda raw: Scores(tuple(x / sum(raw) for x in raw)))
)


@given(distributions, distributions)
def test_measures_are_symmetric_shares(a, b):
    for measure in (polarity, blend, masking):
        strength, confidence = measure(a, b)
        assert measure(b, a) == pytest.approx((strength, confidence))
        assert 0 <= strength <= 1 and 0 <= confidence <= 1


@given(distributions)
def test_identical_distributions_are_silent(a):
    assert polarity(a, a) == blend(a, a) == masking(a, a) == (0.0, 0.0)


@given(st.sampled_from(EMOTIONS), st.floats(0.3, 1), st.floats(0.3, 1))
def test_neutral_against_anything_is_never_an_alarm(emotion, p, q):
    a, b = peaked(NEUTRAL, p), peaked(emotion, q)
    assert polarity(a, b) == blend(a, b) == (0.0, 0.0)


@given(st.floats(0.4, 0.99), st.floats(0.0, 0.009))
def test_strength_grows_with_disagreement(p, more):
    b = peaked("happy", 0.9)
    assert polarity(peaked("sad", p + more), b)[0] >= polarity(peaked("sad", p), b)[0]


def test_kinds():
    happy, sad, angry = peaked("happy"), peaked("sad"), peaked("angry")
    assert polarity(happy, sad)[0] > 0.4 and blend(happy, sad) == (0, 0)
    assert blend(sad, angry)[0] > 0.4 and polarity(sad, angry) == (0, 0)
    assert masking(peaked(NEUTRAL), angry)[0] > 0.4
    assert jensen_shannon((1, 0), (0, 1)) == 1 and jensen_shannon((1, 0), (1, 0)) == 0


@pytest.mark.parametrize("degenerate", [Scores((0.0,) * 7, 1.0), Scores((1 / 7,) * 7), peaked("sad", 1.0)])
def test_degenerate_distributions_do_no_harm(degenerate):
    for measure in (polarity, blend, masking):
        strength, confidence = measure(degenerate, peaked("happy"))
        assert 0 <= strength <= 1 and 0 <= confidence <= 1


def test_unsure_or_unseen_modalities_abstain():
    row = {"face": reading("sad", quality=0.05), "text": reading("happy")}
    assert evidence(Moment(Span(0, 1), None, row)) == []
    row = {"face": reading("sad", coverage=0.1), "text": reading("happy")}
    assert evidence(Moment(Span(0, 1), None, row)) == []
    row = {"face": Reading(Status.NO_FACE), "text": reading("happy")}
    assert evidence(Moment(Span(0, 1), None, row)) == []


def test_event_has_the_span_of_its_moments():
    rows = moments([{"face": "happy", "text": "happy"}] * 3 + [{"face": "sad", "text": "happy"}] * 2)
    (event,) = events(rows, LIMITS)
    assert event.span == Span(6_000_000, 10_000_000) and event.kind == "polarity"
    assert dict(event.emotions) == {"face": "sad", "text": "happy"}


def test_hysteresis_holds_what_was_entered():
    weak, strong = {"face": reading("sad", 0.5), "text": reading("happy", 0.55)}, None
    strong = {"face": reading("sad", 0.9), "text": reading("happy", 0.9)}
    strength = polarity(peaked("sad", 0.5), peaked("happy", 0.55))[0]
    limits = Limits(enter=strength + 0.1, leave=strength - 0.01, min_duration_us=0, merge_gap_us=0)
    spans = [Span(i * 1_000_000, (i + 1) * 1_000_000) for i in range(4)]
    rows = [Moment(s, None, r) for s, r in zip(spans, (weak, strong, weak, weak), strict=True)]
    (event,) = events(rows, limits)
    assert event.moments == (0, 1, 2, 3)
    assert events([rows[0], rows[2]], limits) == []


def test_short_gaps_are_merged_and_short_events_dropped():
    calm, torn = {"face": "happy", "text": "happy"}, {"face": "sad", "text": "happy"}
    rows = moments([torn, calm, torn], length_s=0.8)
    (event,) = events(rows, LIMITS)
    assert event.moments == (0, 2)
    assert len(events(moments([torn, calm, torn], length_s=2), LIMITS)) == 2
    assert events(moments([calm, torn, calm], length_s=0.3), LIMITS) == []


def test_a_third_modality_joins_the_side_it_agrees_with():
    (event,) = events(moments([{"face": "sad", "text": "happy", "voice": "sad"}]), LIMITS)
    assert dict(event.emotions) == {"face": "sad", "text": "happy", "voice": "sad"}


def test_a_longer_weaker_conflict_outlives_a_short_strong_one():
    torn = {"face": reading("happy"), "voice": reading("sad", 0.7), "text": reading("happy")}
    spans = [Span(i * 1_000_000, (i + 1) * 1_000_000) for i in range(10)]
    first = {**torn, "text": reading("sad", 0.95)}
    rows = [Moment(span, None, first if i == 0 else torn) for i, span in enumerate(spans)]
    found = events(rows, LIMITS)
    assert [(e.span.start_us, e.span.end_us) for e in found] == [(0, 1_000_000), (1_000_000, 10_000_000)]
    assert dict(found[0].emotions) == {"face": "happy", "text": "sad", "voice": "sad"}
    assert dict(found[1].emotions) == {"face": "happy", "text": "happy", "voice": "sad"}


@given(st.lists(st.tuples(*[st.sampled_from(["happy", "sad", "angry", "neutral", None])] * 3), max_size=12))
def test_every_strong_disagreement_lies_in_an_event_of_its_kind(rows):
    film = moments([dict(zip(("face", "text", "voice"), row, strict=True)) for row in rows])
    found = events(film, LIMITS)
    for index, moment in enumerate(film):
        for item in evidence(moment):
            covered = any(e.kind == item.kind and index in e.moments for e in found)
            assert covered or item.strength < LIMITS.enter


@given(st.integers(0, 10**9))
def test_events_move_with_time(shift):
    rows = moments([{"face": "happy", "text": "happy"}, {"face": "sad", "text": "happy"}])
    moved = [Moment(r.span.shifted(shift), r.utterance, r.by_modality) for r in rows]
    assert [e.span.shifted(shift) for e in events(rows, LIMITS)] == [e.span for e in events(moved, LIMITS)]


def test_chance_rate():
    agree = moments([{"face": e, "text": e} for e in ("happy", "sad") * 5])
    assert events(agree, LIMITS) == []
    assert chance_rate_per_minute(agree, LIMITS) > 1
    assert chance_rate_per_minute(moments([{"face": "sad", "text": "sad"}] * 8), LIMITS) == 0
    assert chance_rate_per_minute(agree[:3], LIMITS) is None
    assert chance_rate_per_minute(moments([{"face": "sad", "text": None}] * 8), LIMITS) is None


def test_conflict_says_why_in_words():
    rows = moments([{"face": "sad", "text": "happy"}])
    (event,) = events(rows, LIMITS)
    conflict = as_conflict(event, "maybe tears of joy", rows)
    assert conflict.why == "face sad 80%, text happy 80%" and conflict.modalities == ("face", "text")


@pytest.mark.parametrize(
    ("kind", "emotions", "name"),
    [
        ("polarity", {"face": "sad", "text": "happy"}, "maybe tears of joy"),
        ("polarity", {"voice": "angry", "text": "happy"}, "maybe sarcasm-like"),
        ("polarity", {"face": "happy", "voice": "sad"}, "maybe masking smile"),
        ("blend", {"face": "surprise", "voice": "fear"}, ""),
        ("masking", {"face": "neutral", "voice": "sad"}, "maybe feeling held back"),
    ],
)
def test_shipped_readings(kind, emotions, name):
    assert reading_of(kind, emotions, load_rules(SHIPPED)) == name


def test_own_readings_come_first_and_mistakes_are_named(tmp_path):
    own = tmp_path / "own.toml"
    own.write_text('[[reading]]\nname = "mine"\nwhen = { face = ["sad"] }\n')
    rules = load_rules(own) + load_rules(SHIPPED)
    assert reading_of("polarity", {"face": "sad", "text": "happy"}, rules) == "maybe mine"
    own.write_text('[[reading]]\nname = "mine"\nwhen = { face = ["gloomy"] }\n')
    with pytest.raises(ConfigError, match="'gloomy' is none of angry"):
        load_rules(own)
    with pytest.raises(ConfigError, match="cannot read"):
        load_rules(tmp_path / "none.toml")
