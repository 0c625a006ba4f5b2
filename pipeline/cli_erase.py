"""The command `erase`: removes what an analysis left in its output folder."""

import argparse
import sys
from pathlib import Path
from typing import Any

from pipeline.terminal import say, say_aside

EXAMPLES = """\
examples:
  emotion-pipeline erase outputs/vlog          # what shows faces, and the cache; tables and records stay
  emotion-pipeline erase outputs/vlog --all    # everything we made there
"""
LISTED = 8


def add_to(commands: Any) -> None:
    """Register the command with the parser's sub-commands."""
    command = commands.add_parser(
        "erase",
        help="remove face crops, stills, videos and the cache from a folder of results, or all we made there",
        description="Remove what shows faces, and the cache, from a folder of results.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("folder", type=Path, metavar="RESULTS", help="a folder of results, as outputs/vlog")
    command.add_argument("--all", action="store_true", help="tables and records too: everything we made")
    command.add_argument(
        "--yes", action="store_true", help="do not ask; nobody is asked where there is no terminal"
    )
    command.set_defaults(act=act)


def act(arguments: argparse.Namespace) -> int:
    """Run the command; returns 0. Raises UsageError."""
    from pipeline.engine.lock import only_writer
    from pipeline.erase import erase, survey
    from pipeline.plan import WORK, UsageError
    from pipeline.publish import LOCK, another_writes

    folder = arguments.folder
    first = survey(folder, arguments.all)  # refuses before a lock is made
    if not first.files:
        say(f"there is nothing to erase in {folder}; kept: {_listed(first.kept) or 'nothing'}")
        return 0

    def waiting(process: str) -> None:
        say_aside(another_writes(process, folder))

    with only_writer(folder / WORK / LOCK, waiting):
        erasable = survey(folder, arguments.all)
        counted = f"{erasable.files} file{'s' * (erasable.files != 1)} ({erasable.size_bytes / 1e6:.1f} MB)"
        if not (arguments.yes or _agreed(f"erase {counted} from {folder}?")):
            raise UsageError("nothing was erased; answer y, or give --yes")
        erase(erasable)
    say(f"erased {counted} from {folder}: {_listed([*erasable.names, 'the cache'])}")
    if erasable.kept:
        say(f"kept: {_listed(erasable.kept)}" + ("" if arguments.all else " (--all erases all that is ours)"))
    return 0


def _agreed(question: str) -> bool:
    """What a person at the keyboard answers; where there is none, the command is the answer."""
    if sys.stdin is None or not sys.stdin.isatty():
        return True
    say_aside(f"{question} [y/N] ", end="")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _listed(names: Any) -> str:
    shown = ", ".join(names[:LISTED])
    return shown + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")
