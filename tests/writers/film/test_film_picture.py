import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.labels import EMOTIONS
from pipeline.media.encode import ffmpeg_exe
from pipeline.media.probe import probe
from pipeline.types import Span
from pipeline.writers.facts import lanes
from pipeline.writers.film.layout import film_layout
from pipeline.writers.film.strip import panel
from pipeline.writers.fonts import font_for
from pipeline.writers.palette import PERSONS, colour, rgb
from tests.conftest import Made
from tests.writers.conftest import make_analysis
from tests.writers.film.conftest import Filmed
from tests.writers.film.filming import film, image, picture_times


def test_a_turned_film_with_wide_pixels_stands_upright_and_square(made: Made, filmed: Filmed) -> None:
    media = probe(made("rotated_wide_pixels.mp4"))
    shown = image(filmed("rotated_wide_pixels.mp4"), 1.5)  # no subtitle, no box
    assert abs(shown.shape[1] - media.width_px) <= 1 and media.height_px > media.width_px
    picture = shown[: media.height_px // 2].astype(int)
    left, right = picture[:, : media.width_px // 2], picture[:, media.width_px // 2 :]
    redness = [(half[..., 0] - half[..., 2]).mean() for half in (left, right)]
    assert redness[0] > 40 and redness[1] < 20


def test_a_box_stands_on_the_frames_of_its_sample_only(made: Made, tmp_path: Path) -> None:
    source = made("plain.mp4")
    bare = replace(
        make_analysis(), conflicts=(), transcript=replace(make_analysis().transcript, utterances=())
    )
    seen = [o for o in bare.observations["face"] if o.subject == "P1"][:1]
    one = replace(seen[0], span=Span(1_000_000, 1_200_000), evidence={"box": [40, 30, 60, 60]})
    path = film(source, tmp_path, replace(bare, observations={"face": (one,)}))
    tint = np.array(rgb(PERSONS[0]))
    found = [
        np.abs(image(path, t)[40:80, 40:42].astype(int) - tint).max() < 60 for t in (0.96, 1.0, 1.16, 1.2)
    ]
    assert found == [False, True, True, False]


def test_the_playhead_moves(made: Made, filmed: Filmed) -> None:
    path = filmed("plain.mp4")
    layout = film_layout(probe(made("plain.mp4")), 1080, 4)
    place = panel(layout, lanes(make_analysis()), font_for("zh"))
    for at_s in (0.0, 1.48, 2.96):
        row = image(path, at_s)[layout.height_px + place.lanes_end_px - 1].astype(int).sum(axis=1)
        before = (
            image(path, (at_s + 1) % 3)[layout.height_px + place.lanes_end_px - 1].astype(int).sum(axis=1)
        )
        assert abs(int(np.argmax(row - before)) - place.x(round(at_s * 1e6), 3_000_000)) <= 4


def test_chinese_is_drawn_and_not_empty_squares(made: Made, tmp_path: Path) -> None:
    def subtitle(text: str) -> np.ndarray:
        said = replace(make_analysis().transcript.utterances[0], text=text)
        bare = replace(make_analysis(), observations={}, conflicts=(), moments=(), fused=())
        spoken = replace(bare.transcript, utterances=(said,))
        (tmp_path / text).mkdir()
        return image(film(made("plain.mp4"), tmp_path / text, replace(bare, transcript=spoken)), 0.5).astype(
            int
        )

    one, other = subtitle("我我我我"), subtitle("你你你你")
    assert np.abs(one - other)[80:120].max() > 100  # empty squares would be the same twice
    assert np.abs(one - other)[:60].max() < 40


@pytest.fixture(scope="module")
def grey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of one grey, on which whatever is drawn stands out."""
    path = tmp_path_factory.mktemp("grey") / "grey.mp4"
    flat = ["-f", "lavfi", "-i", "color=0x808080:size=640x360:rate=20:duration=2", "-pix_fmt", "yuv420p"]
    subprocess.run([ffmpeg_exe(), "-v", "error", *flat, path], check=True)
    return path


@pytest.mark.parametrize("style", ["full", "subtitles"])
@pytest.mark.parametrize("top", [5, 90, 205])
def test_no_writing_lies_on_a_face(grey: Path, tmp_path: Path, style: str, top: int) -> None:
    """Two large faces high, in the middle or low; words, badges and labels find room around them."""
    boxes = {"P1": [60.0, top, 150, 150], "P2": [330.0, top + 2, 120, 120]}
    base = make_analysis()
    seen = tuple(
        replace(o, evidence={"box": boxes[o.subject]}) for o in base.observations["face"] if o.subject
    )
    path = film(
        grey, tmp_path, replace(base, observations={"face": seen}), style=style, crf=10, preset="ultrafast"
    )
    for at_s in (0.1, 0.5, 1.1, 1.95):
        present = {o.subject for o in seen if o.span.start_us <= at_s * 1e6 < o.span.end_us}
        shown = image(path, at_s)[:360].astype(int)
        assert np.abs(shown - 128).max() > 60  # something is drawn
        for subject in present:
            x, y, width, height = (round(v) for v in boxes[subject])
            inside = shown[y + 6 : y + height - 6, x + 6 : x + width - 6]
            assert np.abs(inside - 128).max() < 25, (style, subject, at_s)


def test_a_bar_grows_under_the_name_of_its_emotion(grey: Path, tmp_path: Path) -> None:
    path = film(grey, tmp_path, crf=10, preset="ultrafast")
    layout = film_layout(probe(grey), 1080, 4)
    place = panel(layout, lanes(make_analysis()), font_for("zh"))

    def length(emotion: str, at_s: float) -> float:
        left, top, width = place.slot(EMOTIONS.index(emotion))
        row = image(path, at_s)[layout.height_px + top + place.bar_px // 2, left : left + width].astype(int)
        return float((np.abs(row - rgb(colour(emotion))).max(axis=1) < 70).sum() / width)

    assert length("sad", 0.1) == pytest.approx(0.7, abs=0.06)  # P1, seen longest, and not P2
    assert length("angry", 0.1) == pytest.approx(0.05, abs=0.04)
    assert length("sad", 1.5) == 0  # nobody there


def test_faces_are_blurred_and_labels_are_not(made: Made, tmp_path: Path) -> None:
    bare = replace(
        make_analysis(), conflicts=(), transcript=replace(make_analysis().transcript, utterances=())
    )
    (tmp_path / "open").mkdir()
    (tmp_path / "hidden").mkdir()
    clear = image(film(made("plain.mp4"), tmp_path / "open", bare, style="subtitles"), 0.5)
    path = film(made("plain.mp4"), tmp_path / "hidden", bare, style="subtitles", blur_faces=True)
    hidden = image(path, 0.5)
    x, y, width, height = (round(v) for v in bare.observations["face"][0].evidence["box"])
    changed = np.abs(clear.astype(int) - hidden).max(axis=2)
    assert changed[y : y + height, x : x + width].mean() > 1.5 * changed[-8:].mean()
    assert picture_times(path) == picture_times(made("plain.mp4"))
