"""``keyframes.csv`` and ``keyframes.jpg``: the most expressive frames of a film that differ the most."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import dist
from pathlib import Path

from pipeline.config import HighlightsSection
from pipeline.engine.stage import Progress
from pipeline.labels import EMOTIONS, NEUTRAL
from pipeline.media.mend import media_path
from pipeline.records import ANALYSIS_FILE, BOX_KEY, FRAME_TIME_KEY, WARNINGS_FILE, read_record
from pipeline.types import US_PER_S, Analysis, Observation, Scores
from pipeline.writers.columns import PERSON, display
from pipeline.writers.contact_sheet import Shot, contact_sheet
from pipeline.writers.facts import one_line, time_code
from pipeline.writers.fonts import font_for
from pipeline.writers.persons import person_colours
from pipeline.writers.stills import QUALITY, images, read_regions
from pipeline.writers.table import Row, milliseconds, share, write_sheet

SHEET, PICTURE = "keyframes.csv", "keyframes.jpg"
COLUMNS = (
    *("Time_Code", "Seconds", PERSON, "Channel", "Emotion", "Probability", "Expressiveness"),
    *(f"Smoothed_{emotion}" for emotion in EMOTIONS),
)
NEUTRAL_AT = EMOTIONS.index(NEUTRAL)


@dataclass(frozen=True, slots=True)
class KeyFrame:
    """One sampled frame of one person; ``box`` in display pixels."""

    time_us: int
    modality: str
    subject: str | None
    box: tuple[float, float, float, float]
    scores: Scores

    @property
    def expressiveness(self) -> float:
        """Probability of any emotion but neutral."""
        return sum(p for i, p in enumerate(self.scores.probabilities) if i != NEUTRAL_AT)

    @property
    def emotion(self) -> str:
        """The most probable emotion but neutral: what the frame was chosen for."""
        felt = [i for i in range(len(EMOTIONS)) if i != NEUTRAL_AT]
        return EMOTIONS[max(felt, key=lambda i: self.scores.probabilities[i])]

    @property
    def probability(self) -> float:
        return self.scores.probabilities[EMOTIONS.index(self.emotion)]


def run(inputs: Mapping[str, Path], settings: HighlightsSection, out: Path, progress: Progress) -> None:
    """Stage ``keyframes``: sheet and picture; without an expressive frame an empty sheet and one warning."""
    analysis = read_record(inputs["analysis"] / ANALYSIS_FILE, Analysis)
    chosen = keyframes(analysis, settings.keyframes, settings.expressive)
    write_sheet(out / SHEET, COLUMNS, [_row(frame) for frame in chosen])
    if not chosen:
        why = _why_none(analysis, settings.expressive)
        (out / WARNINGS_FILE).write_text(f"{why}: no sheet of key frames\n", encoding="utf-8")
        return
    times_us = [frame.time_us for frame in chosen]
    tints = person_colours(analysis)
    hidden = read_regions(inputs)
    shown = images(media_path(inputs), analysis.media, times_us, hidden, None)
    shots = (
        Shot(
            image,
            _around(frame.box) if hidden else frame.box,
            time_code(frame.time_us),
            frame.subject,
            tints.get(frame.subject or ""),
            frame.emotion,
            frame.probability,
        )
        for frame, image in zip(chosen, shown, strict=True)
    )
    sheet = contact_sheet(
        shots, len(chosen), analysis.media, font_for(analysis.transcript.language), progress
    )
    sheet.save(out / PICTURE, "JPEG", quality=QUALITY)


def _why_none(analysis: Analysis, least_expressive: float) -> str:
    if not analysis.media.has_video:
        return "no picture"
    if not per_second(analysis):
        return "no face could be read"
    return f"no frame shows an emotion with {least_expressive:.0%}; lower highlights.expressive"


def keyframes(analysis: Analysis, most: int, least_expressive: float) -> tuple[KeyFrame, ...]:
    """Of the most expressive frame of each second, the ``most`` that differ the most, in order of time."""
    expressive = [f for f in per_second(analysis) if f.expressiveness >= least_expressive]
    return tuple(sorted(farthest(expressive, most), key=lambda f: f.time_us))


def per_second(analysis: Analysis) -> tuple[KeyFrame, ...]:
    """The most expressive sampled frame of each second, of anyone and any modality that has boxes.

    Equals are decided by time, then by the analysis's order of modalities and observations.
    """
    best: dict[int, KeyFrame] = {}
    for modality in analysis.modalities:
        for one in analysis.observations.get(modality, ()):
            frame = _frame(modality, one)
            if frame is None:
                continue
            second = frame.time_us // US_PER_S
            if second not in best or _place(frame) < _place(best[second]):
                best[second] = frame
    return tuple(best[second] for second in sorted(best))


def farthest(frames: Sequence[KeyFrame], most: int) -> tuple[KeyFrame, ...]:
    """Greedy farthest-point selection over the seven probabilities, the most expressive frame first.

    Each further one is the farthest from its nearest chosen one: at most twice as far from the best spread
    (Gonzalez 1985, Theoretical Computer Science 38, 293-306). Equals: the more expressive, then the earlier.
    """
    left = sorted(frames, key=_place)
    chosen: list[KeyFrame] = []
    away = [0.0] * len(left)
    while left and len(chosen) < most:
        at = max(range(len(left)), key=lambda i: (away[i], -i)) if chosen else 0
        chosen.append(left.pop(at))
        away.pop(at)
        new = chosen[-1].scores.probabilities
        here = [dist(f.scores.probabilities, new) for f in left]
        away = here if len(chosen) == 1 else [min(a, b) for a, b in zip(away, here, strict=True)]
    return tuple(chosen)


def _around(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """Of a hidden face the surroundings are what can be told apart."""
    x, y, width, height = box
    return (x - width, y - height, 3 * width, 3 * height)


def _place(frame: KeyFrame) -> tuple[float, int]:
    return (-frame.expressiveness, frame.time_us)


def _frame(modality: str, one: Observation) -> KeyFrame | None:
    box: Iterable[float] | None = one.evidence.get(BOX_KEY)
    if not box or one.scores is None:
        return None
    x, y, width, height = (float(side) for side in box)
    time_us = int(one.evidence.get(FRAME_TIME_KEY, one.span.start_us))
    return KeyFrame(max(0, time_us), modality, one.subject, (x, y, width, height), one.scores)


def _row(frame: KeyFrame) -> Row:
    cells = (share(p) for p in frame.scores.probabilities)
    return {
        "Time_Code": time_code(frame.time_us),
        "Seconds": milliseconds(frame.time_us),
        PERSON: one_line(frame.subject or ""),
        "Channel": one_line(display(frame.modality).prefix),
        "Emotion": frame.emotion,
        "Probability": share(frame.probability),
        "Expressiveness": share(frame.expressiveness),
        **{f"Smoothed_{emotion}": cell for emotion, cell in zip(EMOTIONS, cells, strict=True)},
    }
