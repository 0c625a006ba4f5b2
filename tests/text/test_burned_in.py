"""Subtitles in the picture: read to the letter and to a sample's time, and nothing else is."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.config import ConfigError
from pipeline.media.probe import probe
from pipeline.models.cards import CACHE_VARIABLE, ModelError
from pipeline.models.known import known_for
from pipeline.text import burned_in, ocr
from pipeline.text.burned_in import transcribe, within
from pipeline.text.transcribe import Heard
from pipeline.types import Span
from tests.made.subtitled import BILINGUAL, BOTTOM, ENGLISH, FPS, LINES, TOP, Writing, beside, make_subtitled
from tests.text.requests import S, request, span

SECONDS = 10.4
# A line begins between two samples, of which the later shows it.
FRAME_US = S // FPS
HALF_SAMPLE_US = round(S / burned_in.SAMPLE_FPS / 2)

KNOWN = known_for("burned-in")
pytestmark = pytest.mark.skipif(not KNOWN.is_here, reason=f"{KNOWN.id} is not on this machine")

Made = Callable[..., Path]


@pytest.fixture(scope="module")
def reader() -> ocr.Ocr:
    return ocr.load(KNOWN)


@pytest.fixture
def quick(reader: ocr.Ocr, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loads the networks once for all films."""
    monkeypatch.setattr(ocr, "load", lambda model: reader)


def read(
    film: Path, speech: Sequence[Span], source: str = "auto", language: str | None = None
) -> Heard | None:
    asked = request(source, info=probe(film), speech=speech, language=language)
    return transcribe(replace(asked, source=film))


def spoken(writings: Sequence[Writing]) -> list[Span]:
    return [span(one.start_s, one.end_s) for one in writings]


def texts(heard: Heard | None) -> list[str]:
    return [one.text for one in heard.utterances] if heard else []


@pytest.mark.usefixtures("quick")
def test_lines_are_read_beside_logo_name_plate_clock_ticker_and_title(made: Made) -> None:
    heard = read(made(make_subtitled, (*LINES, *beside(SECONDS)), SECONDS), spoken(LINES))
    assert heard is not None
    assert texts(heard) == [one.text.replace(r"\N", " ") for one in LINES]
    for utterance, line in zip(heard.utterances, LINES, strict=True):
        assert abs(utterance.span.start_us - line.start_s * S) <= HALF_SAMPLE_US + FRAME_US
        assert abs(utterance.span.end_us - line.end_s * S) <= HALF_SAMPLE_US + FRAME_US
        assert utterance.source == "burned-in" and (utterance.confidence or 0) > 0.95
    assert "read from the subtitles in the picture (5 lines, band at the bottom)" in heard.note


@pytest.mark.usefixtures("quick")
def test_a_film_without_subtitles_has_none_whatever_else_is_written_in_it(made: Made) -> None:
    film = made(make_subtitled, beside(6.0), 6.0)
    assert read(film, [span(0.5, 5.8)]) is None
    with pytest.raises(ConfigError, match="no subtitles were found in the picture"):
        read(film, [span(0.5, 5.8)], "burned-in")


@pytest.mark.usefixtures("quick")
def test_of_two_languages_the_one_asked_for_is_read_else_the_first(made: Made) -> None:
    film = made(make_subtitled, BILINGUAL, 6.0)
    chinese, english = zip(*(one.text.split(r"\N") for one in BILINGUAL), strict=True)
    assert texts(read(film, spoken(BILINGUAL))) == list(chinese)
    assert texts(read(film, spoken(BILINGUAL), language="en")) == list(english)


@pytest.mark.usefixtures("quick")
def test_english_lines_keep_their_spaces_at_any_size(made: Made) -> None:
    film = made(make_subtitled, ENGLISH, 6.0, 480)
    assert texts(read(film, spoken(ENGLISH))) == [one.text for one in ENGLISH]


@pytest.mark.usefixtures("quick")
def test_lines_that_stand_over_too_little_speech_are_not_the_words_unless_asked_for(made: Made) -> None:
    film = made(make_subtitled, LINES[:2], 6.0)
    assert read(film, [span(0, 6)]) is None
    assert len(texts(read(film, [span(0, 6)], "burned-in"))) == 2


@pytest.mark.usefixtures("quick")
def test_lines_at_the_bottom_and_at_the_top_are_one_transcript(made: Made) -> None:
    lines = [replace(one, align=TOP if i % 2 else BOTTOM) for i, one in enumerate(BILINGUAL)]
    lines = [replace(one, text=one.text.split(r"\N")[0]) for one in lines]
    heard = read(made(make_subtitled, tuple(lines), 6.0), spoken(lines))
    assert heard is not None and texts(heard) == [one.text for one in lines]
    assert "band at the bottom and band at the top" in heard.note


def test_without_speech_or_picture_nothing_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def loaded(model: object) -> None:
        raise AssertionError("the networks were loaded")

    monkeypatch.setattr(ocr, "load", loaded)
    assert transcribe(request(speech=[])) is None
    assert transcribe(request(speech=[span(0, 1)])) is None  # this one has no picture


def test_a_missing_model_is_named_with_the_line_that_fetches_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    seen = replace(request().media, video_index=0)
    assert transcribe(request(speech=[span(0, 1)], info=seen)) is None
    with pytest.raises(ModelError, match=f"run `emotion-pipeline models pull {KNOWN.id}`"):
        transcribe(request("burned-in", speech=[span(0, 1)], info=seen))


def test_a_file_that_is_not_the_pinned_one_is_never_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(KNOWN.home, tmp_path / KNOWN.home.name)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    with (KNOWN.home / ocr.RECOGNISER).open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    with pytest.raises(ModelError, match="is not the file"):
        ocr.load(KNOWN)
    seen = replace(request().media, video_index=0)
    heard = transcribe(request(speech=[span(0, 1)], info=seen))
    assert heard is not None and heard.utterances == () and "not looked for" in heard.losses[0]


def test_the_card_names_licence_and_bytes() -> None:
    card = burned_in.card(request().settings)
    assert (card.id, card.modality) == ("pp-ocrv6-small", "transcript")
    assert card.licence.startswith("Apache-2.0") and len(card.sha256) == 64


def test_times_are_spread_evenly_over_stretches() -> None:
    assert within([span(0, 1), span(10, 13)], 4) == [
        S // 2,
        10 * S + S // 2,
        11 * S + S // 2,
        12 * S + S // 2,
    ]
    assert within([], 3) == [] and within([span(2, 2)], 3) == []


@pytest.mark.data
@pytest.mark.parametrize("name", ["films/vlog.mp4", "videos/zh_interview_38s.mp4"])
def test_real_subtitles_are_read(name: str, data_root: Path) -> None:
    from benchmarks.words.burned_in import MAX_CER, MAX_START_ERROR_S, measured

    result = measured(data_root / name, None, "auto")
    assert result is not None and result.cer is not None and result.cer <= MAX_CER
    assert (result.start_error_s or 0) <= MAX_START_ERROR_S


@pytest.mark.data
@pytest.mark.parametrize("name", ["two_faces_12fps_9s.mp4", "en_talk_a_8s.mp4", "en_portrait_hevc_20s.mp4"])
def test_no_words_are_read_from_films_without_subtitles(name: str, data_root: Path) -> None:
    from benchmarks.words.burned_in import measured

    result = measured(data_root / "videos" / name, None, "auto")
    assert result is not None and result.lines == () and result.processor_s < 3
