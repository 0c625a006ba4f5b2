"""Made analyses with all that an export can meet."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from pipeline.types import Analysis, Conflict, Span, Status, Transcript, Utterance
from tests.writers.conftest import S, make_analysis, with_posture

HOSTILE = (
    "a\n\nb\r\n00:00:05.000 --> 00:00:06,000\n</c><c.sad>{\\an8}\\N{b} ]]> <!-- \"q\" ''& &amp; %s"
    " | \x00\x07\x1b\x85\u2028\ufffe"
    "\U0001f600 שלום العربية \u202edrow 中文 item [1]: intervals [2]: "
    'ooTextFile short "IntervalTier"'
)


def many() -> Analysis:
    analysis = make_analysis()
    more = [
        Conflict(
            Span(i * 290_000, i * 290_000 + 200_000 + 7 * i),
            kind,
            ("face", "voice"),
            0.05 * (i % 4),
            0.5,
            f"guess {i}",
            {"face": "sad", "voice": "happy"},
        )
        for i, kind in enumerate(["polarity", "masking", "blend"] * 3)
    ]
    return replace(analysis, conflicts=(*analysis.conflicts, *more))


def empty() -> Analysis:
    return replace(
        make_analysis(),
        transcript=Transcript((), Status.NO_TRANSCRIPT, "none"),
        turns=(),
        observations={},
        moments=(),
        fused=(),
        conflicts=(),
        models={},
        abstentions=(),
        false_alarms_per_minute=None,
    )


def hostile() -> Analysis:
    analysis = make_analysis()
    spoken = tuple(replace(u, text=HOSTILE) for u in analysis.transcript.utterances)
    by_span = {u.span: u for u in spoken}
    return replace(
        analysis,
        name=HOSTILE,
        transcript=replace(analysis.transcript, utterances=spoken),
        moments=tuple(
            replace(m, utterance=by_span[m.utterance.span] if m.utterance else None) for m in analysis.moments
        ),
        conflicts=tuple(
            replace(c, label=f"{HOSTILE} {i}", words=HOSTILE) for i, c in enumerate(analysis.conflicts)
        ),
        observations={
            m: tuple(replace(o, subject=HOSTILE if o.subject else None) for o in seen)
            for m, seen in analysis.observations.items()
        },
        warnings=(HOSTILE,),
    )


def overlapping() -> Analysis:
    """Three people talk at once; of a conflict nothing is left but an instant."""
    analysis = make_analysis()
    spoken = tuple(
        Utterance(Span(start, end), text, "en", "file")
        for start, end, text in ((0, 2 * S, "one"), (S, 2 * S + 500_000, "two"), (S + 1, S + 2, "three"))
    )
    instant = replace(analysis.conflicts[0], span=Span(S, S))
    return replace(
        analysis,
        transcript=replace(analysis.transcript, utterances=spoken),
        moments=tuple(replace(m, utterance=None) for m in analysis.moments),
        conflicts=(*analysis.conflicts, instant, replace(instant, label="the same again")),
    )


def hour() -> Analysis:
    """The made film every 24 seconds for an hour, at 29.97 frames a second."""
    analysis = make_analysis()
    shifts = range(0, 3600 * S, 24 * S)
    moved = [replace(u, span=u.span.shifted(us)) for us in shifts for u in analysis.transcript.utterances]
    return replace(
        analysis,
        media=replace(analysis.media, duration_us=3600 * S, fps=30000 / 1001),
        transcript=replace(analysis.transcript, utterances=tuple(moved)),
        observations={
            m: tuple(replace(o, span=o.span.shifted(us)) for us in shifts for o in seen)
            for m, seen in analysis.observations.items()
        },
        moments=tuple(
            replace(
                m,
                span=m.span.shifted(us),
                utterance=replace(m.utterance, span=m.utterance.span.shifted(us)) if m.utterance else None,
            )
            for us in shifts
            for m in analysis.moments
        ),
        fused=tuple(replace(f, span=f.span.shifted(us)) for us in shifts for f in analysis.fused),
        conflicts=tuple(replace(c, span=c.span.shifted(us)) for us in shifts for c in analysis.conflicts),
    )


def without_picture() -> Analysis:
    analysis = make_analysis()
    media = replace(analysis.media, has_video=False, width_px=0, height_px=0, fps=0.0, video_index=None)
    return replace(analysis, media=media)


CASES: Mapping[str, Callable[[], Analysis]] = {
    "usual": make_analysis,
    "many": many,
    "four": lambda: with_posture(make_analysis()),
    "empty": empty,
    "hostile": hostile,
    "overlapping": overlapping,
    "hour": hour,
    "without picture": without_picture,
}
