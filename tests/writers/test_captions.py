from dataclasses import replace
from pathlib import Path

import pysubs2

from pipeline.types import Analysis, Span, Utterance, Word
from pipeline.writers import captions
from pipeline.writers.captions import srt, vtt
from tests.writers.conftest import HOSTILE, LINES, written


def test_a_player_reads_back_every_line(analysis: Analysis, tmp_path: Path) -> None:
    captions.run(written(analysis, tmp_path / "in"), None, tmp_path, lambda fraction: None)
    read = pysubs2.load(str(tmp_path / "transcript.srt"), keep_unknown_html_tags=True)
    assert [(e.start, e.end) for e in read] == [(a // 1000, b // 1000) for a, b, _ in LINES]
    assert [e.text for e in read][:2] == [LINES[0][2], LINES[1][2]]


def test_text_stays_one_line_and_nothing_is_taken_for_styling() -> None:
    text = srt(
        [Utterance(Span(0, 1_000_000), HOSTILE + "\n\n2\n00:00:05,000 --> 00:00:06,000\nfake", None, "file")]
    )
    assert "＼N{＼p1}m 0 0{b}" in text and "next line" in text
    assert len(text.strip().splitlines()) == 3


def test_without_words_there_is_no_file(analysis: Analysis, tmp_path: Path) -> None:
    silent = replace(analysis, transcript=replace(analysis.transcript, utterances=()))
    captions.run(written(silent, tmp_path / "in"), None, tmp_path, lambda fraction: None)
    assert not list(tmp_path.glob("transcript*"))


SPOKEN = (
    Utterance(
        Span(0, 1_234_567),
        "we won <b>it</b> --> all",
        "en",
        "faster-whisper",
        (Word(Span(0, 500_400), " we", 0.5), Word(Span(500_400, 1_200_000), "=won")),
        speaker="Anna > Bob",
        confidence=0.87654321,
    ),
    Utterance(Span(3_600_000_000, 3_601_000_000), "+1 谢谢", "zh", "file"),
)


def test_the_web_captions_name_who_speaks() -> None:
    assert vtt(SPOKEN) == (
        "WEBVTT\n\n"
        "1\n00:00:00.000 --> 00:00:01.235\n<v Anna &gt; Bob>we won &lt;b&gt;it&lt;/b&gt; --&gt; all\n\n"
        "2\n01:00:00.000 --> 01:00:01.000\n+1 谢谢\n"
    )


def test_the_tables_of_lines_and_of_words(analysis: Analysis, tmp_path: Path) -> None:
    spoken = replace(analysis, transcript=replace(analysis.transcript, utterances=SPOKEN))
    captions.run(written(spoken, tmp_path / "in"), None, tmp_path, lambda fraction: None)
    assert (tmp_path / "transcript.csv").read_text(encoding="utf-8").splitlines() == [
        "\ufeffStart_Time,End_Time,Speaker,Content,Confidence,Language,Utterance",
        "0.000,1.235,Anna > Bob,we won <b>it</b> --> all,0.8765,en,1",
        "3600.000,3601.000,,'+1 谢谢,,zh,2",
    ]
    assert (tmp_path / "transcript_words.csv").read_text(encoding="utf-8").splitlines() == [
        "\ufeffStart_Time,End_Time,Word,Probability,Speaker,Utterance",
        "0.000,0.500,we,0.5000,Anna > Bob,1",
        "0.500,1.200,'=won,,Anna > Bob,1",
    ]


def test_without_times_of_words_there_is_no_table_of_words(analysis: Analysis, tmp_path: Path) -> None:
    captions.run(written(analysis, tmp_path / "in"), None, tmp_path, lambda fraction: None)
    assert sorted(p.name for p in tmp_path.glob("transcript*")) == [
        "transcript.csv",
        "transcript.srt",
        "transcript.vtt",
    ]
