from dataclasses import replace
from pathlib import Path

import pysubs2

from pipeline.types import Analysis, Span, Utterance
from pipeline.writers import captions
from pipeline.writers.captions import srt
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
    assert not (tmp_path / "transcript.srt").exists()
