"""Part 5: whether the alarms that chance is said to give are those that it gives, on shuffled real clips.

Two ways of making films whose channels have nothing to do with one another in time: what one channel observed
is shifted round the clip by a random time (shifted), or one channel comes from another clip, from a random
place on (paired). Each such film is then taken for a real one: its alarms are counted, and the rate that the
detector itself would state for it is read. Both are summed over many films. Clips in which fewer than two
channels say anything, or which are too short to shuffle, take no part.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path

import numpy as np

from benchmarks.conflict.answers import KEPT
from benchmarks.conflict.markdown import table_of
from benchmarks.conflict.scores import default_prior
from pipeline import Config, analyze
from pipeline.config import ConflictSection, FilmSection
from pipeline.fusion.align import finer
from pipeline.fusion.channels import Channels, channels_of
from pipeline.fusion.conflict import Limits, Timeline, compare
from pipeline.fusion.detect import limits_of
from pipeline.fusion.null import alarms, chance_rate_per_minute, shuffled
from pipeline.train.examples import DataError
from pipeline.types import US_PER_S, Analysis, Moment, Observation, Reliability, Span

SUFFIXES = (".mp4", ".mov")
SEED = 5
SHIFTS = 16  # films per clip and channel
PAIRINGS = 6  # films per two clips and channel
OPERATING_POINTS = (0.6, 0.75, 0.9)
MOST_APART = 1.5


@dataclass(frozen=True)
class Film:
    """Stretches of a clip, or of one made up, with the models that read it."""

    name: str
    stretches: Sequence[Moment]
    reliabilities: Mapping[str, Reliability | None]

    @property
    def minutes(self) -> float:
        return sum(one.span.duration_us for one in self.stretches) / US_PER_S / 60


@dataclass(frozen=True)
class Rates:
    """Alarms counted and expected in one film at each operating point, and its minutes."""

    counted: tuple[int, ...]
    expected: tuple[float, ...]
    minutes: float


def analysed(data: Path, kept: Path = KEPT) -> list[Analysis]:
    """All clips, read by the shipped models; a second call reads what the first one left.

    Raises:
        DataError: there is no clip.
        UsageError, ConfigError, MediaError, ModelError: see ``pipeline.analyze``.
    """
    folder = data / "videos"
    clips = sorted(path for path in folder.glob("*") if path.suffix in SUFFIXES)
    if not clips:
        raise DataError(f"{folder} holds no clip; give the folder of shared data with --data")
    config = Config(film=FilmSection(enabled=False))
    return [analyze(clip, config, out=kept / "clips" / clip.stem) for clip in clips]


def film_of(name: str, analysis: Analysis, observations: Mapping[str, Sequence[Observation]]) -> Film:
    """A clip in the stretches its channels are compared in."""
    most_us = round(ConflictSection().stretch_s * US_PER_S)
    cards = analysis.models
    reliabilities = {m: cards[m].reliability if m in cards else None for m in analysis.modalities}
    return Film(name, finer(analysis.moments, observations, most_us), reliabilities)


def turned(observations: Sequence[Observation], by_us: int, duration_us: int) -> list[Observation]:
    """The same observations ``by_us`` later, those beyond the end at the beginning; none crosses the end."""
    result = []
    for one in observations:
        start = (one.span.start_us + by_us) % duration_us
        end = start + one.span.duration_us
        for low, high in ((start, min(end, duration_us)), (0, end - duration_us)):
            if high > low:
                result.append(replace(one, span=Span(low, high)))
    return sorted(result, key=lambda one: one.span)


def shifted(analysis: Analysis, random: np.random.Generator) -> Iterator[Film]:
    """Films in which one channel of a clip is shifted by a random time, ``SHIFTS`` per channel."""
    duration_us = analysis.media.duration_us
    for modality in speaking(analysis):
        for _ in range(SHIFTS):
            later = turned(analysis.observations[modality], int(random.integers(1, duration_us)), duration_us)
            yield film_of(analysis.name, analysis, {**analysis.observations, modality: later})


def paired(one: Analysis, other: Analysis, random: np.random.Generator) -> Iterator[Film]:
    """Films in which one channel of a clip is replaced by that of another, from a random stretch on."""
    film, lent = (film_of(clip.name, clip, clip.observations) for clip in (one, other))
    for modality in sorted(set(speaking(one)) & set(speaking(other))):
        for _ in range(PAIRINGS):
            first = int(random.integers(len(lent.stretches)))
            stretches = [
                replace(
                    moment,
                    by_modality={
                        **moment.by_modality,
                        modality: lent.stretches[(first + place) % len(lent.stretches)].by_modality[modality],
                    },
                )
                for place, moment in enumerate(film.stretches)
            ]
            yield replace(film, stretches=stretches)


def speaking(analysis: Analysis) -> list[str]:
    """The channels that say anything in a clip."""
    seen = analysis.observations.items()
    return [modality for modality, all_of_it in seen if any(one.scores is not None for one in all_of_it)]


def rates(film: Film, limits: Sequence[Limits]) -> Rates | None:
    """Alarms of a film, and those the detector expects of chance in it; None: too little to shuffle."""
    timeline = Timeline(tuple(one.span for one in film.stretches))
    channels: Channels = channels_of(film.stretches)
    prior = default_prior()
    likelihoods = channels.likelihoods(film.reliabilities)
    nulls = shuffled(timeline, channels, likelihoods, prior)
    if not nulls:
        return None
    seen = compare(timeline, channels, likelihoods, prior)
    return Rates(
        tuple(alarms(seen, one) for one in limits),
        tuple((chance_rate_per_minute(nulls, one) or 0.0) * film.minutes for one in limits),
        film.minutes,
    )


def table(data: Path) -> str:
    """Counted and expected alarms a minute. Raises DataError, UsageError, MediaError, ModelError."""
    clips = [one for one in analysed(data) if len(speaking(one)) > 1]
    limits = [
        replace(limits_of(ConflictSection()), enter=enter, leave=min(enter, ConflictSection().leave))
        for enter in OPERATING_POINTS
    ]
    random = np.random.default_rng(SEED)
    ways: dict[str, Callable[[], Iterator[Film]]] = {
        "shifted": lambda: (film for clip in clips for film in shifted(clip, random)),
        "paired": lambda: (film for two in permutations(clips, 2) for film in paired(*two, random)),
    }
    rows = []
    for way, films in ways.items():
        found = [one for film in films() if (one := rates(film, limits)) is not None]
        minutes = sum(one.minutes for one in found)
        for place, enter in enumerate(OPERATING_POINTS):
            counted = sum(one.counted[place] for one in found)
            expected = sum(one.expected[place] for one in found)
            rows.append(_row(f"{way}, enter at {enter:g}", len(found), minutes, counted, expected))
    columns = [
        "films",
        "number",
        "minutes",
        "alarms",
        "counted a minute",
        "expected a minute",
        "apart",
        "≤ 1.5",
    ]
    return table_of(columns, rows)


def _row(name: str, number: int, minutes: float, counted: int, expected: float) -> list[str]:
    apart = max(counted, expected) / max(1e-9, min(counted, expected))
    return [
        name,
        f"{number}",
        f"{minutes:.1f}",
        f"{counted}",
        f"{counted / minutes:.3f}",
        f"{expected / minutes:.3f}",
        f"{apart:.2f}",
        "yes" if apart <= MOST_APART else "no",
    ]
