"""Which source is asked, what is dropped, what is said when there is nothing."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import process_time

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.config import ConfigError
from pipeline.media.container import MediaError
from pipeline.models.cards import CACHE_VARIABLE, ModelError
from pipeline.text.quality import length_quality, source_quality, text_quality
from pipeline.text.transcribe import Heard, Request, is_suspicious, over_speech, settle, transcribe
from pipeline.text.whisper_speech import load_model, weights_path
from pipeline.types import Status, SubtitleStream, Utterance, Word
from tests.made import media as films
from tests.text.checkpoints import tiny_whisper
from tests.text.requests import S, media, request, span

SRT = "1\n00:00:01,000 --> 00:00:02,500\n我很開心\n\n2\n00:00:03,000 --> 00:00:04,000\n(laughs)\n"


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def line(start_s: float, end_s: float, text: str = "hello there", **numbers: float) -> Utterance:
    return Utterance(span(start_s, end_s), text, None, "whisper", **numbers)  # type: ignore[arg-type]


def test_a_subtitle_file_comes_first(tmp_path: Path, cache: Path) -> None:
    tiny_whisper(cache / "whisper" / "tiny.pt")
    (tmp_path / "a.srt").write_text(SRT, encoding="utf-8")
    transcript = transcribe(request(subtitles=tmp_path / "a.srt", speech=[span(0, 10)]))
    assert (transcript.source, transcript.status, transcript.language) == ("file", Status.OK, "zh")
    assert [u.span for u in transcript.utterances] == [span(1, 2.5)]  # what is heard besides is no speech
    assert [u.language for u in transcript.utterances] == ["zh"]
    assert "1 sound tag" in transcript.note and transcript.losses == ()


def test_then_a_stream_in_the_container(made: Callable[..., Path]) -> None:
    film = made(films.make_subtitled)
    streams = (SubtitleStream(2, "subrip", None),)
    from pipeline.media.container import open_media

    with open_media(film) as container:
        streams = tuple(SubtitleStream(s.index, "subrip", "eng") for s in container.streams.subtitles)
    asked = replace(request(info=media(60, streams)), source=film)
    transcript = transcribe(asked)
    assert transcript.source == "stream"
    assert transcript.status is Status.OK and transcript.utterances


def test_a_subtitle_file_that_cannot_be_read_is_a_loss_and_the_next_source_is_asked(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_bytes(b"no subtitles")
    loss, advice = transcribe(request(subtitles=tmp_path / "a.srt", speech=[span(0, 5)])).losses
    assert "a.srt is not a subtitle file" in loss and "models pull" in advice
    with pytest.raises(MediaError, match="not a subtitle file"):
        transcribe(request("file", subtitles=tmp_path / "a.srt"))


def test_what_of_a_subtitle_file_was_lost_is_said_though_another_source_is_read(
    tmp_path: Path, cache: Path
) -> None:
    tiny_whisper(cache / "whisper" / "tiny.pt")
    (tmp_path / "a.srt").write_text("1\n00:10:00,000 --> 00:10:01,000\nlate\n", encoding="utf-8")
    asked = request(
        waveform=noise(4),
        subtitles=tmp_path / "a.srt",
        speech=[span(0, 4)],
        language="en",
        whisper_model="tiny",
    )
    transcript = transcribe(asked)
    assert transcript.source == "whisper" and transcript.utterances
    assert "is this the right subtitle file?" in transcript.losses[0]


def test_characters_that_cannot_be_read_are_a_loss(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_bytes("1\n00:00:01,000 --> 00:00:02,000\n我很开心".encode()[:-1])
    (loss,) = transcribe(request(subtitles=tmp_path / "a.srt")).losses
    assert loss.startswith("1 character of a.srt could not be read")


def test_speakers_named_by_the_subtitles_are_kept(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nJOHN: I know.\n", encoding="utf-8")
    (utterance,) = transcribe(request(subtitles=tmp_path / "a.srt")).utterances
    assert (utterance.speaker, utterance.text) == ("JOHN", "I know.")


def noise(seconds: float) -> NDArray[np.float32]:
    return (np.random.default_rng(0).normal(size=round(16_000 * seconds)) * 0.1).astype(np.float32)


def test_then_whisper_with_words_and_numbers(cache: Path) -> None:
    tiny_whisper(cache / "whisper" / "tiny.pt")
    asked = request(waveform=noise(4), speech=[span(0, 4)], language="en", whisper_model="tiny")
    transcript = transcribe(asked)
    heard = transcript.utterances[0]
    assert (transcript.source, heard.text, heard.language) == ("whisper", "hello there", "en")
    assert 0 <= heard.span.start_us < heard.span.end_us <= 4 * S
    assert [word.text for word in heard.words] == ["hello", "there"]
    assert all(0 <= (word.probability or -1) <= 1 for word in heard.words)
    assert heard.avg_logprob is not None and heard.avg_logprob > -0.5
    assert heard.no_speech_prob is not None and heard.compression_ratio is not None
    assert heard.confidence is not None
    assert "Words recognised by" in transcript.note
    assert transcribe(asked) == transcript


def test_only_speech_is_sent(cache: Path) -> None:
    """Two stretches, each of which the model hears the same in: none of the words lies between them."""
    tiny_whisper(cache / "whisper" / "tiny.pt")
    asked = request(
        waveform=noise(60), speech=[span(0, 25), span(35, 60)], language="en", whisper_model="tiny"
    )
    transcript = transcribe(asked)
    assert transcript.utterances
    assert not any(u.span.overlap_us(span(25, 35)) for u in transcript.utterances)


def test_without_speech_whisper_is_not_asked(cache: Path) -> None:
    (cache / "whisper").mkdir(parents=True)
    (cache / "whisper" / "base.pt").write_bytes(b"would fail to load")
    transcript = transcribe(request(waveform=noise(4), speech=[]))
    assert (transcript.status, transcript.utterances) == (Status.NO_TRANSCRIPT, ())
    assert "No speech was heard" in transcript.note
    assert "no sound" in transcribe(request(info=media(has_audio=False))).note


def test_whisper_is_loaded_by_its_own_loader_and_damage_is_one_sentence(tmp_path: Path) -> None:
    model = load_model(tiny_whisper(tmp_path / "tiny.pt"), "cpu")
    assert model.dims.n_text_layer == 1
    (tmp_path / "bad.pt").write_bytes(b"no weights")
    with pytest.raises(ModelError, match="pull it again"):
        load_model(tmp_path / "bad.pt", "cpu")


def test_whisper_never_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("urllib.request.urlopen", asked)
    with pytest.raises(ModelError, match="models pull whisper-small"):
        transcribe(request(source="whisper", speech=[span(0, 1)], whisper_model="small"))
    assert weights_path("/a/b.pt") == Path("/a/b.pt")


def test_a_listed_whisper_with_another_content_is_never_used(cache: Path) -> None:
    tiny_whisper(cache / "whisper" / "base.pt")
    with pytest.raises(ModelError, match="is not the file whisper-base was published with"):
        transcribe(request("whisper", speech=[span(0, 1)], language="en"))


@pytest.mark.parametrize(
    ("model", "advice"),
    [
        ("base", "models pull whisper-base"),
        ("large-v3-turbo", "models pull mobiuslabsgmbh/faster-whisper-large-v3-turbo"),
        ("/a/b.pt", "no file /a/b.pt"),
        ("huge", "no listed model 'huge'"),
    ],
)
def test_a_whisper_that_is_missing_is_named_as_it_can_be_had(model: str, advice: str) -> None:
    with pytest.raises(ModelError, match=advice):
        transcribe(request("whisper", speech=[span(0, 1)], whisper_model=model))


def test_without_any_source_the_note_says_what_to_do() -> None:
    transcript = transcribe(request(speech=[span(0, 5)]))
    assert transcript.status is Status.NO_TRANSCRIPT
    (loss,) = transcript.losses
    assert "--transcript" in loss and "models pull Systran/faster-whisper-base`" in loss
    (loss,) = transcribe(request(speech=[span(0, 5)], whisper_model="small")).losses
    assert "models pull Systran/faster-whisper-small`" in loss
    pictures = (SubtitleStream(2, "pgssub", "eng", is_text=False),)
    (loss,) = transcribe(request(info=media(10, pictures), speech=[span(0, 5)])).losses
    assert "pictures of text (pgssub)" in loss
    mute = transcribe(request(info=media(has_audio=False)))
    assert "no sound" in mute.note and mute.losses == ()


@pytest.mark.parametrize(
    ("source", "advice"),
    [("file", "--transcript"), ("stream", "'auto'")],
)
def test_a_source_asked_for_that_cannot_work_is_an_error(source: str, advice: str) -> None:
    with pytest.raises(ConfigError, match=advice):
        transcribe(request(source=source, speech=[span(0, 1)]))


def test_text_with_too_little_speech_under_it_is_dropped_and_counted() -> None:
    lines = (line(0, 2), line(2, 4), line(4, 6), line(8, 8))
    speech = [span(0, 1.9), span(3.5, 4.5), span(7, 9)]
    assert over_speech(lines, speech, 0.3) == (lines[0], lines[3])
    transcript = settle(Heard(lines, language="en"), "whisper", request(speech=speech))
    # A line of no length has no row of its own in the sheet, so it is in no other output either.
    assert (len(transcript.utterances), transcript.dropped_over_silence) == (3, 0)
    bare = settle(Heard(lines, language="en"), "whisper", request(speech=speech[:1]))
    assert (len(bare.utterances), bare.dropped_over_silence) == (1, 2)
    assert "2 recognised lines over non-speech dropped" in bare.note


def test_many_lines_over_many_stretches_of_speech_take_no_square_of_time() -> None:
    lines = [line(i / 2, i / 2 + 0.4) for i in range(20_000)]
    speech = [span(i / 2, i / 2 + 0.3) for i in range(20_000)]
    begin = process_time()
    assert len(over_speech(lines, speech, 0.3)) == len(lines)
    assert over_speech(lines, [one.shifted(-S // 5) for one in speech], 0.6) == ()
    assert process_time() - begin < 5


def test_subtitles_are_never_gated_by_speech() -> None:
    assert settle(Heard((line(0, 2),)), "file", request(speech=[])).dropped_over_silence == 0


def test_written_chinese_is_converted_only_where_that_is_asked() -> None:
    lines = (line(0, 1, text="我很開心"), line(1, 2, text="我很开心"))
    kept, simplified, traditional = (
        [u.text for u in settle(Heard(lines), "file", request(script=script)).utterances]
        for script in ("auto", "simplified", "traditional")
    )
    assert kept == ["我很開心", "我很开心"]
    assert simplified == ["我很开心"] * 2 and traditional == ["我很開心"] * 2


def test_how_sure_the_language_is_goes_into_the_transcript() -> None:
    heard = Heard((line(0, 2),), language="en", language_probability=0.87)
    assert settle(heard, "whisper", request(speech=[span(0, 2)])).language_probability == 0.87
    assert settle(heard, "whisper", request(speech=[span(0, 2)], language="de")).language_probability is None


def test_lines_are_clipped_to_the_film_and_sorted() -> None:
    lines = (line(8, 12), line(1, 2), line(11, 13), line(3, 4, text="  "))
    found = settle(Heard(lines), "file", request()).utterances
    assert [u.span for u in found] == [span(1, 2), span(8, 10)]


def test_speech_beside_subtitles_without_words_is_a_loss_and_silence_is_not(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\n\n", encoding="utf-8")
    for speech, lost in (([span(0, 5)], 1), ([], 0)):
        transcript = transcribe(request(subtitles=tmp_path / "a.srt", speech=speech))
        assert (transcript.status, len(transcript.losses)) == (Status.NO_TRANSCRIPT, lost)
        assert "no text" in transcript.note


def test_an_empty_subtitle_file_is_no_transcript_and_says_so() -> None:
    transcript = settle(Heard(()), "file", request())
    assert transcript.status is Status.NO_TRANSCRIPT
    assert "no text" in transcript.note


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ({}, False),
        ({"compression_ratio": 2.5}, True),
        ({"no_speech_prob": 0.9, "avg_logprob": -1.5}, True),
        ({"no_speech_prob": 0.9, "avg_logprob": -0.2}, False),
        ({"no_speech_prob": 0.3, "avg_logprob": -1.5}, False),
    ],
)
def test_what_looks_invented(numbers: dict[str, float], expected: bool) -> None:
    assert is_suspicious(line(0, 1, **numbers)) is expected


def test_quality_falls_with_doubt_and_with_shortness() -> None:
    sure = line(0, 1, text="我真的很开心啊", confidence=0.9)
    unsure = replace(sure, confidence=0.4)
    assert 1 > source_quality(sure) > source_quality(unsure) > 0
    assert source_quality(replace(sure, confidence=None, source="file")) == 1
    assert length_quality("嗯") == pytest.approx(0.4)
    assert length_quality("I am so very glad today") == 1 == length_quality("我真的很开心")
    assert length_quality("…") == 0
    assert text_quality(replace(sure, compression_ratio=3.0)) == pytest.approx(0.2)


def read_in_the_picture(asked: Request) -> Heard:
    return Heard((Utterance(span(1, 3), "多謝你", None, "burned-in"),), note="Read in the picture.")


def recognised(asked: Request) -> Heard:
    assert (asked.settings.source, asked.settings.language) == ("auto", "zh")
    words = tuple(Word(span(1.5 + i / 2, 2 + i / 2), text, 0.9) for i, text in enumerate("多写你"))
    return Heard((Utterance(span(1.5, 3), "多写你", None, "faster-whisper", words),))


def damaged(asked: Request) -> Heard:
    raise ModelError("the weights are damaged")


@pytest.mark.parametrize(
    ("recogniser", "starts", "note"),
    [
        (
            "recognised",
            [1_500_000, 2_000_000, 2_500_000],
            "in 1 of 1 lines are as faster-whisper heard them.",
        ),
        ("damaged", [], "When each word is said is not known: the weights are damaged."),
    ],
)
def test_words_read_in_the_picture_get_the_times_at_which_they_are_heard(
    recogniser: str, starts: list[int], note: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = {"burned-in": "read_in_the_picture", "faster-whisper": recogniser}
    monkeypatch.setattr(
        "pipeline.text.transcribe.TRANSCRIBERS", {n: f"{__name__}:{f}" for n, f in sources.items()}
    )
    transcript = transcribe(request(speech=[span(1, 3)]))
    (utterance,) = transcript.utterances
    assert (transcript.source, utterance.text) == ("burned-in", "多謝你")
    assert [word.span.start_us for word in utterance.words] == starts
    assert transcript.note.startswith("Read in the picture.") and transcript.note.endswith(note)
    assert transcript.losses == ()


def test_subtitles_that_are_pictures_are_named_where_the_words_come_from_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "pipeline.text.transcribe.TRANSCRIBERS", {"burned-in": f"{__name__}:read_in_the_picture"}
    )
    pgs = media(10, [SubtitleStream(2, "hdmv_pgs_subtitle", "eng", is_text=False)])
    transcript = transcribe(request(speech=[span(1, 3)], info=pgs))
    assert transcript.utterances and transcript.losses == ()
    assert "are pictures of text (hdmv_pgs_subtitle), which cannot be read" in transcript.note
