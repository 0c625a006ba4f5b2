"""What personalising is worth: ``python -m pipeline.train.personal.measured --data DIR --out DIR``.

Speakers of RAVDESS and CASIA are left out of the compact network's training, a fold at a time; 35 clips of
each are what it may learn of them, the rest is asked about. RAVDESS' actors say two sentences, twice in each
mood, so that the rest is much like what was learned: they are also learned from the clips of one sentence and
asked about the other. The voice is known in either case, as it is from a film: before is what normalising
alone can do. ``--out`` keeps the features for the next run.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from pipeline.train.metrics import expected_calibration_error, softmax
from pipeline.train.personal.learn import Clips, learn, recall_of
from pipeline.train.personal.model import LOWEST, standardised
from pipeline.train.splits import random_split
from pipeline.train.voice import CONFIG, read_recipe, table_of
from pipeline.train.voice_data import read_manifest
from pipeline.train.voice_fit import Table, fit
from pipeline.train.voice_net import VoiceNet
from pipeline.voice.compact import Voice, voice_of

Integers = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]

CORPORA = ("casia", "ravdess")
ADAPTED_CLIPS = 35
FOLDS = 4
OTHER_SENTENCE = "ravdess, other sentence"


@dataclass(frozen=True, slots=True)
class Gain:
    """Figures on one speaker's other clips: nothing known, the voice known, and personalised."""

    speaker: str
    unknown_uar: float
    before_uar: float
    after_uar: float
    before_ece: float
    after_ece: float


def left_out_by_fold(table: Table) -> list[list[str]]:
    """Speakers left out of each fold, spread over the corpora."""
    folds: list[list[str]] = [[] for _ in range(FOLDS)]
    for corpus in CORPORA:
        for place, speaker in enumerate(np.unique(table.clips.speaker[table.clips.corpus == corpus])):
            folds[place % FOLDS].append(str(speaker))
    return folds


def by_chance(table: Table, own: Integers, seed: int) -> tuple[Integers, Integers]:
    """``ADAPTED_CLIPS`` of a speaker's clips, all moods alike, and the others."""
    split = random_split(table.clips.emotion[own], (0.0, 1 - ADAPTED_CLIPS / len(own)), seed)
    return split.train, split.test


def by_sentence(table: Table, own: Integers) -> tuple[Integers, Integers]:
    """The clips of RAVDESS' first sentence, and those of the second."""
    first = np.array([table.clips.paths[row].stem.split("-")[4] == "01" for row in own])
    return np.flatnonzero(first), np.flatnonzero(~first)


def gain_of(net: VoiceNet, table: Table, speaker: str, parts: tuple[Integers, Integers], seed: int) -> Gain:
    """Learn the speaker from the first of ``parts`` of the speaker's clips, ask about the second."""
    own = np.flatnonzero(table.clips.speaker == speaker)
    truth, rows = table.clips.emotion[own], table.rows[0, own]
    adapt, test = parts
    heard, film, nobody = (
        voice_of(rows[chosen], np.inf if len(chosen) else 0.0) for chosen in (adapt, test, test[:0])
    )
    personal = learn(_clips(net, rows[adapt], truth[adapt], heard, heard), seed)
    before = _logs(net, rows[test], film)
    after = personal(_clips(net, rows[test], truth[test], film, heard))
    return Gain(
        speaker=speaker,
        unknown_uar=recall_of(truth[test], _logs(net, rows[test], nobody)),
        before_uar=recall_of(truth[test], before),
        after_uar=recall_of(truth[test], after),
        before_ece=expected_calibration_error(truth[test], np.exp(before)),
        after_ece=expected_calibration_error(truth[test], np.exp(after)),
    )


def _logs(net: VoiceNet, rows: npt.NDArray[np.float32], voice: Voice) -> Doubles:
    with torch.no_grad():
        logits = net(*map(torch.from_numpy, (rows, voice.mean, voice.spread, voice.trust)))
    return np.log(np.maximum(softmax(logits.double().numpy()), np.exp(LOWEST)))


def _clips(net: VoiceNet, rows: npt.NDArray[np.float32], truth: Integers, voice: Voice, own: Voice) -> Clips:
    return Clips(_logs(net, rows, voice), standardised(rows, voice, own), truth, np.arange(len(truth)))


def measure(data: Path, out: Path, seed: int = 0) -> Mapping[str, Sequence[Gain]]:
    """Gains of every speaker of each corpus, each from a network that never heard the speaker."""
    recipe = read_recipe(CONFIG)
    torch.set_num_threads(recipe.threads)
    out.mkdir(parents=True, exist_ok=True)
    table = table_of(read_manifest(data / "voice"), recipe, out)
    gains: dict[str, list[Gain]] = {name: [] for name in (*CORPORA, OTHER_SENTENCE)}
    for speakers in left_out_by_fold(table):
        net = fit(table, np.flatnonzero(~np.isin(table.clips.speaker, speakers)), recipe)
        for speaker in speakers:
            corpus = speaker.split("/")[0]
            own = np.flatnonzero(table.clips.speaker == speaker)
            gains[corpus].append(gain_of(net, table, speaker, by_chance(table, own, seed), seed))
            if corpus == "ravdess":
                parts = by_sentence(table, own)
                gains[OTHER_SENTENCE].append(gain_of(net, table, speaker, parts, seed))
    return gains


def lines_of(gains: Mapping[str, Sequence[Gain]]) -> list[str]:
    """The figures as a Markdown table: mean over speakers, the range of what was gained."""
    lines = [
        "| corpus | speakers | UAR, voice unknown | known | personalised | gain, range | ECE before, after |",
        "|---|---|---|---|---|---|---|",
    ]
    for corpus, rows in gains.items():
        figures = np.array(
            [[one.unknown_uar, one.before_uar, one.after_uar, one.before_ece, one.after_ece] for one in rows]
        )
        mean = figures.mean(axis=0)
        gained = figures[:, 2] - figures[:, 1]
        lines.append(
            f"| {corpus} | {len(rows)} | {mean[0]:.3f} | {mean[1]:.3f} | {mean[2]:.3f} "
            f"| {gained.min():+.3f} to {gained.max():+.3f} | {mean[3]:.3f}, {mean[4]:.3f} |"
        )
    return lines


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.train.personal.measured", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with voice/manifest.csv")
    parser.add_argument("--out", type=Path, required=True, help="folder for the features")
    options = parser.parse_args()
    print("\n".join(lines_of(measure(options.data, options.out))))


if __name__ == "__main__":
    main()
