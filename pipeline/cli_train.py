"""The command `train`: models of one's own from labelled data."""

import argparse
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.terminal import printable, say

if TYPE_CHECKING:
    from pipeline.train.loop import Epoch, Show
    from pipeline.train.tune_face import FaceTuning
    from pipeline.train.tuning import Tuning

OUT = Path("outputs") / "training"
METRICS = ("dev_macro_f1", "dev_loss", "dev_accuracy", "dev_uar")
DEVICES = ("auto", "cpu", "cuda", "mps")
FACE_EXAMPLES = """\
examples:
  emotion-pipeline train face --data faces/labels.csv --group-column performer
  emotion-pipeline train face --data photos --detect --backbone facebook/convnext-base-224-22k --head-epochs 3
  emotion-pipeline train face --data faces/labels.csv --folds 5 --name five-folds
  torchrun --nproc_per_node 2 -m pipeline.cli train face --data faces/labels.csv

--data is a CSV with the columns `file` and `emotion`, a folder with one folder per class, or a folder of
images with a letter code in their names (a neutral, b happy, c sad, d angry, e disgust, f fear, g surprise).
Pictures are cropped faces unless --detect. The model is a back-end at once: --backend
outputs/training/NAME/model. The same command goes on with a training that was interrupted.
"""


def add_to(commands: Any) -> Any:
    """Add the command to the sub-parsers of the command line; returns its own, one a modality."""
    command = commands.add_parser(
        "train",
        help="train a face, voice or text model on labelled data",
        description="Train a face, voice or text model on labelled data.",
    )
    modalities = command.add_subparsers(dest="modality", metavar="MODALITY", required=True)
    _add_face(modalities)
    return modalities


def _add_face(modalities: Any) -> None:
    command = modalities.add_parser(
        "face",
        help="fine-tune a face model",
        description="Fine-tune a face model, measure it, and leave it as a back-end.",
        epilog=FACE_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_data_arguments(command, "performer")
    command.add_argument("--detect", action="store_true", help="pictures are photos: find the face first")
    command.add_argument(
        "--backbone",
        default="compact",
        metavar="NAME",
        help="compact (ours), a Transformers image model's folder, or a hub id that was pulled",
    )
    add_run_arguments(command)
    add_loop_arguments(command)
    command.add_argument(
        "--erasing", type=share, default=0.25, metavar="SHARE", help="of faces of which a part is erased"
    )
    add_split_arguments(command)
    command.set_defaults(act=act_face)


def add_data_arguments(command: argparse.ArgumentParser, group: str, required: bool = True) -> None:
    """What is learned from: the same for every modality."""
    command.add_argument("--data", required=required, type=Path, metavar="DATA", help="CSV or folder")
    command.add_argument(
        "--root", type=Path, metavar="DIR", help="what `file` is relative to; the CSV's folder"
    )
    command.add_argument("--label-column", default="emotion", metavar="NAME")
    command.add_argument(
        "--group-column", metavar="NAME", help=f"who must not be on two sides, for instance {group}"
    )


def add_run_arguments(command: argparse.ArgumentParser) -> None:
    """Where a run lives."""
    command.add_argument("--name", metavar="NAME", help="of the run; made of the data's name")
    command.add_argument("--out", type=Path, default=OUT, metavar="DIR", help="where runs live; %(default)s")
    command.add_argument("--force", action="store_true", help="throw an earlier run of this name away")


def add_loop_arguments(command: argparse.ArgumentParser) -> None:
    """How a network is trained."""
    command.add_argument("--epochs", type=count, default=20, metavar="N", help="%(default)s")
    command.add_argument("--batch-size", type=count, default=32, metavar="N", help="%(default)s")
    command.add_argument("--learning-rate", type=float, default=1e-4, metavar="RATE", help="%(default)s")
    command.add_argument("--weight-decay", type=float, default=0.05, metavar="SHARE", help="%(default)s")
    command.add_argument("--label-smoothing", type=share, default=0.0, metavar="SHARE", help="%(default)s")
    command.add_argument("--class-weights", action="store_true", help="mistakes on rare classes cost more")
    command.add_argument("--oversample", action="store_true", help="rare classes are shown more often")
    command.add_argument(
        "--head-epochs", type=int, default=0, metavar="N", help="of the epochs, first train the head alone"
    )
    command.add_argument(
        "--patience",
        type=int,
        default=0,
        metavar="N",
        help="stop after so many epochs without gain; 0: never",
    )
    command.add_argument(
        "--metric",
        choices=METRICS,
        default=METRICS[0],
        help="what tells the best epoch on the dev examples; %(default)s; prefer dev_loss where they are few",
    )
    command.add_argument("--bfloat16", action="store_true", help="half the time where the machine has it")
    command.add_argument("--seed", type=seed, default=0, metavar="N", help="%(default)s")
    command.add_argument("--device", choices=DEVICES, default="auto")


def add_split_arguments(command: argparse.ArgumentParser) -> None:
    """What is kept apart, once or in folds."""
    add_side_arguments(command)
    command.add_argument(
        "--folds", type=int, default=0, metavar="K", help="cross-validate, a model per fold; 0: one split"
    )


def add_side_arguments(command: argparse.ArgumentParser) -> None:
    """What is kept apart."""
    command.add_argument(
        "--split", choices=("group", "random"), default="group", help="group: nobody is on two sides"
    )
    command.add_argument("--dev-share", type=share, default=0.1, metavar="SHARE", help="%(default)s")
    command.add_argument("--test-share", type=share, default=0.2, metavar="SHARE", help="%(default)s")


def run_folder(arguments: argparse.Namespace) -> Path:
    """Where the run of the arguments lives."""
    name: str = arguments.name or f"{arguments.modality}-{arguments.data.resolve().stem}"
    folder: Path = arguments.out / name
    return folder


def loop_settings(arguments: argparse.Namespace) -> Any:
    """The arguments of :func:`add_loop_arguments` as ``LoopSettings``."""
    from dataclasses import fields

    from pipeline.train.loop import LoopSettings

    there = vars(arguments)
    return LoopSettings(**{one.name: there[one.name] for one in fields(LoopSettings) if one.name in there})


def tuning(arguments: argparse.Namespace) -> "Tuning":
    """What `train voice` and `train text` have in common."""
    from pipeline.train.tuning import Tuning

    return Tuning(
        modality=arguments.modality,
        data=arguments.data,
        folder=run_folder(arguments),
        root=arguments.root,
        label_column=arguments.label_column,
        group_column=arguments.group_column,
        backbone=arguments.backbone,
        split=arguments.split,
        dev_share=arguments.dev_share,
        test_share=arguments.test_share,
        loop=loop_settings(arguments),
    )


def command_line() -> str:
    """What the person typed, as far as the report repeats it."""
    return shlex.join(["emotion-pipeline", *sys.argv[1:]])


def act_face(arguments: argparse.Namespace) -> int:
    """Run `train face`; returns its exit code. Raises UsageError, ModelError."""
    from pipeline.plan import UsageError
    from pipeline.train.examples import DataError
    from pipeline.train.tune_face import train

    try:
        asked = _face_tuning(arguments)
        with watched() as seen:
            answers = train(
                asked, command_line(), force=arguments.force, say=seen.say, step=seen.step, show=seen.epochs
            )
    except DataError as error:
        raise UsageError(str(error)) from error
    if answers is not None:
        print_result(answers, asked.folder, asked.folds == 0)
    return 0


def _face_tuning(arguments: argparse.Namespace) -> "FaceTuning":
    from pipeline.train.tune_face import FaceTuning

    return FaceTuning(
        data=arguments.data,
        folder=run_folder(arguments),
        root=arguments.root,
        label_column=arguments.label_column,
        group_column=arguments.group_column,
        backbone=arguments.backbone,
        detect=arguments.detect,
        split=arguments.split,
        folds=arguments.folds,
        dev_share=arguments.dev_share,
        test_share=arguments.test_share,
        erasing=arguments.erasing,
        loop=loop_settings(arguments),
    )


def print_result(answers: Any, folder: Path, one_model: bool) -> None:
    """The figures of a finished training and where it lies."""
    from pipeline.train.score import metrics_of

    figures = metrics_of(answers)
    say(
        f"test: n {figures.n}, accuracy {figures.accuracy:.4f}, UAR {figures.uar:.4f}, "
        f"macro-F1 {figures.macro_f1:.4f}"
    )
    say(f"report: {folder / 'summary.html'}")
    if one_model:
        say(f"use it: --backend {folder / 'model'}")


@dataclass(frozen=True)
class Watch:
    """How a training is shown: sentences, things that are counted, and epochs of a named part."""

    say: Callable[[str], None]
    step: Callable[[str, int, int], None]
    epochs: Callable[[str], "Show"]


@contextmanager
def watched() -> Iterator[Watch]:
    """Bars with the time left on a terminal, else a line per epoch; only the first of several is heard."""
    import os

    from rich.console import Console

    from pipeline.cli_progress import counting

    console = Console(stderr=True, quiet=os.environ.get("RANK", "0") != "0", highlight=False, soft_wrap=True)
    with counting(console) as step:

        def epochs(what: str) -> "Show":
            def show(done: int, total: int, epoch: "Epoch | None") -> None:
                if epoch is None:
                    step(what, done, total)
                else:
                    console.print(printable(f"{what}: {_epoch_words(epoch)}"), markup=False)

            return show

        yield Watch(lambda text: console.print(printable(text), markup=False), step, epochs)
    if "RANK" in os.environ:
        from pipeline.train.loop import leave

        leave()


def _epoch_words(epoch: "Epoch") -> str:
    return (
        f"epoch {epoch.epoch}  loss {epoch.train_loss:.4f}  dev loss {epoch.dev_loss:.4f}  "
        f"accuracy {epoch.dev_accuracy:.4f}  macro-F1 {epoch.dev_macro_f1:.4f}  {epoch.seconds:.0f} s"
    )


def count(text: str) -> int:
    """An argument that is a whole number from 1 up."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 up")
    return number


def seed(text: str) -> int:
    """An argument that random numbers can start from."""
    if not text.isdecimal() or int(text) >= 2**31:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0 up")
    return int(text)


def share(text: str) -> float:
    """An argument that is a share, at least 0 and under 1."""
    number = float(text)
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share from 0 to 1")
    return number
