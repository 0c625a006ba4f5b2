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
from PIL import Image

from pipeline.config import FaceSection
from pipeline.face.persons import FaceSample
from pipeline.face.stage import run_faces
from pipeline.media.canvas import canvas_filters
from pipeline.media.encode import SHAPED, film_settings, media_input, run_ffmpeg, shaped
from pipeline.media.probe import probe
from pipeline.records import read_records, write_record
from pipeline.types import Analysis, Span
from pipeline.writers import blur
from pipeline.writers.blur import blurred, blurred_image, cell_px, mask_script
from pipeline.writers.film.layout import film_layout
from pipeline.writers.regions import Region, at, regions
from tests.conftest import Made
from tests.made import media as made_media
from tests.writers.conftest import written
from tests.writers.test_regions import A, Box, analysis_of

S = 1_000_000
CASCADES = ("frontalface_alt2", "frontalface_default")


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
    assert warning(empty, tmp_path / "none").startswith("no face was found, so nothing is blurred: look at")
    sound = replace(empty, media=replace(empty.media, has_video=False))
    assert warning(sound, tmp_path / "sound") == ""


def warning(analysis: Analysis, folder: Path) -> str:
    """What the stage tells the person who runs it."""
    out = folder / "out"
    out.mkdir(parents=True)
    blur.run(written(analysis, folder), None, out, lambda fraction: None)
    told = out / "warnings.txt"
    return told.read_text(encoding="utf-8") if told.is_file() else ""


def test_where_a_face_may_be_bare_is_told_in_one_warning(tmp_path: Path) -> None:
    seen = [(i * 2 * S, f"P{i + 1}", (20.0 + i % 3 * 250, 100.0, 60.0, 60.0)) for i in range(8)]
    two = warning(analysis_of(seen[:3]), tmp_path / "two")
    assert two == (
        "a face was out of sight and may be bare at 0:00.2-0:02.0, 0:02.2-0:04.0: "
        "look there before you share the film\n"
    )
    many = warning(analysis_of(seen), tmp_path / "many")
    assert many.count("-") == 5 and "0:08.2-0:10.0 and 2 more stretches: look" in many
    assert warning(analysis_of([(0, "P1", A), (S, "P1", A)]), tmp_path / "followed") == ""


def hidden_film(source: Path, found: Sequence[Region], folder: Path, hide: bool = True) -> Path:
    """The film with and without ``found`` hidden, nearly without loss."""
    media = probe(source)
    layout = film_layout(media, 1080, 1)
    (folder / "mask.ass").write_text(mask_script(found, layout), encoding="utf-8")
    picture = media_input(source, media.clock_zero_us)[SHAPED].filter("null")
    name = f"hidden_{hide}.mp4"
    shown = blurred(picture, "mask.ass", layout, found) if hide else picture
    output = ffmpeg.output(shown, name, **film_settings(8, "ultrafast", None))
    assert media.video_index is not None
    apart = bool(media.shapes)
    filters = canvas_filters(media, *layout.frame, apart)
    arguments = shaped(output, media.video_index, filters, apart)
    run_ffmpeg(arguments, 1, lambda fraction: None, folder)
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


def test_a_face_is_hidden_before_and_after_a_phone_is_turned(made: Made, tmp_path: Path) -> None:
    counts = looked_at(made(made_media.make_turning), tmp_path)
    assert counts.before >= counts.frames
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
