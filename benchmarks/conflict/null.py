"""Part 5: whether the alarms that chance is said to give are those that it gives, on shuffled real clips.

Two ways of making films whose channels have nothing to do with one another in time: what one channel observed
is shifted round the clip by a random time (shifted), or one channel comes from another clip, from a random
time on (paired). Each such film is then taken for a real one, cuts, listening faces and what is known of the
models included (``fusion.detect.seen_of``): its alarms are counted, and the rate that the detector itself
would state for it is read. Both are summed over many films. The cuts stay where the clip has them. Clips in
which fewer than two channels say anything, or which are too short to shuffle, take no part.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path

import numpy as np

from benchmarks.conflict.answers import KEPT
from benchmarks.conflict.markdown import table_of
from benchmarks.conflict.scores import default_prior
from pipeline import Config, analyze
from pipeline.config import ConflictSection, FilmSection
from pipeline.fusion.conflict import Limits, candidates, compare
from pipeline.fusion.detect import Seen, evidence_of, limits_of, seen_of
from pipeline.fusion.null import alarms, chance_rate_per_minute, shuffled
from pipeline.fusion.stage import cuts_of
from pipeline.records import CUTS_FILE
from pipeline.train.examples import DataError
from pipeline.types import US_PER_S, Analysis, Observation, Span

SUFFIXES = (".mp4", ".mov")
SEED = 5
SHIFTS = 16  # films per clip and channel
PAIRINGS = 6  # films per two clips and channel
OPERATING_POINTS = (0.6, 0.75, 0.9)
MOST_APART = 1.5


@dataclass(frozen=True)
class Clip:
    """What was found in a real clip, and where its picture is cut."""

    analysis: Analysis
    cuts_us: Sequence[int] = ()

    @property
    def observations(self) -> dict[str, Sequence[Observation]]:
        """By modality; none of one that failed."""
        seen = self.analysis.observations
        return {modality: seen.get(modality, ()) for modality in self.analysis.modalities}

    def film(self, modality: str | None = None, instead: Sequence[Observation] = ()) -> Seen:
        """The clip as the detector is shown it, with other observations of one channel if one is named."""
        observations = self.observations
        if modality is not None:
            observations[modality] = instead
        analysis = self.analysis
        return seen_of(
            analysis.moments, observations, analysis.models, self.cuts_us, ConflictSection().stretch_s
        )


@dataclass(frozen=True)
class Rates:
    """Alarms counted and expected in one film at each operating point, and its minutes."""

    counted: tuple[int, ...]
    expected: tuple[float, ...]
    minutes: float


def analysed(data: Path, kept: Path = KEPT) -> list[Clip]:
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
    return [_analysed(clip, config, kept / "clips" / clip.stem) for clip in clips]


def _analysed(clip: Path, config: Config, out: Path) -> Clip:
    analysis = analyze(clip, config, out=out)
    # No record of the analysis has the cuts: they lie with what the stages left.
    left = sorted(out.glob(f".work/artifacts/*/*/{CUTS_FILE}"), key=lambda path: path.stat().st_mtime_ns)
    return Clip(analysis, cuts_of([path.parent for path in left[-1:]]))


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


def shifted(clip: Clip, random: np.random.Generator) -> Iterator[Seen]:
    """Films in which one channel of a clip is shifted by a random time, ``SHIFTS`` per channel."""
    duration_us = clip.analysis.media.duration_us
    for modality in speaking(clip.analysis):
        for _ in range(SHIFTS):
            by_us = int(random.integers(1, duration_us))
            yield clip.film(modality, turned(clip.observations[modality], by_us, duration_us))


def lent(other: Analysis, modality: str, from_us: int, duration_us: int) -> list[Observation]:
    """What a clip observed from a time on, again and again, for as long as another clip lasts."""
    own = turned(other.observations[modality], -from_us, other.media.duration_us)
    result = []
    for before_us in range(0, duration_us, other.media.duration_us):
        for one in own:
            start = before_us + one.span.start_us
            end = min(before_us + one.span.end_us, duration_us)
            if end > start:
                result.append(replace(one, span=Span(start, end)))
    return result


def paired(one: Clip, other: Clip, random: np.random.Generator) -> Iterator[Seen]:
    """Films in which one channel of a clip is replaced by that of another, from a random time on."""
    duration_us, theirs_us = (clip.analysis.media.duration_us for clip in (one, other))
    for modality in sorted(set(speaking(one.analysis)) & set(speaking(other.analysis))):
        for _ in range(PAIRINGS):
            from_us = int(random.integers(theirs_us))
            yield one.film(modality, lent(other.analysis, modality, from_us, duration_us))


def speaking(analysis: Analysis) -> list[str]:
    """The channels that say anything in a clip."""
    seen = analysis.observations.items()
    return [modality for modality, all_of_it in seen if any(one.scores is not None for one in all_of_it)]


def rates(film: Seen, limits: Sequence[Limits]) -> Rates | None:
    """Alarms of a film, and those the detector expects of chance in it; None: too little to shuffle."""
    timeline, channels, likelihoods = evidence_of(film)
    prior = default_prior()
    loosest = min(limits, key=lambda one: one.enter)
    nulls = [candidates(null, loosest) for null in shuffled(timeline, channels, likelihoods, prior)]
    if not nulls:
        return None
    seen = candidates(compare(timeline, channels, likelihoods, prior), loosest)
    minutes = sum(span.duration_us for span in timeline.spans) / US_PER_S / 60
    return Rates(
        tuple(alarms(seen, one) for one in limits),
        tuple((chance_rate_per_minute(nulls, one) or 0.0) * minutes for one in limits),
        minutes,
    )


def table(data: Path) -> str:
    """Counted and expected alarms a minute. Raises DataError, UsageError, MediaError, ModelError."""
    clips = [one for one in analysed(data) if len(speaking(one.analysis)) > 1]
    limits = [
        replace(limits_of(ConflictSection()), enter=enter, leave=min(enter, ConflictSection().leave))
        for enter in OPERATING_POINTS
    ]
    random = np.random.default_rng(SEED)
    ways: dict[str, Callable[[], Iterator[Seen]]] = {
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
