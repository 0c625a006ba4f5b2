"""The tracker on made-up films: the truth is known, and the detector misses what it is told to miss."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.face.backends import Detection
from pipeline.face.geometry import iou, near
from pipeline.face.track import Tracker

STEP_US = 200_000
HEIGHT, WIDTH, SIDE = 120, 480, 40
HOLD_US = 1_000_000


@dataclass
class Actor:
    """A textured square at ``x[i]`` in frame i, or absent; the detector misses the frames in ``missed``."""

    x: list[float | None]
    missed: set[int] = field(default_factory=set)
    real: bool = True
    y: float = 40.0


@dataclass
class MadeFilm:
    """A film and a detector for it in one: the frame's number is written into its first pixel."""

    actors: list[Actor]
    frames: int
    card: object = None
    scans: int = 0

    def image(self, index):
        image = np.random.default_rng(99).integers(100, 120, (HEIGHT, WIDTH, 3), np.uint8)
        for number, actor in enumerate(self.actors):
            if (x := actor.x[index]) is not None:
                texture = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
                top, left = round(actor.y), round(x)
                image[top : top + SIDE, left : left + SIDE] = texture.repeat(5, 0).repeat(5, 1)
        image[0, 0] = (index // 256, index % 256, 0)
        return image

    def faces(self, image):
        index = int(image[0, 0, 0]) * 256 + int(image[0, 0, 1])
        return [
            (Detection((actor.x[index], actor.y, SIDE, SIDE), 0.8), actor)
            for actor in self.actors
            if actor.x[index] is not None and index not in actor.missed
        ]

    def scan(self, image, side_px):
        self.scans += 1
        return [found for found, _ in self.faces(image)]

    def search(self, image, box):
        there = [found for found, _ in self.faces(image) if near(found.box, box, 0.6, 1.5)]
        return max(there, key=lambda found: iou(found.box, box), default=None)

    def vouch(self, image, box):
        return any(actor.real for found, actor in self.faces(image) if iou(found.box, box) > 0.5)

    def run(self, hold_us=HOLD_US, least_px=16, step_us=STEP_US):
        tracker = Tracker(self, hold_us, least_px, 64)
        found = []
        for index in range(self.frames):
            found += tracker.step(index * step_us, self.image(index))
        found += tracker.finish()
        return sorted((number, seen.time_us // step_us, seen) for number, seen in found)


def frames_by_person(found):
    persons = {}
    for number, index, _ in found:
        persons.setdefault(number, []).append(index)
    return list(persons.values())


def still(frames, x=100.0):
    return [x] * frames


def test_two_persons_are_two_throughout():
    film = MadeFilm([Actor(still(40)), Actor(still(40, 300.0))], 40)
    assert frames_by_person(film.run()) == [list(range(40))] * 2


def test_a_walking_person_stays_one():
    film = MadeFilm([Actor([20.0 + 9 * i for i in range(45)])], 45)
    assert frames_by_person(film.run()) == [list(range(45))]


def test_a_face_the_detector_misses_is_followed_by_its_looks():
    film = MadeFilm([Actor([100.0 + 2 * i for i in range(30)], missed={10, 11, 12})], 30)
    found = film.run()
    assert frames_by_person(found) == [list(range(30))]
    assert [index for _, index, seen in found if seen.followed] == [10, 11, 12]
    assert all(abs(seen.detection.box[0] - (100 + 2 * index)) < 5 for _, index, seen in found)


def test_a_face_that_is_gone_leaves_nothing_behind():
    film = MadeFilm([Actor([100.0] * 12 + [None] * 20)], 32)
    assert frames_by_person(film.run()) == [list(range(12))]


def test_a_face_that_stays_unseen_is_not_made_up_from_its_looks():
    film = MadeFilm([Actor(still(40), missed=set(range(12, 40)))], 40)
    assert frames_by_person(film.run()) == [list(range(12))]


def test_back_within_the_hold_it_is_the_same_person():
    film = MadeFilm([Actor([100.0] * 10 + [None] * 4 + [110.0] * 10)], 24)
    assert frames_by_person(film.run()) == [[*range(10), *range(14, 24)]]


def test_back_after_the_hold_it_is_another_person():
    film = MadeFilm([Actor([100.0] * 10 + [None] * 8 + [100.0] * 10)], 28)
    assert frames_by_person(film.run()) == [list(range(10)), list(range(18, 28))]


def test_one_who_comes_between_two_scans_is_followed_back_to_the_first_frame():
    late = Actor([None] * 11 + [300.0] * 20)
    film = MadeFilm([Actor(still(31)), late], 31)
    assert frames_by_person(film.run()) == [list(range(31)), list(range(11, 31))]


def test_a_false_face_is_no_person_however_long_it_stays():
    film = MadeFilm([Actor(still(60), real=False)], 60)
    assert film.run() == []


def test_a_false_face_beside_a_true_one_takes_nothing_from_it():
    film = MadeFilm([Actor(still(40)), Actor(still(40, 160.0), real=False)], 40)
    assert frames_by_person(film.run()) == [list(range(40))]


def test_a_flash_of_a_face_is_no_person():
    film = MadeFilm([Actor([None] * 10 + [100.0] + [None] * 20)], 31)
    assert film.run() == []


def test_a_film_of_one_frame_can_show_a_person():
    assert frames_by_person(MadeFilm([Actor(still(1))], 1).run()) == [[0]]


def test_small_faces_are_left_out():
    film = MadeFilm([Actor(still(20))], 20)
    assert film.run(least_px=SIDE * 1.2) == []


def test_two_faces_that_touch_keep_their_tracks():
    a = [100.0 + 3 * i for i in range(20)] + [157.0] * 20
    b = [200.0] * 40
    found = MadeFilm([Actor(a), Actor(b)], 40).run()
    assert frames_by_person(found) == [list(range(40))] * 2
    lefts = {number: [seen.detection.box[0] for n, _, seen in found if n == number] for number, *_ in found}
    assert sorted(lefts.values()) == [a, b]


def test_full_scans_are_rare():
    """At most one a second with somebody there, and every other frame with nobody."""
    film = MadeFilm([Actor(still(100))], 100)
    film.run()
    assert film.scans <= 21
    empty = MadeFilm([Actor([None] * 100)], 100)
    empty.run()
    assert 10 < empty.scans <= 51


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 3),
    st.integers(0, 2**32 - 1),
    st.floats(0, 0.3),
    st.sampled_from([40_000, 200_000]),
)
def test_persons_in_their_own_lanes_are_never_lost_doubled_or_invented(count, seed, loss, step_us):
    draw = np.random.default_rng(seed)
    frames = 40
    actors = []
    for lane in range(count):
        path = 30 + 150 * lane + 30 * np.sin(np.arange(frames) * draw.uniform(0, 0.25) + draw.uniform(0, 6))
        missed = {i for i in range(5, frames - 5) if draw.random() < loss}
        missed -= {i for i in missed if {i - 1, i - 2} <= missed}  # never three in a row
        actors.append(Actor([float(x) for x in path], missed))
    found = MadeFilm(actors, frames).run(step_us=step_us)
    assert len({number for number, *_ in found}) == count
    assert len({(number, index) for number, index, _ in found}) == len(found)
    for lane, actor in enumerate(actors):
        seen = {
            index
            for _, index, one in found
            if iou(one.detection.box, (actor.x[index], 40.0, 40.0, 40.0)) > 0.3
        }
        assert seen >= set(range(frames)) - actor.missed, lane
    for _, index, one in found:
        assert any(iou(one.detection.box, (a.x[index], 40.0, 40.0, 40.0)) > 0.3 for a in actors)


def test_equal_films_give_equal_tracks():
    runs = [MadeFilm([Actor(still(30)), Actor(still(30, 300.0), missed={7})], 30).run() for _ in range(2)]
    assert runs[0] == runs[1]


@pytest.mark.parametrize("step_us", [500_000, 3_000_000])
def test_sampling_slower_than_the_hold_still_joins_frames(step_us):
    film = MadeFilm([Actor(still(12))], 12)
    assert frames_by_person(film.run(hold_us=400_000, step_us=step_us)) == [list(range(12))]


def test_one_frame_shows_a_place_once():
    """A person lost for longer than the hold, then found again: the way back ends where others were seen."""
    actor = Actor(still(30), missed={*range(12, 18)})
    found = MadeFilm([actor], 30).run(hold_us=400_000)
    assert len({index for _, index, _ in found}) == len(found)


@pytest.mark.parametrize("hold_us", [0, 400_000])
def test_a_shorter_hold_splits_sooner(hold_us):
    film = MadeFilm([Actor([100.0] * 10 + [None] * 4 + [100.0] * 10)], 24)
    assert len(frames_by_person(film.run(hold_us))) == 2
