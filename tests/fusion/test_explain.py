from dataclasses import replace

import numpy as np
import pytest

from pipeline.fusion.align import finer
from pipeline.fusion.belief import shared_state
from pipeline.fusion.channels import LEAST_QUALITY, channels_of
from pipeline.fusion.detect import Seen, find
from pipeline.fusion.explain import STEPS, odds, unseen
from pipeline.fusion.readings import SHIPPED, ReadingRule, load_rules
from pipeline.labels import EMOTIONS, NEUTRAL
from pipeline.records import FRAME_TIME_KEY
from pipeline.types import Conflict, Moment, Observation, Reading, Span, Status, Utterance
from tests.fusion.conftest import LIMITS, PRIOR, SECTION, film_of, moments, peaked, reading

SECOND = 1_000_000
RULES = load_rules(SHIPPED)
TORN = {"face": "sad", "text": "happy"}


def found(film: list[Moment], rules=RULES, observations=None) -> tuple[Conflict, ...]:
    return find(Seen(film, observations or {}, {}), SECTION, rules).conflicts


def doubted(film: list[Moment], name: str, share: float) -> list[Moment]:
    """The same film with ``share`` of the trust in one modality."""
    return [
        replace(one, by_modality={
            n: replace(r, quality=r.quality * share) if n == name else r for n, r in one.by_modality.items()
        })
        for one in film
    ]  # fmt: skip


def there(event: Conflict, film: list[Moment]) -> bool:
    """Whether what ``event`` says, or a part of it, is still found in ``film``."""
    return any(
        one.kind == event.kind
        and one.span.overlap_us(event.span)
        and set(one.emotions.items()) <= set(event.emotions.items())
        for one in found(film)
    )


def shown(quality=1.0, **emotions: tuple[str, float]) -> dict[str, Reading]:
    return {name: reading(emotion, p, quality) for name, (emotion, p) in emotions.items()}


FILMS = {
    "two": [shown(face=("sad", 0.9), text=("happy", 0.8))],
    "two, badly seen": [shown(0.8, face=("sad", 0.95), text=("happy", 0.95))],
    "two against one": [shown(face=("sad", 0.9), text=("happy", 0.9), voice=("sad", 0.8))],
    "a witness of another kind": [shown(face=("sad", 0.9), text=("happy", 0.95), voice=(NEUTRAL, 0.8))],
    "all three apart": [shown(face=("sad", 0.95), text=("happy", 0.95), voice=("angry", 0.9))],
    "masking": [shown(face=(NEUTRAL, 0.9), text=("happy", 0.9), voice=("happy", 0.9))],
    "growing": [shown(face=("sad", p), text=("happy", 0.9)) for p in (0.7, 0.8, 0.95)],
    "seen worse and worse": [
        {"face": reading("sad", 0.95, quality), "text": reading("happy", 0.95)} for quality in (0.5, 0.7, 1.0)
    ],
    "quality not where evidence is": [
        {"face": reading("sad", 0.99, 0.5), "text": reading("happy", 0.9)},
        {"face": reading("sad", 0.7, 1.0), "text": reading("happy", 0.9)},
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", FILMS)
def test_what_would_make_an_event_vanish_does_and_no_less(name):
    film = film_of(FILMS[name])
    events = found(film)
    assert events
    for event in events:
        assert set(event.vanishes) <= set(event.emotions)
        for modality, share in event.vanishes.items():
            assert share in np.arange(STEPS) / STEPS
            assert not there(event, doubted(film, modality, share))
            assert there(event, doubted(film, modality, share + 1 / STEPS))
        for modality in set(event.emotions) - set(event.vanishes):
            assert all(there(event, doubted(film, modality, i / STEPS)) for i in range(STEPS))


def test_the_odd_one_alone_makes_it_vanish_and_one_of_two_who_agree_does_not():
    (event,) = found(film_of(FILMS["two against one"]))
    assert event.modalities == ("face", "text", "voice") and "text" in event.vanishes
    assert event.vanishes.keys() != event.emotions.keys()
    (pair,) = found(film_of(FILMS["two"]))
    assert pair.vanishes.keys() == {"face", "text"} and min(pair.vanishes.values()) >= LEAST_QUALITY / 2


def test_a_more_certain_event_takes_more_doubt():
    events = [found(film_of([shown(face=("sad", p), text=("happy", p))]))[0] for p in (0.75, 0.85, 0.99)]
    shares = [event.vanishes["text"] for event in events]
    assert shares == sorted(shares, reverse=True) and shares[0] > shares[-1]


def test_how_the_others_read_without_each_of_those_who_speak():
    film = moments([{"face": "sad", "text": "happy", "voice": "sad", "pulse": None}])
    (event,) = found(film)
    assert set(event.without) == {"face", "text", "voice"}
    assert event.without["text"].emotion == event.fused.emotion == "sad"
    assert event.without["text"].probability > event.fused.probability > event.without["face"].probability
    rest = moments([{"face": "sad", "voice": "sad"}])
    alone = shared_state(channels_of(rest).likelihoods({}), PRIOR)[0]
    assert event.without["text"].probability == pytest.approx(alone.max(), abs=1e-4)
    assert EMOTIONS[int(alone.argmax())] == "sad"


def test_one_who_is_silent_throughout_is_not_left_out():
    silent, once = ({**TORN, "voice": voice} for voice in (None, "sad"))
    (event,) = found(moments([silent] * 3))
    assert set(event.without) == {"face", "text"}
    (event,) = found(moments([silent, silent, once]))
    assert set(event.without) == {"face", "text", "voice"}


def test_figures_of_an_event():
    first, second = (shown(face=("sad", p), text=("happy", 0.9)) for p in (0.9, 0.7))
    film = [Moment(Span(0, 3 * SECOND), None, first), Moment(Span(3 * SECOND, 4 * SECOND), None, second)]
    (event,) = found(film)
    together = shared_state(channels_of(film).likelihoods({}), PRIOR)
    assert event.fused.probability == pytest.approx((3 * together[0] + together[1]).max() / 4, abs=1e-4)
    assert event.probabilities == {"face": pytest.approx(0.85), "text": pytest.approx(0.9)}
    assert event.modalities == ("face", "text") and event.emotions == TORN
    assert event.evidence > odds(LIMITS.enter) == pytest.approx(3)
    assert 0 < event.prior < event.confidence < 1 and 0 < event.strength <= 1
    assert event.prior == pytest.approx(unseen(PRIOR, "polarity"), abs=1e-4)


def test_odds_are_finite_even_of_certainty():
    assert odds(0.5) == 1 and odds(0.75) == pytest.approx(3) and odds(0.0) == 0 and np.isfinite(odds(1.0))


def test_words_are_told_once_each():
    said = [
        Utterance(Span(0, 4 * SECOND), "so glad", "en", "file"),
        Utterance(Span(4, 5), "truly", "en", "file"),
    ]
    film = [
        replace(one, utterance=who)
        for one, who in zip(moments([TORN] * 3), [said[0]] * 2 + said[1:], strict=True)
    ]
    assert found(film)[0].words == "so glad truly"
    assert found(moments([TORN]))[0].words == ""


def test_a_rule_tells_what_made_it_fire():
    mine = ReadingRule(
        "mine", ("polarity",), {"text": frozenset({"happy"}), "other": frozenset({"sad", "angry"})}
    )
    (event,) = found(moments([TORN]), (mine,))
    assert event.label == "maybe mine" and event.rule == {"text": ("happy",), "other": ("angry", "sad")}
    (event,) = found(moments([TORN]), ())
    assert event.label == "" and event.rule == {}


def frames(emotions: list[tuple[str | None, float]], step_s: float = 0.5) -> list[Observation]:
    """Sampled frames, read in the middle of their span."""
    made = []
    for i, (emotion, p) in enumerate(emotions):
        span = Span(round(i * step_s * SECOND), round((i + 1) * step_s * SECOND))
        scores = None if emotion is None else peaked(emotion, p)
        status = Status.NO_FACE if scores is None else Status.OK
        at = {FRAME_TIME_KEY: (span.start_us + span.end_us) // 2}
        made.append(Observation("face", span, status, scores, quality=1.0, evidence=at))
    return made


def watched(face: list[Observation], length_s: int) -> tuple[Conflict, ...]:
    span = Span(0, length_s * SECOND)
    observations = {
        "face": face,
        "text": [Observation("text", span, Status.OK, peaked("happy", 0.95), quality=1.0)],
    }
    whole = Moment(span, None, {"face": Reading(Status.NO_FACE), "text": reading("happy", 0.95)})
    return found(finer([whole], observations, 2 * SECOND), observations=observations)


def test_the_plainest_frame_lies_in_the_event_and_shows_its_emotion():
    face = frames([("happy", 0.99)] * 8 + [("sad", 0.85), ("sad", 0.97), ("sad", 0.8), ("sad", 0.85)])
    (event,) = watched(face, 6)
    assert event.span == Span(4 * SECOND, 6 * SECOND)
    assert event.best_us == face[9].evidence[FRAME_TIME_KEY]


def test_a_sharper_frame_outside_the_event_or_a_blurred_one_inside_is_not_taken():
    face = frames([("sad", 0.7), ("happy", 0.99), ("happy", 0.99), ("happy", 0.99)] + [("sad", 0.9)] * 4)
    face[0] = replace(face[0], scores=peaked("sad", 1.0))
    face[6] = replace(face[6], scores=peaked("sad", 1.0), quality=0.3)
    (event,) = watched(face, 4)
    assert event.span == Span(2 * SECOND, 4 * SECOND)
    assert event.best_us == face[4].evidence[FRAME_TIME_KEY]  # the first of equals


def test_a_plainer_frame_of_another_person_is_not_taken():
    face = [replace(one, subject="P1") for one in frames([("happy", 0.99)] * 4 + [("sad", 0.85)] * 4)]
    other = replace(face[5], subject="P2", scores=peaked("sad", 1.0))
    (event,) = watched([*face[:6], other, *face[6:]], 4)
    assert event.best_us != other.evidence[FRAME_TIME_KEY]


def test_without_frames_the_plainest_moment_is_the_middle_of_the_strongest_stretch():
    film = film_of([shown(voice=("sad", p), text=("happy", 0.9)) for p in (0.8, 0.95, 0.8)])
    (event,) = found(film)
    assert event.best_us == 3 * SECOND


def test_every_event_lies_around_its_plainest_moment():
    film = moments(
        [{"face": e, "text": "happy", "voice": NEUTRAL} for e in ("sad", "happy", "angry", "sad") * 3]
    )
    events = found(film)
    assert len(events) > 4
    assert all(one.span.start_us <= one.best_us < one.span.end_us for one in events)
