"""The short account of a run: for a person at the keyboard, and as one JSON object for a program."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from pipeline.job import Result
from pipeline.labels import top
from pipeline.types import ALARMS, US_PER_S, Analysis, Status
from pipeline.writers.evidence import (
    about,
    bayes_factor,
    because,
    caution,
    compared_us,
    expected_by_chance,
    factor_of,
    grade,
    nothing_found,
    of_film,
)
from pipeline.writers.facts import headline, one_line, percent, ranked, time_code
from pipeline.writers.persons import naming

MOST_LISTED = 3


def modality_facts(analysis: Analysis) -> dict[str, dict[str, Any]]:
    """Per modality: share of the film with scores, dominant emotion by time, persons, statuses by time."""
    facts = {}
    for modality in analysis.modalities:
        by_status: dict[str, int] = defaultdict(int)
        by_emotion: dict[str, int] = defaultdict(int)
        for moment in analysis.moments:
            reading = moment.by_modality[modality]
            by_status[reading.status] += moment.span.duration_us
            if reading.scores is not None:
                by_emotion[top(reading.scores)[0]] += round(reading.coverage * moment.span.duration_us)
        subjects = {o.subject for o in analysis.observations.get(modality, ()) if o.subject is not None}
        facts[modality] = {
            "coverage": round(sum(by_emotion.values()) / max(1, analysis.media.duration_us), 4),
            "dominant_emotion": max(by_emotion, key=lambda e: (by_emotion[e], e)) if by_emotion else None,
            "subjects": len(subjects),
            "status": max(by_status, key=lambda s: (by_status[s], s)) if by_status else Status.FAILED.value,
        }
    return facts


def as_json(result: Result, exit_code: int) -> dict[str, Any]:
    """The summary as JSON values."""
    analysis = result.analysis
    found: Mapping[str, Any] = {}
    if analysis is not None:
        shown = naming(analysis)
        found = {
            "duration_s": round(analysis.media.duration_us / US_PER_S, 3),
            "modalities": modality_facts(analysis),
            "models": {modality: card.id for modality, card in analysis.models.items()},
            "utterances": len(analysis.transcript.utterances),
            "transcript_source": analysis.transcript.source,
            "false_alarms_per_minute": analysis.false_alarms_per_minute,
            "operating_point": analysis.operating_point,
            "operating_point_asked": analysis.operating_point_asked,
            "not_compared": [
                {
                    "modalities": list(n.modalities),
                    "reason": n.reason,
                    "seconds": round(n.time_us / US_PER_S, 2),
                }
                for n in of_film(analysis)
            ],
            "conflicts": [
                {
                    "start_s": round(c.span.start_s, 2),
                    "end_s": round(c.span.end_s, 2),
                    "kind": c.kind,
                    "emotions": dict(c.emotions),
                    "strength": c.strength,
                    "confidence": c.confidence,
                    "reading": c.label,
                    "why": because(c, shown(c)),
                    "evidence": c.evidence,
                    "probabilities": dict(c.probabilities),
                    "prior": c.prior,
                    "best_s": None if c.best_us is None else round(c.best_us / US_PER_S, 3),
                    "words": c.words,
                }
                for c in ranked(analysis.conflicts)
            ],
        }
    return {
        "exit_code": exit_code,
        "out": str(result.out),
        "files": [path.name for path in result.files],
        "missing": dict(result.missing),
        "warnings": list(result.warnings),
        "losses": list(result.losses),
        "stages_run": list(result.ran),
        "seconds": result.seconds,
        **found,
    }


def as_text(result: Result) -> str:
    """The summary for a person."""
    lines = [] if result.analysis is None else _found(result.analysis)
    lines += [f"lost: {one_line(loss)}" for loss in result.losses]
    lines += [f"note: {one_line(line)}" for line in result.warnings if line not in result.losses]
    lines += [f"missing: {stage}: {one_line(why)}" for stage, why in result.missing.items()]
    if result.files:
        lines += ["", f"results in {result.out}/", *(f"  {path.name}" for path in result.files)]
    done = f"{len(result.ran)} stages run" if result.ran or result.missing else "all stages were done before"
    lines.append(f"took {result.seconds:.1f} s ({done})")
    return "\n".join([*lines, *_partly(result)])


def _partly(result: Result) -> list[str]:
    """The sentence at the end of an account that has something missing or lost in it."""
    parts = []
    if result.missing:
        parts.append(f"{_count(len(result.missing), 'stage')} missing")
    if result.losses:
        parts.append(f"{_count(len(result.losses), 'loss', 'es')} of input")
    return [f"partly done: {' and '.join(parts)}, named above"] if parts else []


def _found(analysis: Analysis) -> list[str]:
    lines = [f"{one_line(analysis.name)}: {analysis.media.duration_us / US_PER_S:.1f} s"]
    for modality, facts in modality_facts(analysis).items():
        card = analysis.models.get(modality)
        with_model = f" [{card.id}]" if card else ""
        if facts["dominant_emotion"] is None:
            lines.append(f"  {modality:<6} {facts['status']}{with_model}")
            continue
        persons = f", {facts['subjects']} persons" if facts["subjects"] > 1 else ""
        lines.append(
            f"  {modality:<6} mostly {facts['dominant_emotion']}, "
            f"read in {percent(facts['coverage'])} of the film{persons}{with_model}"
        )
    transcript = analysis.transcript
    if transcript.utterances:
        lines.append(f"  {len(transcript.utterances)} utterances from {transcript.source}")
    return lines + _conflict_lines(analysis)


def _conflict_lines(analysis: Analysis) -> list[str]:
    alarms = [c for c in analysis.conflicts if c.kind in ALARMS]
    masked = len(analysis.conflicts) - len(alarms)
    if not analysis.conflicts and not compared_us(analysis):
        return [nothing_found(analysis)]
    shown = naming(analysis)
    expected = _by_chance(len(alarms), expected_by_chance(analysis))
    found = _count(len(alarms), "possible conflict")
    counted = f"{found} ({expected}), {_count(masked, 'stretch', 'es')} of masking"
    lines = [counted, *_strictness(analysis)]
    lines += [
        f"  {time_code(conflict.span.start_us)}-{time_code(conflict.span.end_us)}  "
        f"{headline(conflict, shown(conflict))} "
        f"({grade(conflict.evidence)} evidence {bayes_factor(conflict.evidence)}, "
        f"strength {conflict.strength:.2f}, confidence {conflict.confidence:.2f})"
        for conflict in ranked(analysis.conflicts)[:MOST_LISTED]
    ]
    not_compared = [
        f"{' with '.join(one.nouns)} {one.time_us / US_PER_S:.1f} s ({one.reason.replace('_', ' ')})"
        for one in of_film(analysis)[:MOST_LISTED]
    ]
    return lines + ([f"not compared: {', '.join(not_compared)}"] if not_compared else [])


def _by_chance(alarms: int, expected: float | None) -> str:
    if expected is None:
        return "too little material to estimate how many chance would give"
    so = caution(alarms, expected)
    return f"chance alone would give {about(expected)}{f', {so}' if so else ''}"


def _count(many: int, noun: str, ending: str = "s") -> str:
    return f"{many} {noun}{'' if many == 1 else ending}"


def _strictness(analysis: Analysis) -> list[str]:
    """A line where conflicts were counted more strictly than the settings say."""
    used, asked = analysis.operating_point, analysis.operating_point_asked
    if used <= asked:
        return []
    return [
        f"  counted from a Bayes factor of {bayes_factor(factor_of(used))} on instead of "
        f"{bayes_factor(factor_of(asked))}, to keep the alarms by chance down"
    ]
