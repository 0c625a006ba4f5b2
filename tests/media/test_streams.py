"""Which stream is read: by written rules, whatever the order, and said where there was a choice."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from pipeline.media.audio import AUDIO_FILE, SAMPLE_RATE_HZ, write_audio
from pipeline.media.frames import iter_frames
from pipeline.media.probe import MediaError, probe
from pipeline.media.streams import (
    Stream,
    StreamChoice,
    choice_note,
    ranked_pictures,
    ranked_sounds,
    ranked_subtitles,
)
from pipeline.media.subtitles import extract_stream
from pipeline.types import MediaInfo, SubtitleStream
from tests.conftest import Made
from tests.made import streams


@pytest.mark.parametrize("order", streams.ORDERS)
def test_every_order_of_streams_gives_the_same_film(order: Sequence[str], made: Made, tmp_path: Path) -> None:
    path = made(streams.make_ordered, order)
    info = probe(path)
    assert [info.video_index, info.audio_index] == [order.index("v"), order.index("a")]
    assert [one.index for one in info.subtitle_streams] == [order.index("s")]
    assert (info.width_px, info.height_px, info.warnings) == (160, 120, ())
    assert (
        sum(1 for _ in iter_frames(path, info, "all")) == 75
    )  # the last frames come when the decoder is flushed
    write_audio(path, info, tmp_path / AUDIO_FILE, lambda done: None)
    assert len(np.load(tmp_path / AUDIO_FILE)) == pytest.approx(3 * SAMPLE_RATE_HZ, abs=400)
    assert len(extract_stream(path, order.index("s")).cues) == 2


def test_of_two_pictures_the_larger_is_read(made: Made) -> None:
    info = probe(made(streams.make_two_pictures))
    assert (info.video_index, info.width_px) == (1, 160)
    (note,) = info.notes
    assert note.startswith(
        "Of 2 picture streams, 1 (0.00 megapixels), 2 (0.02 megapixels), the one read is 2 "
    )


@pytest.mark.parametrize(
    ("choice", "hz"),
    [
        (StreamChoice(), 300),
        (StreamChoice(language="zh"), 600),
        (StreamChoice(language="zh-Hant"), 600),
        (StreamChoice(language="fr"), 300),
        (StreamChoice(audio_track=2), 600),
        (StreamChoice(language="zh", audio_track=1), 300),
    ],
)
def test_the_sound_asked_for_is_read(choice: StreamChoice, hz: int, made: Made, tmp_path: Path) -> None:
    path = made(streams.make_two_sounds)
    info = probe(path, choice)
    write_audio(path, info, tmp_path / AUDIO_FILE, lambda done: None)
    spectrum = np.abs(np.fft.rfft(np.load(tmp_path / AUDIO_FILE)[: 2 * SAMPLE_RATE_HZ]))
    assert np.argmax(spectrum) / 2 == hz
    assert info.audio_language == ("en" if hz == 300 else "zh")
    (note,) = info.notes
    assert note.startswith("Of 2 sound streams, 1 (English, default), 2 (Chinese), the one read is ")


def test_a_sound_track_that_is_not_there_is_refused(made: Made) -> None:
    with pytest.raises(
        MediaError, match=r"has no sound track 3; those it has: 1 \(English\), 2 \(Chinese\)\."
    ):
        probe(made(streams.make_two_sounds), StreamChoice(audio_track=3))


@pytest.mark.parametrize(
    ("languages", "marks", "language", "index"),
    [
        (("eng", "eng"), ("forced", "default"), None, 3),
        (("eng", "chi"), ("default", "0"), "zh", 3),
        (("chi", "eng"), ("forced", "0"), "zh", 3),  # signs alone are no speech, in whatever language
        (("eng", "eng"), ("hearing_impaired", "0"), None, 3),
        (("eng", "ger"), ("hearing_impaired", "0"), "en", 2),
        (("eng",), ("forced",), None, 2),
    ],
)
def test_the_subtitles_meant_are_read(
    languages: Sequence[str], marks: Sequence[str], language: str | None, index: int, made: Made
) -> None:
    info: MediaInfo = probe(made(streams.make_subtitles, languages, marks))
    assert ranked_subtitles(info.subtitle_streams, language, info.audio_language)[0].index == index


def picture(index: int, **facts: object) -> Stream:
    return Stream(index, "video", index + 1, "h264", **facts)  # type: ignore[arg-type]


def test_rules_of_pictures() -> None:
    cover = picture(0, default=True, aside=True, area_px=10**6)
    image = picture(1, default=True, area_px=10**6, single_image=True)
    small, large = picture(2, default=True, area_px=100), picture(3, area_px=900)
    assert ranked_pictures([cover, image, small, large]) == [small, large, image]


def test_rules_of_sounds() -> None:
    commentary = Stream(0, "audio", 1, "aac", "en", default=True, aside=True)
    speech, dub = Stream(1, "audio", 2, "aac", "en"), Stream(2, "audio", 3, "aac", "zh", default=True)
    assert ranked_sounds([commentary, speech, dub], StreamChoice()) == [dub, speech, commentary]
    assert ranked_sounds([commentary, speech, dub], StreamChoice("en")) == [speech, commentary, dub]


def test_subtitles_follow_the_sound_where_nothing_was_asked() -> None:
    english, chinese = SubtitleStream(2, "subrip", "eng", default=True), SubtitleStream(3, "ass", "chi")
    pictures = SubtitleStream(4, "hdmv_pgs_subtitle", "chi", is_text=False)
    assert ranked_subtitles([english, chinese, pictures], None, "zh") == [chinese, english]
    assert ranked_subtitles([english, chinese], None, None) == [english, chinese]
    assert "stream 4 (Chinese, pictures of text)" in choice_note("subtitle", chinese, [chinese, pictures])
    assert choice_note("subtitle", chinese, [chinese]) == ""
