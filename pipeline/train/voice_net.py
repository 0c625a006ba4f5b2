"""The compact voice network: one expert for each corpus, one for all of them, and a gate between.

Acted corpora express the same emotion differently: one network over all of them read CASIA at an unweighted
recall of .46 where one of its own reached .59 (both normalised by speaker). The gate weighs the experts by
how much a window sounds like their corpus.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.labels import EMOTIONS
from pipeline.voice.details import CHANNELS, STEPS
from pipeline.voice.features import FIGURES

Z_LIMIT = 5.0
NEVER = -1e4  # logit of an emotion that an expert's corpora do not have


def pooled(mean: Tensor, spread: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (..., d) with those of the picture taken over all of its steps.

    Rows of figures alone, (..., FIGURES), stay as they are.
    """
    if mean.shape[-1] == FIGURES:
        return mean, spread
    means, spreads = (part[..., FIGURES:].unflatten(-1, (STEPS, CHANNELS)) for part in (mean, spread))
    middle = means.mean(dim=-2, keepdim=True)
    variance = (spreads**2 + (means - middle) ** 2).mean(dim=-2, keepdim=True)
    wide = [part.expand_as(means).flatten(-2) for part in (middle, variance.sqrt())]
    return (
        torch.cat([mean[..., :FIGURES], wide[0]], dim=-1),
        torch.cat([spread[..., :FIGURES], wide[1]], dim=-1),
    )


class Normaliser(nn.Module):  # type: ignore[misc]
    """Features against the training data and against the speaker, as far as the speaker is known."""

    def __init__(self, centre: Tensor, scale: Tensor, within: Tensor):
        super().__init__()
        for name, value in (("centre", centre), ("scale", scale), ("within", within)):
            self.register_buffer(name, value)

    def forward(self, features: Tensor, mean: Tensor, spread: Tensor, trust: Tensor) -> tuple[Tensor, Tensor]:
        """(n, d) features, (n, d) or (d,) speaker, (n, 2) or (2,) trust; returns two (n, d)."""
        known, spread_known = trust[..., :1], trust[..., 1:]
        mean, spread = pooled(mean, spread)
        centre = (1 - known) * self.centre + known * mean
        scale = (1 - spread_known) * self.within + spread_known * spread + 0.05 * self.scale
        overall = ((features - self.centre) / self.scale).clamp(-Z_LIMIT, Z_LIMIT)
        return overall, ((features - centre) / scale).clamp(-Z_LIMIT, Z_LIMIT)


class Listener(nn.Module):  # type: ignore[misc]
    """``members`` small convolutional networks side by side over the picture of a window."""

    def __init__(self, channels: int, hidden: int, members: int):
        super().__init__()
        self.members, width = members, hidden * members
        self.first = nn.Conv1d(channels * members, width, 5, padding=2, groups=members)
        self.second = nn.Conv1d(width, width, 5, padding=2, stride=2, groups=members)
        self.third = nn.Conv1d(width, width, 5, padding=2, groups=members)
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in range(3))
        self.answer = nn.Conv1d(3 * width, len(EMOTIONS) * members, 1, groups=members)

    def forward(self, pictures: Tensor, dropout_layers: float, dropout_hidden: float) -> Tensor:
        """(n, members, channels, steps) to logits (members, n, emotions)."""
        count, _, channels, steps = pictures.shape
        seen = pictures.reshape(-1, self.members * channels, steps)
        seen = functional.gelu(self.norms[0](self.first(seen)))
        seen = functional.dropout(seen, dropout_layers, self.training)
        seen = functional.gelu(self.norms[1](self.second(seen)))
        seen = functional.dropout(seen, dropout_layers, self.training)
        seen = functional.gelu(self.norms[2](self.third(seen))) + seen
        mean, top = seen.mean(dim=-1), seen.amax(dim=-1)
        spread = ((seen - mean.unsqueeze(-1)) ** 2).mean(dim=-1).add(1e-5).sqrt()
        kinds = [one.reshape(count, self.members, -1) for one in (mean, spread, top)]
        pooled = functional.dropout(torch.cat(kinds, dim=2), dropout_hidden, self.training)
        said = self.answer(pooled.reshape(count, -1, 1))
        return said.reshape(count, self.members, len(EMOTIONS)).transpose(0, 1)


class Expert(nn.Module):  # type: ignore[misc]
    """``members`` small networks over the figures, averaged in the logarithm; perhaps a listener beside."""

    def __init__(
        self,
        shape: tuple[int, int, int],
        has_emotion: Tensor,
        listener: Listener | None = None,
        picture_share: float = 0.0,
    ):
        super().__init__()
        members, figures, hidden = shape
        self.first = nn.Parameter(torch.randn(members, figures, hidden) / figures**0.5)
        self.first_bias = nn.Parameter(torch.zeros(members, 1, hidden))
        self.second = nn.Parameter(torch.randn(members, hidden, len(EMOTIONS)) / hidden**0.5)
        self.second_bias = nn.Parameter(torch.zeros(members, 1, len(EMOTIONS)))
        self.listener = listener
        self.picture_share = picture_share
        self.register_buffer("mask", (~has_emotion).float() * NEVER)

    def forward(self, figures: Tensor, dropout_inputs: float, dropout_hidden: float) -> Tensor:
        """(members, n, figures), or (n, figures) for all alike, to log-probabilities
        (members, n, emotions).
        """
        rows = figures if figures.dim() == 3 else figures.unsqueeze(0).expand(self.first.shape[0], -1, -1)
        rows = functional.dropout(rows, dropout_inputs, self.training)
        hidden = functional.gelu(rows @ self.first + self.first_bias)
        hidden = functional.dropout(hidden, dropout_hidden, self.training)
        return functional.log_softmax(hidden @ self.second + self.second_bias + self.mask, dim=-1)

    def average(self, figures: Tensor, pictures: Tensor) -> Tensor:
        """(n, figures) and (n, channels, steps) to log-probabilities (n, emotions)."""
        read = self(figures, 0.0, 0.0).mean(dim=0)
        if self.listener is None:
            return functional.log_softmax(read, dim=-1)
        each = pictures.unsqueeze(1).expand(-1, self.listener.members, -1, -1)
        said = self.listener(each, 0.0, 0.0)
        heard = functional.log_softmax(said + self.mask, dim=-1).mean(dim=0)
        share = self.picture_share
        return functional.log_softmax((1 - share) * read + share * heard, dim=-1)


class VoiceNet(nn.Module):  # type: ignore[misc]
    """What is exported: features and what is known of the speaker to logits."""

    def __init__(
        self,
        normaliser: Normaliser,
        experts: list[Expert],
        gate: nn.Linear,
        joint: Expert,
        shares: tuple[float, float],
    ):
        super().__init__()
        self.normaliser, self.gate, self.joint = normaliser, gate, joint
        self.experts = nn.ModuleList(experts)
        self.gate_floor, self.joint_share = shares
        # How far the logits can be believed: a row for each corpus, speaker unknown and known.
        self.register_buffer("sharpness", torch.ones(len(experts), 2))

    def forward(self, features: Tensor, mean: Tensor, spread: Tensor, trust: Tensor) -> Tensor:
        """(n, d), (d,), (d,), (2,) to (n, emotions)."""
        overall, spoken = self.normaliser(features, mean, spread, trust)
        own = functional.softmax(self.gate(overall[:, :FIGURES]), dim=-1)
        gate = (1 - self.gate_floor) * own + self.gate_floor / len(self.experts)
        inputs = expert_inputs(spoken, trust)
        answers = torch.stack([expert.average(*inputs) for expert in self.experts], dim=1).exp()
        mixed = ((gate.unsqueeze(-1) * answers).sum(dim=1) + 1e-6).log()
        joint = self.joint.average(*expert_inputs(spoken, trust, overall))
        logits = (1 - self.joint_share) * mixed + self.joint_share * joint.clamp(min=-13.0)
        unknown, known = (own @ self.sharpness).chunk(2, dim=-1)
        return logits * (unknown + trust[..., :1] * (known - unknown))


def expert_inputs(spoken: Tensor, trust: Tensor, overall: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Figures (n, k) and picture (n, channels, steps), with how far the speaker is known as one more of each.

    Both are normalised by the speaker; ``overall``: the figures normalised by the training data come on top.
    """
    rows = [spoken] if overall is None else [spoken, overall]
    known = trust[..., :1].expand(spoken.shape[0], 1)
    figures = torch.cat([*(part[:, :FIGURES] for part in rows), known], dim=-1)
    steps = STEPS if spoken.shape[1] > FIGURES else 0
    picture = spoken[:, FIGURES:].reshape(spoken.shape[0], steps, CHANNELS).transpose(1, 2)
    return figures, torch.cat([picture, known.unsqueeze(-1).expand(-1, -1, steps)], dim=1)
