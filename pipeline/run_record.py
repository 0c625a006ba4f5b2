"""``run.json`` of an earlier run, as far as it matters to a later one."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from pipeline.engine.files import read_state

RUN_FILE = "run.json"


@dataclass(frozen=True, slots=True)
class CorrectedByHand:
    """How many ``lines`` of the transcript ``differ`` from what was read, and how many were ``left_out``."""

    file: str
    differ: int
    lines: int
    left_out: int


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What of ``run.json`` matters; ``digests`` of the files that were published, by their names."""

    video: str
    sha256: str
    files: list[str]
    stages: dict[str, Any]
    digests: dict[str, str] = field(default_factory=dict)
    corrected: CorrectedByHand | None = None


RECORDS = TypeAdapter(RunRecord)


def read_run(folder: Path) -> RunRecord | None:
    """The record of the run that filled ``folder``; None when there is none, or none that is ours."""
    return read_state(folder / RUN_FILE, RECORDS)
