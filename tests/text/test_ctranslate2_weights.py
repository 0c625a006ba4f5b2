"""One model in two files: CTranslate2's, and openai-whisper's state."""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.models.cards import ModelError
from pipeline.text.ctranslate2_weights import read_variables, whisper_dimensions, whisper_state
from pipeline.text.whisper_speech import CONVERTED, load_model

Weights = dict[str, NDArray[Any]]
TYPE_IDS = {"float32": 0, "int8": 1, "int16": 2, "float16": 4}


def text(value: str) -> bytes:
    return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"


def file_of(variables: Mapping[str, NDArray[Any]], aliases: Mapping[str, str], version: int = 6) -> bytes:
    parts = [struct.pack("<I", version), text("WhisperSpec"), struct.pack("<II", 3, len(variables))]
    for name, value in variables.items():
        parts += [text(name), struct.pack("<B", value.ndim), *(struct.pack("<I", n) for n in value.shape)]
        parts += [struct.pack("<BI", TYPE_IDS[value.dtype.name], value.nbytes), value.tobytes()]
    parts += [struct.pack("<I", len(aliases)), *(text(a) + text(b) for a, b in aliases.items())]
    return b"".join(parts)


def converted(state: Mapping[str, Any], width: int) -> Weights:
    """What CTranslate2's converter makes of a state of openai-whisper's."""
    value = {name: tensor.numpy().astype(np.float16) for name, tensor in state.items()}
    zeros = np.zeros(width, np.float16)
    parts = {"self_attention": "attn", "attention": "cross_attn"}
    result: Weights = {
        "encoder/num_heads": np.array(2, np.int16),
        "decoder/num_heads": np.array(2, np.int16),
        "encoder/position_encodings/encodings": value["encoder.positional_embedding"],
        "decoder/position_encodings/encodings": value["decoder.positional_embedding"],
        "decoder/embeddings/weight": value["decoder.token_embedding.weight"],
    }
    for leaf in ("weight", "bias"):
        other = {"weight": "gamma", "bias": "beta"}[leaf]
        for conv in ("conv1", "conv2"):
            result[f"encoder/{conv}/{leaf}"] = value[f"encoder.{conv}.{leaf}"]
        result[f"encoder/layer_norm/{other}"] = value[f"encoder.ln_post.{leaf}"]
        result[f"decoder/layer_norm/{other}"] = value[f"decoder.ln.{leaf}"]
        for side in ("encoder", "decoder"):
            ours, theirs = f"{side}.blocks.0", f"{side}/layer_0"
            result[f"{theirs}/ffn/layer_norm/{other}"] = value[f"{ours}.mlp_ln.{leaf}"]
            result[f"{theirs}/ffn/linear_0/{leaf}"] = value[f"{ours}.mlp.0.{leaf}"]
            result[f"{theirs}/ffn/linear_1/{leaf}"] = value[f"{ours}.mlp.2.{leaf}"]
            for kind in ("self_attention",) if side == "encoder" else ("self_attention", "attention"):
                at, names = f"{ours}.{parts[kind]}", ("query", "key", "value")
                q, k, v = (value.get(f"{at}.{name}.{leaf}", zeros) for name in names)
                fused = (
                    {"linear_0": [q, k, v]}
                    if kind == "self_attention"
                    else {"linear_0": [q], "linear_1": [k, v]}
                )
                for name, blocks in fused.items():
                    result[f"{theirs}/{kind}/{name}/{leaf}"] = np.concatenate(blocks)
                out = "linear_1" if kind == "self_attention" else "linear_2"
                result[f"{theirs}/{kind}/{out}/{leaf}"] = value[f"{at}.out.{leaf}"]
                result[f"{theirs}/{kind}/layer_norm/{other}"] = value[f"{at}_ln.{leaf}"]
    return result


@pytest.fixture(scope="module")
def model() -> Any:
    import torch
    from whisper.model import ModelDimensions, Whisper

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = Whisper(ModelDimensions(80, 1500, 8, 2, 1, 500, 448, 8, 2, 1))
        made.load_state_dict({name: torch.randn(value.shape) for name, value in made.state_dict().items()})
        return made


def test_every_weight_comes_back_in_its_place(model: Any, tmp_path: Path) -> None:
    variables = converted(model.state_dict(), 8)
    path = tmp_path / "model.bin"
    path.write_bytes(file_of(variables, {"decoder/projection/weight": "decoder/embeddings/weight"}))
    read = read_variables(path)
    state = whisper_state(read)
    assert state.keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        np.testing.assert_array_equal(state[name], tensor.numpy().astype(np.float16))
    assert whisper_dimensions(read) == vars(model.dims)


def test_a_file_of_another_kind_is_one_sentence(tmp_path: Path, model: Any) -> None:
    good = file_of(converted(model.state_dict(), 8), {})
    for content in (b"", b"no weights", file_of({}, {}, version=5), good[:-30], good + b"x"):
        (tmp_path / "model.bin").write_bytes(content)
        with pytest.raises(ModelError, match="is not a CTranslate2 Whisper model"):
            read_variables(tmp_path / "model.bin")
    with pytest.raises(ModelError, match="is not a CTranslate2 Whisper model"):
        read_variables(tmp_path / "none.bin")


def test_weights_without_a_place_and_places_without_weights_are_refused(model: Any) -> None:
    variables = converted(model.state_dict(), 8)
    with pytest.raises(ModelError, match="hold decoder/extra"):
        whisper_state({**variables, "decoder/extra": np.ones(3, np.float16)})
    biased = {**variables, "encoder/layer_0/self_attention/linear_0/bias": np.ones(24, np.float16)}
    with pytest.raises(ModelError, match="have a bias"):
        whisper_state(biased)
    variables.pop("encoder/conv1/bias")
    with pytest.raises(ModelError, match="lack 'encoder/conv1/bias'"):
        whisper_state(variables)


@pytest.mark.parametrize("lost", ["encoder/num_heads", "encoder/conv1/weight"])
def test_a_file_without_what_the_model_needs_is_one_sentence(model: Any, tmp_path: Path, lost: str) -> None:
    variables = converted(model.state_dict(), model.dims.n_audio_state)
    del variables[lost]
    (tmp_path / CONVERTED).write_bytes(file_of(variables, {}))
    with pytest.raises(ModelError, match="is not a Whisper model that openai-whisper can hold"):
        load_model(tmp_path / CONVERTED, "cpu")
