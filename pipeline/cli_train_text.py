"""The command `train text`: a text model from labelled texts."""

import argparse
from dataclasses import replace
from functools import partial
from typing import Any

from pipeline import cli_train
from pipeline.cli_train_idle import LOOP_OPTIONS, refuse_idle

EXAMPLES = """\
examples:
  emotion-pipeline train text --data posts.csv
  emotion-pipeline train text --data posts.csv --language de --group-column dialogue
  emotion-pipeline train text --data posts.csv --backbone hfl/chinese-roberta-wwm-ext --epochs 4

--data is a CSV with the columns `text` and `emotion`, or a folder of .txt files in one folder per class.
Lines of one dialogue or writer stay on one side when a column says whose they are. The compact model is
trained from scratch, in any language, by a recipe that takes only --seed. The model is a back-end at once:
--backend outputs/training/NAME/model.
"""


def add_to(modalities: Any) -> None:
    """Add the modality to the sub-parsers of `train`."""
    command = modalities.add_parser(
        "text",
        help="train a text model",
        description="Train a text model, measure it, and leave it as a back-end.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    cli_train.add_data_arguments(command, "dialogue")
    command.add_argument(
        "--language", metavar="CODE", help="of the texts, for instance zh; else read off them"
    )
    command.add_argument(
        "--backbone",
        default="compact",
        metavar="NAME",
        help="compact (ours), a Transformers text model's folder, or a hub id that was pulled",
    )
    cli_train.add_run_arguments(command)
    cli_train.add_loop_arguments(command)
    cli_train.add_side_arguments(command)
    command.set_defaults(act=partial(act, command), batch_size=16, learning_rate=3e-5, epochs=4)


def act(command: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    """Run `train text`; returns its exit code. Raises UsageError, ModelError."""
    from pipeline.plan import UsageError
    from pipeline.train.examples import DataError
    from pipeline.train.tune_text import train

    if arguments.backbone == "compact":
        refuse_idle(command, arguments, LOOP_OPTIONS, "--backbone compact, whose recipe is fixed")
    asked = replace(cli_train.tuning(arguments), language=arguments.language)
    try:
        with cli_train.watched() as seen:
            answers = train(
                asked,
                cli_train.command_line(),
                arguments.force,
                say=seen.say,
                step=seen.step,
                show=seen.epochs("training"),
            )
    except DataError as error:
        raise UsageError(str(error)) from error
    if answers is not None:
        cli_train.print_result(answers, asked.folder, one_model=True)
    return 0
