"""Whisper's weights in CTranslate2's file, as openai-whisper has them: one set of bytes for both engines.

The file (``ctranslate2/specs/model_spec.py``, binary version 6): version, name and revision of the
specification; then each variable with its name, rank, dimensions, type and bytes; then pairs of names, an alias
and what it stands for. Integers are little-endian; a text is its length with a closing zero, then its bytes.
"""

import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.models.cards import ModelError

VERSION = 6
SPECIFICATION = "WhisperSpec"
TYPES = {0: "<f4", 1: "i1", 2: "<i2", 3: "<i4", 4: "<f2"}

Weights = dict[str, NDArray[Any]]

# Names of a layer's parts: CTranslate2's, openai-whisper's. Weight and bias follow each.
_ENCODER_PARTS = {
    "self_attention/layer_norm": "attn_ln",
    "self_attention/linear_1": "attn.out",
    "ffn/layer_norm": "mlp_ln",
    "ffn/linear_0": "mlp.0",
    "ffn/linear_1": "mlp.2",
}
_DECODER_PARTS = {
    **_ENCODER_PARTS,
    "attention/layer_norm": "cross_attn_ln",
    "attention/linear_0": "cross_attn.query",
    "attention/linear_2": "cross_attn.out",
}
# Projections that CTranslate2 keeps as one matrix, row blocks in this order.
_FUSED = {
    "self_attention/linear_0": ("attn.query", "attn.key", "attn.value"),
    "attention/linear_1": ("cross_attn.key", "cross_attn.value"),
}
_LEAVES = {"weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}


def read_variables(path: Path) -> Weights:
    """All variables of a CTranslate2 model file, aliases among them, in the types they are stored in.

    Raises:
        ModelError: the file cannot be read, or holds another kind of model.
    """
    try:
        return _variables(memoryview(path.read_bytes()))
    except (OSError, struct.error, ValueError, KeyError, UnicodeDecodeError) as error:
        raise ModelError(
            f"{path} is not a CTranslate2 Whisper model that can be read ({type(error).__name__}); delete it "
            "and run `emotion-pipeline models pull`"
        ) from error


def whisper_state(variables: Mapping[str, NDArray[Any]]) -> Weights:
    """The ``state_dict`` of openai-whisper's class, names to arrays, in the stored types.

    Keys have no bias there: the one of zeros that CTranslate2 keeps in its place is left out. The output
    projection is the embedding.

    Raises:
        ModelError: a variable is missing or left over, or a key's bias is not zero.
    """
    state: Weights = {}
    used: set[str] = set()

    def take(name: str) -> NDArray[Any]:
        used.add(name)
        return variables[name]

    try:
        for side, parts in (("encoder", _ENCODER_PARTS), ("decoder", _DECODER_PARTS)):
            for layer in range(_layers(variables, side)):
                before, after = f"{side}/layer_{layer}", f"{side}.blocks.{layer}"
                for theirs, ours in parts.items():
                    for leaf in ("gamma", "beta") if "layer_norm" in theirs else ("weight", "bias"):
                        state[f"{after}.{ours}.{_LEAVES[leaf]}"] = take(f"{before}/{theirs}/{leaf}")
                for theirs, names in _FUSED.items():
                    if side == "encoder" and theirs == "attention/linear_1":
                        continue
                    for leaf in ("weight", "bias"):
                        blocks = np.split(take(f"{before}/{theirs}/{leaf}"), len(names))
                        for ours, block in zip(names, blocks, strict=True):
                            if leaf == "bias" and ours.endswith(".key"):
                                _require_zero(block, before)
                            else:
                                state[f"{after}.{ours}.{leaf}"] = block
        for leaf in ("weight", "bias"):
            for conv in ("conv1", "conv2"):
                state[f"encoder.{conv}.{leaf}"] = take(f"encoder/{conv}/{leaf}")
        for leaf in ("gamma", "beta"):
            state[f"encoder.ln_post.{_LEAVES[leaf]}"] = take(f"encoder/layer_norm/{leaf}")
            state[f"decoder.ln.{_LEAVES[leaf]}"] = take(f"decoder/layer_norm/{leaf}")
        state["encoder.positional_embedding"] = take("encoder/position_encodings/encodings")
        state["decoder.positional_embedding"] = take("decoder/position_encodings/encodings")
        state["decoder.token_embedding.weight"] = take("decoder/embeddings/weight")
    except KeyError as error:
        raise ModelError(f"the Whisper weights lack {error}; pull them again") from None
    left = {name for name, value in variables.items() if value.ndim and name not in used}
    if left - {"decoder/projection/weight"}:
        raise ModelError(f"the Whisper weights hold {sorted(left)[0]}, which has no place; pull them again")
    return state


def whisper_dimensions(variables: Mapping[str, NDArray[Any]]) -> dict[str, int]:
    """The arguments of openai-whisper's ``ModelDimensions``."""
    context, width = variables["encoder/position_encodings/encodings"].shape
    text_context, text_width = variables["decoder/position_encodings/encodings"].shape
    return {
        "n_mels": int(variables["encoder/conv1/weight"].shape[1]),
        "n_audio_ctx": int(context),
        "n_audio_state": int(width),
        "n_audio_head": int(variables["encoder/num_heads"]),
        "n_audio_layer": _layers(variables, "encoder"),
        "n_vocab": int(variables["decoder/embeddings/weight"].shape[0]),
        "n_text_ctx": int(text_context),
        "n_text_state": int(text_width),
        "n_text_head": int(variables["decoder/num_heads"]),
        "n_text_layer": _layers(variables, "decoder"),
    }


def _variables(data: memoryview) -> Weights:
    at = 0

    def number(kind: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from(f"<{kind}", data, at)
        at += struct.calcsize(f"<{kind}")
        return int(value)

    def text() -> str:
        nonlocal at
        length = number("H")
        value = bytes(data[at : at + length - 1]).decode()
        at += length
        return value

    if number("I") != VERSION or text() != SPECIFICATION:
        raise ValueError("another kind of model")
    number("I")  # revision of the specification
    variables: Weights = {}
    for _ in range(number("I")):
        name = text()
        shape = [number("I") for _ in range(number("B"))]
        kind, size = np.dtype(TYPES[number("B")]), number("I")
        variables[name] = np.frombuffer(data[at : at + size], kind).reshape(shape)
        at += size
    for _ in range(number("I")):
        alias = text()
        variables[alias] = variables[text()]
    if at != len(data):
        raise ValueError("bytes are left over")
    return variables


def _layers(variables: Mapping[str, NDArray[Any]], side: str) -> int:
    layers = {match[1] for name in variables if (match := re.match(rf"{side}/layer_(\d+)/", name))}
    return len(layers)


def _require_zero(bias: NDArray[Any], where: str) -> None:
    if np.any(bias):
        raise ModelError(f"the keys of {where} have a bias, which openai-whisper has no place for")
