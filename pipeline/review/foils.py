"""Stretches without an alarm, made to look like one, so that marking says something of what was missed. Pure.

A foil claims what an alarm there would have had to claim: the likeliest felt emotion of each of two channels,
where they differ. How often raters call such claims right is what the alarms' precision is held against.
"""

import random
from collections.abc import Sequence
from itertools import combinations

from pipeline.fusion.belief import KINDS, kind_table
from pipeline.fusion.readings import SHIPPED, load_rules, rule_of
from pipeline.labels import EMOTIONS, NEUTRAL
from pipeline.overlap import Overlaps
from pipeline.review.events import Event, event_of
from pipeline.types import ALARMS, US_PER_S, Analysis, Conflict, Moment, Scores, Span
from pipeline.writers.persons import naming

USUAL_US = 4 * US_PER_S  # how long a foil lasts in a film without alarms
SHORTEST_US = US_PER_S // 2


def foils(analysis: Analysis, n: int) -> tuple[Event, ...]:
    """Up to ``n`` of them, each in another moment, none over a conflict; the same ones for the same film."""
    draw = random.Random(f"foils {analysis.media.sha256}")
    lengths = [c.span.duration_us for c in analysis.conflicts if c.kind in ALARMS] or [USUAL_US]
    rules, shown_in = load_rules(SHIPPED), naming(analysis)
    conflicts, abstentions = (
        Overlaps(o.span for o in spanned) for spanned in (analysis.conflicts, analysis.abstentions)
    )
    found: list[Event] = []
    for moment in draw.sample(analysis.moments, len(analysis.moments)):
        if len(found) == n:
            break
        span = _part(moment.span, draw.choice(lengths), draw)
        out = [set(analysis.abstentions[i].modalities) for i in abstentions.during(span)]
        claims = [] if conflicts.during(span) else _claims(moment, out)
        if claims and span.duration_us >= SHORTEST_US:
            emotions = draw.choice(claims)
            kind = KINDS[_kind(emotions) - 1]
            rule = rule_of(kind, emotions, rules)
            label = "" if rule is None else rule.name
            words = moment.utterance.text if moment.utterance else ""
            claim = Conflict(span, kind, tuple(emotions), 0.0, 0.0, label, emotions, words=words)
            found.append(event_of(claim, analysis.media.sha256, shown_in(claim), foil=True))
    return tuple(found)


def _part(within: Span, length_us: int, draw: random.Random) -> Span:
    spare = max(0, within.duration_us - length_us)
    start_us = within.start_us + draw.randint(0, spare)
    return Span(start_us, min(start_us + length_us, within.end_us))


def _claims(moment: Moment, out: Sequence[set[str]]) -> list[dict[str, str]]:
    """What two channels could be said to show that is no masking and not the same, but for those ``out``."""
    felt = {m: _felt(r.scores) for m, r in moment.by_modality.items() if r.scores is not None}
    pairs = [p for p in combinations(sorted(felt), 2) if not any(gone <= set(p) for gone in out)]
    claims = [{modality: felt[modality] for modality in pair} for pair in pairs]
    return [claim for claim in claims if _kind(claim)]


def _kind(emotions: dict[str, str]) -> int:
    one, other = (EMOTIONS.index(emotion) for emotion in emotions.values())
    return int(kind_table()[one, other])


def _felt(scores: Scores) -> str:
    """The likeliest emotion but neutral."""
    return max(
        (e for e in EMOTIONS if e != NEUTRAL),
        key=lambda emotion: scores.probabilities[EMOTIONS.index(emotion)],
    )
