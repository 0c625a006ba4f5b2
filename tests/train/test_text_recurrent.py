"""Vectors from texts alone, the recurrent net and its graph, and the blend of the parts."""

from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch

from pipeline.text.compact import log_softmax
from pipeline.text.featurise import token_hashes, tokens
from pipeline.train.metrics import negative_log_likelihood
from pipeline.train.text_blend import Blend, DevSet, fit_blend, mixture, towards_rare
from pipeline.train.text_language_model import LanguageModelSettings
from pipeline.train.text_net import Rows, token_vocabulary
from pipeline.train.text_recurrent import (
    RecurrentNet,
    RecurrentSettings,
    quantise,
    recurrent_logits,
    recurrent_onnx,
    train_recurrent,
)
from pipeline.train.text_tables import Tables, padded
from pipeline.train.text_vectors import pair_vocabulary, vectors

TEXTS = [
    tokens(text, "en")
    for text in ("so glad", "i am so very glad today", "no", "i am so sad now", "x y z x y")
]
SETTINGS = RecurrentSettings(
    embedding=8, pairs=4, min_texts=1, min_pair_texts=1, window=3, hidden=6, input_dropout=0.1, dropout=0.1,
    epochs=2, batch_size=2, learning_rate=0.01, smoothing=0.0, balance=(0.0, 0.0), strip_share=0.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def tables() -> Tables:
    return Tables(token_vocabulary(TEXTS, 1), pair_vocabulary(TEXTS, 1))


def trained(tables: Tables, settings: RecurrentSettings) -> RecurrentNet:
    torch.set_num_threads(1)
    labels = np.array([3, 3, 0, 4, 6])
    return train_recurrent([Rows(TEXTS, labels, False), Rows(TEXTS, labels, True)], tables, settings, seed=3)


@pytest.fixture(scope="module")
def net(tables: Tables) -> RecurrentNet:
    return trained(tables, SETTINGS)


@pytest.fixture(scope="module")
def pretrained(tables: Tables) -> RecurrentNet:
    model = LanguageModelSettings(epochs=2, batch_size=2, learning_rate=0.01, negatives=5, dropout=0.1)
    return trained(tables, replace(SETTINGS, readers=2, means=5, token_dropout=0.2, language_model=model))


def row(table: np.ndarray, hashes: np.ndarray) -> int:
    return int(np.searchsorted(table, hashes[0]))


def test_tokens_that_stand_alike_get_like_vectors() -> None:
    fill = ["aa", "bb", "cc", "dd", "ee", "ff"]
    texts = [[fill[i % 6], "we", word, "the", "cake"] for i, word in enumerate(["like", "love"] * 30)]
    texts += [["stones", "are", fill[i % 6], "grey", "rocks"] for i in range(60)]
    known = token_vocabulary(texts, 1)
    nothing = np.zeros(0, dtype=np.uint32)
    found = vectors(texts, known, nothing, dimensions=4, window=3, seed=0)
    like, love, rocks = (found[row(known, token_hashes([word]))] for word in ("like", "love", "rocks"))
    assert like @ love / np.linalg.norm(like) / np.linalg.norm(love) > 0.95
    assert abs(like @ rocks) < 0.5 * abs(like @ love)


def test_more_dimensions_than_contexts_are_left_at_zero(tables: Tables) -> None:
    found = vectors(TEXTS, tables.tokens, tables.pairs, dimensions=500, window=3, seed=0)
    assert found.shape == (len(tables.tokens) + len(tables.pairs), 500)
    assert np.isfinite(found).all()
    assert not found[:, -1].any()


@pytest.mark.parametrize("kind", ["net", "pretrained"])
def test_padding_does_not_change_the_answer(
    kind: str, tables: Tables, request: pytest.FixtureRequest
) -> None:
    net: RecurrentNet = request.getfixturevalue(kind)
    together = recurrent_logits(net, TEXTS, tables)
    for words, expected in zip(TEXTS, together, strict=True):
        with torch.inference_mode():
            alone = net(*padded([words], tables)).numpy()[0]
        assert np.allclose(alone, expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["net", "pretrained"])
def test_the_exported_graph_says_what_the_net_says(
    kind: str, tables: Tables, request: pytest.FixtureRequest
) -> None:
    net: RecurrentNet = request.getfixturevalue(kind)
    session = onnxruntime.InferenceSession(recurrent_onnx(net), providers=["CPUExecutionProvider"])
    together = recurrent_logits(net, TEXTS, tables)
    for words, expected in zip(TEXTS, together, strict=True):
        first, opened = tables.ids(words)
        rows = [net.embedding.weight.detach().numpy()[first], net.pairs.weight.detach().numpy()[opened]]
        read = np.hstack(rows)
        (alone,) = session.run(None, {"tokens": read.T[None].astype(np.float32)})
        assert np.allclose(alone.reshape(2, 7), expected, atol=1e-3)  # weights are stored in 16 bits


def test_readers_share_the_vectors_and_differ_in_what_they_say(
    pretrained: RecurrentNet, tables: Tables
) -> None:
    with torch.inference_mode():
        read = padded(TEXTS, tables)
        each, together = pretrained.each(*read), pretrained(*read)
    assert len(each) == 3  # the averaging net is the last
    assert not torch.allclose(each[0], each[1], atol=1e-3)
    assert torch.allclose(torch.stack(each[:2]).mean(dim=0), together)


def test_vectors_of_pairs_learn_from_the_averaging_net_alone(
    net: RecurrentNet, pretrained: RecurrentNet, tables: Tables
) -> None:
    start = vectors(TEXTS, tables.tokens, tables.pairs, dimensions=8, window=3, seed=3)
    fresh = RecurrentNet(start, tables, SETTINGS)
    assert torch.equal(fresh.pairs.weight, net.pairs.weight)
    assert not torch.equal(fresh.pairs.weight, pretrained.pairs.weight)
    assert not torch.equal(fresh.embedding.weight, net.embedding.weight)
    pretrained.zero_grad()
    first, second, means = pretrained.each(*padded(TEXTS, tables))
    (first + second).sum().backward(retain_graph=True)
    assert pretrained.pairs.weight.grad is None
    means.sum().backward()
    assert pretrained.pairs.weight.grad is not None


def test_rounding_stays_near_and_within_its_levels() -> None:
    layer = torch.nn.Embedding(400, 3)
    before = layer.weight.detach().numpy().copy()
    rounded, scale = quantise(layer, 7)
    assert np.abs(rounded).max() <= 7
    assert np.allclose(layer.weight.detach().numpy(), rounded * scale)
    assert np.square(layer.weight.detach().numpy() - before).mean() < 0.03


def test_the_blend_follows_the_part_and_the_gate_that_know() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 7, 400)
    right, noise = 2.0 * np.eye(7)[truth] + rng.normal(size=(400, 7)), rng.normal(size=(2, 400, 7))
    sets = []
    for register in (0, 1):
        raw = np.zeros((400, 15))
        raw[:, register * 7 : register * 7 + 7] = right
        raw[:, 14] = -4.0 if register == 0 else 0.0  # half a gate to be mended by a shift
        sets.append(DevSet(truth, raw, np.stack([noise[0], noise[1]], axis=1)))
    blend = fit_blend(sets, np.zeros((2, 7)), 1e-4)
    assert (blend.weights[:, 0] > 3 * blend.weights[:, 1]).all()
    assert blend.gate_shift > 0.5
    answer = mixture(np.zeros((1, 2, 7)), np.zeros((1, 2, 7)), np.zeros(1), blend, np.zeros((2, 7)))
    assert answer.sum() == pytest.approx(1)


def test_a_tilt_is_added_to_what_the_experts_say_and_the_blend_knows_of_it() -> None:
    blend = Blend(np.array([[0.5, 0.8], [2.0, 0.3]]), 1.0, 0.0)
    rng = np.random.default_rng(1)
    linear, net = np.log(rng.dirichlet(np.ones(7), (2, 5, 2)))
    tilts = rng.normal(size=(2, 7))
    everything_spoken = np.full(5, 50.0)
    plain = mixture(linear, net, everything_spoken, blend, np.zeros((2, 7)))
    tilted = plain * np.exp(tilts[1])
    assert mixture(linear, net, everything_spoken, blend, tilts) == pytest.approx(
        tilted / tilted.sum(axis=1, keepdims=True)
    )


def test_the_blend_makes_up_for_the_surety_a_tilt_adds() -> None:
    rng = np.random.default_rng(2)
    truth = rng.choice(2, 500, p=[0.8, 0.2]) * 6
    raw = np.zeros((500, 15))
    raw[:, :14] = np.tile(np.eye(7)[truth] + rng.normal(size=(500, 7)), 2)
    sets = [DevSet(truth, raw, raw[:, :14].reshape(500, 2, 7))] * 2
    towards_common = np.tile(towards_rare(truth, -1.0), (2, 1))
    known, unknown = (fit_blend(sets, tilts, 1e-4) for tilts in (towards_common, np.zeros((2, 7))))

    def loss(blend: Blend) -> float:
        parts = [log_softmax(raw[:, :14].reshape(500, 2, 7))] * 2
        return negative_log_likelihood(truth, mixture(*parts, raw[:, 14], blend, towards_common))

    assert loss(known) < loss(unknown)


def test_a_tilt_lifts_what_is_rare_and_leaves_what_was_never_seen() -> None:
    lifted = towards_rare(np.array([0, 0, 0, 0, 1, 1, 2]), 0.5)
    assert lifted[2] > lifted[1] > lifted[0] > 0
    assert lifted[2] - lifted[1] == pytest.approx(0.5 * np.log(2))
    assert not lifted[3:].any()
    assert not towards_rare(np.array([0, 1]), 0.0).any()
