import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from shutil import copyfile

import av
import numpy as np
import pytest
from av.stream import Disposition

from pipeline.config import FilmSection
from pipeline.labels import EMOTIONS
from pipeline.media.encode import ffmpeg_exe
from pipeline.media.probe import probe
from pipeline.records import write_records
from pipeline.types import Analysis, Span
from pipeline.writers.blur import BLUR_FILE, Region, regions
from pipeline.writers.facts import lanes
from pipeline.writers.film import video
from pipeline.writers.film.chapters import chapters
from pipeline.writers.film.layout import film_layout
from pipeline.writers.film.strip import panel
from pipeline.writers.fonts import font_for
from pipeline.writers.palette import PERSONS, colour, rgb
from tests.conftest import Made
from tests.made import media as made_media
from tests.made.film import MARKER_S
from tests.writers.conftest import HOSTILE, make_analysis, written

Filmed = Callable[[str], Path]
CLOCKS = [
    *("ntsc.mp4", "variable.mp4", "variable.mkv", "late_picture.mp4", "late_sound.ts", "gap_in_sound.mp4"),
    *("starts_at_5s.mkv", "rotated_wide_pixels.mp4", "vp8.webm"),
]
ODD_NAMES = ['it\'s "50%" a:b, [c] {d}; e=f.mp4', "-dash.mp4", "訪談 一.mp4", "%03d.mp4", "a\\b$(x)#?.mp4"]


def film(source: Path, folder: Path, analysis: Analysis | None = None, **settings: int | str | bool) -> Path:
    media = probe(source)
    found = replace(analysis or make_analysis(), media=media)
    out = folder / "out, it's [here]: 100%"
    out.mkdir()
    done: list[float] = []
    inputs = {"source": source, **written(found, folder)}
    if settings.get("blur_faces"):
        write_records(folder / BLUR_FILE, Region, regions(found))
        inputs = {**inputs, "blur": folder}
    video.run(inputs, FilmSection.model_validate(settings), out, done.append)
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


def cues(path: Path) -> list[tuple[int, int, str]]:
    """The words of the soft track: start, end in ms, text; what is empty is left out."""
    with av.open(f"file:{path}") as container:
        stream = container.streams.subtitles[0]
        packets = [p for p in container.demux(stream) if p.size]
        ms = [(p.pts * p.time_base * 1000, (p.pts + p.duration) * p.time_base * 1000) for p in packets]
        texts = [bytes(p)[2:].decode() for p in packets]
    return [(round(a), round(b), text) for (a, b), text in zip(ms, texts, strict=True) if text]


@pytest.mark.parametrize("style", ["full", "minimal", "subtitles"])
def test_every_style_carries_the_words_and_the_chapters(made: Made, tmp_path: Path, style: str) -> None:
    path = film(made("plain.mp4"), tmp_path, style=style)
    analysis = replace(make_analysis(), media=probe(made("plain.mp4")))
    with av.open(f"file:{path}") as container:
        (words,) = container.streams.subtitles
        assert words.metadata["language"] == "zho"
        assert bool(words.disposition & Disposition.default) == (style == "minimal")
        assert container.streams.video[0].disposition & Disposition.default
        found = [
            (c["start"] * c["time_base"] * 1000, c["end"] * c["time_base"] * 1000, c["metadata"]["title"])
            for c in container.chapters()
        ]
        height_px = container.streams.video[0].height
    asked = [(c.span.start_us / 1000, c.span.end_us / 1000, c.title) for c in chapters(analysis)]
    assert [(a, title) for a, _, title in found] == [(a, title) for a, _, title in asked]
    assert found[-1][1] == pytest.approx(asked[-1][1], abs=40)
    assert [(a, b) for a, b, _ in cues(path)] == [(0, 1000), (1000, 1400), (1900, 2700)]
    assert cues(path)[0][2] == "[happy] 我真的很開心，太好了"
    assert (height_px > analysis.media.height_px) == (style == "full")


@pytest.mark.parametrize("name", ["plain.mp4", "late_picture.mp4", "starts_at_5s.mkv"])
def test_words_keep_their_times_and_hostile_text_stays_text(filmed: Filmed, name: str) -> None:
    shown = cues(filmed(name))
    assert [(a, b) for a, b, _ in shown] == [(0, 1000), (1000, 1400), (1900, 2700)]
    assert shown[2][2] == (
        "[neutral] </script><script>alert('x')</script> ＼N｛＼p1｝m 0 0｛b｝ & \"quoted\", 100% next line"
    )
    assert shown[1][2] == "=SUM(A1:A9)"


def test_without_words_and_conflicts_there_is_neither_track_nor_chapter(made: Made, tmp_path: Path) -> None:
    bare = replace(
        make_analysis(), conflicts=(), transcript=replace(make_analysis().transcript, utterances=())
    )
    with av.open(f"file:{film(made('plain.mp4'), tmp_path, bare)}") as container:
        assert [s.type for s in container.streams] == ["video", "audio"] and not container.chapters()


def test_hostile_words_stay_inside_their_chapter(made: Made, tmp_path: Path) -> None:
    wild = replace(
        make_analysis().conflicts[0], label=f"a=b;c#d\\e\n[CHAPTER]\nSTART=0 {HOSTILE}"[:80], evidence=9.0
    )
    path = film(made("plain.mp4"), tmp_path, replace(make_analysis(), conflicts=(wild,)))
    with av.open(f"file:{path}") as container:
        titles = [c["metadata"]["title"] for c in container.chapters()]
    assert titles == [c.title for c in chapters(replace(make_analysis(), conflicts=(wild,)))]
    assert "a=b;c#d\\e [CHAPTER] START=0" in titles[1]


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


def test_an_unblurred_film_is_never_made_where_a_blurred_one_is_asked_for(made: Made, tmp_path: Path) -> None:
    inputs = {"source": made("plain.mp4"), **written(make_analysis(), tmp_path / "in")}
    with pytest.raises(ValueError, match="blurred"):
        video.run(inputs, FilmSection(blur_faces=True), tmp_path, lambda fraction: None)
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


def test_a_long_chapter_keeps_its_length(tmp_path: Path) -> None:
    source = tmp_path / "long.mp4"
    flat = ["-f", "lavfi", "-i", "color=gray:size=64x48:rate=1:duration=420"]
    tone = ["-f", "lavfi", "-i", "anullsrc=sample_rate=44100:duration=420", "-c:a", "aac"]
    subprocess.run([ffmpeg_exe(), "-v", "error", *flat, *tone, "-preset", "ultrafast", source], check=True)
    late = replace(make_analysis().conflicts[0], span=Span(400_000_000, 410_000_000))
    bare = replace(make_analysis().transcript, utterances=())
    path = film(
        source, tmp_path, replace(make_analysis(), conflicts=(late,), transcript=bare), preset="ultrafast"
    )
    with av.open(f"file:{path}") as container:
        assert [c["start"] * c["time_base"] for c in container.chapters()] == [0, 400, 410]
