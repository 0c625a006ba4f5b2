"""A small made-up analysis with all a writer can meet: absences, Chinese, hostile text, two persons."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.labels import EMOTIONS
from pipeline.records import write_record
from pipeline.types import (
    Abstention,
    Analysis,
    Conflict,
    Fused,
    MediaInfo,
    ModelCard,
    Moment,
    Observation,
    Reading,
    Reliability,
    Scores,
    Span,
    State,
    Status,
    Transcript,
    Turn,
    Utterance,
)

S = 1_000_000
HOSTILE = "</script><script>alert('x')</script> \\N{\\p1}m 0 0{b} & \"quoted\", 100%\nnext line"
LINES = (
    (0, 1_000_000, "我真的很開心，太好了"),
    (1_000_000, 1_400_005, "=SUM(A1:A9)"),
    (1_900_000, 2_700_000, HOSTILE),
)


def scores(emotion: str, probability: float, unmapped: float = 0.0) -> Scores:
    """``emotion`` has ``probability``, the rest is spread evenly."""
    rest = (1 - probability - unmapped) / (len(EMOTIONS) - 1)
    return Scores(tuple(probability if e == emotion else rest for e in EMOTIONS), unmapped)


def ok(emotion: str, probability: float, subject: str | None = None) -> Reading:
    return Reading(Status.OK, scores(emotion, probability), 0.8, 0.75, subject, 4)


def _seen() -> tuple[Observation, ...]:
    found = []
    for i in range(8):
        span, at = Span(i * 250_000, (i + 1) * 250_000), {"time_us": i * 250_000}
        if i in (5, 6):
            found.append(Observation("face", span, Status.NO_FACE))
            continue
        found.append(
            Observation(
                "face",
                span,
                Status.OK,
                scores("sad", 0.7 - i / 100),
                scores("sad", 0.6),
                "P1",
                0.9,
                {"box": [20.0 + i, 30.5, 40, 48], **at},
            )
        )
    box = {"box": [96, 28, 36, 44], "time_us": 0}
    found.insert(
        1, Observation("face", Span(0, 250_000), Status.OK, scores("neutral", 0.5), None, "P2", 0.4, box)
    )
    return tuple(found)


def _heard() -> tuple[Observation, ...]:
    share = {"speech_share": 0.8125}
    return (
        Observation(
            "voice",
            Span(0, 1_400_005),
            Status.OK,
            scores("angry", 0.55),
            scores("angry", 0.5),
            None,
            0.7,
            share,
        ),
        Observation("voice", Span(1_400_005, 1_900_000), Status.SILENCE),
        Observation("voice", Span(1_900_000, 3_000_000), Status.TOO_SHORT),
    )


def make_analysis() -> Analysis:
    """3 s of film: three utterances and two gaps, a polarity, a blend and a masking conflict."""
    spoken = tuple(
        Utterance(Span(a, b), text, "zh", "file", speaker=speaker)
        for (a, b, text), speaker in zip(LINES, ("S1", "S2", "S1"), strict=True)
    )
    silence, too_short, absent = (
        Reading(Status.SILENCE),
        Reading(Status.TOO_SHORT),
        Reading(Status.NO_TRANSCRIPT),
    )
    moments = (
        Moment(
            spoken[0].span,
            spoken[0],
            {"face": ok("sad", 0.7, "P1"), "voice": ok("angry", 0.55), "text": ok("happy", 0.91)},
        ),
        Moment(
            spoken[1].span,
            spoken[1],
            {
                "face": ok("sad", 0.66, "P1"),
                "voice": ok("angry", 0.55),
                "text": Reading(Status.UNSUPPORTED_LANGUAGE),
            },
        ),
        Moment(
            Span(1_400_005, 1_900_000),
            None,
            {"face": Reading(Status.NO_FACE), "voice": silence, "text": absent},
        ),
        Moment(
            spoken[2].span,
            spoken[2],
            {"face": ok("sad", 0.63, "P1"), "voice": too_short, "text": ok("neutral", 0.8)},
        ),
        Moment(
            Span(2_700_000, 3_000_000),
            None,
            {"face": Reading(Status.NO_FACE), "voice": too_short, "text": absent},
        ),
    )
    shares = (
        {"face": 0.4, "voice": 0.2, "text": 0.4},
        {"face": 0.6, "voice": 0.4},
        {},
        {"face": 0.5, "text": 0.5},
        {},
    )
    tops = (("sad", 0.5), ("sad", 0.6), None, ("sad", 0.45), None)
    fused = tuple(
        Fused(m.span, scores(*t) if t else None, w) for m, t, w in zip(moments, tops, shares, strict=True)
    )
    conflicts = (
        Conflict(
            spoken[2].span,
            "masking",
            ("face", "text"),
            0.6,
            0.5,
            "plain words, visible feeling",
            {"face": "sad", "text": "neutral"},
            evidence=30.04,
            probabilities={"face": 0.63, "text": 0.8},
            best_us=2_000_000,
            words=HOSTILE,
            fused=State("sad", 0.44),
            without={"face": State("neutral", 0.52), "text": State("sad", 0.5)},
            prior=0.1566,
        ),
        Conflict(
            Span(0, 1_400_005),
            "blend",
            ("face", "voice"),
            0.41,
            0.4,
            "",
            {"face": "sad", "voice": "angry"},
            evidence=3.5,
            probabilities={"face": 0.68, "voice": 0.55},
            best_us=1_000_000,
            words="=SUM(A1:A9)",
            fused=State("sad", 0.58),
            without={"face": State("angry", 0.4), "voice": State("sad", 0.6), "text": State("sad", 0.61)},
            vanishes={"face": 0.85, "voice": 0.9},
            prior=0.0412,
        ),
        Conflict(
            spoken[0].span,
            "polarity",
            ("face", "text"),
            0.82,
            0.7,
            "tears of joy",
            {"face": "sad", "text": "happy"},
            evidence=7.25,
            rule={"text": ("happy",), "other": ("angry", "sad")},
            probabilities={"face": 0.7, "text": 0.91},
            best_us=750_000,
            words=LINES[0][2],
            fused=State("happy", 0.51),
            without={
                "face": State("happy", 0.66),
                "voice": State("happy", 0.55),
                "text": State("sad", 0.7),
            },
            vanishes={"face": 0.6, "text": 0.0},
            prior=0.0082,
        ),
    )
    card = ModelCard("face_compact", "face", "1", "ab" * 32, "MIT", EMOTIONS, {e: e for e in EMOTIONS})
    even = (1 / 7,) * 7
    measured = replace(card, reliability=Reliability((even,) * 7, even, 3211, "FER+ dev"))
    abstentions = (
        Abstention(spoken[0].span, ("face", "voice"), "not_speaking"),
        Abstention(spoken[1].span, ("text",), "unsupported_language"),
        Abstention(Span(1_400_005, 1_900_000), ("face",), "no_face"),
        Abstention(Span(1_400_005, 1_900_000), ("voice",), "silence"),
        Abstention(Span(1_900_000, 2_300_000), ("voice",), "too_short"),
    )
    return Analysis(
        name="a <b>bold</b> $name_{x$.mp4",
        media=MediaInfo(
            "0" * 64,
            3 * S,
            160,
            120,
            25.0,
            False,
            True,
            True,
            0,
            0,
            video_codec="h264",
            audio_codec="aac",
            video_index=0,
            audio_index=1,
        ),
        modalities=("face", "voice", "text"),
        transcript=Transcript(spoken, Status.OK, "file", "zh"),
        observations={"face": _seen(), "voice": _heard(), "text": ()},
        moments=moments,
        fused=fused,
        conflicts=conflicts,
        false_alarms_per_minute=0.4,
        models={"face": measured, "voice": replace(card, id="own", modality="voice")},
        warnings=("a <i>warning</i>",),
        abstentions=abstentions,
        operating_point=0.8,
        operating_point_asked=0.75,
        turns=(
            Turn(Span(0, 650_000), "S1", 0.9),
            Turn(Span(650_000, 1_400_005), "S2", 0.8),
            Turn(Span(1_900_000, 2_750_000), "S1", 0.95),
            Turn(Span(2_700_000, 3_000_000), "S2", 0.6),
        ),
    )


def with_posture(analysis: Analysis) -> Analysis:
    """The same with a fourth modality that no writer has heard of."""
    seen = tuple(
        Observation(
            "posture", m.span, Status.OK, scores("fear", 0.51), None, "P1", 0.5, {"box": [60, 60, 30, 50]}
        )
        for m in analysis.moments
    )
    moments = tuple(
        replace(m, by_modality={**m.by_modality, "posture": ok("fear", 0.51)}) for m in analysis.moments
    )
    return replace(
        analysis,
        modalities=(*analysis.modalities, "posture"),
        observations={**analysis.observations, "posture": seen},
        moments=moments,
        fused=tuple(replace(f, weights={**f.weights, "posture": 0.25}) for f in analysis.fused),
    )


@pytest.fixture
def analysis() -> Analysis:
    return make_analysis()


def written(analysis: Analysis, folder: Path) -> Mapping[str, Path]:
    """A stage's inputs: the analysis as the stage before left it, and no mended copy of the film."""
    folder.mkdir(parents=True, exist_ok=True)
    write_record(folder / "analysis.json", analysis)
    return {"analysis": folder, "probe": folder}
