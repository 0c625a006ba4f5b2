import numpy as np
import pytest

from pipeline.train.metrics import (
    confusion_matrix,
    evaluate,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    softmax,
)

TRUTH = np.array([0, 0, 0, 1, 1, 2])
FOUND = np.array([0, 0, 1, 1, 2, 2])


def test_confusion_has_the_truth_in_rows() -> None:
    assert confusion_matrix(TRUTH, FOUND, 3).tolist() == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]


def test_figures_of_a_small_example_by_hand() -> None:
    metrics = evaluate(TRUTH, FOUND, ("a", "b", "c"))
    f1 = (4 / 5, 2 / 4, 2 / 3)
    assert metrics.n == 6
    assert metrics.accuracy == pytest.approx(4 / 6)
    assert metrics.uar == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert metrics.macro_f1 == pytest.approx(sum(f1) / 3)
    assert metrics.weighted_f1 == pytest.approx((3 * f1[0] + 2 * f1[1] + f1[2]) / 6)
    assert metrics.per_class["b"].precision == pytest.approx(0.5)
    assert metrics.ece is None


def test_agrees_with_scikit_learn() -> None:
    scores = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(1)
    truth, found = rng.integers(0, 5, 300), rng.integers(0, 5, 300)
    metrics = evaluate(truth, found, "abcde")
    assert metrics.macro_f1 == pytest.approx(scores.f1_score(truth, found, average="macro"))
    assert metrics.weighted_f1 == pytest.approx(scores.f1_score(truth, found, average="weighted"))
    assert metrics.uar == pytest.approx(scores.balanced_accuracy_score(truth, found))


def test_a_class_without_truth_does_not_enter_the_averages() -> None:
    metrics = evaluate(np.array([0, 0, 1]), np.array([0, 2, 1]), ("a", "b", "c"))
    assert metrics.uar == pytest.approx((0.5 + 1) / 2)
    assert set(metrics.per_class) == {"a", "b"}


def test_nothing_to_evaluate_is_an_error() -> None:
    with pytest.raises(ValueError, match="no example"):
        evaluate(np.array([], dtype=int), np.array([], dtype=int), ("a", "b"))


def test_calibration_error_of_a_model_that_is_always_sure_and_half_right() -> None:
    sure = np.tile([1.0, 0.0], (10, 1))
    truth = np.array([0] * 5 + [1] * 5)
    assert expected_calibration_error(truth, sure) == pytest.approx(0.5)
    half = np.tile([0.5 + 1e-9, 0.5 - 1e-9], (10, 1))
    assert expected_calibration_error(truth, half) == pytest.approx(0, abs=1e-6)


def test_temperature_is_recovered_and_lowers_the_calibration_error() -> None:
    rng = np.random.default_rng(2)
    logits = rng.normal(size=(4000, 4)) * 2
    truth = np.array([rng.choice(4, p=row) for row in softmax(logits)])
    sharpened = logits * 3
    temperature = fit_temperature(truth, sharpened)
    assert temperature == pytest.approx(3, rel=0.1)
    after = expected_calibration_error(truth, softmax(sharpened, temperature))
    assert after < 0.03 < expected_calibration_error(truth, softmax(sharpened))


def test_likelihood_survives_a_probability_of_zero() -> None:
    assert np.isfinite(negative_log_likelihood(np.array([1]), np.array([[1.0, 0.0]])))


def test_summary_is_flat_and_rounded() -> None:
    summary = evaluate(TRUTH, FOUND, ("a", "b", "c"), softmax(np.eye(3)[FOUND])).summary()
    assert summary["accuracy"] == 0.6667
    assert {"n", "uar", "macro_f1", "weighted_f1", "ece", "f1_a", "f1_b", "f1_c"} <= summary.keys()
