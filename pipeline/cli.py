"""Arguments in, exit codes out; no judgement."""

import argparse
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

from pipeline import (
    cli_erase,
    cli_evaluate,
    cli_export,
    cli_review,
    cli_train,
    cli_train_fusion,
    cli_train_text,
    cli_train_voice,
)
from pipeline.terminal import Parser, UnprintedError, harmless, open_streams, say, say_aside
from pipeline.types import ChineseScript, ExportFormat, FilmStyle, Profile

TRAINING_COMMANDS = ("train", "evaluate", "export")  # may need the packages of the extra `train`
TRAINING_HINT = "install the training tools with `pip install -c constraints.txt -e '.[train]'`"
STOPPING = ("SIGTERM", "SIGHUP")  # end like Ctrl-C; Windows has no SIGHUP
EXIT_OK, EXIT_FAULT, EXIT_USAGE, EXIT_PARTIAL, EXIT_INTERRUPTED = 0, 1, 2, 3, 130

DESCRIPTION = """\
Reads face, voice and words of one video on one timeline and flags where they disagree.

exit codes: 0 all done; 3 partly done (what is missing or lost is named); 2 bad usage or input;
            1 internal error; 130 interrupted (finished stages are kept)
"""
ANALYZE_EXAMPLES = """\
examples:
  emotion-pipeline analyze vlog.mp4
  emotion-pipeline analyze talk.mov --transcript talk.srt --language zh
  emotion-pipeline analyze vlog.mp4 --profile compact --no-video --json
  emotion-pipeline analyze vlog.mp4 --only face,voice --out results/vlog
  emotion-pipeline analyze vlog.mp4 --export elan,vtt --highlights
  emotion-pipeline analyze vlog.mp4 --blur-faces --style minimal
  emotion-pipeline analyze -- -odd-name.mp4
"""


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = Parser(
        prog="emotion-pipeline",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Start with: emotion-pipeline analyze VIDEO, or emotion-pipeline doctor.",
    )
    parser.add_argument("--version", action="store_true", help="print the version and end")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    analyze = _command(commands, "analyze", "analyse one video", ANALYZE_EXAMPLES)
    _video_arguments(analyze)
    analyze.add_argument("--json", action="store_true", help="print the summary as one JSON object")
    analyze.set_defaults(act=_analyze)
    explain = _command(
        commands,
        "explain",
        "show which stages would run for a video, and why",
        "example:\n  emotion-pipeline explain vlog.mp4 --transcript vlog.srt\n",
    )
    _video_arguments(explain)
    explain.set_defaults(act=_explain)
    doctor = _command(
        commands, "doctor", "say what works on this machine and what each missing thing costs", ""
    )
    doctor.set_defaults(act=_doctor)
    models = _command(
        commands,
        "models",
        "list, fetch or check models",
        "examples:\n  emotion-pipeline models list\n  emotion-pipeline models pull\n"
        "  emotion-pipeline models pull hubert\n  emotion-pipeline models verify\n",
    )
    models.add_argument("what", choices=("list", "pull", "verify"))
    models.add_argument("ids", nargs="*", metavar="MODEL", help="ids or back-end names; none: all")
    models.add_argument(
        "--best-effort", action="store_true", help="end with 0 whatever cannot be had, a line for each model"
    )
    models.set_defaults(act=_models)
    modalities = cli_train.add_to(commands)
    cli_train_voice.add_to(modalities)
    cli_train_text.add_to(modalities)
    cli_train_fusion.add_to(modalities)
    cli_train_fusion.add_evaluate(cli_evaluate.add_to(commands))
    cli_export.add_to(commands)
    cli_review.add_to(commands)
    cli_erase.add_to(commands)
    return parser


def _command(commands: Any, name: str, what: str, examples: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=what,
        description=what[0].upper() + what[1:] + ".",
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return command


def _video_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "video",
        nargs="?",
        metavar="VIDEO",
        help="a path, or a name found in inputs/; without it, inputs/sample.mp4",
    )
    command.add_argument("--out", metavar="DIR", help="where results go; outputs/<video name>")
    command.add_argument(
        "--profile",
        choices=get_args(Profile),
        help="auto: per modality the best model that is on this machine",
    )
    command.add_argument("--language", metavar="CODE", help="spoken language, for instance zh or en")
    command.add_argument(
        "--audio-track", type=int, metavar="N", help="which sound track to read, from 1; that of --language"
    )
    command.add_argument(
        "--script",
        choices=get_args(ChineseScript),
        help="Chinese characters; auto leaves subtitles as written",
    )
    command.add_argument(
        "--transcript", type=Path, metavar="FILE", help="subtitles: .srt, .vtt, .ass or .csv"
    )
    command.add_argument("--only", metavar="LIST", help="some of face,voice,text")
    command.add_argument("--no-video", action="store_true", help="skip the annotated film")
    command.add_argument("--style", choices=get_args(FilmStyle), help="how much the film shows; full")
    command.add_argument("--blur-faces", action="store_true", help="blur every detected face, for sharing")
    command.add_argument(
        "--keep-no-faces", action="store_true", help="keep no face crops or stills in the cache after the run"
    )
    command.add_argument(
        "--highlights",
        action="store_true",
        help="also a reel of the strongest moments, a still of each, and a sheet of key frames",
    )
    command.add_argument(
        "--export",
        metavar="LIST",
        help=f"files for other tools: all, or some of {','.join(get_args(ExportFormat))}",
    )
    command.add_argument("--config", type=Path, metavar="FILE", help="settings as TOML, see docs/CONFIG.md")
    command.add_argument("--force", action="store_true", help="run every stage again")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    open_streams()
    try:
        return _run(argv)
    except KeyboardInterrupt:
        return _end_interrupted()
    except UnprintedError as error:
        return _unprinted(error, EXIT_OK)


def _unprinted(error: UnprintedError, code: int) -> int:
    """The exit code of a command that ended with ``code`` and could not say so."""
    if error.reader_left:
        return code
    return _fail(f"the output could not be printed ({error}); what was made is kept", code or EXIT_PARTIAL)


def _run(argv: Sequence[str] | None) -> int:
    parser = build_parser()
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as end:  # argparse ends the process itself, after --help as after a mistake
        return int(end.code or EXIT_OK)
    if arguments.version:
        from pipeline import __version__

        say(f"emotion-pipeline {__version__}")
        return EXIT_OK
    if arguments.command is None:
        parser.print_help()
        return EXIT_USAGE
    for name in STOPPING:
        number = getattr(signal, name, None)
        # What was told to be deaf, as by nohup, stays so.
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _as_interrupt)
    return _guarded(arguments.act, arguments)


def _as_interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


def _guarded(act: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> int:
    from pipeline.config import ConfigError
    from pipeline.models.cards import ModelError, one_sentence
    from pipeline.plan import UsageError

    expected: tuple[type[Exception], ...] = (ConfigError, UsageError, ModelError)
    if arguments.command in ("analyze", "explain"):
        from pipeline.media.container import MediaError

        expected = (*expected, MediaError)
    try:
        return act(arguments)
    except expected as error:
        return _fail(" ".join(str(error).splitlines()) or one_sentence(error), EXIT_USAGE)
    except UnprintedError:
        raise
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and arguments.command in TRAINING_COMMANDS:
            return _fail(f"this needs the package {error.name}; {TRAINING_HINT}", EXIT_USAGE)
        if os.environ.get("EMOTION_PIPELINE_DEBUG"):
            say_aside(traceback.format_exc())
        hint = "set EMOTION_PIPELINE_DEBUG=1 and run it again to see where"
        return _fail(f"internal error: {type(error).__name__}: {one_sentence(error)}; {hint}", EXIT_FAULT)


def _fail(sentence: str, code: int) -> int:
    say_aside(f"emotion-pipeline: {sentence}")
    return code


def _end_interrupted() -> int:
    """End at once: native code in worker threads cannot be stopped, its scratch folders can be removed."""
    from pipeline.engine.store import discard_open_scratch
    from pipeline.media.encode import stop_children

    for name in ("SIGINT", *STOPPING):  # once is enough
        if number := getattr(signal, name, None):
            signal.signal(number, signal.SIG_IGN)
    stop_children()
    discard_open_scratch()
    say_aside("\ninterrupted; finished stages are kept, the same command goes on from there")
    os._exit(EXIT_INTERRUPTED)


def _config(arguments: argparse.Namespace) -> Any:
    from pipeline.config import config_from_mapping, load_config
    from pipeline.plan import formats_listed, listed

    flags: dict[str, dict[str, Any]] = {}
    if arguments.profile:
        flags.setdefault("run", {})["profile"] = arguments.profile
    if arguments.only:
        flags.setdefault("run", {})["only"] = listed("--only", arguments.only)
    if arguments.keep_no_faces:
        flags.setdefault("run", {})["keep_no_faces"] = True
    if arguments.language:
        flags.setdefault("transcript", {})["language"] = arguments.language
    if arguments.script:
        flags.setdefault("transcript", {})["script"] = arguments.script
    if arguments.audio_track is not None:
        flags["media"] = {"audio_track": arguments.audio_track}
    if arguments.no_video:
        flags.setdefault("film", {})["enabled"] = False
    if arguments.style:
        flags.setdefault("film", {})["style"] = arguments.style
    if arguments.blur_faces:
        flags.setdefault("film", {})["blur_faces"] = True
    if arguments.highlights:
        flags["highlights"] = {"enabled": True}
    if arguments.export:
        flags["export"] = {"formats": formats_listed(arguments.export)}
    return load_config(arguments.config, flags) if arguments.config else config_from_mapping(flags)


def _request(arguments: argparse.Namespace) -> Any:
    from pipeline.plan import Request, find_video, named_folder

    return Request(
        video=find_video(arguments.video),
        config=_config(arguments),
        out=named_folder(arguments.out),
        transcript=arguments.transcript,
        force=arguments.force,
    )


def _analyze(arguments: argparse.Namespace) -> int:
    from rich.console import Console

    from pipeline.engine.progress import progress_lines
    from pipeline.job import run
    from pipeline.summary import as_json, as_text

    with harmless(progress_lines(Console(stderr=True))) as show:
        result = run(_request(arguments), show)
    code = EXIT_OK if result.complete else EXIT_PARTIAL
    if result.analysis is None:
        code = EXIT_FAULT
    try:
        say(json.dumps(as_json(result, code), ensure_ascii=False) if arguments.json else as_text(result))
    except UnprintedError as error:
        return _unprinted(error, code)
    return code


def _explain(arguments: argparse.Namespace) -> int:
    from pipeline.plan import explain

    for stage, why in explain(_request(arguments)):
        say(f"{stage:<12} {why}")
    return EXIT_OK


def _doctor(arguments: argparse.Namespace) -> int:
    from pipeline.doctor import examine

    findings = examine()
    for finding in findings:
        mark = "ok     " if finding.works else "missing"
        say(f"{mark}  {finding.what}" + ("" if finding.works else f" - {finding.cost}"))
    return EXIT_OK if all(finding.works or not finding.needed for finding in findings) else EXIT_PARTIAL


def _models(arguments: argparse.Namespace) -> int:
    from pipeline.cli_models import act

    well = act(arguments.what, arguments.ids, arguments.best_effort)
    return EXIT_OK if well else EXIT_PARTIAL


if __name__ == "__main__":
    sys.exit(main())
