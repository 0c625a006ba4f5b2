"""How well conflicts between face, voice and words are told from noise, beside simpler ways.

    python -m benchmarks.conflict [--only triples,votes] [--json]

The data lies in $EMOTION_DATA (../shared/data by default); answers of the models are kept in outputs/bench.
"""

import argparse
import json
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from benchmarks.conflict.markdown import records
from benchmarks.made_clips import data_root
from pipeline.config import ConfigError
from pipeline.media.container import MediaError
from pipeline.models.cards import ModelError
from pipeline.plan import UsageError
from pipeline.train.examples import DataError

TOLD = (DataError, ModelError, ConfigError, MediaError, UsageError)  # one sentence each
PARTS = {
    "triples": ("1. Paired triples", "triples_table"),
    "votes": ("2. CREMA-D votes", "votes"),
    "emotiontalk": ("3a–c. EmotionTalk: fusion of three labels", "emotiontalk_fusion"),
    "text_voice": ("3d. EmotionTalk: our reading of the words against the voice label", "text_voice"),
    "mosi": ("4. CMU-MOSI", "mosi"),
    "null": ("5. Null", "null"),
    "speaking": ("Who speaks", "speaking"),
}


def main(arguments: list[str] | None = None) -> int:
    """Print one table per part; 1 when one could not be made."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.conflict",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, default=data_root())
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--json", action="store_true", help="print the tables' rows as JSON")
    options = parser.parse_args(arguments)
    chosen = options.only.split(",")
    if unknown := [name for name in chosen if name not in PARTS]:
        parser.error(f"there is no part {unknown[0]!r}; choose among {', '.join(PARTS)}")
    found: dict[str, list[dict[str, str]]] = {}
    for name in chosen:
        title, module = PARTS[name]
        table: Callable[[Path], str] = import_module(f"benchmarks.conflict.{module}").table
        try:
            text = table(options.data)
        except TOLD as error:
            print(f"{title}: {error}", file=sys.stderr)
            return 1
        found[name] = records(text)
        if not options.json:
            print(f"## {title}\n\n{text}\n", flush=True)
    if options.json:
        print(json.dumps(found, ensure_ascii=False, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
