from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.fusion.learned import apply, load, save, standardised
from pipeline.fusion.nets import STRATEGIES, attended, forward
from pipeline.train.examples import DataError
from pipeline.train.fusion.descend import FitSettings, disturbed
from pipeline.train.fusion.fit import fit, folds_of
from tests.train.fusion.made import NAMES, made

QUICK = FitSettings(epochs=12, batch_size=64, hidden=12, width=8, tokens=2, learning_rate=0.01)


@pytest.fixture(scope="module")
def models():
    torch.set_num_threads(1)
    train, dev = made(300), made(120, seed=1)
    return {name: fit(name, train, dev, QUICK) for name in STRATEGIES}


def right(model, data):
    return (apply(model, data.features, data.present).argmax(axis=1) == data.truth).mean()


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_strategy_is_better_than_each_input_alone(models, name):
    test = made(400, seed=2)
    alone = max(right(models[name], test.without([one for one in NAMES if one != kept])) for kept in NAMES)
    assert right(models[name], test) > alone + 0.02


@pytest.mark.parametrize("name", STRATEGIES)
def test_numpy_and_torch_say_the_same(models, name):
    model, data = models[name], made(50, seed=3)
    there = np.stack([data.present[one] for one in NAMES], axis=1).astype(np.float64)
    x = standardised(model.scaling, data.features, data.present)
    (arrays,) = model.members
    wide = {one: torch.from_numpy(np.asarray(values)).double() for one, values in arrays.items()}
    inputs = {one: torch.from_numpy(values) for one, values in x.items()}
    theirs = forward(torch, name, wide, inputs, torch.from_numpy(there)).numpy()
    assert np.abs(np.exp(theirs) - np.exp(forward(np, name, arrays, x, there))).max() < 1e-5


@pytest.mark.parametrize("name", STRATEGIES)
def test_what_an_absent_input_holds_does_not_matter(models, name):
    data = made(60, seed=4).without(["voice"])
    said = apply(models[name], data.features, data.present)
    other = {**data.features, "voice": data.features["voice"] + 100}
    assert np.array_equal(said, apply(models[name], other, data.present))
    rest = {one: values for one, values in data.features.items() if one != "voice"}
    assert np.allclose(
        said,
        apply(
            models[name],
            {**rest, "smell": data.features["face"]},
            {**{one: data.present[one] for one in rest}, "smell": np.ones(60, bool)},
        ),
    )


@pytest.mark.parametrize("name", STRATEGIES)
def test_nothing_there_is_a_distribution_all_the_same(models, name):
    data = made(5).without(NAMES)
    said = apply(models[name], data.features, data.present)
    assert np.allclose(said.sum(axis=1), 1) and np.isfinite(said).all()


def test_modality_dropout_makes_a_missing_input_cost_less():
    train, dev, test = made(300), made(120, seed=1), made(600, seed=2)
    train = replace(train, present={name: np.ones(300, bool) for name in NAMES})
    lost = {}
    for share in (0.0, 0.4):
        model = fit("concat", train, dev, replace(QUICK, modality_dropout=share))
        said = apply(model, test.features, test.without(["voice"]).present)
        lost[share] = -np.log(said[np.arange(600), test.truth]).mean()
    assert lost[0.4] < lost[0.0]


def test_an_example_never_loses_its_last_input():
    there = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    x = {"a": torch.ones(4, 2), "b": torch.ones(4, 2)}
    settings = FitSettings(modality_dropout=0.99)
    noisy, kept = disturbed(x, there, settings, torch.Generator().manual_seed(0))
    assert kept.sum(dim=1).tolist()[3] == 0 and (kept.sum(dim=1)[:3] >= 1).all()
    assert (kept <= there).all() and torch.equal(noisy["a"], kept[:, [0]] * torch.ones(4, 2))


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    for name in ("one.npz", "two.npz"):
        model = fit("attention", made(), made(60, seed=1), QUICK)
        save(model, tmp_path / name)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    again, data = load(tmp_path / "one.npz"), made(40, seed=5)
    said = apply(again, data.features, data.present)
    assert np.abs(said - apply(model, data.features, data.present)).max() < 1e-5
    assert again.labels == model.labels and again.inputs == NAMES


def test_an_anchor_limits_who_asks_whom():
    settings = replace(QUICK, epochs=1)
    allowed = {
        anchor: fit("cross-attention", made(), None, replace(settings, anchor=anchor)).members[0]["allowed"]
        for anchor in (None, ("voice", "query"), ("voice", "key"))
    }
    assert allowed[None].tolist() == [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    assert allowed["voice", "query"].tolist() == [[0, 0, 0], [1, 0, 1], [0, 0, 0]]
    assert allowed["voice", "key"].tolist() == [[0, 1, 0], [0, 0, 0], [0, 1, 0]]


def test_an_anchor_is_obeyed():
    """What the voice reads depends on the words where it may ask them, and only there."""
    one = made(30)
    changed = {**one.features, "words": one.features["words"] + 1}
    for anchor, same in ((("words", "query"), True), (("voice", "query"), False)):
        settings = replace(QUICK, epochs=1, anchor=anchor)
        model = fit("cross-attention", made(), None, settings)
        head = np.zeros_like(model.members[0]["head.w"])
        head[QUICK.width : 2 * QUICK.width] = np.random.default_rng(0).standard_normal((QUICK.width, 3))
        model = replace(model, members=({**model.members[0], "head.w": head},))
        said, again = (apply(model, values, one.present) for values in (one.features, changed))
        assert np.array_equal(said, again) == same


def test_an_input_that_is_learned_by_heart_gets_no_say():
    train = made(80, labels=2)
    noise = np.random.default_rng(1).standard_normal((80, 60))
    here = np.ones(80, bool)
    both = replace(
        train,
        features={"noise": noise, "words": train.features["words"]},
        present={"noise": here, "words": here},
    )
    model = fit("weighted", both, None, replace(QUICK, strength=10.0, modality_dropout=0.0))
    noisy, words = model.members[0]["weights"]
    assert words > noisy


def test_the_temperature_cools_what_is_said():
    data = made(40)
    model = replace(fit("average", made(), None, QUICK), temperature=1.0)
    plain = apply(model, data.features, data.present)
    cooled = np.sqrt(plain) / np.sqrt(plain).sum(axis=1, keepdims=True)
    assert np.allclose(apply(replace(model, temperature=2.0), data.features, data.present), cooled)
    assert fit("average", made(), made(90, seed=1), QUICK).temperature != 1.0


def test_folds_keep_groups_together():
    data = made()
    for rest, held in folds_of(data.truth, data.groups, 0):
        assert not set(data.groups[rest]) & set(data.groups[held])


def test_one_label_cannot_be_learned():
    data = made()
    with pytest.raises(DataError, match="one label only"):
        fit("average", data.rows(data.truth == 0), None, QUICK)


def test_who_sees_nothing_hears_nothing():
    draw = np.random.default_rng(0)
    arrays = {f"mix.{part}": draw.standard_normal((8, 8)) for part in "qkvo"}
    asking, keys = draw.standard_normal((2, 3, 8)), draw.standard_normal((2, 4, 8))
    heard = attended(np, arrays, asking, keys, np.array([[0.0, 0, 0, 0], [1, 0, 0, 0]]))
    assert np.array_equal(heard[0], np.zeros((3, 8)))
    only = keys[1, 0] @ arrays["mix.v"] @ arrays["mix.o"]
    assert np.allclose(heard[1], only)
