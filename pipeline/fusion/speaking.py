"""Whose mouth moves with the speech that is heard: pure, from keys of evidence and no modality's name.

Observations that show a mouth carry ``mouth_motion`` and, where the Face Landmarker measured it, ``lip_gap``;
those that hear speech ``speech_share``. Of those in view, and one who is not, exactly one is taken to speak:
each hypothesis is as likely as its mouth moves like a speaker's (``mouth``) and, where turns of speakers are
known, as that voice is bound to it (``binding``). Who is alone in view is never called silent for a mouth
that moves little: only for lips that stay closed, or because the voice is known to be another's.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.fusion.mouth import Movement, Sight, Stretch, movements, sights
from pipeline.overlap import Overlaps
from pipeline.records import LIP_GAP_KEY, MOUTH_MOTION_KEY, SPEECH_SHARE_KEY
from pipeline.types import Bound, Observation, Span, Status, Turn, united

PAUSE_US = 1_000_000  # a shorter pause does not part two stretches of speech
MIN_SILENT_US = 1_000_000
MIN_CLOSED_US = 4_000_000  # lips closed for this long in speech do not speak, whoever else is in view
# How likely it is that none in view speaks, against each of those in view.
OFF_SCREEN = 0.3
# Probabilities: from the first on a subject speaks; below the second, while somebody else speaks with at
# least the third, it does not, and goes on so below the fourth.
SPEAKING, SILENT, RIVAL, STILL_SILENT = 0.7, 0.1, 0.6, 0.2
# Log-odds of a mouth's own movement: one that moves more like a speaker's is never called silent, and one
# that moves less never speaking, whatever the others do.
MAX_SILENT_EVIDENCE, MIN_SPEAKING_EVIDENCE = 0.0, -0.5
MIN_BOUND = 0.8  # confidence from which a voice is taken to be that subject's

Verdict = Literal["speaking", "not_speaking", "unknown"]


@dataclass(frozen=True, slots=True)
class Silent:
    """A stretch in which someone is heard and this modality's subject is seen not to speak."""

    span: Span
    modality: str
    subject: str | None


@dataclass(frozen=True, slots=True)
class Seen:
    """One subject's mouth over one piece of time in which someone is heard.

    ``evidence`` are log-odds that it moves as in speech, None where too little is seen; ``probability`` that
    the subject is the one who speaks; ``rival`` the highest such probability of somebody else who is in view
    or bound to the voice. ``speaker`` is the voice, None where it is not known.
    """

    span: Span
    modality: str
    subject: str | None
    evidence: float | None
    closed: bool
    probability: float
    rival: float
    speaker: str | None = None

    @property
    def verdict(self) -> Verdict:
        if self.evidence is None:
            return "unknown"
        if self.probability >= SPEAKING and self.evidence >= MIN_SPEAKING_EVIDENCE:
            return "speaking"
        return "not_speaking" if self.yields and self.probability <= SILENT else "unknown"

    @property
    def yields(self) -> bool:
        """Whether it may go on not to speak: somebody else probably does, and its own mouth hardly moves."""
        return (
            self.evidence is not None
            and self.evidence <= MAX_SILENT_EVIDENCE
            and self.probability <= STILL_SILENT
            and self.rival >= RIVAL
        )


def not_speaking(
    observations: Mapping[str, Sequence[Observation]],
    turns: Sequence[Turn] = (),
    bindings: Sequence[Bound] = (),
) -> tuple[Silent, ...]:
    """Stretches in which someone is heard and a subject in view does not speak, in order of time."""
    by_subject: dict[tuple[str, str | None], list[Seen]] = {}
    for seen in mouths(observations, turns, bindings):
        by_subject.setdefault((seen.modality, seen.subject), []).append(seen)
    stretches = [Silent(span, *subject) for subject, own in by_subject.items() for span in _silent_spans(own)]
    return tuple(sorted(stretches, key=lambda one: (one.span, one.modality, one.subject or "")))


def _silent_spans(own: Sequence[Seen]) -> list[Span]:
    """Where one subject does not speak; ``own`` in order of time, more of one span where voices overlap."""
    pieces: dict[Span, list[Seen]] = {}
    for seen in own:
        pieces.setdefault(seen.span, []).append(seen)
    yielding = _runs(span for span, at in pieces.items() if all(one.yields for one in at))
    sure = [span for span, at in pieces.items() if all(one.verdict == "not_speaking" for one in at)]
    closed = _runs(span for span, at in pieces.items() if all(one.closed for one in at))
    decided = Overlaps(sure)
    spans = [run for run in yielding if run.duration_us >= MIN_SILENT_US and decided.during(run)]
    return united([*spans, *(run for run in closed if run.duration_us >= MIN_CLOSED_US)])


def _runs(spans: Iterable[Span]) -> list[Span]:
    runs: list[Span] = []
    for span in spans:
        if runs and span.start_us - runs[-1].end_us <= PAUSE_US:
            runs[-1] = Span(runs[-1].start_us, max(runs[-1].end_us, span.end_us))
        else:
            runs.append(span)
    return runs


def of_speakers(
    observations: Mapping[str, Sequence[Observation]],
    still: Sequence[Silent],
    turns: Sequence[Turn] = (),
    bindings: Sequence[Bound] = (),
) -> dict[str, tuple[Observation, ...]]:
    """The observations without subjects who only listen, wherever another subject of the modality is in view.

    ``still``: who does not speak, from :func:`not_speaking`. Where a voice is bound to a subject in view, all
    others are left out too, whatever their mouths do.
    Otherwise the one who fills the picture would speak for a modality instead of the one who talks. A subject
    who is alone in view stays: that nobody in view speaks is told by :func:`not_speaking`.
    """
    silent = _by_subject((one.modality, one.subject, one.span) for one in still)
    owners = {
        one.speaker: (one.modality, one.subject)
        for one in bindings
        if one.modality is not None and one.confidence >= MIN_BOUND
    }
    talking = _by_subject((*owners[turn.speaker], turn.span) for turn in turns if turn.speaker in owners)
    kept = {modality: tuple(own) for modality, own in observations.items()}
    for modality in {modality for modality, _ in (*silent, *talking)}:
        own = kept[modality]
        listens = [_mostly(silent, one) for one in own]
        talks = [_mostly(talking, one) for one in own]
        speakers = {one.span for one, is_talking in zip(own, talks, strict=True) if is_talking}
        others = {
            one.span
            for one, listening in zip(own, listens, strict=True)
            if one.status is Status.OK and not listening
        }
        kept[modality] = tuple(
            one
            for one, listening, is_talking in zip(own, listens, talks, strict=True)
            if is_talking or not (one.span in speakers or (listening and one.span in others))
        )
    return kept


def _by_subject(spans: Iterable[tuple[str, str | None, Span]]) -> dict[tuple[str, str | None], Stretch]:
    owned: dict[tuple[str, str | None], list[Span]] = {}
    for modality, subject, span in spans:
        owned.setdefault((modality, subject), []).append(span)
    return {owner: Stretch(united(own)) for owner, own in owned.items()}


def _mostly(times: Mapping[tuple[str, str | None], Stretch], one: Observation) -> bool:
    """Whether most of an observation of a subject lies in that subject's time."""
    time = times.get((one.modality, one.subject))
    return (
        one.status is Status.OK and time is not None and 2 * time.shared_us(one.span) > one.span.duration_us
    )


def mouths(
    observations: Mapping[str, Sequence[Observation]],
    turns: Sequence[Turn] = (),
    bindings: Sequence[Bound] = (),
) -> tuple[Seen, ...]:
    """Every observation that shows a mouth while someone is heard, in order of time.

    Args:
        observations: of every modality.
        turns: who is heard when; without them all that is heard is one voice nobody knows.
        bindings: whose voices they are.
    """
    voices = heard(observations, turns)
    stretches = [Stretch(parts) for _, parts in voices]
    during = Overlaps(stretch.whole for stretch in stretches)
    bound = {one.speaker: one for one in bindings if one.confidence >= MIN_BOUND}
    in_view: dict[tuple[str, int, Span], list[tuple[str | None, Movement]]] = {}
    for modality, subject, seen in subjects(observations):
        for at in sorted({i for one in seen for i in during.during(one.span)}):
            for movement in movements(seen, stretches[at]):
                in_view.setdefault((modality, at, movement.span), []).append((subject, movement))
    judged = [
        seen
        for (modality, at, _), together in in_view.items()
        for seen in _judged(modality, voices[at][0], together, bound)
    ]
    return tuple(
        sorted(judged, key=lambda one: (one.span, one.modality, one.subject or "", one.speaker or ""))
    )


def _judged(
    modality: str,
    speaker: str | None,
    together: Sequence[tuple[str | None, Movement]],
    bound: Mapping[str, Bound],
) -> list[Seen]:
    """Those in view of one modality in one piece of time under one voice."""
    priors, elsewhere = _priors(modality, speaker, [subject for subject, _ in together], bound)
    odds = [0.0 if of.evidence is None else of.evidence for _, of in together]
    weights = [prior * math.exp(value) for (prior, _), value in zip(priors, odds, strict=True)]
    total = sum(weights) + elsewhere
    first, second = (*sorted(weights, reverse=True), 0.0)[:2]
    # The highest of the others, without looking through all of them for each.
    return [
        Seen(
            of.span,
            modality,
            subject,
            of.evidence,
            of.closed,
            weight / total,
            max(elsewhere if knows else 0.0, second if weight == first else first) / total,
            speaker,
        )
        for (subject, of), weight, (_, knows) in zip(together, weights, priors, strict=True)
    ]


def _priors(
    modality: str, speaker: str | None, in_view: Sequence[str | None], bound: Mapping[str, Bound]
) -> tuple[list[tuple[float, bool]], float]:
    """How likely each in view is to be the speaker before its mouth is looked at, and that none of them is.

    With each: whether the voice is known not to be its own, so that somebody out of view may be its rival. A
    subject bound to no voice may be one that is bound, seen in another shot.
    """
    binding = bound.get(speaker) if speaker is not None else None
    if binding is None or binding.modality not in (None, modality):
        return [(1.0, False)] * len(in_view), OFF_SCREEN
    sure = binding.confidence
    if binding.modality is None:
        return [((1 - sure) / len(in_view), True)] * len(in_view), sure
    if binding.subject in in_view:
        rest = (1 - sure) / len(in_view)
        return [(sure if one == binding.subject else rest, False) for one in in_view], rest
    others = {
        one.subject: one.confidence
        for name, one in bound.items()
        if name != speaker and one.modality == modality
    }
    priors = [(1 - others[one], True) if one in others else (1.0, False) for one in in_view]
    return priors, OFF_SCREEN


def subjects(
    observations: Mapping[str, Sequence[Observation]],
) -> list[tuple[str, str | None, list[Sight]]]:
    """Modality, subject and sights in order of time of everyone who shows a mouth."""
    by_subject: dict[tuple[str, str | None], list[Observation]] = {}
    for modality, own in observations.items():
        for one in own:
            if MOUTH_MOTION_KEY in one.evidence or LIP_GAP_KEY in one.evidence:
                by_subject.setdefault((modality, one.subject), []).append(one)
    return [(*who, sights(sorted(showing, key=lambda one: one.span))) for who, showing in by_subject.items()]


def heard(
    observations: Mapping[str, Sequence[Observation]], turns: Sequence[Turn] = ()
) -> list[tuple[str | None, list[Span]]]:
    """Stretches of speech, each as its speaker and its parts.

    A pause of ``PAUSE_US`` or less does not end a stretch, another speaker does. Without turns all is one
    voice, called None; with turns, what none of them covers is left out.
    """
    voices: list[tuple[str | None, Span]] = [
        (one.speaker, one.span) for one in sorted(turns, key=lambda one: (one.span, one.speaker))
    ]
    if not turns:
        hearing = (
            one.span
            for own in observations.values()
            for one in own
            if one.status is Status.OK and SPEECH_SHARE_KEY in one.evidence
        )
        voices = [(None, part) for part in united(hearing)]
    stretches: list[tuple[str | None, list[Span]]] = []
    for speaker, span in voices:
        goes_on = bool(stretches) and stretches[-1][0] == speaker
        if goes_on and span.start_us - stretches[-1][1][-1].end_us <= PAUSE_US:
            parts = stretches[-1][1]
            parts[-1:] = united([parts[-1], span])
        else:
            stretches.append((speaker, [span]))
    return stretches
