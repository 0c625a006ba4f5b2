"""An event with its evidence: who says what, the words, the plainest moment, what would make it vanish."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from pipeline.fusion.belief import KINDS, Prior, kinds_of, pair_states, shared_state
from pipeline.fusion.channels import LEAST_QUALITY, Channels
from pipeline.fusion.conflict import Compared, Event, Limits, disagreements, witnessed
from pipeline.fusion.readings import ReadingRule, rule_of
from pipeline.labels import EMOTIONS
from pipeline.records import FRAME_TIME_KEY
from pipeline.types import Conflict, ConflictKind, Moment, Observation, Reliability, State

Floats = npt.NDArray[np.float64]
STEPS = 20  # trust is tried at every twentieth


@dataclass(frozen=True)
class Case:
    """Everything an explanation is drawn from; ``likelihoods`` (n, channels, 7) as compared."""

    moments: Sequence[Moment]
    film: Compared
    likelihoods: Floats
    observations: Mapping[str, Sequence[Observation]]
    reliabilities: Mapping[str, Reliability | None]
    prior: Prior
    limits: Limits

    @cached_property
    def frames(self) -> Mapping[str, Sequence[tuple[int, int]]]:
        """Per modality, time and place of each observation that reads a frame, in order of time."""
        return {
            name: sorted(
                (int(one.evidence[FRAME_TIME_KEY]), place)
                for place, one in enumerate(own)
                if one.scores is not None and one.evidence.get(FRAME_TIME_KEY) is not None
            )
            for name, own in self.observations.items()
        }


def explained(event: Event, case: Case, rules: tuple[ReadingRule, ...]) -> Conflict:
    """The event as the writers show it, with all its evidence."""
    emotions = dict(event.emotions)
    rule = rule_of(event.kind, emotions, rules)
    together, without = _left_out(event, case)
    return Conflict(
        span=event.span,
        kind=event.kind,
        modalities=tuple(emotions),
        strength=round(event.strength, 4),
        confidence=round(event.confidence, 4),
        label="" if rule is None else f"maybe {rule.name}",
        emotions=emotions,
        evidence=round(odds(event.evidence), 2),
        rule={} if rule is None else {who: tuple(sorted(what)) for who, what in rule.when.items()},
        probabilities={name: round(_mean(event, case, name, what), 4) for name, what in event.emotions},
        best_us=_plainest_us(event, case),
        words=_words([case.moments[i] for i in event.moments]),
        fused=together,
        without=without,
        vanishes=_vanishes(event, case),
        prior=round(unseen(case.prior, event.kind), 4),
    )


def odds(evidence: float) -> float:
    """The Bayes factor B of evidence given as B / (1 + B)."""
    return evidence / max(1e-9, 1.0 - evidence)


def unseen(prior: Prior, kind: ConflictKind) -> float:
    """Prior probability that two given channels are in a conflict of this kind."""
    nothing = np.ones((1, 2, len(EMOTIONS)))
    return float(kinds_of(pair_states(nothing, 0, 1, prior))[0, 1 + KINDS.index(kind)])


def _mean(event: Event, case: Case, name: str, emotion: str) -> float:
    """Mean probability of an emotion in a modality over the event, stretches counting by their length."""
    channel = case.film.channels.names.index(name)
    rows = [i for i in event.moments if case.film.channels.speaks[i, channel]]
    lengths = [case.moments[i].span.duration_us for i in rows]
    column = case.film.channels.probabilities[rows, channel, EMOTIONS.index(emotion)]
    return float(np.average(column, weights=lengths))


def _words(moments: Sequence[Moment]) -> str:
    """What was said, each utterance once."""
    return " ".join(dict.fromkeys(m.utterance.text for m in moments if m.utterance is not None))


def _plainest_us(event: Event, case: Case) -> int:
    """The frame in which a modality of the event that reads frames shows its emotion most plainly.

    Without such a modality the middle of the stretch with most evidence.
    """
    best, at = -1.0, None
    for name, emotion in event.emotions:
        column = EMOTIONS.index(emotion)
        shown = {case.moments[row].by_modality[name].subject for row in event.moments}
        frames = case.frames.get(name, ())
        first, last = (
            bisect_left(frames, (edge_us, 0)) for edge_us in (event.span.start_us, event.span.end_us)
        )
        for time_us, place in sorted(frames[first:last], key=lambda frame: frame[1]):
            one = case.observations[name][place]
            if one.scores is None or one.subject not in shown:
                continue
            plain = one.scores.probabilities[column] * one.quality
            if plain > best:
                best, at = plain, time_us
    if at is not None:
        return at
    peak = case.moments[_peak(event, case)].span
    return (peak.start_us + peak.end_us) // 2


def _peak(event: Event, case: Case) -> int:
    """The stretch of the event with most evidence, the first of equals."""
    places = _places(event, case)
    return max(event.moments, key=lambda i: (round(case.film.found.evidence[i, places].max(), 9), -i))


def _places(event: Event, case: Case) -> list[int]:
    """The pairs of channels that show the event's kind of conflict with its emotions."""
    names, kind = case.film.channels.names, 1 + KINDS.index(event.kind)
    rows = list(event.moments)
    return [
        place
        for place, pair in enumerate(case.film.channels.pairs)
        if {names[channel] for channel in pair} <= set(dict(event.emotions))
        and (case.film.found.kind[rows, place] == kind).any()
    ]


def _left_out(event: Event, case: Case) -> tuple[State, dict[str, State]]:
    """How the channels read together over the event, and how the others do without each one of them."""
    rows = list(event.moments)
    lengths = [case.moments[i].span.duration_us for i in rows]
    channels = case.film.channels
    heard = witnessed(channels, case.likelihoods, _places(event, case)[0], rows)

    def read(evidence: Floats) -> State:
        mean = np.average(shared_state(evidence, case.prior), axis=0, weights=lengths)
        return State(EMOTIONS[int(mean.argmax())], round(float(mean.max()), 4))

    without = {}
    for channel, name in enumerate(channels.names):
        if (heard[:, channel] == 1.0).all():
            continue
        rest = heard.copy()
        rest[:, channel] = 1.0
        without[name] = read(rest)
    return read(heard), without


def _vanishes(event: Event, case: Case) -> dict[str, float]:
    """How far each modality must be doubted for the event not to begin; left out where no doubt would do."""
    names = case.film.channels.names
    shares = {name: _trust_needed(event, case, names.index(name)) for name, _ in event.emotions}
    return {name: share for name, share in shares.items() if share is not None}


def _trust_needed(event: Event, case: Case, channel: int) -> float | None:
    """The greatest share of a channel's quality with which the event would nowhere begin; None: with none."""
    rows = np.repeat(event.moments, STEPS)
    tried = np.tile(np.arange(STEPS) / STEPS, len(event.moments))
    channels = case.film.channels
    doubted = Channels(
        names=channels.names,
        probabilities=channels.probabilities[rows],
        quality=channels.quality[rows],
        speaks=channels.speaks[rows],
        subject=channels.subject[rows],
        comparable=channels.comparable[rows],
    )
    doubted.quality[:, channel] *= tried
    told = [case.moments[row].by_modality[channels.names[channel]].quality for row in event.moments]
    mute = tried * np.repeat(told, STEPS) < LEAST_QUALITY  # then it would not have been asked
    own = [place for place, pair in enumerate(channels.pairs) if channel in pair]
    doubted.quality[mute, channel] = 0.0
    doubted.comparable[np.ix_(mute, own)] = False
    found = disagreements(doubted, doubted.likelihoods(case.reliabilities), case.prior)
    evidence = found.evidence[:, _places(event, case)].max(axis=1).reshape(len(event.moments), STEPS)
    gone = np.flatnonzero(evidence.max(axis=0) < case.limits.enter)
    return float(tried[gone.max()]) if len(gone) else None
