import json
import math
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.records import read_record
from pipeline.types import Analysis
from pipeline.writers.exports import session
from pipeline.writers.exports.session_schema import Session
from tests.writers.conftest import with_posture, written
from tests.writers.exports.cases import CASES


def export(analysis: Analysis, folder: Path) -> Path:
    session.run(written(analysis, folder / "in"), None, folder, lambda fraction: None)
    return folder / "session.json"


@pytest.mark.parametrize("case", [case for case in CASES if case != "hour"])
def test_the_file_is_the_schema_and_nothing_is_nan(case: str, tmp_path: Path) -> None:
    analysis = CASES[case]()
    path = export(analysis, tmp_path)
    read = read_record(path, Session)
    assert read == session.session(analysis)

    def refused(word: str) -> float:
        raise AssertionError(word)

    whole = json.loads(path.read_text(encoding="utf-8"), parse_constant=refused)
    assert list(whole) == ["session_info", "emotion_statistics", "detailed_results"]
    for one in read.emotion_statistics:
        total = math.fsum(one.distribution.values())
        assert total == pytest.approx(1 if one.observed_s else 0, abs=4e-4)
        assert 0 <= one.unknown_share <= 1
    for result in read.detailed_results.results:
        assert (result.status == "ok") is (result.emotion is not None) is (result.probabilities is not None)
        if result.probabilities is not None:
            total = math.fsum(result.probabilities.values()) + (result.unmapped or 0)
            assert total == pytest.approx(1, abs=5e-4)


def test_a_file_of_another_schema_is_refused(analysis: Analysis, tmp_path: Path) -> None:
    path = export(analysis, tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace('"observed_s"', '"observed"'), encoding="utf-8")
    with pytest.raises(ValidationError):
        read_record(path, Session)


def test_what_was_read_and_with_what(analysis: Analysis) -> None:
    info = session.session(analysis).session_info
    assert (info.duration_s, info.fps, info.width_px, info.height_px) == (3.0, 25.0, 160, 120)
    assert info.channels == ("face", "voice", "words", "together")
    assert (info.persons, info.languages) == (("P1", "P2"), ("zh",))
    assert [(m.channel, m.id, m.sha256, m.licence) for m in info.models] == [
        ("face", "face_compact", "ab" * 32, "MIT"),
        ("voice", "own", "ab" * 32, "MIT"),
    ]


def test_the_statistics_are_those_of_the_rows(analysis: Analysis) -> None:
    found = {(s.channel, s.person): s for s in session.session(with_posture(analysis)).emotion_statistics}
    face = found["face", None]
    assert (face.observed_s, face.unknown_share) == (
        1.650004,
        0.45,
    )  # three quarters of the rows were covered
    assert (face.distribution["sad"], face.dominant_emotion) == (1.0, "sad")
    assert face.average_confidence == round((0.7 * 1 + 0.66 * 0.400005 + 0.63 * 0.8) / 2.200005, 4)
    words = found["words", None]
    assert words.distribution["happy"] == round(1 / 1.8, 4) and words.dominant_emotion == "happy"
    assert found["face", "P2"].distribution["neutral"] == 1.0
    assert found["posture", "P1"].dominant_emotion == found["posture", None].dominant_emotion == "fear"
    assert found["together", None].unknown_share == 0.45


def test_of_nothing_everything_is_unknown() -> None:
    for one in session.session(CASES["empty"]()).emotion_statistics:
        assert (one.observed_s, one.unknown_share, one.average_confidence) == (0.0, 1.0, None)
        assert one.dominant_emotion is None


def test_a_film_without_a_picture_has_no_frame_rate() -> None:
    info = session.session(CASES["without picture"]()).session_info
    assert info.fps is info.width_px is info.height_px is None
