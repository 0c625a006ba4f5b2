import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.fusion.channels import (
    DOUBTFUL,
    LEAST_COVERAGE,
    LEAST_QUALITY,
    LOW_QUALITY,
    NO_SUBJECT,
    NOT_SPEAKING,
    SEEN_TOO_LITTLE,
    TOO_BRIEF,
    UNDECIDED,
    Apart,
    abstentions,
    channels_of,
    reason_not_to_ask,
)
from pipeline.labels import EMOTIONS
from pipeline.types import Abstention, Moment, Reading, Span, Status
from tests.fusion.conftest import distributions, few, film_of, moments, peaked, reading, scored

SECOND = 1_000_000
LONG = Span(0, 2 * SECOND)
HAPPY = peaked("happy")


@pytest.mark.parametrize("status", [one for one in Status if one is not Status.OK])
def test_absence_is_its_own_reason(status):
    assert reason_not_to_ask(Reading(status), LONG) == status.value


@pytest.mark.parametrize(
    ("asked", "span", "reason"),
    [
        (reading("sad"), LONG, ""),
        (reading("sad"), Span(0, 499_999), TOO_BRIEF),
        (reading("sad"), Span(0, 500_000), ""),
        (Reading(Status.OK, HAPPY, 1.0, 1.0, doubtful=True), LONG, DOUBTFUL),
        (reading("sad", coverage=LEAST_COVERAGE - 0.01), LONG, SEEN_TOO_LITTLE),
        (reading("sad", coverage=LEAST_COVERAGE), LONG, ""),
        (reading("sad", quality=LEAST_QUALITY - 0.01), LONG, LOW_QUALITY),
        (reading("sad", quality=LEAST_QUALITY), LONG, ""),
        (scored([1 / 7] * 7), LONG, UNDECIDED),
        (scored([0.0] * 7), LONG, UNDECIDED),
        (scored([0, 0, 0, 0.02, 0, 0, 0]), LONG, UNDECIDED),  # 98 % on labels outside the seven
        (reading("sad", 0.2), LONG, UNDECIDED),
        (reading("sad", 0.35), LONG, ""),
    ],
)
def test_reasons_not_to_ask(asked, span, reason):
    assert reason_not_to_ask(asked, span) == reason
    film = [Moment(span, None, {"face": asked, "voice": reading("happy")})]
    assert channels_of(film).speaks[0, 0] == (not reason)
    assert ((span, "face") in {(a.span, a.modalities[0]) for a in abstentions(film)}) == bool(reason)


def test_arrays_hold_what_speaks_and_nothing_else():
    film = [
        Moment(LONG, None, {"face": reading("sad", quality=0.5, coverage=0.4), "voice": reading(None)}),
        Moment(
            LONG.shifted(2 * SECOND), None, {"face": scored([0, 0, 0, 1, 0, 0, 0]), "voice": reading("sad")}
        ),
    ]
    channels = channels_of(film)
    assert channels.names == ("face", "voice") and channels.pairs == ((0, 1),)
    assert channels.speaks.tolist() == [[True, False], [True, True]]
    assert channels.quality == pytest.approx(np.array([[0.2, 0.0], [1.0, 1.0]]))
    assert channels.probabilities[0, 1].tolist() == [0.0] * 7
    assert channels.probabilities[1, 0].tolist() == [0, 0, 0, 1, 0, 0, 0]
    assert channels.comparable.tolist() == [[False], [True]]


def test_persons_are_told_apart():
    film = film_of({"face": scored(HAPPY.probabilities, subject=who)} for who in ("P1", "P2", None, "P1"))
    subject = channels_of(film).subject[:, 0]
    assert subject[0] == subject[3] != subject[1] and subject[2] == NO_SUBJECT
    assert NO_SUBJECT not in (subject[0], subject[1])


@few
@given(distributions(), st.floats(0, LEAST_QUALITY, exclude_max=True))
def test_a_channel_of_no_quality_is_the_same_as_an_absent_one(p, quality):
    rows = {"voice": reading("sad"), "text": reading("happy", 0.6)}
    bad, none = (
        channels_of(film_of([{"face": face, **rows}]))
        for face in (scored(p, quality), Reading(Status.NO_FACE))
    )
    assert (bad.likelihoods({}) == none.likelihoods({})).all()
    assert (bad.likelihoods({})[0, 0] == 1).all()
    assert (bad.comparable == none.comparable).all() and (bad.probabilities == none.probabilities).all()


def test_evidence_uses_the_reliability_of_its_own_model_and_quality():
    film = moments([{"face": "sad", "voice": "sad"}])
    plain = channels_of(film).likelihoods({"nobody": None})
    assert (plain[0, 0] == plain[0, 1]).all() and plain[0, 0, EMOTIONS.index("sad")] == 1
    half = film_of([{"face": reading("sad", quality=0.5), "voice": reading("sad")}])
    assert channels_of(half).likelihoods({})[0, 0] == pytest.approx(np.sqrt(plain[0, 0]))
    covered = film_of([{"face": reading("sad", coverage=0.5), "voice": reading("sad")}])
    assert (channels_of(covered).likelihoods({}) == channels_of(half).likelihoods({})).all()


@pytest.mark.parametrize("film", [[], moments([{}, {}]), moments([{"face": "sad"}, {"face": None}])])
def test_films_with_nothing_to_compare(film):
    channels = channels_of(film)
    assert channels.pairs == () and channels.comparable.shape == (len(film), 0)
    assert channels.likelihoods({}).shape == (len(film), len(channels.names), 7)


def shows(person: str | None = "P1") -> dict[str, Reading]:
    return {
        "face": scored(HAPPY.probabilities, subject=person),
        "text": reading("sad"),
        "voice": reading("sad"),
    }


def test_a_silent_mouth_is_not_held_against_the_voice():
    film = film_of([shows(), shows(), shows("P2")])
    apart = [Apart(Span(2 * SECOND, 6 * SECOND), "face", "P1", "voice")]
    channels = channels_of(film, apart)
    (face_text, face_voice, text_voice) = channels.comparable.T
    assert channels.pairs == ((0, 1), (0, 2), (1, 2))
    assert face_voice.tolist() == [True, False, True]  # P2 is another person
    assert face_text.all() and text_voice.all() and channels.speaks.all()
    (one,) = abstentions(film, apart)
    assert one == Abstention(Span(2 * SECOND, 4 * SECOND), ("face", "voice"), NOT_SPEAKING)


@pytest.mark.parametrize(("length_us", "compared"), [(999_999, True), (SECOND, False)])
def test_half_a_stretch_of_silence_is_enough(length_us, compared):
    apart = [Apart(Span(0, length_us), "face", "P1", "voice")]
    channels = channels_of(film_of([shows()]), apart)
    assert channels.comparable[0, 1] == compared


def test_a_channel_that_is_not_asked_is_not_told_of_twice():
    film = film_of([{**shows(), "text": Reading(Status.NO_WORDS)}])
    apart = [Apart(LONG, "face", "P1", other) for other in ("text", "voice")]
    told = [(one.modalities, one.reason) for one in abstentions(film, apart)]
    assert told == [(("face", "voice"), NOT_SPEAKING), (("text",), "no_words")]


def test_which_of_the_two_is_named_first_does_not_matter():
    apart = [Apart(LONG, "voice", None, "face")]
    assert not channels_of(film_of([shows()]), apart).comparable[0, 1]


def test_abstentions_of_one_reason_are_joined_and_others_are_not():
    gone, dark = Reading(Status.NO_FACE), reading("sad", quality=0.01)
    film = film_of([{"face": one} for one in (gone, gone, dark, reading("sad"), dark, gone)])
    assert [(a.span.start_us // SECOND, a.span.end_us // SECOND, a.reason) for a in abstentions(film)] == [
        (0, 4, "no_face"),
        (4, 6, LOW_QUALITY),
        (8, 10, LOW_QUALITY),
        (10, 12, "no_face"),
    ]
    assert abstentions([]) == ()


@few
@given(st.lists(st.tuples(*[st.sampled_from(["happy", None])] * 2), max_size=8))
def test_abstentions_tell_of_every_stretch_in_which_a_channel_is_not_asked(rows):
    film = moments([dict(zip(("face", "voice"), row, strict=True)) for row in rows])
    told = abstentions(film)
    speaks = channels_of(film).speaks
    for row, moment in enumerate(film):
        for column, name in enumerate(("face", "voice")):
            inside = [a for a in told if a.modalities == (name,) and a.span.overlap_us(moment.span)]
            assert len(inside) == (not speaks[row, column])
