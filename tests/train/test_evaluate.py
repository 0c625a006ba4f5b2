import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from pipeline.labels import EMOTIONS, to_scores
from pipeline.models.cards import shipped_card
from pipeline.train import evaluate
from pipeline.train.evaluate import (
    Evaluation,
    accuracy_if_lacking_wrong,
    accuracy_range,
    as_json,
    as_text,
    evaluation,
    with_own_baseline,
)
from pipeline.train.examples import Example, LabelledSet
from pipeline.train.metrics import softmax
from pipeline.train.score import by_group, lacking, metrics_of
from tests.train.made import made_answers


def test_the_keys_for_programs_are_those_that_are_promised():
    found = as_json(Evaluation(made_answers()))
    promised = ["n", "accuracy", "uar", "macro_f1", "weighted_f1", "ece", "per_class"]
    extras = ["accuracy_if_lacking_wrong", "labels", "lacking", "skipped", "groups"]
    assert list(found) == [*promised, *extras, "speaker_normalised", "own_baseline"]
    assert json.loads(json.dumps(found)) == found
    assert set(found["per_class"]["sad"]) == {"precision", "recall", "f1", "n"}
    assert found["groups"] == {} and found["speaker_normalised"] is None and found["own_baseline"] is None


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


def frowning(groups, outside=0.0, n=210):
    """Answers about faces, half of ann's mass on anger whatever she shows."""
    draw = np.random.default_rng(1)
    truth = np.arange(n) % 7
    probabilities = softmax(draw.normal(0, 0.3, (n, 7)) + 2 * np.eye(7)[truth])
    probabilities[groups == "ann"] = (probabilities[groups == "ann"] + np.eye(7)[0]) / 2
    probabilities *= 1 - outside
    return made_answers(n=n, modality="face", truth=truth, probabilities=probabilities, groups=groups)


def test_what_a_person_looks_like_whatever_is_shown_is_taken_off():
    groups = np.repeat(["ann", "bob", ""], 70)
    plain = frowning(groups)
    own = with_own_baseline(plain)
    before, after = by_group(plain), by_group(own)
    assert before["ann"].accuracy < 0.8
    assert after["ann"].accuracy > 0.95
    assert after["bob"].accuracy == pytest.approx(before["bob"].accuracy, abs=0.05)
    nameless = groups == ""
    assert np.array_equal(own.probabilities[nameless], plain.probabilities[nameless])
    assert own.probabilities.sum(1) == pytest.approx(1)


def test_what_a_model_lacks_stays_at_nothing_and_what_is_outside_the_seven_stays_outside():
    groups = np.repeat(["ann", "bob", ""], 70)
    few = frowning(groups)
    few.probabilities[:, EMOTIONS.index("fear")] = 0
    few.probabilities[:] /= few.probabilities.sum(1, keepdims=True)
    own = with_own_baseline(replace(few, labels=tuple(one for one in EMOTIONS if one != "fear")))
    assert (own.probabilities[:, EMOTIONS.index("fear")] == 0).all()
    assert own.probabilities.sum(1) == pytest.approx(1)
    sums = with_own_baseline(frowning(groups, outside=0.3)).probabilities.sum(1)
    assert (sums < 0.95).all() and (sums > 0.5).all()


def test_faces_of_known_persons_are_measured_with_their_own_baseline_and_no_face_is_asked_about_twice(
    tmp_path, monkeypatch
):
    asked = []

    class Looker:
        card = shipped_card("face_compact")

        def __call__(self, images):
            asked.extend(images)
            even = [1 / len(self.card.labels)] * len(self.card.labels)
            return [to_scores(self.card.labels, even, self.card.canonical) for _ in images]

    monkeypatch.setattr(evaluate, "load_named", lambda *_: Looker())
    faces = [Example(f"{i}.png", "happy", ("ann", "bob", "")[i % 3]) for i in range(6)]
    for one in faces:
        cv2.imwrite(str(tmp_path / one.source), np.zeros((40, 40, 3), np.uint8))
    found = evaluation("compact", LabelledSet("face", tmp_path, tuple(faces), {}), by_groups=True)
    assert len(asked) == 6
    assert found.known_speaker is None and found.own_baseline.names == found.plain.names
    nobody = LabelledSet("face", tmp_path, tuple(replace(one, group="") for one in faces), {})
    assert evaluation("compact", nobody, by_groups=True).own_baseline is None
    assert evaluation("compact", LabelledSet("face", tmp_path, tuple(faces), {})).own_baseline is None


def test_both_readings_of_a_face_stand_side_by_side():
    plain = frowning(np.repeat(["ann", "bob"], 105))
    own = with_own_baseline(plain)
    result = Evaluation(plain, by_groups=True, own_baseline=own)
    found = as_json(result)
    assert found["speaker_normalised"] is None
    assert found["own_baseline"]["accuracy"] == pytest.approx(metrics_of(own).accuracy, abs=1e-4)
    assert set(found["own_baseline"]["groups"]) == {"ann", "bob"}
    rows = as_text(result).splitlines()
    line = next(row for row in rows if row.startswith("accuracy"))
    assert line.split()[1:] == [f"{metrics_of(plain).accuracy:.3f}", f"{metrics_of(own).accuracy:.3f}"]
    assert any("own baseline accuracy" in row and row.startswith("group") for row in rows)


def test_a_model_of_few_emotions_says_which():
    answers = made_answers(emotions=("happy", "sad"), labels=("happy", "sad", "neutral"))
    assert "the model answers happy, sad, neutral" in as_text(Evaluation(answers))
    assert "the model answers" not in as_text(Evaluation(made_answers(labels=EMOTIONS)))


@pytest.mark.parametrize(("right", "n", "low", "high"), [(81, 263, 0.255, 0.366), (20, 20, 0.839, 1.0)])
def test_the_range_of_an_accuracy_is_wilsons(right, n, low, high):
    # Newcombe (1998), Statistics in Medicine 17, table I, method 3: 81/263 gives .2553 to .3662.
    metrics = evaluate.Metrics(n, right / n, 0, 0, 0, None, {})
    assert accuracy_range(metrics) == pytest.approx((low, high), abs=1e-3)
