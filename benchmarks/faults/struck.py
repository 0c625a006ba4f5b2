"""`emotion-pipeline` that is struck by SIGKILL in the middle of one stage.

    python -m benchmarks.faults.struck STAGE AFTER_S analyze VIDEO --out DIR

The stage begins to write its artifact; AFTER_S seconds later, or when it has written everything and is about
to commit, the process kills itself as `kill -9` would: nothing is cleaned up.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.cli import main as run_command
from pipeline.engine.store import Store


def strike() -> None:
    """End this process at once."""
    os.kill(os.getpid(), signal.SIGKILL)


def arm(victim: str, after_s: float) -> None:
    """From now on the stage ``victim`` does not live to commit."""
    writing = Store.writing

    @contextmanager
    def writing_until_struck(
        self: Store,
        stage: str,
        recipe: Mapping[str, Any],
        measures: Mapping[str, float],
        *,
        replace: bool = False,
    ) -> Iterator[Path]:
        with writing(self, stage, recipe, measures, replace=replace) as scratch:
            if stage == victim:
                timer = threading.Timer(after_s, strike)
                timer.daemon = True
                timer.start()
            yield scratch
            if stage == victim:
                strike()

    Store.writing = writing_until_struck  # type: ignore[method-assign]


if __name__ == "__main__":
    arm(sys.argv[1], float(sys.argv[2]))
    raise SystemExit(run_command(sys.argv[3:]))
