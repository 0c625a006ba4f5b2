"""The Face Landmarker: held against MediaPipe's own, its time, and how many faces each detector finds.

    EMOTION_MEDIAPIPE=/tmp/venv/bin/python python -m benchmarks.words.landmarks --data DIR

``EMOTION_MEDIAPIPE`` names a Python with the ``mediapipe`` wheel (which needs libegl1 and libgles2, and
another OpenCV than ours: a virtual environment of its own). Without it only times and faces are printed.
"""

import argparse
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.conflict.speaking_cases import detectors
from benchmarks.made_clips import data_root
from benchmarks.tables import show
from pipeline.config import FaceSection
from pipeline.face import mesh
from pipeline.face.backends import Image
from pipeline.face.geometry import Square
from pipeline.face.landmarks import Networks, moved_candidate, networks, sampled
from pipeline.face.persons import FaceSample
from pipeline.face.stage import run_faces
from pipeline.media.container import MediaError
from pipeline.media.frames import iter_frames
from pipeline.media.probe import probe
from pipeline.models.known import known_for
from pipeline.records import MEDIA_FILE, read_records, write_record
from pipeline.train.examples import DataError

VARIABLE = "EMOTION_MEDIAPIPE"
WORKING_PX = 1280
FRAMES_PER_CLIP = 4
# What the other Python runs: its answers to the pictures of one file, written to another.
REFERENCE = """
import sys
import mediapipe as mp, numpy as np
from mediapipe.tasks.python import BaseOptions, vision

task, source, target = sys.argv[1:]
options = vision.FaceLandmarkerOptions(
    base_options=BaseOptions(model_asset_path=task), output_face_blendshapes=True, num_faces=3
)
answers = {}
with np.load(source) as images, vision.FaceLandmarker.create_from_options(options) as landmarker:
    for name in images.files:
        image = np.ascontiguousarray(images[name])
        height, width = image.shape[:2]
        found = landmarker.detect(mp.Image(image_format=mp.ImageFormat.SRGB, data=image))
        for i, (points, shapes) in enumerate(zip(found.face_landmarks, found.face_blendshapes)):
            answers[f"{name}|{i}|points"] = np.array([(p.x * width, p.y * height) for p in points])
            answers[f"{name}|{i}|shapes"] = np.array([one.score for one in shapes])
np.savez(target, **answers)
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """One face: points (478, 2) in pixels and 52 blendshapes."""

    points: NDArray[np.float64]
    shapes: NDArray[np.float64]


def clips(data: Path) -> list[Path]:
    """The films that can be read. Raises DataError when there are none."""
    folders = (data / "videos", data / "films" / "clips")
    paths = sorted(path for folder in folders for path in folder.glob("*.m[po][4v]") if path.stat().st_size)
    if not paths:
        raise DataError(f"there are no clips in {data}; give the data folder with --data")
    return paths


def frames(paths: Sequence[Path]) -> Iterator[tuple[str, Image]]:
    """A few frames of each clip, by a name of their own."""
    for path in paths:
        try:
            images = [frame.image for frame in iter_frames(path, probe(path), 1.0, WORKING_PX)]
        except MediaError:
            continue
        for i in np.unique(np.linspace(0, len(images) - 1, FRAMES_PER_CLIP).round().astype(int)):
            yield f"{path.stem}@{i}", images[i]


def reference(python: str, images: Mapping[str, Image], folder: Path) -> dict[str, list[Answer]]:
    """MediaPipe's answers. Raises CalledProcessError when that Python cannot run it."""
    source, target = folder / "images.npz", folder / "answers.npz"
    np.savez(source, **images)  # type: ignore[arg-type]
    known = known_for("landmarks")
    task = known.home / known.files[0].path
    subprocess.run([python, "-c", REFERENCE, task, source, target], check=True, capture_output=True)
    answers: dict[str, list[Answer]] = {name: [] for name in images}
    with np.load(target) as found:
        for name in (key.removesuffix("|points") for key in found.files if key.endswith("|points")):
            image = name.split("|")[0]
            answers[image].append(Answer(found[f"{name}|points"], found[f"{name}|shapes"]))
    return answers


def ours(image: Image, nets: Networks) -> list[Answer]:
    """What our decoding says of a whole picture, asked as MediaPipe asks."""
    height, width = image.shape[:2]
    whole = Square(width / 2, height / 2, max(height, width))
    answers = []
    for one in nets.faces(sampled(image, whole, mesh.DETECTOR_PX, cv2.BORDER_CONSTANT)):
        face = moved_candidate(one, whole)
        of = nets.points(image, mesh.region(face.box, face.eyes))
        if of.presence >= mesh.MIN_PRESENCE:
            answers.append(Answer(of.points[:, :2], nets.blendshapes(of.points).astype(float)))
    return answers


def differences(theirs: Sequence[Answer], own: Sequence[Answer]) -> Iterator[tuple[float, float, float]]:
    """Per face of theirs: mean and greatest distance of points over the face's width, greatest of a shape.

    Infinite for a face that is missing.
    """
    for face in theirs:
        width = float(np.ptp(face.points[:, 0]))
        pairs = [(np.linalg.norm(one.points - face.points, axis=1) / width, one) for one in own]
        distance, nearest = min(
            pairs, key=lambda pair: float(pair[0].mean()), default=(np.array([9.0]), None)
        )
        if nearest is None or distance.mean() > 0.5:
            yield float("inf"), float("inf"), float("inf")
        else:
            shapes = np.abs(nearest.shapes - face.shapes).max()
            yield float(distance.mean()), float(distance.max()), float(shapes)


def compare(python: str, images: Mapping[str, Image]) -> None:
    """Print how far our answers lie from MediaPipe's."""
    nets = networks()
    with tempfile.TemporaryDirectory(prefix="emotion-landmarks-") as temporary:
        theirs = reference(python, images, Path(temporary))
    own = {name: ours(image, nets) for name, image in images.items()}
    rows = [one for name in images for one in differences(theirs[name], own[name])]
    table = np.array([row for row in rows if np.isfinite(row[0])])
    extra = sum(max(0, len(own[name]) - len(theirs[name])) for name in images)
    missing = len(rows) - len(table)
    show(
        f"{len(rows)} faces in {len(images)} frames: {missing} missing, {extra} more than theirs",
        ("", "mean point, of face width", "worst point, of face width", "worst blendshape"),
        [
            [name, *(f"{value:.4f}" for value in np.percentile(table, percent, axis=0))]
            for name, percent in (("median face", 50), ("90 % of faces", 90), ("worst face", 100))
        ],
    )


def times(images: Mapping[str, Image]) -> None:
    """Print processor time of each step."""
    nets = networks()
    spent: dict[str, list[float]] = {"detector": [], "mesh": [], "blendshapes": []}
    for image in images.values():
        height, width = image.shape[:2]
        whole = Square(width / 2, height / 2, max(height, width))
        start = time.process_time()
        faces = nets.faces(sampled(image, whole, mesh.DETECTOR_PX, cv2.BORDER_CONSTANT))
        spent["detector"].append(time.process_time() - start)
        for one in faces[:1]:
            face = moved_candidate(one, whole)
            start = time.process_time()
            of = nets.points(image, mesh.region(face.box, face.eyes))
            spent["mesh"].append(time.process_time() - start)
            start = time.process_time()
            nets.blendshapes(of.points)
            spent["blendshapes"].append(time.process_time() - start)
    rows = [[name, f"{1e3 * float(np.median(own)):.1f}"] for name, own in spent.items()]
    rows.append(["a face", f"{1e3 * sum(float(np.median(own)) for own in spent.values()):.1f}"])
    show("processor time", ("step", "median ms"), rows)


def found(paths: Sequence[Path], data: Path) -> None:
    """Print how many faces each detector finds through the whole stage, and what that takes."""
    rows: dict[str, list[str]] = {}
    totals: dict[str, NDArray[np.float64]] = {}
    with tempfile.TemporaryDirectory(prefix="emotion-faces-") as temporary:
        folder = Path(temporary)
        with detectors(data, folder) as names:
            for path in paths:
                row = rows.setdefault(path.stem, [path.stem])
                for name in names:
                    counts = _counted(path, name, folder)
                    totals[name] = totals.get(name, np.zeros(len(counts))) + counts
                    row.append("{:.0f} of {:.0f}, {:.0f} persons, {:.0f}".format(*counts[:4]))
        total = ["all"]
        for name in names:
            total.append("{:.0f} of {:.0f}, {:.0f} persons, {:.0f}, {:.1f} s".format(*totals[name]))
    show(
        "frames with a face of all frames, persons, faces whose shape was measured (in all: processor time)",
        ("clip", *names),
        [*rows.values(), total],
    )


def _counted(path: Path, detector: str, folder: Path) -> NDArray[np.float64]:
    """Frames with a face that the detector saw, frames, persons, shapes, processor seconds."""
    inputs, out = folder / "probe", folder / "faces"
    for one in (inputs, out):
        one.mkdir(exist_ok=True)
    (out / "shapes.npy").unlink(missing_ok=True)
    write_record(inputs / MEDIA_FILE, probe(path))
    start = time.process_time()
    settings = FaceSection(detector=detector, backend="compact")
    run_faces({"source": path, "probe": inputs}, settings, out, lambda fraction: None)
    spent_s = time.process_time() - start
    samples = read_records(out / "samples.jsonl", FaceSample)
    seen = {one.time_us for one in samples if not one.followed}
    persons = {one.track for one in samples}
    shapes = sum(one.lip_gap is not None for one in samples)
    return np.array([len(seen), len(np.load(out / "frames.npy")), len(persons), shapes, spent_s])


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.words.landmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, default=data_root())
    data = parser.parse_args().data
    paths = clips(data)
    images = dict(frames(paths))
    times(images)
    if python := os.environ.get(VARIABLE):
        compare(python, images)
    else:
        print(f"not held against MediaPipe: {VARIABLE} names no Python that has it")
    found(paths, data)


if __name__ == "__main__":
    main()
