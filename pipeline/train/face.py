"""Train the compact face model: ``python -m pipeline.train.face --data DIR --out DIR``.

One epoch ends in a checkpoint; the same command takes up an interrupted training where it stood.
"""

import argparse
import copy
import math
import time
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from pipeline.face.compact import MODEL_ID, CompactFace
from pipeline.labels import EMOTIONS, canonical_map
from pipeline.models.cards import TrainingReport, file_sha256
from pipeline.models.session import session
from pipeline.records import write_record
from pipeline.train.face_calibrate import corrected_bias, modest_temperature
from pipeline.train.face_data import (
    Augment,
    Faces,
    Images,
    ScoredFaces,
    augmented,
    ferplus_scored,
    ferplus_training,
    joined,
    muxspace,
)
from pipeline.train.face_export import second_view, to_onnx
from pipeline.train.face_net import FaceNet
from pipeline.train.face_report import Floats, measure
from pipeline.train.metrics import softmax
from pipeline.train.reliability import reliability_of
from pipeline.types import ModelCard

CONFIG = Path(__file__).with_suffix(".toml")
LICENCE = (
    "Weights for research use: trained on FER2013/FER+ (faces gathered from the web for research; labels © "
    "Microsoft) and muxspace (Apache-2.0 repository)."
)
NOTES = (
    "A residual net over one grey face of 48 px. Trained mostly on Western faces in still pictures: expect "
    "less on others, and on faces below 24 px."
)


@dataclass(frozen=True)
class Recipe:
    seed: int
    batch_size: int
    sides_px: tuple[tuple[int, int], ...]
    cycles: tuple[tuple[int, float], ...]
    warmup_epochs: float
    weight_decay: float
    dropout: float
    ema_decay: float
    threads: int
    bfloat16: bool
    fer2013_share: float
    acted_weight: float
    muxspace_per_class: int
    muxspace_trust: float
    prior_correction_max_loss: float
    most_ece: float
    augment: Augment

    @property
    def epochs(self) -> int:
        """Of all cycles."""
        return sum(epochs for epochs, _ in self.cycles)


def read_recipe(path: Path, epochs: int | None = None) -> Recipe:
    """The committed recipe or another one in its form; ``epochs`` makes it one cycle of that length."""
    values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    values["augment"] = Augment(**values["augment"])
    cycles = tuple((int(length), float(highest)) for length, highest in values["cycles"])
    sides = tuple((int(first), int(side)) for first, side in values["sides_px"])
    if epochs is not None:
        shrink = epochs / sum(length for length, _ in cycles)
        cycles = ((epochs, cycles[0][1]),)
        sides = tuple((int(first * shrink), side) for first, side in sides)
    return Recipe(**(values | {"cycles": cycles, "sides_px": sides}))


def training_faces(data: Path, recipe: Recipe) -> Faces:
    """FER+ training faces and a balanced share of muxspace."""
    parts = [ferplus_training(data / "face" / "ferplus_48px.npz", recipe.fer2013_share)]
    if recipe.muxspace_per_class:
        folder = data / "face" / "muxspace"
        parts.append(muxspace(folder, recipe.muxspace_per_class, recipe.muxspace_trust, recipe.seed))
    return joined(parts)


def predict(net: FaceNet, faces: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    """Logits (n, 7) of grey faces (n, 1, 48, 48)."""
    net.eval()
    with torch.inference_mode():
        return torch.cat([net(batch) for batch in faces.split(batch_size)])


def _shipped_logits(net: FaceNet, faces: torch.Tensor) -> Floats:
    logits = (predict(net, faces) + predict(net, second_view(faces))) / 2
    return np.asarray(logits.double().numpy(), np.float64)


def _batch(images: Images) -> torch.Tensor:
    return torch.from_numpy(images)[:, None].float()


def accuracy(logits: torch.Tensor, faces: ScoredFaces) -> float:
    """Share of faces whose top emotion is right."""
    return float((logits.argmax(1).numpy() == faces.truth).mean())


def _rate(at: float, recipe: Recipe) -> float:
    """Learning rate after ``at`` epochs: in each cycle a linear start, then half a cosine."""
    starts = np.cumsum([0, *(length for length, _ in recipe.cycles)])
    cycle = int(np.searchsorted(starts[:-1], at, side="right")) - 1
    (length, highest), at = recipe.cycles[cycle], at - float(starts[cycle])
    if at < recipe.warmup_epochs:
        return highest * at / recipe.warmup_epochs
    return (
        highest
        * 0.5
        * (1 + math.cos(math.pi * (at - recipe.warmup_epochs) / (length - recipe.warmup_epochs)))
    )


def _batches(count: int, size: int, seed: int) -> Iterator[np.ndarray[Any, np.dtype[np.int64]]]:
    order = np.random.default_rng(seed).permutation(count)
    for at in range(0, count - size + 1, size):
        yield order[at : at + size]


def _cross_entropy(logits: torch.Tensor, targets: Any) -> torch.Tensor:
    return functional.cross_entropy(logits.float(), torch.from_numpy(targets), reduction="none")


class Trainer:
    """Weights, their moving average and the optimiser, as they stand after ``epoch`` epochs."""

    def __init__(self, recipe: Recipe) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.net = FaceNet(len(EMOTIONS), recipe.dropout).to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.net).requires_grad_(False)
        decayed = [p for p in self.net.parameters() if p.ndim > 1]
        plain = [p for p in self.net.parameters() if p.ndim <= 1]
        self.optimiser = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        )
        self.epoch = 0

    def state(self) -> dict[str, Any]:
        """Everything a later process needs to go on."""
        return {
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "epoch": self.epoch,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.epoch = state["epoch"]

    def run_epoch(self, faces: Faces) -> float:
        """One pass over the faces; returns the mean loss. Seeded by the epoch: a resumed run is the same."""
        self.net.train()
        torch.manual_seed(self.recipe.seed + self.epoch)
        steps = len(faces) // self.recipe.batch_size
        losses = []
        for step, rows in enumerate(
            _batches(len(faces), self.recipe.batch_size, self.recipe.seed + self.epoch)
        ):
            for group in self.optimiser.param_groups:
                group["lr"] = _rate(self.epoch + step / steps, self.recipe)
            losses.append(self._step(faces, rows, seed=(self.recipe.seed + self.epoch) * 10_000 + step))
        self.epoch += 1
        return float(np.mean(losses))

    def _step(self, faces: Faces, rows: np.ndarray[Any, np.dtype[np.int64]], seed: int) -> float:
        side_px = [side for first, side in self.recipe.sides_px if first <= self.epoch][-1]
        batch = augmented(faces.images[rows], self.recipe.augment, side_px, seed)
        batch = batch.to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.bfloat16):
            seen, acted = self.net.both(batch)
        weights = torch.from_numpy(faces.weights[rows])
        loss = (weights * _cross_entropy(seen, faces.targets[rows])).mean()
        loss = loss + self.recipe.acted_weight * _cross_entropy(acted, faces.acted[rows]).mean()
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.optimiser.step()
        keep = min(self.recipe.ema_decay, (1 + self.optimiser_steps()) / (10 + self.optimiser_steps()))
        with torch.no_grad():
            for mean, now in zip(
                self.average.state_dict().values(), self.net.state_dict().values(), strict=True
            ):
                if mean.dtype.is_floating_point:
                    mean.lerp_(now, 1 - keep)
                else:
                    mean.copy_(now)
        return float(loss.detach())

    def optimiser_steps(self) -> int:
        """Steps taken so far."""
        state = self.optimiser.state
        return int(next(iter(state.values()))["step"]) if state else 0


def train(data: Path, checkpoint: Path, recipe: Recipe) -> FaceNet:
    """Train a net, going on from ``checkpoint`` if it is there; returns the averaged weights."""
    torch.set_num_threads(recipe.threads)
    faces = training_faces(data, recipe)
    dev = ferplus_scored(data / "face" / "ferplus_48px.npz", "dev")
    dev_part = ScoredFaces(dev.images[::3], dev.truth[::3])  # a third tells how it goes
    trainer = Trainer(recipe)
    if checkpoint.is_file():
        trainer.restore(torch.load(checkpoint, weights_only=True))
    while trainer.epoch < recipe.epochs:
        began = time.monotonic()
        loss = trainer.run_epoch(faces)
        scratch = checkpoint.with_suffix(".part")
        torch.save(trainer.state(), scratch)
        scratch.replace(checkpoint)
        right = accuracy(predict(trainer.average, _batch(dev_part.images)), dev_part)
        seconds = time.monotonic() - began
        left_min = seconds * (recipe.epochs - trainer.epoch) / 60
        print(
            f"epoch {trainer.epoch}/{recipe.epochs}  loss {loss:.4f}  dev {right:.4f}  "
            f"{seconds:.0f} s  {left_min:.0f} min left",
            flush=True,
        )
    averaged: FaceNet = trainer.average
    return averaged


def ship(net: FaceNet, data: Path, out: Path, recipe: Recipe) -> TrainingReport:
    """Write the weights, their card and their report into ``out``."""
    faces = training_faces(data, recipe)
    prior = np.asarray((faces.targets * faces.weights[:, None]).sum(0), np.float64)
    prior /= prior.sum()
    dev = ferplus_scored(data / "face" / "ferplus_48px.npz", "dev")
    logits = _shipped_logits(net, _batch(dev.images))
    bias = corrected_bias(logits, dev, prior, recipe.prior_correction_max_loss)
    path = out / f"{MODEL_ID}.onnx"
    path.write_bytes(to_onnx(net, bias))
    card = ModelCard(
        id=MODEL_ID,
        modality="face",
        revision="2",
        sha256=file_sha256(path),
        licence=LICENCE,
        labels=EMOTIONS,
        canonical=canonical_map(EMOTIONS),
        temperature=modest_temperature(logits + bias, dev, recipe.most_ece),
        source="python -m pipeline.train.face",
        notes=NOTES,
    )
    answers = softmax(logits + bias, card.temperature)
    card = replace(card, reliability=reliability_of(dev.truth, answers, "FER+ dev"))
    write_record(out / f"{MODEL_ID}.card.json", card)
    report = measure(CompactFace(session(path), card), data, path.stat().st_size, np.log(prior) + bias)
    write_record(out / f"{MODEL_ID}.report.json", report)
    return report


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.train.face", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with face/")
    parser.add_argument("--out", type=Path, required=True, help="the weights, card and report go here")
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--epochs", type=int, help="instead of the number in the recipe")
    parser.add_argument("--checkpoint", type=Path, help="where to keep it (default: OUT/face_checkpoint.pt)")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    recipe = read_recipe(options.config, options.epochs)
    net = train(options.data, options.checkpoint or options.out / "face_checkpoint.pt", recipe)
    for name, figures in ship(net, options.data, options.out, recipe).metrics.items():
        print(name, " ".join(f"{key} {value:.4g}" for key, value in figures.items()))


if __name__ == "__main__":
    main()
