"""What a detector of conflicts is scored by, on tiny made arrays."""

import numpy as np
import pytest

from benchmarks.conflict.markdown import records, table_of
from benchmarks.conflict.scores import (
    BASELINES,
    Verdicts,
    average_precision,
    belief,
    default_prior,
    false_alarms,
    odd_one_accuracy,
    roc_area,
)
from pipeline.fusion.belief import KINDS
from pipeline.labels import EMOTIONS

POLARITY, BLEND, MASKING = (KINDS.index(kind) for kind in ("polarity", "blend", "masking"))


def says(*emotions: str, sure: float = 0.94) -> np.ndarray:
    """One stretch in which every modality says one emotion, (1, modalities, 7)."""
    rows = np.full((len(emotions), len(EMOTIONS)), (1 - sure) / (len(EMOTIONS) - 1))
    for row, emotion in zip(rows, emotions, strict=True):
        row[EMOTIONS.index(emotion)] = sure
    return rows[None]


def test_false_alarms_at_half_the_positives() -> None:
    score = np.array([0.9, 0.6, 0.3, 0.1, 0.7, 0.6, 0.2, 0.95])
    positive = np.array([1, 1, 1, 1, 0, 0, 0, 0], bool)
    alike = np.array([0, 0, 0, 0, 1, 1, 1, 0], bool)  # the last is another kind
    assert false_alarms(positive, alike, score) == pytest.approx(2 / 3)
    assert false_alarms(positive, alike, score, recall=0.25) == 0
    weights = np.array([1, 1, 1, 1, 3, 0, 1, 1.0])
    assert false_alarms(positive, alike, score, weights) == pytest.approx(3 / 4)


def test_weights_are_repetitions() -> None:
    random = np.random.default_rng(0)
    score, positive = random.random(40).round(1), random.random(40) < 0.3
    times = random.integers(0, 3, 40)
    again = np.repeat(np.arange(40), times)
    for figure in (average_precision, roc_area):
        expected = figure(positive[again], score[again])
        assert figure(positive, score, times.astype(float)) == pytest.approx(expected)
    alike = ~positive
    expected = false_alarms(positive[again], alike[again], score[again])
    assert false_alarms(positive, alike, score, times.astype(float)) == pytest.approx(expected)


def test_odd_one_counts_ties_in_part() -> None:
    verdicts = Verdicts(
        np.zeros((4, 3)), np.array([[0.1, 0.9, 0.2], [0.5, 0.5, 0.1], [0.9, 0, 0], [1, 0, 0]])
    )
    assert odd_one_accuracy(np.array([1, 0, 2, -1]), verdicts) == pytest.approx((1 + 0.5 + 0) / 3)


@pytest.mark.parametrize(
    ("emotions", "kind"),
    [
        (("happy", "happy", "angry"), POLARITY),
        (("sad", "angry", "sad"), BLEND),
        (("neutral", "happy", "happy"), MASKING),
    ],
)
def test_every_detector_ranks_disagreement_above_agreement(emotions: tuple[str, ...], kind: int) -> None:
    both = np.concatenate([says(*emotions), says(*[emotions[1]] * 3)])
    ours = belief([None] * 3, default_prior())
    for name, detector in {**BASELINES, "ours": ours}.items():
        if name == "|ΔV|" and kind != POLARITY:
            continue  # two negative emotions hardly differ in valence
        found = detector(both, np.ones((2, 3)))
        assert found.kinds[0, kind] > found.kinds[1, kind], name
        odd = next(i for i, emotion in enumerate(emotions) if emotions.count(emotion) == 1)
        assert found.odd[0].argmax() == odd, name


def test_no_quality_no_verdict() -> None:
    loud, mute = (
        belief([None] * 3, default_prior())(says("happy", "happy", "angry"), np.full((1, 3), q))
        for q in (1.0, 0.0)
    )
    nothing = belief([None] * 3, default_prior())(says("happy", "happy", "happy"), np.zeros((1, 3)))
    assert loud.kinds[0, POLARITY] > 5 * mute.kinds[0, POLARITY]
    assert mute.kinds == pytest.approx(nothing.kinds)


def test_naming_the_kind_needs_that_kind() -> None:
    found = BASELINES["argmax names the kind"](says("happy", "angry", "neutral"), np.ones((1, 3)))
    assert found.kinds[0].tolist() == [float(kind in ("polarity", "masking")) for kind in KINDS]


def test_tables_come_back_as_records() -> None:
    text = "words\n" + table_of(["a", "|b|"], [["1", "x|y"], ["2", ""]]) + "\n\n" + table_of(["c"], [["-"]])
    assert records(text) == [{"a": "1", "|b|": "x|y"}, {"a": "2", "|b|": ""}, {"c": "-"}]
