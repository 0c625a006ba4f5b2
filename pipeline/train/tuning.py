"""What trainings of voice and text models share: what is asked for, who is on which side, what is left."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.models.cards import ModelError, one_sentence
from pipeline.train import runs
from pipeline.train.examples import LABEL_COLUMN, DataError, LabelledSet, groups_of, truth_of
from pipeline.train.report.folder import RunAbout, write_report
from pipeline.train.schedule import Epoch, LoopSettings
from pipeline.train.score import Answers, score
from pipeline.train.splits import Groups, Split, check_shares, group_split, leaking_groups, random_split

Integers = npt.NDArray[np.int64]
Say = Callable[[str], None]  # a sentence for the person
Step = Callable[[str, int, int], None]  # what, how many done, how many in all

OURS = "compact"
GROUP, RANDOM = "group", "random"
UNTUNED = "our model, not fine-tuned"


@dataclass(frozen=True)
class Tuning:
    """What `train voice` or `train text` is asked to do; the last three each concern one of them."""

    modality: str
    data: Path
    folder: Path
    root: Path | None = None
    label_column: str = LABEL_COLUMN
    group_column: str | None = None
    backbone: str = OURS
    split: str = GROUP
    dev_share: float = 0.15
    test_share: float = 0.2
    loop: LoopSettings = field(default_factory=LoopSettings)
    frozen_features: bool = True  # voice: the convolutions that read the sound stay as they are
    longest_s: float = 6.0  # voice: of a longer clip a part is drawn anew each epoch
    language: str | None = None  # text


def start(asked: Tuning, labelled: LabelledSet, force: bool, say: Say) -> None:
    """Open the run's folder, once data and backbone are known to be there.

    Raises:
        DataError: it is finished, or holds something else.
    """
    if runs.open_run(asked.folder, settings_of(asdict(asked), labelled), force):
        say(f"going on with {asked.folder}")


def settings_of(asked: Mapping[str, Any], labelled: LabelledSet) -> dict[str, Any]:
    """What a run is known by: what was asked for that shapes what comes out, and a digest of the examples."""
    rows = [(one.source, one.emotion, one.group) for one in labelled.examples]
    kept = {name: value for name, value in asked.items() if name != "folder"}
    kept["loop"] = {name: value for name, value in asked["loop"].items() if name != "device"}
    return kept | {"examples": hashlib.sha256(json.dumps(rows).encode()).hexdigest()}


def part(labelled: LabelledSet, rows: Integers) -> LabelledSet:
    """Some of the examples."""
    return replace(labelled, examples=tuple(labelled.examples[row] for row in rows), unmapped={})


def split_of(asked: Tuning, labelled: LabelledSet, who: str) -> tuple[Split, str]:
    """Train, dev and test, and a sentence on who is where; ``who`` is what a group is called.

    Raises:
        DataError: too few groups, or shares that leave a side empty.
    """
    check_shares(asked.dev_share, asked.test_share)
    truth, groups = truth_of(labelled), groups_of(labelled)
    shares, seed = (asked.dev_share, asked.test_share), asked.loop.seed
    there = len(set(groups.tolist()) - {""})
    if asked.split == RANDOM or not there:
        split = random_split(truth, shares, seed)
    else:
        split = group_split(truth, groups, shares, seed)
    leaking = leaking_groups(split, groups)
    if not there:
        return split, f"no {who} is known: one may be on both sides, and the figures then flatter the model"
    if leaking:
        return split, (
            f"random: {leaking} of {there} {who}s leak, they are on more than one side and the figures "
            "flatter the model; --split group keeps them apart"
        )
    return split, f"no {who} is on two sides: {there} in all"


def finish(
    asked: Tuning,
    labelled: LabelledSet,
    split: Split,
    said: str,
    *,
    history: Sequence[Epoch],
    notes: Sequence[str],
    more: Mapping[str, Answers],
    command: str,
    say: Say,
    step: Step,
) -> Answers:
    """Ask the trained model and those it is compared with about the test part, and write the report.

    ``more`` are further answers on the same examples, by title.
    """
    tested = part(labelled, split.test)
    answers = ask(asked, str(asked.folder / runs.MODEL_FOLDER), tested, step)
    compared = dict(more)
    names = {UNTUNED: OURS} | ({} if asked.backbone == OURS else {"its backbone": asked.backbone})
    for title, name in names.items():
        try:
            compared[title] = ask(asked, name, tested, step)
        except (ModelError, DataError) as error:
            say(f"{title} is not compared: {one_sentence(error)}")
    about = about_split(
        split,
        groups_of(labelled),
        said,
        title=f"{asked.modality.capitalize()} emotion: {asked.backbone} trained on {asked.data.name}",
        command=command,
        data=asked.data,
        seed=asked.loop.seed,
        notes=notes,
    )
    write_report(asked.folder, answers, history, about, compared, metric=asked.loop.metric)
    runs.close_run(asked.folder)
    return answers


def about_split(
    split: Split,
    groups: Groups,
    said: str,
    *,
    title: str,
    command: str,
    data: Path,
    seed: int,
    notes: Sequence[str] = (),
) -> RunAbout:
    """What the report says of a training on one split; ``said`` is a sentence on who is where."""
    return RunAbout(
        title=title,
        command=command,
        data=str(data),
        split=said,
        seed=seed,
        n_train=len(split.train),
        n_dev=len(split.dev),
        n_test=len(split.test),
        leaking_groups=leaking_groups(split, groups),
        notes=tuple(notes),
    )


def ask(asked: Tuning, name: str, tested: LabelledSet, step: Step, known_speaker: bool = False) -> Answers:
    """Answers of a back-end. Raises ModelError, DataError."""
    return score(
        name,
        tested,
        asked.loop.device,
        known_speaker=known_speaker,
        language=asked.language,
        show=partial(step, f"asking {Path(name).name}"),
    )
