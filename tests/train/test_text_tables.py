"""Rows of texts in the tables of token and pair vectors."""

import numpy as np
import torch

from pipeline.text.featurise import pair_hashes
from pipeline.train.text_net import FIRST, token_vocabulary
from pipeline.train.text_tables import Tables, hide_tokens, turned
from pipeline.train.text_vectors import pair_vocabulary

TEXTS = [["so", "glad"], ["no"], ["x", "y", "z", "x", "y"]]


def test_a_pair_stands_where_its_first_token_does() -> None:
    tables = Tables(token_vocabulary(TEXTS, 1), pair_vocabulary(TEXTS, 1))
    first, opened = tables.ids(["so", "glad", "unheard"])
    assert first.tolist()[2] == 1
    place = int(np.searchsorted(tables.pairs, pair_hashes(["so", "glad"])[0]))
    assert opened.tolist() == [FIRST + place, 1, 0]


def test_a_hidden_token_hides_its_pairs_and_padding_stays() -> None:
    tokens = torch.tensor([[5, 6, 7, 8, 0, 0]] * 50)
    pairs = torch.tensor([[9, 10, 11, 0, 0, 0]] * 50)
    first, opened = hide_tokens(tokens, pairs, 0.3, np.random.default_rng(0))
    assert not first[:, 4:].any()
    assert not opened[:, 3:].any()
    assert 0.15 < float((first[:, :4] == 1).float().mean()) < 0.45
    assert torch.equal(opened[:, :3] == 1, (first[:, :3] == 1) | (first[:, 1:4] == 1))


def test_a_text_is_turned_round_within_its_own_length() -> None:
    there = torch.tensor([[True, True, True, False], [True, False, False, False]])
    assert turned(there).tolist() == [[2, 1, 0, 3], [0, 1, 2, 3]]
