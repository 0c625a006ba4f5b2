"""How moments are made of answers."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.fusion.learned import SHIPPED
from pipeline.labels import EMOTIONS
from pipeline.models.cards import shipped_report
from pipeline.train.fusion.data import Columns, read_fusion
from pipeline.train.fusion.default import LICENCE, SET, read_recipe, verdict
from pipeline.train.fusion.made import Pool, _drawn, made_moments

K = len(EMOTIONS)
EVERY = np.repeat(np.arange(K), 2)


def pool(confusion=None) -> Pool:
    """Two answers to inputs of each emotion: one right, one that says the next."""
    said = (EVERY + np.tile([0, 1], K)) % K
    return Pool(EVERY, np.eye(K)[said], np.full(2 * K, ""), confusion)


def drawn(of: Pool, answers: int, count: int = 400) -> np.ndarray:
    label = np.zeros(count, np.int64)
    return _drawn(of, label, np.full(count, answers), np.random.default_rng(0))


def test_answers_are_of_inputs_that_show_the_label():
    found = drawn(pool(), 1)
    assert 0.4 < found[:, 0].mean() < 0.6 and found[:, :2].sum() == 400


@pytest.mark.parametrize("confused", [False, True])
def test_each_answer_of_a_moment_errs_by_itself(confused):
    half = 0.5 * (np.eye(K) + np.roll(np.eye(K), 1, axis=1))
    found = drawn(pool(half if confused else None), 2)
    assert 0.4 < (found[:, 0] == 0.5).mean() < 0.6


def test_every_moment_keeps_a_channel(tmp_path):
    path = tmp_path / "seen.csv"
    path.write_text("overall_label,face_label,voice_label\n" + "happy,sad,sad\n" * 60)
    seen = read_fusion(path, Columns(label="overall_label"))
    making = read_recipe().making
    made = made_moments(seen, {"face": pool(), "voice": pool()}, making, np.random.default_rng(0))
    there = np.stack(list(made.present.values()))
    assert there.any(axis=0).all() and not there.all()
    assert (made.features["face"][:, -1] >= making.least_quality).all()


@pytest.mark.parametrize(
    ("ours", "told"), [(0.7, "better."), (0.5, "keep `dynamic`."), (0.6, "keep `dynamic`.")]
)
def test_the_card_says_which_is_to_be_used(ours, told):
    report = shipped_report(SHIPPED)
    figures = {"accuracy": 0.7, "macro_f1": ours}
    plain = {"accuracy": 0.6, "macro_f1": 0.6}
    made = replace(report, metrics={SET: figures}, reference={SET: plain})
    assert verdict(made).endswith(told)


def test_the_licence_names_all_that_it_comes_from():
    assert all(name in LICENCE for name in ("EmotionTalk", "RAVDESS", "FER+", "Microsoft"))
