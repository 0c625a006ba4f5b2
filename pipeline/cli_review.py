"""The command `review`: a sheet on which humans mark events, and what their marks come to."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.terminal import say, say_aside

PRECISION = 0.8
EXAMPLES = """\
examples:
  emotion-pipeline review outputs/vlog
  emotion-pipeline review outputs/vlog outputs/talk --out both.csv
  emotion-pipeline review outputs/vlog --with-foils 10
  emotion-pipeline review --import outputs/vlog/ann.csv outputs/vlog/bob.csv
  emotion-pipeline review --import ann.csv bob.csv --results outputs/vlog --precision 0.9 --json

Each rater fills in a copy of the sheet alone: right, wrong or unsure under Verdict, anything under Note.
A rater is named under Rater, or by the file. docs/REVIEW.md says how the figures are made.
"""


def add_to(commands: Any) -> None:
    """Register the command with the parser's sub-commands."""
    command = commands.add_parser(
        "review",
        help="a sheet on which humans mark each conflict right or wrong, and what their marks come to",
        description="Write a sheet on which humans mark each conflict; with --import, read the marks.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("folders", nargs="*", type=Path, metavar="RESULTS", help="folders of results")
    command.add_argument("--out", type=Path, metavar="FILE", help="the sheet; review.csv in each folder")
    command.add_argument("--show-evidence", action="store_true", help="also how sure the detector was")
    command.add_argument("--with-masking", action="store_true", help="also masking, which is no alarm")
    command.add_argument(
        "--with-foils",
        type=_count,
        default=0,
        metavar="N",
        help="also up to N stretches of each film without an alarm, which raters cannot tell from alarms",
    )
    command.add_argument(
        "--import", nargs="+", type=Path, dest="sheets", metavar="FILE", help="marked sheets"
    )
    command.add_argument(
        "--results",
        nargs="+",
        type=Path,
        default=[],
        metavar="RESULTS",
        help="folders the sheets were made from; not needed for a sheet that still lies in its own",
    )
    command.add_argument(
        "--precision",
        type=_precision,
        metavar="SHARE",
        help=f"that the proposed operating point is to reach; {PRECISION}",
    )
    command.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    command.set_defaults(act=act)


def act(arguments: argparse.Namespace) -> int:
    """Run the command; returns 0. Raises UsageError."""
    from pipeline.plan import UsageError
    from pipeline.review.events import ReviewError

    if arguments.sheets:
        _refuse(
            arguments,
            ("out", "show_evidence", "with_masking", "with_foils"),
            "is for writing a sheet, not for --import",
        )
    else:
        _refuse(arguments, ("results", "precision", "json"), "goes with --import")
    try:
        return _import(arguments) if arguments.sheets else _write(arguments)
    except ReviewError as error:
        raise UsageError(str(error)) from error


def _refuse(arguments: argparse.Namespace, names: tuple[str, ...], why: str) -> None:
    from pipeline.plan import UsageError

    for name in names:
        if getattr(arguments, name):
            raise UsageError(f"--{name.replace('_', '-')} {why}; see `emotion-pipeline review --help`")


def _write(arguments: argparse.Namespace) -> int:
    from pipeline.plan import UsageError
    from pipeline.review.foils import foils
    from pipeline.review.outcome import read_analysis
    from pipeline.review.sheet import SHEET, Asked, as_csv, check_free, rows, write
    from pipeline.writers.facts import one_line

    if not arguments.folders:
        raise UsageError("name a folder of results, as outputs/vlog, or give marked sheets with --import")
    if arguments.show_evidence and arguments.with_foils:
        raise UsageError("evidence would give the foils away; take --show-evidence or --with-foils")
    asked = Asked(arguments.show_evidence, arguments.with_masking, arguments.with_foils)
    folders = list({folder.resolve(): folder for folder in arguments.folders}.values())
    analyses = [read_analysis(folder) for folder in folders]
    if arguments.out:
        _refuse_twins(folders, [one.media.sha256 for one in analyses])
    targets = (
        {arguments.out: analyses}
        if arguments.out
        else {folder / SHEET: [one] for folder, one in zip(folders, analyses, strict=True)}
    )
    for path in targets:
        check_free(path)
    for path, films in targets.items():
        count = sum(len(rows(film, asked)) for film in films)
        put_in = sum(len(foils(film, asked.foils)) for film in films)
        if not count:
            say_aside(
                f"no conflicts in {', '.join(one_line(film.name) for film in films)}: nothing to review"
            )
            continue
        write(path, as_csv(films, asked))
        hidden = f", {put_in} of them put in without an alarm" if asked.foils else ""
        say(f"{path}: {count} event{'s' * (count != 1)} to mark right, wrong or unsure{hidden}")
    return 0


def _refuse_twins(folders: Sequence[Path], films: Sequence[str]) -> None:
    """One film's events in one sheet are marked once."""
    from pipeline.review.events import ReviewError

    first: dict[str, Path] = {}
    for folder, film in zip(folders, films, strict=True):
        if film in first:
            raise ReviewError(
                f"{first[film]} and {folder} are results of one film; name one of them, or leave out --out"
            )
        first[film] = folder


def _import(arguments: argparse.Namespace) -> int:
    import json

    from pipeline.review.outcome import read
    from pipeline.review.report import as_json, as_text

    found = read(arguments.sheets, [*arguments.folders, *arguments.results], arguments.precision or PRECISION)
    say(json.dumps(as_json(found), ensure_ascii=False) if arguments.json else as_text(found))
    return 0


def _count(text: str) -> int:
    """An argument that is a whole number from 1 up."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 up")
    return int(text)


def _precision(text: str) -> float:
    """An argument that is a share above 0 and under 1."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share between 0 and 1, as {PRECISION}")
    return number
