"""The commands `train fusion` and `evaluate fusion`: how several readings become one."""

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import cli_evaluate, cli_train
from pipeline.fusion.nets import STRATEGIES
from pipeline.terminal import say

if TYPE_CHECKING:
    from pipeline.train.fusion.run import Result

ALL = "all inputs"
WITHOUT_NETWORK = ("average", "confidence")
NETWORK_OPTIONS = ("modality_dropout", "members", "epochs")
CSV_OPTIONS = ("label_column", "group_column", "metadata")
FILE_OPTIONS = ("backend", "root", "language", "spoken", "detect", "device", "save_reliability", "out")
EXAMPLES = """\
examples:
  emotion-pipeline train fusion --data scores.csv --strategy attention
  emotion-pipeline train fusion --data scores.csv --strategy concat-stacking --metadata age_band,role --seed 3
  emotion-pipeline train fusion --data labels.csv --label-column overall_label --strategy cross-attention

--data is a CSV with, per input, a probability of each emotion (`face_happy`, `face_sad`, ...) or one label
(`face_label`), perhaps how far to trust it (`face_quality`, 0 to 1), and the true label; empty cells are
absent inputs. A column `split` with train, dev and test is kept to. Or an .npz with arrays `<input>_train`,
`<input>_test` and the labels of both.
average, weighted, confidence, stacking, attention fuse what each input says by itself; concat, transformer,
cross-attention fuse the inputs' features; concat-stacking does both. Inputs are hidden in training, so that a
missing one costs little. Use it in an analysis: in the settings file, [fusion] strategy = "learned" and
model = "outputs/training/NAME/model".
"""


def add_to(modalities: Any) -> None:
    """Add the kind to the sub-parsers of `train`."""
    command = modalities.add_parser(
        "fusion",
        help="train how face, voice and text become one reading",
        description="Train how face, voice and text become one reading, measure it, and leave it as a model.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--data", required=True, type=Path, metavar="DATA", help="CSV or .npz")
    command.add_argument("--strategy", required=True, choices=STRATEGIES)
    command.add_argument("--label-column", default="emotion", metavar="NAME")
    command.add_argument(
        "--group-column", metavar="NAME", help="who must not be on two sides, for instance dialogue"
    )
    command.add_argument(
        "--metadata",
        default="",
        metavar="LIST",
        help="columns that join as one more input",
    )
    cli_train.add_run_arguments(command)
    command.add_argument("--seed", type=cli_train.seed, default=0, metavar="N", help="%(default)s")
    command.add_argument(
        "--modality-dropout",
        type=cli_train.share,
        default=0.25,
        metavar="SHARE",
        help="how often an input is hidden in training; %(default)s",
    )
    command.add_argument(
        "--members", type=cli_train.count, default=1, metavar="N", help="networks averaged; %(default)s"
    )
    command.add_argument("--epochs", type=cli_train.count, default=40, metavar="N", help="%(default)s")
    command.add_argument("--dev-share", type=cli_train.share, default=0.15, metavar="SHARE")
    command.add_argument("--test-share", type=cli_train.share, default=0.2, metavar="SHARE")
    command.set_defaults(act=partial(act, command))


def act(command: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    """Run `train fusion`; returns its exit code. Raises UsageError."""
    from pipeline.cli_train_idle import refuse_idle
    from pipeline.plan import UsageError
    from pipeline.train.examples import DataError
    from pipeline.train.fusion.descend import FitSettings
    from pipeline.train.fusion.run import FusionTuning, train

    if arguments.data.suffix.lower() == ".npz":
        refuse_idle(command, arguments, CSV_OPTIONS, "an .npz file")
    if arguments.strategy in WITHOUT_NETWORK:
        refuse_idle(command, arguments, NETWORK_OPTIONS, f"--strategy {arguments.strategy}")
    folder = cli_train.run_folder(arguments)
    asked = FusionTuning(
        data=arguments.data,
        folder=folder,
        strategy=arguments.strategy,
        label_column=arguments.label_column,
        group_column=arguments.group_column,
        metadata=names(arguments.metadata),
        dev_share=arguments.dev_share,
        test_share=arguments.test_share,
        fit=FitSettings(
            seed=arguments.seed,
            members=arguments.members,
            epochs=arguments.epochs,
            modality_dropout=arguments.modality_dropout,
        ),
    )
    try:
        with cli_train.watched() as seen:
            result = train(asked, cli_train.command_line(), arguments.force, seen.say)
    except DataError as error:
        raise UsageError(str(error)) from error
    say(words(result))
    say(f"figures: {folder / 'metrics.json'}")
    say(how_used(folder / "model"))
    return 0


def how_used(folder: Path) -> str:
    """What can be done with the fusion in a folder."""
    from pipeline.fusion.learned import load_for_moments
    from pipeline.models.cards import ModelError

    try:
        load_for_moments(folder)
    except ModelError:
        return f"measure it: evaluate fusion --data FILE --model {folder} (an analysis has no such scores)"
    return f'use it: [fusion] strategy = "learned", model = "{folder}"'


def add_evaluate(command: argparse.ArgumentParser) -> None:
    """Teach the command `evaluate` about fusions."""
    command.add_argument("--model", type=Path, metavar="DIR", help="fusion: the model folder; ours")
    command.add_argument("--without", default="", metavar="LIST", help="fusion: inputs to leave out")
    command.set_defaults(act=partial(act_evaluate, command))


def act_evaluate(command: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    """Run `evaluate`; returns its exit code. Raises UsageError, ModelError."""
    from pipeline.cli_train_idle import refuse_idle
    from pipeline.plan import UsageError

    if arguments.modality != "fusion":
        idle = ("model", "without") if arguments.modality == "text" else ("model", "without", "spoken")
        refuse_idle(command, arguments, idle, f"evaluate {arguments.modality}")
        if arguments.backend is None:
            raise UsageError("say what is measured: --backend NAME")
        return cli_evaluate.act(arguments)
    refuse_idle(command, arguments, FILE_OPTIONS, "evaluate fusion")
    return _evaluate(arguments)


def _evaluate(arguments: argparse.Namespace) -> int:
    import json

    from pipeline.plan import UsageError
    from pipeline.train.examples import DataError
    from pipeline.train.fusion.data import Columns
    from pipeline.train.fusion.run import ask, measured, result_json

    columns = Columns(arguments.label_column, arguments.group_column)
    try:
        model, asked = ask(arguments.data, columns, arguments.model, names(arguments.without))
    except DataError as error:
        raise UsageError(str(error)) from error
    result = measured(model, asked)
    left = f"all but {', '.join(names(arguments.without))}" if arguments.without else ALL
    say(json.dumps(result_json(result), ensure_ascii=False) if arguments.json else words(result, left))
    return 0


def words(result: "Result", which: str = ALL) -> str:
    """The figures in lines; ``which`` says what inputs there were."""
    lines = [_line(which, result.metrics)]
    lines += [
        _line(f"and without {name}" if which != ALL else f"without {name}", one)
        for name, one in result.without.items()
    ]
    return "\n".join(lines)


def _line(name: str, one: Any) -> str:
    return (
        f"{name}: n {one.n}, accuracy {one.accuracy:.4f}, UAR {one.uar:.4f}, macro-F1 {one.macro_f1:.4f}, "
        f"calibration error {one.ece:.4f}"
    )


def names(text: str) -> tuple[str, ...]:
    """The names in a list divided by commas."""
    return tuple(one for part in text.split(",") if (one := part.strip()))
