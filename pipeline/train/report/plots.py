"""Charts of a classifier; ``python -m pipeline.train.report.plots`` draws those of docs/MODELS.md.

Nothing of matplotlib's global state is touched, and equal figures give equal bytes.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.models.cards import Calibration, ReliabilityBin, shipped_ids, shipped_report
from pipeline.models.document import PAGE, reliability_file, reliability_sets
from pipeline.train.metrics import ClassMetrics
from pipeline.train.schedule import METRIC, best_place
from pipeline.writers.palette import ABSENT, COLOURS, CONFLICT, ink

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pipeline.train.schedule import Epoch

DPI = 120
# Three colours of the palette that differ in lightness too, so that they survive a grey print.
DEEP, LIGHT, WARM = COLOURS["sad"], COLOURS["surprise"], CONFLICT
INK, GRID = "#1c1c1c", "#d8d8d8"
PANEL_IN = 2.7
ALONE_IN = 3.8  # a panel without neighbours
PANEL_COLUMNS = 4
LARGEST_DOT = 120.0  # area in points² of the bin that holds most answers
LEAST_DOT = 9.0
LEAST_SHARE = 0.01  # of all answers: bins with fewer are dots beside the line


def blank(width_in: float, height_in: float) -> "Figure":
    """An empty white figure that lays itself out."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), dpi=DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: "Figure", path: Path) -> None:
    """Write a PNG whose bytes depend on the figure alone."""
    figure.savefig(path, format="png", dpi=DPI, metadata={"Software": None})


def confusion(labels: Sequence[str], counts: npt.NDArray[np.integer]) -> "Figure":
    """Counts (k, k) with the truth in rows: shares of the row as shades, counts printed.

    Labels that occur neither in the truth nor among the answers are left out.
    """
    there = (counts.sum(axis=0) + counts.sum(axis=1)) > 0
    shown = [label for label, here in zip(labels, there, strict=True) if here]
    part = counts[np.ix_(there, there)]
    totals = part.sum(axis=1, keepdims=True)
    shares = part / np.maximum(totals, 1)
    figure = blank(3.2 + 0.75 * len(shown), 1.2 + 0.72 * len(shown))
    axes = figure.subplots()
    picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(part.shape):
        dark = picture.cmap(float(shares[row, column]))
        text = f"{part[row, column]}"
        if part[row, column]:
            text += f"\n{shares[row, column]:.0%}"
        axes.text(column, row, text, ha="center", va="center", fontsize=8.5, color=ink(_hex(dark)))
    places = range(len(shown))
    names = [f"{label} ({n})" for label, n in zip(shown, totals[:, 0], strict=True)]
    axes.set_yticks(places, names)
    axes.set_xticks(
        places, shown, rotation=35 if len(shown) > 4 else 0, ha="right" if len(shown) > 4 else "center"
    )
    axes.set_ylabel("labelled (how many)")
    axes.set_xlabel("answered")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(picture, ax=axes, fraction=0.04, pad=0.02, format=lambda v, _: f"{v:.0%}")
    bar.set_label("share of the row")
    bar.outline.set_visible(False)
    return figure


def _hex(rgba: Sequence[float]) -> str:
    return "#" + "".join(f"{round(255 * channel):02X}" for channel in rgba[:3])


def per_class(figures: Mapping[str, ClassMetrics]) -> "Figure":
    """Precision, recall and F1 of each class as bars."""
    figure = blank(2.0 + 1.05 * max(3, len(figures)), 3.6)
    axes = figure.subplots()
    middle = np.arange(len(figures))
    kinds = (("precision", LIGHT), ("recall", DEEP), ("f1", WARM))
    for place, (kind, tint) in enumerate(kinds):
        values = [getattr(one, kind) for one in figures.values()]
        bars = axes.bar(middle + (place - 1) * 0.27, values, 0.25, color=tint, label=kind.replace("f1", "F1"))
        axes.bar_label(bars, fmt=lambda v: f"{v:.2f}".removeprefix("0"), fontsize=7.5, padding=1, color=INK)
    axes.set_xticks(middle, [f"{name}\n{one.n}" for name, one in figures.items()])
    axes.set_ylim(0, 1.08)
    _quiet(axes)
    axes.legend(ncols=3, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


def curves(history: Sequence["Epoch"], metric: str = METRIC) -> "Figure":
    """Loss, development figures and learning rate over the epochs; the one kept by ``metric`` is marked."""
    figure = blank(11.0, 3.4)
    loss, score, rate = figure.subplots(1, 3)
    at = np.arange(1, len(history) + 1)
    mark = {"marker": "o", "markersize": 3} if len(history) <= 40 else {}
    loss.plot(at, [one.train_loss for one in history], color=WARM, label="training", **mark)
    loss.plot(at, [one.dev_loss for one in history], color=DEEP, label="development", **mark)
    loss.set_title("loss", loc="left")
    for name, tint, style in (
        ("accuracy", LIGHT, "-"),
        ("uar", ABSENT, "--"),
        ("macro_f1", DEEP, "-"),
    ):
        label = {"uar": "unweighted recall", "macro_f1": "macro-F1"}.get(name, name)
        values = [getattr(one, f"dev_{name}") for one in history]
        score.plot(at, values, color=tint, linestyle=style, label=label, **mark)
    score.set_title("development figures", loc="left")
    score.set_ylim(0, 1.02)
    rate.plot(at, [one.learning_rate for one in history], color=INK, **mark)
    rate.set_title("learning rate", loc="left")
    rate.set_yscale("log")
    best = best_place(history, metric) + 1
    starts = [i + 1 for i in range(1, len(history)) if history[i].phase != history[i - 1].phase]
    for axes in (loss, score, rate):
        _quiet(axes)
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        axes.set_xlim(0.5, len(history) + 0.5)
        for start in starts:
            axes.axvline(start - 0.5, color=ABSENT, linewidth=0.8, linestyle=":")
    for axes in (loss, score):
        axes.axvline(best, color=ABSENT, linewidth=0.8, zorder=0, label=f"best epoch: {best}")
        axes.legend(frameon=False, fontsize=8)
    return figure


def reliability(sets: Mapping[str, Calibration]) -> "Figure":
    """One panel a data set: how often answers of a confidence are right, before and after calibration.

    A set without ``bins_before`` shows its answers as they are.
    """
    columns = min(PANEL_COLUMNS, len(sets))
    rows = -(-len(sets) // columns)
    panel_in = PANEL_IN if len(sets) > 1 else ALONE_IN
    figure = blank(panel_in * columns + 0.3, (panel_in + 0.15) * rows + 0.2)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes in grid.flat[len(sets) :]:
        axes.set_visible(False)
    for place, axes in enumerate(grid.flat[: len(sets)]):
        if place % columns == 0:
            axes.set_ylabel("share that was right", fontsize=9)
        if place + columns >= len(sets):
            axes.set_xlabel("confidence of the answer", fontsize=9)
    for axes, (name, one) in zip(grid.flat, sets.items(), strict=False):
        axes.plot([0, 1], [0, 1], color=ABSENT, linewidth=0.8, linestyle=":")
        if one.bins_before:
            _dots(axes, one.bins_before, WARM, f"before, error {one.ece_before:.3f}", filled=False)
        _dots(axes, one.bins_after, DEEP, f"{'after, ' if one.bins_before else ''}error {one.ece_after:.3f}")
        axes.set_title(_wrapped(name), fontsize=9, loc="left")
        axes.legend(frameon=False, fontsize=7.5, loc="lower right", handlelength=1.2, borderaxespad=0.2)
        axes.set_aspect("equal")
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        _quiet(axes)
        axes.tick_params(labelsize=7.5, labelbottom=True)
    return figure


def _dots(axes: "Axes", bins: Sequence[ReliabilityBin], tint: str, label: str, filled: bool = True) -> None:
    most = max(one.n for one in bins)
    x, y = [one.confidence for one in bins], [one.accuracy for one in bins]
    area = [max(LEAST_DOT, LARGEST_DOT * one.n / most) for one in bins]
    face: Any = tint if filled else "none"
    enough = sum(one.n for one in bins) * LEAST_SHARE
    line = [(one.confidence, one.accuracy) for one in bins if one.n >= enough]
    axes.plot(
        *zip(*line, strict=True), color=tint, linewidth=1.1, label=label, linestyle="-" if filled else "--"
    )
    axes.scatter(x, y, s=area, facecolors=face, edgecolors=tint, linewidths=1, alpha=0.85, clip_on=False)


def _wrapped(name: str) -> str:
    return name if len(name) <= 30 else name.replace(", ", ",\n", 1)


def _quiet(axes: "Axes") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw ``reliability_<model>.png`` for every shipped model whose report holds the bins."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.train.report.plots", description=main.__doc__)
    parser.add_argument("--out", type=Path, default=PAGE.parent, help="folder of the pictures (docs)")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    for model_id in shipped_ids():
        report = shipped_report(model_id)
        if report is not None and (sets := reliability_sets(report)):
            save(reliability(sets), options.out / reliability_file(model_id))
            print(options.out / reliability_file(model_id))


if __name__ == "__main__":
    main()
