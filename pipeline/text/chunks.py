"""What is sent to a recogniser: speech alone, put together into chunks of up to half a minute, and its times.

Whisper reads windows of 30 s whatever they hold, so speech is packed: cheaper, and nothing is sent that could
be taken for words. Long speech without a pause is cut where it is quietest.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.media.audio import SAMPLE_RATE_HZ
from pipeline.media.recording import Recording
from pipeline.types import US_PER_S, Span, united

MAX_CHUNK_US = 29 * US_PER_S
# Shorter ones cost as much as long ones, and a recogniser guesses more without context.
MIN_CHUNK_US = 9 * US_PER_S
# Kept around speech: the detector cuts soft onsets, and words joined without a breath run into one another.
MARGIN_US = 200_000
# A stretch without a pause is cut in its last third, so that few chunks are short.
MIN_CUT_FRACTION = 0.65
LOUDNESS_FRAME_US = 20_000
# A word of which a piece holds less has only its edge there.
MIN_HELD_US = 80_000
QUIET_FRAMES = 5  # 0.1 s: the length of a short stop between words

Sound = Callable[[Span], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Stretches of the video, in order and apart, that a recogniser reads one directly after the other."""

    pieces: tuple[Span, ...]

    @property
    def duration_us(self) -> int:
        return sum(piece.duration_us for piece in self.pieces)

    def in_video(self, span: Span) -> Span:
        """A span inside the chunk (its start is 0) as one of the video, clipped to one of the pieces.

        That is the last one of which it holds enough: an alignment puts the start of a word that follows a
        pause too early, seldom its end too late.
        """
        start, spans = 0, []
        for piece in self.pieces:
            end = start + piece.duration_us
            low, high = (
                min(max(at, start), end) - start + piece.start_us for at in (span.start_us, span.end_us)
            )
            spans.append(Span(low, high))
            start = end
        return last_held(spans, span.duration_us)


def last_held(parts: Sequence[Span], duration_us: int) -> Span:
    """The last of the parts of a span of this length that is no mere edge of it; without any, the longest."""
    enough = max(1, min(MIN_HELD_US, duration_us // 2))
    held = [part for part in parts if part.duration_us >= enough]
    return held[-1] if held else max(parts, key=lambda part: part.duration_us)


def chunks(speech: Sequence[Span], end_us: int, sound: Sound) -> tuple[Chunk, ...]:
    """All speech in chunks of at most ``MAX_CHUNK_US``; ``sound`` gives 16 kHz mono samples of a span."""
    pieces = list(_pieces(speech, end_us, sound))
    packed: list[Chunk] = []
    first = 0
    while first < len(pieces):
        last = _chunk_end(pieces, first)
        packed.append(Chunk(tuple(pieces[first:last])))
        first = last
    return tuple(packed)


def _chunk_end(pieces: Sequence[Span], first: int) -> int:
    """Where the chunk that begins with a piece ends: at the longest pause that leaves it long enough.

    What is said after a pause needs least of what was said before.
    """
    filled_us, ends = 0, list[int]()
    for i in range(first, len(pieces)):
        filled_us += pieces[i].duration_us
        if filled_us > MAX_CHUNK_US:
            return max(ends, key=lambda end: (pieces[end].start_us - pieces[end - 1].end_us, end))
        if filled_us < MIN_CHUNK_US:
            ends.clear()
        ends.append(i + 1)
    return len(pieces)


def sound_of(recording: Recording | NDArray[np.float32]) -> Sound:
    """Reads a recording of the whole video, 16 kHz mono, a span at a time; past its end there is nothing."""

    def read(span: Span) -> NDArray[np.float32]:
        first, last = (at_us * SAMPLE_RATE_HZ // US_PER_S for at_us in (span.start_us, span.end_us))
        return np.asarray(recording[first:last], np.float32)

    return read


def samples_of(chunk: Chunk, sound: Sound) -> NDArray[np.float32]:
    """The chunk's samples, 16 kHz mono float32 ``(n,)``."""
    return np.concatenate([sound(piece) for piece in chunk.pieces]).astype(np.float32)


def _pieces(speech: Sequence[Span], end_us: int, sound: Sound) -> Iterator[Span]:
    wide = (Span(max(0, s.start_us - MARGIN_US), min(end_us, s.end_us + MARGIN_US)) for s in speech)
    for span in united(one for one in wide if one.duration_us):
        rest = span
        while rest.duration_us > MAX_CHUNK_US:
            earliest = rest.start_us + round(MIN_CUT_FRACTION * MAX_CHUNK_US)
            cut = quietest(sound, Span(earliest, rest.start_us + MAX_CHUNK_US))
            yield Span(rest.start_us, cut)
            rest = Span(cut, rest.end_us)
        yield rest


def quietest(sound: Sound, span: Span) -> int:
    """Middle, in microseconds, of the quietest tenth of a second in a span; the first of several."""
    samples = sound(span)
    size = LOUDNESS_FRAME_US * SAMPLE_RATE_HZ // US_PER_S
    frames = samples[: samples.size // size * size].reshape(-1, size).astype(np.float64)
    if len(frames) < QUIET_FRAMES:
        return (span.start_us + span.end_us) // 2
    power = np.convolve((frames**2).mean(axis=1), np.ones(QUIET_FRAMES), "valid")
    return span.start_us + int(np.argmin(power)) * LOUDNESS_FRAME_US + QUIET_FRAMES * LOUDNESS_FRAME_US // 2
