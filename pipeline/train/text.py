"""Train the compact text model: ``python -m pipeline.train.text --data DIR --out DIR [--config FILE]``.

Writes ``text_compact.npz``, its card and its report. One thread: a second run gives the same bytes.
"""

import argparse
import io
import time
import tomllib
from collections.abc import Mapping, Sequence
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
from pipeline.text.compact import MODEL_ID, load_file, log_softmax
from pipeline.text.featurise import without_punctuation
from pipeline.train.metrics import fit_temperature
from pipeline.train.text_data import SOURCES, Split, read_source
from pipeline.train.text_linear import LinearPart, LinearSettings, featurise, fit_experts, matrix
from pipeline.train.text_net import (
    NetSettings,
    Rows,
    logits_of,
    quantise_embedding,
    to_onnx,
    token_vocabulary,
    train_net,
)
from pipeline.train.text_report import measure
from pipeline.types import ModelCard

LICENCE = (
    "Weights for research and other non-commercial use: trained on EWECT (SMP2020, research), EmotionTalk "
    "transcripts (CC BY-NC-SA 4.0), GoEmotions (Apache-2.0) and MELD (GPL-3.0 repository)."
)
NOTES = (
    "Per language a mixture of two experts, written posts and spoken lines, weighed by a gate that reads the "
    "text. Each expert has its own temperature, fitted on development data and applied inside."
)


@dataclass(frozen=True, slots=True)
class LanguageSettings:
    registers: tuple[str, ...]
    share: float  # of the convolution in the blend, the rest is the linear part's
    linear: LinearSettings
    net: NetSettings


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
    before: dict[str, float] = {}
    languages = [name for name in config if name != "seed"]
    for language in languages:
        settings = language_settings(config[language])
        parts = {name: read_source(data, name) for name in settings.registers}
        trained, temperatures = train_language(language, settings, parts, int(config["seed"]))
        arrays |= {f"{language}_{name}": value for name, value in trained.items()}
        splits |= parts
        before |= temperatures
    path = out / f"{MODEL_ID}.npz"
    write_arrays(path, arrays)
    card = ModelCard(
        id=MODEL_ID,
        modality="text",
        revision="1",
        sha256=file_sha256(path),
        licence=LICENCE,
        labels=EMOTIONS,
        canonical=canonical_map(EMOTIONS),
        languages=tuple(languages),
        source="python -m pipeline.train.text",
        notes=NOTES,
    )
    write_record(out / f"{MODEL_ID}.card.json", card)
    report = measure(load_file(card, path), data, splits, before, path.stat().st_size)
    report = replace(report, train_seconds=round(time.process_time() - started, 1))
    write_record(out / f"{MODEL_ID}.report.json", report)
    return report


def language_settings(section: Mapping[str, Any]) -> LanguageSettings:
    """Settings of one language from a TOML table. Raises pydantic.ValidationError."""
    return TypeAdapter(LanguageSettings).validate_python(section)


def train_language(
    language: str, settings: LanguageSettings, parts: Mapping[str, Mapping[str, Split]], seed: int
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, float]]:
    """Arrays of one language (see ``text.compact.LanguageModel``) and each register's fitted temperature."""
    train_parts = [parts[name]["train"] for name in settings.registers]
    spoken = [SOURCES[name].spoken for name in settings.registers]
    print(f"{language}: linear part", flush=True)
    linear = _fit_linear(language, settings, train_parts, spoken)
    columns, scale = linear.quantised()
    linear = LinearPart(linear.hashes, columns.astype(np.float64) * scale, linear.bias)
    print(f"{language}: convolutional part", flush=True)
    everything = [words for part in train_parts for words in part.words]
    vocabulary = token_vocabulary(everything)
    rows = [Rows(part.words, part.labels, talk) for part, talk in zip(train_parts, spoken, strict=True)]
    net = train_net(rows, vocabulary, settings.net, seed)
    embedding, embedding_scale = quantise_embedding(net)
    blend, temperatures = [], {}
    for register, name in enumerate(settings.registers):
        dev = parts[name]["dev"]
        raw = linear.logits(matrix(featurise(dev.words, language), linear.hashes))
        own = slice(register * len(EMOTIONS), (register + 1) * len(EMOTIONS))
        convolved = logits_of(net, dev.words, vocabulary)[:, register]
        mixed = (1 - settings.share) * log_softmax(raw[:, own]) + settings.share * log_softmax(convolved)
        temperature = fit_temperature(dev.labels, mixed)
        blend.append([(1 - settings.share) / temperature, settings.share / temperature])
        temperatures[name] = temperature
        print(f"  {name}: temperature {temperature:.3f}", flush=True)
    return {
        "hash_steps": steps(linear.hashes),
        "columns": columns,
        "scale": scale,
        "bias": linear.bias.astype(np.float32),
        "token_steps": steps(vocabulary),
        "embedding": embedding,
        "embedding_scale": embedding_scale,
        "blend": np.array(blend, dtype=np.float32),
        "convolution": np.frombuffer(to_onnx(net), dtype=np.uint8),
    }, temperatures


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
