"""The compact voice network: one expert for each corpus, one for all of them, and a gate between.

Acted corpora express the same emotion differently: one network over all of them read CASIA at an unweighted
recall of .46 where one of its own reached .59 (both normalised by speaker). The gate weighs the experts by
how much a window sounds like their corpus.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.labels import EMOTIONS

Z_LIMIT = 5.0
NEVER = -1e4  # logit of an emotion that an expert's corpora do not have


class Normaliser(nn.Module):  # type: ignore[misc]
    """Features against the training data and against the speaker, as far as the speaker is known."""

    def __init__(self, centre: Tensor, scale: Tensor, within: Tensor):
        super().__init__()
        for name, value in (("centre", centre), ("scale", scale), ("within", within)):
            self.register_buffer(name, value)

    def forward(self, features: Tensor, mean: Tensor, spread: Tensor, trust: Tensor) -> tuple[Tensor, Tensor]:
        """(n, d) features, (n, d) or (d,) speaker, (n, 2) or (2,) trust; returns two (n, d)."""
        known, spread_known = trust[..., :1], trust[..., 1:]
        centre = (1 - known) * self.centre + known * mean
        scale = (1 - spread_known) * self.within + spread_known * spread + 0.05 * self.scale
        overall = ((features - self.centre) / self.scale).clamp(-Z_LIMIT, Z_LIMIT)
        return overall, ((features - centre) / scale).clamp(-Z_LIMIT, Z_LIMIT)


class Expert(nn.Module):  # type: ignore[misc]
    """``members`` small networks side by side, averaged in the logarithm."""

    def __init__(self, inputs: int, hidden: int, members: int, has_emotion: Tensor):
        super().__init__()
        self.first = nn.Parameter(torch.randn(members, inputs, hidden) / inputs**0.5)
        self.first_bias = nn.Parameter(torch.zeros(members, 1, hidden))
        self.second = nn.Parameter(torch.randn(members, hidden, len(EMOTIONS)) / hidden**0.5)
        self.second_bias = nn.Parameter(torch.zeros(members, 1, len(EMOTIONS)))
        self.register_buffer("mask", (~has_emotion).float() * NEVER)

    def forward(self, inputs: Tensor, dropout_inputs: float, dropout_hidden: float) -> Tensor:
        """(members, n, inputs), or (n, inputs) for all alike, to log-probabilities (members, n, emotions)."""
        rows = inputs if inputs.dim() == 3 else inputs.unsqueeze(0).expand(self.first.shape[0], -1, -1)
        rows = functional.dropout(rows, dropout_inputs, self.training)
        hidden = functional.gelu(rows @ self.first + self.first_bias)
        hidden = functional.dropout(hidden, dropout_hidden, self.training)
        return functional.log_softmax(hidden @ self.second + self.second_bias + self.mask, dim=-1)

    def average(self, inputs: Tensor) -> Tensor:
        """(n, inputs) to log-probabilities (n, emotions)."""
        return functional.log_softmax(self(inputs, 0.0, 0.0).mean(dim=0), dim=-1)


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
        # Logits count this much more once the speaker is known: one temperature serves both cases then.
        self.register_buffer("known_sharpness", torch.ones(()))

    def forward(self, features: Tensor, mean: Tensor, spread: Tensor, trust: Tensor) -> Tensor:
        """(n, d), (d,), (d,), (2,) to (n, emotions)."""
        overall, spoken = self.normaliser(features, mean, spread, trust)
        gate = functional.softmax(self.gate(overall), dim=-1)
        gate = (1 - self.gate_floor) * gate + self.gate_floor / len(self.experts)
        inputs = expert_inputs(spoken, trust)
        answers = torch.stack([expert.average(inputs) for expert in self.experts], dim=1).exp()
        mixed = ((gate.unsqueeze(-1) * answers).sum(dim=1) + 1e-6).log()
        joint = self.joint.average(torch.cat([inputs, overall], dim=-1))
        logits = (1 - self.joint_share) * mixed + self.joint_share * joint.clamp(min=-13.0)
        return logits * (1 + trust[..., :1] * (self.known_sharpness - 1))


def expert_inputs(spoken: Tensor, trust: Tensor) -> Tensor:
    """Features normalised by the speaker, and how far that went, (n, d + 1)."""
    return torch.cat([spoken, trust[..., :1].expand(spoken.shape[0], 1)], dim=-1)
