"""Train a voice model on labelled clips: the command `train voice`."""

import csv
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from pipeline.labels import EMOTIONS
from pipeline.media.audio import SAMPLE_RATE_HZ
from pipeline.media.waveform import read_waveform
from pipeline.models.cards import ModelError
from pipeline.models.transformers_loader import find_model, load_processor
from pipeline.train import runs
from pipeline.train.classifiers import calibrated, card_for, load_classifier, save_classifier
from pipeline.train.examples import DataError, LabelledSet, read_examples, truth_of
from pipeline.train.inputs import read_clip
from pipeline.train.loop import Show, accelerator_for, fit
from pipeline.train.report.summary import KNOWN_SPEAKER
from pipeline.train.schedule import Epoch
from pipeline.train.score import Answers
from pipeline.train.splits import Split
from pipeline.train.tuning import OURS, RANDOM, Say, Step, Tuning, ask, finish, part, split_of, start
from pipeline.train.voice_manifest import PROBLEM_COLUMN, is_fit
from pipeline.train.voice_own import train_own

MODALITY = "voice"
SHORTEST_S = 0.5  # of a batch: the convolutions and the masks of these models need some length

Integers = npt.NDArray[np.int64]
Samples = npt.NDArray[np.float32]


def read_clips(asked: Tuning) -> tuple[LabelledSet, Mapping[str, int]]:
    """The labelled clips that are fit for training, and how many are left out, by reason.

    Raises:
        DataError: nothing to train on, or no speaker is known and no random split was asked for.
    """
    labelled = read_examples(MODALITY, asked.data, asked.root, asked.label_column, asked.group_column)
    left_out = Counter({f"labelled {label}": n for label, n in labelled.unmapped.items()})
    problems = _problems(asked.data)
    kept = tuple(one for one in labelled.examples if is_fit(problems.get(one.source, "")))
    left_out.update(
        problems[one.source].split(" ")[0]
        for one in labelled.examples
        if not is_fit(problems.get(one.source, ""))
    )
    labelled = replace(labelled, examples=kept, unmapped={})
    if asked.split != RANDOM and not any(one.group for one in kept):
        raise DataError(
            f"{asked.data} does not say who speaks; name the column with --group-column, or accept figures "
            "that flatter the model with --split random"
        )
    return labelled, dict(left_out)


def _problems(data: Path) -> dict[str, str]:
    """What a manifest says is wrong with its clips; nothing for other data."""
    if not data.is_file():
        return {}
    with data.open(encoding="utf-8-sig", newline="") as table:
        return {row.get("file") or "": row.get(PROBLEM_COLUMN) or "" for row in csv.DictReader(table)}


def heard(labelled: LabelledSet, step: Step) -> tuple[LabelledSet, Mapping[str, int]]:
    """The clips that have sound, each read once, and how many are left out, by reason.

    Raises:
        DataError: none can be read.
    """
    kept, left_out = [], Counter[str]()
    for done, one in enumerate(labelled.examples, 1):
        clip = read_clip(labelled.root / one.source)
        if isinstance(clip, str):
            left_out[clip] += 1
        else:
            kept.append(one)
        step("checking clips", done, len(labelled.examples))
    if not kept:
        raise DataError(f"no clip can be read in {labelled.root}; say with --root where the files lie")
    return replace(labelled, examples=tuple(kept)), left_out


def train(asked: Tuning, command: str, force: bool, *, say: Say, step: Step, show: Show) -> Answers | None:
    """Run or resume a training; returns its answers on the test clips, None in all but the main process.

    Raises:
        DataError: the data cannot be trained on, or the folder holds another run.
        ModelError: the backbone or the device is not on this machine.
    """
    labelled, left_out = read_clips(asked)
    labelled, unheard = heard(labelled, step)
    left_out = {**left_out, **unheard}
    split, said = split_of(asked, labelled, "speaker")
    accelerator = accelerator_for(asked.loop.device)
    main = bool(accelerator.is_main_process)
    if asked.backbone != OURS:
        find_model(asked.backbone)  # before --force throws an earlier run away
    if main:
        start(asked, labelled, force, say)
        for sentence in [*(f"left out: {n} {why}" for why, n in left_out.items()), said]:
            say(sentence)
    accelerator.wait_for_everyone()
    more: dict[str, Answers] = {}
    history: list[Epoch] = []
    if asked.backbone == OURS:
        if main:
            notes = [_own(asked, labelled, split, step)]
            model = str(asked.folder / runs.MODEL_FOLDER)
            more[KNOWN_SPEAKER] = ask(asked, model, part(labelled, split.test), step, known_speaker=True)
    else:
        history, note = _fine_tuned(asked, labelled, split, main, show)
        notes = [note]
    accelerator.wait_for_everyone()
    if not main:
        return None
    notes += [f"{n} left out: {why}" for why, n in left_out.items()]
    return finish(
        asked,
        labelled,
        split,
        said,
        history=history,
        notes=notes,
        more=more,
        command=command,
        say=say,
        step=step,
    )


def _own(asked: Tuning, labelled: LabelledSet, split: Split, step: Step) -> str:
    """Train the compact network; what is computed on the way is kept for a run that goes on."""
    card = train_own(labelled, split, asked.folder, asked.loop.seed, step)
    return card.notes


class Clips:
    """Clips as a Transformers model hears them; long ones cut, short ones padded behind their mask."""

    def __init__(self, files: list[Path], truth: Integers, extractor: Any, longest_s: float) -> None:
        self.truth = truth
        self._files = files
        self._extractor = extractor
        self._longest = round(longest_s * SAMPLE_RATE_HZ)

    def __len__(self) -> int:
        return len(self.truth)

    def batch(self, rows: Integers, seed: int | None) -> Mapping[str, torch.Tensor]:
        """A training clip that is too long gives a part drawn by ``seed``, any other its middle."""
        draw = None if seed is None else np.random.default_rng(seed)
        heard = [self._part(read_waveform(self._files[row]), draw) for row in rows]
        shortest = round(SHORTEST_S * SAMPLE_RATE_HZ)
        size = max(shortest, *(one.size for one in heard))
        return dict(
            self._extractor(
                heard,
                sampling_rate=SAMPLE_RATE_HZ,
                padding="max_length",
                max_length=size,
                return_attention_mask=True,
                return_tensors="pt",
            )
        )

    def _part(self, clip: Samples, draw: np.random.Generator | None) -> Samples:
        spare = clip.size - self._longest
        if spare <= 0:
            return clip
        first = spare // 2 if draw is None else int(draw.integers(0, spare + 1))
        return clip[first : first + self._longest]


def extractor_of(name: str) -> Any:
    """The checkpoint's own feature extractor, or the one wav2vec 2.0 and HuBERT were trained with.

    Raises:
        ModelError: it wants another sample rate, or is no reader of plain sound.
    """
    from transformers import AutoFeatureExtractor, Wav2Vec2FeatureExtractor

    if not (Path(find_model(name)) / "preprocessor_config.json").is_file():
        return Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True)
    extractor = load_processor(AutoFeatureExtractor, name)
    if extractor.sampling_rate != SAMPLE_RATE_HZ or not isinstance(extractor, Wav2Vec2FeatureExtractor):
        raise ModelError(
            f"{name} does not read plain sound at {SAMPLE_RATE_HZ} Hz; give a HuBERT, WavLM or wav2vec 2.0 "
            "model"
        )
    return extractor


@dataclass(frozen=True)
class Parts:
    """Both parts a training needs, and the emotions its answers stand for."""

    train: Clips
    dev: Clips
    labels: tuple[str, ...]


def parts_of(asked: Tuning, labelled: LabelledSet, split: Split, extractor: Any) -> Parts:
    """Training and dev clips labelled among the emotions that are trained on."""
    truth = truth_of(labelled)
    kinds = np.unique(truth[split.train])
    if len(kinds) < 2:
        raise DataError("the training clips show one emotion only; give clips of at least two")
    files = [labelled.root / one.source for one in labelled.examples]

    def clips(rows: Integers) -> Clips:
        own = rows[np.isin(truth[rows], kinds)]
        where = np.searchsorted(kinds, truth[own]).astype(np.int64)
        return Clips([files[row] for row in own], where, extractor, asked.longest_s)

    return Parts(clips(split.train), clips(split.dev), tuple(EMOTIONS[kind] for kind in kinds))


def _fine_tuned(
    asked: Tuning, labelled: LabelledSet, split: Split, main: bool, show: Show
) -> tuple[list[Epoch], str]:
    """Fine-tune a checkpoint with the loop and leave it as a back-end."""
    from transformers import AutoModelForAudioClassification

    extractor = extractor_of(asked.backbone)
    parts = parts_of(asked, labelled, split, extractor)
    found = load_classifier(
        AutoModelForAudioClassification, asked.backbone, MODALITY, parts.labels, asked.loop.seed
    )
    if asked.frozen_features and hasattr(found.model, "freeze_feature_encoder"):
        found.model.freeze_feature_encoder()
    # The library draws these masks from numpy's global state, which no checkpoint holds.
    masks = getattr(found.model.config, "apply_spec_augment", None)
    found.model.config.apply_spec_augment = False
    history = fit(found.model, found.head, parts.train, parts.dev, asked.loop, folder=asked.folder, show=show)
    if main:
        found.model.config.apply_spec_augment = masks
        note = f"Fine-tuned from {asked.backbone} on {len(parts.train)} clips."
        temperature = calibrated(found, parts.dev, asked.loop.batch_size)
        card = card_for(found, MODALITY, asked.folder.name, temperature, note)
        save_classifier(found, [extractor], card, asked.folder / runs.MODEL_FOLDER)
    return history, found.said
