"""The compact face net: a small residual net over one grey face of 48 px."""

import torch
from torch import Tensor, nn
from torch.nn import functional

FLAT = 4.0  # grey levels; a patch that varies less than that stays flat


def _convolution(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outputs),
    ]


class Residual(nn.Module):  # type: ignore[misc]
    """Two 3×3 convolutions beside a shortcut (He et al. 2016), gated by channel (Hu et al. 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            *_convolution(channels, channels), nn.ReLU(inplace=True), *_convolution(channels, channels)
        )
        self.squeeze = nn.Conv2d(channels, channels // 8, 1)
        self.excite = nn.Conv2d(channels // 8, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        branch = self.branch(x)
        gate = torch.sigmoid(self.excite(functional.relu(self.squeeze(branch.mean((2, 3), keepdim=True)))))
        return functional.relu(x + branch * gate)


class FaceNet(nn.Module):  # type: ignore[misc]
    """(n, 1, 48, 48) grey values in [0, 255] to (n, outputs) logits.

    Each face is brought to mean 0 and deviation 1, so that exposure and contrast drop out. ``acted`` is a
    second head, for the label a picture was collected under: it shapes the features and is not shipped.
    """

    def __init__(self, outputs: int, dropout: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_convolution(1, 16),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            *_convolution(16, 32),
            nn.ReLU(inplace=True),
            Residual(32),
            *_convolution(32, 64, stride=2),
            nn.ReLU(inplace=True),
            Residual(64),
            *_convolution(64, 128, stride=2),
            nn.ReLU(inplace=True),
            Residual(128),
            Residual(128),
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(128, outputs)
        self.acted = nn.Linear(128, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.both(x)[0]

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of either head."""
        centred = x - x.mean((1, 2, 3), keepdim=True)
        deviation = (centred * centred).mean((1, 2, 3), keepdim=True).sqrt()
        features = self.body(centred / (deviation + FLAT)).mean((2, 3))
        dropped = self.dropout(features)
        return self.head(dropped), self.acted(dropped)
