"""Vectors from texts alone, the recurrent net and its graph, and the blend of the parts."""

from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch

from pipeline.text.featurise import tokens
from pipeline.train.text_language_model import LanguageModelSettings
from pipeline.train.text_net import Rows, token_vocabulary
from pipeline.train.text_recurrent import (
    RecurrentNet,
    RecurrentSettings,
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
