import itertools
import subprocess
from dataclasses import replace
from pathlib import Path
from shutil import copyfile

import av
import numpy as np
import pytest

from pipeline.config import FilmSection
from pipeline.media.encode import ffmpeg_exe
from pipeline.media.frames import iter_frames
from pipeline.media.probe import probe
from pipeline.types import Analysis, Observation, Scores, Span, Status
from pipeline.writers.film import video
from pipeline.writers.film.layout import film_layout
from pipeline.writers.regions import regions
from tests.conftest import Made
from tests.made import media as made_media
from tests.made.film import MARKER_S
from tests.writers.conftest import make_analysis, written
from tests.writers.film.conftest import Filmed
from tests.writers.film.filming import film, image, picture_times

CLOCKS = [
    *("ntsc.mp4", "variable.mp4", "variable.mkv", "late_picture.mp4", "late_sound.ts", "gap_in_sound.mp4"),
    *("starts_at_5s.mkv", "rotated_wide_pixels.mp4", "vp8.webm"),
]
ODD_NAMES = ['it\'s "50%" a:b, [c] {d}; e=f.mp4', "-dash.mp4", "訪談 一.mp4", "%03d.mp4", "a\\b$(x)#?.mp4"]


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
    media = probe(made(name))
    before = picture_times(made(name), media.clock_zero_us)
    after = [t for t in picture_times(filmed(name)) if t >= media.video_start_us / 1e6]
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


def test_max_height(made: Made, tmp_path: Path) -> None:
    path = film(made("plain.mp4"), tmp_path, max_height_px=120)
    assert image(path, 0.0).shape[0] == 120 + film_layout(probe(made("plain.mp4")), 120, 4).panel_px


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


@pytest.mark.parametrize(("style", "warned"), [("minimal", False), ("subtitles", True)])
def test_only_what_a_style_draws_is_warned_of(made: Made, tmp_path: Path, style: str, warned: bool) -> None:
    strange = replace(make_analysis().transcript.utterances[0], text="a\U000f0001")
    spoken = replace(make_analysis().transcript, utterances=(strange,))
    found = replace(make_analysis(), media=probe(made("plain.mp4")), transcript=spoken)
    inputs = {"source": made("plain.mp4"), **written(found, tmp_path / "in")}
    video.run(inputs, FilmSection.model_validate({"style": style}), tmp_path, lambda fraction: None)
    assert (tmp_path / "warnings.txt").exists() == warned


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


def test_same_film_twice(made: Made, filmed: Filmed, tmp_path: Path) -> None:
    assert film(made("plain.mp4"), tmp_path).read_bytes() == filmed("plain.mp4").read_bytes()


def test_an_unblurred_film_is_never_made_where_a_blurred_one_is_asked_for(made: Made, tmp_path: Path) -> None:
    inputs = {"source": made("plain.mp4"), **written(make_analysis(), tmp_path / "in")}
    with pytest.raises(ValueError, match="blurred"):
        video.run(inputs, FilmSection(blur_faces=True), tmp_path, lambda fraction: None)
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


SCORES = Scores((1.0, *6 * (0.0,)))


@pytest.mark.parametrize("times_ms", [(0, 400, 2000), (0,), (500,)])
def test_a_picture_that_stands_still_is_repeated_to_the_end(
    times_ms: tuple[int, ...], made: Made, tmp_path: Path
) -> None:
    source = made(made_media.make_still, times_ms)
    path = film(source, tmp_path, style="subtitles")
    shown = np.array(picture_times(path))
    assert shown[0] == 0 and shown[-1] >= probe(source).duration_us / 1e6 - 0.1001
    assert np.diff(shown).max() <= 0.1001
    with av.open(f"file:{path}") as container:
        (stream,) = container.streams.video
        assert float(stream.duration * stream.time_base) == pytest.approx(probe(source).duration_us / 1e6)
    for ms in times_ms:
        assert np.abs(shown - ms / 1e3).min() < 2e-5
    bare = list(iter_frames(source, probe(source), "all"))
    for at_s in (0.0, 0.35, 0.45, 1.95, 2.05, 2.75):
        stands = max((f for f in bare if f.time_us <= at_s * 1e6), default=bare[0], key=lambda f: f.time_us)
        # Subtitles are below.
        there = image(path, at_s)[:60].astype(int)
        assert np.abs(there - stands.image[:60]).mean() < 6


def test_what_is_drawn_moves_over_a_picture_that_stands_still(made: Made, tmp_path: Path) -> None:
    path = film(made(made_media.make_still, (0,)), tmp_path)
    height = probe(made(made_media.make_still, (0,))).height_px
    panels = [image(path, at_s)[height:].astype(int) for at_s in (0.5, 1.5, 2.5)]
    assert all(np.abs(a - b).max() > 100 for a, b in itertools.pairwise(panels))  # the playhead


def test_a_face_stays_hidden_on_a_frame_that_is_held(made: Made, tmp_path: Path) -> None:
    """Nobody is looked for after the last real frame; what hides the face ends soon after it."""
    source = made(made_media.make_still, (0, 100, 200))
    media = probe(source)
    seen = [
        Observation(
            "face",
            Span(us, us + 100_000),
            Status.OK,
            SCORES,
            subject="P1",
            evidence={"box": [20, 20, 100, 100]},
        )
        for us in (0, 100_000, 200_000)
    ]
    analysis = replace(
        make_analysis(), observations={"face": tuple(seen)}, modalities=("face",), conflicts=()
    )
    assert regions(replace(analysis, media=media))[-1].span.end_us < 2_000_000
    path = film(source, tmp_path, analysis, style="minimal", blur_faces=True)
    inside = np.s_[50:110, 30:110]
    first, held = (image(path, at_s)[inside].astype(int) for at_s in (0.1, 2.7))
    assert np.abs(first - held).mean() < 10
    bare = next(iter_frames(source, media, "all")).image[inside].astype(int)
    assert np.abs(bare - held).mean() > 15


TURNING = made_media.make_turning


@pytest.mark.parametrize(
    "how", [(TURNING,), (TURNING, ".mkv"), (made_media.make_wider,), (made_media.make_tipped,)]
)
def test_a_picture_that_changes_its_shape_keeps_what_is_around_it(
    how: tuple[object, ...], made: Made, tmp_path: Path
) -> None:
    source = made(*how)
    media = probe(source)
    path = film(source, tmp_path)
    height, width = media.height_px // 2 * 2, media.width_px // 2 * 2
    before, after = (image(path, at_s) for at_s in (0.5, media.duration_us / 1e6 - 0.2))
    names = np.s_[height:, : width // 5]
    assert np.abs(before[names].astype(int) - after[names]).mean() < 4
    real = [f.time_us / 1e6 for f in iter_frames(source, media, "all")]
    assert np.abs(np.array(picture_times(path)) - real).max() < 0.001


@pytest.mark.slow  # libswscale works four seconds on its tables, each time
def test_hdr_becomes_a_film_in_bt709(made: Made, tmp_path: Path) -> None:
    path = film(made(made_media.make_hdr, "smpte2084"), tmp_path)
    with av.open(f"file:{path}") as container:
        frame = next(container.decode(video=0))
        assert (frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range) == (1, 1, 1, 1)
        assert not {"MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"} & {
            d.type.name for d in frame.side_data
        }
