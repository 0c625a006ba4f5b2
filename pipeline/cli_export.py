"""The command `export`: a model into other formats, compared with the original."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.terminal import say

if TYPE_CHECKING:
    from pipeline.train.export.info import FormatInfo, ModelInfo

MODALITIES = ("face", "voice", "text")
HOME = Path("outputs/export")
EXAMPLES = """\
examples:
  emotion-pipeline export face --backend compact
  emotion-pipeline export voice --backend outputs/training/ravdess/model --formats onnx,onnx-int8
  emotion-pipeline export text --backend compact --data posts.csv

Each format is read back from its files and compared with the original, on --data or on made inputs;
model_info.json says how to use it and how it does. With --data, 8-bit weights are also calibrated.
"""


def add_to(commands: Any) -> None:
    """Register the command with the parser's sub-commands."""
    command = commands.add_parser(
        "export",
        help="write a model as PyTorch, TorchScript, ONNX and 8-bit ONNX",
        description="Write a model as PyTorch, TorchScript, ONNX and 8-bit ONNX.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("modality", choices=MODALITIES)
    command.add_argument("--backend", required=True, metavar="NAME", help="a name, a folder or a hub id")
    command.add_argument("--formats", metavar="LIST", help="some of pytorch,torchscript,onnx,onnx-int8")
    command.add_argument("--out", type=Path, metavar="DIR", help="default: outputs/export/<modality>-<name>")
    command.add_argument("--data", type=Path, metavar="LABELS", help="labelled data: a CSV or a folder")
    command.add_argument("--root", type=Path, metavar="DIR", help="where the files of the CSV lie")
    command.add_argument("--label-column", metavar="COLUMN", help="default: emotion")
    command.add_argument("--limit", type=int, metavar="N", help="compare at most N examples (500)")
    command.add_argument("--force", action="store_true", help="replace an export that is there")
    command.set_defaults(act=act)


def act(arguments: argparse.Namespace) -> int:
    """Run the command; returns 0.

    Raises:
        UsageError: the folder is there already, or the data cannot be used.
        ModelError: the model cannot be used, there is no such format, or an export does not agree.
    """
    from rich.console import Console

    from pipeline.plan import UsageError

    out = arguments.out or HOME / f"{arguments.modality}-{_name_of(arguments.backend)}"
    if out.exists() and not arguments.force:
        raise UsageError(f"{out} is there already; give another --out, or --force to replace it")
    if arguments.limit is not None and arguments.limit < 1:
        raise UsageError("--limit must be 1 or more; leave it out to compare up to 500 examples")
    from pipeline.train.examples import LABEL_COLUMN, DataError, read_examples
    from pipeline.train.export.formats import FORMATS
    from pipeline.train.export.run import COMPARED, check_formats, export

    formats = FORMATS if arguments.formats is None else _listed(arguments.formats)
    check_formats(formats)
    console = Console(stderr=True)
    try:
        labelled = None
        if arguments.data is not None:
            column = arguments.label_column or LABEL_COLUMN
            labelled = read_examples(arguments.modality, arguments.data, arguments.root, column)
        with console.status("export") as status:
            info = export(
                arguments.modality,
                arguments.backend,
                out,
                formats=formats,
                labelled=labelled,
                limit=arguments.limit or COMPARED,
                show=lambda what: status.update(f"export: {what}"),
            )
    except DataError as error:
        raise UsageError(str(error)) from error
    say(as_text(info, out))
    return 0


def as_text(info: "ModelInfo", out: Path) -> str:
    """The table a person reads."""
    lines = [
        f"{info.model.modality} {info.model.backend}, compared on {info.compared_on}",
        "",
        f"{'format':<12} {'size':>10} {'ms':>9} {'max difference':>15} {'same answer':>12} "
        f"{'accuracy':>9} {'lost':>7}",
        f"{'original':<12} {_size(info.original.weights_bytes):>10} {info.original.milliseconds:>9.2f} "
        f"{'':>15} {'':>12} {_share(info.original.accuracy):>9}",
    ]
    lines += [_line(name, one) for name, one in info.formats.items()]
    notes = [f"{name}: {note}" for name, one in info.formats.items() for note in one.notes]
    return "\n".join([*lines, "", *notes, f"written to {out}"])


def _line(name: str, one: "FormatInfo") -> str:
    return (
        f"{name:<12} {_size(one.size_bytes):>10} {one.milliseconds:>9.2f} {one.max_difference:>15.1e} "
        f"{one.same_top:>12.1%} {_share(one.accuracy):>9} {_share(one.accuracy_lost):>7}"
    )


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.2f} MB"


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _name_of(backend: str) -> str:
    """What the default folder is named for; trainings all call their model's folder alike, so the run's."""
    from pipeline.train.runs import MODEL_FOLDER

    path = Path(backend)
    if path.is_dir():
        path = path.resolve()  # "." has no name
        return path.parent.name if path.name == MODEL_FOLDER else path.name
    return path.name


def _listed(formats: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in formats.split(",") if one.strip())
