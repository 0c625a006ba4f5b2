"""The split-half protocol on made votes."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.conflict.votes import (
    NO_LABEL,
    Draw,
    Votes,
    category,
    draw_of,
    evidence,
    halves,
    labels_of,
    learn_prior,
    learn_raters,
    ours,
    precisions,
    read_votes,
    resampled,
)
from pipeline.fusion.belief import KINDS
from pipeline.labels import EMOTIONS
from pipeline.train.examples import DataError

ANGRY, HAPPY, SAD, NEUTRAL = (EMOTIONS.index(name) for name in ("angry", "happy", "sad", "neutral"))
SHOWN = (ANGRY, HAPPY, SAD, NEUTRAL)


def made(clips: int = 600, right: float = 0.8, raters: int = 10) -> tuple[Votes, np.ndarray]:
    """Clips by ten actors whose raters err alike for every emotion, and what is shown (clips, 2)."""
    random = np.random.default_rng(1)
    shared = random.choice(SHOWN, size=clips)
    shown = np.stack(
        [shared, np.where(random.random(clips) < 0.15, random.choice(SHOWN, size=clips), shared)], 1
    )
    chances = np.full((len(EMOTIONS), len(EMOTIONS)), 0.0)
    for one in SHOWN:
        chances[one, SHOWN] = (1 - right) / (len(SHOWN) - 1)
        chances[one, one] = right
    counts = np.array([[random.multinomial(raters, chances[one]) for one in row] for row in shown])
    return Votes(counts, np.repeat(np.arange(10), clips // 10)), shown


def test_halves_part_the_raters() -> None:
    votes, _ = made(50, raters=9)
    first, second = halves(votes.counts, np.random.default_rng(0))
    assert (first + second == votes.counts).all()
    assert (first >= 0).all()
    assert (first.sum(axis=2) == 5).all()
    assert (second.sum(axis=2) == 4).all()
    again, _ = halves(votes.counts, np.random.default_rng(1))
    assert (again != first).any()


def test_labels_need_sixty_percent() -> None:
    votes = np.zeros((4, len(EMOTIONS)), int)
    votes[0, HAPPY], votes[0, SAD] = 3, 2
    votes[1, HAPPY], votes[1, SAD] = 3, 3
    votes[2, SAD] = 1
    assert labels_of(votes).tolist() == [HAPPY, NO_LABEL, SAD, NO_LABEL]


def test_raters_are_learned() -> None:
    votes, shown = made(2000)
    raters = learn_raters(votes.counts[:, 0], shown[:, 0])
    assert np.isnan(raters[EMOTIONS.index("fear")]).all()
    mean = raters[HAPPY] / raters[HAPPY].sum()
    assert mean[HAPPY] == pytest.approx(0.8, abs=0.03)
    assert raters[HAPPY].sum() > 20  # these raters do not err together
    likelihood = evidence(votes.counts[:, 0], raters)
    assert (likelihood.max(axis=1) == 1).all()
    assert (likelihood[:, EMOTIONS.index("fear")] == 0).all()
    assert (likelihood.argmax(axis=1) == shown[:, 0]).mean() > 0.98


def test_prior_is_learned() -> None:
    _, shown = made(5000)
    prior = learn_prior(shown)
    assert sum(prior.shared) == pytest.approx(1)
    assert np.array(prior.departs).sum(axis=1) == pytest.approx(1)
    assert prior.shared[EMOTIONS.index("fear")] < 0.01
    joint = np.einsum("s,st,su->tu", prior.shared, prior.departs, prior.departs)
    seen = np.zeros_like(joint)
    np.add.at(seen, (shown[:, 0], shown[:, 1]), 1 / len(shown))
    assert joint == pytest.approx((seen + seen.T) / 2, abs=0.005)


def test_clips_of_an_actor_do_not_teach_about_him() -> None:
    votes, shown = made(200)
    seen = ours(votes.counts, shown, votes.actor).kinds
    turned = shown.copy()
    turned[votes.actor == 0] = np.roll(turned[votes.actor == 0], 1, axis=1)
    turned[votes.actor == 0, 0] = ANGRY
    again = ours(votes.counts, turned, votes.actor).kinds
    assert (seen[votes.actor == 0] == again[votes.actor == 0]).all()
    assert (seen[votes.actor == 9] != again[votes.actor == 9]).any()


def test_ours_beats_labels_on_made_votes() -> None:
    votes, _ = made()
    draw = draw_of(votes, 0)
    polarity, different = draw.truths
    assert 300 < len(draw.kind) < 600
    assert 0 < polarity.sum() < different.sum()
    assert not (polarity & ~different).any()
    found = precisions(draw)
    assert found["ours"][0] > found["argmax differs"][0] + 0.2
    assert precisions(draw_of(votes, 0)) == found
    assert precisions(draw_of(votes, 1)) != found


def test_actors_are_drawn_not_clips() -> None:
    draw = draw_of(made()[0], 0)
    again = [one["|ΔV|"][0] for one in resampled(draw, 5, np.random.default_rng(0))]
    assert len(set(again)) == 5
    alone = Draw(draw.kind, np.zeros_like(draw.actor), draw.scores)
    (same,) = resampled(alone, 1, np.random.default_rng(0))
    assert same["ours"] == pytest.approx(precisions(alone)["ours"])


def test_category_adds_what_excludes_one_another() -> None:
    kinds = np.arange(6.0).reshape(2, 3)
    polarity, blend = KINDS.index("polarity"), KINDS.index("blend")
    assert category("ours", kinds).tolist() == (kinds[:, polarity] + kinds[:, blend]).tolist()
    assert category("starting scores", kinds).tolist() == kinds[:, blend].tolist()


def test_table_of_votes(tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    path.write_text(
        "clip,face_happy,voice_happy,voice_sad,both_sad,actor\na,3,1,2,9,1001\n", encoding="utf-8"
    )
    votes = read_votes(path)
    assert votes.counts.shape == (1, 2, len(EMOTIONS))
    assert votes.counts[0, 0, HAPPY] == 3
    assert votes.counts[0, 1, [HAPPY, SAD]].tolist() == [1, 2]
    assert votes.counts.sum() == 6
    with pytest.raises(DataError, match="give the folder of shared data"):
        read_votes(tmp_path / "none.csv")
