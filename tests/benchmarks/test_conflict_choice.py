"""What the detector's form is chosen by, on made answers."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.conflict.answers import Asked
from benchmarks.conflict.choice import (
    ahead,
    calibration_table,
    fit_of,
    flagged,
    forms_table,
    prior_table,
    prior_with,
)
from benchmarks.conflict.choice_items import Half, first_half, halves, joined
from benchmarks.conflict.forms import FORMS, SHIPPED
from benchmarks.conflict.labelled_apart import both_clear, one_departs, three_labels
from benchmarks.conflict.markdown import records
from benchmarks.conflict.triples import AS_LABELLED, EVEN_KINDS, draw, uniform
from benchmarks.conflict.votes import NO_LABEL
from pipeline.fusion.belief import KINDS, prior_of
from pipeline.fusion.reliability import LEAST_RATIO
from pipeline.labels import EMOTIONS
from pipeline.train.examples import DataError
from pipeline.train.reliability import reliability_of

ANGRY, HAPPY, SAD, NEUTRAL = (EMOTIONS.index(one) for one in ("angry", "happy", "sad", "neutral"))


def noisy(seed: int, right: float, each: int = 40) -> Asked:
    """A model with a liking for neutral; calibrated to nothing."""
    random = np.random.default_rng(seed)
    truth = np.repeat(np.arange(7), each)
    logits = random.normal(size=(len(truth), 7)) + right * np.eye(7)[truth] + (np.arange(7) == NEUTRAL)
    powers = np.exp(logits)
    return Asked(truth, powers / powers.sum(axis=1, keepdims=True))


DEV = {"a": noisy(0, 3.0), "b": noisy(1, 2.0), "c": noisy(2, 1.5)}


@pytest.fixture(scope="module")
def parts() -> list[Half]:
    return halves(DEV, EVEN_KINDS, count=600)


@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_evidence_for_what_was_answered(name: str) -> None:
    sure = np.eye(7) * 0.93 + 0.01
    found = FORMS[name](noisy(0, 3.0), sure)
    assert found.shape == (7, 7)
    assert (found.argmax(axis=1) == np.arange(7)).all()
    assert found.max(axis=1) == pytest.approx(1)
    assert found.min() >= LEAST_RATIO * (1 - 1e-9)


def test_what_is_measured_is_not_measured_on_what_is_drawn(parts: list[Half]) -> None:
    for one in DEV.values():
        assert np.bincount(one.truth[first_half(one.truth)]).tolist() == [20] * 7
    for half in parts:
        for place, measured in enumerate(half.measured):
            drawn = {tuple(row) for row in half.answers[:, place]}
            assert not drawn & {tuple(row) for row in measured.probabilities}
    assert len(joined(parts).kind) == 1200


def test_an_emotion_that_another_corpus_lacks_is_not_drawn() -> None:
    lacks = noisy(4, 2.0)
    rows = lacks.truth != EMOTIONS.index("disgust")
    for half in halves(DEV, EVEN_KINDS, {"b": Asked(lacks.truth[rows], lacks.probabilities[rows])}, 200):
        assert EMOTIONS.index("disgust") not in half.triples.emotions
        assert {tuple(row) for row in half.answers[:, 1]} <= {tuple(row) for row in lacks.probabilities[rows]}


def test_every_form_has_a_row_and_whole_answers_say_more_than_labels(parts: list[Half]) -> None:
    rows = {row["likelihood"]: row for row in records(forms_table(parts, boosted=False))}
    assert list(rows) == list(FORMS)
    assert float(rows["p/m"]["masking AP"]) > float(rows["hard label through C"]["masking AP"])
    assert {row["polarity is so often"] for row in rows.values()} == {"0.067"}
    assert forms_table(parts, boosted=False) == forms_table(halves(DEV, EVEN_KINDS, count=600), boosted=False)


def test_a_form_is_not_ahead_of_itself(parts: list[Half]) -> None:
    assert ahead(parts, SHIPPED) == ["+0.000 (+0.000 – +0.000)"] * 3
    for cell in ahead(parts, "hard label through C"):
        assert float(cell.split()[0]) > 0


def test_even_kinds_are_the_shipped_prior() -> None:
    even, shipped = prior_with(0.112, EVEN_KINDS), prior_of(0.112)
    assert np.array(even.departs) == pytest.approx(np.array(shipped.departs))
    assert even.shared == pytest.approx(shipped.shared)
    rare = np.array(prior_with(0.112, AS_LABELLED).departs)
    assert rare[HAPPY, NEUTRAL] == pytest.approx(0.112 * 0.76)
    assert rare[HAPPY, ANGRY] == pytest.approx(0.112 * 0.04 / 4)


def test_kinds_as_they_are_drawn_lose_less(parts: list[Half]) -> None:
    rows = records(prior_table({"even": parts, "rare": halves(DEV, AS_LABELLED, count=600)}))
    loss = {(row["triples"], row["prior"]): float(row["log loss"]) for row in rows}
    assert len(loss) == 8
    even, rare = "even kinds, apart 0.112", "kinds as labelled"
    assert loss["even", even] < loss["even", rare]
    assert loss["rare", rare] < loss["rare", even]


def test_posteriors_of_sure_evidence_lose_nothing() -> None:
    triples = draw([one.truth for one in DEV.values()], uniform(), 300, 0, EVEN_KINDS)
    sure = np.eye(7)[triples.emotions] + 1e-9
    found = fit_of(sure, triples, prior_of(0.112))
    assert found.log_loss < 1e-5
    assert found.said == pytest.approx(found.is_so)
    assert found.is_so == pytest.approx(2 * 30 / 900)  # an odd one is in two of three pairs


def test_confidence_beside_what_is_right() -> None:
    triples = draw([one.truth for one in DEV.values()], uniform(), 3000, 0, EVEN_KINDS)
    wrong = np.roll(np.eye(7), 1, axis=1)
    answers = (np.eye(7)[triples.emotions] * 0.93) + 0.01
    model = reliability_of(np.repeat(np.arange(7), 30), np.repeat(np.eye(7) * 0.93 + 0.01, 30, axis=0), "")
    right = flagged(triples, answers, [model] * 3)
    assert len(right.kind) == 2 * 900
    assert right.right.all()
    rows = {row["confidence"]: row for row in records(calibration_table({"made": right}))}
    assert rows["all"]["polarity, made"].endswith(": 1.00 (600)")
    assert rows["0.0 – 0.1"]["polarity, made"] == ""
    shifted = flagged(triples, np.einsum("nmk,kl->nml", answers, wrong), [model] * 3)
    assert not shifted.right.all()


def test_kinds_among_labels(tmp_path: Path) -> None:
    labels = np.array(
        [
            [HAPPY, SAD, SAD],
            [NEUTRAL, NEUTRAL, SAD],
            [SAD, SAD, SAD],
            [SAD, ANGRY, SAD],
            [HAPPY, SAD, NEUTRAL],
        ]
    )
    assert [KINDS[place - 1] for place in one_departs(labels)] == ["polarity", "masking", "blend"]
    voted = np.array([[HAPPY, SAD], [HAPPY, HAPPY], [HAPPY, NO_LABEL], [NO_LABEL, NO_LABEL]])
    assert [KINDS[place - 1] for place in both_clear(voted)] == ["polarity"]
    path = tmp_path / "labels.csv"
    path.write_text(
        "text_label,voice_label,face_label,split\nhappy,sad,neutral,train\nother,sad,sad,train\nsad,sad,sad,test\n"
    )
    assert three_labels(path, "train").tolist() == [[NEUTRAL, SAD, HAPPY]]
    with pytest.raises(DataError, match="give the folder of shared data"):
        three_labels(tmp_path / "none.csv", "train")
