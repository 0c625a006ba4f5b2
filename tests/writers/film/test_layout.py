from itertools import product
from time import process_time

import pytest

from pipeline.types import MediaInfo
from pipeline.writers.film.layout import Box, Layout, covered, film_layout, hull, place_band, place_label

HD = Layout(1280, 720, 0, 1.0)


def media(width_px: int, height_px: int) -> MediaInfo:
    return MediaInfo("", 1, width_px, height_px, 25, False, True, False, 0, 0)


@pytest.mark.parametrize(
    "face",
    [(500, 0, 200, 250), (500, 300, 200, 420), (0, 0, 200, 720), (1080, 0, 200, 720), (600, 300, 80, 90)],
)
def test_a_label_never_covers_a_face_when_there_is_room(face: Box) -> None:
    x, y = place_label((190, 40), face, [face], HD.frame)
    assert covered((x, y, 190, 40), [face]) == 0
    assert 0 <= x <= 1280 - 190 and 0 <= y <= 720 - 40


def test_a_label_avoids_the_other_face() -> None:
    own, other = (500, 300, 200, 200), (480, 100, 240, 195)
    x, y = place_label((190, 40), own, [own, other], HD.frame)
    assert covered((x, y, 190, 40), [own, other]) == 0


def test_a_label_stays_in_a_frame_that_a_face_fills() -> None:
    x, y = place_label((190, 40), (0, 0, 1280, 720), [(0, 0, 1280, 720)], HD.frame)
    assert 0 <= x <= 1280 - 190 and 0 <= y <= 720 - 40


def test_a_label_finds_the_only_free_place() -> None:
    """Nothing beside the box is free: a strip is left between a face and a block of text far off."""
    faces: list[Box] = [(0, 0, 1280, 400), (0, 450, 900, 270)]
    taken: list[Box] = [(0, 400, 700, 50), (900, 400, 380, 320)]
    x, y = place_label((190, 40), faces[0], faces, HD.frame, taken)
    assert covered((x, y, 190, 40), [*faces, *taken]) == 0


def crowd(people: int) -> list[Box]:
    """In rows of eight, so near that nothing is free beside anyone."""
    return [(20 + i % 8 * 155, 10 + i // 8 * 140, 130, 125) for i in range(people)]


def test_a_label_in_a_crowd_covers_as_little_face_as_anywhere_near() -> None:
    faces = crowd(32)
    for face in faces:
        x, y = place_label((150, 15), face, faces, HD.frame)
        assert covered((x, y, 150, 15), faces) == 0


def test_labels_of_a_crowd_are_placed_quickly() -> None:
    """Work grows with the people, not with their cube: 30 of them for 10 seconds."""
    faces, begin = crowd(30), process_time()
    for _ in range(10):
        taken: list[Box] = []
        for face in faces:
            taken.append((*place_label((190, 40), face, faces, HD.frame, taken), 190, 40))
    assert process_time() - begin < 1.5


@pytest.mark.parametrize("at_top", [False, True])
def test_a_band_stands_where_it_belongs(at_top: bool) -> None:
    x, y, _, _ = place_band((600, 60), [((500, 200, 200, 200), 5)], [], HD, at_top)
    assert (x, y) == (340, HD.margin_px if at_top else 720 - 60 - HD.margin_px)


def test_a_band_goes_to_the_other_edge_when_faces_are_under_it() -> None:
    low = [((500, 400, 200, 320), 5)]
    assert place_band((600, 60), low, [], HD, at_top=False)[1] == HD.margin_px


def test_a_band_covers_what_is_there_for_the_shortest() -> None:
    everywhere = [((500, 0, 200, 120), 1), ((500, 100, 200, 620), 9)]
    assert place_band((1200, 60), everywhere, [], HD, at_top=False)[1] == HD.margin_px


def test_bands_stand_on_each_other_and_not_over_each_other() -> None:
    taken: list[Box] = []
    for _ in range(4):
        taken.append(place_band((900, 70), [((560, 250, 160, 200), 1)], taken, HD, at_top=False))
    assert not any(covered(a, [b]) for a, b in product(taken, taken) if a != b)
    assert not any(covered(a, [(560, 250, 160, 200)]) for a in taken)


def test_a_band_higher_than_the_picture_begins_at_its_top() -> None:
    assert place_band((1300, 900), [], [], HD, at_top=False) == (0, 0, 1300, 900)


@pytest.mark.parametrize("size", [(1281, 721), (333, 777), (160, 120), (3840, 2160), (720, 1280), (2, 2)])
def test_sides_are_even_and_no_taller_than_asked(size: tuple[int, int]) -> None:
    layout = film_layout(media(*size), 720, 4)
    assert not any(n % 2 for n in (layout.width_px, layout.height_px, layout.panel_px))
    assert layout.height_px <= 720 + 1 and layout.width_px / layout.height_px == pytest.approx(
        size[0] / size[1], rel=0.02
    )


@pytest.mark.parametrize("size", [(640, 360), (360, 640), (1280, 720), (1920, 1080), (1080, 1920)])
def test_the_panel_grows_by_lanes_and_is_a_small_part_of_the_film(size: tuple[int, int]) -> None:
    layouts = [film_layout(media(*size), 1920, n) for n in (0, 1, 4, 5)]
    heights = [layout.panel_px for layout in layouts]
    assert heights == sorted(heights) and heights[0] == 0 and heights[1] > 0
    assert heights[2] <= 0.25 * layouts[2].height_px


def test_hull() -> None:
    assert hull([(10, 20, 5, 5), (0, 30, 4, 40)]) == (0, 20, 15, 50)
