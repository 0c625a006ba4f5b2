import pytest
from pydantic import ValidationError

from pipeline.records import read_record, read_records, write_record, write_records
from pipeline.types import MediaInfo, Observation, Scores, Span, Status, Transcript, Utterance, Word

SCORES = Scores((0.1, 0.1, 0.1, 0.4, 0.1, 0.1, 0.1), 0.0, {"joy": 1.0})
SEEN = Observation("face", Span(0, 5), Status.OK, SCORES, SCORES, "P1", 0.5, {"box": [1, 2, 3, 4]})
ABSENT = Observation("face", Span(5, 9), Status.NO_FACE)


def test_records_come_back_as_they_were(tmp_path):
    write_records(tmp_path / "o.jsonl", Observation, [SEEN, ABSENT])
    assert read_records(tmp_path / "o.jsonl", Observation) == (SEEN, ABSENT)
    utterance = Utterance(Span(0, 9), '好 "quoted"', "zh", "file", (Word(Span(0, 1), "好"),), -0.5, 0.1, 1.2)
    transcript = Transcript((utterance,), Status.OK, "file", "zh", 2, "note")
    write_record(tmp_path / "t.json", transcript)
    assert read_record(tmp_path / "t.json", Transcript) == transcript


def test_equal_records_are_equal_bytes(tmp_path):
    for name in ("a", "b"):
        write_records(tmp_path / name, Observation, [SEEN, ABSENT])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_wrong_file_is_refused(tmp_path):
    (tmp_path / "m.json").write_text('{"sha256": "x"}')
    with pytest.raises(ValidationError):
        read_record(tmp_path / "m.json", MediaInfo)


def test_status_and_scores_must_agree():
    with pytest.raises(ValueError, match="contradict"):
        Observation("face", Span(0, 1), Status.OK)
    with pytest.raises(ValueError, match="contradict"):
        Observation("face", Span(0, 1), Status.NO_FACE, SCORES)
    with pytest.raises(ValueError, match="ends before"):
        Span(2, 1)


def test_span_overlap():
    assert Span(0, 5).overlap_us(Span(3, 9)) == 2 and Span(0, 5).overlap_us(Span(5, 9)) == 0
