"""Shuffling clips for the null, and the command's parts."""

from importlib import import_module

import numpy as np
import pytest

from benchmarks.conflict.__main__ import PARTS, main
from benchmarks.conflict.null import Film, film_of, paired, rates, shifted, speaking, turned
from pipeline.config import ConflictSection
from pipeline.fusion.align import align
from pipeline.fusion.detect import limits_of
from pipeline.labels import EMOTIONS
from pipeline.types import US_PER_S, Analysis, MediaInfo, Observation, Scores, Span, Status, Transcript

LENGTH_S = 40


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


def clip(name: str, seed: int) -> Analysis:
    """A clip in which two channels show the same random emotions."""
    emotions = np.random.default_rng(seed).choice(["happy", "sad", "neutral"], LENGTH_S // 2).tolist()
    seen = {"a": observed("a", emotions), "b": observed("b", emotions), "c": ()}
    duration_us = LENGTH_S * US_PER_S
    return Analysis(
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
    as_it_is = rates(film_of(one.name, one, one.observations), limits())
    assert as_it_is is not None
    assert as_it_is.counted == (0,)
    assert as_it_is.expected[0] > 1
    films = list(shifted(one, np.random.default_rng(0)))
    assert len(films) == 2 * 16
    counted = [found.counted[0] for film in films if (found := rates(film, limits())) is not None]
    assert np.mean(counted) == pytest.approx(as_it_is.expected[0], rel=0.35)


def test_paired_films_take_one_channel_from_elsewhere() -> None:
    one, other = clip("one", 0), clip("other", 1)
    assert speaking(one) == ["a", "b"]
    films = list(paired(one, other, np.random.default_rng(0)))
    series = {tuple(str(moment.by_modality["a"]) for moment in film.stretches) for film in films}
    assert len(series) > 3  # those of "b" share one
    for film in films:
        changed = {
            modality
            for before, after in zip(
                film_of("", one, one.observations).stretches, film.stretches, strict=True
            )
            for modality in before.by_modality
            if before.by_modality[modality] != after.by_modality[modality]
        }
        assert len(changed) == 1


def test_too_little_to_shuffle() -> None:
    one = clip("one", 0)
    film = film_of(one.name, one, {**one.observations, "b": ()})
    assert rates(Film("", film.stretches[:3], {}), limits()) is None


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
