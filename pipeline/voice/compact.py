"""The compact voice model that ships with the package: statistics of a window and a small network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.labels import to_scores
from pipeline.media.audio import SAMPLE_RATE_HZ
from pipeline.models.cards import WEIGHTS, ModelError, shipped_card, shipped_weights, trained_model
from pipeline.models.load import is_folder
from pipeline.models.session import session
from pipeline.types import ModelCard, Scores
from pipeline.voice.backends import BACKENDS, Samples
from pipeline.voice.features import FEATURE_NAMES, statistics

MODEL_ID = "voice_compact"
PIECE_S = 3.0
FULLY_KNOWN_S = 10.0
SPREAD_PRIOR_PIECES = 6.0


@dataclass(frozen=True, slots=True)
class Voice:
    """How this speaker sounds on the whole: mean and standard deviation of the features, and how far to
    believe each of the two in place of the training data's, from 0 to 1."""

    mean: NDArray[np.float32]
    spread: NDArray[np.float32]
    trust: NDArray[np.float32]


def voice_of(rows: NDArray[np.float32], seconds: float) -> Voice:
    """A speaker from rows of features, (pieces, features), over ``seconds`` of speech.

    The mean is trusted fully from ``FULLY_KNOWN_S`` of speech on and in proportion below (0 without speech:
    the training data's mean alone). The spread of n pieces is trusted as n / (n + SPREAD_PRIOR_PIECES) of
    that, since a handful of pieces says little about it.
    """
    if len(rows) == 0:
        nothing = np.zeros(len(FEATURE_NAMES), np.float32)
        return Voice(nothing, np.ones_like(nothing), np.zeros(2, np.float32))
    known = min(1.0, seconds / FULLY_KNOWN_S)
    spread_known = known * len(rows) / (len(rows) + SPREAD_PRIOR_PIECES)
    table = rows.astype(np.float64)
    return Voice(
        table.mean(axis=0).astype(np.float32),
        table.std(axis=0).astype(np.float32),
        np.array([known, spread_known], np.float32),
    )


def hear(speech: Samples | None) -> Voice:
    """The speaker heard in ``speech``, from pieces of ``PIECE_S``."""
    if speech is None or speech.size == 0:
        return voice_of(np.zeros((0, len(FEATURE_NAMES)), np.float32), 0.0)
    count = max(1, round(speech.size / (PIECE_S * SAMPLE_RATE_HZ)))
    return hear_pieces(np.array_split(speech, count))


def hear_pieces(pieces: Sequence[Samples]) -> Voice:
    """The speaker heard in pieces of speech, at least one."""
    rows = np.stack([statistics(piece) for piece in pieces])
    return voice_of(rows, sum(piece.size for piece in pieces) / SAMPLE_RATE_HZ)


class CompactBackend:
    """See ``voice.backends.VoiceBackend``."""

    def __init__(self, session: Any, card: ModelCard):
        self.card = card
        self.model = session
        self._heard: tuple[Samples | None, Voice] | None = None

    def __call__(self, windows: Sequence[Samples], speech: Samples | None) -> list[Scores]:
        voice = self._voice(speech)
        return [self._read(window, voice) for window in windows]

    def of_speaker(self, windows: Sequence[Samples], clips: Sequence[Samples]) -> list[Scores]:
        """As a call, where the speaker is known from separate clips: each is one piece, as in training."""
        voice = hear_pieces(clips)
        return [self._read(window, voice) for window in windows]

    def _voice(self, speech: Samples | None) -> Voice:
        # The batches of one video come with the same array; hearing it once is enough.
        if self._heard is None or self._heard[0] is not speech:
            self._heard = (speech, hear(speech))
        return self._heard[1]

    def _read(self, window: Samples, voice: Voice) -> Scores:
        # One window a run: the bytes of an answer must not depend on the batch it was in.
        inputs = {
            "features": statistics(window)[None],
            "mean": voice.mean,
            "spread": voice.spread,
            "trust": voice.trust,
        }
        logits = self.model.run(["logits"], inputs)[0][0].astype(np.float64) / self.card.temperature
        powers = np.exp(logits - logits.max())
        return to_scores(self.card.labels, (powers / powers.sum()).tolist(), self.card.canonical)


def load_weights(folder: Path) -> CompactBackend:
    """Load what the training command left in ``folder``. Raises ModelError: it is missing or damaged."""
    card = shipped_card(MODEL_ID, folder)
    return CompactBackend(session(shipped_weights(card, folder)), card)


def load_folder(folder: Path) -> CompactBackend:
    """Load a model folder that `train voice` left.

    Raises:
        ModelError: it holds none, a damaged one, or one made for other features than this version hears.
    """
    card, weights = trained_model(folder, "voice")
    net = session(weights)
    widths = {one.name: one.shape[-1] for one in net.get_inputs()}
    if widths.get("features") != len(FEATURE_NAMES):
        raise ModelError(f"the model in {folder} was made by another version of the program; train it again")
    return CompactBackend(net, card)


def load(name: str, device: str) -> CompactBackend:
    """Load the shipped weights, or those of a folder; they always run on the processor.

    Raises:
        ModelError: they are missing or damaged.
    """
    return load_folder(Path(name)) if is_folder(name, BACKENDS) else load_weights(WEIGHTS)
