"""What a stage is: a named, versioned function from files to files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, Literal

Progress = Callable[[float], None]
Run = Callable[[Mapping[str, Path], Any, Path, Progress], None]


@dataclass(frozen=True, slots=True)
class Stage:
    """``run(inputs, settings, out, progress)`` reads ``inputs``, writes only under ``out``.

    ``inputs`` maps each name in ``needs`` (and each one in ``wants`` that could be made) to a folder, or to
    the file itself for a source. ``progress`` takes the finished fraction in [0, 1]. A stage may leave
    ``warnings.txt``, one sentence a line, for the person who runs it, and so ``losses.txt``: what of the
    input was lost or could not be read, which makes the run partly done.
    """

    name: str
    version: int  # bump when the same inputs should give different bytes
    run: Run
    needs: tuple[str, ...] = ()
    wants: tuple[str, ...] = ()  # used when they could be made; their failure does not stop this stage
    slot: Literal["cpu", "gpu"] = "cpu"


def in_order(stages: tuple[Stage, ...], sources: frozenset[str]) -> tuple[Stage, ...]:
    """Check names and needs once; return the stages in a runnable order.

    Raises:
        ValueError: two stages share a name, or one needs something that nothing makes.
        graphlib.CycleError: the stages need each other in a circle.
    """
    by_name = {stage.name: stage for stage in stages}
    if len(by_name) != len(stages):
        raise ValueError("two stages share a name")
    for stage in stages:
        if unknown := {*stage.needs, *stage.wants} - by_name.keys() - sources:
            raise ValueError(f"stage {stage.name!r} needs unknown {sorted(unknown)}")
    order = TopologicalSorter({s.name: {*s.needs, *s.wants} - sources for s in stages}).static_order()
    return tuple(by_name[name] for name in order)
