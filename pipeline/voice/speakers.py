"""Who speaks when, from one vector per window of speech: how many voices, which is which, turns. Pure.

Windows are clustered by the eigenvectors of their graph of nearest neighbours (von Luxburg 2007, "A
tutorial on spectral clustering"). There are as many voices as clusters can be had whose mean vectors all
point in clearly different directions: a mean over many windows keeps the voice and little of the mood or
the sounds. In time, a voice goes on unless another fits better for long enough (Viterbi). Two who speak at
once are one turn, of whoever fits better: windows of 1.6 s do not show the short stretches in which people
talk over one another.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.types import Span, Turn

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

WINDOW_US = 1_600_000
HOP_US = 750_000
MAX_CLUSTERED = 1_000  # windows; of a longer video as many, spread evenly, are clustered, the rest assigned
MIN_WINDOWS = 4  # of a voice, about 4 s of speech
MIN_FRACTION = 0.02  # of all windows, of a voice
NEIGHBOURS = 0.2  # fraction of the windows that are a window's neighbours
SAME_VOICE, SAME_VOICE_STEP, MAX_SAME_VOICE = 0.8, 0.01, 0.9
INDEPENDENT = 0.3  # windows that say something new, as a fraction: neighbours overlap and share a sentence
MAX_ROUNDS = 20  # of k-means
VOICE_SQUARE = 0.42  # squared length of the mean over endless speech of a voice; 0.42 to 0.57 when measured
PRIOR_COUNT = 5.0  # independent windows that this is worth
SHARPNESS = 20.0  # of a voice's probability in the cosine, as that of a softmax
SWITCH = 3.0  # what a change of voice between neighbouring windows costs, in the same units


def voices(vectors: Array, speakers: int | None, max_speakers: int) -> tuple[Labels, Array]:
    """The voice of every window and how probable it is.

    Args:
        vectors: ``(n, d)``, in the order of time.
        speakers: how many voices there are; None: estimated, ``max_speakers`` at most.
        max_speakers: at least 1.

    Returns:
        Labels ``(n,)`` from 0 on, by first appearance, and probabilities ``(n,)`` from 0 to 1. There may be
        fewer voices than ``speakers`` where there are fewer windows.
    """
    if len(vectors) == 0:
        return np.zeros(0, np.int64), np.zeros(0)
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    chosen = np.unique(np.linspace(0, len(unit) - 1, min(len(unit), MAX_CLUSTERED)).round().astype(int))
    sample = unit[chosen]
    labels = clusters(sample, min(speakers, len(sample))) if speakers else counted(sample, max_speakers)
    fits = unit @ means(sample, labels).T
    path = smoothed(SHARPNESS * fits)
    shares = np.exp(SHARPNESS * (fits - fits.max(axis=1, keepdims=True)))
    shares /= shares.sum(axis=1, keepdims=True)
    _, first, inverse = np.unique(path, return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(first))
    return order[inverse].astype(np.int64), shares[np.arange(len(path)), path]


def counted(unit: Array, max_speakers: int) -> Labels:
    """Clusters, as many as there are voices: the most that are all apart, if two already are."""
    best = np.zeros(len(unit), np.int64)
    min_windows = max(MIN_WINDOWS, MIN_FRACTION * len(unit))
    for count in range(2, min(max_speakers, len(unit) // MIN_WINDOWS) + 1):
        labels = clusters(unit, count)
        is_large = np.bincount(labels, minlength=count).min() >= min_windows  # and none is empty
        if is_large and likeness(unit, labels).max() < same_voice(count):
            best = labels
        elif count == 2:
            break
    return best


def same_voice(count: int) -> float:
    """Cosine from which on two of ``count`` clusters are one voice; the greatest of more pairs is greater."""
    return min(SAME_VOICE + SAME_VOICE_STEP * (count - 2), MAX_SAME_VOICE)


def likeness(unit: Array, labels: Labels) -> Array:
    """Cosine between the voices of every two clusters, ``(clusters, clusters)``; -1 on the diagonal.

    The mean of few windows is longer than that of many, since less of what is not the voice cancels out, and
    so would seem less like another: instead of its own length it gets the one that a mean over endless
    speech would have (correction for attenuation, Spearman 1904), drawn towards the usual one for few.
    """
    sizes = np.bincount(labels)
    centres = np.stack([unit[labels == label].mean(axis=0) for label in range(len(sizes))])
    count = np.maximum(sizes * INDEPENDENT, 1.05)
    unbiased = np.clip((count * (centres**2).sum(axis=1) - 1) / (count - 1), 0, 1)
    squares = (count * unbiased + PRIOR_COUNT * VOICE_SQUARE) / (count + PRIOR_COUNT)
    alike: Array = centres @ centres.T / np.sqrt(squares[:, None] * squares)
    np.fill_diagonal(alike, -1.0)
    return alike


def clusters(unit: Array, count: int) -> Labels:
    """At most ``count`` clusters of vectors of length one: k-means that starts from Ward's clusters."""
    from scipy.cluster.hierarchy import fcluster, linkage

    if count == 1:
        return np.zeros(len(unit), np.int64)
    axes = spectral_axes(unit, count)
    rows = axes / np.maximum(np.linalg.norm(axes, axis=1, keepdims=True), 1e-12)
    labels = _numbered(fcluster(linkage(rows, "ward"), count, "maxclust"))
    for _ in range(MAX_ROUNDS):
        centres = np.stack([rows[labels == label].mean(axis=0) for label in range(labels.max() + 1)])
        nearest = _numbered(((rows[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1))
        if (nearest == labels).all():
            break
        labels = nearest
    return labels


def _numbered(labels: NDArray[Any]) -> Labels:
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def spectral_axes(unit: Array, count: int) -> Array:
    """The first ``count`` eigenvectors of the graph of neighbours, ``(n, count)``."""
    from scipy.linalg import eigh

    size = len(unit)
    alike = unit @ unit.T
    kept = max(3, int(NEIGHBOURS * size))
    nearest = np.argsort(-alike, axis=1, kind="stable")[:, :kept]
    graph = np.zeros((size, size))
    np.put_along_axis(graph, nearest, 1.0, axis=1)
    graph = (graph + graph.T) / 2
    degrees = np.sqrt(graph.sum(axis=1))
    axes: Array = eigh(graph / degrees / degrees[:, None], subset_by_index=[size - count, size - 1])[1]
    return axes


def means(unit: Array, labels: Labels) -> Array:
    """Direction of each cluster's mean, ``(clusters, d)``."""
    sums = np.stack([unit[labels == label].mean(axis=0) for label in np.unique(labels)])
    return np.asarray(sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12))


def smoothed(scores: Array) -> Labels:
    """The best path through ``scores`` ``(n, voices)`` where each change costs ``SWITCH``."""
    count, voices_ = scores.shape
    came_from = np.zeros((count, voices_), np.int64)
    best = scores[0]
    for i in range(1, count):
        leader = int(best.argmax())
        stays = best >= best[leader] - SWITCH
        came_from[i] = np.where(stays, np.arange(voices_), leader)
        best = np.where(stays, best, best[leader] - SWITCH) + scores[i]
    path = np.zeros(count, np.int64)
    path[-1] = int(best.argmax())
    for i in range(count - 1, 0, -1):
        path[i - 1] = came_from[i, path[i]]
    return path


def turns(
    speech: Sequence[Span], windows: Sequence[Span], labels: Labels, probabilities: Array
) -> list[Turn]:
    """Turns in order: every stretch of speech, cut where the voice changes.

    The voice of a moment is that of the window whose middle is nearest. ``windows`` lie inside ``speech``,
    each stretch of which has one at least, both in order.
    """
    result: list[Turn] = []
    at = 0
    for span in speech:
        last = at
        while last < len(windows) and windows[last].start_us < span.end_us:
            last += 1
        result += _within(span, windows[at:last], labels[at:last], probabilities[at:last])
        at = last
    return result


def _within(span: Span, windows: Sequence[Span], labels: Labels, probabilities: Array) -> Iterator[Turn]:
    middles_us = [(window.start_us + window.end_us) // 2 for window in windows]
    start_us = span.start_us
    for label, group in groupby(range(len(windows)), key=lambda i: int(labels[i])):
        members = list(group)
        end = members[-1] + 1
        end_us = span.end_us if end == len(windows) else (middles_us[end - 1] + middles_us[end]) // 2
        yield Turn(Span(start_us, end_us), f"S{label + 1}", round(float(probabilities[members].mean()), 2))
        start_us = end_us
