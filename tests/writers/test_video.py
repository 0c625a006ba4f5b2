import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from shutil import copyfile

import av
import numpy as np
import pytest

from pipeline.config import FilmSection
from pipeline.media.encode import ffmpeg_exe
from pipeline.media.probe import probe
from pipeline.types import Analysis, Span
from pipeline.writers import video
from pipeline.writers.facts import lanes
from pipeline.writers.fonts import font_for
from pipeline.writers.layout import film_layout
from pipeline.writers.palette import PERSONS, rgb
from pipeline.writers.strip import panel
from tests.conftest import Made
from tests.made import media as made_media
from tests.made.film import MARKER_S
from tests.writers.conftest import make_analysis, written

Filmed = Callable[[str], Path]
CLOCKS = [
    *("ntsc.mp4", "variable.mp4", "variable.mkv", "late_picture.mp4", "late_sound.ts", "gap_in_sound.mp4"),
    *("starts_at_5s.mkv", "rotated_wide_pixels.mp4", "vp8.webm"),
]
ODD_NAMES = ['it\'s "50%" a:b, [c] {d}; e=f.mp4', "-dash.mp4", "訪談 一.mp4", "%03d.mp4", "a\\b$(x)#?.mp4"]


def film(source: Path, folder: Path, analysis: Analysis | None = None, **settings: int) -> Path:
    media = probe(source)
    found = replace(analysis or make_analysis(), media=media)
    out = folder / "out, it's [here]: 100%"
    out.mkdir()
    done: list[float] = []
    inputs = {"source": source, **written(found, folder)}
    video.run(inputs, FilmSection(**settings), out, done.append)
    assert done[-1] == 1.0
    assert [p.name for p in out.iterdir()] == ["annotated.mp4"]
    return out / "annotated.mp4"


@pytest.fixture(scope="module")
def filmed(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Filmed:
    """The film of one of ``CLOCKS``, made once."""
    return cache(lambda name: film(made(name), tmp_path_factory.mktemp("film")))


def picture_times(path: Path, zero_us: int = 0) -> list[float]:
    with av.open(f"file:{path}") as container:
        return [float(f.pts * f.time_base) - zero_us / 1e6 for f in container.decode(video=0)]


def image(path: Path, at_s: float) -> np.ndarray:
    with av.open(f"file:{path}") as container:
        frames = [f for f in container.decode(video=0) if f.time <= at_s + 1e-6]
        return frames[-1].to_ndarray(format="rgb24")


def atoms(path: Path) -> list[bytes]:
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        found.append(data[at + 4 : at + 8])
        at += int.from_bytes(data[at : at + 4], "big")
    return found


def test_plays_everywhere(filmed: Filmed) -> None:
    path = filmed("plain.mp4")
    assert atoms(path).index(b"moov") < atoms(path).index(b"mdat")
    with av.open(f"file:{path}") as container:
        (picture,), (sound,) = container.streams.video, container.streams.audio
        assert (picture.codec_context.name, picture.pix_fmt) == ("h264", "yuv420p")
        assert sound.codec_context.name == "aac"
        assert picture.sample_aspect_ratio == 1


@pytest.mark.parametrize("name", CLOCKS)
def test_every_frame_keeps_its_time(made: Made, filmed: Filmed, name: str) -> None:
    before = picture_times(made(name), probe(made(name)).clock_zero_us)
    after = picture_times(filmed(name))
    assert len(after) == len(before)
    assert np.abs(np.array(after) - before).max() < 0.001


@pytest.mark.parametrize("name", [name for name in CLOCKS if name != "rotated_wide_pixels.mp4"])
def test_the_flash_and_the_beep_stay_together(filmed: Filmed, name: str) -> None:
    path = filmed(name)
    with av.open(f"file:{path}") as container:
        bright = [f.time for f in container.decode(video=0) if f.to_ndarray(format="gray")[:60].mean() > 150]
    assert bright[0] == pytest.approx(MARKER_S, abs=0.04)
    with av.open(f"file:{path}") as container:
        loud = [
            f.time + np.flatnonzero(np.abs(samples) > 0.2)[0] / f.sample_rate
            for f in container.decode(audio=0)
            if np.abs(samples := f.to_ndarray().astype(np.float32)[0]).max() > 0.2
        ]
    assert loud[0] == pytest.approx(MARKER_S, abs=0.04)


def test_length_is_kept_within_a_frame(made: Made, filmed: Filmed) -> None:
    with av.open(f"file:{filmed('ntsc.mp4')}") as container:
        assert abs(container.duration - probe(made("ntsc.mp4")).duration_us) < 1_001_000 / 30


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_file_names(made: Made, tmp_path: Path, name: str) -> None:
    source = tmp_path / "a folder, it's [odd]: 50%" / name
    source.parent.mkdir()
    copyfile(made("plain.mp4"), source)
    assert picture_times(film(source, tmp_path))


def test_without_sound_the_film_is_silent(made: Made, tmp_path: Path) -> None:
    with av.open(f"file:{film(made(made_media.make_no_audio), tmp_path)}") as container:
        assert not container.streams.audio and container.streams.video


def test_without_picture_there_is_one_warning(made: Made, tmp_path: Path, analysis: Analysis) -> None:
    source = made(made_media.make_audio_only)
    inputs = {"source": source, **written(replace(analysis, media=probe(source)), tmp_path / "in")}
    video.run(inputs, FilmSection(), tmp_path, lambda fraction: None)
    assert (tmp_path / "warnings.txt").read_text() == "no picture: film skipped\n"
    assert not (tmp_path / "annotated.mp4").exists()


def test_a_turned_film_with_wide_pixels_stands_upright_and_square(made: Made, filmed: Filmed) -> None:
    media = probe(made("rotated_wide_pixels.mp4"))
    shown = image(filmed("rotated_wide_pixels.mp4"), 1.5)  # no subtitle, no box
    assert abs(shown.shape[1] - media.width_px) <= 1 and media.height_px > media.width_px
    picture = shown[: media.height_px // 2].astype(int)
    left, right = picture[:, : media.width_px // 2], picture[:, media.width_px // 2 :]
    redness = [(half[..., 0] - half[..., 2]).mean() for half in (left, right)]
    assert redness[0] > 40 and redness[1] < 20


def test_max_height(made: Made, tmp_path: Path) -> None:
    path = film(made("plain.mp4"), tmp_path, max_height_px=120)
    assert image(path, 0.0).shape[0] == 120 + film_layout(probe(made("plain.mp4")), 120, 4).panel_px


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


def test_missing_glyphs_are_one_warning(made: Made, tmp_path: Path, analysis: Analysis) -> None:
    source = made("plain.mp4")
    strange = replace(analysis.transcript.utterances[0], text="a\U000f0001")
    found = replace(
        analysis, media=probe(source), transcript=replace(analysis.transcript, utterances=(strange,) * 2)
    )
    video.run(
        {"source": source, **written(found, tmp_path / "in")}, FilmSection(), tmp_path, lambda fraction: None
    )
    assert len((tmp_path / "warnings.txt").read_text(encoding="utf-8").splitlines()) == 1
    assert (tmp_path / "annotated.mp4").exists()


def test_nothing_private_is_carried_over(made: Made, tmp_path: Path) -> None:
    """A phone writes where and by whom a film was made."""
    source = tmp_path / "named.mov"
    notes = [
        "-metadata",
        "title=private",
        "-metadata",
        "location=+46.2+006.1/",
        "-metadata:s:v",
        "comment=private",
    ]
    copy = ["-i", made("plain.mp4"), "-c", "copy", "-movflags", "use_metadata_tags", *notes, source]
    subprocess.run([ffmpeg_exe(), "-v", "error", *copy], check=True)
    assert b"private" in source.read_bytes()
    data = film(source, tmp_path).read_bytes()
    assert b"private" not in data and b"+46.2" not in data


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


def test_same_film_twice(made: Made, filmed: Filmed, tmp_path: Path) -> None:
    assert film(made("plain.mp4"), tmp_path).read_bytes() == filmed("plain.mp4").read_bytes()
