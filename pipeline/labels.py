"""The seven emotions, their place in the affect plane, and the way from a model's own labels to them."""

from collections.abc import Mapping, Sequence

from pipeline.types import Scores

EMOTIONS: tuple[str, ...] = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
NEUTRAL = "neutral"

# Russell & Mehrabian (1977), "Evidence for a three-factor theory of emotions", J. Research in Personality 11:
# means of pleasure and arousal, rounded to 2 decimals; neutral is the origin. Surprise is put at valence 0:
# their +.40 is for "surprised" as pleasant, which a face or a voice alone does not tell.
VALENCE: Mapping[str, float] = {
    "angry": -0.51,
    "disgust": -0.60,
    "fear": -0.64,
    "happy": 0.81,
    "sad": -0.63,
    "surprise": 0.0,
    "neutral": 0.0,
}
AROUSAL: Mapping[str, float] = {
    "angry": 0.59,
    "disgust": 0.35,
    "fear": 0.60,
    "happy": 0.51,
    "sad": -0.27,
    "surprise": 0.67,
    "neutral": 0.0,
}

# Names seen in data sets and model configurations, lower case, to the canonical emotion; None says that
# the label names something outside the seven, whose mass stays unmapped.
CROSSWALK: Mapping[str, str | None] = {
    **{emotion: emotion for emotion in EMOTIONS},
    "anger": "angry",
    "ang": "angry",
    "mad": "angry",
    "disgusted": "disgust",
    "dis": "disgust",
    "fearful": "fear",
    "fea": "fear",
    "scared": "fear",
    "happiness": "happy",
    "hap": "happy",
    "joy": "happy",
    "sadness": "sad",
    "surprised": "surprise",
    "sur": "surprise",
    "neu": "neutral",
    "calm": "neutral",
    "平淡": "neutral",
    "關切": None,
    "開心": "happy",
    "憤怒": "angry",
    "悲傷": "sad",
    "疑問": None,
    "驚奇": "surprise",
    "厭惡": "disgust",
    "concerned": None,
    "questioning": None,
    "contempt": None,
    "boredom": None,
    "other": None,
    "unknown": None,
}


def canonical_map(native_labels: Sequence[str]) -> dict[str, str | None]:
    """Crosswalk for a model's labels.

    Raises:
        ValueError: a label is not in the crosswalk, or none of them names an emotion.
    """
    unknown = [label for label in native_labels if label.strip().lower() not in CROSSWALK]
    if unknown:
        raise ValueError(f"labels {unknown} are in no crosswalk; known names: {', '.join(CROSSWALK)}")
    mapped = {label: CROSSWALK[label.strip().lower()] for label in native_labels}
    if not any(mapped.values()):
        raise ValueError(f"none of the labels {list(native_labels)} names one of {', '.join(EMOTIONS)}")
    return mapped


def to_scores(
    labels: Sequence[str], probabilities: Sequence[float], canonical: Mapping[str, str | None]
) -> Scores:
    """Fold a native distribution (summing to 1) into the canonical one; unmapped mass is kept apart."""
    total = dict.fromkeys(EMOTIONS, 0.0)
    unmapped = 0.0
    for label, probability in zip(labels, probabilities, strict=True):
        emotion = canonical[label]
        if emotion is None:
            unmapped += float(probability)
        else:
            total[emotion] += float(probability)
    return Scores(
        probabilities=tuple(total[emotion] for emotion in EMOTIONS),
        unmapped=unmapped,
        native={label: float(p) for label, p in zip(labels, probabilities, strict=True)},
    )


def top(scores: Scores) -> tuple[str, float]:
    """The most probable emotion and its probability; ties go to the first in ``EMOTIONS``."""
    best = scores.probabilities.index(max(scores.probabilities))
    return EMOTIONS[best], scores.probabilities[best]


def valence(scores: Scores) -> float:
    """Expected valence in [-1, 1]; unmapped mass counts as 0."""
    return sum(p * VALENCE[emotion] for emotion, p in zip(EMOTIONS, scores.probabilities, strict=True))
