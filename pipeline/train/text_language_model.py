"""Before it sees a label, the recurrent text net reads the same texts and guesses the next token, either way.

Dai & Le 2015, "Semi-supervised sequence learning"; the softmax over all tokens is sampled (Jean et al. 2015,
"On using very large target vocabulary"): the negatives are shared by a batch and drawn by their counts to the
power 0.75. They are drawn with repetition, not as the distinct tokens of that paper: the loss lies above that
of the whole softmax and the most frequent tokens come out too likely. Only the states are used further: with
distinct tokens, weighed by how likely they are among the drawn, the text model came out the same within noise
(docs/MODELS.md). Both ways share one output layer, whose weights are the token vectors themselves.
Only the texts that the labels are then learnt from are read.

The pair at a place holds the next token, so the rightward way reads pairs a place later here than it does
afterwards, with labels: that part of its input is learnt anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from pipeline.train.text_descent import descend, learning_rate_at
from pipeline.train.text_net import PADDING
from pipeline.train.text_tables import Ids, padded_ids, turned

SMOOTHING = 0.75


@dataclass(frozen=True, slots=True)
class LanguageModelSettings:
    """``negatives`` are the tokens drawn for a batch; ``dropout`` is that of the input and of the states."""

    epochs: int
    batch_size: int
    learning_rate: float
    negatives: int
    dropout: float


def pretrain(
    vectors: tuple[nn.Embedding, nn.Embedding],
    ways: tuple[nn.GRU, nn.GRU],
    texts: Sequence[tuple[Ids, Ids]],
    settings: LanguageModelSettings,
    seed: int,
) -> list[float]:
    """Train the token vectors and both GRUs in place; returns the mean loss of each epoch.

    Args:
        vectors: of the tokens and of the pairs; the latter are read, not trained.
        ways: the GRU that reads rightward and the one that reads leftward.
        texts: as ``Tables.ids`` gives them; those of one token say nothing of a next one.
        settings: of this training alone.
        seed: of the order, the dropout and the negatives.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    read = [text for text in texts if len(text[0]) > 1]
    if not read or settings.epochs == 0:
        return []
    guess = _Guess(vectors[0], ways[0].hidden_size, read)
    trained = [*guess.parameters(), *ways[0].parameters(), *ways[1].parameters()]
    optimiser = torch.optim.AdamW(trained, lr=settings.learning_rate, weight_decay=0.01)
    lengths = np.array([len(tokens) for tokens, _ in read])
    steps = settings.epochs * -(-len(read) // settings.batch_size)
    step, losses = 0, []
    for epoch in range(settings.epochs):
        order = np.argsort(lengths + rng.random(len(read)) * 10, kind="stable")
        starts = np.arange(0, len(read), settings.batch_size)
        total = 0.0
        for start in rng.permutation(starts):
            batch = padded_ids([read[i] for i in order[start : start + settings.batch_size]])
            states, truth = _states(vectors, ways, batch, settings.dropout)
            loss = guess(functional.dropout(states, settings.dropout), truth, settings.negatives, rng)
            descend(loss, optimiser, learning_rate_at(step, steps, settings.learning_rate))
            step += 1
            total += float(loss.detach())
        losses.append(total / len(starts))
        print(f"  next token, epoch {epoch + 1} of {settings.epochs}: {losses[-1]:.3f}", flush=True)
    return losses


def _states(
    vectors: tuple[nn.Embedding, nn.Embedding],
    ways: tuple[nn.GRU, nn.GRU],
    batch: tuple[torch.Tensor, torch.Tensor],
    dropout: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """States (m, h) of both ways wherever a token follows, and that token, (m,)."""
    tokens, pairs = batch
    there = tokens != PADDING
    single, double = vectors[0](tokens), vectors[1](pairs).detach()
    single, double = (functional.dropout(one, dropout) * there[:, :, None] for one in (single, double))
    turn = turned(there)
    # A pair stands where its first token does and holds the next one: rightward it comes a place later.
    later = functional.pad(double[:, :-1], (0, 0, 1, 0))
    both = torch.cat([single, double], dim=2)
    read = [torch.cat([single, later], dim=2), both.gather(1, turn[:, :, None].expand_as(both))]
    follow = torch.cat([tokens[:, 1:], tokens.gather(1, turn)[:, 1:]])
    states = torch.cat([way(one)[0][:, :-1] for way, one in zip(ways, read, strict=True)])
    known = follow != PADDING
    return states[known], follow[known]


class _Guess(nn.Module):  # type: ignore[misc]
    """Sampled softmax over the token vectors."""

    def __init__(self, tokens: nn.Embedding, hidden: int, texts: Sequence[tuple[Ids, Ids]]) -> None:
        super().__init__()
        self.tokens = tokens
        self.project = nn.Linear(hidden, tokens.embedding_dim)
        self.bias = nn.Parameter(torch.zeros(tokens.num_embeddings))
        counts = np.bincount(np.concatenate([ids for ids, _ in texts]), minlength=tokens.num_embeddings)
        self.share: npt.NDArray[np.float64] = counts**SMOOTHING / (counts**SMOOTHING).sum()
        self.rarity = -torch.from_numpy(np.log(np.maximum(self.share, 1e-9))).float()

    def forward(
        self, states: torch.Tensor, truth: torch.Tensor, negatives: int, rng: np.random.Generator
    ) -> torch.Tensor:
        """Mean loss of states (m, h) that ``truth`` (m,) follows; a negative that is true is left out."""
        drawn = torch.from_numpy(rng.choice(len(self.share), negatives, p=self.share))
        asked = self.project(states)
        offset = self.bias + self.rarity
        right = (asked * self.tokens(truth)).sum(dim=1) + offset[truth]
        others = torch.addmm(offset[drawn], asked, self.tokens(drawn).T)
        others = others.masked_fill(drawn[None] == truth[:, None], -1e4)
        wrong = torch.logsumexp(others, dim=1)
        return torch.as_tensor((torch.logaddexp(wrong, right) - right).mean())
