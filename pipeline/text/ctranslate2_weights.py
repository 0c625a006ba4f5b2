"""Whisper's weights in CTranslate2's file, as openai-whisper has them: one set of bytes for both engines.

The file (``ctranslate2/specs/model_spec.py``, binary version 6): version, name and revision of the
specification; then each variable with its name, rank, dimensions, type and bytes; then pairs of names, an
alias and what it stands for. Integers are little-endian; a text is its length with a closing zero, then its
bytes.
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

# Names of a layer's parts: CTranslate2's, and openai-whisper's, several where it divides the rows.
_ENCODER_PARTS = {
    "self_attention/layer_norm": ("attn_ln",),
    "self_attention/linear_0": ("attn.query", "attn.key", "attn.value"),
    "self_attention/linear_1": ("attn.out",),
    "ffn/layer_norm": ("mlp_ln",),
    "ffn/linear_0": ("mlp.0",),
    "ffn/linear_1": ("mlp.2",),
}
_DECODER_PARTS = {
    **_ENCODER_PARTS,
    "attention/layer_norm": ("cross_attn_ln",),
    "attention/linear_0": ("cross_attn.query",),
    "attention/linear_1": ("cross_attn.key", "cross_attn.value"),
    "attention/linear_2": ("cross_attn.out",),
}
_ENDS = {
    "encoder/conv1": "encoder.conv1",
    "encoder/conv2": "encoder.conv2",
    "encoder/layer_norm": "encoder.ln_post",
    "decoder/layer_norm": "decoder.ln",
}


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
    places = _places(variables)
    left = {name for name, value in variables.items() if value.ndim and name not in places}
    if left - {"decoder/projection/weight"}:
        raise ModelError(f"the Whisper weights hold {sorted(left)[0]}, which has no place; pull them again")
    state: Weights = {}
    for theirs, names in places.items():
        if theirs not in variables:
            raise ModelError(f"the Whisper weights lack {theirs!r}; pull them again")
        for ours, block in zip(names, np.split(variables[theirs], len(names)), strict=True):
            if not ours.endswith("key.bias"):
                state[ours] = block
            elif np.any(block):
                raise ModelError(f"the keys of {theirs} have a bias, which openai-whisper has no place for")
    return state


def _places(variables: Mapping[str, NDArray[Any]]) -> dict[str, tuple[str, ...]]:
    """CTranslate2's names and, for each, those of openai-whisper's that its rows are divided among."""
    places: dict[str, tuple[str, ...]] = {
        "encoder/position_encodings/encodings": ("encoder.positional_embedding",),
        "decoder/position_encodings/encodings": ("decoder.positional_embedding",),
        "decoder/embeddings/weight": ("decoder.token_embedding.weight",),
    }
    for theirs, ours in _ENDS.items():
        places |= _leaves(theirs, (ours,))
    for side, parts in (("encoder", _ENCODER_PARTS), ("decoder", _DECODER_PARTS)):
        for layer in range(_layers(variables, side)):
            before, after = f"{side}/layer_{layer}", f"{side}.blocks.{layer}"
            for theirs, names in parts.items():
                places |= _leaves(f"{before}/{theirs}", tuple(f"{after}.{ours}" for ours in names))
    return places


def _leaves(theirs: str, names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    weight, bias = ("gamma", "beta") if theirs.endswith("layer_norm") else ("weight", "bias")
    return {
        f"{theirs}/{weight}": tuple(f"{ours}.weight" for ours in names),
        f"{theirs}/{bias}": tuple(f"{ours}.bias" for ours in names),
    }


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
