import json

import numpy as np
import pytest

from pipeline.labels import EMOTIONS
from pipeline.train import evaluate
from pipeline.train.evaluate import Evaluation, accuracy_if_lacking_wrong, accuracy_range, as_json, as_text
from pipeline.train.score import by_group, lacking, metrics_of
from tests.train.made import made_answers


def test_the_keys_for_programs_are_those_that_are_promised():
    found = as_json(Evaluation(made_answers()))
    promised = ["n", "accuracy", "uar", "macro_f1", "weighted_f1", "ece", "per_class"]
    extras = ["accuracy_if_lacking_wrong", "labels", "lacking", "skipped", "groups", "speaker_normalised"]
    assert list(found) == promised + extras
    assert json.loads(json.dumps(found)) == found
    assert set(found["per_class"]["sad"]) == {"precision", "recall", "f1", "n"}
    assert found["groups"] == {} and found["speaker_normalised"] is None


def test_groups_are_scored_apart_and_the_nameless_are_none_of_them():
    answers = made_answers(groups=np.array(["ann", "bob", ""] * 20))
    assert list(by_group(answers)) == ["ann", "bob"]
    own = answers.groups == "bob"
    right = (answers.predicted == answers.truth)[own].mean()
    assert as_json(Evaluation(answers, by_groups=True))["groups"]["bob"]["accuracy"] == pytest.approx(
        right, abs=1e-4
    )
    assert "20 examples belong to no group." in as_text(Evaluation(answers, by_groups=True))


def test_examples_of_lacking_emotions_can_be_counted_as_wrong():
    answers = made_answers(n=50, right=1.0, skipped={lacking("disgust"): 30, "the file cannot be read": 9})
    share = metrics_of(answers).accuracy
    assert accuracy_if_lacking_wrong(answers) == pytest.approx(share * 50 / 80)
    assert as_json(Evaluation(answers))["lacking"] == {"disgust": 30}
    text = as_text(Evaluation(answers))
    assert "left out: 30, labelled disgust, for which the model has no label" in text
    assert f"count as wrong: {share * 50 / 80:.3f}" in text


def test_both_readings_of_a_known_speaker_stand_side_by_side():
    plain, known = made_answers(right=0.4), made_answers(right=0.9)
    result = Evaluation(plain, by_groups=True, known_speaker=known)
    found = as_json(result)["speaker_normalised"]
    assert found["accuracy"] == pytest.approx(metrics_of(known).accuracy, abs=1e-4)
    assert set(found["groups"]) == {"ann", "bob"}
    line = next(row for row in as_text(result).splitlines() if row.startswith("accuracy"))
    assert line.split()[1:] == [f"{metrics_of(plain).accuracy:.3f}", f"{metrics_of(known).accuracy:.3f}"]


def test_a_model_of_few_emotions_says_which():
    answers = made_answers(emotions=("happy", "sad"), labels=("happy", "sad", "neutral"))
    assert "the model answers happy, sad, neutral" in as_text(Evaluation(answers))
    assert "the model answers" not in as_text(Evaluation(made_answers(labels=EMOTIONS)))


@pytest.mark.parametrize(("right", "n", "low", "high"), [(81, 263, 0.255, 0.366), (20, 20, 0.839, 1.0)])
def test_the_range_of_an_accuracy_is_wilsons(right, n, low, high):
    # Newcombe (1998), Statistics in Medicine 17, table I, method 3: 81/263 gives .2553 to .3662.
    metrics = evaluate.Metrics(n, right / n, 0, 0, 0, None, {})
    assert accuracy_range(metrics) == pytest.approx((low, high), abs=1e-3)
