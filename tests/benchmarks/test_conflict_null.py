"""Shuffling clips for the null, and the command's parts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from itertools import pairwise

import numpy as np
import pytest

from benchmarks.conflict.__main__ import PARTS, main
from benchmarks.conflict.null import Clip, lent, paired, rates, shifted, speaking, turned
from pipeline.config import ConflictSection
from pipeline.fusion.align import align
from pipeline.fusion.detect import limits_of
from pipeline.labels import EMOTIONS
from pipeline.records import LIP_GAP_KEY, MOUTH_MOTION_KEY, SPEECH_SHARE_KEY
from pipeline.types import (
    US_PER_S,
    Analysis,
    MediaInfo,
    ModelCard,
    Observation,
    Scores,
    Span,
    Status,
    Transcript,
)

LENGTH_S = 40
CARD = ModelCard("made", "a", "1", "0" * 64, "MIT", EMOTIONS, dict(zip(EMOTIONS, EMOTIONS, strict=True)))


def observed(modality: str, emotions: list[str], each_s: int = 2) -> tuple[Observation, ...]:
    return tuple(
        Observation(
            modality,
            Span(place * each_s * US_PER_S, (place + 1) * each_s * US_PER_S),
            Status.OK,
            Scores(tuple(0.94 if one == emotion else 0.01 for one in EMOTIONS)),
            quality=1.0,
        )
        for place, emotion in enumerate(emotions)
    )


def finely(observations: Sequence[Observation], evidence: Mapping[str, float]) -> tuple[Observation, ...]:
    """The same, five times a second and with evidence."""
    step_us = US_PER_S // 5
    return tuple(
        replace(one, span=Span(at, at + step_us), evidence=evidence)
        for one in observations
        for at in range(one.span.start_us, one.span.end_us, step_us)
    )


def clip(name: str, seed: int, cuts_us: tuple[int, ...] = ()) -> Clip:
    """A clip in which two channels show the same random emotions."""
    emotions = np.random.default_rng(seed).choice(["happy", "sad", "neutral"], LENGTH_S // 2).tolist()
    seen = {"a": observed("a", emotions), "b": observed("b", emotions), "c": ()}
    duration_us = LENGTH_S * US_PER_S
    analysis = Analysis(
        name=name,
        media=MediaInfo("", duration_us, 64, 64, 10.0, False, True, True, 0, 0),
        modalities=tuple(seen),
        transcript=Transcript((), Status.NO_TRANSCRIPT, "none"),
        observations=seen,
        moments=tuple(align(duration_us, (), seen, 2 * US_PER_S)),
        fused=(),
        conflicts=(),
        false_alarms_per_minute=None,
        models={},
    )
    return Clip(analysis, cuts_us)


def test_turning_keeps_every_microsecond() -> None:
    seen = observed("a", ["happy", "sad", "neutral"])
    later = turned(seen, 3 * US_PER_S, 6 * US_PER_S)
    assert [(one.span.start_us // US_PER_S, one.span.end_us // US_PER_S) for one in later] == [
        (0, 1),
        (1, 3),
        (3, 5),
        (5, 6),
    ]
    assert [one.scores for one in later] == [seen[place].scores for place in (1, 2, 0, 1)]
    assert turned(later, 3 * US_PER_S, 6 * US_PER_S)[0].scores == seen[0].scores


def limits() -> list:
    return [limits_of(ConflictSection())]


def test_channels_that_agree_alarm_only_when_shuffled() -> None:
    one = clip("one", 0)
    as_it_is = rates(one.film(), limits())
    assert as_it_is is not None
    assert as_it_is.counted == (0,)
    assert as_it_is.expected[0] > 1
    films = list(shifted(one, np.random.default_rng(0)))
    assert len(films) == 2 * 16
    counted = [found.counted[0] for film in films if (found := rates(film, limits())) is not None]
    assert np.mean(counted) == pytest.approx(as_it_is.expected[0], rel=0.35)


def test_paired_films_take_one_channel_from_elsewhere() -> None:
    one, other = clip("one", 0), clip("other", 1)
    assert speaking(one.analysis) == ["a", "b"]
    films = list(paired(one, other, np.random.default_rng(0)))
    assert len({str(film.observations["a"]) for film in films}) > 3  # those of "b" share one
    for film in films:
        assert [film.observations[name] == seen for name, seen in one.observations.items()].count(False) == 1


def test_what_is_lent_fills_the_film() -> None:
    other = clip("other", 1).analysis
    seen = lent(other, "a", 3 * US_PER_S, 95 * US_PER_S)
    assert seen[0].span == Span(0, US_PER_S) and seen[-1].span.end_us == 95 * US_PER_S
    assert all(one.span.end_us == after.span.start_us for one, after in pairwise(seen))
    assert [one.scores for one in seen[:2]] == [one.scores for one in other.observations["a"][1:3]]
    assert seen[0].scores == next(one for one in seen if one.span.start_us == LENGTH_S * US_PER_S).scores


def test_a_film_is_what_the_stage_would_look_at() -> None:
    """Cuts, a listener's face and models of which nothing was measured count."""
    one = clip("one", 0, cuts_us=(3 * US_PER_S,))
    moving = {
        "a": finely(one.analysis.observations["a"], {MOUTH_MOTION_KEY: 0.01, LIP_GAP_KEY: 0.0}),
        "b": [replace(seen, evidence={SPEECH_SHARE_KEY: 1.0}) for seen in one.analysis.observations["b"]],
    }
    models = {"a": replace(CARD, modality="a")}
    film = Clip(replace(one.analysis, observations=moving, models=models), one.cuts_us).film()
    assert film.cuts_us == one.cuts_us
    assert any(stretch.span.start_us == 3 * US_PER_S for stretch in film.stretches)
    assert {(apart.modality, apart.other) for apart in film.apart} == {("a", "b"), ("a", "c")}
    assert film.reliabilities["a"] is not None and film.reliabilities["b"] is None
    assert rates(film, limits()) is None  # nobody is left to be compared


def test_too_little_to_shuffle() -> None:
    one = clip("one", 0)
    short = {name: seen[:3] for name, seen in one.analysis.observations.items()}
    assert rates(Clip(replace(one.analysis, observations=short)).film(), limits()) is None
    assert rates(one.film("b", ()), limits()) is None


def test_every_part_has_a_table() -> None:
    for _, module in PARTS.values():
        assert callable(import_module(f"benchmarks.conflict.{module}").table)


def test_a_part_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "triples,votse"])
    assert "there is no part 'votse'" in capsys.readouterr().err


def test_no_data_one_sentence(capsys: pytest.CaptureFixture[str], tmp_path) -> None:
    assert main(["--only", "votes", "--data", str(tmp_path)]) == 1
    assert "give the folder of shared data" in capsys.readouterr().err
