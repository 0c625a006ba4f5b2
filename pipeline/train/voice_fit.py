"""Trains the parts of the compact voice network on rows of features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pipeline.labels import EMOTIONS
from pipeline.train.voice_data import Clips
from pipeline.train.voice_net import NEVER, Expert, Listener, Normaliser, VoiceNet, expert_inputs, pooled
from pipeline.voice.compact import PIECE_S, voice_of
from pipeline.voice.details import CHANNELS
from pipeline.voice.features import FIGURES

Rows = NDArray[np.int64]
HALVED_FROM = 4096  # figures in a table that is shipped in half precision


@dataclass(frozen=True)
class Recipe:
    """See ``voice.toml``."""

    seed: int
    threads: int
    copies: int
    clean_share: float
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    members: int
    hidden: int
    picture_members: int
    picture_hidden: int
    picture_share: float
    picture_learning_rate: float
    dropout_inputs: float
    dropout_hidden: float
    dropout_layers: float
    label_smoothing: float
    unknown_voice_share: float
    gate_steps: int
    gate_dropout: float
    gate_smoothing: float
    gate_weight_decay: float
    gate_sharpness: float
    gate_floor: float
    joint_share: float
    corpus: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def of(self, corpus: str) -> "Recipe":
        """The recipe of one corpus' own expert."""
        return replace(self, **self.corpus.get(corpus, {}))

    @property
    def most_copies(self) -> int:
        """Virtual recordings of each clip that any part asks for."""
        return max([self.copies, *(self.of(name).copies for name in self.corpus)])


@dataclass(frozen=True, slots=True)
class Table:
    """Features of all clips and of their virtual recordings, (1 + copies, clips, features)."""

    rows: NDArray[np.float32]
    clips: Clips

    def with_copies(self, copies: int) -> "Table":
        """The same without any further virtual recordings."""
        return Table(self.rows[: 1 + copies], self.clips)


def normaliser_of(table: Table, used: Rows) -> Normaliser:
    """Mean and standard deviation over clips, and the mean spread within one speaker."""
    rows = torch.from_numpy(table.rows[0, used].astype(np.float64))
    speakers = table.clips.speaker[used]
    centre, scale = pooled(rows.mean(dim=0), rows.std(dim=0, correction=0))
    own = [rows[torch.from_numpy(speakers == one)] for one in np.unique(speakers)]
    spreads = [pooled(part.mean(dim=0), part.std(dim=0, correction=0))[1] for part in own]
    within = torch.stack(spreads).square().mean(dim=0).sqrt()
    return Normaliser(*(figure.float() for figure in (centre, scale + 1e-4, within + 1e-4)))


def episode(
    table: Table, used: Rows, recipe: Recipe, random: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One pass over the clips as a video would hold them: features, speaker's mean, spread and trust.

    Each speaker is cut into two videos. In each the speaker is unknown, or known from some of the clips: a
    few or many, balanced or mostly of a few emotions, as a real video is.
    """
    count, width = len(used), table.rows.shape[2]
    features = np.empty((count, width), np.float32)
    mean, spread = np.zeros_like(features), np.ones_like(features)
    trust = np.zeros((count, 2), np.float32)
    speakers, emotions = table.clips.speaker[used], table.clips.emotion[used]
    for speaker in np.unique(speakers):
        own = np.flatnonzero(speakers == speaker)
        for part in np.array_split(random.permutation(own), 2):
            copy = 0 if random.random() < recipe.clean_share else int(random.integers(len(table.rows)))
            features[part] = table.rows[copy, used[part]]
            if random.random() < recipe.unknown_voice_share:
                continue
            heard = own
            if random.random() < 0.6:
                most = max(2, min(60, len(own)))
                size = min(len(own), int(np.exp(random.uniform(np.log(2), np.log(most)))))
                liking = random.dirichlet(np.full(len(EMOTIONS), 2.0))[emotions[own]]
                heard = random.choice(own, size, replace=False, p=liking / liking.sum())
            voice = voice_of(table.rows[copy, used[heard]], len(heard) * PIECE_S * 0.8)
            mean[part], spread[part], trust[part] = voice.mean, voice.spread, voice.trust
    return (
        torch.from_numpy(features),
        torch.from_numpy(mean),
        torch.from_numpy(spread),
        torch.from_numpy(trust),
    )


def balance(clips: Clips, used: Rows) -> Tensor:
    """Weights with mean 1: emotions of a corpus count alike, corpora by the root of their size."""
    corpus, emotion = clips.corpus[used], clips.emotion[used]
    weights = np.zeros(len(used))
    for name in np.unique(corpus):
        here = corpus == name
        kinds = np.unique(emotion[here])
        for kind in kinds:
            cell = here & (emotion == kind)
            weights[cell] = np.sqrt(here.sum()) / len(kinds) / cell.sum()
    return torch.tensor(weights / weights.mean(), dtype=torch.float32)


def loss_of(answers: Tensor, target: Tensor, possible: Tensor, weights: Tensor) -> Tensor:
    """Weighted cross-entropy; an emotion that a clip's corpus lacks (disgust in CASIA) is left out of it."""
    among = functional.log_softmax(answers.masked_fill(~possible, NEVER), dim=-1)
    loss: Tensor = -(weights * (target * among).sum(dim=-1)).mean()
    return loss


def fit_expert(table: Table, used: Rows, normaliser: Normaliser, recipe: Recipe, joint: bool) -> Expert:
    """Train one expert on the clips ``used``; a joint one also sees features that keep the speaker in."""
    torch.manual_seed(recipe.seed)
    random = np.random.default_rng(recipe.seed)
    clips = table.clips
    truth = torch.from_numpy(clips.emotion[used])
    has = {name: np.isin(np.arange(len(EMOTIONS)), clips.emotion[used][clips.corpus[used] == name])
           for name in np.unique(clips.corpus[used])}  # fmt: skip
    possible = torch.from_numpy(np.stack([has[name] for name in clips.corpus[used]]))
    seen = (recipe.members, (2 if joint else 1) * FIGURES + 1, recipe.hidden)
    listener = None if joint else Listener(CHANNELS + 1, recipe.picture_hidden, recipe.picture_members)
    expert = Expert(seen, possible.any(dim=0), listener, recipe.picture_share)
    smoothing = recipe.label_smoothing
    target = functional.one_hot(truth, len(EMOTIONS)) * (1 - smoothing)
    target = target + smoothing * possible / possible.sum(dim=1, keepdim=True)
    weights = balance(clips, used)
    steps = recipe.epochs * (len(used) // recipe.batch_size)
    groups = [{"params": [expert.first, expert.first_bias, expert.second, expert.second_bias]}]
    rates = [recipe.learning_rate]
    if listener is not None:
        groups.append({"params": list(listener.parameters())})
        rates.append(recipe.picture_learning_rate)
    optimiser = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rates, steps, pct_start=0.1)
    expert.train()
    for _ in range(recipe.epochs):
        features, mean, spread, trust = episode(table, used, recipe, random)
        with torch.no_grad():
            overall, spoken = normaliser(features, mean, spread, trust)
            figures, pictures = expert_inputs(spoken, trust, overall if joint else None)
        order = torch.stack([torch.randperm(len(used)) for _ in range(recipe.members)])
        for batch in order.split(recipe.batch_size, dim=1):
            if batch.shape[1] < recipe.batch_size:
                continue
            read = expert(figures[batch], recipe.dropout_inputs, recipe.dropout_hidden)
            loss = loss_of(read, target[batch], possible[batch], weights[batch]) * recipe.members
            if listener is not None:
                some = batch[: recipe.picture_members]
                shown = disturbed(pictures[some].transpose(0, 1))
                heard = listener(shown, recipe.dropout_layers, recipe.dropout_hidden)
                loss = loss + loss_of(heard, target[some], possible[some], weights[some]) * len(some)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    expert.eval()
    return expert


def disturbed(pictures: Tensor) -> Tensor:
    """Pictures (..., channels, steps) a little off in level and contrast, moved in time, with gaps.

    Gaps in channels and steps after Park et al. (2019), "SpecAugment".
    """
    *_, channels, steps = pictures.shape
    level, contrast = torch.randn(2, *pictures.shape[:-1], 1)
    moved = torch.roll((pictures + 0.2 * level) * (1 + 0.1 * contrast), int(torch.randint(-4, 5, ())), -1)
    start, channel = int(torch.randint(0, steps - 8, ())), int(torch.randint(0, channels - 7, ()))
    moved[..., start : start + int(torch.randint(0, 9, ()))] = 0
    moved[..., channel : channel + int(torch.randint(0, 4, ())), :] = 0
    return moved


def fit_gate(
    table: Table, used: Rows, corpora: Sequence[str], normaliser: Normaliser, recipe: Recipe
) -> nn.Linear:
    """Which corpus a window sounds like, by logistic regression over clean and virtual recordings."""
    torch.manual_seed(recipe.seed)
    names = table.clips.corpus[used]
    truth = torch.tensor([list(corpora).index(str(name)) for name in names])
    copies = torch.from_numpy(table.rows[:, used])
    seen = [normaliser(rows, rows[0], rows[0], torch.zeros(2))[0][:, :FIGURES] for rows in copies]
    inputs = torch.cat(seen)
    truth = truth.repeat(len(copies))
    gate = nn.Linear(inputs.shape[1], len(corpora))
    optimiser = torch.optim.AdamW(gate.parameters(), lr=0.01, weight_decay=recipe.gate_weight_decay)
    shares = torch.bincount(truth, minlength=len(corpora)).float()
    weights = shares.sum() / shares.clamp(min=1)
    for _ in range(recipe.gate_steps):
        said = gate(functional.dropout(inputs, recipe.gate_dropout))
        loss = functional.cross_entropy(said, truth, weights, label_smoothing=recipe.gate_smoothing)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        for part in (gate.weight, gate.bias):
            part.mul_(recipe.gate_sharpness)
    return gate


def figures_alone(table: Table, used: Rows, normaliser: Normaliser) -> tuple[Table, Rows, Normaliser]:
    """The same clips without their pictures."""
    kept = (part[:FIGURES] for part in (normaliser.centre, normaliser.scale, normaliser.within))
    return Table(table.rows[:, :, :FIGURES], table.clips), used, Normaliser(*kept)


def fit(table: Table, used: Rows, recipe: Recipe) -> VoiceNet:
    """Train the whole network on the clips ``used``."""
    normaliser = normaliser_of(table, used)
    corpora = sorted(set(table.clips.corpus[used]))
    experts = []
    for name in corpora:
        own, here = recipe.of(name), used[table.clips.corpus[used] == name]
        experts.append(fit_expert(table.with_copies(own.copies), here, normaliser, own, joint=False))
    table = table.with_copies(recipe.copies)
    gate = fit_gate(table, used, corpora, normaliser, recipe)
    joint = fit_expert(*figures_alone(table, used, normaliser), recipe, joint=True)
    net = VoiceNet(normaliser, experts, gate, joint, (recipe.gate_floor, recipe.joint_share))
    net.eval()
    for part in net.parameters():
        if part.numel() >= HALVED_FROM:
            part.data = part.data.half().float()
    return net
