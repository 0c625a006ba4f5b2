"""Train the compact text model: ``python -m pipeline.train.text --data DIR --out DIR [--config FILE]``.

Writes ``text_compact.npz``, its card and its report. One thread: a second run gives the same bytes.
"""

import argparse
import io
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import TypeAdapter

from pipeline.labels import EMOTIONS, canonical_map
from pipeline.models.cards import TrainingReport, file_sha256
from pipeline.records import write_record
from pipeline.text.compact import MODEL_ID, load_file
from pipeline.text.featurise import without_punctuation
from pipeline.train.text_blend import DevSet, fit_blend, towards_rare
from pipeline.train.text_data import SOURCES, Split, read_source
from pipeline.train.text_linear import LinearPart, LinearSettings, featurise, fit_experts, matrix
from pipeline.train.text_net import (
    NetSettings,
    Rows,
    logits_of,
    quantise,
    to_onnx,
    token_vocabulary,
    train_net,
)
from pipeline.train.text_recurrent import (
    RecurrentSettings,
    recurrent_logits,
    recurrent_onnx,
    train_recurrent,
)
from pipeline.train.text_report import measure, reliability_in_speech
from pipeline.train.text_tables import Tables
from pipeline.train.text_vectors import pair_vocabulary
from pipeline.types import ModelCard

LICENCE = (
    "Weights for research and other non-commercial use: trained on EWECT (SMP2020, research), EmotionTalk "
    "transcripts (CC BY-NC-SA 4.0), GoEmotions (Apache-2.0) and MELD (GPL-3.0 repository)."
)
NOTES = (
    "Per language a mixture of two experts, written posts and spoken lines, weighed by a gate that reads the "
    "text, and leans towards speech where that is known. An expert blends a linear layer over n-grams with a "
    "small network over tokens: recurrent for Chinese, over vectors made from the training texts alone and "
    "after guessing their next token, convolutional for English. Blend, temperature and gate are fitted on "
    "development data, applied inside."
)


@dataclass(frozen=True, slots=True)
class LanguageSettings:
    registers: tuple[str, ...]
    hold: float  # how strongly the blend is held near equal parts without a temperature
    tilt: tuple[float, ...]  # per register, see text_blend.towards_rare; chosen on dev
    linear: LinearSettings
    net: NetSettings | RecurrentSettings


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.train.text", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with text/ and conflict/")
    parser.add_argument("--out", type=Path, required=True, help="folder the weights are written to")
    parser.add_argument("--config", type=Path, default=Path(__file__).with_suffix(".toml"))
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    train(options.data, options.out, tomllib.loads(options.config.read_text(encoding="utf-8")))


def train(data: Path, out: Path, config: Mapping[str, Any]) -> TrainingReport:
    """Train every language of ``config``, write the three files, return the report."""
    torch.set_num_threads(1)
    started = time.process_time()
    arrays: dict[str, npt.NDArray[Any]] = {}
    splits: dict[str, dict[str, Split]] = {}
    languages = [name for name in config if name != "seed"]
    for language in languages:
        settings = language_settings(config[language])
        parts = {name: read_source(data, name) for name in settings.registers}
        trained = train_language(language, settings, parts, int(config["seed"]))
        arrays |= {f"{language}_{name}": value for name, value in trained.items()}
        splits |= parts
    report = finish(data, out, arrays, splits)
    report = replace(report, train_seconds=round(time.process_time() - started, 1))
    write_record(out / f"{MODEL_ID}.report.json", report)
    return report


def finish(
    data: Path,
    out: Path,
    arrays: Mapping[str, npt.NDArray[Any]],
    splits: Mapping[str, Mapping[str, Split]],
) -> TrainingReport:
    """Write weights and card of the languages in ``splits``, and measure what was written."""
    path = out / f"{MODEL_ID}.npz"
    write_arrays(path, arrays)
    card = ModelCard(
        id=MODEL_ID,
        modality="text",
        revision="3",
        sha256=file_sha256(path),
        licence=LICENCE,
        labels=EMOTIONS,
        canonical=canonical_map(EMOTIONS),
        languages=tuple(dict.fromkeys(SOURCES[name].language for name in splits)),
        source="python -m pipeline.train.text",
        notes=NOTES,
    )
    model = load_file(card, path)
    card = replace(card, reliability=reliability_in_speech(model, splits))
    write_record(out / f"{MODEL_ID}.card.json", card)
    return measure(model, data, splits, path.stat().st_size)


def language_settings(section: Mapping[str, Any]) -> LanguageSettings:
    """Settings of one language from a TOML table. Raises pydantic.ValidationError."""
    return TypeAdapter(LanguageSettings).validate_python(section)


def train_language(
    language: str, settings: LanguageSettings, parts: Mapping[str, Mapping[str, Split]], seed: int
) -> dict[str, npt.NDArray[Any]]:
    """Arrays of one language (see ``text.compact.LanguageModel``)."""
    train_parts = [parts[name]["train"] for name in settings.registers]
    spoken = [SOURCES[name].spoken for name in settings.registers]
    print(f"{language}: linear part", flush=True)
    linear = _fit_linear(language, settings, train_parts, spoken)
    columns, scale = linear.quantised(settings.linear.levels)
    linear = LinearPart(linear.hashes, columns.astype(np.float64) * scale, linear.bias)
    print(f"{language}: network", flush=True)
    rows = [Rows(part.words, part.labels, talk) for part, talk in zip(train_parts, spoken, strict=True)]
    arrays, logits = train_network(rows, settings.net, seed)
    developed = [parts[name]["dev"] for name in settings.registers]
    tilts = np.stack(
        [towards_rare(part.labels, tilt) for part, tilt in zip(train_parts, settings.tilt, strict=True)]
    ).astype(np.float64)
    blend = fit_blend(
        [
            DevSet(
                dev.labels,
                linear.logits(matrix(featurise(dev.words, language), linear.hashes)),
                logits(dev.words),
            )
            for dev in developed
        ],
        tilts,
        settings.hold,
    )
    print(f"  {blend}", flush=True)
    scale[-1] *= np.float32(blend.gate_scale)
    linear.bias[-1] = linear.bias[-1] * blend.gate_scale + blend.gate_shift
    bias = linear.bias.astype(np.float32)
    bias[:-1] += (tilts / blend.weights[:, :1]).astype(np.float32).ravel()
    return {
        "hash_steps": steps(linear.hashes),
        "columns": columns,
        "scale": scale,
        "bias": bias,
        "blend": blend.weights.astype(np.float32),
        **arrays,
    }


def train_network(
    rows: Sequence[Rows], settings: NetSettings | RecurrentSettings, seed: int
) -> tuple[dict[str, npt.NDArray[Any]], Callable[[Sequence[list[str]]], npt.NDArray[np.float64]]]:
    """The arrays of a convolutional or a recurrent network, and what gives its logits (n, r, k)."""
    everything = [words for part in rows for words in part.words]
    if isinstance(settings, NetSettings):
        vocabulary = token_vocabulary(everything)
        convolutional = train_net(rows, vocabulary, settings, seed)
        embedding, scale = quantise(convolutional.embedding, settings.token_levels)
        return {
            "token_steps": steps(vocabulary),
            "embedding": embedding,
            "embedding_scale": scale,
            "convolution": np.frombuffer(to_onnx(convolutional), dtype=np.uint8),
        }, lambda texts: logits_of(convolutional, texts, vocabulary)
    tables = Tables(
        token_vocabulary(everything, settings.min_texts),
        pair_vocabulary(everything if settings.pairs else [], settings.min_pair_texts),
    )
    recurrent = train_recurrent(rows, tables, settings, seed)
    embedding, scale = quantise(recurrent.embedding, settings.token_levels)
    pairs, pair_scale = quantise(recurrent.pairs, settings.pair_levels)
    return {
        "token_steps": steps(tables.tokens),
        "embedding": embedding,
        "embedding_scale": scale,
        "pair_steps": steps(tables.pairs),
        "pair_embedding": pairs,
        "pair_scale": pair_scale,
        "convolution": np.frombuffer(recurrent_onnx(recurrent), dtype=np.uint8),
    }, lambda texts: recurrent_logits(recurrent, texts, tables)


def _fit_linear(
    language: str, settings: LanguageSettings, parts: Sequence[Split], spoken: Sequence[bool]
) -> LinearPart:
    """Spoken lines enter twice, once without punctuation: subtitles and recognisers often leave it out."""
    texts: list[list[str]] = []
    labels, register = [], []
    for i, (part, talk) in enumerate(zip(parts, spoken, strict=True)):
        copies = [list(part.words)]
        if talk:
            copies.append([without_punctuation(words) or words for words in part.words])
        for copy in copies:
            texts += copy
            labels.append(part.labels)
            register.append(np.full(len(copy), i))
    return fit_experts(
        featurise(texts, language),
        np.concatenate(labels),
        np.concatenate(register),
        settings.linear,
    )


def steps(hashes: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Differences of sorted hashes, which compress better; the first one is kept."""
    return np.diff(hashes, prepend=np.uint32(0)).astype(np.uint32)


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """A compressed ``.npz`` under a temporary name, then renamed; equal arrays give equal bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **dict(arrays))
    temporary = path.with_suffix(".partial")
    temporary.write_bytes(buffer.getvalue())
    temporary.replace(path)


if __name__ == "__main__":
    main()
