"""The two stages, from files to files."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.config import TextSection, TranscriptSection
from pipeline.models.cards import CACHE_VARIABLE, file_sha256, shipped_card
from pipeline.records import (
    CARD_FILE,
    LOSSES_FILE,
    MEDIA_FILE,
    TRANSCRIPT_FILE,
    TURNS_FILE,
    WARNINGS_FILE,
    read_record,
    read_records,
    write_record,
    write_records,
)
from pipeline.text.compact import load
from pipeline.text.corrections import Correction
from pipeline.text.stage import read_utterances, run_text, run_transcript, run_words
from pipeline.text.transcribe import TranscriptSettings
from pipeline.types import ModelCard, Observation, Span, Status, Transcript, Turn, Utterance
from tests.text.checkpoints import tiny_whisper
from tests.text.requests import media, span

SRT = (
    "1\n00:00:00,500 --> 00:00:02,000\n我真的好开心啊\n\n"
    "2\n00:00:02,500 --> 00:00:04,000\n안녕하세요 여러분\n\n"
    "3\n00:00:04,500 --> 00:00:05,000\n……\n"
)
COMPACT = TextSection(backend="compact")


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    folders = {name: tmp_path / name for name in ("probe", "audio", "speech", "words", "transcript", "text")}
    for folder in folders.values():
        folder.mkdir()
    write_record(folders["probe"] / "media.json", media(10))
    np.save(folders["audio"] / "audio.npy", np.zeros(160_000, np.float32))
    write_records(folders["speech"] / "speech.jsonl", Span, [span(0, 5)])
    return {**folders, "source": tmp_path / "film.mp4"}


def run_both(
    inputs: dict[str, Path], settings: TranscriptSection
) -> tuple[Transcript, tuple[Observation, ...]]:
    run_words(inputs, TranscriptSettings(settings), inputs["words"], lambda share: None)
    run_transcript(inputs, TranscriptSettings(settings), inputs["transcript"], lambda share: None)
    run_text(inputs, COMPACT, inputs["text"], lambda share: None)
    return (
        read_record(inputs["transcript"] / "transcript.json", Transcript),
        read_records(inputs["text"] / "observations.jsonl", Observation),
    )


def spoken(observations: tuple[Observation, ...]) -> tuple[Observation, ...]:
    """Those of utterances; the stretches between have the status `no_words`."""
    return tuple(one for one in observations if one.status is not Status.NO_WORDS)


def test_subtitles_to_observations(inputs: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "film.srt").write_text(SRT, encoding="utf-8")
    inputs["subtitles"] = tmp_path / "film.srt"
    transcript, observations = run_both(inputs, TranscriptSection())
    assert transcript.source == "file"
    edges = [0, *(one.span.end_us for one in observations)]
    assert [one.span.start_us for one in observations] == edges[:-1] and edges[-1] == 10_000_000
    assert len(spoken(observations)) < len(observations)
    observations = spoken(observations)
    assert [o.status for o in observations] == [Status.OK, Status.UNSUPPORTED_LANGUAGE, Status.TOO_SHORT]
    assert [o.span for o in observations] == [u.span for u in transcript.utterances]
    assert observations[0].modality == "text"
    assert observations[0].evidence == {"text": "我真的好开心啊", "language": "zh"}
    assert observations[0].quality == 1
    assert observations[1].evidence["language"] == "ko"


def test_lines_get_the_voice_that_speaks_most_of_them(inputs: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "film.srt").write_text(SRT, encoding="utf-8")
    inputs |= {"subtitles": tmp_path / "film.srt", "speakers": tmp_path}
    write_records(tmp_path / TURNS_FILE, Turn, [Turn(span(0, 2.3), "S1"), Turn(span(2.3, 4.2), "S2")])
    transcript, _ = run_both(inputs, TranscriptSection())
    assert [line.speaker for line in transcript.utterances] == ["S1", "S2", None]


def test_without_a_transcript_there_is_one_observation_over_the_film(inputs: dict[str, Path]) -> None:
    transcript, observations = run_both(inputs, TranscriptSection())
    assert transcript.status is Status.NO_TRANSCRIPT
    (only,) = observations
    assert (only.status, only.span, only.scores) == (Status.NO_TRANSCRIPT, span(0, 10), None)
    assert "--transcript" in (inputs["words"] / "losses.txt").read_text(encoding="utf-8")
    assert not (inputs["words"] / "warnings.txt").exists()


def test_words_that_nobody_speaks_are_no_loss(inputs: dict[str, Path]) -> None:
    write_records(inputs["speech"] / "speech.jsonl", Span, ())
    run_both(inputs, TranscriptSection())
    assert "No speech" in (inputs["words"] / "warnings.txt").read_text(encoding="utf-8")
    assert not (inputs["words"] / "losses.txt").exists()


@pytest.mark.parametrize(
    ("lines", "name", "says"),
    [
        ((("ko", "오늘 정말 행복해요"), ("ko", "슬퍼요")), "losses.txt", "2 of 2 lines of text are in ko"),
        (
            (("ko", "오늘 정말 행복해요"), ("zh", "我真的好开心啊")),
            "warnings.txt",
            "1 of 2 lines of text are in ko",
        ),
        ((("zh", "我真的好开心啊"), ("zh", "我好难过")), None, ""),
    ],
)
def test_lines_in_a_language_the_model_does_not_read_are_counted(
    inputs: dict[str, Path], lines: tuple[tuple[str, str], ...], name: str | None, says: str
) -> None:
    """A channel that could not be read at all is a loss, a foreign line among others a warning."""
    utterances = tuple(
        Utterance(span(i, i + 1), text, language, "file") for i, (language, text) in enumerate(lines)
    )
    write_record(inputs["transcript"] / "transcript.json", Transcript(utterances, Status.OK, "file", "zh"))
    run_text(inputs, COMPACT, inputs["text"], lambda share: None)
    left = {path.name: path.read_text(encoding="utf-8") for path in inputs["text"].glob("*.txt")}
    assert set(left) == ({name} if name else set())
    assert says in "".join(left.values())


def test_what_the_plan_says_and_what_is_lost_are_written_apart(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "film.srt").write_text(SRT + "\n4\n01:00:00,000 --> 01:00:01,000\nlate\n", encoding="utf-8")
    settings = TranscriptSettings(TranscriptSection(), "It was chosen.", "Another cannot be read.")
    inputs["subtitles"] = tmp_path / "film.srt"
    run_words(inputs, settings, inputs["words"], lambda share: None)
    noted, lost = (
        (inputs["words"] / name).read_text(encoding="utf-8") for name in (WARNINGS_FILE, LOSSES_FILE)
    )
    assert noted == "It was chosen.\n"
    assert lost.splitlines()[0] == "Another cannot be read."
    assert "1 of 4 lines of film.srt is lost" in lost.splitlines()[1]
    transcript = read_record(inputs["words"] / "transcript.json", Transcript)
    assert (transcript.note, transcript.losses) == (noted.strip(), tuple(lost.splitlines()))


def test_doubtful_text_is_marked_and_weighs_little(inputs: dict[str, Path]) -> None:
    heard = Utterance(span(0, 2), "谢谢大家的观看", "zh", "whisper", (), -0.3, 0.1, compression_ratio=3.0)
    write_record(inputs["transcript"] / "transcript.json", Transcript((heard,), Status.OK, "whisper", "zh"))
    run_text(inputs, COMPACT, inputs["text"], lambda share: None)
    (only,) = spoken(read_records(inputs["text"] / "observations.jsonl", Observation))
    assert read_record(inputs["text"] / "card.json", ModelCard).modality == "text"
    assert only.status is Status.OK
    assert only.quality < 0.3 and "doubtful" in only.evidence


def test_batches_and_runs_do_not_change_the_bytes(inputs: dict[str, Path]) -> None:
    lines = tuple(Utterance(span(i, i + 1), "我好难过" * (i + 1), "zh", "file") for i in range(5))
    write_record(inputs["transcript"] / "transcript.json", Transcript(lines, Status.OK, "file", "zh"))
    written = []
    for batch_size in (1, 2, 16):
        steps: list[float] = []
        settings = TextSection(backend="compact", batch_size=batch_size)
        run_text(inputs, settings, inputs["text"], steps.append)
        written.append((inputs["text"] / "observations.jsonl").read_bytes())
        assert steps[-1] == 1 and steps == sorted(steps)
    assert written[0] == written[1] == written[2]


def test_utterances_are_read_as_speech() -> None:
    utterance = Utterance(span(0, 2), "They didn't even say goodbye to me.", "en", source="file")
    model = load("compact", "cpu")
    (observation,) = read_utterances([utterance], model, 8, lambda share: None)
    (spoken_scores,), (any_text,) = (
        reading([utterance.text], ["en"]) for reading in (model.of_speech, model)
    )
    assert observation.scores == spoken_scores != any_text


@pytest.mark.parametrize("is_recognised", [True, False])
def test_a_corrected_transcript_is_taken_as_it_is_with_the_card_of_its_recogniser(is_recognised, tmp_path):
    write_record(tmp_path / MEDIA_FILE, media(3.0))
    source = "whisper" if is_recognised else "file"
    lines = tuple(Utterance(span(i, i + 1), "[laughs]", "en", source) for i in (0, 2, 4))
    made = Transcript(lines, Status.OK, "whisper", "en", note="Corrected by hand: 1 of 3 lines differ.")
    card = shipped_card("text_compact")
    write_record(tmp_path / "kept.json", Correction("0", "transcript.srt", made, made, 1, 0, card))
    settings = TranscriptSettings(TranscriptSection(), is_corrected=True)
    out = tmp_path / "out"
    out.mkdir()
    run_words({"probe": tmp_path, "subtitles": tmp_path / "kept.json"}, settings, out, lambda f: None)
    assert read_record(out / TRANSCRIPT_FILE, Transcript).utterances == lines[:2]
    assert (out / WARNINGS_FILE).read_text() == f"{made.note}\n"
    assert (out / LOSSES_FILE).read_text() == "1 corrected line lies after the video's end.\n"
    assert (out / CARD_FILE).exists() == is_recognised
    write_records(tmp_path / TURNS_FILE, Turn, [Turn(span(0, 3), "S1")])
    (last := tmp_path / "last").mkdir()
    run_transcript({"words": out, "speakers": tmp_path}, settings, last, lambda f: None)
    assert {line.speaker for line in read_record(last / TRANSCRIPT_FILE, Transcript).utterances} == {None}
    assert (last / CARD_FILE).exists() == is_recognised


def test_what_recognised_the_words_leaves_its_card_and_subtitles_leave_none(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    weights = tiny_whisper(tmp_path / "cache" / "whisper" / "tiny.pt")
    sound = (np.random.default_rng(0).normal(size=160_000) * 0.1).astype(np.float32)
    np.save(inputs["audio"] / "audio.npy", sound)
    transcript, _ = run_both(inputs, TranscriptSection(language="en", whisper_model="tiny"))
    assert transcript.source == "whisper" and transcript.utterances
    card = read_record(inputs["transcript"] / CARD_FILE, ModelCard)
    assert (card.id, card.modality, card.sha256) == ("tiny", "transcript", file_sha256(weights))
    (tmp_path / "film.srt").write_text(SRT, encoding="utf-8")
    for stage in ("words", "transcript"):
        (inputs[stage] / CARD_FILE).unlink()
    run_both({**inputs, "subtitles": tmp_path / "film.srt"}, TranscriptSection())
    assert not (inputs["transcript"] / CARD_FILE).exists()
