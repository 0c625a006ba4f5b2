"""How many of a recognised line's words are right: the recogniser's probabilities, calibrated.

Fitted by ``python -m benchmarks.words.asr --fit`` for Whisper base on 1,603 words and characters that have a
reference: films/clips and asr/ of the shared data, a sample of CASIA, RAVDESS and SECap. Each of these
corpora is met within .12 by constants fitted on the others (.57 to 1.00 right); on the interview and the
vlog, never fitted, .76 and .83 of the words are expected to be right, .73 and .90 are.
"""

import math
from collections.abc import Sequence

from pipeline.text.quality import units
from pipeline.types import Word

INTERCEPT, LOGIT, MEAN_LOGIT, NO_SPEECH = 0.05, 0.52, 0.38, -0.72
MIN_PROBABILITY = 0.01


def confidence(words: Sequence[Word], no_speech_prob: float) -> float | None:
    """Expected fraction of the words that are right, in [0, 1]; None where no word has a probability.

    Chinese characters count one each, as in a character error rate.
    """
    weighed = [(word.probability, max(1, units(word.text))) for word in words if word.probability is not None]
    if not weighed:
        return None
    total = sum(weight for _, weight in weighed)
    mean = mean_logit(words)
    right = sum(word_confidence(p, mean, no_speech_prob) * weight for p, weight in weighed)
    return round(right / total, 4)


def word_confidence(probability: float, mean_logit: float, no_speech_prob: float) -> float:
    """Probability that a word is right, from its own, the mean logit of its line and that of no speech."""
    return sigmoid(
        INTERCEPT + LOGIT * logit(probability) + MEAN_LOGIT * mean_logit + NO_SPEECH * no_speech_prob
    )


def mean_logit(words: Sequence[Word]) -> float:
    """Mean logit of the words that have a probability, by their length in units; 0 without any."""
    weighed = [(logit(w.probability), max(1, units(w.text))) for w in words if w.probability is not None]
    return sum(value * weight for value, weight in weighed) / max(1, sum(weight for _, weight in weighed))


def logit(probability: float) -> float:
    """Log odds, kept finite."""
    kept = min(max(probability, MIN_PROBABILITY), 1 - MIN_PROBABILITY)
    return math.log(kept / (1 - kept))


def sigmoid(value: float) -> float:
    """Probability of log odds."""
    return 1 / (1 + math.exp(-value))
