"""The command `evaluate`: any back-end on anybody's labelled files or texts."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.terminal import say, say_aside

if TYPE_CHECKING:
    from pipeline.train.evaluate import Evaluation
    from pipeline.train.examples import LabelledSet
    from pipeline.train.score import Show

EXAMPLES = """\
examples:
  emotion-pipeline evaluate text --backend compact --data reviews.csv --label-column emotion
  emotion-pipeline evaluate text --backend compact --data interviews.csv --spoken
  emotion-pipeline evaluate voice --backend compact --data clips/labels.csv --group-column speaker
  emotion-pipeline evaluate face --backend deepface --data photos/labels.csv --detect --json
  emotion-pipeline evaluate face --backend compact --data actors/labels.csv --group-column performer
  emotion-pipeline evaluate face --backend outputs/training/faces/model --data faces.csv --out results/faces
  emotion-pipeline evaluate text --backend my-model --data dev.csv --save-reliability

The CSV has a column `file`, or `text`, and one with the label. Pictures are cropped faces unless --detect.
Examples labelled with an emotion that the model has no label for are left out of the figures and counted.
JSON: n, accuracy, uar, macro_f1, weighted_f1, ece, per_class; labels (emotions the model answers), lacking
(examples of others, by emotion), accuracy_if_lacking_wrong, skipped (all that was left out, by reason),
groups and, with --group-column, speaker_normalised (voices) and own_baseline (faces).
"""


def add_to(commands: Any) -> argparse.ArgumentParser:
    """Add the command to the sub-parsers of the command line; returns its own."""
    command: argparse.ArgumentParser = commands.add_parser(
        "evaluate",
        help="measure a face, voice, text or fusion model on labelled data",
        description="Measure a face, voice, text or fusion model on labelled data.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("modality", choices=("face", "voice", "text", "fusion"))
    command.add_argument("--backend", metavar="NAME", help="a back-end's name, a model folder or a hub id")
    command.add_argument(
        "--data", required=True, type=Path, metavar="LABELS.csv", help="the labelled examples"
    )
    command.add_argument(
        "--root", type=Path, metavar="DIR", help="what `file` is relative to; the CSV's folder"
    )
    command.add_argument("--label-column", default="emotion", metavar="NAME")
    command.add_argument(
        "--group-column",
        metavar="NAME",
        help="performer or speaker: figures of each; voices also normalised by their own speech, faces also "
        "relative to their own mean answer (face.own_baseline)",
    )
    command.add_argument(
        "--language", metavar="CODE", help="language of the texts, for instance zh; else read off them"
    )
    command.add_argument(
        "--spoken",
        action="store_true",
        help="texts are transcripts of speech: `compact` reads them as in films, other models as any text",
    )
    command.add_argument(
        "--detect", action="store_true", help="pictures are photos: find the face first, as in films"
    )
    command.add_argument("--device", default="auto", help="torch device of a Transformers model")
    command.add_argument(
        "--save-reliability",
        action="store_true",
        help="write confusion matrix and mean answer into the model folder's card: conflicts in films are "
        "weighed by them; the data must be none the model was trained on",
    )
    command.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    command.add_argument("--out", type=Path, metavar="DIR", help="also write pictures, errors and a summary")
    command.set_defaults(act=act)
    return command


def act(arguments: argparse.Namespace) -> int:
    """Run the command; returns its exit code. Raises UsageError, ModelError."""
    import json

    from pipeline.plan import UsageError
    from pipeline.train.evaluate import as_json, as_text, evaluation
    from pipeline.train.examples import DataError, read_examples
    from pipeline.train.reliability import check_folder, save_reliability

    try:
        if arguments.save_reliability:
            check_folder(arguments.backend)
        examples = read_examples(
            arguments.modality,
            arguments.data,
            root=arguments.root,
            label_column=arguments.label_column,
            group_column=arguments.group_column,
        )
        with _progress() as show:
            result = evaluation(
                arguments.backend,
                examples,
                arguments.device,
                detect=arguments.detect,
                by_groups=arguments.group_column is not None,
                language=arguments.language,
                spoken=arguments.spoken,
                show=show,
            )
        if arguments.save_reliability:
            save_reliability(arguments.backend, result.plain, arguments.data.name)
    except DataError as error:
        raise UsageError(str(error)) from error
    if arguments.out is not None:
        _write(arguments, examples, result)
    say(json.dumps(as_json(result), ensure_ascii=False) if arguments.json else as_text(result))
    return 0


def _write(arguments: argparse.Namespace, examples: "LabelledSet", result: "Evaluation") -> None:
    import shlex
    import sys

    from pipeline.train.report.folder import RunAbout, write_report
    from pipeline.train.report.summary import KNOWN_SPEAKER, OWN_BASELINE

    about = RunAbout(
        title=f"{arguments.modality}: {arguments.backend} on {arguments.data.name}",
        command=shlex.join(["emotion-pipeline", *sys.argv[1:]]),
        data=str(arguments.data),
        split="nothing was trained here: every example was asked about",
        seed=0,
        n_train=0,
        n_dev=0,
        n_test=len(examples.examples),
        leaking_groups=0,
        notes=(),
    )
    known = {KNOWN_SPEAKER: result.known_speaker, OWN_BASELINE: result.own_baseline}
    baselines = {name: one for name, one in known.items() if one is not None}
    write_report(arguments.out, result.plain, (), about, baselines)
    say_aside(f"report: {arguments.out / 'summary.html'}")


@contextmanager
def _progress() -> "Iterator[Show]":
    """Examples done and time left, on a terminal's standard error; silent when nobody watches."""
    from rich.console import Console

    from pipeline.cli_progress import counting

    with counting(Console(stderr=True)) as step:
        step("examples", 0, None)
        yield lambda done, total: step("examples", done, total)
