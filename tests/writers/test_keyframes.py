import csv
from collections.abc import Mapping
from dataclasses import replace
from math import dist
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.config import HighlightsSection
from pipeline.labels import EMOTIONS
from pipeline.media.probe import probe
from pipeline.records import write_records
from pipeline.types import Analysis, MediaInfo, Observation, Scores, Span, Status
from pipeline.writers import keyframes
from pipeline.writers.contact_sheet import Shot, contact_sheet, cut_out
from pipeline.writers.fonts import font_for
from pipeline.writers.keyframes import COLUMNS, KeyFrame, farthest, per_second
from pipeline.writers.palette import colour, rgb
from pipeline.writers.regions import Region
from tests.conftest import Made
from tests.made import media as made_media
from tests.writers.conftest import make_analysis, with_posture, written

S = 1_000_000
BOX = [20, 20, 60, 60]


def seen(*samples: tuple[int, str, float]) -> Analysis:
    """Time, emotion and its probability (the rest neutral) of one sample each, five per second."""
    found = tuple(
        Observation(
            "face",
            Span(t, t + 200_000),
            Status.OK,
            mixed({emotion: p, "neutral": 1 - p}),
            subject="P1",
            evidence={"box": BOX, "time_us": t},
        )
        for t, emotion, p in samples
    )
    return replace(make_analysis(), observations={"face": found})


def mixed(parts: Mapping[str, float]) -> Scores:
    return Scores(tuple(parts.get(e, 0.0) for e in EMOTIONS))


def made_sheet(
    source: Path, analysis: Analysis, folder: Path, **settings: float
) -> tuple[list[str], list[dict[str, str]]]:
    """Names of the files left, and rows of the spreadsheet."""
    (folder / "out").mkdir(parents=True, exist_ok=True)
    inputs = {"source": source, **written(replace(analysis, media=probe(source)), folder / "in")}
    if (folder / "blur").is_dir():
        inputs["blur"] = folder / "blur"
    keyframes.run(inputs, HighlightsSection(**settings), folder / "out", lambda fraction: None)
    with (folder / "out" / "keyframes.csv").open(encoding="utf-8-sig", newline="") as file:
        table = csv.DictReader(file)
        rows = list(table)
        assert table.fieldnames == list(COLUMNS)
    return sorted(p.name for p in (folder / "out").iterdir()), rows


def test_the_most_expressive_of_each_second() -> None:
    analysis = seen(
        (0, "happy", 0.5), (200_000, "sad", 0.9), (400_000, "sad", 0.9), (S, "fear", 0.1), (3 * S, "sad", 0.7)
    )
    assert [f.time_us for f in per_second(analysis)] == [200_000, S, 3 * S]
    assert [f.time_us for f in keyframes.keyframes(analysis, 9, 0.5)] == [200_000, 3 * S]
    assert [f.time_us for f in keyframes.keyframes(analysis, 1, 0.0)] == [200_000]


def test_neutral_is_never_what_a_frame_was_chosen_for() -> None:
    (frame,) = per_second(
        replace(
            make_analysis(),
            observations={
                "face": (
                    Observation(
                        "face",
                        Span(0, 1),
                        Status.OK,
                        mixed({"neutral": 0.45, "sad": 0.35, "fear": 0.2}),
                        evidence={"box": BOX},
                    ),
                )
            },
        )
    )
    assert (frame.emotion, frame.probability) == ("sad", 0.35)
    assert frame.expressiveness == pytest.approx(0.55)


def test_different_rather_than_strong() -> None:
    """Ten times happy, once sad: the sad one comes second."""
    many = seen(*((i * S, "happy", 0.99 - i / 1000) for i in range(10)), (10 * S, "sad", 0.6))
    assert [f.time_us for f in keyframes.keyframes(many, 2, 0.5)] == [0, 10 * S]


distributions = st.lists(
    st.tuples(*(st.integers(0, 9) for _ in EMOTIONS)).filter(any).map(lambda c: tuple(v / sum(c) for v in c)),
    max_size=14,
)


def frames_of(points: list[tuple[float, ...]]) -> list[KeyFrame]:
    return [KeyFrame(i * S, "face", None, (0, 0, 9, 9), Scores(p)) for i, p in enumerate(points)]


@given(distributions, st.integers(1, 8), st.randoms())
def test_farthest_point_selection(points, most, random) -> None:  # type: ignore[no-untyped-def]
    frames = frames_of(points)
    chosen = farthest(frames, most)
    assert len(chosen) == min(most, len(frames)) == len({f.time_us for f in chosen})
    shuffled = frames[:]
    random.shuffle(shuffled)
    assert farthest(shuffled, most) == chosen
    if not chosen:
        return
    assert chosen[0].expressiveness == max(f.expressiveness for f in frames)
    for i in range(1, len(chosen)):
        away = [min(dist(f.scores.probabilities, c.scores.probabilities) for c in chosen[:i]) for f in frames]
        new = min(dist(chosen[i].scores.probabilities, c.scores.probabilities) for c in chosen[:i])
        assert new == max(a for a, f in zip(away, frames, strict=True) if f not in chosen[:i])


def test_sheet_and_picture(made: Made, tmp_path: Path) -> None:
    analysis = seen((0, "happy", 0.9), (S, "sad", 0.8), (2 * S, "fear", 0.7))
    names, rows = made_sheet(made(made_media.make_faces, 2), analysis, tmp_path)
    assert names == ["keyframes.csv", "keyframes.jpg"]
    assert [(r["Time_Code"], r["Seconds"], r["Person"], r["Emotion"]) for r in rows] == [
        ("0:00.0", "0.000", "P1", "happy"),
        ("0:01.0", "1.000", "P1", "sad"),
        ("0:02.0", "2.000", "P1", "fear"),
    ]
    assert (rows[1]["Probability"], rows[1]["Expressiveness"]) == ("0.8000", "0.8000")
    assert (rows[1]["Smoothed_sad"], rows[1]["Smoothed_neutral"]) == ("0.8000", "0.2000")
    with Image.open(tmp_path / "out" / "keyframes.jpg") as sheet:
        pixels = np.asarray(sheet.convert("RGB")).astype(int)
    for left, emotion in ((16, "happy"), (352, "sad")):
        edge = pixels[100:200, left + 1 : left + 4].mean(axis=(0, 1))
        assert np.abs(edge - rgb(colour(emotion))).max() < 40
    assert pixels[40:300, 40:300].std() > 20  # a picture, not a plain tile
    before = (tmp_path / "out" / "keyframes.jpg").read_bytes()
    made_sheet(made(made_media.make_faces, 2), analysis, tmp_path)
    assert (tmp_path / "out" / "keyframes.jpg").read_bytes() == before


def test_hidden_where_the_blur_is_there(made: Made, tmp_path: Path) -> None:
    for name in ("plain", "hidden"):
        (tmp_path / name).mkdir()
    (tmp_path / "hidden" / "blur").mkdir()
    region = Region(Span(0, 3 * S), (0, 0, 320, 160), 160)
    write_records(tmp_path / "hidden" / "blur" / "blur.jsonl", Region, [region])
    detail = []
    for name in ("plain", "hidden"):
        made_sheet(made(made_media.make_faces, 1), seen((0, "happy", 0.9)), tmp_path / name)
        with Image.open(tmp_path / name / "out" / "keyframes.jpg") as sheet:
            tile = np.asarray(sheet.convert("L")).astype(int)[40:300, 40:300]
        detail.append(np.median(np.abs(np.diff(tile, axis=1))))
    assert detail[0] >= 1 and detail[1] == 0


NO_FACE = replace(
    seen(), observations={"face": (Observation("face", Span(0, S), Status.NO_FACE, evidence={"time_us": 0}),)}
)


@pytest.mark.parametrize(
    ("analysis", "why"),
    [
        (seen((0, "happy", 0.2)), "no frame shows an emotion with 50%; lower highlights.expressive"),
        (NO_FACE, "no face could be read"),
        (replace(seen(), observations={}), "no face could be read"),  # the channel failed
        (NO_FACE, "no picture"),
    ],
)
def test_nothing_to_show_is_an_empty_sheet_and_one_warning(
    made: Made, tmp_path: Path, analysis: Analysis, why: str
) -> None:
    source = made(made_media.make_audio_only if why == "no picture" else "plain.mp4")
    names, rows = made_sheet(source, analysis, tmp_path)
    assert names == ["keyframes.csv", "warnings.txt"] and rows == []
    assert (tmp_path / "out" / "warnings.txt").read_text() == f"{why}: no sheet of key frames\n"


def test_any_modality_with_a_box(made: Made, tmp_path: Path) -> None:
    bodily = replace(with_posture(make_analysis()), modalities=("voice", "posture"))
    _, rows = made_sheet(made("plain.mp4"), bodily, tmp_path)
    assert {row["Channel"] for row in rows} == {"Posture"} and {row["Emotion"] for row in rows} == {"fear"}


def test_hostile_names(made: Made, tmp_path: Path) -> None:
    one = seen((0, "happy", 0.9))
    strange = replace(one.observations["face"][0], subject="=1+1\nالعربية 🙂" + "長" * 60)
    names, rows = made_sheet(made("plain.mp4"), replace(one, observations={"face": (strange,)}), tmp_path)
    assert "keyframes.jpg" in names and rows[0]["Person"].startswith("'=1+1 ")


def media(width: int, height: int) -> MediaInfo:
    return replace(make_analysis().media, width_px=width, height_px=height)


@pytest.mark.parametrize("box", [(0, 0, 4, 4), (-50, -50, 40, 40), (300, 150, 500, 500), (10, 10, 0, 0)])
def test_a_cut_out_stays_in_the_picture(box: tuple[float, float, float, float]) -> None:
    picture = Image.new("RGB", (320, 160), (9, 99, 199))
    tile = np.asarray(cut_out(picture, box, 1.0, 80))
    assert tile.shape == (80, 80, 3) and np.ptp(tile.reshape(-1, 3), axis=0).max() == 0
    assert cut_out(Image.new("RGB", (1, 1)), box, 1.0, 80).size == (80, 80)


def test_many_shots_and_unreadable_ones() -> None:
    shot = Shot(None, (0, 0, 1, 1), "0:00.0", None, None, "sad", 0.5)
    sheet = contact_sheet([shot] * 400, 400, media(320, 160), font_for(None), lambda fraction: None)
    assert max(sheet.size) < 12_000
    one = contact_sheet([shot], 1, media(320, 160), font_for(None), lambda fraction: None)
    assert one.width < one.height


def test_same_scores_are_still_shown() -> None:
    same = seen(*((i * S, "happy", 0.9) for i in range(4)))
    assert [f.time_us for f in keyframes.keyframes(same, 3, 0.5)] == [0, S, 2 * S]
