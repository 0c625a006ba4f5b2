"""The compact text model as graphs, one a language: all of it that comes after the hashing of a text."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.labels import EMOTIONS, to_scores
from pipeline.text.compact import SPEECH_LOG_ODDS, CompactText, LanguageModel
from pipeline.text.featurise import MAX_TOKENS, ngram_features, tokens
from pipeline.train.export.graph import GraphNet
from pipeline.train.export.part import Feed, Input, Run, probabilities
from pipeline.types import ModelCard, Scores

INPUTS = (
    Input("grams", "int64", ("grams",), "rows in <language>_gram_hashes of the n-grams that stand in it"),
    Input("values", "float32", ("grams",), "weight of each of these n-grams"),
    Input("tokens", "int64", ("tokens",), "2 + row in <language>_token_hashes of each token; 1: not in it"),
)
PAIRS = Input(
    "pairs",
    "int64",
    ("tokens",),
    "2 + row in <language>_pair_hashes of each token with its successor; 1: not in it; 0 for the last token",
)
ARRAYS = (
    "columns",
    "scale",
    "bias",
    "embedding",
    "embedding_scale",
    "pair_embedding",
    "pair_scale",
    "blend",
)
PREPROCESSING = (
    "Text: Unicode NFKC, lower case, the apostrophes ’ ‘ ` as ', a character repeated four times or more cut "
    "to three; Chinese in simplified characters (OpenCC t2s).",
    f"Tokens: at most {MAX_TOKENS}, by the expressions of pipeline.text.featurise.tokens (Chinese: one "
    "character, a Latin word, a number or a bracketed emoticon; else: a word, a number, any other sign).",
    "n-grams: 1 to 3 tokens joined by 0x1F; in other languages than Chinese also 2 to 5 letters of each "
    "token with a space on both sides, after 0x1E. Each is hashed by CRC-32 of its UTF-8 bytes and weighs "
    "1 + ln(count), divided by the length of the vector of its kind "
    "(pipeline.text.featurise.ngram_features).",
    "Hashes are looked up in vocabulary.npz (sorted; a row is a place in it); n-grams that do not stand "
    "there are left out. A text without tokens is one unknown token. One text a run, one graph a language.",
)
OUTSIDE = (
    "Normalising, splitting and hashing of the text are no graph and stay outside in every format; "
    "pipeline.text.featurise does them, vocabulary.npz holds the tables. The graph reads off the text "
    f"whether it is speech; for transcripts films add {SPEECH_LOG_ODDS} to the gate's logit, the last "
    "column of the linear part."
)


class TextGraph(nn.Module):  # type: ignore[misc]
    """What ``text.compact.probability`` computes, as log-probabilities (1, 7), for one text."""

    def __init__(self, convolution: GraphNet, arrays: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.convolution = convolution
        for name in ARRAYS:
            self.register_buffer(name, arrays[name])

    def forward(self, grams: Tensor, values: Tensor, tokens: Tensor, pairs: Tensor | None = None) -> Tensor:
        """(m,) rows and weights of n-grams, (t,) rows of the embedding, (t,) those of the pairs' if any."""
        rows = self.columns[grams].float()
        raw = (values.unsqueeze(1) * rows).sum(dim=0) * self.scale + self.bias
        embedded = self.embedding[tokens].float() * self.embedding_scale
        if pairs is not None:
            opened = self.pair_embedding[pairs].float() * self.pair_scale
            embedded = torch.cat([embedded, opened], dim=1)
        convolved = self.convolution(embedded.T.unsqueeze(0)).reshape(-1, len(EMOTIONS))
        linear = raw[:-1].reshape(-1, len(EMOTIONS))
        mixed = self.blend[:, :1] * linear.log_softmax(-1) + self.blend[:, 1:] * convolved.log_softmax(-1)
        experts = mixed.softmax(-1)
        gate = raw[-1].sigmoid()
        answer = (1.0 - gate) * experts[0] + gate * experts[-1]
        return answer.clamp(min=1e-9).log().unsqueeze(0)


def inputs_of(model: LanguageModel) -> tuple[Input, ...]:
    """What the graph of a language takes: pairs only where its model has vectors of them."""
    return (*INPUTS, PAIRS) if len(model.pairs) else INPUTS


def arrays_of(model: LanguageModel) -> dict[str, Tensor]:
    """State of a :class:`TextGraph` besides its convolution."""
    return {name: torch.from_numpy(np.array(getattr(model, name))) for name in ARRAYS}


def vocabulary_of(models: Mapping[str, LanguageModel]) -> dict[str, NDArray[np.uint32]]:
    """The tables a text's hashes are looked up in."""
    tables = {}
    for language, model in models.items():
        tables[f"{language}_gram_hashes"] = model.hashes
        tables[f"{language}_token_hashes"] = model.vocabulary
        if len(model.pairs):
            tables[f"{language}_pair_hashes"] = model.pairs
    return tables


def feed_of(model: LanguageModel, text: str, language: str) -> Feed:
    """A text as the graph of its language takes it."""
    words = tokens(text, language)
    hashes, values = ngram_features(words, language)
    gram_found, grams = _rows(model.hashes, hashes)
    places, opened = model.rows(words)
    feed: dict[str, NDArray[Any]] = {
        "grams": grams[gram_found].astype(np.int64),
        "values": values[gram_found].astype(np.float32),
        "tokens": places,
    }
    return feed | ({"pairs": opened} if len(model.pairs) else {})


def _rows(
    table: NDArray[np.uint32], wanted: NDArray[np.uint32]
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    rows = np.minimum(np.searchsorted(table, wanted), len(table) - 1)
    return table[rows] == wanted, rows.astype(np.int64)


class GraphText:
    """See ``text.compact.CompactText``: the same answers out of one graph a language."""

    def __init__(self, original: CompactText, runs: Mapping[str, Run]) -> None:
        self.card: ModelCard = original.card
        self._models: Mapping[str, Any] = original.models
        self._runs = runs

    def __call__(self, texts: Sequence[str], languages: Sequence[str | None]) -> list[Scores | None]:
        """One distribution per text; None where the language is not one of the card's."""
        return [self._score(text, language) for text, language in zip(texts, languages, strict=True)]

    def _score(self, text: str, language: str | None) -> Scores | None:
        if language is None or language not in self._models:
            return None
        logits = self._runs[language](feed_of(self._models[language], text, language))
        row = probabilities(logits, self.card.temperature)[0]
        return to_scores(self.card.labels, row.tolist(), self.card.canonical)
