import subprocess
from dataclasses import replace
from pathlib import Path

import av
import pytest
from av.stream import Disposition

from pipeline.media.encode import ffmpeg_exe
from pipeline.media.probe import probe
from pipeline.types import Span
from pipeline.writers.film.chapters import chapters
from tests.conftest import Made
from tests.writers.conftest import HOSTILE, make_analysis
from tests.writers.film.conftest import Filmed
from tests.writers.film.filming import film


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
