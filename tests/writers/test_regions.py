from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.types import Analysis, MediaInfo, Observation, PictureShape, Span, Status
from pipeline.writers.regions import AROUND_US, HELD_US, Region, at, regions, unseen
from tests.writers.conftest import make_analysis, with_posture

S = 1_000_000
FIFTH = 200_000
Box = tuple[float, float, float, float]
Seen = Sequence[tuple[int, str | None, Box]]


def analysis_of(seen: Seen, media: MediaInfo | None = None) -> Analysis:
    """``seen`` are time, person and box of one sample each, ``FIFTH`` long."""
    film = replace(make_analysis().media, width_px=640, height_px=360, duration_us=60 * S)
    found = tuple(
        Observation(
            "face",
            Span(time_us, time_us + FIFTH),
            Status.OK,
            make_analysis().observations["face"][0].scores,
            subject=who,
            evidence={"box": list(box), "time_us": time_us},
        )
        for time_us, who, box in seen
    )
    return replace(make_analysis(), media=media or film, observations={"face": found})


def inside(box: Box, here: Sequence[Region], media: MediaInfo) -> bool:
    """Whether one region holds the whole visible part of a box."""
    x, y, w, h = box
    left, top = max(0.0, x), max(0.0, y)
    right, bottom = min(x + w, media.width_px), min(y + h, media.height_px)
    return any(
        a <= left and b <= top and right <= a + c and bottom <= b + d for a, b, c, d in (r.box for r in here)
    )


boxes = st.tuples(*(st.floats(a, b) for a, b in ((-6, 630), (-6, 350), (8, 200), (8, 200))))
sightings = st.lists(
    st.tuples(st.integers(0, 59 * S), st.sampled_from(["P1", "P2", None]), boxes), max_size=12
)


def test_what_is_seen_soon_after_a_turn_is_hidden_from_the_turn_on() -> None:
    """A face is looked for as large as it was before, so it is found too small at first."""
    shapes = (PictureShape(0, 640, 360), PictureShape(2 * S, 360, 640))
    small, large = (300.0, 200.0, 50.0, 50.0), (200.0, 120.0, 200.0, 200.0)
    seen = [(us, "P1", small if us < 2_600_000 else large) for us in range(0, 5 * S, FIFTH)]
    plain = analysis_of(seen)
    assert not inside(large, at(regions(plain), 2_050_000), plain.media)
    turned = analysis_of(seen, replace(plain.media, shapes=shapes))
    assert inside(large, at(regions(turned), 2_050_000), turned.media)
    assert not inside(large, at(regions(turned), 1_950_000), turned.media)


@given(sightings)
def test_every_box_is_covered_while_it_is_seen(seen: Seen) -> None:
    analysis = analysis_of(seen)
    found = regions(analysis)
    for time_us, _, box in seen:
        for moment_us in (time_us, time_us + FIFTH // 2, time_us + FIFTH - 1):
            assert inside(box, at(found, moment_us), analysis.media)


@given(sightings)
def test_regions_stay_in_film_and_picture_and_in_order(seen: Seen) -> None:
    found = regions(analysis_of(seen))
    assert (not seen) == (not found)
    assert list(found) == sorted(found, key=lambda r: (r.span, r.box))
    for region in found:
        x, y, w, h = region.box
        assert 0 <= region.span.start_us < region.span.end_us <= 60 * S
        assert w > 0 and h > 0 and x >= 0 and y >= 0 and x + w <= 640 and y + h <= 360


@given(sightings, st.integers(0, 600 * S))
def test_the_same_later(seen: Seen, later_us: int) -> None:
    """Away from the film's ends."""
    long = replace(analysis_of(()).media, duration_us=800 * S)
    first = regions(analysis_of([(5 * S + t, who, box) for t, who, box in seen], long))
    second = regions(analysis_of([(5 * S + later_us + t, who, box) for t, who, box in seen], long))
    assert [replace(r, span=r.span.shifted(later_us)) for r in first] == list(second)


@settings(max_examples=30)
@given(sightings, st.randoms())
def test_the_order_of_observations_plays_no_part(seen: Seen, random) -> None:  # type: ignore[no-untyped-def]
    other = list(seen)
    random.shuffle(other)
    covered = [
        {(t, inside(b, at(regions(analysis_of(s)), t), analysis_of(()).media)) for t, _, b in seen}
        for s in (seen, other)
    ]
    assert covered[0] == covered[1]


A, B = (100.0, 100.0, 60.0, 60.0), (130.0, 100.0, 60.0, 60.0)


def times_covered(seen: Seen, box: Box) -> list[float]:
    """Tenths of seconds at which a box is hidden."""
    analysis = analysis_of(seen)
    found = regions(analysis)
    return [t / 10 for t in range(600) if inside(box, at(found, t * S // 10), analysis.media)]


def test_held_before_after_and_through_a_gap() -> None:
    covered = times_covered([(10 * S, "P1", A), (13 * S, "P1", B)], A)
    assert covered[0] == 9.0 and covered[-1] == 12.9
    assert len(covered) == round((covered[-1] - 9.0) * 10) + 1
    middle = times_covered([(10 * S, "P1", A), (13 * S, "P1", B)], (115.0, 100.0, 60.0, 60.0))
    assert middle[0] <= 10 and middle[-1] >= 13


ELSEWHERE = (400.0, 100.0, 60.0, 60.0)


def test_a_person_who_comes_back_in_place_is_held_for_however_long() -> None:
    seen = [(10 * S, "P1", A), (40 * S, "P1", B)]
    covered = set(times_covered(seen, A))
    assert {t / 10 for t in range(90, 400)} <= covered
    assert unseen(analysis_of(seen)) == (Span(10 * S + FIFTH, 40 * S),)  # who knows where they went meanwhile


def test_a_long_gap_is_held_on_both_sides_only_when_a_person_comes_back_elsewhere() -> None:
    end_us = 10 * S + FIFTH
    seen = [(10 * S, "P1", A), (end_us + HELD_US + 2 * S, "P1", ELSEWHERE)]
    covered = [*times_covered(seen, A), *times_covered(seen, ELSEWHERE)]
    assert end_us / S + AROUND_US / S - 0.1 in covered
    assert (end_us + HELD_US / 2 + S) / S not in covered
    assert 15.3 in covered and 17.3 in covered
    assert unseen(analysis_of(seen)) == (Span(end_us, seen[1][0]),)


@pytest.mark.parametrize(
    ("seen", "where_s"),
    [
        ([(0, "P1", A), (4 * S, "P1", B)], []),  # held
        ([(0, "P1", A), (4 * S, "P2", B)], []),  # found anew in place
        ([(0, "P1", A), (S, "P2", ELSEWHERE)], []),  # both places are hidden until then
        ([(0, "P1", A), (4 * S, "P2", ELSEWHERE)], [(0.2, 4)]),
        ([(0, "P1", A), (8 * S, "P2", A)], [(0.2, 8)]),
        ([(0, "P1", A), (FIFTH, "P2", ELSEWHERE), (S, "P2", ELSEWHERE)], []),
        # in view all along is somebody else
        ([*((t * S, "P2", ELSEWHERE) for t in range(9)), (S, "P1", A), (6 * S, "P3", B)], [(1.2, 6)]),
        ([(0, "P1", A), (3 * S, "P2", ELSEWHERE), (3 * S, "P3", A), (20 * S, "P3", A)], [(3.2, 20)]),
        ([(0, "P1", A), (9 * S, "P1", ELSEWHERE), (30 * S, "P2", A)], [(0.2, 9), (9.2, 30)]),
        ([(0, "P1", A), (0, "P2", ELSEWHERE), (9 * S, "P1", A), (10 * S, "P2", ELSEWHERE)], [(0.2, 10)]),
        ([], []),
    ],
)
def test_where_a_face_may_be_bare_is_told(seen: Seen, where_s: list[tuple[float, float]]) -> None:
    found = unseen(analysis_of(seen))
    assert [(s.start_s, s.end_s) for s in found] == where_s
    assert unseen(analysis_of(list(reversed(seen)))) == found


@given(sightings)
def test_what_is_neither_told_nor_hidden_was_never_seen(seen: Seen) -> None:
    """Between the first and the last sighting some face is hidden, or the stretch is told."""
    analysis = analysis_of(seen)
    found, told = regions(analysis), unseen(analysis)
    visible = [t for t, _, (x, y, w, h) in seen if x + w > 1 and y + h > 1 and x < 639 and y < 359]
    if len(visible) == len(seen) > 0:
        for time_us in range(min(visible), max(visible), S // 2):
            assert at(found, time_us) or any(s.start_us <= time_us < s.end_us for s in told)


def test_a_face_that_goes_further_between_two_samples_and_comes_back_is_covered() -> None:
    seen = [(i * FIFTH, "P1", (x, 100.0, 60.0, 60.0)) for i, x in enumerate((200.0, 200.0, 320.0, 320.0))]
    further = (140.0, 100.0, 60.0, 60.0)  # half as far again to the other side
    analysis = analysis_of(seen)
    assert inside(further, at(regions(analysis), FIFTH + FIFTH // 2), analysis.media)


def test_a_face_lost_and_found_under_another_name_is_held() -> None:
    covered = times_covered([(10 * S, "P1", A), (13 * S, "P2", B)], A)
    assert {11.5, 11.6, 11.7} <= set(covered)
    elsewhere = times_covered([(10 * S, "P1", A), (13 * S, "P2", ELSEWHERE)], A)
    assert 11.5 not in elsewhere


def test_around_a_jump_both_places_are_hidden() -> None:
    seen = [(10 * S, "P1", A), (10 * S + FIFTH, "P1", (400.0, 200.0, 60.0, 60.0))]
    found = regions(analysis_of(seen))
    media = analysis_of(()).media
    for t in range(10 * S, 10 * S + FIFTH, 20_000):
        assert inside(A, at(found, t), media) and inside(seen[1][2], at(found, t), media)


def test_quick_motion_between_two_samples_is_covered() -> None:
    """One swing a second of 1.5 faces to either side, seen five times a second: 9 faces a second."""

    def box(time_us: int) -> Box:
        turn = 2 * np.pi * time_us / S
        return (280 + 120 * np.sin(turn + 0.7), 140 + 36 * np.cos(turn), 80.0, 80.0)

    analysis = analysis_of([(i * FIFTH, "P1", box(i * FIFTH)) for i in range(50)])
    found = regions(analysis)
    assert all(inside(box(t), at(found, t), analysis.media) for t in range(0, 49 * FIFTH, 40_000))


def test_one_who_leaves_is_followed_on_the_way() -> None:
    seen = [(10 * S + i * FIFTH, "P1", (300.0 + 30 * i, 100.0, 60.0, 60.0)) for i in range(5)]
    found = regions(analysis_of(seen))
    media = analysis_of(()).media
    gone, come = (480.0, 100.0, 60.0, 60.0), (240.0, 100.0, 60.0, 60.0)
    assert inside(gone, at(found, 11_200_000), media) and inside(come, at(found, 9_600_000), media)
    assert not inside(gone, at(found, 9_600_000), media) and not inside(come, at(found, 11_200_000), media)


def test_no_box_no_picture_no_region(analysis: Analysis) -> None:
    assert regions(replace(analysis, observations={})) == ()
    assert regions(replace(analysis, observations={"face": ()})) == ()
    tiny = replace(analysis, media=replace(analysis.media, width_px=1, height_px=1))
    assert all(r.box == (0, 0, 1, 1) for r in regions(tiny))
    assert regions(replace(analysis, media=replace(analysis.media, duration_us=0))) == ()


def test_any_modality_with_a_box(analysis: Analysis) -> None:
    posture = (60.0, 60.0, 30.0, 50.0)
    assert all(
        inside(posture, at(regions(with_posture(analysis)), t), analysis.media)
        for t in range(0, 3 * S, 50_000)
    )


def test_a_still_face_is_few_regions() -> None:
    """Two minutes of a face that trembles: libass looks through all events for every frame."""
    random = np.random.default_rng(1)
    seen = [
        (
            i * FIFTH,
            "P1",
            (200 + float(random.normal(0, 1.5)), 100 + float(random.normal(0, 1.5)), 90.0, 90.0),
        )
        for i in range(5 * 120)
    ]
    long = replace(analysis_of(()).media, duration_us=120 * S)
    assert len(regions(analysis_of(seen, long))) <= 50
