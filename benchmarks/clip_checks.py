"""What must hold for a film that was analysed: pure functions over the analysis and the rows of its sheet."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from benchmarks.made_clips import Line
from pipeline.records import FRAME_TIME_KEY
from pipeline.types import US_PER_S, Analysis, Observation, Status

Row = Mapping[str, str]

LEAST_FACE_SHARE = 0.95
GAP_TOLERANCE_S = 0.5


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold, and what was seen."""

    what: str
    seen: str
    holds: bool


def face_frames(faces: Sequence[Observation]) -> dict[int, set[str]]:
    """Time of every sampled frame in µs to the persons in it."""
    frames: dict[int, set[str]] = defaultdict(set)
    for one in faces:
        if one.status in (Status.OK, Status.NO_FACE):
            frames[int(one.evidence[FRAME_TIME_KEY])] |= {one.subject} if one.subject else set()
    return dict(frames)


def face_share(faces: Sequence[Observation]) -> float:
    """Share of the sampled frames with a face; 0 when none was sampled."""
    frames = face_frames(faces)
    return sum(map(bool, frames.values())) / len(frames) if frames else 0.0


def persons(faces: Sequence[Observation]) -> set[str]:
    """Ids of everybody seen."""
    return {one.subject for one in faces if one.subject}


def speech_share(voice: Sequence[Observation], duration_us: int) -> float:
    """Share of the film inside a window that was read; windows may overlap."""
    covered = reach = 0
    for one in sorted(voice, key=lambda each: each.span):
        if one.status is Status.OK:
            covered += max(0, one.span.end_us - max(reach, one.span.start_us))
            reach = max(reach, one.span.end_us)
    return covered / duration_us if duration_us else 0.0


def longest_gap_s(faces: Sequence[Observation]) -> tuple[float, float] | None:
    """Start and end of the longest run of sampled frames without a face."""
    runs: list[list[float]] = []
    for one in sorted(faces, key=lambda each: each.span):
        if one.status is not Status.NO_FACE:
            continue
        if runs and one.span.start_s <= runs[-1][1]:
            runs[-1][1] = one.span.end_s
        else:
            runs.append([one.span.start_s, one.span.end_s])
    longest = max(runs, key=lambda run: run[1] - run[0], default=None)
    return (longest[0], longest[1]) if longest else None


def check_no_face(analysis: Analysis) -> list[Check]:
    """No sampled frame has a face, and every moment says so."""
    seen = {str(one.status) for one in analysis.observations.get("face", ())}
    moments = {str(moment.by_modality["face"].status) for moment in analysis.moments}
    return [
        Check("every sampled frame: no_face", " ".join(sorted(seen)), seen == {Status.NO_FACE}),
        Check("every moment: no_face", " ".join(sorted(moments)), moments == {Status.NO_FACE}),
    ]


def check_gap(analysis: Analysis, start_s: float, end_s: float) -> list[Check]:
    """The longest time without a face begins and ends where it should."""
    gap = longest_gap_s(analysis.observations.get("face", ()))
    near = gap is not None and max(abs(gap[0] - start_s), abs(gap[1] - end_s)) <= GAP_TOLERANCE_S
    seen = f"{gap[0]:.2f}–{gap[1]:.2f} s" if gap else "none"
    return [Check(f"no face from {start_s:.2f} to {end_s:.2f} s (±{GAP_TOLERANCE_S} s)", seen, near)]


def check_persons(analysis: Analysis, count: int) -> list[Check]:
    """So many persons, all of them in every sampled frame."""
    faces = analysis.observations.get("face", ())
    frames, who = face_frames(faces), persons(faces)
    complete = sum(found == who for found in frames.values())
    return [
        Check(f"{count} persons", " ".join(sorted(who)), len(who) == count),
        Check("all in every sampled frame", f"{complete} of {len(frames)}", complete == len(frames) > 0),
    ]


def check_voice(analysis: Analysis, status: Status) -> list[Check]:
    """Every stretch of the voice has one status."""
    seen = {str(one.status) for one in analysis.observations.get("voice", ())}
    return [Check(f"voice: {status}", " ".join(sorted(seen)), seen == {status})]


def check_interview(analysis: Analysis, rows: Sequence[Row], lines: Sequence[Line]) -> list[Check]:
    """A face nearly always, one person, every subtitle line in its row, rows that tile the film."""
    faces = analysis.observations.get("face", ())
    share, who = face_share(faces), persons(faces)
    found = sum(has_line(rows, line) for line in lines)
    return [
        Check(f"face in ≥ {LEAST_FACE_SHARE:.0%} of samples", f"{share:.1%}", share >= LEAST_FACE_SHARE),
        Check("one person", " ".join(sorted(who)), len(who) == 1),
        Check("subtitle lines in their rows", f"{found} of {len(lines)}", found == len(lines) > 0),
        *check_tiling(analysis, rows),
    ]


def check_tiling(analysis: Analysis, rows: Sequence[Row]) -> list[Check]:
    """Rows start at 0, end with the film, and each begins where the one before ends."""
    holes = sum(a["End_Time"] != b["Start_Time"] for a, b in pairwise(rows))
    first, last = (rows[0]["Start_Time"], rows[-1]["End_Time"]) if rows else ("", "")
    end = analysis.media.duration_us / US_PER_S
    whole = bool(rows) and float(first) == 0.0 and abs(float(last) - end) < 0.011 and holes == 0
    return [Check("rows tile the film", f"{first}–{last} of {end:.2f} s, {holes} holes", whole)]


def has_line(rows: Sequence[Row], line: Line) -> bool:
    """Whether a subtitle line stands in a row of its own times."""
    wanted = (f"{line.start_ms / 1000:.2f}", f"{line.end_ms / 1000:.2f}", " ".join(line.text.split()))
    return wanted in {(row["Start_Time"], row["End_Time"], row["Content"]) for row in rows}


def picture_s(video: Path) -> tuple[float, float]:
    """From the first frame shown to the end of the last one, and the usual length of a frame, in seconds."""
    import av

    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        shown = [
            (float(packet.pts * stream.time_base), float((packet.duration or 0) * stream.time_base))
            for packet in container.demux(stream)
            if packet.pts is not None and not packet.is_discard
        ]
        frame_s = 1.0 / float(stream.average_rate or 25)
    starts = sorted(start for start, _ in shown)
    return starts[-1] - starts[0] + frame_s, frame_s


def check_film(source: Path, film: Path) -> list[Check]:
    """The annotated film is there and its picture lasts as long as the source's, to a frame."""
    if not film.is_file():
        return [Check("film made", "missing", False)]
    wanted_s, frame_s = picture_s(source)
    made_s, _ = picture_s(film)
    seen = f"{made_s:.3f} s of {wanted_s:.3f} s"
    return [Check("film as long as its source, to a frame", seen, abs(made_s - wanted_s) <= frame_s)]
