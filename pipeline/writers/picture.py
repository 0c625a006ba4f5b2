"""``timeline.png``: the whole video on one picture, one lane per modality and one for all together."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.engine.stage import Progress
from pipeline.labels import EMOTIONS
from pipeline.records import ANALYSIS_FILE, read_record
from pipeline.types import ALARMS, US_PER_S, Analysis
from pipeline.writers.facts import (
    Lane,
    Stretches,
    headline,
    lanes,
    observed,
    one_line,
    ranked,
    thinned,
    time_code,
)
from pipeline.writers.fonts import drawable, font_for
from pipeline.writers.palette import (
    ABSENT,
    CONFLICT,
    HATCH,
    LETTERS,
    MARKS,
    colour,
    ink,
    is_emotion,
)
from pipeline.writers.persons import naming

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PICTURE = "timeline.png"
WIDTH_IN, DPI = 13.0, 110
LANE, DETAIL = 0.62, 0.18  # heights in lanes: what the moment was judged to be, and the samples under it
NAMED = 3  # conflicts written out under the lanes
MARKED = 40  # strongest conflicts with a mark of their own; all have a bar
COLUMNS = 600
CROWDED = 200  # stretches in a lane from which edges would hide what they enclose


def run(inputs: Mapping[str, Path], settings: Any, out: Path, progress: Progress) -> None:
    """Stage ``picture``."""
    analysis = read_record(inputs["analysis"] / ANALYSIS_FILE, Analysis)
    figure = timeline(analysis)
    figure.savefig(out / PICTURE, dpi=DPI, metadata={"Software": None})
    progress(1.0)


def timeline(analysis: Analysis) -> "Figure":
    """The figure; nothing of matplotlib's global state is touched."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = lanes(analysis)
    named = ranked(analysis.conflicts)[:NAMED]
    below_in = 0.5 + 0.24 * len(named)
    height_in = 0.95 + 0.55 * (len(shown) + 0.5) + below_in
    figure = Figure(figsize=(WIDTH_IN, height_in), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.075, below_in / height_in, 0.91, 1 - (below_in + 0.7) / height_in))
    for row, lane in enumerate(shown):
        _draw_lane(axes, row, thinned(lane.stretches, analysis.media.duration_us, COLUMNS), LANE)
    for row, modality in enumerate(analysis.modalities):
        seen = analysis.observations.get(modality, ())
        finer = [(o.span, observed(o)) for o in seen]
        if len(finer) > len(analysis.moments):
            finer = list(thinned(finer, analysis.media.duration_us, COLUMNS, always=True))
            _draw_stretches(axes, row + LANE + 0.02, DETAIL, finer)
    _draw_conflicts(axes, analysis, len(shown))
    _finish(axes, analysis, shown)
    _legend(axes, analysis)
    font, shown_in = _font(analysis, 9), naming(analysis)
    for line, conflict in enumerate(named):
        text = drawable(headline(conflict, shown_in(conflict)), font_for(analysis.transcript.language))
        text = f"{MARKS[conflict.kind]} {time_code(conflict.span.start_us)}  {text}"
        figure.text(0.075, (0.24 * (len(named) - line) - 0.12) / height_in, text, **font)
    return figure


def _draw_lane(axes: "Axes", row: int, stretches: Stretches, height: float) -> None:
    _draw_stretches(axes, row, height, stretches)
    shortest_us = stretches[-1][0].end_us / 90 if stretches else 0
    for span, said in stretches:
        if is_emotion(said.key) and span.duration_us > shortest_us:
            middle = (span.start_us + span.end_us) / 2 / US_PER_S
            text = said.key if span.duration_us > 5 * shortest_us else LETTERS[said.key]
            axes.text(
                middle, row + height / 2, text, color=ink(colour(said.key)), size=8, ha="center", va="center"
            )


def _draw_stretches(axes: "Axes", top: float, height: float, stretches: Stretches) -> None:
    """One collection per colour: a long video has thousands of stretches."""
    by_key: dict[str, list[tuple[float, float]]] = {}
    for span, said in stretches:
        by_key.setdefault(said.key, []).append((span.start_s, span.duration_us / US_PER_S))
    for key, ranges in by_key.items():
        hatch = None if is_emotion(key) else "////"
        edge = "white" if hatch is None else HATCH
        width = 0.3 if len(stretches) < CROWDED else 0
        face = colour(key) if hatch is None else "#E4E4E4"
        axes.broken_barh(ranges, (top, height), facecolor=face, edgecolor=edge, hatch=hatch, linewidth=width)


def _draw_conflicts(axes: "Axes", analysis: Analysis, lane_count: int) -> None:
    for rank, conflict in enumerate(ranked(analysis.conflicts)):
        span, masking = conflict.span, conflict.kind not in ALARMS
        tint = ABSENT if masking else CONFLICT
        axes.broken_barh([(span.start_s, span.duration_us / US_PER_S)], (-0.16, 0.1), facecolor=tint)
        if rank < MARKED:
            marker = {"polarity": "^", "blend": "D", "masking": "o"}[conflict.kind]
            inner = "white" if masking else tint
            middle = (span.start_s + span.end_s) / 2
            axes.plot(middle, -0.36, marker, color=tint, markerfacecolor=inner, markersize=7)
        if not masking:
            axes.axvspan(span.start_s, span.end_s, ymax=1, color=CONFLICT, alpha=0.12, linewidth=0, zorder=0)
    axes.set_ylim(lane_count - 0.05, -0.62)


def _finish(axes: "Axes", analysis: Analysis, shown: Sequence[Lane]) -> None:
    names = [lane.display.noun for lane in shown]
    axes.set_yticks([-0.36, *(row + LANE / 2 for row in range(len(shown)))], ["conflicts", *names])
    axes.set_xlim(0, max(1, analysis.media.duration_us) / US_PER_S)
    axes.xaxis.set_major_formatter(lambda s, _: time_code(round(s * US_PER_S)).removesuffix(".0"))
    axes.tick_params(length=0, labelsize=9)
    axes.spines[:].set_visible(False)
    font = font_for(analysis.transcript.language)
    title = drawable(one_line(analysis.name), font)
    axes.set_title(title, loc="left", pad=26, **_font(analysis, 11))


def _font(analysis: Analysis, size: float) -> dict[str, Any]:
    """Text properties for words from the video: a font with Chinese, and a dollar sign is a dollar sign."""
    path = font_for(analysis.transcript.language).path
    return {"font": path, "fontsize": size, "parse_math": False}


def _legend(axes: "Axes", analysis: Analysis) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [Patch(facecolor=colour(e), label=f"{LETTERS[e]} {e}") for e in EMOTIONS]
    handles.append(Patch(facecolor="#E4E4E4", edgecolor=HATCH, hatch="////", label="nothing to read"))
    kinds = {c.kind for c in analysis.conflicts}
    for kind, marker in (("polarity", "^"), ("blend", "D"), ("masking", "o")):
        if kind in kinds:
            tint, inner = (ABSENT, "white") if kind not in ALARMS else (CONFLICT, CONFLICT)
            mark = Line2D(
                [], [], color=tint, marker=marker, markerfacecolor=inner, linestyle="none", label=kind
            )
            handles.append(mark)
    axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=len(handles),
        frameon=False,
        fontsize=8.5,
        handlelength=1.1,
        columnspacing=1.1,
        borderaxespad=0.1,
    )
