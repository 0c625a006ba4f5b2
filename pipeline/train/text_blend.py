"""How the parts of the compact text model are weighed: fitted at once on a language's development texts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from pipeline.labels import EMOTIONS
from pipeline.text.compact import log_softmax, mix_experts, mix_parts, share_of_speech
from pipeline.train.metrics import negative_log_likelihood

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DevSet:
    """One register's texts: truth (n,), raw columns of the linear part (n, r * k + 1), logits (n, r, k)."""

    truth: npt.NDArray[np.int64]
    raw: Doubles
    logits: Doubles


@dataclass(frozen=True, slots=True)
class Blend:
    """``weights`` (r, 2) as in ``text.compact``; the gate's log-odds are to become scale * raw + shift."""

    weights: Doubles
    gate_scale: float
    gate_shift: float


def fit_blend(registers: Sequence[DevSet], tilts: Doubles, strength: float) -> Blend:
    """The blend with the least mean negative log-likelihood of the final mixture, gate and tilts and all.

    Every register counts the same; ``tilts`` (r, k) are of :func:`towards_rare`; ``strength`` holds the
    logarithms near their start (parts equal, no temperature, gate as it is) as a Gaussian prior would.
    """
    count = len(registers)
    parts = [
        (log_softmax(one.raw[:, :-1].reshape(len(one.truth), count, -1)), log_softmax(one.logits))
        for one in registers
    ]
    start = np.concatenate([np.full(2 * count, np.log(0.5)), [0.0, 0.0]])

    def unpacked(values: Doubles) -> Blend:
        weights = np.exp(values[:-2]).reshape(count, 2)
        return Blend(weights, float(np.exp(values[-2])), float(values[-1]))

    def loss(values: Doubles) -> float:
        blend = unpacked(values)
        losses = [
            negative_log_likelihood(one.truth, mixture(linear, net, one.raw[:, -1], blend, tilts))
            for one, (linear, net) in zip(registers, parts, strict=True)
        ]
        return float(np.mean(losses) + strength * np.square(values - start).sum())

    found = minimize(loss, start, method="Powell", options={"xtol": 1e-3, "ftol": 1e-6, "maxiter": 20})
    return unpacked(np.round(found.x, 4))


def mixture(linear: Doubles, net: Doubles, gate: Doubles, blend: Blend, tilts: Doubles) -> Doubles:
    """What ``text.compact.probability`` answers, from log-probabilities (n, r, k) and raw log-odds (n,)."""
    # Divided by the weight that multiplies them afterwards, as they are in the bias of the shipped file.
    experts = mix_parts(linear + tilts / blend.weights[:, :1], net, blend.weights)
    logits = gate * blend.gate_scale + blend.gate_shift
    return mix_experts(experts, share_of_speech(logits, spoken=False))


def towards_rare(labels: npt.NDArray[np.int64], tilt: float) -> npt.NDArray[np.float32]:
    """What is added to each log-probability, (k,): ``-tilt`` times the log of the emotion's share.

    Above 0 rare emotions are found more often (logit adjustment, Menon et al. 2021); an emotion without
    examples stays as unlikely as it was.
    """
    share = np.bincount(labels, minlength=len(EMOTIONS)) / len(labels)
    return np.asarray(-tilt * np.log(np.where(share > 0, share, 1.0)), dtype=np.float32)
