"""MediaPipe's Face Landmarker by LiteRT: 478 points of a face, its pose and 52 blendshapes.

A detector for near faces finds them, also in windows of large pictures; the mesh confirms them and places
them. Decoding is in ``mesh``.
"""

import math
import os
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.face import mesh
from pipeline.face.backends import Box, Detection, FaceShape, Image
from pipeline.face.geometry import Square, centre, iou, near, size, without_overlaps
from pipeline.models.cards import ModelError
from pipeline.models.known import checked_files, known_for
from pipeline.types import ModelCard

BACKEND = "landmarks"
MEMBERS = ("face_detector.tflite", "face_landmarks_detector.tflite", "face_blendshapes.tflite")
# Windows of one size overlap by at least this fraction: a face on the edge of one is whole in another.
OVERLAP = 0.35
WINDOW = 2.2  # around a known face, in its sizes
MAX_IOU = 0.3
VOUCH_SCORE, VOUCH_PRESENCE = 0.75, 0.75
STANDARD_ERROR = 2
NOTICE = b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU."


@dataclass(frozen=True, slots=True)
class Mesh:
    """A face's ``points`` (478, 3) in image pixels; ``presence`` in [0, 1]: how sure the network is."""

    points: mesh.Points
    presence: float


class Networks:
    """The three networks, on one thread each: equal bytes whatever the machine's load."""

    def __init__(self, detector: bytes, landmarks: bytes, blendshapes: bytes) -> None:
        """Load them. Raises ValueError or RuntimeError when one is no model."""
        self._detector, self._landmarks, self._blendshapes = (
            _interpreter(one) for one in (detector, landmarks, blendshapes)
        )
        self._anchors = mesh.anchors()

    def faces(self, image: Image) -> list[mesh.Candidate]:
        """Faces in a picture of 128 × 128 pixels."""
        values = image.astype(np.float32) / np.float32(127.5) - np.float32(1)
        answers = sorted(_run(self._detector, values[None]), key=lambda one: -one.shape[-1])
        return mesh.candidates(answers[0][0], answers[1][0, :, 0], self._anchors)

    def points(self, image: Image, square: Square) -> Mesh:
        """The mesh of the face in ``square``."""
        cut = sampled(image, square, mesh.MESH_PX, cv2.BORDER_REPLICATE)
        answer, presence, *_ = _run(self._landmarks, (cut.astype(np.float32) / np.float32(255))[None])
        return Mesh(mesh.in_image(answer, square), 1 / (1 + math.exp(-float(presence.ravel()[0]))))

    def blendshapes(self, points: mesh.Points) -> NDArray[np.float32]:
        """The 52 values of ``mesh.BLENDSHAPES``."""
        chosen = points[mesh.BLENDSHAPE_POINTS, :2].astype(np.float32)
        return np.asarray(_run(self._blendshapes, chosen[None])[0].ravel(), np.float32)


def _interpreter(model: bytes) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    with _without_notice():
        interpreter = Interpreter(model_content=model, num_threads=1)
        interpreter.allocate_tensors()
    return interpreter


@contextmanager
def _without_notice() -> Iterator[None]:
    """Keep LiteRT's notice off the terminal: it cannot be asked not to write it.

    All else that is written to the standard error meanwhile, by whatever thread, follows afterwards.
    """
    try:
        terminal = os.dup(STANDARD_ERROR)
    except OSError:  # there is none
        yield
        return
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), STANDARD_ERROR)
        try:
            yield
        finally:
            os.dup2(terminal, STANDARD_ERROR)
            os.close(terminal)
            written.seek(0)
            rest = b"".join(line for line in written if line.strip() != NOTICE)
            if rest:
                os.write(STANDARD_ERROR, rest)


def _run(interpreter: Any, values: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.ascontiguousarray(values))
    interpreter.invoke()
    return [interpreter.get_tensor(one["index"]) for one in interpreter.get_output_details()]


def sampled(image: Image, square: Square, out_px: int, border: int) -> Image:
    """The content of a square as the networks are used to it: interpolated from corner to corner.

    Neither averaged nor moved by half a pixel as ``cut_square`` does it: with that, the mesh lies .4 % of the
    face's width off MediaPipe's own and one of the blendshapes .09 (medians over 169 faces); so .00 and .001.
    """
    corners = cv2.boxPoints(((square.x, square.y), (square.side, square.side), square.roll_deg))
    target = np.array([[0, out_px], [0, 0], [out_px, 0], [out_px, out_px]], np.float32)
    to_out = cv2.getPerspectiveTransform(corners.astype(np.float32), target)
    flat = cv2.warpPerspective(image, to_out, (out_px, out_px), flags=cv2.INTER_LINEAR, borderMode=border)
    return np.asarray(flat, np.uint8)


def windows(size_px: tuple[int, int], side_px: int) -> Iterator[Square]:
    """Squares that cover an image of (height, width) at several scales: all of it first, then smaller ones.

    Through the smallest the network sees the image with its longer side at about ``side_px``.
    """
    height, width = size_px
    longer = max(height, width)
    yield Square(width / 2, height / 2, longer)
    side = longer / 2
    while side * side_px >= longer * mesh.DETECTOR_PX * 0.75:
        rows, columns = (_middles(length, side) for length in (height, width))
        yield from (Square(x, y, side) for y in rows for x in columns)
        side /= 2


def _middles(length: float, side: float) -> Sequence[float]:
    """Where windows stand along one edge of an image."""
    if length <= side:
        return (length / 2,)
    count = 1 + math.ceil((length - side) / (side * (1 - OVERLAP)))
    return tuple(side / 2 + (length - side) * i / (count - 1) for i in range(count))


class LandmarksDetector:
    """Finds faces and their landmarks, and measures the shape of any face, whoever has seen it."""

    def __init__(self, networks: Networks, card: ModelCard) -> None:
        self.card = card
        self._networks = networks

    def scan(self, image: Image, side_px: int) -> list[Detection]:
        seen = (
            moved_candidate(one, square)
            for square in windows((image.shape[0], image.shape[1]), side_px)
            for one in self._networks.faces(sampled(image, square, mesh.DETECTOR_PX, cv2.BORDER_CONSTANT))
        )
        kept: list[mesh.Candidate] = []
        for one in sorted(seen, key=lambda one: (-one.score, one.box)):
            if all(iou(one.box, other.box) <= MAX_IOU for other in kept):
                kept.append(one)
        meshes = [(one, self._networks.points(image, mesh.region(one.box, one.eyes))) for one in kept]
        faces = [self._detection(one, of) for one, of in meshes if of.presence >= mesh.MIN_PRESENCE]
        return [one for one in without_overlaps(faces, MAX_IOU) if not _is_part(one, faces)]

    def search(self, image: Image, box: Box) -> Detection | None:
        for one in self._around(image, box):
            of = self._networks.points(image, mesh.region(one.box, one.eyes))
            if of.presence >= mesh.MIN_PRESENCE and near(mesh.bounds(of.points), box, reach=0.7, ratio=1.6):
                return self._detection(one, of)
        return None

    def vouch(self, image: Image, box: Box) -> bool:
        return any(
            one.score >= VOUCH_SCORE
            and self._networks.points(image, mesh.region(one.box, one.eyes)).presence >= VOUCH_PRESENCE
            for one in self._around(image, box)
        )

    def shape(self, image: Image, box: Box) -> FaceShape | None:
        """The shape of a face that any detector has seen at ``box``; None where the mesh finds none there."""
        detection = self.search(image, box)
        if detection is not None:
            return detection.shape
        of = self._networks.points(image, mesh.region(box, None))
        return self._shape(of) if of.presence >= mesh.MIN_PRESENCE else None

    def _around(self, image: Image, box: Box) -> list[mesh.Candidate]:
        """Candidates near where a face was seen, the best first."""
        square = Square(*centre(box), size(box) * WINDOW)
        seen = self._networks.faces(sampled(image, square, mesh.DETECTOR_PX, cv2.BORDER_CONSTANT))
        return [one for one in (moved_candidate(one, square) for one in seen) if near(one.box, box, 0.8, 1.8)]

    def _detection(self, candidate: mesh.Candidate, of: Mesh) -> Detection:
        points = of.points
        return Detection(mesh.bounds(points), candidate.score, mesh.five_landmarks(points), self._shape(of))

    def _shape(self, of: Mesh) -> FaceShape:
        return mesh.shape_of(of.points, self._networks.blendshapes(of.points))


def _is_part(one: Detection, faces: Sequence[Detection]) -> bool:
    """Whether a face is what a small window saw of a larger one."""
    x, y = centre(one.box)
    return any(
        size(other.box) > size(one.box)
        and other.box[0] <= x <= other.box[0] + other.box[2]
        and other.box[1] <= y <= other.box[1] + other.box[3]
        for other in faces
    )


def moved_candidate(candidate: mesh.Candidate, square: Square) -> mesh.Candidate:
    """A candidate in the image of which it was given the upright ``square``."""
    left, top, side = square.x - square.side / 2, square.y - square.side / 2, square.side
    x, y, width, height = candidate.box
    one, other = ((left + x * side, top + y * side) for x, y in candidate.eyes)
    box = (left + x * side, top + y * side, width * side, height * side)
    return mesh.Candidate(box, (one, other), candidate.score)


def networks() -> Networks:
    """The three networks out of the pulled file. Raises ModelError when it is not here or not that file."""
    known = known_for(BACKEND)
    path = checked_files(known)[known.files[0].path]
    try:
        with zipfile.ZipFile(path) as bundle:
            return Networks(*(bundle.read(name) for name in MEMBERS))
    except (OSError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"{path} cannot be read ({error}); delete it and run `emotion-pipeline models pull {known.id}`"
        ) from error


def load(name: str, device: str) -> LandmarksDetector:
    """The detector, on the CPU whatever ``device``. Raises ModelError when its file is not here."""
    return LandmarksDetector(networks(), known_for(BACKEND).card())
