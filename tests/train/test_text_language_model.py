"""Guessing the next token: it learns what follows, the same way every time, and is not shown the answer."""

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("sklearn")

from pipeline.train.text_language_model import LanguageModelSettings, pretrain
from pipeline.train.text_net import FIRST
from pipeline.train.text_tables import Ids

SETTINGS = LanguageModelSettings(epochs=6, batch_size=8, learning_rate=0.1, negatives=12, dropout=0.1)
KNOWN = 12


def texts(seed: int = 0, *, cycle: bool = True) -> list[tuple[Ids, Ids]]:
    """Twelve tokens that follow one another in a circle, or in any order; each pair has a row of its own."""
    rng = np.random.default_rng(seed)
    made = []
    for length in rng.integers(2, 8, 80):
        steps = np.arange(length) if cycle else rng.integers(0, KNOWN, length)
        tokens = FIRST + (int(rng.integers(KNOWN)) + steps) % KNOWN
        pairs = FIRST + (tokens[:-1] - FIRST) * KNOWN + tokens[1:] - FIRST
        made.append((tokens, np.append(pairs, 0)))
    return made


def run(
    read: list[tuple[Ids, Ids]], settings: LanguageModelSettings = SETTINGS, *, told: float = 0.0
) -> tuple[list[float], nn.Embedding, nn.Embedding]:
    """Losses, and the vectors of tokens and pairs; ``told`` is how loudly a pair says its second token."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    tokens = nn.Embedding(KNOWN + FIRST, 8, padding_idx=0)
    pairs = nn.Embedding(KNOWN * KNOWN + FIRST, KNOWN, padding_idx=0)
    with torch.no_grad():
        pairs.weight.zero_()
        pairs.weight[FIRST:] = told * torch.eye(KNOWN).repeat(KNOWN, 1)
    ways = nn.GRU(8 + KNOWN, 10, batch_first=True), nn.GRU(8 + KNOWN, 10, batch_first=True)
    return pretrain((tokens, pairs), ways, read, settings, seed=1), tokens, pairs


def test_the_loss_falls_where_one_token_calls_for_the_next() -> None:
    losses, _, _ = run(texts())
    assert losses[-1] < 0.5 * losses[0]


def test_a_second_run_is_the_same_to_the_last_bit() -> None:
    (first, tokens, _), (second, again, _) = run(texts()), run(texts())
    assert first == second
    assert torch.equal(tokens.weight, again.weight)


def test_what_comes_next_is_not_given_away_by_the_pair() -> None:
    chance = texts(cycle=False)
    silent, telling = run(chance)[0][-1], run(chance, told=5.0)[0][-1]
    assert telling > 0.9 * silent


def test_vectors_of_pairs_and_of_padding_stay() -> None:
    _, tokens, pairs = run(texts(), told=1.0)
    assert torch.equal(pairs.weight[FIRST:], torch.eye(KNOWN).repeat(KNOWN, 1))
    assert not tokens.weight[0].any()


def test_texts_of_one_token_teach_nothing() -> None:
    assert run([(np.array([3]), np.array([0]))])[0] == []
