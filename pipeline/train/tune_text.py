"""Train a text model on labelled texts: the command `train text`."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from pipeline.labels import EMOTIONS
from pipeline.media.language import normal_code, transcript_language
from pipeline.models.transformers_loader import find_model, load_processor
from pipeline.text.transformers_text import MAX_TOKENS
from pipeline.train import runs
from pipeline.train.classifiers import calibrated, card_for, load_classifier, save_classifier
from pipeline.train.examples import DataError, LabelledSet, read_examples, truth_of
from pipeline.train.loop import Show, accelerator_for, fit
from pipeline.train.schedule import Epoch
from pipeline.train.score import Answers
from pipeline.train.splits import Split
from pipeline.train.text_own import Texts, tokenised, train_own
from pipeline.train.tuning import OURS, Say, Step, Tuning, finish, split_of, start

MODALITY = "text"
FEWEST = 10

Integers = npt.NDArray[np.int64]


def read_texts(asked: Tuning) -> tuple[LabelledSet, Mapping[str, int]]:
    """The labelled texts that hold something, and how many are left out, by reason. Raises DataError."""
    labelled = read_examples(MODALITY, asked.data, asked.root, asked.label_column, asked.group_column)
    kept = tuple(one for one in labelled.examples if one.source.strip())
    left_out = {f"labelled {label}": n for label, n in labelled.unmapped.items()}
    if len(kept) < len(labelled.examples):
        left_out["the text is empty"] = len(labelled.examples) - len(kept)
    kinds = len({one.emotion for one in kept})
    if len(kept) < FEWEST or kinds < 2:
        raise DataError(
            f"{asked.data} has {len(kept)} texts of {kinds} emotions; give at least {FEWEST} of two or more"
        )
    return replace(labelled, examples=kept, unmapped={}), left_out


def language_of(asked: Tuning, labelled: LabelledSet) -> str:
    """The language the model is for: the one asked for, or the texts' own. Raises DataError."""
    texts = [one.source for one in labelled.examples]
    language = normal_code(asked.language) or transcript_language(texts)
    if language is None:
        raise DataError(f"the language of {asked.data} cannot be told; give it with --language")
    return language


def train(asked: Tuning, command: str, force: bool, *, say: Say, step: Step, show: Show) -> Answers | None:
    """Run or resume a training; returns its answers on the test texts, None in all but the main process.

    Raises:
        DataError: the data cannot be trained on, or the folder holds another run.
        ModelError: the backbone or the device is not on this machine.
    """
    labelled, left_out = read_texts(asked)
    asked = replace(asked, language=language_of(asked, labelled))
    split, said = split_of(asked, labelled, "dialogue or writer")
    accelerator = accelerator_for(asked.loop.device)
    main = bool(accelerator.is_main_process)
    if asked.backbone != OURS:
        find_model(asked.backbone)  # before --force throws an earlier run away
    if main:
        start(asked, labelled, force, say)
        say(f"language of the texts: {asked.language} (--language to say otherwise)")
        for sentence in [*(f"left out: {n} {why}" for why, n in left_out.items()), said]:
            say(sentence)
    accelerator.wait_for_everyone()
    history: list[Epoch] = []
    if asked.backbone == OURS:
        note = _own(asked, labelled, split, step) if main else ""
    else:
        history, note = _fine_tuned(asked, labelled, split, main, show)
    accelerator.wait_for_everyone()
    if not main:
        return None
    notes = [note, *(f"{n} left out: {why}" for why, n in left_out.items())]
    return finish(
        asked,
        labelled,
        split,
        said,
        history=history,
        notes=notes,
        more={},
        command=command,
        say=say,
        step=step,
    )


def _own(asked: Tuning, labelled: LabelledSet, split: Split, step: Step) -> str:
    """Train the compact model from scratch; it takes seconds to minutes: a run that goes on starts anew."""
    truth, language = truth_of(labelled), str(asked.language)

    def texts(rows: Integers) -> Texts:
        return tokenised([labelled.examples[row].source for row in rows], truth[rows], language)

    folder = asked.folder / runs.MODEL_FOLDER
    parts = texts(split.train), texts(split.dev)
    show = partial(step, "training, epochs")
    card = train_own(parts, language, asked.folder.name, folder, asked.loop.seed, show=show)
    return card.notes


class Tokenised:
    """Texts as a Transformers model reads them, padded to the longest of their batch."""

    def __init__(self, texts: Sequence[str], truth: Integers, tokenizer: Any) -> None:
        self.truth = truth
        self._texts = [unicodedata.normalize("NFKC", text) for text in texts]
        self._tokenizer = tokenizer

    def __len__(self) -> int:
        return len(self.truth)

    def batch(self, rows: Integers, seed: int | None) -> Mapping[str, torch.Tensor]:
        """The tokenizer's output; texts are not varied."""
        texts = [self._texts[row] for row in rows]
        return dict(
            self._tokenizer(texts, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        )


def _fine_tuned(
    asked: Tuning, labelled: LabelledSet, split: Split, main: bool, show: Show
) -> tuple[list[Epoch], str]:
    """Fine-tune a checkpoint with the loop and leave it as a back-end."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = load_processor(AutoTokenizer, asked.backbone)
    truth = truth_of(labelled)
    kinds = np.unique(truth[split.train])
    if len(kinds) < 2:
        raise DataError("the training texts show one emotion only; give texts of at least two")

    def texts(rows: Integers) -> Tokenised:
        own = rows[np.isin(truth[rows], kinds)]
        where = np.searchsorted(kinds, truth[own]).astype(np.int64)
        return Tokenised([labelled.examples[row].source for row in own], where, tokenizer)

    labels = tuple(EMOTIONS[kind] for kind in kinds)
    found = load_classifier(
        AutoModelForSequenceClassification, asked.backbone, MODALITY, labels, asked.loop.seed
    )
    training, dev = texts(split.train), texts(split.dev)
    history = fit(found.model, found.head, training, dev, asked.loop, folder=asked.folder, show=show)
    if main:
        temperature = calibrated(found, dev, asked.loop.batch_size)
        note = f"Fine-tuned from {asked.backbone} on {len(training)} texts."
        card = card_for(found, MODALITY, asked.folder.name, temperature, note)
        card = replace(card, languages=(str(asked.language),))
        save_classifier(found, [tokenizer], card, asked.folder / runs.MODEL_FOLDER)
    return history, found.said
