"""From faces in single frames to persons: pure but for the detector it is given."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.face import crop
from pipeline.face.backends import Box, Detection, FaceDetector, FaceShape, Image
from pipeline.face.geometry import Square, centre, cut_square, iou, moved, near, size, square_of
from pipeline.face.mouth import Face, Mouth, prepared
from pipeline.face.persons import FaceSample

# Between full scans the faces known are looked for where they were. With nobody known, scans are more
# frequent and finer; they still bound what a film without faces costs.
SCAN_EVERY_US, SCAN_PX = 1_500_000, 320
LOOK_OUT_EVERY_US, LOOK_OUT_PX = 400_000, 480
# Frames kept to follow a newly found face back to where it came in.
REMEMBERED_FRAMES = 8
# A new face must be seen this often, or for this long, and be vouched for, before it is a person.
LEAST_SIGHTINGS, LEAST_SEEN_US, TRIAL_SIGHTINGS = 3, 500_000, 10
# A face the detector misses for a frame is followed by its looks when it correlates this well.
PATCH_PX, LEAST_CORRELATION = 24, 0.6
FOLLOWED_QUALITY = 0.5
SAME_PLACE_REACH, SAME_SIZE_RATIO, SAME_FACE_IOU = 1.0, 1.6, 0.3


@dataclass(frozen=True, slots=True)
class Sighting:
    """A face in one frame, in pixels of that frame's image, with its encoded crop."""

    time_us: int
    detection: Detection
    followed: bool
    looks: crop.Looks
    jpeg: bytes
    face: Face = field(repr=False, compare=False)
    mouth_motion: float | None = None

    def sample(self, track: str, scale: float, offset: int, shape_row: int | None) -> FaceSample:
        """The record of it; one display pixel is ``scale`` image pixels.

        The crop lies at ``offset``, the shape of the face, if there is one, in ``shape_row``.
        """
        shape = self.detection.shape
        found = moved(self.detection, 1 / scale, 0, 0)
        size_px = square_of(found).side
        return FaceSample(
            time_us=self.time_us,
            track=track,
            box=_rounded(found.box),
            landmarks=found.landmarks and tuple((round(x, 2), round(y, 2)) for x, y in found.landmarks),
            detector_score=round(found.score, 4),
            followed=self.followed,
            size_px=round(size_px, 2),
            sharpness=round(self.looks.sharpness, 4),
            frontality=round(self.looks.frontality, 4),
            quality=round(
                crop.quality(size_px, self.looks) * (FOLLOWED_QUALITY if self.followed else 1.0), 4
            ),
            crop_offset=offset,
            crop_length=len(self.jpeg),
            mouth_motion=None if self.mouth_motion is None else round(self.mouth_motion, 4),
            jaw_open=None if shape is None else round(shape.jaw_open, 4),
            lip_gap=None if shape is None else round(shape.lip_gap, 4),
            shape_row=None if shape is None else shape_row,
        )


@dataclass(slots=True)
class _Track:
    number: int
    box: Box
    seen_us: int
    patch: NDArray[np.uint8]
    person: bool = False
    vouched: bool = False
    sightings: int = 0
    since_us: int = 0
    waiting: list[Sighting] = field(default_factory=list)  # until it is a person, or found again
    mouth: Mouth = field(default_factory=Mouth)


@dataclass(frozen=True, slots=True)
class _Remembered:
    """A frame, and where faces were seen in it."""

    time_us: int
    image: Image
    taken: list[Box] = field(default_factory=list)


Found = tuple[int, Sighting]
ShapeOf = Callable[[Image, Box], FaceShape | None]


class Tracker:
    """Takes frames in order of time; gives back sightings, by number of track, once they are certain.

    A sighting is certain when its face has become a person and, where the detector missed it, was found again
    within ``hold_us``: a face that is gone leaves nothing behind.
    """

    def __init__(
        self,
        detector: FaceDetector,
        hold_us: int,
        least_px: float,
        crop_px: int,
        shape_of: ShapeOf | None = None,
    ) -> None:
        """``shape_of`` measures faces whose detector does not tell their shape."""
        self._detector = detector
        self._shape_of = shape_of
        self._hold_us = hold_us
        self._least_px = least_px
        self._crop_px = crop_px
        self._tracks: list[_Track] = []
        self._recent: deque[_Remembered] = deque(maxlen=REMEMBERED_FRAMES)
        self._scanned_us: int | None = None
        self._count = 0

    def step(self, time_us: int, image: Image) -> list[Found]:
        """Look at one frame."""
        last_us = self._recent[-1].time_us if self._recent else time_us
        self._tracks = [
            t for t in self._tracks if t.seen_us == last_us or time_us - t.seen_us <= self._hold_us
        ]
        self._recent.append(_Remembered(time_us, image))
        lost = self._follow(time_us, image)
        if self._is_due(time_us, lost):
            self._scan(time_us, image, lost)
        for track in lost:
            self._follow_looks(track, time_us, image)
        return self._certain()

    def finish(self) -> list[Found]:
        """What the last frames leave: faces still on trial count when they were vouched for."""
        for track in self._tracks:
            track.person = track.person or track.vouched
            while track.waiting and track.waiting[-1].followed:
                track.waiting.pop()
        return self._certain()

    def _is_due(self, time_us: int, lost: list[_Track]) -> bool:
        if self._scanned_us is None:
            return True
        settled = len(self._tracks) > len(lost)
        just_lost = any(track.person and not _is_followed(track) for track in lost)
        waited_us = time_us - self._scanned_us
        return just_lost or waited_us >= (SCAN_EVERY_US if settled else LOOK_OUT_EVERY_US)

    def _follow(self, time_us: int, image: Image) -> list[_Track]:
        """Look for each known face near where it was; returns the tracks that were not found."""
        answers = [(track, self._detector.search(image, track.box)) for track in self._tracks]
        there = [(track, found) for track, found in answers if found and self._is_large(found)]
        there.sort(key=lambda pair: (not pair[0].person, -iou(pair[0].box, pair[1].box), pair[0].number))
        taken: list[Box] = []
        for track, found in there:
            if all(iou(found.box, box) <= SAME_FACE_IOU for box in taken):
                taken.append(found.box)
                self._saw(track, found)
        return [track for track in self._tracks if track.seen_us != time_us]

    def _scan(self, time_us: int, image: Image, lost: list[_Track]) -> None:
        """Look everywhere: lost faces take their number up again, others begin on trial."""
        self._scanned_us = time_us
        side_px = SCAN_PX if self._tracks else LOOK_OUT_PX
        known = [track.box for track in self._tracks if track.seen_us == time_us]
        for found in self._detector.scan(image, side_px):
            if not self._is_large(found) or any(_covers(box, found.box) for box in known):
                continue
            again = [t for t in lost if near(t.box, found.box, SAME_PLACE_REACH, SAME_SIZE_RATIO)]
            if again:
                track = max(again, key=lambda t: (t.person, iou(t.box, found.box), -t.number))
                lost.remove(track)
                self._saw(track, found)
            else:
                self._begin(time_us, image, found)
            known.append(found.box)

    def _begin(self, time_us: int, image: Image, found: Detection) -> None:
        self._count += 1
        track = _Track(self._count, found.box, time_us, _patch(image, found.box), since_us=time_us)
        for earlier in list(self._recent)[-2::-1]:
            before = self._detector.search(earlier.image, track.box)
            if before is None or not self._is_large(before):
                break
            if any(iou(box, before.box) > SAME_FACE_IOU for box in earlier.taken):
                break
            track.box, track.since_us = before.box, earlier.time_us
            track.waiting.insert(0, self._sighting(earlier, before))
            track.sightings += 1
        self._tracks.append(track)
        self._saw(track, found)

    def _saw(self, track: _Track, found: Detection) -> None:
        now = self._recent[-1]
        time_us, image = now.time_us, now.image
        track.box, track.seen_us, track.patch = found.box, time_us, _patch(image, found.box)
        track.sightings += 1
        track.waiting.append(self._sighting(now, found))
        if not track.person:
            track.vouched = track.vouched or self._detector.vouch(image, found.box)
            enough = track.sightings >= LEAST_SIGHTINGS or time_us - track.since_us >= LEAST_SEEN_US
            track.person = track.vouched and enough

    def _follow_looks(self, track: _Track, time_us: int, image: Image) -> None:
        if track.seen_us == time_us or not track.person:
            return
        box, correlation = followed(image, track.patch, track.box)
        if correlation >= LEAST_CORRELATION:
            track.box = box
            found = Detection(box, correlation)
            track.waiting.append(self._sighting(self._recent[-1], found, followed=True))

    def _sighting(self, frame: _Remembered, found: Detection, followed: bool = False) -> Sighting:
        frame.taken.append(found.box)
        cut = crop.cut(frame.image, square_of(found), self._crop_px)
        looks = crop.looks(cut, found.landmarks)
        if found.shape is None and self._shape_of is not None:
            found = replace(found, shape=self._shape_of(frame.image, found.box))
        return Sighting(frame.time_us, found, followed, looks, crop.encoded(cut), prepared(cut))

    def _is_large(self, found: Detection) -> bool:
        return square_of(found).side >= self._least_px

    def _certain(self) -> list[Found]:
        certain: list[Found] = []
        for track in self._tracks:
            if track.person and track.waiting and not track.waiting[-1].followed:
                for seen in track.waiting:
                    motion = track.mouth.step(seen.time_us, seen.face)
                    certain.append((track.number, replace(seen, mouth_motion=motion)))
                track.waiting.clear()
        on_trial_too_long = [t for t in self._tracks if not t.person and t.sightings >= TRIAL_SIGHTINGS]
        self._tracks = [track for track in self._tracks if track not in on_trial_too_long]
        return certain


def _is_followed(track: _Track) -> bool:
    return bool(track.waiting) and track.waiting[-1].followed


def _covers(known: Box, found: Box) -> bool:
    """Whether a scan found a face that is known, or a piece of one."""
    x, y = centre(found)
    inside = known[0] <= x <= known[0] + known[2] and known[1] <= y <= known[1] + known[3]
    return inside or iou(known, found) > SAME_FACE_IOU


def _rounded(box: Box) -> Box:
    x, y, width, height = (round(side, 2) for side in box)
    return x, y, width, height


def _patch(image: Image, box: Box) -> NDArray[np.uint8]:
    x, y = centre(box)
    small = cut_square(image, Square(x, y, size(box)), PATCH_PX)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)


def followed(image: Image, patch: NDArray[np.uint8], box: Box) -> tuple[Box, float]:
    """Where around ``box`` the patch correlates best, and how well, in [-1, 1] (template matching)."""
    x, y = centre(box)
    side = size(box)
    window = cut_square(image, Square(x, y, 2 * side), 2 * PATCH_PX)
    grey = cv2.cvtColor(window, cv2.COLOR_RGB2GRAY)
    _, best, _, at = cv2.minMaxLoc(cv2.matchTemplate(grey, patch, cv2.TM_CCOEFF_NORMED))
    shift = side / PATCH_PX
    dx, dy = ((place - PATCH_PX / 2) * shift for place in at)
    return (box[0] + dx, box[1] + dy, box[2], box[3]), float(best)
