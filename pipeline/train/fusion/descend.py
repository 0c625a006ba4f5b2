"""Training a strategy's arrays by gradients, with inputs hidden from it and disturbed on the way."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from pipeline.fusion.learned import Floats
from pipeline.fusion.nets import BOTH_LEVELS, SCORE_LEVEL, forward, pooled

Integers = npt.NDArray[np.int64]

# What inputs say by themselves, (n, m, k), takes the place of the inputs in score-level strategies.
SAID = "said"
RAW = "weights"  # positive: its logarithm is learned


@dataclass(frozen=True)
class FitSettings:
    """How a strategy is trained.

    ``modality_dropout`` is the chance that an input is hidden from an example, ``noise`` the deviation of
    what is added to standardised inputs; ``strength`` the inverse regularisation of the linear readings;
    ``class_power`` weighs a class by its frequency to minus that power. ``anchor`` limits cross-attention:
    the named input alone asks ("query"), or is alone asked ("key").
    """

    seed: int = 0
    members: int = 1
    epochs: int = 40
    patience: int = 6
    batch_size: int = 256
    learning_rate: float = 3e-3
    weight_decay: float = 1e-3
    modality_dropout: float = 0.25
    noise: float = 0.0
    hidden: int = 48
    width: int = 16
    tokens: int = 3
    strength: float = 0.1
    class_power: float = 0.0
    anchor: tuple[str, str] | None = None


@dataclass(frozen=True)
class Batch:
    """Inputs by name (n, d), which are there (n, m), truth (n,) and the weight of each example (n,)."""

    x: Mapping[str, Floats]
    there: Floats
    truth: Integers
    weight: Floats


@dataclass(frozen=True)
class Start:
    """A strategy's arrays before training: those that stay and those that are learned."""

    fixed: Mapping[str, Floats]
    moved: Mapping[str, Floats]


def descend(
    strategy: str, start: Start, train: Batch, dev: Batch | None, settings: FitSettings
) -> dict[str, Floats]:
    """All arrays of the strategy, trained by AdamW; those of the epoch with the least loss on ``dev``."""
    random = torch.Generator().manual_seed(settings.seed)
    still = {name: torch.from_numpy(np.asarray(one)).float() for name, one in start.fixed.items()}
    moved = {name: torch.from_numpy(one).float().requires_grad_() for name, one in start.moved.items()}
    optimiser = torch.optim.AdamW(
        moved.values(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    data = _tensors(train)
    watched = None if dev is None else _tensors(dev)
    count = len(train.truth)
    steps = settings.epochs * -(-count // settings.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=steps, pct_start=0.15
    )
    best, kept, waited = np.inf, _kept(moved), 0
    for _ in range(settings.epochs):
        order = torch.randperm(count, generator=random)
        for rows in order.split(settings.batch_size):
            x, there, truth, weight = _rows(data, rows)
            x, there = disturbed(x, there, settings, random)
            loss = _loss(strategy, {**still, **_shaped(moved)}, (x, there, truth, weight))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        if watched is None:
            continue
        with torch.no_grad():
            now = float(_loss(strategy, {**still, **_shaped(moved)}, watched))
        waited = 0 if now < best else waited + 1
        if now < best:
            best, kept = now, _kept(moved)
        if waited > settings.patience:
            break
    if watched is None:
        kept = _kept(moved)
    return {**start.fixed, **kept}


def disturbed(
    x: Mapping[str, torch.Tensor], there: torch.Tensor, settings: FitSettings, random: torch.Generator
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """The inputs with noise and some of them hidden; an example never loses its last (modality dropout)."""
    keep = (torch.rand(there.shape, generator=random) >= settings.modality_dropout).float() * there
    keep = torch.where(keep.sum(dim=1, keepdim=True) > 0, keep, there)
    if SAID in x:
        return dict(x), keep
    noisy = {}
    for place, (name, one) in enumerate(x.items()):
        added = torch.randn(one.shape, generator=random) * settings.noise if settings.noise else 0.0
        noisy[name] = (one + added) * keep[:, [place]]
    return noisy, keep


def _loss(strategy: str, arrays: Mapping[str, Any], batch: Any) -> torch.Tensor:
    x, there, truth, weight = batch
    if strategy in SCORE_LEVEL:
        logs = pooled(torch, strategy, arrays, x[SAID], there)
    else:
        logs = forward(torch, strategy, arrays, x, there)
    chosen = logs.gather(1, truth[:, None])[:, 0]
    return -(chosen * weight).sum() / weight.sum()


def _tensors(batch: Batch) -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor, torch.Tensor]:
    x = {name: torch.from_numpy(one).float() for name, one in batch.x.items()}
    return (
        x,
        torch.from_numpy(batch.there).float(),
        torch.from_numpy(batch.truth),
        torch.from_numpy(batch.weight).float(),
    )


def _rows(data: Any, rows: torch.Tensor) -> Any:
    x, there, truth, weight = data
    return {name: one[rows] for name, one in x.items()}, there[rows], truth[rows], weight[rows]


def _shaped(arrays: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: one.exp() if name == RAW else one for name, one in arrays.items()}


def _kept(arrays: Mapping[str, torch.Tensor]) -> dict[str, Floats]:
    return {name: one.detach().double().numpy().copy() for name, one in _shaped(arrays).items()}


def beginning(strategy: str, sizes: Mapping[str, int], k: int, settings: FitSettings) -> dict[str, Floats]:
    """The arrays a strategy's training starts from."""
    names = tuple(sizes)
    m, d, t = len(names), settings.width, settings.tokens
    draw = np.random.default_rng(settings.seed)

    def random(rows: int, columns: int, gain: float = 1.0) -> Floats:
        return np.asarray(draw.standard_normal((rows, columns)) * gain / np.sqrt(rows))

    def norm(*parts: str) -> dict[str, Floats]:
        return {f"{one}.g": np.ones(d) for one in parts} | {f"{one}.b": np.zeros(d) for one in parts}

    stack = {
        "stack.w": np.concatenate([np.tile(np.eye(k), (m, 1)) / max(1, m - 1), np.zeros((m, k))]),
        "stack.b": np.zeros(k),
    }
    if strategy == "weighted":
        return {"weights": np.zeros(m)}
    if strategy == "attention":
        return {"gate.w": np.zeros((m, k)), "gate.c": np.ones(m), "gate.b": np.zeros(m)}
    if strategy == "stacking":
        return stack
    if strategy in ("concat", BOTH_LEVELS):
        wide = sum(sizes.values()) + m
        return (stack if strategy == BOTH_LEVELS else {}) | {
            "in.w": random(wide, settings.hidden),
            "in.b": np.zeros(settings.hidden),
            "out.w": random(settings.hidden, k, 0.1),
            "out.b": np.zeros(k),
            "past.w": np.zeros((wide, k)),
        }
    arrays = {f"lay.{name}.w": random(sizes[name], t * d) for name in names}
    arrays |= {f"place.{name}": random(t, d, 0.5) for name in names}
    arrays |= {f"mix.{part}": random(d, d) for part in ("q", "k", "v")} | {"mix.o": random(d, d, 0.5)}
    arrays |= norm("norm", "feed", "last")
    arrays |= {
        "feed.in.w": random(d, 2 * d),
        "feed.in.b": np.zeros(2 * d),
        "feed.out.w": random(2 * d, d, 0.5),
    }
    arrays |= {"head.b": np.zeros(k)}
    if strategy == "transformer":
        return arrays | {"ask": random(1, d, 0.5)[0], "head.w": random(d, k, 0.1)}
    return arrays | {"head.w": random(m * d + m, k, 0.1)}
