"""On the shared data, where it lies on this machine."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.labels import EMOTIONS, top
from pipeline.text.compact import load
from pipeline.train.metrics import evaluate

pytestmark = pytest.mark.data


def test_ewect_in_traditional_characters_loses_at_most_a_point(data_root: Path) -> None:
    from pipeline.train.text_data import read_source, traditional

    texts, labels = traditional(data_root, "ewect", "test")
    model = load("compact", "cpu")
    answers = model(texts[:1500], ["zh"] * 1500)
    found = np.array([EMOTIONS.index(top(scores)[0]) for scores in answers if scores is not None])
    converted = evaluate(labels[:1500], found, EMOTIONS)
    test = read_source(data_root, "ewect")["test"]
    original = model(["".join(words) for words in test.words[:1500]], ["zh"] * 1500)
    plain = np.array([EMOTIONS.index(top(scores)[0]) for scores in original if scores is not None])
    assert abs(converted.accuracy - evaluate(test.labels[:1500], plain, EMOTIONS).accuracy) <= 0.01
    assert converted.accuracy > 0.70


def test_a_real_interview_is_mostly_calm_talk(data_root: Path) -> None:
    """Lines of an athlete in tears: fear or sadness where she names them, no happiness anywhere."""
    from pipeline.media.cues import spoken_lines
    from pipeline.media.subtitles import read_subtitles
    from pipeline.types import US_PER_S

    cues = read_subtitles(data_root / "videos" / "zh_interview_38s.srt").cues
    lines = [line.text for line in spoken_lines(cues, "interview", 38 * US_PER_S).lines]
    answers = [top(scores)[0] for scores in load("compact", "cpu")(lines, ["zh"] * len(lines)) if scores]
    assert answers.count("neutral") >= len(lines) / 2
    assert "happy" not in answers
    assert answers[6] == "fear"
