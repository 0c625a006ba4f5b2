"""The detector: from stretches of film to explained conflicts. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.config import ConflictSection
from pipeline.fusion.align import finer
from pipeline.fusion.belief import prior_of
from pipeline.fusion.channels import Apart, Channels, abstentions, channels_of
from pipeline.fusion.conflict import Limits, Timeline, candidates, compare, events
from pipeline.fusion.explain import Case, explained
from pipeline.fusion.null import chance_rate_per_minute, operating_point, shuffled
from pipeline.fusion.readings import ReadingRule
from pipeline.fusion.reliability import unmeasured
from pipeline.fusion.speaking import Silent, not_speaking, of_speakers
from pipeline.records import MOUTH_MOTION_KEY
from pipeline.types import (
    US_PER_S,
    Abstention,
    Bound,
    Conflict,
    ModelCard,
    Moment,
    Observation,
    Reliability,
    Turn,
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the detector looks at.

    ``stretches`` tile the film (``align.finer``); ``apart`` says where two modalities do not come from one
    person; events never last across ``cuts_us``.
    """

    stretches: Sequence[Moment]
    observations: Mapping[str, Sequence[Observation]]
    reliabilities: Mapping[str, Reliability | None]
    apart: Sequence[Apart] = ()
    cuts_us: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What was found; ``enter`` is the evidence, B / (1 + B), from which an event began."""

    conflicts: tuple[Conflict, ...]
    abstentions: tuple[Abstention, ...]
    chance_per_minute: float | None
    enter: float


def apart_of(observations: Mapping[str, Sequence[Observation]], still: Sequence[Silent]) -> tuple[Apart, ...]:
    """Where a face does not speak while someone is heard: it is apart from every channel without a mouth."""
    mouthless = [
        name for name, own in observations.items() if not any(MOUTH_MOTION_KEY in one.evidence for one in own)
    ]
    return tuple(
        Apart(silent.span, silent.modality, silent.subject, other) for silent in still for other in mouthless
    )


def seen_of(
    moments: Sequence[Moment],
    observations: Mapping[str, Sequence[Observation]],
    cards: Mapping[str, ModelCard],
    cuts_us: Sequence[int],
    stretch_s: float,
    *,
    turns: Sequence[Turn] = (),
    bindings: Sequence[Bound] = (),
) -> Seen:
    """What the detector looks at, from what the stages before it leave.

    ``observations`` has every modality of the moments, none for one that failed; ``cards`` those of the
    models that read them; ``turns`` say who is heard when, and ``bindings`` whose voices they are.
    """
    still = not_speaking(observations, turns, bindings)
    return Seen(
        stretches=finer(
            moments,
            of_speakers(observations, still, turns, bindings),
            round(stretch_s * US_PER_S),
            cuts_us,
        ),
        observations=observations,
        reliabilities={name: _reliability(cards.get(name)) for name in observations},
        apart=apart_of(observations, still),
        cuts_us=cuts_us,
    )


def _reliability(card: ModelCard | None) -> Reliability | None:
    """How reliable a model is, as far as its card tells; None without a card."""
    if card is None:
        return None
    return card.reliability or unmeasured({one for one in card.canonical.values() if one is not None})


def evidence_of(seen: Seen) -> tuple[Timeline, Channels, npt.NDArray[np.float64]]:
    """The stretches, what every channel says in them, and how well each state explains that."""
    cuts = frozenset(seen.cuts_us)
    timeline = Timeline(
        tuple(one.span for one in seen.stretches),
        frozenset(i for i, one in enumerate(seen.stretches) if one.span.start_us in cuts),
    )
    channels = channels_of(seen.stretches, seen.apart)
    return timeline, channels, channels.likelihoods(seen.reliabilities)


def limits_of(section: ConflictSection) -> Limits:
    """The thresholds of a settings section."""
    return Limits(
        section.enter,
        section.leave,
        round(section.min_duration_s * US_PER_S),
        round(section.merge_gap_s * US_PER_S),
    )


def find(seen: Seen, section: ConflictSection, rules: tuple[ReadingRule, ...]) -> Found:
    """Conflicts of a film, what could not be compared, and how many alarms a minute chance would give."""
    timeline, channels, likelihoods = evidence_of(seen)
    prior = prior_of(section.apart)
    asked = limits_of(section)
    # Held by what may become an event, since dozens of whole films would be hundreds of megabytes an hour.
    nulls = [candidates(null, asked) for null in shuffled(timeline, channels, likelihoods, prior)]
    limits = operating_point(nulls, asked, section.most_false_alarms_per_minute)
    film = compare(timeline, channels, likelihoods, prior)
    case = Case(seen.stretches, film, likelihoods, seen.observations, seen.reliabilities, prior, limits)
    return Found(
        tuple(explained(event, case, rules) for event in events(film, limits)),
        abstentions(seen.stretches, seen.apart),
        chance_rate_per_minute(nulls, limits),
        limits.enter,
    )
