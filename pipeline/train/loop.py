"""Fine-tuning of a torch module: epochs that can be interrupted and resumed to the same weights.

Under ``torchrun`` every process takes its share of a batch, gradients are averaged, the main one writes.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from pipeline.models.cards import ModelError
from pipeline.train.examples import DataError
from pipeline.train.metrics import evaluate, negative_log_likelihood, softmax
from pipeline.train.schedule import (
    WHOLE_PHASE,
    Epoch,
    LoopSettings,
    balancing_weights,
    best_place,
    epoch_order,
    phase_of,
    rate_at,
    write_history,
)

__all__ = ["Epoch", "LoopSettings", "TrainingData", "accelerator_for", "fit", "leave", "predict"]

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Weights = dict[str, torch.Tensor]

CHECKPOINT_FILE, HISTORY_FILE = "checkpoint.pt", "history.csv"
LONGEST_GRADIENT = 5.0


class TrainingData(Protocol):
    """Labelled inputs of a model."""

    truth: Integers

    def __len__(self) -> int: ...

    def batch(self, rows: Integers, seed: int | None) -> Mapping[str, torch.Tensor]:
        """The model's keyword arguments for some rows, augmented by draws from ``seed`` unless it is None."""


Show = Callable[[int, int, Epoch | None], None]  # steps done, steps in all, the epoch that just ended


def accelerator_for(device: str) -> Any:
    """The processes and devices of this run. Raises ModelError: this machine has no such device."""
    from accelerate import Accelerator, DistributedDataParallelKwargs

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(device, True):
        raise ModelError(f"this machine has no device {device!r}; train with --device auto")
    cpu = device == "cpu" or not any(there.values())
    # Models hold parameters that a classifier does not use.
    return Accelerator(cpu=cpu, kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)])


def leave() -> None:
    """End this process's part in a run of several: a group left open can abort it when it exits."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def fit(
    model: Any,
    head: Sequence[str],
    train: TrainingData,
    dev: TrainingData,
    settings: LoopSettings,
    *,
    folder: Path,
    show: Show | None = None,
) -> list[Epoch]:
    """Train ``model`` in place, going on from ``folder``'s checkpoint; it ends as its best epoch left it.

    ``head`` names the modules that the first phase trains (``classifier``). A model answers with its logits
    or with an object that has ``logits``; parameters that are frozen already stay so.

    Raises:
        DataError: a part is empty, or smaller than the number of processes.
        ModelError: this machine has no such device.
    """
    accelerator = accelerator_for(settings.device)
    if len(dev) == 0 or len(train) < accelerator.num_processes:
        raise DataError("there are too few examples to train on and to choose on; give more data")
    run = _Run(accelerator, model, tuple(head), settings, folder / CHECKPOINT_FILE)
    run.restore()
    while not run.ended():
        began = time.monotonic()
        run.enter_phase()
        loss = run.train_epoch(train, show)
        logits = predict(run.model, dev, settings.batch_size, accelerator)
        run.close_epoch(loss, logits, dev.truth, time.monotonic() - began)
        if accelerator.is_main_process:
            run.save()
            write_history(folder / HISTORY_FILE, run.history)
        if show is not None:
            show(len(run.history), settings.epochs, run.history[-1])
    run.model.load_state_dict(run.best)
    run.model.requires_grad_(False).eval()
    accelerator.free_memory()
    return run.history


def predict(model: Any, data: TrainingData, batch_size: int, accelerator: Any = None) -> Floats:
    """Logits (n, k) of all rows as they are; with an accelerator every process answers its share."""
    rows = np.arange(len(data), dtype=np.int64)
    rank, count = (accelerator.process_index, accelerator.num_processes) if accelerator else (0, 1)
    model.eval()
    device = next(model.parameters()).device
    parts = []
    with torch.no_grad():
        for at in range(0, len(rows), batch_size * count):
            own = rows[at : at + batch_size * count][rank::count]
            if len(own):
                answers = _logits(model, data.batch(own, None), device).double().cpu().numpy()
                parts.append((own, answers))
    if count > 1:
        from accelerate.utils import gather_object

        parts = gather_object(parts)
    logits = np.concatenate([answers for _, answers in parts])
    return np.asarray(logits[np.argsort(np.concatenate([own for own, _ in parts]))], np.float64)


def _logits(model: Any, inputs: Mapping[str, torch.Tensor], device: Any) -> torch.Tensor:
    answer = model(**{name: value.to(device) for name, value in inputs.items()})
    return answer if isinstance(answer, torch.Tensor) else answer.logits


def _number(*parts: int) -> int:
    """A seed from several whole numbers."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


def _copied(model: Any) -> Weights:
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}


class _Run:
    """A training as it stands after ``len(history)`` epochs."""

    def __init__(
        self, accelerator: Any, model: Any, head: tuple[str, ...], settings: LoopSettings, checkpoint: Path
    ) -> None:
        self.accelerator = accelerator
        self.model = model.to(accelerator.device)
        self.head = head
        self.settings = settings
        self.checkpoint = checkpoint
        self.history: list[Epoch] = []
        self.best: Weights = {}
        self._trained = [name for name, one in model.named_parameters() if one.requires_grad]
        parameters = [one for one in model.parameters() if one.requires_grad]
        decayed = [one for one in parameters if one.ndim > 1]
        plain = [one for one in parameters if one.ndim <= 1]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": decayed, "weight_decay": settings.weight_decay},
                {"params": plain, "weight_decay": 0.0},
            ],
            lr=settings.learning_rate,
        )
        self._phase = ""
        self._shared: Any = None

    def restore(self) -> None:
        """Take up what the checkpoint holds, if there is one."""
        if not self.checkpoint.is_file():
            return
        state = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.best = state["best"]
        self.history = [Epoch(**row) for row in state["history"]]

    def save(self) -> None:
        """Write the checkpoint whole or not at all."""
        scratch = self.checkpoint.with_name(self.checkpoint.name + ".part")
        state = {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "best": self.best,
            "history": [asdict(epoch) for epoch in self.history],
        }
        torch.save(state, scratch)
        scratch.replace(self.checkpoint)

    def ended(self) -> bool:
        """Whether all epochs were run, or the last ``patience`` ones of the whole model brought nothing."""
        if not self.history:
            return False
        # A head alone may settle below what the whole model reaches: its epochs are not waited in.
        waited = len(self.history) - max(self._best_place() + 1, self.settings.head_epochs)
        patience = self.settings.patience
        return len(self.history) >= self.settings.epochs or (patience > 0 and waited >= patience)

    def enter_phase(self) -> None:
        """Free the parameters of the coming epoch's phase, and share the model between processes anew."""
        phase = phase_of(self.settings, len(self.history))
        if phase == self._phase:
            return
        self._phase = phase
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(name in self._trained and (phase == WHOLE_PHASE or self._in_head(name)))
            if not parameter.requires_grad:
                parameter.grad = None
        self._shared = None
        self.accelerator.free_memory()
        self._shared = self.accelerator.prepare_model(self.model)

    def train_epoch(self, data: TrainingData, show: Show | None) -> float:
        """One pass in the common order; returns the mean loss over all processes."""
        epoch, settings, processes = len(self.history), self.settings, self.accelerator.num_processes
        rank = self.accelerator.process_index
        order = epoch_order(data.truth, settings.oversample, settings.seed, epoch)
        size = min(settings.batch_size, len(order))
        size = max(processes, size - size % processes)
        steps = len(order) // size  # a last batch that is not full waits for another epoch's order
        self._to_training_mode()
        torch.manual_seed(_number(settings.seed, epoch, rank))
        total = 0.0
        for step in range(steps):
            for group in self.optimiser.param_groups:
                group["lr"] = rate_at(settings, epoch + step / steps)
            rows = order[step * size : (step + 1) * size][rank::processes]
            inputs = data.batch(rows, _number(settings.seed, epoch, step, rank))
            total += self._step(inputs, data, rows)
            if show is not None:
                show(epoch * steps + step + 1, settings.epochs * steps, None)
        if processes > 1:
            from accelerate.utils import broadcast

            for buffer in self.model.buffers():
                broadcast(buffer)
        mean = self.accelerator.reduce(torch.tensor(total / steps, device=self.accelerator.device), "mean")
        return float(mean)

    def close_epoch(self, loss: float, logits: Floats, truth: Integers, seconds: float) -> None:
        """Enter the epoch into the history and keep its weights if it is the best."""
        figures = evaluate(truth, logits.argmax(1), [str(i) for i in range(logits.shape[1])])
        epoch = len(self.history)
        self.history.append(
            Epoch(
                epoch=epoch + 1,
                phase=self._phase,
                learning_rate=round(rate_at(self.settings, epoch), 9),
                train_loss=round(loss, 6),
                dev_loss=round(negative_log_likelihood(truth, softmax(logits)), 6),
                dev_accuracy=round(figures.accuracy, 6),
                dev_uar=round(figures.uar, 6),
                dev_macro_f1=round(figures.macro_f1, 6),
                seconds=round(seconds, 2),
            )
        )
        if self._best_place() == epoch:
            self.best = _copied(self.model)

    def _step(self, inputs: Mapping[str, torch.Tensor], data: TrainingData, rows: Integers) -> float:
        device = self.accelerator.device
        with torch.autocast(device.type, torch.bfloat16, enabled=self.settings.bfloat16):
            logits = _logits(self._shared, inputs, device).float()
        truth = torch.from_numpy(data.truth[rows]).to(device)
        smoothing = self.settings.label_smoothing
        losses = functional.cross_entropy(logits, truth, reduction="none", label_smoothing=smoothing)
        if self.settings.class_weights:
            weights = torch.from_numpy(balancing_weights(data.truth, logits.shape[1])).to(device).float()
            losses = losses * weights[truth]
        loss = losses.mean()
        self.optimiser.zero_grad()
        self.accelerator.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), LONGEST_GRADIENT)
        self.optimiser.step()
        return float(loss.detach())

    def _best_place(self) -> int:
        return best_place(self.history, self.settings.metric)

    def _in_head(self, name: str) -> bool:
        return any(name == one or name.startswith(f"{one}.") for one in self.head)

    def _to_training_mode(self) -> None:
        """What is frozen stays as it answers: no dropout, no moving statistics."""
        if self._phase == WHOLE_PHASE:
            self._shared.train()
            return
        self._shared.eval()
        for name, module in self.model.named_modules():
            if self._in_head(name):
                module.train()
