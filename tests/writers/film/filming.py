"""A film made as the stage makes it, and how to look into it."""

from dataclasses import replace
from pathlib import Path

import av
import numpy as np

from pipeline.config import FilmSection
from pipeline.media.probe import probe
from pipeline.records import write_records
from pipeline.types import Analysis
from pipeline.writers.blur import BLUR_FILE
from pipeline.writers.film import video
from pipeline.writers.regions import Region, regions
from tests.writers.conftest import make_analysis, written


def film(source: Path, folder: Path, analysis: Analysis | None = None, **settings: int | str | bool) -> Path:
    media = probe(source)
    found = replace(analysis or make_analysis(), media=media)
    out = folder / "out, it's [here]: 100%"
    out.mkdir()
    done: list[float] = []
    inputs = {"source": source, **written(found, folder)}
    if settings.get("blur_faces"):
        write_records(folder / BLUR_FILE, Region, regions(found))
        inputs = {**inputs, "blur": folder}
    video.run(inputs, FilmSection.model_validate(settings), out, done.append)
    assert done[-1] == 1.0
    assert [p.name for p in out.iterdir()] == ["annotated.mp4"]
    return out / "annotated.mp4"


def picture_times(path: Path, zero_us: int = 0) -> list[float]:
    with av.open(f"file:{path}") as container:
        return [float(f.pts * f.time_base) - zero_us / 1e6 for f in container.decode(video=0)]


def image(path: Path, at_s: float) -> np.ndarray:
    with av.open(f"file:{path}") as container:
        frames = [f for f in container.decode(video=0) if f.time <= at_s + 1e-6]
        return frames[-1].to_ndarray(format="rgb24")
