"""The command `train voice`: a manifest of clips, a model from them, or one fitted to one person."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pipeline import cli_train
from pipeline.cli_train_idle import LOOP_OPTIONS, SIDE_OPTIONS, refuse_idle
from pipeline.terminal import say

NETWORK_OPTIONS = (*LOOP_OPTIONS, "all_layers", "longest_s")
KINDS = ("ravdess", "crema-d", "emo-db", "casia", "meld", "folder")
EXAMPLES = """\
examples:
  emotion-pipeline train voice --prepare ravdess RAVDESS --prepare folder my_clips --out clips.csv
  emotion-pipeline train voice --data clips.csv
  emotion-pipeline train voice --data clips.csv --backbone facebook/hubert-base-ls960 --patience 3
  emotion-pipeline train voice --personalise --data ann.csv --name ann

--prepare lists the clips of a corpus by its own file names, or of folders named for emotions, with what is
wrong with each; unfit ones stay out of training. Nobody is heard on two sides: the CSV needs a column
`speaker`, or name another with --group-column. Classes always weigh alike, also without --class-weights.
The compact model is trained by a recipe that takes only --seed.
--personalise fits a model to one person from a few minutes of labelled clips (best five or more of each
mood) and says by cross-validation whether that helped.
The model is a back-end at once: --backend outputs/training/NAME/model.
"""


def add_to(modalities: Any) -> None:
    """Add the modality to the sub-parsers of `train`."""
    command = modalities.add_parser(
        "voice",
        help="list clips, train a voice model, or fit one to one person",
        description="List clips, train a voice model, or fit one to one person.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    cli_train.add_data_arguments(command, "speaker", required=False)
    command.add_argument(
        "--prepare",
        nargs=2,
        action="append",
        default=[],
        metavar=("KIND", "DIR"),
        help=f"write a manifest of a corpus to --out; KIND is one of {', '.join(KINDS)}",
    )
    command.add_argument("--personalise", action="store_true", help="fit the backbone to the one speaker")
    command.add_argument(
        "--backbone",
        default="compact",
        metavar="NAME",
        help="compact (ours), a HuBERT, WavLM or wav2vec 2.0 folder, or a hub id that was pulled",
    )
    cli_train.add_run_arguments(command)
    cli_train.add_loop_arguments(command)
    command.add_argument(
        "--all-layers", action="store_true", help="also train the convolutions that read the sound"
    )
    command.add_argument(
        "--longest-s",
        type=float,
        default=6.0,
        metavar="S",
        help="of a longer clip a part is drawn; %(default)s",
    )
    cli_train.add_side_arguments(command)
    command.set_defaults(
        act=partial(act, command), batch_size=8, learning_rate=5e-5, epochs=10, class_weights=True
    )


def act(command: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    """Run `train voice`; returns its exit code. Raises UsageError, ModelError."""
    from pipeline.plan import UsageError
    from pipeline.train.examples import DataError

    if bool(arguments.prepare) == (arguments.data is not None):
        raise UsageError("give either --prepare KIND DIR with --out FILE, or --data CSV; see --help")
    if arguments.personalise:
        refuse_idle(command, arguments, (*NETWORK_OPTIONS, *SIDE_OPTIONS), "--personalise")
    elif arguments.backbone == "compact":
        refuse_idle(command, arguments, NETWORK_OPTIONS, "--backbone compact, whose recipe is fixed")
    try:
        if arguments.prepare:
            return _prepare(arguments.prepare, arguments.out)
        return _personalise(arguments) if arguments.personalise else _train(arguments)
    except DataError as error:
        raise UsageError(str(error)) from error


def _prepare(corpora: Sequence[tuple[str, str]], out: Path) -> int:
    from pipeline.plan import UsageError
    from pipeline.train.voice_manifest import check_clips, find_clips, summary, write_manifest

    if out == cli_train.OUT or out.suffix.lower() != ".csv":
        raise UsageError("say where the list goes: --out manifest.csv")
    unknown = [kind for kind, _ in corpora if kind not in KINDS]
    if unknown:
        raise UsageError(f"{unknown[0]!r} is no kind of corpus; choose one of {', '.join(KINDS)}")
    clips, left = [], 0
    for kind, folder in corpora:
        found, others = find_clips(kind, Path(folder))
        clips += found
        left += others
    with cli_train.watched() as seen:
        checked = check_clips(clips, lambda done, total: seen.step("listening", done, total))
    write_manifest(checked, out)
    say("\n".join([*summary(checked, left), f"list: {out}"]))
    return 0


def _train(arguments: argparse.Namespace) -> int:
    from pipeline.train.tune_voice import train

    asked = replace(
        cli_train.tuning(arguments),
        frozen_features=not arguments.all_layers,
        longest_s=arguments.longest_s,
    )
    with cli_train.watched() as seen:
        answers = train(
            asked,
            cli_train.command_line(),
            arguments.force,
            say=seen.say,
            step=seen.step,
            show=seen.epochs("training"),
        )
    if answers is not None:
        cli_train.print_result(answers, asked.folder, one_model=True)
    return 0


def _personalise(arguments: argparse.Namespace) -> int:
    from pipeline.train.personal.run import personalise

    asked = cli_train.tuning(arguments)
    with cli_train.watched() as seen:
        answers, told = personalise(
            asked, cli_train.command_line(), arguments.force, say=seen.say, step=seen.step
        )
    say(told)
    cli_train.print_result(answers, asked.folder, one_model=True)
    return 0
