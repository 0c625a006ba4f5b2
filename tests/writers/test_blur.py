from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import av
import cv2
import ffmpeg
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.config import FaceSection
from pipeline.face.persons import FaceSample
from pipeline.face.stage import run_faces
from pipeline.media.encode import film_settings, media_input, run_ffmpeg
from pipeline.media.probe import probe
from pipeline.records import read_records, write_record
from pipeline.types import Analysis, MediaInfo, Observation, Span, Status
from pipeline.writers import blur
from pipeline.writers.blur import (
    AROUND_US,
    HELD_US,
    Region,
    at,
    blurred,
    blurred_image,
    cell_px,
    mask_script,
    regions,
)
from pipeline.writers.layout import film_layout
from tests.conftest import Made
from tests.made import media as made_media
from tests.writers.conftest import make_analysis, with_posture, written

S = 1_000_000
FIFTH = 200_000
Box = tuple[float, float, float, float]
Seen = Sequence[tuple[int, str | None, Box]]
CASCADES = ("frontalface_alt2", "frontalface_default")


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


def test_a_long_gap_is_held_on_both_sides_only() -> None:
    end_us = 10 * S + FIFTH
    covered = times_covered([(10 * S, "P1", A), (end_us + HELD_US + 2 * S, "P1", A)], A)
    assert end_us / S + AROUND_US / S - 0.1 in covered
    assert (end_us + HELD_US / 2 + S) / S not in covered
    assert 15.3 in covered and 17.3 in covered


def test_a_face_lost_and_found_under_another_name_is_held() -> None:
    covered = times_covered([(10 * S, "P1", A), (13 * S, "P2", B)], A)
    assert {11.5, 11.6, 11.7} <= set(covered)
    elsewhere = times_covered([(10 * S, "P1", A), (13 * S, "P2", (400.0, 100.0, 60.0, 60.0))], A)
    assert 11.5 not in elsewhere


def test_around_a_jump_both_places_are_hidden() -> None:
    seen = [(10 * S, "P1", A), (10 * S + FIFTH, "P1", (400.0, 200.0, 60.0, 60.0))]
    found = regions(analysis_of(seen))
    media = analysis_of(()).media
    for t in range(10 * S, 10 * S + FIFTH, 20_000):
        assert inside(A, at(found, t), media) and inside(seen[1][2], at(found, t), media)


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


def test_the_cell_goes_by_the_largest_face() -> None:
    found = regions(analysis_of([(S, "P1", A), (S, "P2", (300.0, 100.0, 120.0, 120.0))]))
    assert cell_px(found, 1.0) == 24 and cell_px(found, 0.5) == 12
    assert cell_px((), 1.0) == blur.LEAST_CELL_PX


def test_the_stage(tmp_path: Path, analysis: Analysis) -> None:
    blur.run(written(analysis, tmp_path / "in"), None, tmp_path, lambda fraction: None)
    assert read_records(tmp_path / "blur.jsonl", Region) == regions(analysis)
    empty = replace(analysis, observations={}, modalities=(), moments=(), conflicts=())
    blur.run(written(empty, tmp_path / "in"), None, tmp_path, lambda fraction: None)
    assert (tmp_path / "blur.jsonl").read_bytes() == b""


def hidden_film(source: Path, found: Sequence[Region], folder: Path, hide: bool = True) -> Path:
    """The film with and without ``found`` hidden, nearly without loss."""
    media = probe(source)
    layout = film_layout(media, 1080, 1)
    (folder / "mask.ass").write_text(mask_script(found, layout), encoding="utf-8")
    picture = media_input(source, media.clock_zero_us)[str(media.video_index)]
    picture = picture.filter("scale", w=layout.width_px, h=layout.height_px, out_range="tv")
    picture = picture.filter("setsar", r=1).filter("format", pix_fmts="yuv420p")
    name = f"hidden_{hide}.mp4"
    shown = blurred(picture, "mask.ass", layout, found) if hide else picture
    run_ffmpeg(
        ffmpeg.output(shown, name, **film_settings(8, "ultrafast", None)), 1, lambda fraction: None, folder
    )
    return folder / name


def frames(path: Path, pixels: str = "rgb24") -> list[tuple[float, np.ndarray]]:
    with av.open(f"file:{path}") as container:
        return [(f.time, f.to_ndarray(format=pixels)) for f in container.decode(video=0)]


@pytest.mark.parametrize("name", ["variable.mp4", "rotated_wide_pixels.mp4", "starts_at_5s.mkv"])
def test_hidden_at_exact_times_and_in_colour(name: str, made: Made, tmp_path: Path) -> None:
    media = probe(made(name))
    half = (media.width_px // 2 - 30, media.height_px // 2 - 30, 60, 60)
    found = (Region(Span(700_000, 1_600_000), half, 60),)
    before, after = (frames(hidden_film(made(name), found, tmp_path, hide)) for hide in (False, True))
    assert [t for t, _ in before] == [t for t, _ in after]
    x, y, w, h = half
    for (time_s, a), (_, b) in zip(before, after, strict=True):
        apart = np.abs(a.astype(int) - b)
        inner = apart[y : y + h, x : x + w]
        outer = apart.copy()
        outer[max(0, y - 4) : y + h + 4, max(0, x - 4) : x + w + 4] = 0
        assert outer.max() < 30
        if 0.7 <= time_s < 1.6:
            assert (
                inner[..., 0].max() > 50 and inner[..., 1].max() > 20
            )  # the red quarter's corner is smeared
            corner = b[y : y + 12, x : x + 12].astype(int)
            assert corner[..., 0].mean() - corner[..., 2].mean() > 60  # and red, not grey
        elif not 1.6 <= time_s < 1.61:
            assert inner.max() < 30


def test_nothing_to_hide_changes_nothing(made: Made, tmp_path: Path) -> None:
    plain, same = (frames(hidden_film(made("plain.mp4"), (), tmp_path, hide)) for hide in (False, True))
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(plain, same, strict=True))


@cache
def cascade(name: str) -> cv2.CascadeClassifier:
    return cv2.CascadeClassifier(f"{cv2.data.haarcascades}haarcascade_{name}.xml")


def detected(grey: np.ndarray) -> list[Box]:
    found = (cascade(name).detectMultiScale(grey, 1.1, 5, minSize=(28, 28)) for name in CASCADES)
    return [tuple(box) for some in found for box in np.reshape(some, (-1, 4)).tolist()]


def tracked(source: Path, folder: Path) -> Analysis:
    """What the pipeline's own detector and tracker see."""
    folder.mkdir()
    write_record(folder / "media.json", probe(source))
    run_faces(
        {"source": source, "probe": folder}, FaceSection(detector="haar"), folder, lambda fraction: None
    )
    seen = [(s.time_us, s.track, s.box) for s in read_records(folder / "samples.jsonl", FaceSample)]
    return analysis_of(seen, probe(source))


def looked_at(source: Path, folder: Path) -> SimpleNamespace:
    """Over every frame: detections before, those of them not hidden, and those after."""
    analysis = tracked(source, folder / "seen")
    found = regions(analysis)
    pairs = zip(
        frames(hidden_film(source, found, folder, False), "gray"),
        frames(hidden_film(source, found, folder), "gray"),
        strict=True,
    )
    counts = SimpleNamespace(frames=0, before=0, bare=0, after=0)
    for (time_s, plain), (_, hidden) in pairs:
        mask = np.zeros(plain.shape, bool)
        for region in at(found, round(time_s * S)):
            x, y, w, h = region.box
            mask[y : y + h, x : x + w] = True
        faces = detected(plain)
        counts.frames += 1
        counts.before += len(faces)
        counts.bare += sum(mask[y : y + h, x : x + w].mean() < 0.9 for x, y, w, h in faces)
        counts.after += sum(mask[y : y + h, x : x + w].mean() > 0.5 for x, y, w, h in detected(hidden))
    return counts


def test_two_made_faces_are_hidden_in_every_frame(made: Made, tmp_path: Path) -> None:
    counts = looked_at(made(made_media.make_faces, 2), tmp_path)
    assert counts.before >= 1.5 * counts.frames
    assert (counts.bare, counts.after) == (0, 0)


@pytest.mark.data
def test_two_real_faces_are_hidden_in_every_frame(data_root: Path, tmp_path: Path) -> None:
    counts = looked_at(data_root / "videos" / "two_faces_12fps_9s.mp4", tmp_path)
    assert counts.before >= 3 * counts.frames
    assert (counts.bare, counts.after) == (0, 0)


def test_a_still_is_hidden_like_the_film(made: Made, tmp_path: Path) -> None:
    source = made(made_media.make_faces, 2)
    analysis = tracked(source, tmp_path / "seen")
    found = regions(analysis)
    plain = frames(source)[20][1]
    still = np.asarray(blurred_image(Image.fromarray(plain), found, 20 * S // 12, 1.0))
    film = frames(hidden_film(source, found, tmp_path))[20][1]
    assert detected(cv2.cvtColor(plain, cv2.COLOR_RGB2GRAY))
    assert not detected(cv2.cvtColor(still, cv2.COLOR_RGB2GRAY))
    smooth = [cv2.blur(one, (41, 41)).astype(int) for one in (still, film)]
    assert np.abs(smooth[0] - smooth[1]).mean() < 4
    untouched = Image.fromarray(plain)
    assert blurred_image(untouched, (), 0, 1.0) is untouched
    half = blurred_image(untouched.resize((160, 80)), found, 20 * S // 12, 0.5)
    assert np.abs(np.asarray(half.resize((320, 160))).astype(int) - still).mean() < 15


def test_a_region_at_the_edge_hides_the_corner() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (90, 160, 3), np.uint8)
    region = Region(Span(0, S), (0, 0, 50, 40), 40)
    hidden = np.asarray(blurred_image(Image.fromarray(noise), (region,), 0, 1.0)).astype(int)
    assert np.ptp(hidden[:6, :6]) < 60
    assert np.array_equal(hidden[40:], noise[40:]) and np.array_equal(hidden[:, 50:], noise[:, 50:])
