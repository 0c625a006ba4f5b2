from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.media.frames import iter_frames
from pipeline.media.probe import probe
from pipeline.records import write_records
from pipeline.types import Analysis, Span
from pipeline.writers import stills
from pipeline.writers.facts import ranked
from pipeline.writers.regions import Region
from pipeline.writers.stills import still_name, still_us
from tests.conftest import Made
from tests.made import media as made_media
from tests.made.film import MARKER_S
from tests.writers.conftest import make_analysis, written

S = 1_000_000
MARKER_US = round(MARKER_S * S)


def made_stills(source: Path, analysis: Analysis, folder: Path, hidden: Region | None = None) -> list[str]:
    """Names of what the stage leaves in ``folder / "out"``."""
    out = folder / "out"
    out.mkdir(parents=True)
    found = replace(analysis, media=probe(source))
    inputs = {"source": source, **written(found, folder / "in")}
    if hidden is not None:
        (folder / "blur").mkdir()
        write_records(folder / "blur" / "blur.jsonl", Region, [hidden])
        inputs["blur"] = folder / "blur"
    done: list[float] = []
    stills.run(inputs, None, out, done.append)
    assert done == sorted(done)
    return sorted(p.name for p in out.iterdir())


def at_times(*times_us: int) -> Analysis:
    """Conflicts at these times, the strongest first."""
    one = make_analysis().conflicts[1]
    events = [
        replace(one, span=Span(0, 3 * S), evidence=900.0 - rank, best_us=t) for rank, t in enumerate(times_us)
    ]
    return replace(make_analysis(), conflicts=tuple(events))


def test_names_and_times() -> None:
    assert [still_name(rank) for rank in (1, 12, 200)] == ["event_01.jpg", "event_12.jpg", "event_200.jpg"]
    one = make_analysis().conflicts[0]
    assert still_us(replace(one, best_us=0)) == 0
    assert still_us(replace(one, span=Span(S, 2 * S), best_us=None)) == 1_500_000


def test_one_per_conflict_in_rank_order(made: Made, tmp_path: Path, analysis: Analysis) -> None:
    source = made("plain.mp4")
    assert made_stills(source, analysis, tmp_path) == [still_name(rank) for rank in (1, 2, 3)]
    frames = {f.time_us: f.image for f in iter_frames(source, probe(source), "all")}
    for rank, conflict in enumerate(ranked(analysis.conflicts), start=1):
        with Image.open(tmp_path / "out" / still_name(rank)) as still:
            stands = frames[max(t for t in frames if t <= still_us(conflict))]
            assert np.abs(np.asarray(still).astype(int) - stands).mean() < 4


@pytest.mark.parametrize("name", ["variable.mp4", "variable.mkv", "starts_at_5s.ts", "late_picture.ts"])
def test_the_frame_a_player_shows(made: Made, tmp_path: Path, name: str) -> None:
    """The flash begins at 2 s and ends at 2.3 s, whatever the frame rate."""
    info = probe(made(name))
    first_us = min(f.time_us for f in iter_frames(made(name), info, "all") if f.time_us >= MARKER_US - 2_000)
    times = (first_us - 1_000, first_us, MARKER_US + 250_000, MARKER_US + 400_000)
    made_stills(made(name), at_times(*times), tmp_path)
    bright = []
    for rank in range(1, 5):
        with Image.open(tmp_path / "out" / still_name(rank)) as still:
            bright.append(np.asarray(still.convert("L")).mean() > 200)
    assert bright == [False, True, True, False]


def test_upright_square_and_no_higher_than_1080(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = made("rotated_wide_pixels.mp4")
    made_stills(source, at_times(S), tmp_path / "a")
    with Image.open(tmp_path / "a" / "out" / still_name(1)) as still:
        assert still.size == (120, 213)
        picture = np.asarray(still).astype(int)
    assert picture[10:90, 10:50, 0].mean() > 150
    assert picture[120:200, 10:50, 0].mean() < 100
    monkeypatch.setattr(stills, "MAX_HEIGHT_PX", 100)
    made_stills(source, at_times(S), tmp_path / "b")
    with Image.open(tmp_path / "b" / "out" / still_name(1)) as still:
        assert still.height == 100 and still.width in (56, 57)


def test_hidden_where_the_blur_is_there(made: Made, tmp_path: Path) -> None:
    source = made("plain.mp4")
    corner = Region(Span(0, 3 * S), (40, 20, 80, 80), 85)
    for name, hidden in (("a", None), ("b", corner)):
        made_stills(source, at_times(S), tmp_path / name, hidden)
    plain, covered = (
        np.asarray(Image.open(tmp_path / name / "out" / still_name(1))).astype(int) for name in "ab"
    )
    apart = np.abs(plain - covered)
    assert apart[20:100, 40:120].mean() > 2 and apart[110:].mean() < 2


def test_a_still_that_cannot_be_read_is_left_out(made: Made, tmp_path: Path) -> None:
    whole = made(made_media.make_no_audio)
    data = bytearray(whole.read_bytes())
    first, last = data.index(b"mdat") + 4, data.index(b"moov") - 4
    data[first:last] = bytes(last - first)
    (tmp_path / "blank.mp4").write_bytes(data)
    found = replace(at_times(S, 2 * S), media=probe(whole))
    (tmp_path / "out").mkdir()
    inputs = {"source": tmp_path / "blank.mp4", **written(found, tmp_path / "in")}
    stills.run(inputs, None, tmp_path / "out", lambda fraction: None)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["warnings.txt"]
    assert (tmp_path / "out" / "warnings.txt").read_text().splitlines() == [
        "no still of event 1: the picture at 0:01.0 cannot be read",
        "no still of event 2: the picture at 0:02.0 cannot be read",
    ]


def test_without_a_picture_or_conflicts_nothing(made: Made, tmp_path: Path, analysis: Analysis) -> None:
    assert made_stills(made(made_media.make_audio_only), analysis, tmp_path / "a") == []
    assert made_stills(made("plain.mp4"), replace(analysis, conflicts=()), tmp_path / "b") == []


def test_at_most_the_strongest(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stills, "MOST", 2)
    assert made_stills(made("plain.mp4"), at_times(2 * S, S, 0), tmp_path) == [still_name(1), still_name(2)]
