"""Whose mouth moves: how often a talking face is called silent, and how often a listening one is found out.

    python -m benchmarks.conflict.speaking --data DIR

Who talks in a clip was seen by looking at it. A clip without speech, and every photo, lies under the speech
of another clip; talking faces under another clip's speech are a voice-over with a moving mouth. Frames are
those sampled while someone is heard; ``silent`` are those inside a stretch of ``not_speaking``.
"""

import argparse
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise, permutations
from pathlib import Path

import numpy as np

from benchmarks.conflict.markdown import table_of
from benchmarks.conflict.speaking_cases import (
    BADLY,
    CHOSEN_ON,
    SMALL,
    STILL_FACE,
    TALKERS,
    TALKING,
    VOICED,
    Case,
    cases,
    detectors,
    face_side,
    hear,
    photo_film,
    see,
    worse,
)
from benchmarks.made_clips import data_root
from pipeline.media.cuts import cut_indices, distance, histograms
from pipeline.media.frames import iter_frames
from pipeline.media.probe import probe
from pipeline.records import CUTS_FILE
from pipeline.train.examples import DataError
from pipeline.types import US_PER_S

VIDEOS, PHOTOS = Path("videos"), Path("face") / "portraits"
# Times at which a new shot is to be seen: the interview begins with one black frame, the other clip has one
# between its two shots.
CUTS_S: Mapping[str, tuple[float, ...]] = {
    "zh_interview_38s": (0.21,),
    "face_then_none_hevc_6s": (2.40, 2.61),
}


def table(data: Path) -> str:
    """Markdown: the rates, every face, and cuts. Raises DataError when the clips are not there."""
    videos = sorted(path for path in (data / VIDEOS).glob("*") if path.suffix in (".mp4", ".mov"))
    if not videos:
        raise DataError(f"there are no clips in {data / VIDEOS}; give the data folder with --data")
    found: list[Case] = []
    cuts: list[tuple[str, list[float]]] = []
    with tempfile.TemporaryDirectory(prefix="emotion-speaking-") as temporary:
        folder = Path(temporary)
        films = [*videos, *(photo_film(photo, folder) for photo in sorted((data / PHOTOS).glob("*.jpg")))]
        for video in videos:
            hear(video, folder / video.stem)
        with detectors(data, folder) as names:
            for name in names:
                for film in list(films):
                    see(film, folder / film.stem, name)
                    if name == names[0] and film.stem in TALKERS:
                        made = list(worse(film, face_side(folder / film.stem), folder))
                        for one in made:
                            see(one, folder / one.stem, name)
                        films += made
                found += cases(folder, name, [film.stem for film in films])
        for video in videos:
            times_us = np.load(folder / video.stem / "faces" / CUTS_FILE)
            cuts.append((video.stem, [round(us / US_PER_S, 2) for us in times_us.tolist()]))
    joined = joined_cuts([video for video in videos if video.stem not in CUTS_S])
    return "\n\n".join((rates(found), faces(found), cut_table(cuts, joined)))


def _kind(clip: str) -> str:
    if clip.startswith("photo_"):
        return "photos"
    for worsened in (BADLY, SMALL):
        if clip.endswith(worsened):
            return f"all{worsened}"
    return "chosen on" if clip in CHOSEN_ON else "others"


def rates(found: Sequence[Case]) -> str:
    """Share of frames called silent, by what is true and by kind of clip."""
    groups: dict[tuple[str, str, str], list[Case]] = {}
    for one in found:
        groups.setdefault((one.detector, one.truth, _kind(one.clip)), []).append(one)
    order = (TALKING, STILL_FACE, VOICED)
    rows = []
    for (detector, truth, kind), own in sorted(groups.items(), key=lambda g: (g[0][0], order.index(g[0][1]))):
        frames = sum(one.frames for one in own)
        counts = [sum(getattr(one, name) for one in own) for name in ("silent", "moving", "unknown")]
        shares = [f"{count / max(1, frames):.3f}" for count in counts]
        rows.append([detector, truth, kind, str(len(own)), str(frames), *shares])
    return table_of(("detector", "face", "clips", "faces", "frames", "silent", "moving", "unknown"), rows)


def faces(found: Sequence[Case]) -> str:
    """Every face, with the range of its median motion."""
    rows = [
        [
            one.detector,
            one.clip,
            one.subject,
            one.truth,
            str(one.frames),
            *(f"{count / max(1, one.frames):.2f}" for count in (one.silent, one.moving, one.unknown)),
            f"{min(one.medians):.3f}–{max(one.medians):.3f}" if one.medians else "–",
        ]
        for one in found
        if one.frames and "," not in one.clip
    ]
    columns = ("detector", "clip", "person", "face", "frames", "silent", "moving", "unknown")
    return table_of((*columns, "median motion in 3 s"), rows)


def joined_cuts(videos: Sequence[Path], frames: int = 10) -> tuple[int, int, int]:
    """Ordered pairs of clips, cuts found between the end of one and the start of the other, false ones."""
    ends = {}
    for video in videos:
        sampled = [histograms(frame.image) for frame in iter_frames(video, probe(video), 5.0, 1280)]
        ends[video] = (sampled[:frames], sampled[-frames:])
    pairs = found = false = 0
    for first, second in permutations(videos, 2):
        shots = [*ends[first][1], *ends[second][0]]
        last = [0.0, *(distance(a, b) for a, b in pairwise(shots))]
        second_last = [0.0, 0.0, *(distance(a, b) for a, b in zip(shots, shots[2:], strict=False))]
        cuts = cut_indices(last, second_last)
        pairs += 1
        found += len(ends[first][1]) in cuts
        false += sum(at != len(ends[first][1]) for at in cuts)
    return pairs, found, false


def cut_table(cuts: Sequence[tuple[str, list[float]]], joined: tuple[int, int, int]) -> str:
    """Cuts in the clips as they are, and where clips were joined."""
    rows = [[clip, _times(CUTS_S.get(clip, ())), _times(found)] for clip, found in cuts]
    pairs, found, false = joined
    rows.append([f"one clip after another, {pairs} pairs", str(pairs), f"{found}, and {false} false"])
    return table_of(("clip", "cuts seen, s", "cuts found, s"), rows)


def _times(times_s: Iterable[float]) -> str:
    return ", ".join(f"{time_s:.2f}" for time_s in times_s) or "none"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.conflict.speaking",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, default=data_root())
    print(table(parser.parse_args().data))


if __name__ == "__main__":
    main()
