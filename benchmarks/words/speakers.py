"""How well voices are told apart: ``python -m benchmarks.words.speakers``.

Conversations are made from clips of speakers that nothing was fitted on (``conversations.py``); real clips
of one person, and one real dialogue whose speakers are known, come from ``films/``. Needs the fetched
speaker encoder and the data folder (``EMOTION_DATA``).
"""

import argparse
import csv
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.made_clips import data_root
from benchmarks.tables import show
from benchmarks.words.conversations import MAX_SPEAKERS, Conversation, Voices, clips_of, make
from benchmarks.words.diarization_error import COLLAR_US, Errors, errors
from pipeline.config import VoiceSection
from pipeline.media.audio import SAMPLE_RATE_HZ
from pipeline.media.waveform import read_waveform
from pipeline.types import US_PER_S, Span, Turn
from pipeline.voice.activity import load_detector, speech_probabilities, speech_spans
from pipeline.voice.speaker_encoder import Encoder, load_encoder
from pipeline.voice.speakers import HOP_US, MIN_WINDOWS
from pipeline.voice.stage import speakers_of

SETTINGS = VoiceSection()
SPLITTABLE_US = 2 * MIN_WINDOWS * HOP_US  # shorter speech never has two voices
DIALOGUE = "meld_en_dia2_utt"
REAL = (
    *("videos/zh_interview_38s.mp4", "films/vlog.mp4", "videos/en_talk_a_8s.mp4"),
    *("videos/two_faces_12fps_9s.mp4", "videos/en_upset_7s.mp4", "videos/en_portrait_hevc_20s.mp4"),
)


@dataclass(frozen=True, slots=True)
class Judged:
    """One conversation: how many speak, how many were counted, errors with and without collar."""

    name: str
    speakers: int
    counted: int
    with_collar: Errors
    without_collar: Errors


@dataclass(slots=True)
class Clock:
    """Processor time spent on telling voices apart, and the speech it was spent on."""

    processor_s: float = 0.0
    speech_s: float = 0.0


def turns_in(samples: NDArray[np.float32], encoder: Encoder, detector: object, clock: Clock) -> list[Turn]:
    """What the stages `speech` and `speakers` make of a recording."""
    end_us = samples.size * US_PER_S // SAMPLE_RATE_HZ
    spans = speech_spans(speech_probabilities(samples, detector), SETTINGS.speech_threshold, end_us)
    if not spans:
        return []
    started = time.process_time()
    spoken = speakers_of(samples, spans, encoder, SETTINGS, lambda fraction: None)
    clock.processor_s += time.process_time() - started
    clock.speech_s += sum(span.duration_us for span in spans) / US_PER_S
    return spoken


def judged(talk: Conversation, spoken: Sequence[Turn]) -> Judged:
    """Turns against the truth."""
    return Judged(
        talk.name,
        talk.speakers,
        len({turn.speaker for turn in spoken}),
        errors(talk.turns, spoken),
        errors(talk.turns, spoken, 0),
    )


def dialogue(data: Path) -> Conversation:
    """The lines of one real dialogue of two, in order, each cut to its length."""
    with (data / "films" / "labels.csv").open(encoding="utf-8", newline="") as file:
        persons = {row["file"]: row["person"] for row in csv.DictReader(file)}
    names = sorted(
        (name for name in persons if name.startswith(DIALOGUE)),
        key=lambda name: int(name.removeprefix(DIALOGUE).removesuffix(".mp4")),
    )
    parts, turns, at = [], [], 0
    for name in names:
        samples = read_waveform(data / "films" / "clips" / name)
        span = Span(*(i * US_PER_S // SAMPLE_RATE_HZ for i in (at, at + samples.size)))
        turns.append(Turn(span, persons[name]))
        parts.append(samples)
        at += samples.size
    return Conversation("real dialogue of two", np.concatenate(parts), tuple(turns))


def single_clips(data: Path) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Recordings in which one person speaks: clips, and all clips of a person one after the other."""
    with (data / "films" / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["speech"] == "1"]
    persons: dict[str, list[NDArray[np.float32]]] = {}
    for row in rows:
        samples = read_waveform(data / "films" / "clips" / row["file"])
        persons.setdefault(row["person"], []).append(samples)
        yield row["file"], samples
    for person, clips in persons.items():
        if len(clips) > 1:
            yield f"all of {person}", np.concatenate(clips)
    for path in sorted((data / "asr").glob("*.*")):
        if path.suffix in (".flac", ".wav"):
            yield path.name, read_waveform(path)


def total(every: Sequence[Errors]) -> float:
    """Error rate of all of them as one recording."""
    wrong_s = sum(one.missed_s + one.false_s + one.confused_s for one in every)
    return wrong_s / max(sum(one.spoken_s for one in every), 1e-9)


def _table(rows: Sequence[Judged], whose: str) -> None:
    lines = []
    for count in (*range(1, MAX_SPEAKERS + 1), None):
        chosen = [row for row in rows if count in (row.speakers, None)]
        counts = np.bincount([row.counted for row in chosen], minlength=7)[1:]
        lines.append(
            (
                "all" if count is None else str(count),
                str(len(chosen)),
                f"{total([row.with_collar for row in chosen]):.3f}",
                f"{total([row.without_collar for row in chosen]):.3f}",
                f"{np.mean([row.counted == row.speakers for row in chosen]):.2f}",
                "" if count is None else " ".join(map(str, counts)),
            )
        )
    show(
        f"Made conversations of {whose} speakers",
        (
            *("speakers", "conversations", f"DER (collar {COLLAR_US / US_PER_S:g} s)", "DER, no collar"),
            *("count right", "counted as 1, 2, 3, …"),
        ),
        lines,
    )


def _show_single(data: Path, encoder: Encoder, detector: object, clock: Clock) -> None:
    counted: dict[str, int] = {}
    long: set[str] = set()
    for name, samples in single_clips(data):
        spoken = turns_in(samples, encoder, detector, clock)
        if spoken:
            counted[name] = len({turn.speaker for turn in spoken})
        if sum(turn.span.duration_us for turn in spoken) >= SPLITTABLE_US:
            long.add(name)
    print(
        f"Real recordings of one person: {sum(count == 1 for count in counted.values())} of {len(counted)} "
        f"have one voice; of those long enough to be split, {sum(counted[name] == 1 for name in long)} of "
        f"{len(long)}."
    )
    for name, count in counted.items():
        if count > 1:
            print(f"  {name}: {count} voices")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.words.speakers", description=__doc__)
    parser.add_argument("--each", type=int, default=30, help="conversations per number of speakers")
    parser.add_argument("--dev", action="store_true", help="of the speakers that things are fitted on")
    parser.add_argument("-v", action="store_true", help="every conversation and every turn of the real clips")
    options = parser.parse_args()
    data = data_root()
    encoder, detector, clock = load_encoder(), load_detector(), Clock()
    clips, voices = clips_of(data, not options.dev), Voices()
    rows = []
    for speakers in range(1, MAX_SPEAKERS + 1):
        for i in range(options.each):
            talk = make(clips, speakers, 1_000_000 + 1_000 * speakers + i, voices)
            rows.append(judged(talk, turns_in(talk.samples, encoder, detector, clock)))
            if options.v:
                row = rows[-1]
                print(f"{row.name}: {row.counted} counted, DER {row.with_collar.rate:.3f}", flush=True)
    _table(rows, "dev" if options.dev else "test")
    _show_single(data, encoder, detector, clock)
    real = dialogue(data)
    row = judged(real, turns_in(real.samples, encoder, detector, clock))
    print(
        f"{row.name}: {row.counted} counted, DER {row.with_collar.rate:.3f}, without collar "
        f"{row.without_collar.rate:.3f}"
    )
    for name in REAL:
        spoken = turns_in(read_waveform(data / name), encoder, detector, clock)
        print(f"{Path(name).name}: {len({turn.speaker for turn in spoken})} voices, {len(spoken)} turns")
        if options.v:
            for turn in spoken:
                span = turn.span
                print(f"  {span.start_s:7.2f}-{span.end_s:7.2f} {turn.speaker} {turn.confidence:.2f}")
    print(f"Cost: {clock.processor_s / clock.speech_s:.4f} processor-seconds per second of speech.")


if __name__ == "__main__":
    main()
