"""What trains the vectors of pairs beside the recurrent net: an averaging net over the same vectors.

A deep averaging network (Iyyer et al. 2015) whose weights are attention over the vectors themselves, several
at a time (Lin et al. 2017, "A structured self-attentive sentence embedding"). Its answers are not used.
"""

import torch
from torch import nn
from torch.nn import functional

ATTENTIONS = 4


class MeansNet(nn.Module):  # type: ignore[misc]
    """Weighted means and maximum of vectors (n, t, size), a hidden layer, logits (n, outputs)."""

    def __init__(self, size: int, hidden: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.attention = nn.Linear(size, ATTENTIONS)
        self.hidden = nn.Linear((ATTENTIONS + 1) * size, hidden)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, outputs)

    def forward(self, read: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
        """Only places that are ``there`` (n, t) count."""
        out = (~there)[:, :, None] * -1e4
        shares = torch.softmax(self.attention(read) + out, dim=1)
        means = torch.einsum("ntd,nth->nhd", read, shares).flatten(1)
        pooled = torch.cat([means, (read + out).amax(dim=1)], dim=1)
        return torch.as_tensor(self.head(self.dropout(functional.relu(self.hidden(pooled)))))
