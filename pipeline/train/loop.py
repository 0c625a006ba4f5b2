"""Fine-tuning of a torch module: epochs that can be interrupted and resumed to the same weights."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the training data, as it stands in ``history.csv``."""

    epoch: int
    phase: str
    learning_rate: float
    train_loss: float
    dev_loss: float
    dev_accuracy: float
    dev_uar: float
    dev_macro_f1: float
    seconds: float


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """What a training does; ``patience`` 0 never stops early, ``head_epochs`` come out of ``epochs``."""

    epochs: int = 20
    batch_size: int = 32
    learning_rate: float = 1e-4
    final_learning_rate: float = 1e-6
    weight_decay: float = 0.05
    label_smoothing: float = 0.0
    class_weights: bool = False
    oversample: bool = False
    head_epochs: int = 0
    head_learning_rate: float = 1e-3
    patience: int = 0
    metric: str = "dev_macro_f1"  # the field of Epoch that tells the best one
    seed: int = 0
    device: str = "auto"
