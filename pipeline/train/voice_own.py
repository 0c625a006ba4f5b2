"""The compact voice network trained on somebody's own clips, with its normalisation by the speaker."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from pipeline.labels import EMOTIONS
from pipeline.models.cards import TRAINED_STEM, file_sha256
from pipeline.records import CARD_FILE, write_record
from pipeline.train import runs
from pipeline.train.examples import DataError, LabelledSet, groups_of, truth_of
from pipeline.train.metrics import LEAST_TEMPERATURE, fit_temperature
from pipeline.train.splits import Split
from pipeline.train.tuning import Step
from pipeline.train.voice import CONFIG, ask, read_recipe
from pipeline.train.voice_data import Clips, features
from pipeline.train.voice_export import export
from pipeline.train.voice_fit import Recipe, Table, fit
from pipeline.train.voice_net import VoiceNet
from pipeline.train.voice_report import joined
from pipeline.types import ModelCard

SMALLEST_BATCH = 4
FEWEST_CLIPS = 12
NOBODY = "nobody known"
FEATURES_FOLDER = "features"


def train_own(labelled: LabelledSet, split: Split, folder: Path, seed: int, step: Step) -> ModelCard:
    """Train by the shipped model's recipe and leave the model folder in the run's ``folder``.

    Features take most of the time: until the model is there they are kept beside it, a file a speaker.

    Raises:
        DataError: too few clips, or one emotion only.
    """
    truth = truth_of(labelled)
    kinds = np.unique(truth[split.train])
    if len(split.train) < FEWEST_CLIPS or len(kinds) < 2:
        raise DataError(
            f"{len(split.train)} training clips of {len(kinds)} emotions are too few; give at least "
            f"{FEWEST_CLIPS} of two emotions or more"
        )
    recipe = read_recipe(CONFIG)
    recipe = replace(
        recipe, seed=seed, batch_size=max(SMALLEST_BATCH, min(recipe.batch_size, len(split.train) // 4))
    )
    torch.set_num_threads(recipe.threads)
    clips = clips_of(labelled, split)
    table = Table(cached_features(clips, recipe, folder / FEATURES_FOLDER, step), clips)
    net = fit(table, split.train, recipe)
    temperature = temperature_of(net, table)
    out = folder / runs.MODEL_FOLDER
    scratch = out.with_name(out.name + ".part")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    weights = scratch / f"{TRAINED_STEM}.onnx"
    export(net, weights)
    labels = tuple(EMOTIONS[kind] for kind in kinds)
    card = ModelCard(
        id=folder.name,
        modality="voice",
        revision="local",
        sha256=file_sha256(weights),
        licence="that of the clips it was trained on",
        labels=EMOTIONS,
        canonical={name: name if name in labels else None for name in EMOTIONS},
        temperature=temperature,
        source="emotion-pipeline train voice",
        notes=f"Our network trained from scratch on {len(split.train)} clips.",
    )
    write_record(scratch / CARD_FILE, card)
    shutil.rmtree(out, ignore_errors=True)
    scratch.replace(out)
    shutil.rmtree(folder / FEATURES_FOLDER)
    return card


def clips_of(labelled: LabelledSet, split: Split) -> Clips:
    """The clips in the form of the shipped model's training, as one corpus; unknown speakers count as one."""
    groups = groups_of(labelled)
    side = np.full(len(groups), "train", dtype="<U5")
    side[split.dev], side[split.test] = "dev", "test"
    return Clips(
        paths=tuple(labelled.root / one.source for one in labelled.examples),
        corpus=np.full(len(groups), "own"),
        speaker=np.where(groups == "", NOBODY, groups),
        emotion=truth_of(labelled),
        split=side,
    )


def temperature_of(net: VoiceNet, table: Table) -> float:
    """The one that fits the dev speakers' clips best, each asked about as an unknown and as a known voice."""
    dev = table.clips.split == "dev"
    answers = joined(*(ask(net, table, dev, by_speaker) for by_speaker in (False, True)))
    return fit_temperature(answers.truth, answers.logits, low=LEAST_TEMPERATURE)


def cached_features(clips: Clips, recipe: Recipe, cache: Path, step: Step) -> npt.NDArray[np.float32]:
    """Features (1 + copies, clips, n), speaker by speaker: a run that goes on makes none twice."""
    cache.mkdir(parents=True, exist_ok=True)
    speakers = np.unique(clips.speaker)
    whole: npt.NDArray[np.float32] | None = None
    done = 0
    for number, speaker in enumerate(speakers):
        own = np.flatnonzero(clips.speaker == speaker)
        path = cache / f"{number}.npy"
        if not path.is_file():
            rows = features(_only(clips, own.tolist()), recipe.copies, recipe.seed * 10_000 + number)
            scratch = path.with_suffix(".part")
            with scratch.open("wb") as file:
                np.save(file, rows)
            scratch.replace(path)
        rows = np.load(path)
        if whole is None:
            whole = np.empty((len(rows), len(clips.paths), rows.shape[2]), np.float32)
        whole[:, own] = rows
        done += len(own)
        step("listening", done, len(clips.paths))
    assert whole is not None
    return whole


def _only(clips: Clips, rows: Sequence[int]) -> Clips:
    chosen = np.asarray(rows)
    return Clips(
        paths=tuple(clips.paths[row] for row in rows),
        corpus=clips.corpus[chosen],
        speaker=clips.speaker[chosen],
        emotion=clips.emotion[chosen],
        split=clips.split[chosen],
    )
