"""An event in words and figures: who says what, the words, the plainest moment, what would make it vanish."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pipeline.fusion.belief import Prior, shared_state
from pipeline.fusion.conflict import Compared, Event, Limits, disagreements
from pipeline.fusion.readings import ReadingRule, rule_of
from pipeline.labels import EMOTIONS
from pipeline.types import Conflict, Moment, Observation, Reliability, Span

Floats = npt.NDArray[np.float64]
FRAME_TIME = "time_us"  # key of an observation's evidence: the time stamp of the frame it was read from
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


def explained(event: Event, case: Case, rules: tuple[ReadingRule, ...]) -> Conflict:
    """The event as the writers show it, with all its evidence."""
    emotions = dict(event.emotions)
    rule = rule_of(event.kind, emotions, rules)
    probabilities = {name: round(_mean(event, case, name, emotion), 4) for name, emotion in event.emotions}
    words = _words([case.moments[i] for i in event.moments])
    claims = ", ".join(f"{name} {emotions[name]} {share:.0%}" for name, share in probabilities.items())
    together, without = _left_out(event, case)
    return Conflict(
        span=event.span,
        kind=event.kind,
        modalities=tuple(emotions),
        strength=round(event.strength, 4),
        confidence=round(event.confidence, 4),
        label="" if rule is None else f"maybe {rule.name}",
        why=claims + (f' while saying "{words}"' if words else ""),
        emotions=emotions,
        evidence=round(odds(event.evidence), 2),
        rule="" if rule is None else rule.words,
        probabilities=probabilities,
        best_us=_plainest_us(event, case),
        words=words,
        fused=together,
        without=without,
        vanishes=_vanishes(event, case),
    )


def odds(evidence: float) -> float:
    """The Bayes factor B of evidence given as B / (1 + B)."""
    return evidence / max(1e-9, 1.0 - evidence)


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
        for one in case.observations.get(name, ()):
            time_us = one.evidence.get(FRAME_TIME)
            if one.scores is None or time_us is None or not _inside(time_us, event.span):
                continue
            plain = one.scores.probabilities[column] * one.quality
            if plain > best:
                best, at = plain, int(time_us)
    if at is not None:
        return at
    peak = case.moments[_peak(event, case)].span
    return (peak.start_us + peak.end_us) // 2


def _inside(time_us: int, span: Span) -> bool:
    return span.start_us <= time_us < span.end_us


def _peak(event: Event, case: Case) -> int:
    """The stretch of the event with most evidence."""
    place = _place(event, case)
    return max(event.moments, key=lambda i: (case.film.found.evidence[i, place], -i))


def _place(event: Event, case: Case) -> int:
    """The pair of channels whose evidence the event has."""
    names = case.film.channels.names
    rows = list(event.moments)
    inside = [
        place
        for place, pair in enumerate(case.film.channels.pairs)
        if {names[c] for c in pair} <= set(dict(event.emotions))
    ]
    return max(inside, key=lambda place: float(case.film.found.evidence[rows, place].max()))


def _left_out(event: Event, case: Case) -> tuple[str, dict[str, str]]:
    """How the channels read together over the event, and how the others do without each one of them."""
    rows = list(event.moments)
    lengths = [case.moments[i].span.duration_us for i in rows]
    heard = case.likelihoods[rows]

    def read(evidence: Floats) -> str:
        mean = np.average(shared_state(evidence, case.prior), axis=0, weights=lengths)
        return f"{EMOTIONS[int(mean.argmax())]} {mean.max():.2f}"

    without = {}
    for channel, name in enumerate(case.film.channels.names):
        if not case.film.channels.speaks[rows, channel].any():
            continue
        rest = heard.copy()
        rest[:, channel] = 1.0
        without[name] = read(rest)
    return read(heard), without


def _vanishes(event: Event, case: Case) -> str:
    """How much less each side would have to be trusted for the event not to have begun."""
    row, place = _peak(event, case), _place(event, case)
    names = case.film.channels.names
    parts = []
    for channel in case.film.channels.pairs[place]:
        share = _trust_needed(case, row, place, channel)
        parts.append(f"{names[channel]} were trusted {share:.0%} of what it is" if share > 0 else "")
    told = [part for part in parts if part]
    return f"would vanish if {' or '.join(told)}" if told else "no doubt about one channel alone undoes it"


def _trust_needed(case: Case, row: int, place: int, channel: int) -> float:
    """The greatest share of a channel's quality with which the event would not begin; 0: none would do."""
    film, quality = case.film, case.film.channels.quality[row, channel]
    tried = np.arange(STEPS)[::-1] / STEPS
    one = replace(
        film.channels,
        probabilities=np.repeat(film.channels.probabilities[[row]], STEPS, axis=0),
        quality=np.repeat(film.channels.quality[[row]], STEPS, axis=0),
        speaks=np.repeat(film.channels.speaks[[row]], STEPS, axis=0),
        subject=np.repeat(film.channels.subject[[row]], STEPS, axis=0),
        comparable=np.repeat(film.channels.comparable[[row]], STEPS, axis=0),
    )
    one.quality[:, channel] = tried * quality
    found = disagreements(one, one.likelihoods(case.reliabilities), case.prior)
    gone = found.evidence[:, place] < case.limits.enter
    return float(tried[gone].max()) if gone.any() else 0.0
