"""Train a fusion from a table of scores, and measure one: the commands `train fusion`, `evaluate fusion`."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.fusion.learned import MODALITY, FusionModel, apply, load_folder, save
from pipeline.fusion.nets import STRATEGIES
from pipeline.labels import EMOTIONS
from pipeline.models.cards import file_sha256
from pipeline.records import CARD_FILE, write_record
from pipeline.train import runs
from pipeline.train.evaluate import figures
from pipeline.train.examples import LABEL_COLUMN, DataError
from pipeline.train.fusion.data import DEV, FEWEST, TEST, TRAIN, Columns, FusionSet, read_fusion
from pipeline.train.fusion.descend import FitSettings
from pipeline.train.fusion.fit import ONE_LABEL, fit
from pipeline.train.metrics import Metrics, evaluate
from pipeline.train.report.folder import METRICS_FILE, write_report
from pipeline.train.score import Answers
from pipeline.train.splits import Split, check_shares, group_split, random_split
from pipeline.train.tuning import Say, about_split
from pipeline.types import ModelCard

MODEL_FILE = "model.npz"


@dataclass(frozen=True)
class FusionTuning:
    """What `train fusion` is asked to do."""

    data: Path
    folder: Path
    strategy: str
    label_column: str = LABEL_COLUMN
    group_column: str | None = None
    metadata: tuple[str, ...] = ()
    dev_share: float = 0.15
    test_share: float = 0.2
    fit: FitSettings = field(default_factory=FitSettings)

    @property
    def columns(self) -> Columns:
        """What the CSV's columns are."""
        return Columns(self.label_column, self.group_column, self.metadata)


@dataclass(frozen=True)
class Result:
    """Figures on the test part: all inputs, and each left out."""

    metrics: Metrics
    without: Mapping[str, Metrics]


def train(asked: FusionTuning, command: str, force: bool, say: Say) -> Result:
    """Train, measure and leave the model.

    Raises:
        DataError: the data cannot be trained on, or the folder holds another run.
    """
    import torch

    if asked.strategy not in STRATEGIES:
        raise DataError(f"there is no strategy {asked.strategy!r}; choose one of {', '.join(STRATEGIES)}")
    data = read_fusion(asked.data, asked.columns)
    if len(data.truth) < FEWEST or len(np.unique(data.truth)) < 2:
        raise DataError(
            f"{asked.data} has {len(data.truth)} examples of {len(np.unique(data.truth))} labels; give at "
            f"least {FEWEST} of two or more"
        )
    split, said = split_of(asked, data)
    _check_learnable(data.rows(split.train))
    if runs.open_run(asked.folder, _settings(asked, data), force):
        say(f"going on with {asked.folder}: trained anew, it takes seconds to minutes")
    say(f"inputs: {', '.join(data.features)}; {said}")
    if data.of_labels:
        say(f"columns of labels among them: {', '.join(data.of_labels)}; remove what is no input")
    torch.set_num_threads(1)
    model = fit(asked.strategy, data.rows(split.train), data.rows(split.dev), asked.fit)
    _leave(model, asked)
    tested = data.rows(split.test)
    result = measured(model, tested)
    about = about_split(
        split,
        data.groups,
        said,
        title=f"Fusion of {', '.join(data.features)}: {asked.strategy} trained on {asked.data.name}",
        command=command,
        data=asked.data,
        seed=asked.fit.seed,
    )
    if data.labels == EMOTIONS:
        plain = fit("average", data.rows(split.train), data.rows(split.dev), asked.fit)
        others = {
            f"without {name}": _answers(model, tested.without([name])) for name in _droppable(model, tested)
        }
        others["average of the inputs"] = _answers(plain, tested)
        write_report(asked.folder, _answers(model, tested), (), about, others)
    else:
        _write_figures(asked.folder, result, asdict(about))
    runs.close_run(asked.folder)
    return result


def _check_learnable(train: FusionSet) -> None:
    """What training would stumble over, before a folder is made. Raises DataError."""
    if len(np.unique(train.truth)) < 2:
        raise DataError(ONE_LABEL)
    for name, there in train.present.items():
        if not there.any():
            raise DataError(f"the input {name!r} is empty in all training examples; leave it out")


def split_of(asked: FusionTuning, data: FusionSet) -> tuple[Split, str]:
    """The data's own sides where they have them, else drawn, and a sentence on who is where.

    Raises:
        DataError: a side would be empty.
    """
    rows = {side: np.flatnonzero(data.sides == side) for side in (TRAIN, DEV, TEST)}
    if len(rows[TRAIN]) and len(rows[TEST]):
        if len(rows[DEV]):
            return Split(rows[TRAIN], rows[DEV], rows[TEST]), "split: the data's own"
        inner, said = _drawn(data.rows(rows[TRAIN]), (asked.dev_share, 0.0), asked.fit.seed)
        split = Split(rows[TRAIN][inner.train], rows[TRAIN][inner.dev], rows[TEST])
        return split, f"test: the data's own; dev: {said}"
    check_shares(asked.dev_share, asked.test_share)
    return _drawn(data, (asked.dev_share, asked.test_share), asked.fit.seed)


def _drawn(data: FusionSet, shares: tuple[float, float], seed: int) -> tuple[Split, str]:
    there = len(set(data.groups.tolist()) - {""})
    if there:
        return group_split(data.truth, data.groups, shares, seed), f"no group is on two sides: {there} in all"
    said = "no group is known: one may be on both sides, and the figures then flatter the model"
    return random_split(data.truth, shares, seed), said


def measured(model: FusionModel, asked: FusionSet) -> Result:
    """Figures of a model on examples; each input that is there is also left out in turn."""
    return Result(
        _figures(model, asked),
        {one: _figures(model, asked.without([one])) for one in _droppable(model, asked)},
    )


def _figures(model: FusionModel, asked: FusionSet) -> Metrics:
    said = apply(model, asked.features, asked.present)
    return evaluate(asked.truth, said.argmax(axis=1), asked.labels, said)


def _droppable(model: FusionModel, asked: FusionSet) -> Sequence[str]:
    there = [name for name in model.inputs if name in asked.present and asked.present[name].any()]
    return there if len(there) > 1 else ()


def ask(
    data: Path, columns: Columns, folder: Path | None, without: Sequence[str]
) -> tuple[FusionModel, FusionSet]:
    """A trained model and examples for it, with some inputs left out; of data with sides, the test.

    Raises:
        ModelError: there is no usable model in the folder.
        DataError: the data cannot be read or have other labels.
    """
    model = load_folder(folder)
    read = read_fusion(data, Columns(columns.label, columns.group, (), columns.name), model.encoding)
    if read.labels != model.labels:
        raise DataError(
            f"the model answers {', '.join(model.labels)}, {data} is labelled {', '.join(read.labels)}; "
            "give data of the same labels"
        )
    if not set(read.features) & set(model.inputs):
        raise DataError(
            f"{data} has none of the model's inputs {', '.join(model.inputs)}; rename its columns"
        )
    for name, (mean, _) in model.scaling.items():
        if name in read.features and read.features[name].shape[1] != len(mean):
            raise DataError(
                f"the model takes {len(mean)} values of {name!r}, {data} has another number; retrain"
            )
    tested = read.sides == TEST
    return model, (read.rows(tested) if tested.any() else read).without(without)


def result_json(result: Result) -> dict[str, Any]:
    """Figures for programs."""
    return {
        **figures(result.metrics),
        "without": {name: figures(one) for name, one in result.without.items()},
    }


def _answers(model: FusionModel, asked: FusionSet) -> Answers:
    return Answers(
        names=asked.names,
        truth=asked.truth,
        probabilities=apply(model, asked.features, asked.present),
        groups=asked.groups,
        modality=MODALITY,
    )


def _leave(model: FusionModel, asked: FusionTuning) -> None:
    folder = asked.folder / runs.MODEL_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    save(model, folder / MODEL_FILE)
    note = f"Fuses {', '.join(model.inputs)} by {model.strategy}; trained on {asked.data.name}."
    write_record(folder / CARD_FILE, card_of(model, asked.folder.name, "local", folder / MODEL_FILE, note))


def card_of(model: FusionModel, name: str, revision: str, path: Path, notes: str) -> ModelCard:
    """The card of a fusion whose weights lie at ``path``."""
    return ModelCard(
        id=name,
        modality=MODALITY,
        revision=revision,
        sha256=file_sha256(path),
        licence="as its data",
        labels=model.labels,
        canonical={one: one if one in EMOTIONS else None for one in model.labels},
        temperature=1.0,
        source="emotion-pipeline train fusion",
        notes=notes,
    )


def _write_figures(folder: Path, result: Result, about: Mapping[str, Any]) -> None:
    path = folder / METRICS_FILE
    part = path.with_name(f"{path.name}.part")
    content = {**result_json(result), "about": about}
    part.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    part.replace(path)


def _settings(asked: FusionTuning, data: FusionSet) -> dict[str, Any]:
    digest = hashlib.sha256()
    for name, values in data.features.items():
        digest.update(name.encode() + np.ascontiguousarray(values).tobytes() + data.present[name].tobytes())
    digest.update(data.truth.tobytes() + "\n".join(data.groups).encode())
    return {name: one for name, one in asdict(asked).items() if name != "folder"} | {
        "examples": digest.hexdigest()
    }
