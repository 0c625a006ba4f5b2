"""Who speaks: how often a visible mouth that speaks is called silent, and how often two faces are told apart.

    python -m benchmarks.words.active_speaker --data DIR [--detector landmarks]

Single persons are the clips of ``films`` whose own voice is audible and the seconds of ``films/seconds.csv``
in which the mouth moves. Two faces are the real clip with two and films made here at run time: somebody who
talks, with the sound of that clip, beside somebody who listens (which was seen by looking at the clips), or
beside somebody who talks too but is not heard: there nothing but ``unknown`` can be right of both, since
mouths sampled five times a second do not follow a sound closely enough. Scored are faces by the second, while
someone is heard.
"""

import argparse
import csv
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.conflict.speaking_cases import detectors, hear, see
from benchmarks.made_clips import data_root
from benchmarks.tables import show
from pipeline.fusion.binding import binding
from pipeline.fusion.speaking import Seen, heard, mouths, not_speaking
from pipeline.media.encode import ffmpeg_exe
from pipeline.records import BOX_KEY, OBSERVATIONS_FILE, read_records
from pipeline.train.examples import DataError
from pipeline.types import US_PER_S, Observation, Span, Status, Turn

SIDE_PX = 360
# Talking persons of different clips, and persons who do not speak in theirs; nobody is in both.
TALKERS = (
    "mead_en_M003_level_1_disgusted_015",
    "mead_en_W015_level_1_neutral_030",
    "mead_en_W023_level_2_surprised_010",
    "mer2023_zh_sample_00000669",
    "mer2023_zh_sample_00001073",
    "mer2023_zh_sample_00003358",
    "mer2023_zh_sample_00003462",
    "mer2023_zh_samplenew_00004251",
    "mer2023_zh_samplenew_00061200",
    "iemocap_en_happy",
)
LISTENERS = (
    "selfie_student_sad",
    "stock_ziadzee_angry",
    "social_clips_smile",
    "stock_ziadzee_sad",
    "mafw_gif_disappointment_09683",
    "selfie_student_angry",
    "social_clips_sad2",
    "selfie_student_happy",
    "silent_track_20s",
)
SPEAKS, LISTENS = "speaking", "not_speaking"


@dataclass(frozen=True, slots=True)
class Face:
    """What is true of one person of a clip, from left to right: second to verdict, None for all seconds."""

    place: int
    truth: Mapping[int | None, str]

    def at(self, second: int) -> str | None:
        return self.truth.get(second, self.truth.get(None))


@dataclass(frozen=True, slots=True)
class Scored:
    """One face of one clip: seconds by (truth, verdict), without and with turns, and if it has the voice."""

    clip: str
    face: str
    seconds: Counter[tuple[str, str]]
    with_turns: Counter[tuple[str, str]]
    bound: str


def table_of(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV. Raises DataError when it is not there."""
    if not path.is_file():
        raise DataError(f"there is no {path}; give the data folder with --data")
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def single(data: Path) -> Iterator[tuple[Path, tuple[Face, ...]]]:
    """Films of one talking person, and what is true of that person."""
    for row in table_of(data / "films" / "labels.csv"):
        shown = "two faces" not in row["label_check"] and "not visible" not in row["label_check"]
        path = data / "films" / "clips" / row["file"]
        if row["speech"] == "1" and row["use"] in ("core", "unlabelled") and shown and path.stat().st_size:
            yield path, (Face(0, {None: SPEAKS}),)
    by_clip: dict[str, dict[int | None, str]] = {}
    for row in table_of(data / "films" / "seconds.csv"):
        if row["person"] == "main" and row["mouth_moving"] == "1" and not row["clip"].startswith("two_"):
            by_clip.setdefault(row["clip"], {})[int(row["second"])] = SPEAKS
    for clip, truth in by_clip.items():
        folder = data / ("films" if clip == "vlog" else "videos")
        yield folder / f"{clip}.mp4", (Face(0, truth),)


def real_pair(data: Path) -> tuple[Path, tuple[Face, ...]]:
    """The clip with two faces: the left one listens, the right one speaks."""
    truth: dict[str, dict[int | None, str]] = {"left": {}, "right": {}}
    for row in table_of(data / "films" / "seconds.csv"):
        if row["clip"].startswith("two_") and row["person"] in truth:
            moves = row["mouth_moving"] == "1"
            truth[row["person"]][int(row["second"])] = SPEAKS if moves else LISTENS
    faces = tuple(Face(place, truth[side]) for place, side in enumerate(("left", "right")))
    return data / "videos" / "two_faces_12fps_9s.mp4", faces


def beside(left: Path, right: Path, voice: int, out: Path) -> Path:
    """A film of two clips side by side with the sound of one, as long as the shorter of them."""
    panel = f"scale={SIDE_PX}:{SIDE_PX}:force_original_aspect_ratio=decrease,"
    panel += f"pad={SIDE_PX}:{SIDE_PX}:(ow-iw)/2:(oh-ih)/2,setsar=1,fps=25"
    command = [ffmpeg_exe(), "-v", "error", "-nostdin", "-y"]
    command += ["-i", str(left), "-i", str(right)]
    command += ["-filter_complex", f"[0:v]{panel}[a];[1:v]{panel}[b];[a][b]hstack=shortest=1[v]"]
    command += ["-map", "[v]", "-map", f"{voice}:a", "-c:v", "libx264", "-preset", "veryfast", "-crf", "20"]
    command += ["-c:a", "aac", "-threads", "1", "-shortest", str(out)]
    subprocess.run(command, check=True)
    return out


def made_pairs(data: Path, folder: Path) -> Iterator[tuple[Path, tuple[Face, ...]]]:
    """Films of a talker beside a listener, on either side."""
    for i, talker in enumerate(TALKERS):
        for step in (0, 4):
            yield _pair(
                data, folder, (talker, LISTENERS[(i + step) % len(LISTENERS)]), on_the_left=i % 2 == 0
            )


def dubbed_pairs(data: Path, folder: Path) -> Iterator[tuple[Path, tuple[Face, ...]]]:
    """Films of a talker beside another talker who is not heard."""
    for i, talker in enumerate(TALKERS):
        yield _pair(data, folder, (talker, TALKERS[(i + 4) % len(TALKERS)]), on_the_left=i % 2 == 0)


def _pair(
    data: Path, folder: Path, names: tuple[str, str], *, on_the_left: bool
) -> tuple[Path, tuple[Face, ...]]:
    """A film of the first, who is heard, and the second; and what is true of both."""
    paths = [next(path for path in _places(data, name) if path.is_file()) for name in names]
    out = folder / f"{_short(names[0])} by {_short(names[1])}.mp4"
    order = (0, 1) if on_the_left else (1, 0)
    path = beside(paths[order[0]], paths[order[1]], order.index(0), out)
    return path, tuple(Face(p, {None: LISTENS if who else SPEAKS}) for p, who in enumerate(order))


def _places(data: Path, name: str) -> tuple[Path, ...]:
    return data / "films" / "clips" / f"{name}.mp4", data / "videos" / f"{name}.mp4"


def _short(name: str) -> str:
    return name.removeprefix("mer2023_zh_").removeprefix("mead_en_").removeprefix("mafw_gif_")


def scored(path: Path, faces: Sequence[Face], detector: str, folder: Path) -> list[Scored]:
    """What is said of every face of a film, second by second while someone is heard."""
    here = folder / path.stem
    hear(path, here)
    see(path, here, detector)
    observations = {name: _read(here / name) for name in ("face", "voice")}
    speech = [part for _, parts in heard(observations) for part in parts]
    turns = [Turn(span, "S1") for span in speech]
    (bound,) = binding(observations, turns) or (None,)
    subjects = _from_left(observations["face"])
    if len(faces) == 1:  # the one seen most
        often = Counter(one.subject for one in observations["face"] if one.subject is not None)
        subjects = [name for name, _ in often.most_common(1)]
    bindings = () if bound is None else (bound,)
    knowing = ((), ()), (turns, bindings)
    seen = [mouths(observations, *known) for known in knowing]
    silent = [not_speaking(observations, *known) for known in knowing]
    result = []
    for face in faces:
        counts = (Counter[tuple[str, str]](), Counter[tuple[str, str]]())
        who = subjects[face.place] if face.place < len(subjects) else ""
        for seconds, all_seen, all_silent in zip(counts, seen, silent, strict=True):
            own = [one for one in all_seen if one.subject == who]
            quiet = [one.span for one in all_silent if one.subject == who]
            for second, verdict in by_second(own, quiet):
                if (truth := face.at(second)) is not None:
                    seconds[truth, verdict] += 1
        is_own = bound is not None and bound.subject == who
        voice = f"{bound.confidence:.2f}" if bound is not None and is_own else "-"
        result.append(Scored(path.stem, f"{face.place + 1}", *counts, voice))
    return result


def by_second(own: Sequence[Seen], quiet: Sequence[Span]) -> Iterator[tuple[int, str]]:
    """Each second in which someone is heard, and what is said of the face in most of it."""
    pieces: dict[int, Counter[str]] = {}
    for one in own:
        is_quiet = 2 * sum(one.span.overlap_us(span) for span in quiet) > one.span.duration_us
        verdict = LISTENS if is_quiet else "unknown" if one.verdict == LISTENS else one.verdict
        pieces.setdefault(one.span.start_us // US_PER_S, Counter())[verdict] += one.span.duration_us
    for second, said in sorted(pieces.items()):
        yield second, said.most_common(1)[0][0]


def _read(folder: Path) -> tuple[Observation, ...]:
    file = folder / OBSERVATIONS_FILE
    return read_records(file, Observation) if file.is_file() else ()


def _from_left(showing: Sequence[Observation]) -> list[str]:
    """The two persons seen most, from left to right."""
    places: dict[str, list[float]] = {}
    for one in showing:
        if one.subject is not None and one.status is Status.OK:
            places.setdefault(one.subject, []).append(one.evidence[BOX_KEY][0])
    most = sorted(places, key=lambda name: -len(places[name]))[:2]
    return sorted(most, key=lambda name: sorted(places[name])[len(places[name]) // 2])


def report(title: str, rows: Sequence[Scored]) -> None:
    """Print every face, and the sums."""
    lines = []
    totals = (Counter[str](), Counter[str]())
    for row in rows:
        for truth in (SPEAKS, LISTENS):
            numbers = []
            for counted, total in zip((row.seconds, row.with_turns), totals, strict=True):
                own = {verdict: n for (true, verdict), n in counted.items() if true == truth}
                count, right, unknown = sum(own.values()), own.get(truth, 0), own.get("unknown", 0)
                wrong = count - right - unknown
                total.update({"seconds": count, "right": right, "unknown": unknown, "wrong": wrong})
                total["silenced"] += wrong if truth == SPEAKS else 0
                numbers += [count, right, unknown, wrong]
            if numbers[0]:
                lines.append([row.clip, row.face, truth, *map(str, (*numbers[:4], *numbers[5:])), row.bound])
    turned = ("right, turns known", "unknown", "wrong")
    columns = ("clip", "face", "truth", "seconds", "right", "unknown", "wrong", *turned, "voice bound")
    show(title, columns, lines)
    for what, total in zip(("mouths alone", "turns known"), totals, strict=True):
        decided = total["right"] + total["wrong"]
        print(
            f"{title}, {what}: {total['silenced']} seconds of speaking called not_speaking; right "
            f"{total['right']} of {total['seconds']} ({total['right'] / max(1, total['seconds']):.3f}), "
            f"of those decided {total['right'] / max(1, decided):.3f}"
        )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.words.active_speaker",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, default=data_root())
    parser.add_argument("--detector", default="landmarks", choices=("haar", "yunet", "landmarks"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="emotion-speaker-") as temporary:
        folder = Path(temporary)
        with detectors(asked.data, folder) as names:
            if asked.detector not in names:
                raise DataError(f"the detector {asked.detector} is not on this machine; choose another one")
            kinds = (
                ("one talking person", single(asked.data)),
                ("two faces, real", (real_pair(asked.data),)),
                ("two faces, made: talker and listener", made_pairs(asked.data, folder)),
                ("two faces, made: two talkers, one heard", dubbed_pairs(asked.data, folder)),
            )
            for title, films in kinds:
                rows = [row for path, faces in films for row in scored(path, faces, asked.detector, folder)]
                report(title, rows)


if __name__ == "__main__":
    main()
