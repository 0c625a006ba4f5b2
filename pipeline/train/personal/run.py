"""Fit a voice model to one person: the command `train voice --personalise`."""

from collections.abc import Sequence
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
from pipeline.models.known import transformers_card
from pipeline.models.transformers_loader import find_model, load_strict
from pipeline.records import CARD_FILE
from pipeline.train import runs
from pipeline.train.classifiers import Classifier, card_for, load_classifier, save_classifier
from pipeline.train.examples import DataError, LabelledSet, truth_of
from pipeline.train.personal.head import Head, cross_validated_head, learn_head
from pipeline.train.personal.learn import (
    Clips,
    Linear,
    Personal,
    cross_validated,
    learn,
)
from pipeline.train.personal.model import Pieces, compact_clips, cut, write_compact
from pipeline.train.report.folder import RunAbout, write_report
from pipeline.train.score import Answers, chosen_device, metrics_of
from pipeline.train.tune_voice import MODALITY, extractor_of, read_clips
from pipeline.train.tuning import OURS, RANDOM, Say, Step, Tuning, start
from pipeline.voice.compact import load

Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Samples = npt.NDArray[np.float32]

BEFORE = "the model as it was"
NOBODYS_BIAS = 3.0  # how far an emotion the checkpoint lacks starts under the least likely of its own


@dataclass(frozen=True)
class Result:
    """What came of it: log-probabilities of every piece over ``labels``, before and cross-validated."""

    learned: Personal | Head
    labels: tuple[str, ...]
    before: Doubles
    after: Doubles


def personalise(asked: Tuning, command: str, force: bool, *, say: Say, step: Step) -> tuple[Answers, str]:
    """Fit the backbone to the one speaker of the data; returns cross-validated answers and a sentence.

    Raises:
        DataError: too little to learn from, several speakers, or the folder holds another run.
        ModelError: the backbone is not on this machine or has no head of the kind that can be fitted.
    """
    labelled, left_out = read_clips(replace(asked, split=RANDOM))
    speakers = {one.group for one in labelled.examples} - {""}
    if len(speakers) > 1:
        raise DataError(
            f"{asked.data} holds {len(speakers)} speakers; give the clips of one person, and train on "
            "several without --personalise"
        )
    labelled, recordings = _heard(labelled, step)
    pieces = cut(recordings)
    truth = truth_of(labelled)[pieces.source]
    if _is_ours(asked.backbone):
        load(asked.backbone, "cpu")  # before --force throws an earlier run away
    else:
        find_model(asked.backbone)
    start(asked, labelled, force, say)
    result = (_ours if _is_ours(asked.backbone) else _checkpoint)(asked, pieces, truth, step)
    answers, before = (
        _answers(labelled, pieces, result.labels, one) for one in (result.after, result.before)
    )
    told = words(result.learned, answers, before)
    seconds = sum(one.size for one in recordings) / SAMPLE_RATE_HZ
    about = RunAbout(
        title=f"Voice emotion: {asked.backbone} fitted to one person, {asked.data.name}",
        command=command,
        data=f"{asked.data}: {len(recordings)} clips, {seconds / 60:.1f} minutes",
        split="cross-validated inside the one person's clips; the model itself learned from all of them",
        seed=asked.loop.seed,
        n_train=len(recordings),
        n_dev=0,
        n_test=len(recordings),
        leaking_groups=0,
        notes=(told, *(f"{n} left out: {why}" for why, n in left_out.items())),
    )
    write_report(asked.folder, answers, (), about, {BEFORE: before})
    runs.close_run(asked.folder)
    return answers, told


def words(learned: Personal | Head, answers: Answers, before: Answers) -> str:
    """What personalising brought, in a sentence."""
    was, now = metrics_of(before).uar, metrics_of(answers).uar
    if learned.is_unchanged:
        return f"the model is kept as it was (UAR {was:.3f}): nothing learned from these clips was better"
    return (
        f"UAR on this person's clips {was:.3f} before, {now:.3f} after (cross-validated); loss "
        f"{learned.loss_before:.3f} before, {learned.loss_after:.3f} after"
    )


def _is_ours(name: str) -> bool:
    folder = Path(name)
    return name == OURS or ((folder / CARD_FILE).is_file() and not (folder / "config.json").is_file())


def _heard(labelled: LabelledSet, step: Step) -> tuple[LabelledSet, list[Samples]]:
    """The clips that can be read, and their sound. Raises DataError: one cannot."""
    recordings = []
    for done, example in enumerate(labelled.examples, 1):
        try:
            recordings.append(read_waveform(labelled.root / example.source))
        except ValueError as error:
            raise DataError(f"{error}; take its row out of the list") from None
        step("listening", done, len(labelled.examples))
    return labelled, recordings


def _answers(labelled: LabelledSet, pieces: Pieces, labels: Sequence[str], logs: Doubles) -> Answers:
    """Answers per recording: the mean over its pieces."""
    count = len(labelled.examples)
    probabilities = np.zeros((count, len(EMOTIONS)))
    columns = [EMOTIONS.index(label) for label in labels]
    for place in range(count):
        probabilities[place, columns] = np.exp(logs[pieces.source == place]).mean(axis=0)
    return Answers(
        names=tuple(one.source for one in labelled.examples),
        truth=truth_of(labelled),
        probabilities=probabilities,
        groups=np.array([one.group for one in labelled.examples], np.str_),
        labels=tuple(labels),
        modality=MODALITY,
        root=labelled.root,
    )


def _ours(asked: Tuning, pieces: Pieces, truth: Integers, step: Step) -> Result:
    backend = load(asked.backbone, "cpu")
    clips, own = compact_clips(backend, pieces, truth)
    learned = learn(clips, asked.loop.seed)
    after = cross_validated(clips, asked.loop.seed)
    out, shown = asked.folder / runs.MODEL_FOLDER, np.unique(truth)
    write_compact(asked.backbone, learned, own, out, asked.folder.name, shown=shown)
    return Result(learned, EMOTIONS, clips.said, clips.said if learned.is_unchanged else after)


def _checkpoint(asked: Tuning, pieces: Pieces, truth: Integers, step: Step) -> Result:
    """The last layer of a Transformers model over its frozen pooled features."""
    found, begin, labels = _with_start(asked, truth)
    extractor = extractor_of(asked.backbone)
    device = chosen_device(asked.loop.device)
    inputs = pooled(found.model.to(device), extractor, pieces.samples, step)
    scale = float(np.sqrt((inputs**2).mean())) or 1.0
    begin, inputs = Linear(begin.weights * scale, begin.bias), inputs / scale
    own = np.array([labels.index(EMOTIONS[one]) for one in truth], np.int64)
    clips = Clips(begin(inputs), None, own, pieces.source)
    head = learn_head(inputs, clips, begin, asked.loop.seed)
    after = cross_validated_head(inputs, clips, begin, asked.loop.seed)
    layer = torch.nn.Linear(inputs.shape[1], len(labels))
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(head.layer.weights / scale))
        layer.bias.copy_(torch.from_numpy(head.layer.bias))
    found.model.classifier = layer
    found.model.config.id2label = dict(enumerate(labels))
    found.model.config.label2id = {label: place for place, label in enumerate(labels)}
    found = replace(found, labels=labels)
    note = f"{asked.backbone}, its last layer fitted to one person; for others it is no better."
    card = card_for(found, MODALITY, asked.folder.name, head.temperature, note)
    save_classifier(found, [extractor], card, asked.folder / runs.MODEL_FOLDER)
    return Result(head, labels, clips.said, clips.said if head.is_unchanged else after)


def _with_start(asked: Tuning, truth: Integers) -> tuple[Classifier, Linear, tuple[str, ...]]:
    """The model, and the layer it starts from over the emotions of the model and of the person."""
    from transformers import AutoModelForAudioClassification

    shown = {EMOTIONS[one] for one in truth}
    try:
        card = transformers_card(asked.backbone, MODALITY, find_model(asked.backbone))
        model = load_strict(AutoModelForAudioClassification, asked.backbone, "cpu")
        found = Classifier(model, ("classifier",), card.labels, asked.backbone, "")
        native = [card.canonical[label] for label in card.labels]
    except ModelError:  # a body without a head of emotions: the head starts from nothing
        labels = tuple(one for one in EMOTIONS if one in shown)
        found = load_classifier(
            AutoModelForAudioClassification, asked.backbone, MODALITY, labels, asked.loop.seed
        )
        native = []
    layer = getattr(found.model, "classifier", None)
    if not isinstance(layer, torch.nn.Linear):
        raise ModelError(f"{asked.backbone} has no linear classifier to fit; give another backbone")
    found.model.eval()
    labels = tuple(one for one in EMOTIONS if one in shown or one in native)
    weights, bias = np.zeros((len(labels), layer.in_features)), np.zeros(len(labels))
    if native:
        rows = {one: native.index(one) for one in labels if one in native}
        known = layer.bias.detach().double().numpy()
        bias[:] = known.min() - NOBODYS_BIAS
        for place, label in enumerate(labels):
            if label in rows:
                weights[place] = layer.weight.detach().double().numpy()[rows[label]]
                bias[place] = known[rows[label]]
    return found, Linear(weights, bias), labels


def pooled(model: Any, extractor: Any, pieces: Sequence[Samples], step: Step) -> Doubles:
    """What goes into the model's last layer for each piece by itself, (n, d)."""
    kept: list[Doubles] = []
    hook = model.classifier.register_forward_pre_hook(
        lambda layer, given: kept.append(given[0].double().cpu().numpy())
    )
    device = next(model.parameters()).device
    try:
        with torch.inference_mode():
            for done, piece in enumerate(pieces, 1):
                inputs = extractor([piece], sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt")
                model(**{name: value.to(device) for name, value in inputs.items()})
                step("asking the model", done, len(pieces))
    finally:
        hook.remove()
    return np.concatenate(kept)
