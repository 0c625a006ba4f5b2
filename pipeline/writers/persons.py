"""Which colour a person has in everything a person opens."""

from collections.abc import Mapping

from pipeline.types import Analysis
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
