"""The compact text model from somebody's own texts, in any language that writes words or characters.

One register, so one expert: see ``text.compact``. How strongly the linear part is regularised and what share
the convolution has in the answer are chosen on the dev texts.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from pipeline.labels import EMOTIONS
from pipeline.models.cards import TRAINED_STEM, file_sha256
from pipeline.records import CARD_FILE, write_record
from pipeline.text.compact import log_softmax
from pipeline.text.featurise import tokens
from pipeline.train.examples import DataError
from pipeline.train.metrics import LEAST_TEMPERATURE, fit_temperature, negative_log_likelihood, softmax
from pipeline.train.text import steps, write_arrays
from pipeline.train.text_linear import Grams, LinearPart, featurise, matrix, vocabulary
from pipeline.train.text_net import (
    NetSettings,
    Rows,
    Show,
    TextNet,
    logits_of,
    quantise,
    to_onnx,
    token_vocabulary,
    train_net,
)
from pipeline.types import ModelCard

Integers = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]

STRENGTHS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # inverse regularisation of the linear part
SHARES = (0.0, 0.25, 0.5, 0.75)  # of the convolution in the answer
BALANCE = 0.5  # between class sizes as they are (0) and all classes alike (1)
KEEP = 150_000
FEW_TEXTS = 1000  # below, an n-gram or token seen once is kept: there is not much else to go by
RULED_OUT = 8.0  # how far an emotion without examples lies under the least likely other one


@dataclass(frozen=True, slots=True)
class Texts:
    """Tokens of each text and the index of its emotion, (n,)."""

    words: Sequence[list[str]]
    labels: Integers


def tokenised(texts: Sequence[str], labels: Integers, language: str) -> Texts:
    """Texts as the model reads them; empty ones are left out."""
    kept = [place for place, text in enumerate(texts) if text.strip()]
    return Texts([tokens(texts[place], language) for place in kept], labels[kept])


def train_own(
    parts: tuple[Texts, Texts],
    language: str,
    name: str,
    out: Path,
    seed: int,
    *,
    show: Show = lambda done, total: None,
) -> ModelCard:
    """Train on the first part, choose and calibrate on the second, write the model folder ``out``.

    ``show`` is told how many epochs of the convolution are done.

    Raises:
        DataError: there is nothing to tell apart, or no dev text to choose on.
    """
    train, dev = parts
    if len(np.unique(train.labels)) < 2:
        raise DataError("the training texts show one emotion only; give texts of at least two")
    if len(dev.labels) == 0:
        raise DataError("no text is left to choose the model on; give more texts")
    torch.set_num_threads(1)
    min_texts = 1 if len(train.words) < FEW_TEXTS else 2
    linear = _linear(train, dev, language, min_texts)
    columns, scale = linear.quantised()
    linear = LinearPart(linear.hashes, columns.astype(np.float64) * scale, linear.bias)
    words = token_vocabulary(train.words, min_texts)
    rows = [Rows(train.words, train.labels, False)]
    settings = _net_settings(len(train.words))
    net = train_net(rows, words, settings, seed, show)
    embedding, embedding_scale = quantise(net.embedding, settings.token_levels, shares=(1.0,))
    blend = _blend(linear, net, words, dev, language)
    arrays = {
        "hash_steps": steps(linear.hashes),
        "columns": np.column_stack([columns, np.zeros(len(columns), np.int8)]),  # the last one: no gate
        "scale": np.append(scale, np.float32(1)),
        "bias": np.append(linear.bias, 0.0).astype(np.float32),
        "token_steps": steps(words),
        "embedding": embedding,
        "embedding_scale": embedding_scale,
        "blend": blend,
        "convolution": np.frombuffer(to_onnx(net), dtype=np.uint8),
    }
    scratch = out.with_name(out.name + ".part")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    weights = scratch / f"{TRAINED_STEM}.npz"
    write_arrays(weights, {f"{language}_{key}": value for key, value in arrays.items()})
    shown = {EMOTIONS[kind] for kind in np.unique(train.labels)}
    card = ModelCard(
        id=name,
        modality="text",
        revision="local",
        sha256=file_sha256(weights),
        licence="that of the texts it was trained on",
        labels=EMOTIONS,
        canonical={name: name if name in shown else None for name in EMOTIONS},
        languages=(language,),
        source="emotion-pipeline train text",
        notes=f"Trained from scratch on {len(train.words)} texts of its owner.",
    )
    write_record(scratch / CARD_FILE, card)
    shutil.rmtree(out, ignore_errors=True)
    scratch.replace(out)
    return card


def _net_settings(count: int) -> NetSettings:
    """Small texts are gone through more often, so that the number of steps stays of use."""
    return NetSettings(
        embedding=96,
        channels=64,
        widths=(1, 2, 3),
        dropout=0.5,
        epochs=int(np.clip(40_000 // count, 4, 20)),
        batch_size=32,
        learning_rate=2e-3,
        smoothing=0.05,
        balance=(BALANCE,),
        strip_share=0.0,
    )


def _linear(train: Texts, dev: Texts, language: str, min_texts: int) -> LinearPart:
    """The logistic regression over n-grams whose strength does best on dev."""
    grams = featurise(train.words, language)
    hashes, frequency = vocabulary(grams, min_texts)
    idf = np.log((1 + len(grams)) / (1 + frequency)) + 1
    table = (matrix(grams, hashes) @ sparse.diags(idf)).tocsr()
    dev_grams = featurise(dev.words, language)
    fitted = []
    for strength in STRENGTHS:
        weights, bias = _regression(table, train.labels, strength)
        weights *= idf[:, None]
        worth = np.abs(weights).max(axis=1) * np.sqrt(frequency)
        chosen = np.sort(np.argsort(-worth, kind="stable")[:KEEP])
        fitted.append(LinearPart(hashes[chosen], weights[chosen], bias))
    losses = [_loss(dev.labels, _said(part, dev_grams)) for part in fitted]
    return fitted[int(np.argmin(losses))]


def _regression(table: sparse.csr_matrix, labels: Integers, strength: float) -> tuple[Doubles, Doubles]:
    """Weights (m, k) and bias (k,); an emotion without examples gets a bias that rules it out."""
    counts = np.bincount(labels, minlength=len(EMOTIONS))
    importance = ((len(labels) / np.maximum(counts, 1)) ** BALANCE)[labels]
    model = LogisticRegression(C=strength, max_iter=100, tol=1e-3)
    model.fit(table, labels, sample_weight=importance / importance.mean())
    slopes, offsets = model.coef_.T, model.intercept_
    if len(model.classes_) == 2:  # the library then gives the second class against the first
        slopes, offsets = np.column_stack([-slopes, slopes]) / 2, np.append(-offsets, offsets) / 2
    weights = np.zeros((table.shape[1], len(EMOTIONS)))
    weights[:, model.classes_] = slopes
    bias = np.full(len(EMOTIONS), offsets.min() - RULED_OUT)
    bias[model.classes_] = offsets
    return weights, bias


def _said(linear: LinearPart, grams: Sequence[Grams]) -> Doubles:
    return np.asarray(log_softmax(linear.logits(matrix(list(grams), linear.hashes))))


def _blend(
    linear: LinearPart, net: TextNet, words: npt.NDArray[np.uint32], dev: Texts, language: str
) -> npt.NDArray[np.float32]:
    """Shares of both parts over the temperature, shape (1, 2)."""
    first = _said(linear, featurise(dev.words, language))
    second = log_softmax(logits_of(net, dev.words, words)[:, 0])
    mixed = {share: (1 - share) * first + share * second for share in SHARES}
    temperatures = {
        share: max(fit_temperature(dev.labels, logs), LEAST_TEMPERATURE) for share, logs in mixed.items()
    }
    best = min(SHARES, key=lambda share: _loss(dev.labels, mixed[share] / temperatures[share]))
    temperature = temperatures[best]
    return np.array([[(1 - best) / temperature, best / temperature]], dtype=np.float32)


def _loss(truth: Integers, logits: Doubles) -> float:
    return negative_log_likelihood(truth, softmax(logits))
