"""What the report shows, worked out before any markup: plain values the template only has to place."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.labels import EMOTIONS
from pipeline.overlap import Overlaps
from pipeline.types import US_PER_S, Analysis, Conflict, ModelCard, Moment
from pipeline.writers.columns import display
from pipeline.writers.evidence import nothing_found, reliability, scale
from pipeline.writers.facts import (
    Verdict,
    fused_verdict,
    lanes,
    one_line,
    ranked,
    thinned,
    time_code,
    verdict,
)
from pipeline.writers.film.strip import ticks
from pipeline.writers.palette import LETTERS, MARKS
from pipeline.writers.persons import naming, person_colours
from pipeline.writers.report.card import Card, card
from pipeline.writers.report.chart import chart
from pipeline.writers.report.chip import Block, Chip, block, chip, language_tag, seek, times
from pipeline.writers.report.coverage import Coverage, coverage_of
from pipeline.writers.report.scripts import as_json
from pipeline.writers.report.shares import Share, emotion_shares
from pipeline.writers.report.spread import spreads
from pipeline.writers.report.told import Skipped, skipped, summary, trust

PAPER_PX, LABEL_PX = 640, 48  # width of the still timeline, and of a time under it
COLUMNS = 600  # of the still timeline: what is finer is told by its longest part


@dataclass(frozen=True, slots=True)
class Strip:
    """One lane of the still timeline: for paper, and where no script runs."""

    name: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the moment table; the same row as in ``integrated.csv``."""

    time: str
    seek: str
    content: str
    language: str
    persons: tuple[str, ...]
    chips: tuple[Chip, ...]
    ranks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """A model that was used, and whether anyone measured how far to trust it."""

    name: str
    card: ModelCard
    reliability: str


@dataclass(frozen=True, slots=True)
class Page:
    """All that the template places. ``data`` is the timeline as JSON that may stand in a script element."""

    title: str
    summary: tuple[str, ...]
    has_film: bool
    names: tuple[str, ...]
    strips: tuple[Strip, ...]
    ticks: tuple[tuple[str, str], ...]
    cards: tuple[Card, ...]
    nothing: str
    lines: tuple[Line, ...]
    shares: tuple[Share, ...]
    persons: Mapping[str, str]
    scale: str
    trust: tuple[tuple[str, str], ...]
    coverage: tuple[Coverage, ...]
    skipped: tuple[Skipped, ...]
    legend: tuple[tuple[str, Chip], ...]
    marks: Mapping[str, str]
    models: tuple[Model, ...]
    warnings: tuple[str, ...]
    duration_s: str
    data: str


def page(analysis: Analysis, stills: Mapping[int, str] | None = None) -> Page:
    """Everything the template shows; ``stills`` are pictures as data URIs, by the rank of their conflict."""
    order = ranked(analysis.conflicts)
    shown, spread, named, pictures = lanes(analysis), spreads(analysis), naming(analysis), stills or {}
    languages = _languages(analysis, order)
    coverage = tuple(coverage_of(analysis, modality) for modality in analysis.modalities)
    return Page(
        title=one_line(analysis.name),
        summary=summary(analysis, coverage),
        has_film=analysis.media.has_video,
        names=tuple(lane.display.noun for lane in shown),
        strips=tuple(
            Strip(
                lane.display.noun,
                tuple(
                    block(s, v, lane.display.noun, analysis.media)
                    for s, v in thinned(lane.stretches, analysis.media.duration_us, COLUMNS)
                ),
            )
            for lane in shown
        ),
        ticks=_ticks(analysis.media.duration_us),
        cards=tuple(
            card(
                rank,
                conflict,
                analysis.media,
                spread,
                named(conflict),
                language=language,
                still=pictures.get(rank, ""),
            )
            for rank, (conflict, language) in enumerate(zip(order, languages, strict=True), start=1)
        ),
        nothing=nothing_found(analysis),
        lines=_lines(analysis, order),
        shares=emotion_shares(analysis),
        persons=person_colours(analysis),
        scale=scale(),
        trust=trust(analysis),
        coverage=coverage,
        skipped=skipped(analysis),
        legend=tuple((LETTERS[e], chip(Verdict(e, None))) for e in EMOTIONS),
        marks=MARKS,
        models=tuple(
            Model(display(m).noun, used, reliability(used) if m in analysis.modalities else "")
            for m, used in analysis.models.items()
        ),
        warnings=tuple(one_line(warning) for warning in analysis.warnings),
        duration_s=f"{analysis.media.duration_us / US_PER_S:.3f}",
        data=as_json(chart(analysis, order)),
    )


def _languages(analysis: Analysis, order: Sequence[Conflict]) -> Iterator[str]:
    """The one language spoken during each conflict; empty when there are several or none."""
    utterances = analysis.transcript.utterances
    spoken = Overlaps(utterance.span for utterance in utterances)
    for conflict in order:
        tags = {language_tag(utterances[i].language) for i in spoken.during(conflict.span)}
        yield tags.pop() if len(tags) == 1 else ""


def _ticks(duration_us: int) -> tuple[tuple[str, str], ...]:
    """Round times with their places in per cent of the film."""
    marked = ticks(duration_us, PAPER_PX, LABEL_PX)
    return tuple((f"{100 * us / max(1, duration_us):.2f}", time_code(us)[:-2]) for us in marked)


def _lines(analysis: Analysis, order: Sequence[Conflict]) -> tuple[Line, ...]:
    conflicts = Overlaps(conflict.span for conflict in order)
    return tuple(
        Line(
            time=times(moment.span),
            seek=seek(moment.span.start_us),
            content=moment.utterance.text if moment.utterance else "",
            language=language_tag(moment.utterance.language) if moment.utterance else "",
            persons=_persons(moment),
            chips=(
                *(chip(verdict(moment, m, analysis.modalities)) for m in analysis.modalities),
                chip(fused_verdict(fused)),
            ),
            ranks=tuple(place + 1 for place in conflicts.during(moment.span)),
        )
        for moment, fused in zip(analysis.moments, analysis.fused, strict=True)
    )


def _persons(moment: Moment) -> tuple[str, ...]:
    subjects = (reading.subject for reading in moment.by_modality.values())
    return tuple(sorted({subject for subject in subjects if subject is not None}))
