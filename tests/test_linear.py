"""Four times the film takes about four times as long, in every pure function that a stage is made of.

A step for each row that looks through all rows takes sixteen times as long. Processor time of one thread is
compared, best of a few tries: what else runs on a machine makes tries slower, never a quadratic step faster.
"""

import gc
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from pipeline.config import ConflictSection
from pipeline.face.baseline import relative_to_own
from pipeline.face.persons import FaceSample
from pipeline.face.stage import smoothed_scores
from pipeline.fusion.align import align, finer
from pipeline.fusion.binding import binding
from pipeline.fusion.channels import Apart, channels_of
from pipeline.fusion.conflict import events
from pipeline.fusion.detect import find, seen_of
from pipeline.fusion.readings import SHIPPED, load_rules
from pipeline.fusion.speaking import Silent, mouths, of_speakers
from pipeline.labels import EMOTIONS
from pipeline.media.subtitles import parse_whole
from pipeline.review.foils import foils
from pipeline.review.propose import Judged, propose
from pipeline.summary import modality_facts
from pipeline.text.corrections import Edited, corrected
from pipeline.text.transcribe import over_speech
from pipeline.types import (
    US_PER_S,
    Analysis,
    ModelCard,
    Moment,
    Observation,
    Scores,
    Span,
    Status,
    Turn,
    Utterance,
)
from pipeline.voice.activity import speech_spans
from pipeline.voice.windows import windows
from pipeline.writers.captions import srt, vtt
from pipeline.writers.evidence import compared_us
from pipeline.writers.exports.cues import cues
from pipeline.writers.exports.markers import markers
from pipeline.writers.exports.session import session
from pipeline.writers.exports.tiers import Annotation, tiers, without_overlap
from pipeline.writers.film.chapters import chapters
from pipeline.writers.film.layout import film_layout
from pipeline.writers.film.sampled import sampled_lanes
from pipeline.writers.film.script import ass_script
from pipeline.writers.film.soft_subtitles import web_vtt
from pipeline.writers.film.subtitles import spoken
from pipeline.writers.fonts import font_for
from pipeline.writers.keyframes import keyframes
from pipeline.writers.regions import regions, unseen
from pipeline.writers.report.page import page
from pipeline.writers.report.shares import emotion_shares
from pipeline.writers.table import tables
from tests.fusion.conftest import LIMITS, compared, moments, peaked
from tests.made.long_timeline import long_timeline

TIMES = 4
MOST = 8.5  # times as long: half-way, in powers, between four times and its square
TRIES = 5

Work = Callable[[], object]


def analysis(n: int) -> Analysis:
    """``n`` sentences of a second, as many conflicts and abstentions; and one sample as long as the film."""
    return _analysis(n)


@cache
def _analysis(n: int) -> Analysis:
    made = long_timeline(n, n, 1)
    whole = Span(0, made.media.duration_us)
    long = Observation(
        "face", whole, Status.OK, peaked("sad"), None, "P3", 0.1, {"box": [900.0, 500.0, 90.0, 90.0]}
    )
    sentences = [moment for moment in made.moments if moment.utterance]
    return replace(
        made,
        observations={**made.observations, "face": (long, *made.observations["face"])},
        conflicts=tuple(replace(made.conflicts[0], span=moment.span) for moment in sentences),
    )


def exhausted(rows: Iterable[object]) -> None:
    for _ in rows:
        pass


def all_tables(of: Analysis) -> None:
    for _, rows in tables(of).values():
        exhausted(rows)


def film_script(of: Analysis) -> str:
    return ass_script(of, film_layout(of.media, 720, 4), font_for("en"))


def spans(n: int, length_us: int = 400_000) -> list[Span]:
    return [Span(i * US_PER_S, i * US_PER_S + length_us) for i in range(n)]


def seen(n: int, persons: int = 1, **evidence: object) -> tuple[Observation, ...]:
    """A face a second, of one person after the other."""
    return tuple(
        Observation(
            "face",
            span,
            Status.OK,
            peaked("sad"),
            subject=f"P{i * persons // n}",
            quality=0.9,
            evidence={**evidence, "time_us": span.start_us},
        )
        for i, span in enumerate(spans(n, US_PER_S))
    )


def heard(n: int) -> tuple[Observation, ...]:
    evidence = {"speech_share": 0.9}
    return tuple(
        Observation("voice", span, Status.OK, peaked("happy"), None, None, 0.9, evidence) for span in spans(n)
    )


def aligned(n: int) -> Work:
    whole = Observation("text", Span(0, n * US_PER_S), Status.NO_WORDS)
    seen_of_it = {"face": seen(n), "text": (whole, *(replace(o, modality="text") for o in seen(n)))}
    utterances = [Utterance(span, "so", "en", "file") for span in spans(n)]
    return lambda: align(n * US_PER_S, utterances, seen_of_it, US_PER_S)


def in_stretches(n: int) -> Work:
    film = moments([{"face": "sad"}] * n, 1.0)
    return lambda: finer(film, {"face": seen(n)}, US_PER_S, range(500_000, n * US_PER_S, US_PER_S))


def kept_apart(n: int) -> Work:
    film = moments([{"face": "sad", "text": "happy"}] * n, 1.0)
    apart = [Apart(span, "face", None, "text") for span in spans(n)]
    return lambda: channels_of(film, apart)


def rivals(n: int) -> Work:
    """Every other stretch a conflict, between two pairs of channels in turn."""
    rows = [{"face": "sad", "text": "happy", "voice": v} for v in ("sad", "happy")]
    calm = dict.fromkeys(("face", "text", "voice"), "happy")
    film = compared(moments([rows[i // 2 % 2] if i % 2 else calm for i in range(n)], 1.0))
    return lambda: events(film, replace(LIMITS, merge_gap_us=0))


def found(n: int) -> Work:
    """The whole detector, over as many conflicts as there are seconds / 4."""
    emotions = ["sad", "sad", "happy", "happy"]
    films = {
        "face": tuple(replace(o, scores=peaked(emotions[i % 4], 0.9)) for i, o in enumerate(seen(n))),
        "text": tuple(replace(o, modality="text", scores=peaked("happy", 0.9)) for o in seen(n)),
    }
    film = [Moment(span, None, {}) for span in spans(n, US_PER_S)]
    film = align(n * US_PER_S, [Utterance(one.span, "so", "en", "file") for one in film], films, US_PER_S)
    section = ConflictSection(enter=0.6, leave=0.5, most_false_alarms_per_minute=None, merge_gap_s=0)
    everything = seen_of(film, films, {}, [], 1.0)
    return lambda: find(everything, section, load_rules(SHIPPED))


def one_mouth(n: int) -> Work:
    """Speech with short pauses is one stretch of many parts."""
    both = {"face": seen(n, mouth_motion=0.01), "voice": heard(n)}
    return lambda: mouths(both)


def many_mouths(n: int) -> Work:
    pauses = tuple(one for i, one in enumerate(heard(n)) if i % 4)
    both = {"face": seen(n, persons=n // 4, mouth_motion=0.01), "voice": pauses}
    return lambda: mouths(both)


def voices_of_many(n: int) -> Work:
    both = {"face": seen(n, persons=n // 4, mouth_motion=0.01)}
    turns = [Turn(span, f"S{i % 4}") for i, span in enumerate(spans(n)) if i % 3]
    return lambda: mouths(both, turns, binding(both, turns))


def exported_speakers(n: int) -> Work:
    film = _analysis(n)
    film = replace(film, turns=tuple(Turn(m.span, f"S{i % 3}") for i, m in enumerate(film.moments)))
    return lambda: tiers(film)


def listeners(n: int) -> Work:
    still = [Silent(span, "face", "P0") for span in spans(n)]
    return lambda: of_speakers({"face": seen(n)}, still)


def persons(n: int) -> Work:
    card = ModelCard("made", "face", "1", "0" * 64, "MIT", EMOTIONS, {e: e for e in EMOTIONS})
    scores = Scores(
        peaked("sad").probabilities, 0.0, dict(zip(EMOTIONS, peaked("sad").probabilities, strict=True))
    )
    samples = [
        FaceSample(i * US_PER_S, f"P{i}", (0, 0, 9, 9), None, 1.0, False, 9.0, 1.0, 1.0, 1.0, 0, 0)
        for i in range(n)
    ]
    return lambda: smoothed_scores(samples, [scores] * n, card, 1.0, 1.0)


def baselines(n: int) -> Work:
    rows = np.full((n, 7), 1 / 7)
    names = np.array([f"P{i}" for i in range(n)])
    return lambda: relative_to_own(rows, names, np.ones(n))


def many_persons(function: Callable[[Analysis], object]) -> Callable[[int], Work]:
    """Persons who come, are lost and come back under another name."""

    def work(n: int) -> Work:
        film = replace(
            _analysis(8), observations={"face": seen(n, persons=n // 2, box=[9.0, 9.0, 90.0, 90.0])}
        )
        film = replace(film, media=replace(film.media, duration_us=n * US_PER_S))
        return lambda: function(film)

    return work


def over_each_other(n: int) -> Work:
    rows = [Annotation(i // 50, 10_000 + i, "so") for i in range(n)]
    return lambda: without_overlap(rows)


def on_one_frame(n: int) -> Work:
    film = _analysis(8)
    long = replace(film.media, duration_us=n * US_PER_S // 10)
    return lambda: markers(replace(film, media=long, conflicts=film.conflicts[:1] * n))


def gated(n: int) -> Work:
    lines = [Utterance(span, "so", "en", "whisper") for span in spans(n)]
    return lambda: over_speech(lines, spans(n), 0.3)


def marked(n: int) -> Work:
    judged = [Judged(10.0 + i, "right" if i % 3 else "wrong") for i in range(n)]
    return lambda: propose(judged, 0.9, 0.5)


def corrections(film: Analysis) -> object:
    """Every other line corrected, in the file that a person saved."""
    before = film.transcript
    cues, names = parse_whole(vtt(before.utterances).encode(), "a")
    edited = tuple(replace(c, text=f"{c.text}!") if i % 2 else c for i, c in enumerate(cues))
    return corrected(Edited(edited, names), before, before)


def speech(n: int) -> Work:
    probabilities = np.tile(np.repeat([0.9, 0.0], 20), n).astype(np.float32)
    return lambda: windows(speech_spans(probabilities, 0.5, 10**12), 2_000_000, 1_000_000, 400_000)


def of(function: Callable[[Analysis], object]) -> Callable[[int], Work]:
    return lambda n: lambda: function(analysis(n))


CASES: dict[str, tuple[Callable[[int], Work], int]] = {
    "align": (aligned, 400),
    "finer": (in_stretches, 1500),
    "channels": (kept_apart, 400),
    "events": (rivals, 600),
    "find": (found, 80),
    "mouths of one": (one_mouth, 500),
    "mouths of many": (many_mouths, 1200),
    "speakers": (listeners, 700),
    "voices of many": (voices_of_many, 1200),
    "tier of speakers": (exported_speakers, 200),
    "smoothed": (persons, 700),
    "baselines": (baselines, 3000),
    "tables": (of(all_tables), 200),
    "captions": (of(lambda film: srt(film.transcript.utterances)), 200),
    "corrections": (of(corrections), 100),
    "compared": (of(compared_us), 200),
    "page": (of(page), 200),
    "script": (of(film_script), 50),
    "lanes": (of(lambda film: sampled_lanes(film, 600)), 200),
    "chapters": (of(chapters), 200),
    "words": (of(lambda film: web_vtt(spoken(film))), 200),
    "key frames": (of(lambda film: keyframes(film, 12, 0.1)), 200),
    "regions": (many_persons(lambda film: (regions(film), unseen(film))), 1000),
    "shares": (many_persons(emotion_shares), 1500),
    "cues": (of(cues), 200),
    "tiers": (of(tiers), 100),
    "rows of tiers": (over_each_other, 700),
    "markers": (on_one_frame, 2500),
    "session": (many_persons(session), 1000),
    "foils": (of(lambda film: foils(replace(film, conflicts=film.conflicts[::2]), 10**6)), 200),
    "marks": (marked, 6),
    "summary": (of(modality_facts), 100),
    "speech": (speech, 250),
    "over speech": (gated, 200),
}


def seconds(work: Work) -> float:
    gc.collect()
    gc.disable()
    try:
        begin = time.thread_time()
        work()
        return time.thread_time() - begin
    finally:
        gc.enable()


@pytest.mark.parametrize("case", CASES)
def test_four_times_the_film_takes_about_four_times_as_long(case: str) -> None:
    make, n = CASES[case]
    short, long = make(n), make(TIMES * n)
    short()  # what is only done once: imports, caches, pages of a font
    least_short = least_long = float("inf")
    for _ in range(TRIES):
        least_short, least_long = min(least_short, seconds(short)), min(least_long, seconds(long))
        if least_long <= MOST * least_short:
            return
    pytest.fail(f"{least_short:.4f} s for {n}, {least_long:.4f} s for {TIMES * n}")
