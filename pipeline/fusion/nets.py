"""How each learned fusion strategy gets from several inputs to one distribution: the forward passes alone.

Every function takes the array library as ``xp``: numpy when films are read, torch when a strategy is
trained, so that what is trained is what is applied. Inputs ``x`` are (n, d) by name in the model's order,
standardised, rows of zeros where absent; ``there`` is (n, m) of 0 and 1 in the same order. Results are
log-probabilities (n, k).
"""

from collections.abc import Mapping, Sequence
from math import log
from typing import Any

SCORE_LEVEL = ("average", "weighted", "confidence", "stacking", "attention")
FEATURE_LEVEL = ("concat", "transformer", "cross-attention")
BOTH_LEVELS = "concat-stacking"  # their logits added
STRATEGIES = (*SCORE_LEVEL, *FEATURE_LEVEL, BOTH_LEVELS)
HEADS = 4
TINY = 1e-9
NEVER = 1e9

Array = Any
Arrays = Mapping[str, Any]


def log_softmax(xp: Any, x: Array) -> Array:
    """Over the last axis."""
    shifted = x - xp.amax(x, axis=-1, keepdims=True)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=-1, keepdims=True))


def forward(xp: Any, strategy: str, arrays: Arrays, x: Arrays, there: Array) -> Array:
    """Log-probabilities (n, k) of a strategy; with nothing there, its prior."""
    if strategy in SCORE_LEVEL:
        return pooled(xp, strategy, arrays, experts(xp, arrays, x), there)
    return log_softmax(xp, _logits(xp, strategy, arrays, x, there))


def experts(xp: Any, arrays: Arrays, x: Arrays) -> Array:
    """What each input says by itself: log-probabilities (n, m, k) of one linear reading per input."""
    said = [
        log_softmax(xp, z @ arrays[f"expert.{name}.w"] + arrays[f"expert.{name}.b"]) for name, z in x.items()
    ]
    return xp.stack(said, axis=1)


def certainty(xp: Any, logs: Array) -> Array:
    """One minus the normalised entropy of log-probabilities (..., k), in [0, 1]."""
    entropy = -xp.sum(xp.exp(logs) * logs, axis=-1)
    return xp.clip(1.0 + TINY - entropy / log(logs.shape[-1]), TINY, None)


def shares(xp: Any, strategy: str, arrays: Arrays, said: Array, there: Array) -> Array:
    """The say of each input (n, m) in a pooled strategy, summing to 1 where anything is there."""
    if strategy == "average":
        weights = there
    elif strategy == "weighted":
        weights = there * arrays["weights"]
    elif strategy == "confidence":
        weights = there * certainty(xp, said) ** arrays["power"]
    else:
        scores = xp.sum(said * arrays["gate.w"], axis=-1) + certainty(xp, said) * arrays["gate.c"]
        scores = scores + arrays["gate.b"] + (there - 1.0) * NEVER
        weights = there * xp.exp(scores - xp.amax(scores, axis=-1, keepdims=True))
    return weights / xp.clip(xp.sum(weights, axis=-1, keepdims=True), TINY, None)


def pooled(xp: Any, strategy: str, arrays: Arrays, said: Array, there: Array) -> Array:
    """A score-level strategy, from what each input says by itself (n, m, k)."""
    if strategy == "stacking":
        return log_softmax(xp, _stacked(xp, arrays, said, there))
    say = shares(xp, strategy, arrays, said, there)
    mixed = xp.sum(say[:, :, None] * xp.exp(said), axis=1)
    nothing = 1.0 - xp.amax(there, axis=-1, keepdims=True)
    prior = xp.exp(log_softmax(xp, arrays["prior"]))
    return xp.log(xp.clip(mixed + nothing * prior, TINY, None))


def _stacked(xp: Any, arrays: Arrays, said: Array, there: Array) -> Array:
    """A linear reading of what the inputs say and of which are there: logits (n, k)."""
    heard = (said - xp.mean(said, axis=-1, keepdims=True)) * there[:, :, None]
    flat = heard.reshape(heard.shape[0], -1)
    return xp.concatenate([flat, there], axis=1) @ arrays["stack.w"] + arrays["stack.b"]


def _logits(xp: Any, strategy: str, arrays: Arrays, x: Arrays, there: Array) -> Array:
    if strategy == "concat":
        return _perceptron(xp, arrays, xp.concatenate([*x.values(), there], axis=1))
    if strategy == BOTH_LEVELS:
        joined = _perceptron(xp, arrays, xp.concatenate([*x.values(), there], axis=1))
        return joined + _stacked(xp, arrays, experts(xp, arrays, x), there)
    tokens = [_tokens(xp, arrays, name, z) for name, z in x.items()]
    mix = _transformer if strategy == "transformer" else _crossed
    return mix(xp, arrays, tokens, there)


def _perceptron(xp: Any, arrays: Arrays, z: Array) -> Array:
    """One hidden layer, and a straight way past it."""
    hidden = xp.clip(z @ arrays["in.w"] + arrays["in.b"], 0.0, None)
    return hidden @ arrays["out.w"] + arrays["out.b"] + z @ arrays["past.w"]


def _tokens(xp: Any, arrays: Arrays, name: str, x: Array) -> Array:
    """An input laid out as t tokens: (n, t, width)."""
    place = arrays[f"place.{name}"]
    laid = x @ arrays[f"lay.{name}.w"]
    return laid.reshape(x.shape[0], *place.shape) + place


def _transformer(xp: Any, arrays: Arrays, tokens: Sequence[Array], there: Array) -> Array:
    """One pre-norm encoder layer (Vaswani et al. 2017) over all tokens; a token of its own is read out."""
    count, (length, width) = there.shape[0], tokens[0].shape[1:]
    asking = xp.zeros((count, 1, width), dtype=tokens[0].dtype) + arrays["ask"]
    sequence = xp.concatenate([asking, *tokens], axis=1)
    ones = there[:, :1] * 0.0 + 1.0
    seen = xp.concatenate(
        [ones] + [there[:, [i]] for i in range(there.shape[1]) for _ in range(length)], axis=1
    )
    normed = _normed(xp, arrays, "norm", sequence)
    mixed = sequence + attended(xp, arrays, normed, normed, seen)
    read = (mixed + _fed(xp, arrays, mixed))[:, 0]
    return _normed(xp, arrays, "last", read) @ arrays["head.w"] + arrays["head.b"]


def _crossed(xp: Any, arrays: Arrays, tokens: Sequence[Array], there: Array) -> Array:
    """Each input asks the others (Tsai et al. 2019, MulT), both ways where ``allowed`` (m, m) says so."""
    length = tokens[0].shape[1]
    normed = [_normed(xp, arrays, "norm", one) for one in tokens]
    keys = xp.concatenate(normed, axis=1)
    read = []
    for i, own in enumerate(tokens):
        seen = there * arrays["allowed"][i]
        wide = xp.concatenate([seen[:, [j]] for j in range(len(tokens)) for _ in range(length)], axis=1)
        mixed = own + attended(xp, arrays, normed[i], keys, wide)
        mixed = _normed(xp, arrays, "last", mixed + _fed(xp, arrays, mixed))
        read.append(xp.mean(mixed, axis=1) * there[:, [i]])
    return xp.concatenate([*read, there], axis=1) @ arrays["head.w"] + arrays["head.b"]


def attended(xp: Any, arrays: Arrays, asking: Array, keys: Array, seen: Array) -> Array:
    """Attention with ``HEADS`` heads over the keys that ``seen`` (n, keys) tells; none: 0."""
    count, width = asking.shape[0], asking.shape[2]

    def split(tokens: Array, part: str) -> Array:
        laid = tokens @ arrays[f"mix.{part}"]
        return laid.reshape(count, -1, HEADS, width // HEADS).swapaxes(1, 2)

    scores = split(asking, "q") @ split(keys, "k").swapaxes(2, 3) / (width // HEADS) ** 0.5
    scores = scores + (seen[:, None, None, :] - 1.0) * NEVER
    weights = xp.exp(scores - xp.amax(scores, axis=-1, keepdims=True))
    weights = weights * seen[:, None, None, :]
    weights = weights / xp.clip(xp.sum(weights, axis=-1, keepdims=True), TINY, None)
    joined = (weights @ split(keys, "v")).swapaxes(1, 2).reshape(count, -1, width)
    return joined @ arrays["mix.o"]


def _fed(xp: Any, arrays: Arrays, x: Array) -> Array:
    hidden = xp.clip(_normed(xp, arrays, "feed", x) @ arrays["feed.in.w"] + arrays["feed.in.b"], 0.0, None)
    return hidden @ arrays["feed.out.w"]


def _normed(xp: Any, arrays: Arrays, name: str, x: Array) -> Array:
    centred = x - xp.mean(x, axis=-1, keepdims=True)
    spread = xp.sqrt(xp.mean(centred**2, axis=-1, keepdims=True) + 1e-5)
    return centred / spread * arrays[f"{name}.g"] + arrays[f"{name}.b"]
