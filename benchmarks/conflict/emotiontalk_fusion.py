"""EmotionTalk: three labels fused, ``python -m benchmarks.conflict --only emotiontalk``.

From what annotators saw in the words alone, the voice alone and the face alone to what they saw in all
together, on the official split (no speaker is on two sides). Everything is chosen on dev (``chosen`` in the
first tables is the best mean of accuracy and macro-F1 there); test stands beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.conflict.dialogues import CHANNELS, WORDS, around, labelled, with_words
from benchmarks.conflict.markdown import table_of
from pipeline.fusion.learned import FusionModel, apply
from pipeline.fusion.nets import BOTH_LEVELS, FEATURE_LEVEL, STRATEGIES
from pipeline.train.fusion.data import DEV, TEST, TRAIN, FusionSet
from pipeline.train.fusion.descend import FitSettings
from pipeline.train.fusion.fit import fit
from pipeline.train.metrics import Metrics, evaluate

SETTINGS = FitSettings(class_power=0.25)  # rare classes count more, as macro-F1 has it; chosen on dev
RICH = (*FEATURE_LEVEL, BOTH_LEVELS)
MISSING = "concat"  # the strategy that (b) and (c) are told of
SEEDS = (0, 1, 2)
FIGURES = ("dev accuracy", "dev macro-F1", "test accuracy", "test macro-F1")


@dataclass(frozen=True)
class Row:
    """Figures of one model on dev and test."""

    name: str
    dev: Metrics
    test: Metrics

    @property
    def merit(self) -> float:
        """What is chosen by."""
        return (self.dev.accuracy + self.dev.macro_f1) / 2


def scored(name: str, model: FusionModel, data: FusionSet) -> Row:
    """Figures of a model on both sides it was not trained on."""
    return Row(name, *(_figures(model, data.rows(data.sides == side)) for side in (DEV, TEST)))


def _figures(model: FusionModel, asked: FusionSet) -> Metrics:
    said = apply(model, asked.features, asked.present)
    return evaluate(asked.truth, said.argmax(axis=1), asked.labels, said)


def trained(strategy: str, data: FusionSet, settings: FitSettings = SETTINGS) -> FusionModel:
    """A strategy trained on the official train side, stopped on dev."""
    return fit(strategy, data.rows(data.sides == TRAIN), data.rows(data.sides == DEV), settings)


def baselines(plain: FusionSet) -> list[Row]:
    """The voice label alone, the majority of the three (the voice where all differ), logistic regression."""
    from sklearn.linear_model import LogisticRegression

    k = len(plain.labels)
    one_hot = np.stack([np.eye(k)[plain.features[name][:, :k].argmax(axis=1)] for name in CHANNELS])
    voice = one_hot[CHANNELS.index("voice")]
    flat = np.concatenate(list(one_hot), axis=1)
    train = plain.sides == TRAIN
    regression = LogisticRegression(max_iter=500).fit(flat[train], plain.truth[train])
    answers = {
        "voice label alone": voice,
        "majority of the three": one_hot.sum(axis=0) + 0.1 * voice,
        "logistic regression": regression.predict_proba(flat),
    }
    return [
        Row(name, *(_plain_figures(plain, said.argmax(axis=1), side) for side in (DEV, TEST)))
        for name, said in answers.items()
    ]


def _plain_figures(data: FusionSet, answer: np.ndarray, side: str) -> Metrics:
    rows = data.sides == side
    return evaluate(data.truth[rows], answer[rows], data.labels)


def strategies(data: FusionSet, names: Sequence[str]) -> tuple[list[Row], Mapping[str, FusionModel]]:
    """Figures of every strategy on the same inputs, and the models."""
    models = {name: trained(name, data) for name in names}
    return [scored(name, model, data) for name, model in models.items()], models


def missing(plain: FusionSet, model: FusionModel) -> list[Row]:
    """One model without each input, and one trained without it (and without modality dropout)."""
    found = []
    for name in CHANNELS:
        rest = [one for one in CHANNELS if one != name]
        again = trained(MISSING, plain.only(rest), replace(SETTINGS, modality_dropout=0.0))
        found.append(scored(f"no {name}: the one model", model, plain.without([name])))
        found.append(scored(f"no {name}: trained without it", again, plain.only(rest)))
    fragile = trained(MISSING, plain, replace(SETTINGS, modality_dropout=0.0))
    return [
        scored("nothing missing", model, plain),
        scored("nothing missing, no modality dropout", fragile, plain),
        *found,
        *(scored(f"no {one}, no modality dropout", fragile, plain.without([one])) for one in CHANNELS),
    ]


def anchors(plain: FusionSet) -> list[tuple[str, list[Row]]]:
    """Cross-attention with every input asking every other, and with one as the anchor, by seed."""
    ways: list[tuple[str, tuple[str, str] | None]] = [("every input asks every other", None)]
    for name in CHANNELS:
        ways += [(f"{name} asks the others", (name, "query")), (f"the others ask {name}", (name, "key"))]
    short = replace(SETTINGS, epochs=20)
    return [
        (
            said,
            [
                scored(
                    said, trained("cross-attention", plain, replace(short, seed=seed, anchor=anchor)), plain
                )
                for seed in SEEDS
            ],
        )
        for said, anchor in ways
    ]


def table(data: Path) -> str:
    """All figures as Markdown."""
    torch.set_num_threads(1)
    plain = labelled(data)
    rich = around(plain)
    alone, models = strategies(plain, STRATEGIES)
    more, _ = strategies(rich, RICH)
    words = with_words(plain, data).only([WORDS, *CHANNELS[1:]])
    replaced = [
        *missing(plain, models[MISSING])[:1],
        scored("our text model's answer in place of the text label", trained(MISSING, words), words),
        scored("neither: voice and face labels", models[MISSING], plain.without(["text"])),
    ]
    parts = [
        ("(a) The three labels alone", _rows([*baselines(plain), *alone], alone)),
        (
            "(a) The three labels, those of three utterances before and after, and each label's share in the "
            "speaker's and the dialogue's other utterances",
            _rows(more, more),
        ),
        (f"(b) With an input missing ({MISSING}, labels alone)", _rows(missing(plain, models[MISSING]), ())),
        (f"(c) Our text model ({MISSING})", _rows(replaced, ())),
        ("Text as anchor of cross-attention? Mean ± sd of three seeds", _anchor_rows(anchors(plain))),
    ]
    return "\n\n".join(f"{title}\n\n{text}" for title, text in parts)


def _rows(rows: Sequence[Row], among: Sequence[Row]) -> str:
    best = max(among, key=lambda row: row.merit).name if among else None
    cells = [
        [row.name + (" (chosen)" if row.name == best else ""), *_cells(row.dev), *_cells(row.test)]
        for row in rows
    ]
    return table_of(("fusion", *FIGURES), cells)


def _cells(figures: Metrics) -> list[str]:
    return [f"{figures.accuracy:.3f}", f"{figures.macro_f1:.3f}"]


def _anchor_rows(found: Sequence[tuple[str, list[Row]]]) -> str:
    cells = []
    for name, rows in found:
        figures = np.array([[float(x) for x in (*_both(row.dev), *_both(row.test))] for row in rows])
        means, spread = figures.mean(axis=0), figures.std(axis=0)
        cells.append([name, *(f"{m:.3f} ± {s:.3f}" for m, s in zip(means, spread, strict=True))])
    return table_of(
        ("cross-attention", "dev accuracy", "dev macro-F1", "test accuracy", "test macro-F1"), cells
    )


def _both(figures: Metrics) -> tuple[float, float]:
    return figures.accuracy, figures.macro_f1
