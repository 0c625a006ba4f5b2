"""Fine-tune a face model on labelled faces: the command `train face`."""

import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.face.crop import decoded, encoded
from pipeline.labels import EMOTIONS, canonical_map
from pipeline.models.cards import ModelError, file_sha256, one_sentence
from pipeline.records import CARD_FILE, write_record
from pipeline.train import runs
from pipeline.train.examples import LABEL_COLUMN, DataError, LabelledSet, groups_of, read_examples, truth_of
from pipeline.train.face_backbones import Backbone, load_backbone
from pipeline.train.inputs import face_detector, read_face
from pipeline.train.loop import Epoch, LoopSettings, Show, accelerator_for, fit
from pipeline.train.metrics import LEAST_TEMPERATURE, fit_temperature
from pipeline.train.report.folder import RunAbout, write_report
from pipeline.train.score import Answers, load_named, score
from pipeline.train.splits import Split, check_shares, folds, group_split, leaking_groups, random_split
from pipeline.train.tuning import GROUP, OURS, RANDOM, UNTUNED, Say, Step, part, settings_of
from pipeline.types import ModelCard

MODALITY = "face"
BASELINES: Mapping[str, str] = {OURS: UNTUNED, "deepface": "DeepFace"}
FEWEST = 20


@dataclass(frozen=True)
class FaceTuning:
    """What `train face` is asked to do; ``folds`` 0 is one split with a test part."""

    data: Path
    folder: Path
    root: Path | None = None
    label_column: str = LABEL_COLUMN
    group_column: str | None = None
    backbone: str = OURS
    detect: bool = False
    split: str = GROUP
    folds: int = 0
    dev_share: float = 0.1
    test_share: float = 0.2
    erasing: float = 0.25
    loop: LoopSettings = field(default_factory=LoopSettings)


@dataclass(frozen=True)
class Faces:
    """Examples whose face was found, their stored crops as JPEG files, and why others are left out."""

    labelled: LabelledSet
    crops: tuple[bytes, ...]
    left_out: Mapping[str, int]

    @cached_property
    def truth(self) -> npt.NDArray[np.int64]:
        """Index of each emotion, (n,)."""
        return truth_of(self.labelled)

    @cached_property
    def groups(self) -> npt.NDArray[np.str_]:
        """Group of each example, (n,)."""
        return groups_of(self.labelled)

    def crops_of(self, rows: npt.NDArray[np.int64]) -> list[bytes]:
        """Their crops."""
        return [self.crops[row] for row in rows]


def train(
    asked: FaceTuning, command: str, *, force: bool, say: Say, step: Step, show: Callable[[str], Show]
) -> Answers | None:
    """Run or resume a training; returns its answers on the test faces, None in all but the main process.

    ``say`` is told sentences for the person, ``step`` and ``show`` how far it is.

    Raises:
        DataError: the data cannot be trained on, or the folder holds another run.
        ModelError: the backbone or the device is not on this machine.
    """
    check_shares(asked.dev_share, asked.test_share, asked.folds)
    accelerator = accelerator_for(asked.loop.device)
    main = bool(accelerator.is_main_process)
    labelled = read_examples(MODALITY, asked.data, asked.root, asked.label_column, asked.group_column)
    settings = settings_of(asdict(asked), labelled)
    if main:
        runs.check_run(asked.folder, settings, force)
    # What cannot be used is told before the run is opened: --force throws an earlier one away.
    load_backbone(asked.backbone, asked.loop.seed, asked.erasing)
    faces = read_faces(labelled, asked.detect, step)
    if len(faces.crops) < FEWEST:
        raise DataError(f"{asked.data} has {len(faces.crops)} usable faces; give at least {FEWEST}")
    said, splits = split_faces(asked, faces)
    if main:
        if runs.open_run(asked.folder, settings, force):
            say(f"going on with {asked.folder}")
        for sentence in [*(f"left out: {n} {why}" for why, n in faces.left_out.items()), said]:
            say(sentence)
    accelerator.wait_for_everyone()
    history: list[Epoch] = []
    parts: list[Answers] = []
    for number, split in enumerate(splits, 1):
        name = f"fold {number} of {len(splits)}" if asked.folds else "training"
        folder = asked.folder / f"fold-{number}" if asked.folds else asked.folder
        folder.mkdir(parents=True, exist_ok=True)
        backbone = load_backbone(asked.backbone, asked.loop.seed, asked.erasing)
        learned, chosen = (
            backbone.data(faces.crops_of(rows), faces.truth[rows]) for rows in (split.train, split.dev)
        )
        model = backbone.model(learned)
        epochs = fit(model, backbone.head, learned, chosen, asked.loop, folder=folder, show=show(name))
        history += epochs
        if main:
            place = folder / runs.MODEL_FOLDER
            card = _card(asked, backbone, split)
            write_model(partial(backbone.save, model), place, card, faces, split.dev)
            parts.append(
                _asked(str(place), part(faces.labelled, split.test), asked, partial(step, f"asking {name}"))
            )
    accelerator.wait_for_everyone()
    if not main:
        return None
    answers = pooled(parts)
    notes = [
        backbone.said,
        *_fold_notes(parts),
        *(f"{n} left out: {why}" for why, n in faces.left_out.items()),
    ]
    about = RunAbout(
        title=f"Face emotion: {asked.backbone} fine-tuned on {asked.data.name}",
        command=command,
        data=str(asked.data),
        split=f"{said}; train and dev are means of the folds" if asked.folds else said,
        seed=asked.loop.seed,
        n_train=sum(len(split.train) for split in splits) // len(splits),
        n_dev=sum(len(split.dev) for split in splits) // len(splits),
        n_test=len(answers.truth),
        leaking_groups=most_leaking(splits, faces),
        notes=tuple(notes),
    )
    tested = part(faces.labelled, np.concatenate([split.test for split in splits]))
    baselines = _baselines(asked, tested, say, step)
    curves = [] if asked.folds else history
    write_report(asked.folder, answers, curves, about, baselines, metric=asked.loop.metric)
    runs.close_run(asked.folder)
    return answers


def read_faces(labelled: LabelledSet, detect: bool, step: Step) -> Faces:
    """Cut or find the face of every example."""
    detector = face_detector() if detect else None
    left_out = Counter({f"labelled {label}": n for label, n in labelled.unmapped.items()})
    kept, crops = [], []
    for done, example in enumerate(labelled.examples, 1):
        crop = read_face(labelled.root / example.source, detector)
        if isinstance(crop, str):
            left_out[crop] += 1
        else:
            kept.append(example)
            crops.append(encoded(crop))
        step("reading faces", done, len(labelled.examples))
    return Faces(replace(labelled, examples=tuple(kept), unmapped={}), tuple(crops), dict(left_out))


def split_faces(asked: FaceTuning, faces: Faces) -> tuple[str, tuple[Split, ...]]:
    """The splits that were asked for, and a sentence about who is on which side."""
    groups = np.full_like(faces.groups, "") if asked.split == RANDOM else faces.groups
    shares, seed = (asked.dev_share, asked.test_share), asked.loop.seed
    if asked.folds:
        splits = folds(faces.truth, groups, asked.folds, seed, asked.dev_share)
    elif asked.split == RANDOM:
        splits = (random_split(faces.truth, shares, seed),)
    else:
        splits = (group_split(faces.truth, groups, shares, seed),)
    how = f"{asked.folds} folds, " if asked.folds else ""
    there = len(set(faces.groups.tolist()) - {""})
    leaking = most_leaking(splits, faces)
    if not there:
        said = "no group is known (name its column with --group-column): a person may be on both sides"
    elif leaking:
        said = f"random: {leaking} of {there} groups leak, as they are on more than one side: figures flatter"
    else:
        said = f"group-disjoint: {there} groups, none on two sides"
    return how + said, splits


def most_leaking(splits: Sequence[Split], faces: Faces) -> int:
    """Groups on more than one side, in the split where they are most."""
    return max(leaking_groups(split, faces.groups) for split in splits)


def write_model(
    save: Callable[[Path], Path | None],
    folder: Path,
    card: ModelCard,
    faces: Faces,
    dev: npt.NDArray[np.int64],
) -> None:
    """Leave the model in ``folder`` as a back-end, calibrated on the dev faces; whole or not at all."""
    scratch = folder.with_name(folder.name + ".part")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    weights = save(scratch)
    card = replace(card, sha256=file_sha256(weights) if weights else "")
    write_record(scratch / CARD_FILE, card)
    backend = load_named(MODALITY, str(scratch), "cpu")
    scores = [one for crop in faces.crops_of(dev) for one in backend([decoded(crop)])]
    logits = np.log(np.maximum([one.probabilities for one in scores], 1e-30))
    temperature = fit_temperature(faces.truth[dev], logits, low=LEAST_TEMPERATURE)
    write_record(scratch / CARD_FILE, replace(card, temperature=temperature))
    shutil.rmtree(folder, ignore_errors=True)
    scratch.replace(folder)


def pooled(parts: Sequence[Answers]) -> Answers:
    """The answers of several folds as one set."""
    skipped = sum((Counter(one.skipped) for one in parts), Counter[str]())
    before = [one.probabilities if one.uncalibrated is None else one.uncalibrated for one in parts]
    return replace(
        parts[0],
        names=tuple(name for one in parts for name in one.names),
        truth=np.concatenate([one.truth for one in parts]),
        probabilities=np.concatenate([one.probabilities for one in parts]),
        groups=np.concatenate([one.groups for one in parts]),
        skipped=dict(skipped),
        uncalibrated=np.concatenate(before),
    )


def _card(asked: FaceTuning, backbone: Backbone, split: Split) -> ModelCard:
    return ModelCard(
        id=asked.folder.name,
        modality=MODALITY,
        revision="local",
        sha256="",
        licence=f"that of its training data, {asked.data.name}, and of its backbone: {backbone.licence}",
        labels=EMOTIONS,
        canonical=canonical_map(EMOTIONS),
        source="emotion-pipeline train face",
        notes=f"Fine-tuned from {asked.backbone} on {len(split.train)} faces of {asked.data.name}.",
    )


def _asked(name: str, tested: LabelledSet, asked: FaceTuning, show: Callable[[int, int], None]) -> Answers:
    return score(name, tested, asked.loop.device, detect=asked.detect, show=show)


def _baselines(asked: FaceTuning, tested: LabelledSet, say: Say, step: Step) -> dict[str, Answers]:
    found = {}
    for name, title in BASELINES.items():
        try:
            found[title] = _asked(name, tested, asked, partial(step, f"asking {title}"))
        except ModelError as error:
            say(f"{title} is not compared: {one_sentence(error)}")
    return found


def _fold_notes(parts: Sequence[Answers]) -> list[str]:
    if len(parts) == 1:
        return []
    rights = [float((one.predicted == one.truth).mean()) for one in parts]
    each = ", ".join(f"{right:.3f}" for right in rights)
    return [f"accuracy of each fold {each}: mean {np.mean(rights):.3f}, deviation {np.std(rights):.3f}"]
