from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.config import ConflictSection
from pipeline.fusion.align import align, finer
from pipeline.fusion.channels import NOT_SPEAKING, Apart
from pipeline.fusion.conflict import Limits
from pipeline.fusion.detect import Found, Seen, apart_of, find, limits_of
from pipeline.fusion.readings import SHIPPED, load_rules
from pipeline.fusion.reliability import unmeasured
from pipeline.fusion.speaking import not_speaking
from pipeline.labels import EMOTIONS, NEUTRAL
from pipeline.records import LIP_GAP_KEY, MOUTH_MOTION_KEY, SPEECH_SHARE_KEY
from pipeline.types import Moment, Observation, Span, Status, Utterance
from tests.fusion.conftest import SECTION, film_of, moments, peaked, reading, reliabilities, scored

SECOND = 1_000_000
fewer = settings(max_examples=12)  # every example is a whole film with its null
RULES = load_rules(SHIPPED)
NAMES = ("face", "text", "voice")
TORN = {"face": "sad", "text": "happy"}
rows_of_emotions = st.lists(
    st.tuples(*[st.sampled_from(["happy", "sad", "angry", NEUTRAL, None])] * 3), max_size=5
)


def parted(observations):
    return apart_of(observations, not_speaking(observations))


def detect(film: list[Moment], section: ConflictSection = SECTION, **seen) -> Found:
    return find(
        Seen(film, seen.pop("observations", {}), seen.pop("reliabilities", {}), **seen), section, RULES
    )


def observed(name: str, start_s: float, end_s: float, emotion: str, **evidence) -> Observation:
    span = Span(round(start_s * SECOND), round(end_s * SECOND))
    return Observation(name, span, Status.OK, peaked(emotion, 0.9), quality=1.0, evidence=evidence)


def test_an_empty_film():
    assert detect([]) == Found((), (), None, SECTION.enter)


def test_one_channel_alone_cannot_be_in_conflict():
    found = detect(moments([{"face": "sad"}] * 8))
    assert found.conflicts == () and found.chance_per_minute is None and found.abstentions == ()


def test_a_channel_whose_stage_failed_is_told_of_and_does_no_harm():
    observations = {
        "face": [observed("face", 0, 8, "sad")],
        "text": [observed("text", 0, 8, "happy")],
        "voice": (),
    }
    rows = align(8 * SECOND, [], observations, 2 * SECOND)
    found = detect(rows, observations=observations)
    assert [(a.modalities, a.reason, a.span) for a in found.abstentions] == [
        (("voice",), "failed", rows_span(rows))
    ]
    (event,) = found.conflicts
    assert event.emotions == TORN and event.span == rows_span(rows)
    assert detect(align(8 * SECOND, [], dict.fromkeys(NAMES, ()), 2 * SECOND)).conflicts == ()


def rows_span(rows: list[Moment]) -> Span:
    return Span(rows[0].span.start_us, rows[-1].span.end_us)


def test_the_thresholds_are_those_of_the_settings():
    section = ConflictSection(enter=0.8, leave=0.7, min_duration_s=1.5, merge_gap_s=0.25)
    assert limits_of(section) == Limits(0.8, 0.7, 1_500_000, 250_000)
    assert detect(moments([TORN]), ConflictSection(enter=0.95, leave=0.6)).conflicts == ()


@fewer
@given(rows_of_emotions, st.integers(0, 10**9), reliabilities())
def test_the_whole_film_shifted_gives_the_same_shifted(rows, shift, trust):
    film = moments([dict(zip(NAMES, row, strict=True)) for row in rows])
    later = [replace(one, span=one.span.shifted(shift)) for one in film]
    trusts = dict.fromkeys(NAMES, trust)
    here, there = (detect(one, reliabilities=trusts) for one in (film, later))
    moved = [replace(c, span=c.span.shifted(shift), best_us=c.best_us + shift) for c in here.conflicts]
    assert list(there.conflicts) == moved
    assert [replace(a, span=a.span.shifted(shift)) for a in here.abstentions] == list(there.abstentions)
    assert here.chance_per_minute == there.chance_per_minute


@fewer
@given(rows_of_emotions, st.permutations(NAMES))
@example([("happy", "neutral", "angry"), ("happy", "neutral", "sad")], ["text", "face", "voice"])  # equals
def test_the_order_of_the_modalities_does_not_matter(rows, order):
    film = [dict(zip(NAMES, row, strict=True)) for row in rows]
    here, there = (
        detect(moments(film)),
        detect(moments([{name: row[name] for name in order} for row in film])),
    )
    assert len(here.conflicts) == len(there.conflicts)
    for one, other in zip(here.conflicts, there.conflicts, strict=True):
        assert (one.span, one.kind, one.emotions, one.label) == (
            other.span,
            other.kind,
            other.emotions,
            other.label,
        )
        assert other.evidence == pytest.approx(one.evidence, abs=0.011)
        assert other.modalities == one.modalities and other.best_us == one.best_us
    assert here.abstentions == there.abstentions
    assert there.chance_per_minute == pytest.approx(here.chance_per_minute)


@fewer
@given(rows_of_emotions, reliabilities(), reliabilities())
def test_channels_that_say_the_same_are_silent(rows, one, other):
    film = moments([{"face": row[0], "voice": row[0], "text": row[0]} for row in rows])
    assert detect(film, reliabilities={"face": one, "voice": other, "text": None}).conflicts == ()


@fewer
@given(rows_of_emotions, reliabilities())
def test_a_channel_that_is_not_there_changes_nothing(rows, trust):
    two = [dict(zip(NAMES[:2], row[:2], strict=True)) for row in rows]
    three = [{**row, "voice": None} for row in two]
    trusts = dict.fromkeys(NAMES, trust)
    assert (
        detect(moments(three), reliabilities=trusts).conflicts
        == detect(moments(two), reliabilities=trusts).conflicts
    )


def test_the_same_film_gives_the_same_twice():
    film = moments([{"face": e, "text": "happy", "voice": "sad"} for e in ("happy", "sad", NEUTRAL) * 3])
    section = SECTION.model_copy(update={"most_false_alarms_per_minute": 1.0})
    assert detect(film, section) == detect(film, section)


def test_face_against_voice_inside_a_long_utterance():
    """A face that is sad for 3 of the 12 seconds in which happy words are said with a happy voice."""
    said = Utterance(Span(0, 12 * SECOND), "what a day", "en", "file")
    face = [observed("face", i / 5, (i + 1) / 5, "sad" if 5 <= i / 5 < 8 else "happy", time_us=i * 200_000)
            for i in range(60)]  # fmt: skip
    voice = [observed("voice", i, i + 1, "happy") for i in range(12)]
    observations = {"face": face, "voice": voice}
    rows = align(12 * SECOND, [said], observations, 5 * SECOND)
    assert (
        len(rows) == 1 and detect(rows, observations=observations).conflicts == ()
    )  # over the utterance: happy
    found = detect(finer(rows, observations, round(SECTION.stretch_s * SECOND)), observations=observations)
    (event,) = found.conflicts
    assert event.kind == "polarity" and event.emotions == {"face": "sad", "voice": "happy"}
    truth = Span(5 * SECOND, 8 * SECOND)
    assert event.span.overlap_us(truth) >= 2 * SECOND and event.span.duration_us <= 4 * SECOND
    assert truth.start_us <= event.best_us < truth.end_us and event.words == "what a day"


def test_events_end_at_cuts():
    observations = {"face": [observed("face", 0, 9, "sad")], "text": [observed("text", 0, 9, "happy")]}
    cuts = [3 * SECOND, 5_500_000]
    rows = finer(align(9 * SECOND, [], observations, 5 * SECOND), observations, 2 * SECOND, cuts)
    found = detect(rows, observations=observations, cuts_us=cuts)
    edges = [(c.span.start_s, c.span.end_s) for c in found.conflicts]
    assert edges == [(0, 3), (3, 5.5), (5.5, 9)]
    assert len(detect(rows, observations=observations).conflicts) == 1


def test_the_operating_point_is_raised_until_chance_gives_no_more():
    ps = (0.75, 0.8, 0.85, 0.9, 0.95)
    film = film_of({n: reading(e, p) for n in ("face", "text")} for e in ("happy", "sad") for p in ps)
    plain = detect(film)
    assert plain.enter == SECTION.enter and plain.chance_per_minute > 1
    strict = detect(film, SECTION.model_copy(update={"most_false_alarms_per_minute": 1.0}))
    assert strict.enter > SECTION.enter and strict.chance_per_minute <= 1
    loose = detect(film, SECTION.model_copy(update={"most_false_alarms_per_minute": 100.0}))
    assert loose == plain


def test_a_stricter_prior_gives_less_confidence_and_other_odds():
    rare, often = (
        detect(moments([TORN]), SECTION.model_copy(update={"apart": p})).conflicts[0] for p in (0.02, 0.3)
    )
    assert rare.confidence < often.confidence and rare.prior < often.prior


def test_a_face_that_does_not_speak_is_not_in_conflict_with_what_is_heard():
    film = film_of(
        {"face": scored(peaked("sad", 0.9).probabilities, subject=who), "voice": reading("happy", 0.9)}
        for who in ("P1", "P2")
    )
    apart = [Apart(Span(0, 4 * SECOND), "face", "P1", "voice")]
    found = detect(film, apart=apart)
    assert [c.span for c in found.conflicts] == [Span(2 * SECOND, 4 * SECOND)]  # P2 speaks
    assert [(a.reason, a.modalities, a.span) for a in found.abstentions] == [
        (NOT_SPEAKING, ("face", "voice"), Span(0, 2 * SECOND))
    ]
    assert len(detect(film).conflicts) == 2


def mouths(motion: float) -> dict[str, list[Observation]]:
    return {
        "face": [
            observed(
                "face",
                i / 5,
                (i + 1) / 5,
                "sad",
                **{MOUTH_MOTION_KEY: motion, LIP_GAP_KEY: motion * (i % 2) / 9},
            )
            for i in range(40)
        ],
        "voice": [observed("voice", i, i + 1, "happy", **{SPEECH_SHARE_KEY: 1.0}) for i in range(8)],
        "text": [observed("text", 0, 8, "happy")],
    }


def test_a_still_mouth_is_apart_from_all_that_is_heard():
    apart = parted(mouths(0.0))
    assert {(one.modality, one.other) for one in apart} == {("face", "voice"), ("face", "text")}
    assert all(one.span == Span(0, 8 * SECOND) for one in apart)
    assert parted(mouths(1.0)) == () and parted({}) == ()


def test_a_silent_listener_is_in_no_conflict_and_a_speaker_is():
    for motion, expected in ((0.0, 0), (1.0, 1)):
        observations = mouths(motion)
        rows = finer(align(8 * SECOND, [], observations, 5 * SECOND), observations, 2 * SECOND)
        found = detect(rows, observations=observations, apart=parted(observations))
        assert len(found.conflicts) == expected


def test_a_voice_model_without_disgust_is_not_in_conflict_with_a_disgusted_face():
    """It can only call the voice that goes with such a face something near."""
    heard = scored([0.8, 0.0, 0.04, 0.04, 0.04, 0.04, 0.04])
    film = film_of([{"face": reading("disgust", 0.85), "voice": heard}])
    six = unmeasured(set(EMOTIONS) - {"disgust"})
    assert detect(film).conflicts and detect(film, reliabilities={"voice": six}).conflicts == ()
