"""What the marks come to, for a person and for a program."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.cells import cell_len

from pipeline.review.agreement import LEAST_EVENTS, Agreement, Interval, Precision
from pipeline.review.outcome import Disagreement, Outcome
from pipeline.review.propose import Point, Proposal
from pipeline.types import US_PER_S
from pipeline.writers.columns import display
from pipeline.writers.evidence import bayes_factor, factor_of
from pipeline.writers.facts import one_line, time_code

DECIMALS = 4
MOST_LISTED = 20
NAME_CELLS = 20
COUNTS = f"{'right':>6} {'wrong':>6} {'unsure':>6} {'precision':>10}  {'95 % interval':<14}"
NOTHING_MISSED = (
    "Only what was flagged at the present operating point was seen: what was missed is unknown, and a lower\n"
    "point cannot be proposed from this. Points were compared on the films they are for: check it on others."
)


def as_text(found: Outcome) -> str:
    """The account a person reads."""
    raters = f"{len(found.raters)} rater{'s' * (len(found.raters) != 1)} ({', '.join(found.raters)})"
    marked = sum(one.marked for one in (found.alarms, found.foils, *found.information.values()))
    lines = [
        f"{marked} of {found.asked} events marked by {raters}",
        "",
        f"{'':<{NAME_CELLS}} {'marked':>6} {COUNTS} if unsure counts",
    ]
    lines += [_line("alarms", found.alarms), *_table(found.kinds)]
    if found.information:
        lines += ["information, no alarm:", *_table(found.information)]
    if len(found.raters) > 1:
        lines += ["alarms by rater:", *_table(found.by_rater)]
    if found.foils_by_rater:
        lines += ["stretches without an alarm, put in unmarked (right: said to be a conflict):"]
        lines += [
            _line("  all", found.foils),
            *(_table(found.foils_by_rater) if len(found.raters) > 1 else ()),
        ]
    lines += ["", *_agreement(found), *_disagreements(found.disagreements), "", *_proposal(found)]
    return "\n".join([*lines, *found.notes])


def _table(named: Mapping[str, Precision]) -> Iterator[str]:
    return (_line(f"  {name}", one) for name, one in named.items())


def _line(name: str, one: Precision) -> str:
    value = "" if one.value is None else f"{one.value:.2f}"
    counted = f"{one.least:.2f} to {one.most:.2f}" if one.unsure else ""
    padding = " " * (NAME_CELLS - cell_len(name))  # a Chinese character fills two cells
    return (
        f"{name}{padding} {one.marked:>6} {one.right:>6} {one.wrong:>6} {one.unsure:>6} {value:>10}  "
        f"{_range(one.interval):<14} {counted}"
    ).rstrip()


def _range(interval: Interval | None) -> str:
    return "" if interval is None else f"{interval[0]:.2f} to {interval[1]:.2f}"


def _agreement(found: Outcome) -> Iterator[str]:
    if len(found.raters) < 2:
        yield "agreement: it takes a second rater, who marks a sheet of their own"
        return
    for one in found.kappas:
        yield f"Cohen's kappa, {' and '.join(one.raters)}: {_coefficient(one, 'events')}"
    yield f"Krippendorff's alpha, all: {_coefficient(found.alpha, 'pairs of marks')}"


def _coefficient(one: Agreement, of: str) -> str:
    if one.same is None:
        return f"none; {one.undefined}"
    same = f"the same verdict in {one.same:.0%} of {of}, {one.n} event{'s' * (one.n != 1)}"
    if one.value is None:
        return f"undefined, {one.undefined}; {same}"
    if one.interval is None:
        few = one.n < LEAST_EVENTS
        why = f"too few for an interval, it takes {LEAST_EVENTS}" if few else "too one-sided for an interval"
        return f"{one.value:.2f} ({same}; {why})"
    return f"{one.value:.2f} (95 % interval {_range(one.interval)}; {same})"


def _disagreements(found: Iterable[Disagreement]) -> Iterator[str]:
    every = list(found)
    if every:
        yield from ("", "not of one mind:")
    for one in every[:MOST_LISTED]:
        channels = " + ".join(display(m).noun for m in one.channels)
        said = ", ".join(f"{rater} {verdict}" for rater, verdict in one.verdicts.items())
        yield f"  {one_line(one.video)}  {time_code(one.span.start_us)}  {one.kind} {channels}: {said}"
    if len(every) > MOST_LISTED:
        yield f"  and {len(every) - MOST_LISTED} more; --json lists all"


def _proposal(found: Outcome) -> Iterator[str]:
    if found.proposal is None:
        missing = "the evidence of the events is not at hand; name their results with --results"
        yield f"operating point: {missing if found.alarms.marked else 'no alarm was marked'}"
        return
    asked = found.proposal
    yield f"operating point: where the 95 % interval of the precision begins at {asked.asked:g} or above"
    if found.without_analysis:
        yield f"  {found.without_analysis} marked events are left out: their results are not at hand"
    yield f"  {'enter':>11} {'evidence B':>11} {'alarms':>7} {COUNTS}".rstrip()
    yield from (_point(point) for point in _shown(asked))
    yield from _advice(asked)
    for film, rate in found.chance:
        yield "  " + one_line(
            f"{film}: alarms by chance at its present point were not estimated"
            if rate is None
            else f"{film}: chance alone would give {rate:.2f} alarms a minute at its present point"
        )
    yield NOTHING_MISSED


def _shown(asked: Proposal) -> list[Point]:
    """All points, or evenly some of them with the chosen one."""
    step = -(-len(asked.points) // MOST_LISTED)
    return [p for i, p in enumerate(asked.points) if i % step == 0 or p is asked.chosen]


def _point(point: Point) -> str:
    kept = point.kept
    value = "" if kept.value is None else f"{kept.value:.2f}"
    return (
        f"  {point.enter:>11.9g} {bayes_factor(factor_of(point.enter)):>11} {kept.marked:>7} {kept.right:>6} "
        f"{kept.wrong:>6} {kept.unsure:>6} {value:>10}  {_range(kept.interval)}"
    ).rstrip()


def _advice(asked: Proposal) -> Iterator[str]:
    if asked.chosen is not None:
        same = asked.chosen.enter == asked.present
        what = "the present point does it" if same else "put this into the file given with --config"
        unsure = asked.chosen.kept.unsure
        yield f"  {what}{f', were the {unsure} unsure no worse' if unsure else ''}:"
        yield from ("", "[conflict]", f"enter = {asked.chosen.enter:.9g}", "")
        return
    nearest = asked.nearest
    if nearest is None:
        yield "  nothing can be proposed: no event was called right or wrong"
    else:
        value, n = nearest.kept.value, nearest.kept.decided
        yield f"  nothing can be proposed; nearest is {nearest.enter:.9g}, precision {value:.2f} of {n},"
        yield (
            "  which no number of marks would lift to what is asked"
            if asked.needed is None
            else f"  for which it would take about {asked.needed} events called right or wrong"
        )
    yield f"  (were every event right, it would still take {asked.least_needed})"


def as_json(found: Outcome) -> dict[str, Any]:
    """The same with every disagreement and point, as JSON values."""
    return {
        "raters": list(found.raters),
        "asked": found.asked,
        "alarms": _figures(found.alarms),
        "kinds": _each(found.kinds),
        "information": _each(found.information),
        "by_rater": _each(found.by_rater),
        "foils": _figures(found.foils),
        "foils_by_rater": _each(found.foils_by_rater),
        "cohen_kappa": [_coefficient_json(one) for one in found.kappas],
        "krippendorff_alpha": _coefficient_json(found.alpha),
        "disagreements": [
            {
                "event": one.event,
                "video": one.video,
                "start_s": one.span.start_us / US_PER_S,
                "end_s": one.span.end_us / US_PER_S,
                "time_code": time_code(one.span.start_us),
                "kind": one.kind,
                "channels": list(one.channels),
                "verdicts": dict(one.verdicts),
                "notes": dict(one.notes),
            }
            for one in found.disagreements
        ],
        "operating_point": None if found.proposal is None else _proposal_json(found.proposal),
        "false_alarms_per_minute": [{"video": film, "by_chance": rate} for film, rate in found.chance],
        "without_analysis": found.without_analysis,
        "notes": list(found.notes),
    }


def _each(named: Mapping[str, Precision]) -> dict[str, Any]:
    return {name: _figures(one) for name, one in named.items()}


def _figures(one: Precision) -> dict[str, Any]:
    return {
        "marked": one.marked,
        "right": one.right,
        "wrong": one.wrong,
        "unsure": one.unsure,
        "precision": _rounded(one.value),
        "interval": _rounded_pair(one.interval),
        "if_unsure_wrong": _rounded(one.least),
        "if_unsure_right": _rounded(one.most),
    }


def _coefficient_json(one: Agreement) -> dict[str, Any]:
    return {
        "raters": list(one.raters),
        "events": one.n,
        "same": _rounded(one.same),
        "value": _rounded(one.value),
        "interval": _rounded_pair(one.interval),
        "undefined": one.undefined or None,
    }


def _proposal_json(one: Proposal) -> dict[str, Any]:
    return {
        "precision_asked": one.asked,
        "present": one.present,
        "enter": None if one.chosen is None else one.chosen.enter,
        "nearest": None if one.nearest is None else one.nearest.enter,
        "marks_needed": one.needed,
        "marks_needed_if_all_right": one.least_needed,
        "points": [{"enter": p.enter, **_figures(p.kept)} for p in one.points],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DECIMALS)


def _rounded_pair(pair: Interval | None) -> list[float] | None:
    return None if pair is None else [round(value, DECIMALS) for value in pair]
