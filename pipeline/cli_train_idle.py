"""Options of `train` that would do nothing: said in a sentence instead of being passed over."""

import argparse
from collections.abc import Iterable

# The loop trains Transformers backbones; our voice and text networks have recipes of their own.
LOOP_OPTIONS = (
    "epochs",
    "batch_size",
    "learning_rate",
    "weight_decay",
    "label_smoothing",
    "class_weights",
    "oversample",
    "head_epochs",
    "patience",
    "metric",
    "bfloat16",
)
SIDE_OPTIONS = ("split", "dev_share", "test_share")


def refuse_idle(
    command: argparse.ArgumentParser, arguments: argparse.Namespace, idle: Iterable[str], why: str
) -> None:
    """Raises UsageError: an option of the names ``idle`` was given a value other than its default."""
    from pipeline.plan import UsageError

    given = [name for name in idle if getattr(arguments, name) != command.get_default(name)]
    if given:
        option = f"--{given[0].replace('_', '-')}"
        raise UsageError(f"{option} does nothing with {why}; leave it out")
