"""A made hour: 900 sentences, two persons seen five times a second, a voice a second, 120 conflicts.

Everything follows from one seed, so that two of them are equal.
"""

import random
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.fusion.align import tile
from pipeline.labels import EMOTIONS, NEUTRAL, VALENCE, top
from pipeline.types import (
    Abstention,
    Analysis,
    Conflict,
    ConflictKind,
    Fused,
    MediaInfo,
    ModelCard,
    Moment,
    Observation,
    Reading,
    Scores,
    Span,
    State,
    Status,
    Transcript,
    Utterance,
)

S_US = 1_000_000
FACE_US, VOICE_US = 200_000, 1_000_000
SENTENCES = (
    ("I thought we had agreed on this last week, and now nobody remembers.", "en"),
    ("我真的很開心，太好了，謝謝你們今天過來。", "zh"),
    ("No, that is fine.", "en"),
    ("他走了以後，我每天晚上都睡不著。", "zh"),
    ("The train leaves at nine from platform two.", "en"),
    ("Well, we laughed about it afterwards, all of us, for an hour.", "en"),
)


def long_timeline(seconds: int = 3600, sentences: int = 900, conflicts: int = 120, seed: int = 5) -> Analysis:
    """The analysis of a film that was never shot."""
    draw = random.Random(seed)
    step = seconds * S_US // sentences
    spans = [
        Span(i * step + step // 4, i * step + step // 4 + draw.randint(step // 3, step // 2))
        for i in range(sentences)
    ]
    spoken = tuple(Utterance(span, *SENTENCES[i % len(SENTENCES)], "file") for i, span in enumerate(spans))
    moments = tuple(_moment(draw, span, spoken, i) for span, i in tile(seconds * S_US, spans, 5 * S_US))
    fused = tuple(
        Fused(m.span, r.scores if (r := m.by_modality["face"]) else None, {"face": 1.0}) for m in moments
    )
    card = ModelCard("made", "face", "1", "ab" * 32, "MIT", EMOTIONS, {e: e for e in EMOTIONS})
    return Analysis(
        name="An hour that was never shot",
        media=MediaInfo("0" * 64, seconds * S_US, 1280, 720, 25.0, False, True, True, 0, 0),
        modalities=("face", "voice", "text"),
        transcript=Transcript(spoken, Status.OK, "file", "zh"),
        observations={
            "face": tuple(_seen(draw, moments)),
            "voice": tuple(_heard(moments)),
            "text": tuple(
                Observation("text", m.span, Status.OK, r.scores, quality=0.8)
                for m in moments
                if (r := m.by_modality["text"]).scores
            ),
        },
        moments=moments,
        fused=fused,
        conflicts=tuple(_conflicts(draw, moments, conflicts)),
        false_alarms_per_minute=0.4,
        models=dict.fromkeys(("face", "voice", "text"), card),
        abstentions=tuple(Abstention(m.span, ("text",), "no_words") for m in moments if m.utterance is None),
        operating_point=0.9,
        operating_point_asked=0.9,
    )


def write_stills(folder: Path, names: Sequence[str]) -> Path:
    """Plain pictures, 1280 x 720, each of another tone."""
    from PIL import Image, ImageDraw

    folder.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(names):
        picture = Image.linear_gradient("L").resize((1280, 720)).convert("RGB")
        drawing = ImageDraw.Draw(picture)
        drawing.rectangle((0, 0, 1280, 200), fill=(40 + 5 * i % 200, 90, 130))
        drawing.ellipse((480, 180, 800, 620), fill=(225, 190, 160))
        drawing.text((40, 40), name, fill="white", font_size=80)
        picture.save(folder / name, quality=90)
    return folder


def _scores(draw: random.Random, emotion: str) -> Scores:
    top = draw.uniform(0.4, 0.95)
    shares = [draw.random() for _ in EMOTIONS]
    rest = sum(shares) - shares[EMOTIONS.index(emotion)]
    return Scores(
        tuple(
            round(top if e == emotion else (1 - top) * s / rest, 6)
            for e, s in zip(EMOTIONS, shares, strict=True)
        )
    )


def _moment(draw: random.Random, span: Span, spoken: Sequence[Utterance], i: int | None) -> Moment:
    mood = EMOTIONS[span.start_us // (40 * S_US) % len(EMOTIONS)]
    face = Reading(Status.OK, _scores(draw, mood), 0.8, 1.0, f"P{1 + span.start_us // (90 * S_US) % 2}", 20)
    if draw.random() < 0.1:
        face = Reading(Status.NO_FACE)
    if i is None:
        silent = {"voice": Reading(Status.SILENCE), "text": Reading(Status.NO_WORDS)}
        return Moment(span, None, {"face": face, **silent})
    said = {m: Reading(Status.OK, _scores(draw, draw.choice(EMOTIONS)), 0.8, 0.9) for m in ("voice", "text")}
    return Moment(span, spoken[i], {"face": face, **said})


def _at(moments: Sequence[Moment], at_us: int) -> Moment:
    return moments[bisect_right(moments, at_us, key=lambda moment: moment.span.start_us) - 1]


def _seen(draw: random.Random, moments: Sequence[Moment]) -> Iterator[Observation]:
    """The person who is read as the moment has it, the other one in any mood."""
    moods = [_scores(draw, emotion) for emotion in EMOTIONS]
    for at_us in range(0, moments[-1].span.end_us, FACE_US):
        read = _at(moments, at_us).by_modality["face"]
        for person in ("P1", "P2"):
            scores = read.scores if person == read.subject and read.scores else draw.choice(moods)
            evidence = {"box": [100.0, 80.0, 120.0, 160.0], "time_us": at_us}
            span = Span(at_us, at_us + FACE_US)
            yield Observation("face", span, Status.OK, scores, None, person, 0.8, evidence)


def _heard(moments: Sequence[Moment]) -> Iterator[Observation]:
    """The voice of each moment, in windows of a second."""
    for moment in moments:
        read = moment.by_modality["voice"]
        edges = range(moment.span.start_us, moment.span.end_us, VOICE_US)
        for start_us in edges:
            span = Span(start_us, min(start_us + VOICE_US, moment.span.end_us))
            yield Observation("voice", span, read.status, read.scores, quality=read.quality)


def _conflicts(draw: random.Random, moments: Sequence[Moment], most: int) -> list[Conflict]:
    """Conflicts at up to ``most`` sentences, evenly spread, at which another channel says something else."""
    found = [
        c for m in moments if m.utterance and (c := _conflict(draw, m, len(m.utterance.text))) is not None
    ]
    return [found[i * len(found) // most] for i in range(min(most, len(found)))]


def _conflict(draw: random.Random, moment: Moment, turn: int) -> Conflict | None:
    assert moment.utterance is not None
    pair = (("face", "voice")[turn % 2], "text")
    told = {m: top(r.scores) for m in pair if (r := moment.by_modality[m]).scores is not None}
    emotions = {m: emotion for m, (emotion, _) in told.items()}
    if len(set(emotions.values())) < 2:
        return None
    signs = [VALENCE[emotion] for emotion in emotions.values()]
    kind: ConflictKind = "blend" if signs[0] * signs[1] > 0 else "polarity"
    kind = "masking" if NEUTRAL in emotions.values() else kind
    named = emotions["text"] == "happy" and kind == "polarity"
    one, other = emotions.values()
    return Conflict(
        moment.span,
        kind,
        pair,
        round(draw.random(), 4),
        round(draw.uniform(0.5, 0.9), 4),
        "maybe tears of joy" if named else "",
        emotions,
        evidence=round(draw.uniform(9, 400), 2),
        rule={"text": ("happy",), "other": (one,)} if named else {},
        probabilities={m: round(p, 4) for m, (_, p) in told.items()},
        best_us=(moment.span.start_us + moment.span.end_us) // 2,
        words=moment.utterance.text,
        fused=State(one, 0.52),
        without={pair[0]: State(other, 0.6), pair[1]: State(one, 0.7)},
        vanishes={pair[0]: 0.4},
        prior=0.0489,
    )
