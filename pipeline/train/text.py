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
from pipeline.text.compact import MODEL_ID, load_file
from pipeline.text.featurise import without_punctuation
from pipeline.train.text_blend import DevSet, fit_blend
from pipeline.train.text_data import SOURCES, Split, read_source
from pipeline.train.text_linear import LinearPart, LinearSettings, featurise, fit_experts, matrix
from pipeline.train.text_net import Rows, token_vocabulary
from pipeline.train.text_recurrent import (
    RecurrentSettings,
    Tables,
    quantise,
    recurrent_logits,
    recurrent_onnx,
    train_recurrent,
)
from pipeline.train.text_report import measure
from pipeline.train.text_vectors import pair_vocabulary
from pipeline.types import ModelCard

LICENCE = (
    "Weights for research and other non-commercial use: trained on EWECT (SMP2020, research), EmotionTalk "
    "transcripts (CC BY-NC-SA 4.0), GoEmotions (Apache-2.0) and MELD (GPL-3.0 repository)."
)
NOTES = (
    "Per language a mixture of two experts, written posts and spoken lines, weighed by a gate that reads the "
    "text. An expert blends a linear layer over n-grams with a recurrent network whose vectors come from the "
    "training texts alone; blend, temperature and gate are fitted on development data and applied inside."
)

NO_PAIRS = np.zeros(0, dtype=np.uint32)


@dataclass(frozen=True, slots=True)
class LanguageSettings:
    registers: tuple[str, ...]
    hold: float  # how strongly the blend is held near equal parts without a temperature
    linear: LinearSettings
    net: RecurrentSettings


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
    path = out / f"{MODEL_ID}.npz"
    write_arrays(path, arrays)
    card = ModelCard(
        id=MODEL_ID,
        modality="text",
        revision="2",
        sha256=file_sha256(path),
        licence=LICENCE,
        labels=EMOTIONS,
        canonical=canonical_map(EMOTIONS),
        languages=tuple(languages),
        source="python -m pipeline.train.text",
        notes=NOTES,
    )
    write_record(out / f"{MODEL_ID}.card.json", card)
    report = measure(load_file(card, path), data, splits, path.stat().st_size)
    report = replace(report, train_seconds=round(time.process_time() - started, 1))
    write_record(out / f"{MODEL_ID}.report.json", report)
    return report


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
    print(f"{language}: recurrent part", flush=True)
    everything = [words for part in train_parts for words in part.words]
    tables = Tables(
        token_vocabulary(everything, settings.net.min_texts),
        pair_vocabulary(everything, settings.net.min_pair_texts) if settings.net.pairs else NO_PAIRS,
    )
    rows = [Rows(part.words, part.labels, talk) for part, talk in zip(train_parts, spoken, strict=True)]
    net = train_recurrent(rows, tables, settings.net, seed)
    embedding, embedding_scale = quantise(net.embedding, settings.net.token_levels)
    pairs, pair_scale = quantise(net.pairs, settings.net.pair_levels)
    developed = [parts[name]["dev"] for name in settings.registers]
    blend = fit_blend(
        [
            DevSet(
                dev.labels,
                linear.logits(matrix(featurise(dev.words, language), linear.hashes)),
                recurrent_logits(net, dev.words, tables),
            )
            for dev in developed
        ],
        settings.hold,
    )
    print(f"  {blend}", flush=True)
    scale[-1] *= np.float32(blend.gate_scale)
    linear.bias[-1] = linear.bias[-1] * blend.gate_scale + blend.gate_shift
    return {
        "hash_steps": steps(linear.hashes),
        "columns": columns,
        "scale": scale,
        "bias": linear.bias.astype(np.float32),
        "token_steps": steps(tables.tokens),
        "embedding": embedding,
        "embedding_scale": embedding_scale,
        "pair_steps": steps(tables.pairs),
        "pair_embedding": pairs,
        "pair_scale": pair_scale,
        "blend": blend.weights.astype(np.float32),
        "convolution": np.frombuffer(recurrent_onnx(net), dtype=np.uint8),
    }


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
