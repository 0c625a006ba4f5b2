"""Texts as rows of the tables of token and pair vectors, padded to a batch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from pipeline.text.featurise import pair_hashes
from pipeline.train.text_net import PADDING, UNKNOWN, rows_of, token_ids

Hashes = npt.NDArray[np.uint32]
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tables:
    """Sorted hashes of the tokens and of the pairs that have a vector."""

    tokens: Hashes
    pairs: Hashes

    def ids(self, words: Sequence[str]) -> tuple[Ids, Ids]:
        """Rows of the tokens, (n,), and of the pair each one opens, (n,); the last opens none."""
        opened = np.full(len(words), PADDING, dtype=np.int64)
        if len(self.pairs):
            opened[: max(len(words) - 1, 0)] = rows_of(pair_hashes(words), self.pairs)
        return token_ids(words, self.tokens), opened


def padded(texts: Sequence[Sequence[str]], tables: Tables) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of tokens and pairs of several texts, padded on the right, (n, t) each; no tokens: one unknown."""
    return padded_ids(
        [tables.ids(words) if words else (np.ones(1, np.int64), np.zeros(1, np.int64)) for words in texts]
    )


def padded_ids(rows: Sequence[tuple[Ids, Ids]]) -> tuple[torch.Tensor, torch.Tensor]:
    """The same from what ``Tables.ids`` gives."""
    shape = (len(rows), max(len(tokens) for tokens, _ in rows))
    filled = np.full((2, *shape), PADDING, dtype=np.int64)
    for i, (tokens, pairs) in enumerate(rows):
        filled[0, i, : len(tokens)], filled[1, i, : len(pairs)] = tokens, pairs
    first, second = torch.from_numpy(filled)
    return first, second


def turned(there: torch.Tensor) -> torch.Tensor:
    """Places (n, t) that turn texts round within their own lengths: neither way begins with padding."""
    length, place = there.sum(dim=1, keepdim=True), torch.arange(there.shape[1])[None]
    return torch.where(place < length, length - 1 - place, place)


def hide_tokens(
    tokens: torch.Tensor, pairs: torch.Tensor, share: float, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """A share of the tokens (n, t) made unknown, and every pair (n, t) that one of them is in."""
    if share == 0:
        return tokens, pairs
    hidden = torch.from_numpy(rng.random(tokens.shape) < share) & (tokens != PADDING)
    opened = hidden | torch.nn.functional.pad(hidden[:, 1:], (0, 1))
    return torch.where(hidden, UNKNOWN, tokens), torch.where(opened & (pairs != PADDING), UNKNOWN, pairs)
