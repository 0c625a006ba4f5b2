"""The truth of the made triples, and what is read off them."""

import numpy as np
import pytest

from benchmarks.conflict.answers import Asked
from benchmarks.conflict.markdown import records
from benchmarks.conflict.scores import Detector, Verdicts, belief, default_prior, shown_only
from benchmarks.conflict.triples import (
    NO_ODD,
    Triples,
    answers_of,
    bootstrap,
    draw,
    figures,
    judge,
    known_prior,
    natural,
    odd_accuracy,
    uniform,
)
from benchmarks.conflict.triples_table import report
from pipeline.fusion.belief import ALIKE, KINDS, kind_table
from pipeline.labels import EMOTIONS

TRUTHS = [np.repeat(np.arange(7), times) for times in ([3] * 7, [1, 2, 3, 4, 5, 6, 7], [9, 1, 1, 1, 1, 1, 1])]


def sure(truth: np.ndarray) -> Asked:
    """A model that is nearly always nearly certain and right."""
    return Asked(truth, np.eye(7)[truth] * 0.93 + 0.01)


def made(frequencies: np.ndarray, count: int = 2000) -> Triples:
    return draw(TRUTHS, frequencies, count, seed=3)


@pytest.mark.parametrize("frequencies", [uniform(), natural(TRUTHS)])
def test_truth_by_construction(frequencies: np.ndarray) -> None:
    triples = made(frequencies)
    assert triples.alike.sum() == 1400
    assert [int(triples.are(kind).sum()) for kind in KINDS] == [200, 200, 200]
    table = kind_table()
    for emotions, items, kind, odd in zip(
        triples.emotions, triples.items, triples.kind, triples.odd, strict=True
    ):
        shown = [truth[item] for truth, item in zip(TRUTHS, items, strict=True)]
        assert shown == emotions.tolist()
        if odd == NO_ODD:
            assert kind == ALIKE
            assert len(set(shown)) == 1
        else:
            rest = [emotion for place, emotion in enumerate(shown) if place != odd]
            assert rest[0] == rest[1]
            assert table[shown[odd], rest[0]] == kind != ALIKE


def test_kinds_have_the_shares_they_are_given() -> None:
    triples = draw(TRUTHS, uniform(), 10_000, kinds={"polarity": 0.04, "blend": 0.2, "masking": 0.76})
    assert [int(triples.are(kind).sum()) for kind in KINDS] == [
        120,
        600,
        2280,
    ] and triples.alike.sum() == 7000


def test_an_event_needs_the_kind_to_be_shown() -> None:
    happy, sad, torn = np.eye(7)[3], np.eye(7)[4], np.array([0, 0, 0, 0.45, 0.4, 0, 0.15])
    answers = np.array([[happy, sad, happy], [happy, torn, happy]]) * 0.93 + 0.01
    plain, shown = (judge(one, answers).kinds for one in (ours(), shown_only(ours())))
    assert (plain[:, 0] > 0).all() and shown[0, 0] == plain[0, 0] and shown[1, 0] == 0


def ours() -> Detector:
    return belief([None] * 3, default_prior())


def test_every_channel_is_odd_equally_often_and_rare_emotions_count() -> None:
    triples = made(uniform(), 20_000)
    assert np.bincount(triples.odd[triples.odd >= 0]) == pytest.approx([2000] * 3, rel=0.08)
    alike = triples.emotions[triples.alike, 0]
    assert np.bincount(alike, minlength=7) / len(alike) == pytest.approx(1 / 7, abs=0.01)


def test_natural_frequencies_are_those_of_the_sets() -> None:
    frequencies = natural(TRUTHS)
    assert frequencies.sum() == pytest.approx(1)
    alike = made(frequencies, 20_000)
    shares = np.bincount(alike.emotions[alike.alike, 0], minlength=7) / alike.alike.sum()
    assert shares == pytest.approx(frequencies, abs=0.015)


def test_same_seed_same_triples_and_no_item_no_triples() -> None:
    assert (made(uniform()).items == made(uniform()).items).all()
    with pytest.raises(ValueError, match="modality 1 has no item labelled surprise"):
        draw([TRUTHS[0], TRUTHS[0][TRUTHS[0] != EMOTIONS.index("surprise")]], uniform(), 100)


def test_a_right_model_finds_everything() -> None:
    triples = made(uniform())
    probabilities = answers_of(triples, [sure(truth) for truth in TRUTHS])
    verdicts = judge(belief([None] * 3, default_prior()), probabilities)
    for kind in KINDS:
        found = figures(triples, verdicts, kind)
        assert (found.precision, found.area, found.false_alarms) == pytest.approx((1, 1, 0))
    assert odd_accuracy(triples, verdicts) == 1


def test_bootstrap_draws_items_not_triples() -> None:
    triples = made(uniform())
    random = np.random.default_rng(0)
    noisy = Verdicts(triples.are("polarity")[:, None] + random.normal(size=(2000, 3)), np.zeros((2000, 3)))
    draws = bootstrap(triples, {"a": noisy, "b": noisy}, "polarity", [len(one) for one in TRUTHS], draws=60)
    assert (draws["a"] == draws["b"]).all()
    seen = figures(triples, noisy, "polarity")
    low, high = np.quantile(draws["a"][:, 1], [0.025, 0.975])
    assert low < seen.area < high
    assert high - low > 0.02


def test_report_names_the_must() -> None:
    asked = [sure(np.tile(np.arange(7), 20))] * 3
    triples = draw([one.truth for one in asked], uniform(), 400)
    ours = belief([None] * 3, default_prior())
    names = ("argmax differs", "JSD", "|ΔV|", "ours", "ours, base rates known")
    text = report(triples, asked, ["a", "b", "c"], dict.fromkeys(names, ours))
    rows = [row for row in records(text) if "AUC ≥ 0.90" in row]
    assert [row["AUC ≥ 0.90"] for row in rows] == ["1.000 (1.000 – 1.000) yes"] * 3
    assert [row["FA ≤ 0.05"] for row in rows] == ["0.000 (0.000 – 0.000) yes"] * 3
    assert "| b always right |" in text
    assert "| c is the odd one (base rate 0.0" in text


def test_known_prior_is_that_of_the_triples() -> None:
    frequencies = natural(TRUTHS)
    triples = made(frequencies, 40_000)
    prior = known_prior(frequencies, 0.1)
    departs, table = np.array(prior.departs), kind_table()
    assert departs.sum(axis=1) == pytest.approx(1)
    joint = np.array(prior.shared)[:, None] * departs
    assert joint[table != ALIKE].sum() == pytest.approx(0.1)
    rows = np.flatnonzero(triples.odd == 0)
    seen = np.zeros_like(joint)
    np.add.at(seen, (triples.emotions[rows, 1], triples.emotions[rows, 0]), 0.1 / len(rows))
    assert np.where(table == ALIKE, 0, joint) == pytest.approx(seen, abs=2e-3)
