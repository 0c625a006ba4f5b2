"""Faces for training: FER+ votes, muxspace labels, and what is done to a batch of them."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from pipeline.labels import CROSSWALK, EMOTIONS

SIDE_PX = 48
SPLITS = {"train": 0, "dev": 1, "test": 2}
HELD_OUT_EVERY = 5
ENOUGH_VOTES = 5  # of 10: the data's own rule for a face that can be scored

Images = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Augment:
    visible_low: float
    visible_high: float
    shift: float
    rotation_deg: float
    aspect: float
    small_share: float
    jpeg_share: float
    noise: float
    gamma: float
    light: float
    cutout_share: float
    cutout_px: int


@dataclass(frozen=True)
class Faces:
    """Grey faces (n, 48, 48), two soft targets (n, 7) in ``EMOTIONS`` order, a weight for each (n,).

    ``targets`` is what raters saw, ``acted`` the single label the picture was collected under (its rows
    sum to 0 where there is none).
    """

    images: Images
    targets: Floats
    acted: Floats
    weights: Floats

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class ScoredFaces:
    """Grey faces that count in an accuracy, with the index of their emotion."""

    images: Images
    truth: npt.NDArray[np.int64]


def _votes(archive: Any, split: str) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Rows of a split, and the votes of all faces for the seven emotions, (n, 7)."""
    names = [CROSSWALK.get(str(name).lower()) for name in archive["ferplus_order"]]
    columns = [names.index(emotion) for emotion in EMOTIONS]
    return archive["usage"] == SPLITS[split], archive["ferplus_votes"][:, columns].astype(np.int64)


def ferplus_training(path: Path, fer2013_share: float) -> Faces:
    """The training split with soft votes; fear and disgust, which raters seldom agreed on, lean on FER2013.

    A single vote counts as a slip unless FER2013's own label says the same (the rule of Barsoum et al. 2016,
    who published the votes). A face weighs what share of its votes fell on the seven emotions.
    """
    with np.load(path) as archive:
        rows, votes = _votes(archive, "train")
        own = np.array([EMOTIONS.index(CROSSWALK[str(name)] or "") for name in archive["fer2013_names"]])
        own_label = np.where(archive["fer2013_label"] >= 0, own[archive["fer2013_label"]], -1)
        images = archive["images"]
    same = own_label[:, None] == np.arange(len(EMOTIONS))
    kept = np.where((votes > 1) | same, votes, 0)
    rows &= kept.sum(1) >= 3
    soft = kept[rows] / kept[rows].sum(1, keepdims=True)
    rare = np.isin(own_label[rows], [EMOTIONS.index("fear"), EMOTIONS.index("disgust")])
    share = np.where(rare, fer2013_share, 0.0)[:, None]
    targets = (1 - share) * soft + share * same[rows]
    return Faces(
        images[rows],
        targets.astype(np.float32),
        same[rows].astype(np.float32),
        (votes[rows].sum(1) / 10).astype(np.float32),
    )


def ferplus_scored(path: Path, split: str) -> ScoredFaces:
    """Faces of a split whose majority emotion has at least half of all votes."""
    with np.load(path) as archive:
        rows, votes = _votes(archive, split)
        rows &= votes.max(1) >= ENOUGH_VOTES
        return ScoredFaces(archive["images"][rows], votes[rows].argmax(1))


def _muxspace_rows(folder: Path) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Files with their emotion: those to train on, and every fifth, held out."""
    with (folder / "labels.csv").open(encoding="utf-8") as table:
        rows = sorted((row["file"], row["emotion"]) for row in csv.DictReader(table))
    held_out = rows[::HELD_OUT_EVERY]
    return [row for index, row in enumerate(rows) if index % HELD_OUT_EVERY], held_out


def muxspace_scored(folder: Path, per_class: int) -> ScoredFaces:
    """At most ``per_class`` held-out faces of each emotion: another domain than FER+, with noisy labels."""
    taken: dict[str, int] = dict.fromkeys(EMOTIONS, 0)
    images, truth = [], []
    for file, emotion in _muxspace_rows(folder)[1]:
        if taken[emotion] < per_class:
            taken[emotion] += 1
            images.append(_read_grey(folder / "faces" / file))
            truth.append(EMOTIONS.index(emotion))
    return ScoredFaces(np.stack(images), np.array(truth, np.int64))


def _read_grey(path: Path) -> Images:
    grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    return np.asarray(cv2.resize(grey, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA), np.uint8)


def muxspace(folder: Path, per_class: int, trust: float, seed: int) -> Faces:
    """At most ``per_class`` faces of each emotion; labels are noisy, so each keeps only ``trust``."""
    rows = _muxspace_rows(folder)[0]
    order = np.random.default_rng(seed).permutation(len(rows))
    taken: dict[str, int] = dict.fromkeys(EMOTIONS, 0)
    images, truth = [], []
    for index in order:
        file, emotion = rows[index]
        if taken[emotion] >= per_class:
            continue
        taken[emotion] += 1
        images.append(_read_grey(folder / "faces" / file))
        truth.append(EMOTIONS.index(emotion))
    spread = (1 - trust) / len(EMOTIONS)
    targets = np.eye(len(EMOTIONS), dtype=np.float32)[truth] * trust + spread
    soft = targets.astype(np.float32)
    return Faces(np.stack(images), soft, soft, np.ones(len(images), np.float32))


def joined(parts: list[Faces]) -> Faces:
    """All faces of several sets."""
    return Faces(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.targets for part in parts]),
        np.concatenate([part.acted for part in parts]),
        np.concatenate([part.weights for part in parts]),
    )


def augmented(images: Images, how: Augment, side_px: int, seed: int) -> torch.Tensor:
    """Distort a batch (n, 48, 48) as cameras and detectors do; returns (n, 1, side, side) in [0, 255]."""
    draw = torch.Generator().manual_seed(seed)
    count = len(images)

    def uniform(low: float, high: float, *shape: int) -> torch.Tensor:
        return torch.rand(*(shape or (count,)), generator=draw) * (high - low) + low

    coded = images.copy()
    for index in torch.nonzero(uniform(0, 1) < how.jpeg_share).flatten().tolist():
        quality = int(uniform(15, 60, 1))
        _, data = cv2.imencode(".jpg", coded[index], [cv2.IMWRITE_JPEG_QUALITY, quality])
        coded[index] = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)
    batch = torch.from_numpy(coded)[:, None].float()

    angle = uniform(-how.rotation_deg, how.rotation_deg) * (torch.pi / 180)
    visible = uniform(how.visible_low, how.visible_high)
    aspect = torch.exp(uniform(-how.aspect, how.aspect))
    flip = (uniform(0, 1) < 0.5).float() * 2 - 1
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = torch.cos(angle) * visible * aspect * flip
    theta[:, 0, 1] = -torch.sin(angle) * visible
    theta[:, 1, 0] = torch.sin(angle) * visible * flip
    theta[:, 1, 1] = torch.cos(angle) * visible / aspect
    theta[:, :, 2] = uniform(-2 * how.shift, 2 * how.shift, count, 2)
    grid = functional.affine_grid(theta, [count, 1, side_px, side_px], align_corners=False)
    batch = functional.grid_sample(batch, grid, padding_mode="reflection", align_corners=False)

    small = torch.nonzero(uniform(0, 1) < how.small_share).flatten()
    for part in small.chunk(4):
        side = int(uniform(14, 33, 1))
        less = functional.interpolate(batch[part], size=(side, side), mode="area")
        batch[part] = functional.interpolate(
            less, size=(side_px, side_px), mode="bilinear", align_corners=False
        )

    gamma = torch.exp(uniform(-how.gamma, how.gamma))[:, None, None, None]
    batch = 255 * (batch / 255).clamp(0, 1) ** gamma
    direction = uniform(-how.light, how.light, count, 2)
    line = torch.linspace(-1, 1, side_px)
    ramp = direction[:, :1, None] * line[None, None, :] + direction[:, 1:, None] * line[None, :, None]
    batch = batch * torch.exp(ramp)[:, None]
    batch = batch + torch.randn(batch.shape, generator=draw) * uniform(0, how.noise)[:, None, None, None]

    for index in torch.nonzero(uniform(0, 1) < how.cutout_share).flatten().tolist():
        top, left = (int(value) for value in uniform(0, side_px, 2))
        height, width = (int(value) for value in uniform(6, how.cutout_px, 2))
        batch[index, :, top : top + height, left : left + width] = batch[index].mean()
    return batch
