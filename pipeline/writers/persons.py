"""Which colour a person has, and whom a conflict is about, in everything a person opens."""

from bisect import bisect_right
from collections.abc import Callable, Mapping

from pipeline.types import Analysis, Conflict
from pipeline.writers.facts import Shown
from pipeline.writers.palette import PERSONS


def person_colours(analysis: Analysis) -> Mapping[str, str]:
    """Hex colour per subject, handed out in order of first appearance; more persons than colours share.

    Persons who appear together are taken in the order of their ids (``P2`` before ``P10``).
    """
    first: dict[str, int] = {}
    for modality in analysis.modalities:
        for o in analysis.observations.get(modality, ()):
            if o.subject is not None:
                first[o.subject] = min(first.get(o.subject, o.span.start_us), o.span.start_us)
    order = sorted(first, key=lambda subject: (first[subject], len(subject), subject))
    return {subject: PERSONS[i % len(PERSONS)] for i, subject in enumerate(order)}


def naming(analysis: Analysis) -> Callable[[Conflict], Shown]:
    """Whom each modality showed during a conflict: ``shown`` of :func:`facts.headline` and its like.

    Nobody is named in a film of one person. Those whom a modality showed one after the other are joined.
    """
    if len(person_colours(analysis)) < 2:
        return lambda conflict: {}
    moments = sorted(analysis.moments, key=lambda m: m.span)
    starts = [m.span.start_us for m in moments]

    def shown(conflict: Conflict) -> Shown:
        found: dict[str, dict[str, None]] = {}
        first = max(0, bisect_right(starts, conflict.span.start_us) - 1)
        for moment in moments[first : bisect_right(starts, conflict.span.end_us)]:
            for modality in conflict.modalities:
                reading = moment.by_modality.get(modality)
                if reading is None or reading.scores is None or reading.subject is None:
                    continue
                if moment.span.overlap_us(conflict.span):
                    found.setdefault(modality, {})[reading.subject] = None
        return {modality: "+".join(subjects) for modality, subjects in found.items()}

    return shown
