"""Where someone speaks: silero-vad's packaged network, run on onnxruntime, and its frames turned into spans.

The package itself is never imported, since that imports torch; only its weights are read.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.engine.stage import Progress
from pipeline.media.audio import SAMPLE_RATE_HZ
from pipeline.media.recording import Sound
from pipeline.models.cards import ModelError
from pipeline.types import US_PER_S, Span

FRAME_SAMPLES = 512  # 32 ms, what the network was trained on
CONTEXT_SAMPLES = 64  # tail of the frame before, put in front of each frame
BLOCK_FRAMES = 512  # 16 s a call
HYSTERESIS = 0.15  # speech goes on until the probability falls this far under the threshold
MIN_SPEECH_S = 0.2  # a shorter burst is a click or a breath
MIN_SILENCE_S = 0.4  # a shorter pause belongs to the phrase around it
PADDING_S = 0.064  # onsets and last consonants the network reacts to late


def weights_path() -> Path:
    """The network that reads many frames a call. Raises ModelError when silero-vad lacks it."""
    spec = find_spec("silero_vad")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "data" / "silero_vad_16k_sequence.onnx"
        if path.is_file():
            return path
    raise ModelError("the speech detector's weights are missing; run `pip install 'silero-vad>=6.2.3'`")


def load_detector() -> Any:
    """An onnxruntime session on one thread, so that its results do not depend on the machine's load."""
    from pipeline.models.session import session

    return session(weights_path())


def speech_probabilities(
    audio: Sound, detector: Any, progress: Progress = lambda fraction: None
) -> NDArray[np.float32]:
    """Probability of speech in each 32 ms of 16 kHz mono audio; the last frame is padded with zeros.

    The audio is read block by block, so a recording never lies in memory whole.
    """
    hidden, cell = np.zeros((1, 1, 128), np.float32), np.zeros((1, 1, 128), np.float32)
    context = np.zeros(CONTEXT_SAMPLES, np.float32)
    parts = []
    for start in range(0, audio.size, BLOCK_FRAMES * FRAME_SAMPLES):
        samples = np.array(audio[start : start + BLOCK_FRAMES * FRAME_SAMPLES], np.float32)
        samples = np.pad(samples, (0, -samples.size % FRAME_SAMPLES))
        frames = np.lib.stride_tricks.sliding_window_view(
            np.concatenate([context, samples]), CONTEXT_SAMPLES + FRAME_SAMPLES
        )[::FRAME_SAMPLES]
        context = samples[-CONTEXT_SAMPLES:]
        values, hidden, cell = detector.run(
            ["speech_probs", "hn", "cn"], {"input": np.ascontiguousarray(frames), "h": hidden, "c": cell}
        )
        parts.append(values)
        progress(min(1.0, (start + samples.size) / audio.size))
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def speech_spans(
    probabilities: Sequence[float] | NDArray[np.float32], threshold: float, end_us: int
) -> list[Span]:
    """Stretches of speech, in order, apart from each other, inside ``[0, end_us)``.

    Speech starts at ``threshold`` and ends below ``threshold - HYSTERESIS``. Short pauses are closed first,
    then short bursts dropped, then every stretch is padded.
    """
    leave = max(threshold - HYSTERESIS, threshold / 2)
    runs: list[list[int]] = []
    speaking = False
    for frame, probability in enumerate(probabilities):
        if speaking:
            speaking = bool(probability >= leave)
        elif probability >= threshold:
            speaking = True
            runs.append([frame, frame])
        if speaking:
            runs[-1][1] = frame + 1
    frame_us = FRAME_SAMPLES * US_PER_S // SAMPLE_RATE_HZ
    joined: list[list[int]] = []
    for start, end in runs:
        if joined and (start - joined[-1][1]) * frame_us < MIN_SILENCE_S * US_PER_S:
            joined[-1][1] = end
        else:
            joined.append([start, end])
    padding_us = int(PADDING_S * US_PER_S)
    padded = [
        Span(max(0, start * frame_us - padding_us), min(end_us, end * frame_us + padding_us))
        for start, end in joined
        if (end - start) * frame_us >= MIN_SPEECH_S * US_PER_S and start * frame_us < end_us
    ]
    return [span for span in padded if span.duration_us > 0]
