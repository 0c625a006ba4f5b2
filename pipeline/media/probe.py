"""What a container holds, measured from its packets, in display terms.

The media clock reads 0 at the container's start time: the earliest start of its streams, which is what ffmpeg
subtracts from every time stamp by default when it transcodes. So a film made by ffmpeg, the frames and the
sound agree. Where the file's own time stamps cannot be used, all that follows reads a copy with mended ones
(``media.mend``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.engine.stage import Progress
from pipeline.media.clock import Mended, PacketTimes, longest_us, mended
from pipeline.media.container import MediaError
from pipeline.media.cues import count_of
from pipeline.media.hold import longest_gap_us
from pipeline.media.language import language_name
from pipeline.media.mend import MENDED_FILE, write_mended
from pipeline.media.orient import rotation_deg
from pipeline.media.packets import Packets, Track, read_all
from pipeline.media.shapes import change_sentence, shown_size
from pipeline.media.streams import NO_CHOICE, StreamChoice, choice_note, ranked_pictures, ranked_sounds
from pipeline.models.cards import file_sha256
from pipeline.records import LOSSES_FILE, MEDIA_FILE, WARNINGS_FILE, write_record, write_sentences
from pipeline.types import US_PER_S, MediaInfo, Span

__all__ = ["MediaError", "probe", "run"]

LOSS_TOLERANCE_US = 150_000  # a sound file's header and packets differ by less
# Packets may lie this far apart, or as many usual intervals, before something is missing between them; in a
# file known to be damaged packets of sound, which follow each other, only as many usual intervals.
MIN_MISSING_US, MIN_MISSING_INTERVALS, MIN_MISSING_SOUND_INTERVALS = 250_000, 3, 1.5
BARE = "it says no times, so its frame rate is taken for them, and it holds no sound"
# No sound card records faster; a damaged header may say so.
MAX_SAMPLE_RATE_HZ = 768_000
MAX_FPS = 1_000  # no faster camera writes films as fast as they were taken


def probe(path: Path, choice: StreamChoice = NO_CHOICE, copy: Path | None = None) -> MediaInfo:
    """Measure a media file.

    ``rotation_deg`` is the clockwise quarter turn from stored to shown. ``duration_us`` ends where the last
    readable packet ends. Where time stamps cannot be used, a copy with mended ones is left at ``copy``, and
    streams and times are the copy's; without ``copy`` the warnings alone tell.

    Raises:
        MediaError: nothing in the file can be used; one sentence says why and what to do.
    """
    packets = read_all(path)
    begins_late = packets.begins_late
    if begins_late:
        packets = read_all(path, whole=True)
    video, audio = _chosen(path, packets, choice)
    tracks = [track for track in (video, audio) if track is not None]
    clock = mended([track.times for track in tracks])
    warnings = (
        *([f"The file is a bare {packets.format_names[0]} stream: {BARE}."] if packets.is_bare else []),
        *_left_out(packets, tracks),
        *_impossible(tracks),
        *_clock_warnings(clock, packets.zero_us),
        *_losses(packets, tracks, clock),
    )
    notes = (
        *_choice_notes(packets, video, audio),
        *(["A stream that begins late was looked for in the whole file."] if begins_late else []),
    )
    if copy is not None and (begins_late or packets.is_bare or clock.is_needed):
        if refused := write_mended(path, packets.format_names[0], tracks, clock, copy):
            warnings = (*warnings, f"{count_of(refused, 'packet')} came damaged and had to be left out.")
        packets = read_all(copy)
        video, audio = _chosen(path, packets, NO_CHOICE)
    info = _info(packets, video, audio)
    notes = (*notes, *filter(None, [change_sentence(info.shapes)]))
    return replace(info, sha256=file_sha256(path), warnings=warnings, notes=notes)


def run(inputs: Mapping[str, Path], settings: StreamChoice, out: Path, progress: Progress) -> None:
    """Stage ``probe``: write ``media.json``, where need be a mended copy, and what the person should know."""
    info = probe(inputs["source"], settings, out / MENDED_FILE)
    write_record(out / MEDIA_FILE, info)
    write_sentences(out / WARNINGS_FILE, info.notes)
    write_sentences(out / LOSSES_FILE, info.warnings)
    progress(1.0)


def varies(times_us: NDArray[np.int64], tick_us: float) -> bool:
    """Whether the frame interval varies by more than what rounding to the container's ticks explains."""
    if len(times_us) < 3:
        return False
    intervals = np.diff(times_us)
    usual = float(np.median(intervals))
    return bool(np.abs(intervals - usual).max() > max(1.5 * tick_us, 0.02 * usual))


def _info(packets: Packets, video: Track | None, audio: Track | None) -> MediaInfo:
    zero_us = packets.zero_us
    duration_us = max(track.end_us for track in (video, audio) if track) - zero_us
    shown = video.shown if video else None
    shapes = shown.scan.shapes(zero_us) if shown else ()
    size = shown_size(shapes, duration_us, shown.matrix) if shown else None
    width_px, height_px = size or (shown.size if shown else (0, 0))
    return MediaInfo(
        sha256="",
        duration_us=duration_us,
        width_px=width_px,
        height_px=height_px,
        fps=video.fps if video else 0.0,
        variable_frame_rate=video is not None and varies(video.times_us, video.tick_us),
        has_video=video is not None,
        has_audio=audio is not None,
        video_start_us=int(video.times_us[0]) - zero_us if video else 0,
        audio_start_us=audio.start_us - zero_us if audio else 0,
        rotation_deg=rotation_deg(shown.matrix) if shown else 0,
        video_codec=video.codec if video else None,
        audio_codec=audio.codec if audio else None,
        subtitle_streams=packets.streams.subtitles,
        clock_zero_us=zero_us,
        video_index=video.stream.index if video else None,
        audio_index=audio.stream.index if audio else None,
        audio_language=audio.stream.language if audio else None,
        longest_gap_us=longest_gap_us((video.times_us - zero_us).tolist(), duration_us) if video else 0,
        shapes=shapes,
        hdr=shown is not None and shown.hdr,
    )


def _chosen(path: Path, packets: Packets, choice: StreamChoice) -> tuple[Track | None, Track | None]:
    """The picture and the sound that are meant, of those that can be decoded. Raises MediaError."""
    usable = {track.stream.index: track for track in packets.tracks if _is_usable(track)}
    pictures = ranked_pictures(
        [
            replace(track.stream, single_image=len(track.times.present_us) == 1)
            for track in usable.values()
            if track.stream.kind == "video"
        ]
    )
    number = choice.audio_track
    if number is not None and number not in {one.number for one in packets.streams.sounds}:
        listed = ", ".join(f"{one.number} ({language_name(one.language)})" for one in packets.streams.sounds)
        raise MediaError(f"{path} has no sound track {number}; those it has: {listed or 'none'}.")
    sounds = ranked_sounds([t.stream for t in usable.values() if t.stream.kind == "audio"], choice)
    video = usable[pictures[0].index] if pictures else None
    audio = usable[sounds[0].index] if sounds else None
    if video is not None and len(video.times.present_us) == 1 and audio is None:
        raise MediaError(f"{path} is a single image, not a video; give a video.")
    if video is None and audio is None:
        _refuse(path, [track for track in packets.tracks if not track.stream.aside])
    return video, audio


def _is_usable(track: Track) -> bool:
    return track.can_decode and track.has_packets and track.sample_rate_hz <= MAX_SAMPLE_RATE_HZ


def _refuse(path: Path, tracks: Sequence[Track]) -> None:
    if not tracks:
        raise MediaError(f"{path} holds neither picture nor sound; give a video.")
    if not any(track.has_packets for track in tracks):
        raise MediaError(f"{path} is a video of length zero: its streams are empty; copy or export it again.")
    if odd := next((track for track in tracks if track.sample_rate_hz > MAX_SAMPLE_RATE_HZ), None):
        raise MediaError(
            f"The sound of {path} states {odd.sample_rate_hz:,} samples a second; export it with 48,000."
        )
    named = " and ".join(f"{track.noun} {track.codec}" for track in tracks)
    raise MediaError(f"Nothing in {path} can be decoded ({named}); convert it to H.264 and AAC first.")


def _left_out(packets: Packets, tracks: Sequence[Track]) -> list[str]:
    """A sentence for picture or sound where there are streams of it and none can be decoded."""
    read = {track.stream.kind for track in tracks}
    lost = {t.stream.kind: t for t in packets.tracks if t.stream.kind not in read and not t.stream.aside}
    return [
        f"The {track.noun} ({track.codec}) states {track.sample_rate_hz} samples a second and is left out."
        if track.sample_rate_hz > MAX_SAMPLE_RATE_HZ
        else f"The {track.noun} ({track.codec}) cannot be decoded and is left out."
        for track in lost.values()
    ]


def _choice_notes(packets: Packets, video: Track | None, audio: Track | None) -> list[str]:
    films = [one for one in packets.streams.pictures if not one.aside]
    notes = [
        choice_note("picture", video.stream, films) if video else "",
        choice_note("sound", audio.stream, packets.streams.sounds) if audio else "",
    ]
    return [note for note in notes if note]


def _clock_warnings(clock: Mended, zero_us: int) -> list[str]:
    """One sentence per kind of time stamps that cannot be."""
    sentences = []
    if clock.restarts_us:
        sentences.append(
            f"Time stamps start again at {_listed(clock.restarts_us, zero_us)}, as in recordings joined end "
            "to end: what follows was put behind what comes before."
        )
    if clock.jumps:
        lengths = ", ".join(_duration(length_us) for _, length_us in clock.jumps)
        sentences.append(
            f"Time stamps jump by {lengths} at {_listed([at for at, _ in clock.jumps], zero_us)} with "
            "nothing between: taken for damage and left out."
        )
    if clock.strays:
        sentences.append(f"{clock.strays} stray time stamps were put between their neighbours.")
    return sentences


def _impossible(tracks: Sequence[Track]) -> list[str]:
    """A sentence for picture or sound whose header gives it times that nothing has."""
    return [
        f"The header gives the {track.noun} impossible times ({what}): what of it could be read is not known."
        for track in tracks
        for what in [_impossible_time(track)]
        if what
    ]


def _impossible_time(track: Track) -> str:
    usual_us = int(np.median(track.times.duration_us))
    if usual_us > longest_us(track.times.is_picture):
        return f"{usual_us / US_PER_S:,.0f} s for a packet"
    return f"{track.fps:,.0f} frames a second" if track.fps > MAX_FPS else ""


def _listed(times_us: Sequence[int], zero_us: int) -> str:
    return ", ".join(f"{max(0, time_us - zero_us) / US_PER_S:.1f} s" for time_us in times_us)


def _duration(time_us: int) -> str:
    seconds = time_us / US_PER_S
    return f"{seconds:.1f} s" if seconds < 600 else f"{seconds / 3600:.1f} h"


def _losses(packets: Packets, tracks: Sequence[Track], clock: Mended) -> list[str]:
    """What the header promises and cannot be read, and what is missing or damaged in between."""
    sentences = []
    promised = _promised(packets, tracks)
    if promised and not clock.is_needed:
        sentences.append(
            f"The file is cut off: its header promises {max(promised.values()) / US_PER_S:.1f} s, "
            f"but {' and '.join(promised)} can be read."
        )
    if missing := _missing(packets, tracks, clock):
        sentences.append(missing)
    elif packets.complaints and not sentences:
        sentences.append(
            f"The file is damaged: reading it failed in {packets.complaints} "
            f"place{'' if packets.complaints == 1 else 's'}, and what lay there is lost."
        )
    if packets.unread_recording_at is not None:
        sentences.append(
            f"At byte {packets.unread_recording_at:,} of the file another recording begins, which is not "
            "read: cut the file there to have both."
        )
    for track in tracks:
        # The packet at which a file was cut is one, and the last of a sound that was piped into a file.
        if track.corrupt_packets > bool(promised or "wav" in packets.format_names):
            sentences.append(f"{count_of(track.corrupt_packets, 'packet')} of the {track.noun} came damaged.")
    return sentences


def _promised(packets: Packets, tracks: Sequence[Track]) -> dict[str, int]:
    """What can be read of picture and sound, in words, to what the header promises in µs, where that is more.

    A container that says only how long it lasts as a whole may mean any of its streams.
    """
    if not packets.states_duration:
        return {}
    stated = {track: track.stated_end_us for track in tracks if track.stated_end_us is not None}
    if not stated and tracks and not packets.streams.subtitles:
        last = max((track for track in packets.tracks if track.has_packets), key=lambda track: track.end_us)
        stated = {last: packets.promised_us}
    return {
        f"the {track.noun} only up to {(track.end_us - packets.zero_us) / US_PER_S:.1f} s": end_us
        - packets.zero_us
        for track, end_us in stated.items()
        if end_us - track.end_us > LOSS_TOLERANCE_US
    }


def _missing(packets: Packets, tracks: Sequence[Track], clock: Mended) -> str:
    """A sentence for stretches without packets; empty where there are none, or they may well be meant.

    Sound may pause and a picture may stand still. So a hole counts where the file is known to be damaged,
    else only where neither has anything.
    """
    is_damaged = packets.is_damaged or any(track.corrupt_packets for track in tracks)
    film = Span(
        min(int(times.present_us.min()) for times in clock.streams),
        max(int((times.present_us + times.duration_us).max()) for times in clock.streams),
    )
    holes = [_holes(times, film, is_damaged) for times in clock.streams]
    if not is_damaged:
        holes = [_common(*holes)] * 2 if len(tracks) == 2 else [[]]
    parts = [
        f"{sum(hole.duration_us for hole in spans) / US_PER_S:.1f} s of the {track.noun}"
        for track, spans in zip(tracks, holes, strict=True)
        if spans
    ]
    if not parts:
        return ""
    first_us = max(0, min(spans[0].start_us for spans in holes if spans) - packets.zero_us)
    return f"{' and '.join(parts)} are missing in the file, the first at {first_us / US_PER_S:.1f} s."


def _holes(packets: PacketTimes, film: Span, is_damaged: bool) -> list[Span]:
    """Where a stream has nothing, also before its first packet and after its last."""
    if len(packets.present_us) < 3:
        return []
    times = np.unique(packets.present_us)
    steps = np.diff(times)
    usual_us = int(np.median(steps)) if len(steps) else 0
    limit = max(MIN_MISSING_US, MIN_MISSING_INTERVALS * usual_us)
    within = MIN_MISSING_SOUND_INTERVALS * usual_us if is_damaged and not packets.is_picture else limit
    rows = np.flatnonzero(steps > within)
    holes = [Span(int(times[row]) + usual_us, int(times[row + 1])) for row in rows]
    end_us = int(times[-1]) + usual_us
    edges = (Span(film.start_us, int(times[0])), Span(min(end_us, film.end_us), film.end_us))
    missing = sorted([*holes, *(edge for edge in edges if edge.duration_us > limit)])
    return missing if sum(hole.duration_us for hole in missing) > MIN_MISSING_US / 2 else []


def _common(a: Sequence[Span], b: Sequence[Span]) -> list[Span]:
    shared = (
        Span(max(one.start_us, other.start_us), min(one.end_us, other.end_us))
        for one in a
        for other in b
        if one.overlap_us(other) > MIN_MISSING_US
    )
    return list(shared)
