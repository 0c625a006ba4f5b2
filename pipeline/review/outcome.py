"""What the marks of all raters come to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.records import ANALYSIS_FILE, read_record
from pipeline.review.agreement import Agreement, Precision, alpha, kappas, precision
from pipeline.review.events import SHA_CHARACTERS, Event, ReviewError, events
from pipeline.review.marks import Marked, Verdict, gather, of_events
from pipeline.review.propose import Judged, Proposal, propose
from pipeline.review.rows import Sheet, read_sheet
from pipeline.types import ALARMS, Analysis, Span
from pipeline.writers.facts import one_line


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An event about which raters are not of one mind; ``video`` is a name, or how its SHA-256 begins."""

    event: str
    video: str
    span: Span
    kind: str
    channels: tuple[str, ...]
    verdicts: Mapping[str, Verdict]
    notes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Figures over events take one verdict each, that of most raters.

    ``chance`` is each film with the alarms a minute expected by chance at its present operating point.
    ``proposal`` is None where the events are in no analysis at hand; ``without_analysis`` counts those whose
    film has none.
    """

    raters: tuple[str, ...]
    asked: int
    alarms: Precision
    kinds: Mapping[str, Precision]
    information: Mapping[str, Precision]
    foils: Precision
    foils_by_rater: Mapping[str, Precision]
    by_rater: Mapping[str, Precision]
    kappas: tuple[Agreement, ...]
    alpha: Agreement
    disagreements: tuple[Disagreement, ...]
    proposal: Proposal | None
    chance: tuple[tuple[str, float | None], ...]
    without_analysis: int
    notes: tuple[str, ...]


def read_analysis(folder: Path) -> Analysis:
    """The analysis in a results folder. Raises ReviewError."""
    path = folder / ANALYSIS_FILE
    if not path.is_file():
        raise ReviewError(
            f"{folder} holds no {ANALYSIS_FILE}; give a folder that `emotion-pipeline analyze` left"
        )
    try:
        return read_record(path, Analysis)
    except (ValueError, OSError):
        raise ReviewError(
            f"{path} cannot be read; run `emotion-pipeline analyze` on its video again"
        ) from None


def read(sheets: Sequence[Path], results: Sequence[Path], precision_asked: float) -> Outcome:
    """Read sheets and the analyses in ``results`` and beside the sheets. Raises ReviewError."""
    beside = [p.parent for p in sheets if (p.parent / ANALYSIS_FILE).is_file()]
    folders = dict.fromkeys((*(f.resolve() for f in results), *(f.resolve() for f in beside)))
    films: dict[str, Analysis] = {}
    for folder in folders:
        analysis = read_analysis(folder)
        films.setdefault(analysis.media.sha256[:SHA_CHARACTERS], analysis)  # named ones come first
    return outcome([read_sheet(path) for path in sheets], films, precision_asked)


def outcome(sheets: Sequence[Sheet], films: Mapping[str, Analysis], precision_asked: float) -> Outcome:
    """``films`` by the start of their SHA-256. Raises ReviewError."""
    found = {sha: {event.id: event for event in events(film)} for sha, film in films.items()}
    marked = gather(sheets)
    alarm = {e for e, named in marked.asked.items() if not named.foil and named.kind in ALARMS}
    foil = {e for e, named in marked.asked.items() if named.foil}
    verdicts = of_events(marked.marks)
    film_events = {event: one for known in found.values() for event, one in known.items()}
    judged = alarm & set(verdicts)
    seen = [films[sha] for sha in sorted({marked.asked[e].video for e in judged & set(film_events)})]
    changed = [
        films[marked.asked[e].video].name for e in judged - set(film_events) if _is_of(marked, e, films)
    ]
    return Outcome(
        raters=marked.raters,
        asked=len(marked.asked),
        alarms=precision(v for e, v in verdicts.items() if e in alarm),
        kinds=_by_kind(marked, verdicts, alarm),
        information=_by_kind(marked, verdicts, set(marked.asked) - alarm - foil),
        foils=precision(v for e, v in verdicts.items() if e in foil),
        foils_by_rater=_by_rater(marked, foil) if foil else {},
        by_rater=_by_rater(marked, alarm),
        kappas=kappas(marked.marks, marked.raters),
        alpha=alpha(marked.marks, marked.raters),
        disagreements=_disagreements(marked, films),
        proposal=_proposal(_judged(verdicts, alarm, film_events), seen, precision_asked),
        chance=tuple((film.name, film.false_alarms_per_minute) for film in seen),
        without_analysis=sum(not _is_of(marked, e, films) for e in judged),
        notes=(
            *_unknown(changed),
            *(
                f"{sheet.path} is not in Unicode: letters in notes and names may be garbled"
                for sheet in sheets
                if not sheet.readable
            ),
        ),
    )


def _is_of(marked: Marked, event: str, films: Mapping[str, Analysis]) -> bool:
    return marked.asked[event].video in films


def _unknown(films: Sequence[str]) -> Iterator[str]:
    """What became of events of ``films``, a name per event, that their analysis at hand does not know."""
    if films:
        names = ", ".join(map(one_line, sorted(set(films))))
        yield (
            f"{len(films)} marked events are not in the analysis at hand of {names}, which was made with "
            "other settings or another version: they count in the figures above, not in the operating point"
        )


def _by_kind(marked: Marked, verdicts: Mapping[str, Verdict], among: set[str]) -> dict[str, Precision]:
    kinds = sorted({marked.asked[event].kind for event in among})
    return {
        kind: precision(v for e, v in verdicts.items() if e in among and marked.asked[e].kind == kind)
        for kind in kinds
    }


def _by_rater(marked: Marked, among: set[str]) -> dict[str, Precision]:
    return {
        rater: precision(given[rater] for e, given in marked.marks.items() if e in among and rater in given)
        for rater in marked.raters
    }


def _disagreements(marked: Marked, films: Mapping[str, Analysis]) -> tuple[Disagreement, ...]:
    split = [(marked.asked[e], e, given) for e, given in marked.marks.items() if len(set(given.values())) > 1]
    return tuple(
        Disagreement(
            event=event,
            video=films[named.video].name if named.video in films else named.video,
            span=named.span,
            kind=named.kind,
            channels=named.channels,
            verdicts=given,
            notes={rater: marked.notes[event, rater] for rater in given if (event, rater) in marked.notes},
        )
        for named, event, given in sorted(split, key=lambda one: (one[0].video, one[0].span, one[1]))
    )


def _judged(
    verdicts: Mapping[str, Verdict], alarm: set[str], film_events: Mapping[str, Event]
) -> list[Judged]:
    return [
        Judged(film_events[event].evidence, verdict)
        for event, verdict in sorted(verdicts.items())
        if event in alarm and event in film_events
    ]


def _proposal(judged: Sequence[Judged], films: Sequence[Analysis], asked: float) -> Proposal | None:
    """From the strictest point that any of the films was run at: above it, all of them were seen whole."""
    if not judged:
        return None
    for film in films:
        if not film.operating_point:
            raise ReviewError(
                f"the results of {one_line(film.name)} are of an older version, without operating point; "
                "analyze the video again"
            )
    return propose(judged, max(film.operating_point for film in films), asked)
