"""The shipped text model: per language a linear layer over n-grams and a small network over token vectors.

Each language has two experts, one per register of text it was trained on (written posts, spoken lines), and a
gate that tells from the text itself which register it is in. The answer is the gate's mixture; where the text
is known to be a transcript, the gate leans towards speech.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.labels import EMOTIONS, to_scores
from pipeline.models.cards import shipped_card, shipped_weights, trained_model
from pipeline.models.load import is_folder
from pipeline.text.backends import BACKENDS
from pipeline.text.featurise import ngram_features, pair_hashes, token_hashes, tokens
from pipeline.types import ModelCard, Scores

MODEL_ID = "text_compact"
# Log-odds, beforehand, that a transcript is in the register of the spoken lines: 7 to 1. On the development
# lines of both languages more would be a little better still, but those are dialogues; people who tell a
# camera what they feel also speak like posts ("I was terrified when the car started to slide").
SPEECH_LOG_ODDS = 2.0
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """Arrays of one language; ``r`` experts of ``k`` emotions, so a column each plus one for the gate.

    ``columns`` (m, r * k + 1) int8 with ``scale`` and ``bias`` (r * k + 1,); ``embedding`` (v + 2, e) int8
    with ``embedding_scale`` (e,): row 0 is padding, row 1 an unknown token; ``pair_embedding`` (w + 2, p) the
    same for a token with its successor, p is 0 without; ``blend`` (r, 2) weighs the log-probabilities of the
    linear part and of the network and holds the temperature. ``convolution`` is the network, whichever its
    kind: ``tokens`` (1, e + p, t) to ``logits`` (1, r * k).
    """

    hashes: npt.NDArray[np.uint32]
    columns: npt.NDArray[np.int8]
    scale: Floats
    bias: Floats
    vocabulary: npt.NDArray[np.uint32]
    embedding: npt.NDArray[np.int8]
    embedding_scale: Floats
    pairs: npt.NDArray[np.uint32]
    pair_embedding: npt.NDArray[np.int8]
    pair_scale: Floats
    blend: Floats
    convolution: Any

    def linear(self, words: Sequence[str], language: str) -> Doubles:
        """Raw columns of the linear part, shape ``(r * k + 1,)``."""
        hashes, values = ngram_features(words, language)
        found, rows = _lookup(self.hashes, hashes)
        # No BLAS: the sum does not depend on how many threads it may use.
        summed = np.einsum("n,nk->k", values[found].astype(np.float64), self.columns[rows].astype(np.float64))
        return np.asarray(summed * self.scale + self.bias, dtype=np.float64)

    def convolved(self, words: Sequence[str]) -> Doubles:
        """Logits of the network, shape ``(r, k)``."""
        tokens, pairs = self.rows(words)
        embedded = np.hstack(
            [self.embedding[tokens] * self.embedding_scale, self.pair_embedding[pairs] * self.pair_scale]
        ).astype(np.float32)
        (logits,) = self.convolution.run(None, {"tokens": embedded.T[None]})
        return np.asarray(logits, dtype=np.float64).reshape(-1, len(EMOTIONS))

    def rows(self, words: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Rows of both embeddings, shape ``(t,)`` each; a text without tokens is one unknown token."""
        tokens = np.ones(max(len(words), 1), dtype=np.int64)
        found, rows = _lookup(self.vocabulary, token_hashes(words))
        tokens[: len(words)][found] = rows + 2
        pairs = np.zeros(len(tokens), dtype=np.int64)  # the last token opens no pair
        pairs[:-1] = 1
        found, rows = _lookup(self.pairs, pair_hashes(words))
        pairs[:-1][found] = rows + 2
        return tokens, pairs


class CompactText:
    """The shipped back-end; ``card.languages`` are what it reads."""

    def __init__(self, card: ModelCard, models: Mapping[str, LanguageModel]) -> None:
        self.card = card
        self.models = models

    def __call__(self, texts: Sequence[str], languages: Sequence[str | None]) -> list[Scores | None]:
        """One distribution per text; None where the language is not one of the card's."""
        return [self._score(text, language) for text, language in zip(texts, languages, strict=True)]

    def of_speech(self, texts: Sequence[str], languages: Sequence[str | None]) -> list[Scores | None]:
        """The same for texts known to be transcripts of speech."""
        return [self._score(text, language, True) for text, language in zip(texts, languages, strict=True)]

    def _score(self, text: str, language: str | None, spoken: bool = False) -> Scores | None:
        if language is None or language not in self.models:
            return None
        probabilities = probability(self.models[language], tokens(text, language), language, spoken)
        scaled = np.log(np.maximum(probabilities, 1e-9)) / self.card.temperature
        return to_scores(self.card.labels, np.exp(log_softmax(scaled)).tolist(), self.card.canonical)


def probability(model: LanguageModel, words: Sequence[str], language: str, spoken: bool = False) -> Doubles:
    """Distribution over the emotions, shape ``(k,)``; whether it is speech is known or read off the text."""
    raw = model.linear(words, language)
    experts = mix_parts(raw[:-1].reshape(-1, len(EMOTIONS)), model.convolved(words), model.blend)
    return mix_experts(experts, share_of_speech(raw[-1], spoken))


def share_of_speech(logit: Any, spoken: bool) -> Any:
    """The spoken expert's share, from the gate's logits; ``spoken``: what is known beforehand."""
    return 1.0 / (1.0 + np.exp(-(logit + spoken * SPEECH_LOG_ODDS)))


def mix_experts(experts: Doubles, spoken: Any) -> Doubles:
    """Mean of both experts (..., r, k), the second weighing ``spoken`` (...); with one expert: that one."""
    share = np.asarray(spoken)[..., None]
    return np.asarray((1.0 - share) * experts[..., 0, :] + share * experts[..., -1, :])


def mix_parts(linear: Doubles, convolved: Doubles, blend: Floats | Doubles) -> Doubles:
    """Weighted geometric mean of both parts, expert by expert; the last two axes are ``(r, k)``."""
    first, second = blend[:, 0, None], blend[:, 1, None]
    return np.exp(log_softmax(first * log_softmax(linear) + second * log_softmax(convolved)))


def log_softmax(values: Doubles) -> Doubles:
    """Over the last axis."""
    shifted = values - values.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def load(name: str, device: str) -> CompactText:
    """Load the package's model, or a folder's that `train text` left; always on the processor.

    Raises:
        ModelError: it is missing or damaged.
    """
    if is_folder(name, BACKENDS):
        return load_file(*trained_model(Path(name), "text"))
    card = shipped_card(MODEL_ID)
    return load_file(card, shipped_weights(card))


def load_file(card: ModelCard, path: Path) -> CompactText:
    """A model from its file, for instance one just trained."""
    with np.load(io.BytesIO(path.read_bytes())) as arrays:
        models = {language: _language_model(arrays, language) for language in card.languages}
    return CompactText(card, models)


def _language_model(arrays: Mapping[str, npt.NDArray[Any]], language: str) -> LanguageModel:
    from pipeline.models.session import session

    graph = arrays[f"{language}_convolution"].tobytes()
    paired = f"{language}_pair_steps" in arrays
    return LanguageModel(
        hashes=np.cumsum(arrays[f"{language}_hash_steps"], dtype=np.uint32),
        columns=arrays[f"{language}_columns"],
        scale=arrays[f"{language}_scale"],
        bias=arrays[f"{language}_bias"],
        vocabulary=np.cumsum(arrays[f"{language}_token_steps"], dtype=np.uint32),
        embedding=arrays[f"{language}_embedding"],
        embedding_scale=arrays[f"{language}_embedding_scale"],
        pairs=np.cumsum(arrays[f"{language}_pair_steps"] if paired else [], dtype=np.uint32),
        pair_embedding=arrays[f"{language}_pair_embedding"] if paired else np.zeros((2, 0), dtype=np.int8),
        pair_scale=arrays[f"{language}_pair_scale"] if paired else np.zeros(0, dtype=np.float32),
        blend=arrays[f"{language}_blend"],
        convolution=session(graph),
    )


def _lookup(
    table: npt.NDArray[np.uint32], wanted: npt.NDArray[np.uint32]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Which of ``wanted`` stand in the sorted ``table``, and their rows."""
    if len(table) == 0:
        return np.zeros(len(wanted), dtype=np.bool_), np.zeros(0, dtype=np.int64)
    rows = np.searchsorted(table, wanted)
    rows[rows == len(table)] = 0
    found = table[rows] == wanted
    return found, rows[found]
