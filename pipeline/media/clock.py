"""Time stamps that cannot be: found and mended over whole streams, before anything is decoded.

Three kinds of damage, each told from what a sound file may hold:

- a *stray* stamp: a few packets lie far from their neighbours, before and after which the clock goes on
- a *restart*: decode times, which rise in every container, fall (recordings joined byte by byte)
- a *jump*: no stream has anything for longer than all that the streams hold

A restart is unwrapped as ffmpeg does for transport streams: what follows is moved to where the part before it
ends, all streams by the same time, so that picture and sound of a part stay together. A jump is closed.
Pauses are kept up to as much time as the streams fill: see ``MAX_SPARSENESS`` for how long a film can get.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.types import US_PER_S

Times = NDArray[np.int64]

# Decode times of a sound file never fall; those that containers leave out are guessed to within some frames.
MIN_RESTART_US = US_PER_S // 2
# ffmpeg's dts_delta_threshold.
MIN_JUMP_US = 10 * US_PER_S
MAX_STRAY_PACKETS = 4
# Speech codecs leave silence out: 20 ms of every 400 ms are sent. With pauses longer than MIN_JUMP_US, which
# may take as long again as what there is, a film lasts at most 32 x what it holds, and 20 s.
MAX_SPARSENESS = 30
# Packets of one time may lie this far from each other in a file.
INTERLEAVED = 32
# No codec puts more sound into one packet (FLAC 65,535 samples); a damaged time scale may say so.
MAX_SOUND_PACKET_US = 10 * US_PER_S
# A picture stands until the next one: beside sound for no longer than this, without sound, or where its
# packet says so, for as long as in a slide show.
MAX_STANDING_US, MAX_SLIDE_US = 10 * US_PER_S, 120 * US_PER_S
STATED_TOLERANCE_US = 2_000


@dataclass(frozen=True, slots=True)
class PacketTimes:
    """One stream's packets in file order.

    ``order`` is their position in the whole file, ``decode_us`` when each is decoded, ``present_us`` when it
    is shown or heard, ``duration_us`` how long it says it lasts (0: not said); all int64 ``(n,)``.
    """

    is_picture: bool
    order: Times
    decode_us: Times
    present_us: Times
    duration_us: Times


@dataclass(frozen=True, slots=True)
class Mended:
    """Every stream with its times put right, and what was wrong with them.

    ``restarts_us`` are the times, on the mended clock, at which a new part begins; ``jumps`` pairs of the
    time at which time was left out and how much; ``strays`` counts single time stamps.
    """

    streams: tuple[PacketTimes, ...]
    restarts_us: tuple[int, ...] = ()
    jumps: tuple[tuple[int, int], ...] = ()
    strays: int = 0

    @property
    def is_needed(self) -> bool:
        return bool(self.restarts_us or self.jumps or self.strays)


def mended(streams: Sequence[PacketTimes]) -> Mended:
    """Find stamps that cannot be and put them right; a sound file's stay as they are."""
    kept = [_without_strays(one.decode_us) for one in streams]
    strays = sum(int((new != one.decode_us).sum()) for new, one in zip(kept, streams, strict=True))
    joined, restarts_us = _unwrapped(kept, streams)
    jumps, closed = _jumps(joined, streams)
    result = []
    for new_us, one in zip(joined, streams, strict=True):
        decode_us = closed(new_us)
        delay_us = closed(one.present_us + new_us - one.decode_us) - decode_us
        is_odd = (delay_us < 0) | (delay_us > MIN_JUMP_US)
        delay_us[is_odd] = np.median(delay_us[~is_odd]) if (~is_odd).any() else 0
        result.append(replace(one, decode_us=decode_us, present_us=decode_us + delay_us))
    return Mended(tuple(result), restarts_us, jumps, strays)


def from_first_to_last(times_us: Sequence[int]) -> str:
    """``between 1.0 s and 2.5 s`` for ascending times, ``at 1.0 s`` for one."""
    first_s, last_s = times_us[0] / US_PER_S, times_us[-1] / US_PER_S
    return f"between {first_s:.1f} s and {last_s:.1f} s" if len(times_us) > 1 else f"at {first_s:.1f} s"


def longest_us(is_picture: bool) -> int:
    """What a single packet may be said to last; a damaged time scale says more."""
    return MAX_SLIDE_US if is_picture else MAX_SOUND_PACKET_US


def filled(times_us: Times, known: NDArray[np.bool_], step_us: Times) -> Times:
    """Times with those unknown put one step after the packet before, or before the first known one."""
    if not known.any():
        return np.concatenate([[0], np.cumsum(step_us[:-1])]).astype(np.int64) if len(times_us) else times_us
    result = times_us.copy()
    first = int(np.argmax(known))
    for i in range(first - 1, -1, -1):
        result[i] = result[i + 1] - step_us[i]
    for i in np.flatnonzero(~known).tolist():
        if i > first:
            result[i] = result[i - 1] + step_us[i - 1]
    return result


def _without_strays(times_us: Times) -> Times:
    """Puts up to ``MAX_STRAY_PACKETS`` that lie far from both neighbours, near each other, between these."""
    steps_us = np.diff(times_us)
    breaks = np.flatnonzero((steps_us < -MIN_RESTART_US) | (steps_us > MIN_JUMP_US)) + 1
    result = times_us.copy() if len(breaks) else times_us
    done = 0
    for begin in breaks.tolist():
        before_us = int(result[begin - 1])
        after = times_us[begin + 1 : begin + 1 + MAX_STRAY_PACKETS] - before_us
        near = np.flatnonzero((after >= 0) & (after <= MIN_JUMP_US))
        if begin >= done and len(near):
            done = begin + 1 + int(near[0])
            between = np.linspace(before_us, int(times_us[done]), done - begin + 2)[1:-1]
            result[begin:done] = between.astype(np.int64)
    return result


def _unwrapped(
    times_us: Sequence[Times], streams: Sequence[PacketTimes]
) -> tuple[list[Times], tuple[int, ...]]:
    """Times with restarts taken out, and where on the new clock a part begins.

    The parts are those of the stream that restarts most often; the others follow it, except one that runs
    across its restarts without one of its own.
    """
    restarts = [np.flatnonzero(np.diff(times) < -MIN_RESTART_US) + 1 for times in times_us]
    result = [times.copy() for times in times_us]
    leader = max(range(len(streams)), key=lambda i: len(restarts[i]), default=0)
    if not restarts or not len(restarts[leader]):
        return result, ()
    bounds = streams[leader].order[restarts[leader]]
    parts = [
        None if not len(at) and _runs_across(stream.order, bounds) else _parts(stream.order, at, bounds)
        for stream, at in zip(streams, restarts, strict=True)
    ]
    end_us: int | None = None
    begins_us = list[int]()
    for part in range(len(bounds) + 1):
        rows = {i: np.flatnonzero(one == part) for i, one in enumerate(parts) if one is not None}
        rows = {i: found for i, found in rows.items() if len(found)}
        if not rows:
            continue
        begin_us = min(int(times_us[i][found].min()) for i, found in rows.items())
        if end_us is not None:
            begins_us.append(end_us)
            for i, found in rows.items():
                result[i][found] += end_us - begin_us
        end_us = max(_end_us(result[i], streams[i], found) for i, found in rows.items())
    return result, tuple(begins_us)


def _runs_across(order: Times, bounds: Times) -> bool:
    """Whether a stream has packets on both sides of a restart of another."""
    if not len(order):
        return False
    return bool(((order[0] + INTERLEAVED < bounds) & (bounds < order[-1] - INTERLEAVED)).any())


def _parts(order: Times, restarts: NDArray[np.int64], bounds: Times) -> Times:
    """In which part each packet of a stream is: the one it begins in, the next at each restart of its own."""
    parts = np.zeros(len(order), np.int64)
    if len(order):
        parts[:] = np.searchsorted(bounds, order[0] + INTERLEAVED, "right") if not len(restarts) else 0
    for count, row in enumerate(restarts.tolist(), start=1):
        nearest = int(np.argmin(np.abs(bounds - order[row]))) + 1
        parts[row:] = max(min(count, len(bounds)), nearest)
    return parts


def _end_us(times_us: Times, stream: PacketTimes, rows: NDArray[np.int64]) -> int:
    """Where the last of ``rows`` ends; a packet that does not say for how long lasts as long as is usual."""
    last = rows[np.argmax(times_us[rows])]
    lasting = int(stream.duration_us[last])
    usual = int(np.median(np.diff(np.sort(times_us[rows])))) if len(rows) > 1 else 1
    return int(times_us[last]) + (min(lasting, MAX_SOUND_PACKET_US) or max(1, usual))


def _jumps(
    times_us: Sequence[Times], streams: Sequence[PacketTimes]
) -> tuple[tuple[tuple[int, int], ...], Callable[[Times], Times]]:
    """Where on the new clock how much time is left out, and the function from the old clock to the new."""
    begins_us, lengths_us, covered_us = _holes(times_us, streams)
    is_closed = np.zeros(len(begins_us), np.bool_)
    is_long = lengths_us > MIN_JUMP_US
    for rows, allowed_us in (
        (np.flatnonzero(is_long), max(MIN_JUMP_US, covered_us)),
        (np.flatnonzero(~is_long), MIN_JUMP_US + MAX_SPARSENESS * covered_us),
    ):
        shortest_first = rows[np.argsort(lengths_us[rows], kind="stable")]
        is_closed[shortest_first] = np.cumsum(lengths_us[shortest_first]) > allowed_us
    begins_us, lengths_us = begins_us[is_closed], lengths_us[is_closed]
    gone_us = np.concatenate([[0], np.cumsum(lengths_us)]).astype(np.int64)
    ends_us = begins_us + lengths_us
    at_us = (begins_us - gone_us[:-1]).tolist()
    jumps = tuple(zip(at_us, lengths_us.tolist(), strict=True))
    return jumps, lambda times: times - gone_us[np.searchsorted(ends_us, times, "right")]


def _holes(times_us: Sequence[Times], streams: Sequence[PacketTimes]) -> tuple[Times, Times, int]:
    """Where no stream has anything: begins and lengths, int64 ``(n,)`` in order; and how long any has."""
    is_mute = all(stream.is_picture for stream in streams)
    lasting = [_lasting(times, stream, is_mute) for times, stream in zip(times_us, streams, strict=True)]
    begins = np.concatenate([*times_us, np.zeros(0, np.int64)])
    order = np.argsort(begins, kind="stable")
    begins = begins[order]
    if not len(begins):
        return begins, begins, 0
    ends = np.maximum.accumulate(begins + np.concatenate(lasting)[order])
    lengths = begins[1:] - ends[:-1]
    is_hole = lengths > 0
    covered_us = int(ends[-1] - begins[0] - lengths[is_hole].sum())
    return ends[:-1][is_hole], lengths[is_hole], covered_us


def _lasting(times_us: Times, stream: PacketTimes, is_mute: bool) -> Times:
    """How long each packet's content lasts, int64 ``(n,)``, whatever a damaged file says."""
    if not stream.is_picture:
        usual_us = int(np.median(stream.duration_us)) if len(times_us) else 0
        return np.clip(stream.duration_us, 1, min(MAX_SOUND_PACKET_US, 4 * usual_us + 1))
    order = np.argsort(times_us, kind="stable")
    steps = np.diff(times_us[order], append=times_us[order[-1:]])
    steps[-1:] = stream.duration_us[order[-1:]]
    durations = stream.duration_us[order]
    is_stated = np.abs(durations - steps) <= STATED_TOLERANCE_US
    longest = np.where(is_stated | is_mute, MAX_SLIDE_US, MAX_STANDING_US)
    usual = np.median(np.minimum(steps, longest)) if len(steps) else 1
    lasting = np.empty_like(times_us)
    lasting[order] = np.where(steps > longest, usual, steps)
    return np.maximum(lasting, 1)
