"""Reads face, voice and words of one video on one timeline and flags where they disagree.

>>> from pipeline import analyze, Config
>>> analysis = analyze("vlog.mp4")  # doctest: +SKIP
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.privacy import keep_private

keep_private()

if TYPE_CHECKING:
    from pipeline.config import Config
    from pipeline.types import Analysis

    __version__: str

__all__ = ["Analysis", "Config", "__version__", "analyze"]


def __getattr__(name: str) -> Any:
    """Load the public names when they are asked for, so that `--help` does not wait for them (PEP 562)."""
    if name == "Config":
        from pipeline.config import Config

        return Config
    if name == "Analysis":
        from pipeline.types import Analysis

        return Analysis
    if name == "__version__":
        from importlib.metadata import version

        return version("emotion-pipeline")
    raise AttributeError(f"module 'pipeline' has no attribute {name!r}")


def analyze(
    video: str | Path,
    config: "Config | None" = None,
    *,
    out: str | Path | None = None,
    transcript: str | Path | None = None,
) -> "Analysis":
    """Analyse one video and leave all outputs in ``out`` (``outputs/<video name>`` by default).

    Raises:
        UsageError, ConfigError, MediaError, ModelError: one sentence that says what to do.
        RuntimeError: so much failed that there is no analysis; the message names the stages.
    """
    from pipeline.config import Config
    from pipeline.job import run
    from pipeline.plan import Request

    request = Request(
        video=Path(video),
        config=config or Config(),
        out=Path(out) if out is not None else None,
        transcript=Path(transcript) if transcript is not None else None,
    )
    result = run(request)
    if result.analysis is None:
        raise RuntimeError("; ".join(f"{stage}: {why}" for stage, why in result.missing.items()))
    return result.analysis
