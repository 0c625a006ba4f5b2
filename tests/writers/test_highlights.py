import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.config import HighlightsSection
from pipeline.media.encode import ffmpeg_exe
from pipeline.media.probe import probe
from pipeline.types import Analysis, Conflict, Span
from pipeline.writers import highlights
from pipeline.writers.highlights import on_grid, reel, source_of, write_highlights
from tests.conftest import Made
from tests.made import media as made_media
from tests.made.film import MARKER_S, MILLISECOND, Film, constant, write_film
from tests.writers.conftest import make_analysis, written

S = 1_000_000
CONFLICTS = make_analysis().conflicts
# MoviePy leaves the pipes of its readers to the garbage collector.
moviepy_leaks = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
# Two of which MoviePy alone loses picture or sound, one that it reads well, one that is shown turned.
CLOCKS = ["plain.mp4", "variable.mp4", "late_sound.ts", "gap_in_sound.mkv", "rotated_wide_pixels.mp4"]


def event(start_us: int, end_us: int, kind: str = "blend", evidence: float = 5.0) -> Conflict:
    return replace(CONFLICTS[1], span=Span(start_us, end_us), kind=kind, evidence=evidence)


def test_the_strongest_in_order_of_time() -> None:
    strong, weak = event(20 * S, 22 * S, evidence=9), event(5 * S, 6 * S, "polarity", 4)
    weakest = event(40 * S, 41 * S, evidence=2)
    assert reel([weakest, strong, weak], 60 * S, S, 2) == [Span(4 * S, 7 * S), Span(19 * S, 23 * S)]
    assert reel([weakest, strong, weak], 60 * S, 0, 1) == [Span(20 * S, 22 * S)]


def test_masking_is_shown_only_where_there_is_nothing_else() -> None:
    masking, weak = event(40 * S, 41 * S, "masking", 99), event(5 * S, 6 * S, evidence=1)
    assert reel([masking, weak], 60 * S, 0, 3) == [Span(5 * S, 6 * S)]
    assert reel([masking], 60 * S, 0, 3) == [Span(40 * S, 41 * S)]


def test_cuts_stay_in_the_film_and_do_not_overlap() -> None:
    assert reel(CONFLICTS, 3 * S, S, 3) == [Span(0, 2_400_005)]
    assert reel(CONFLICTS[:1], 1 * S, S, 3) == []
    assert reel([], 3 * S, S, 3) == []


def test_whole_frames() -> None:
    assert on_grid(Span(1_500_000, 2_500_000), 25) == Span(1_480_000, 2_520_000)
    assert on_grid(Span(0, 0), 25) == Span(0, 40_000)
    assert on_grid(Span(3_600 * S, 3_601 * S), 30) == Span(3_600 * S, 3_601 * S)


def cut(source: Path, spans: Sequence[Span], folder: Path) -> Path:
    write_highlights(source_of(source, None, probe(source)), spans, folder, lambda fraction: None)
    assert [p.name for p in folder.iterdir()] == ["highlights.mp4"]
    return folder / "highlights.mp4"


def grey(path: Path) -> list[tuple[float, np.ndarray]]:
    with av.open(str(path)) as container:
        return [(f.time, f.to_ndarray(format="gray")) for f in container.decode(video=0)]


def sound(path: Path) -> np.ndarray:
    """Samples of the first channel at 48 kHz, from the beginning."""
    with av.open(str(path)) as container:
        return np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])


@moviepy_leaks
@pytest.mark.parametrize(
    ("name", "back_us"),
    [*((name, highlights.BACK_US) for name in CLOCKS), ("variable.mp4", S // 2), ("late_sound.ts", S // 2)],
)
def test_picture_and_sound_stay_in_step(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, back_us: int
) -> None:
    """With less than the cut's start before it, reading begins inside the film."""
    monkeypatch.setattr(highlights, "BACK_US", back_us)
    spans = [Span(200_000, 700_000), Span(1_500_000, 2_500_000)]
    path = cut(made(name), spans, tmp_path)
    fps = source_of(made(name), None, probe(made(name))).fps
    first, second = (on_grid(span, fps) for span in spans)
    marker_s = (first.duration_us + round(MARKER_S * S) - second.start_us) / S
    images = grey(path)
    white = [t for t, image in images if image[: image.shape[0] // 2].mean() > 150]
    assert white[0] == pytest.approx(marker_s, abs=0.51 / fps)
    assert len(images) == round((first.duration_us + second.duration_us) * fps / S)
    loud = np.flatnonzero(np.abs(sound(path)) > 0.2)
    assert loud[0] / 48_000 == pytest.approx(marker_s, abs=0.03)


def level(time_s: float) -> int:
    """A grey per eighth of a second, the same again after 3.5 s."""
    return 20 + 8 * (int(8 * time_s + 1e-6) % 28)


def numbered(time_s: float, width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), level(time_s), np.uint8)


@moviepy_leaks
def test_late_in_a_film_and_uneven_frames(tmp_path: Path) -> None:
    """Reading begins at a key frame before the cut, and the right frames stand at the right times."""
    random = np.random.default_rng(3)
    times = np.unique(np.cumsum(random.integers(20, 160, 300)))
    film = Film([0, *times[times < 26_000].tolist()], MILLISECOND, sound=(), picture=numbered)
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    source = write_film(tmp_path / "in" / "uneven.mkv", film)
    span = Span(21 * S, 23 * S)
    images = grey(cut(source, [span], tmp_path / "out"))
    assert len(images) == 60
    shown_ms = np.array(film.frame_times)
    for time_s, image in images:
        at_ms = 21_000 + 1000 * time_s
        stands = [shown_ms[shown_ms <= at_ms + near][-1] for near in (-17, 0, 17)]
        assert min(abs(image.mean() - level(t / 1000)) for t in stands) < 3


@moviepy_leaks
def test_sound_is_faded_at_each_cut(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    loud = replace(constant(25), silent=False)
    source = write_film(tmp_path / "in" / "a.mp4", loud)
    marker = round(MARKER_S * S)
    spans = [Span(marker + 40_000, marker + 120_000), Span(marker + 160_000, marker + 240_000)]
    heard = np.abs(sound(cut(source, spans, tmp_path / "out")))
    middles = [heard[int(48_000 * s) : int(48_000 * (s + 0.02))].max() for s in (0.03, 0.11)]
    joint = heard[int(48_000 * 0.079) : int(48_000 * 0.081)].max()
    assert min(middles) > 0.4 and joint < 0.15


@moviepy_leaks
def test_without_sound_and_twice_the_same(made: Made, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    source = made(made_media.make_no_audio)
    one, other = (cut(source, [Span(0, S)], tmp_path / name) for name in "ab")
    with av.open(str(one)) as container:
        assert not container.streams.audio and container.streams.video[0].pix_fmt == "yuv420p"
    assert one.read_bytes() == other.read_bytes()


def test_a_phone_turned_within_a_cut_and_a_picture_that_stands_still(made: Made, tmp_path: Path) -> None:
    source = made(made_media.make_turning)
    (before_s, before), *_, (_, after) = grey(cut(source, [Span(S, 3 * S)], tmp_path))
    assert before_s == 0 and before.shape == after.shape == (320, 320)
    assert before[:60].max() < 30 and before[100:220].mean() > 50
    assert after[:, :60].max() < 30 and after[:, 100:220].mean() > 50
    still = probe(made(made_media.make_still, (0,)))
    assert source_of(source, None, still).fps == 10


@moviepy_leaks
def test_the_stage_takes_the_film_and_publishes_the_stills(
    made: Made, tmp_path: Path, analysis: Analysis
) -> None:
    source = made("plain.mp4")
    stills, film, out = (tmp_path / name for name in ("stills", "film", "out"))
    for folder in (stills, film, out):
        folder.mkdir()
    for rank in (1, 3):
        (stills / f"event_{rank:02d}.jpg").write_bytes(b"still")
    (stills / "manifest.json").write_text("{}")
    white = replace(constant(25), picture=lambda t, w, h: np.full((h, w, 3), 250, np.uint8))
    write_film(film / "annotated.mp4", white)
    found = replace(analysis, media=probe(source))
    inputs = {"source": source, "stills": stills, "film": film, **written(found, tmp_path / "in")}
    done: list[float] = []
    highlights.run(inputs, HighlightsSection(most=1, lead_in_s=0.5), out, done.append)
    assert sorted(p.name for p in out.iterdir()) == ["event_01.jpg", "event_03.jpg", "highlights.mp4"]
    images = grey(out / "highlights.mp4")
    assert len(images) == 38 and all(image.mean() > 200 for _, image in images)
    assert done[-1] == 1.0 and done == sorted(done)


@moviepy_leaks
def test_a_film_with_chapters_and_metadata(made: Made, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    told = [";FFMETADATA1", "title=private", "[CHAPTER]", "TIMEBASE=1/1000", "START=0", "END=900"]
    (tmp_path / "told.txt").write_text("\n".join([*told, "title=0:00.0 polarity · happy: sad", ""]))
    source = tmp_path / "chaptered.mp4"
    both = ["-i", made("plain.mp4"), "-i", tmp_path / "told.txt", "-map_metadata", "1", "-c", "copy", source]
    subprocess.run([ffmpeg_exe(), "-v", "error", *both], check=True)
    with av.open(str(source)) as container:
        assert container.chapters()
    assert b"private" in source.read_bytes()
    path = cut(source, [Span(0, S)], tmp_path / "out")
    assert len(grey(path)) == 25 and b"private" not in path.read_bytes()


@pytest.mark.parametrize("what", ["conflicts", "conflicts inside", "picture"])
def test_nothing_to_cut_is_one_warning(made: Made, tmp_path: Path, analysis: Analysis, what: str) -> None:
    less = {
        "conflicts": replace(analysis, conflicts=()),
        "conflicts inside": replace(analysis, conflicts=(event(3 * S, 4 * S), event(9 * S, 9 * S))),
        "picture": replace(analysis, media=replace(analysis.media, has_video=False)),
    }[what]
    inputs = {"source": made("plain.mp4"), **written(less, tmp_path / "in")}
    highlights.run(inputs, HighlightsSection(), tmp_path, lambda fraction: None)
    assert "highlights skipped" in (tmp_path / "warnings.txt").read_text()
    assert not (tmp_path / "highlights.mp4").exists()
