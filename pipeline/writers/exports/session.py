"""``session.json``: one film as a program wants it, without having to know how the analysis is kept."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.engine.stage import Progress
from pipeline.labels import EMOTIONS, top
from pipeline.records import ANALYSIS_FILE, read_record, write_record
from pipeline.types import US_PER_S, Analysis, Conflict, ModelCard, Scores, Span, State, Status
from pipeline.writers.columns import FUSED, TRANSCRIBED, display
from pipeline.writers.evidence import because, rule, vanishing
from pipeline.writers.exports.session_schema import (
    SCHEMA,
    Details,
    Event,
    Judgement,
    Model,
    Result,
    Session,
    SessionInfo,
    Statistics,
)
from pipeline.writers.facts import (
    NO_FUSED,
    Shown,
    Verdict,
    as_covered,
    headline,
    hypothesis,
    observed,
    one_line,
    ranked,
)
from pipeline.writers.palette import is_emotion
from pipeline.writers.persons import naming

SESSION = "session.json"
OK = str(Status.OK)


def run(inputs: Mapping[str, Path], settings: Any, out: Path, progress: Progress) -> None:
    """Stage ``export-session``."""
    analysis = read_record(inputs["analysis"] / ANALYSIS_FILE, Analysis)
    write_record(out / SESSION, session(analysis))
    progress(1.0)


def session(analysis: Analysis) -> Session:
    """The analysis as a session."""
    results = (*_observed(analysis), *_together(analysis))
    shown_in, order = naming(analysis), ranked(analysis.conflicts)
    events = tuple(_event(rank, c, shown_in(c)) for rank, c in enumerate(order, start=1))
    return Session(_info(analysis, results), statistics(analysis), Details(results, events))


def _info(analysis: Analysis, results: Iterable[Result]) -> SessionInfo:
    media = analysis.media
    spoken = (u.language for u in analysis.transcript.utterances)
    languages = dict.fromkeys(one for one in (analysis.transcript.language, *spoken) if one)
    persons = dict.fromkeys(one.person for one in results if one.person)
    chance = analysis.false_alarms_per_minute
    return SessionInfo(
        name=one_line(analysis.name),
        sha256=media.sha256,
        duration_s=_seconds(media.duration_us),
        has_video=media.has_video,
        has_audio=media.has_audio,
        fps=round(media.fps, 6) if media.has_video else None,
        width_px=media.width_px if media.has_video else None,
        height_px=media.height_px if media.has_video else None,
        channels=(*(display(m).noun for m in analysis.modalities), FUSED.noun),
        emotions=EMOTIONS,
        persons=tuple(persons),
        languages=tuple(languages),
        models=tuple(_model(m, card) for m, card in analysis.models.items()),
        schema_version=SCHEMA,
        analysis_schema_version=analysis.schema_version,
        conflicts_by_chance_per_minute=None if chance is None else _share(chance),
        warnings=tuple(map(one_line, analysis.warnings)),
    )


def _model(modality: str, card: ModelCard) -> Model:
    return Model(display(modality).noun, card.id, card.revision, card.sha256, card.licence)


def _observed(analysis: Analysis) -> Iterator[Result]:
    texts = {u.span: one_line(u.text) for u in analysis.transcript.utterances}
    for modality in analysis.modalities:
        noun = display(modality).noun
        for one in analysis.observations.get(modality, ()):
            text = texts.get(one.span) if modality == TRANSCRIBED else None
            status, quality = str(one.status), _share(one.quality)
            yield _result(noun, one.span, status, one.scores, person=one.subject, quality=quality, text=text)


def _together(analysis: Analysis) -> Iterator[Result]:
    for one, moment in zip(analysis.fused, analysis.moments, strict=True):
        text = one_line(moment.utterance.text) if moment.utterance else None
        status = OK if one.scores else NO_FUSED
        yield _result(FUSED.noun, one.span, status, one.scores, text=text)


def _result(
    channel: str,
    span: Span,
    status: str,
    scores: Scores | None,
    *,
    person: str | None = None,
    quality: float | None = None,
    text: str | None = None,
) -> Result:
    emotion, confidence = top(scores) if scores else (None, None)
    return Result(
        channel=channel,
        person=person,
        timestamp=_seconds(span.start_us),
        end=_seconds(span.end_us),
        status=status,
        emotion=emotion,
        confidence=None if confidence is None else _share(confidence),
        probabilities=(
            {e: _share(p) for e, p in zip(EMOTIONS, scores.probabilities, strict=True)} if scores else None
        ),
        unmapped=_share(scores.unmapped) if scores else None,
        quality=quality,
        text=text or None,
    )


def statistics(analysis: Analysis) -> tuple[Statistics, ...]:
    """Per channel of everyone, as on the timeline; then per person whom a channel tells apart."""
    found = [_statistics(lane.display.noun, None, rows) for lane, rows in as_covered(analysis)]
    for modality in analysis.modalities:
        by_person: dict[str, list[tuple[Verdict, int, int]]] = {}
        for one in analysis.observations.get(modality, ()):
            if one.subject:
                by_person.setdefault(one.subject, []).append((observed(one), one.span.duration_us, 0))
        found += [_statistics(display(modality).noun, person, own) for person, own in by_person.items()]
    return tuple(found)


def _statistics(channel: str, person: str | None, said: Iterable[tuple[Verdict, int, int]]) -> Statistics:
    """From verdicts, each with the microseconds that were read and that were not."""
    spent = dict.fromkeys(EMOTIONS, 0)
    unknown, weighted = 0, 0.0
    for verdict, read_us, not_read_us in said:
        if is_emotion(verdict.key):
            spent[verdict.key] += read_us
            weighted += (verdict.confidence or 0.0) * read_us
            unknown += not_read_us
        else:
            unknown += read_us + not_read_us
    known = sum(spent.values())
    return Statistics(
        channel=channel,
        person=person,
        observed_s=_seconds(known),
        unknown_share=_share(unknown / (known + unknown)) if known + unknown else 1.0,
        distribution={emotion: _share(us / known) if known else 0.0 for emotion, us in spent.items()},
        average_confidence=_share(weighted / known) if known else None,
        dominant_emotion=max(spent, key=lambda emotion: spent[emotion]) if known else None,
    )


def _event(rank: int, conflict: Conflict, shown: Shown) -> Event:
    best = conflict.best_us
    return Event(
        rank=rank,
        timestamp=_seconds(conflict.span.start_us),
        end=_seconds(conflict.span.end_us),
        kind=conflict.kind,
        headline=one_line(headline(conflict, shown)),
        channels=tuple(display(m).noun for m in conflict.modalities),
        emotions={display(m).noun: emotion for m, emotion in conflict.emotions.items()},
        probabilities={display(m).noun: _share(p) for m, p in conflict.probabilities.items()},
        strength=_share(conflict.strength),
        confidence=_share(conflict.confidence),
        prior=None if conflict.prior is None else _share(conflict.prior),
        evidence=round(conflict.evidence, 2),
        reading=hypothesis(conflict),
        rule=rule(conflict),
        why=because(conflict, shown),
        words=one_line(conflict.words),
        best_timestamp=None if best is None else _seconds(best),
        read_together=_judged(conflict.fused),
        without={
            display(m).noun: Judgement(s.emotion, _share(s.probability)) for m, s in conflict.without.items()
        },
        vanishes_if=vanishing(conflict),
    )


def _judged(state: State | None) -> Judgement | None:
    return None if state is None else Judgement(state.emotion, _share(state.probability))


def _seconds(time_us: int) -> float:
    """To the microsecond: nothing is lost."""
    return round(time_us / US_PER_S, 6)


def _share(value: float) -> float:
    """To 4 decimals, as in the sheets."""
    return round(value, 4)
