"""Text to features, the same way in training and in use: tokens, and hashed n-grams of tokens and letters.

Hashes are CRC-32, so they do not change between runs or machines.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise
from math import log, sqrt
from zlib import crc32

import numpy as np
import numpy.typing as npt

from pipeline.text.script import converter

TOKEN_NGRAMS = (1, 2, 3)
LETTER_NGRAMS = (2, 3, 4, 5)
MAX_TOKENS = 96

# A bracketed emoticon of Weibo ([泪]), a word or number in Latin script, any other single character.
_ZH_TOKEN = re.compile(r"\[[^\[\]\s]{1,6}\]|[a-z]+|[0-9]+|\S")
# A word with its apostrophe (don't), a number, any other single character.
_EN_TOKEN = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|[0-9]+|\S")
_ELONGATED = re.compile(r"(.)\1{3,}")
_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "`": "'"})


def normalise(text: str, language: str) -> str:
    """Compatibility forms, lower case, drawn-out letters cut to three; Chinese in simplified characters."""
    plain = unicodedata.normalize("NFKC", text).lower().translate(_APOSTROPHES)
    plain = _ELONGATED.sub(r"\1\1\1", plain)
    return str(converter("t2s").convert(plain)) if language == "zh" else plain


def tokens(text: str, language: str) -> list[str]:
    """Tokens of a raw text: single characters for Chinese, words for other languages; at most 96."""
    pattern = _ZH_TOKEN if language == "zh" else _EN_TOKEN
    return pattern.findall(normalise(text, language))[:MAX_TOKENS]


def without_punctuation(words: Iterable[str]) -> list[str]:
    """The tokens that hold a letter or a digit: what subtitles and speech recognisers often leave."""
    return [word for word in words if any(char.isalnum() for char in word)]


def token_hashes(words: Sequence[str]) -> npt.NDArray[np.uint32]:
    """One hash per token, shape ``(n,)``."""
    return np.fromiter((crc32(word.encode()) for word in words), dtype=np.uint32, count=len(words))


def pair_hashes(words: Sequence[str]) -> npt.NDArray[np.uint32]:
    """One hash per token and its successor, the same as of that n-gram, shape ``(max(n - 1, 0),)``."""
    coded = [word.encode() for word in words]
    pairs = (crc32(a + b"\x1f" + b) for a, b in pairwise(coded))
    return np.fromiter(pairs, dtype=np.uint32, count=max(len(coded) - 1, 0))


def ngram_features(
    words: Sequence[str], language: str
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.float32]]:
    """Hashes and values of all n-grams, shape ``(m,)`` each: ``1 + ln(count)``, of length 1 per kind."""
    kinds = [_token_ngrams(words)]
    if language != "zh":
        kinds.append(_letter_ngrams(words))
    hashes: list[int] = []
    values: list[float] = []
    for grams in kinds:
        counts = Counter(map(crc32, grams))
        weighted = [1.0 + log(count) if count > 1 else 1.0 for count in counts.values()]
        length = sqrt(sum(value * value for value in weighted)) or 1.0
        hashes += counts
        values += [value / length for value in weighted]
    return np.array(hashes, dtype=np.uint32), np.array(values, dtype=np.float32)


def _token_ngrams(words: Sequence[str]) -> Iterator[bytes]:
    coded = [word.encode() for word in words]
    return chain.from_iterable(
        (b"\x1f".join(coded[i : i + n]) for i in range(len(coded) - n + 1)) for n in TOKEN_NGRAMS
    )


def _letter_ngrams(words: Sequence[str]) -> Iterator[bytes]:
    padded = [f" {word} " for word in words]
    return (
        b"\x1e" + word[i : i + n].encode()
        for word in padded
        for n in LETTER_NGRAMS
        for i in range(len(word) - n + 1)
    )
