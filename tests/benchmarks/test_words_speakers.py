from pathlib import Path

import numpy as np
import pytest

from benchmarks.words.conversations import MIN_TURNS, Clip, clips_of, make
from benchmarks.words.diarization_error import errors
from pipeline.types import Span, Turn

S = 1_000_000


def turn(start_s, end_s, speaker):
    return Turn(Span(round(start_s * S), round(end_s * S)), speaker)


def test_names_do_not_matter_and_nothing_is_wrong_with_the_truth():
    truth = [turn(0, 2, "a"), turn(2, 5, "b")]
    assert errors(truth, [turn(0, 2, "S2"), turn(2, 5, "S1")], 0).rate == 0
    assert errors([], []).rate == 0 and errors([], [turn(0, 1, "S1")]).rate == 1


@pytest.mark.parametrize(
    ("claimed", "missed", "false", "confused"),
    [
        ([turn(0, 2, "S1")], 3, 0, 0),
        ([turn(0, 5, "S1")], 0, 0, 2),
        ([turn(0, 2, "S1"), turn(2, 6, "S2")], 0, 1, 0),
        ([turn(0, 2, "S1"), turn(2, 5, "S2"), turn(1, 2, "S2")], 0, 1, 0),
        ([turn(0, 2, "S1"), turn(2, 4, "S2"), turn(4, 5, "S3")], 0, 0, 1),
    ],
)
def test_every_kind_of_error_is_counted(claimed, missed, false, confused):
    found = errors([turn(0, 2, "a"), turn(2, 5, "b")], claimed, 0)
    seconds = (found.spoken_s, found.missed_s, found.false_s, found.confused_s)
    assert seconds == pytest.approx((5, missed, false, confused))
    assert found.rate == pytest.approx((missed + false + confused) / 5)


def test_around_borders_nothing_is_judged():
    truth, late = [turn(0, 2, "a"), turn(2, 5, "b")], [turn(0, 2.2, "S1"), turn(2.2, 5, "S2")]
    assert errors(truth, late).rate == 0
    assert errors(truth, late, 0).rate == pytest.approx(0.2 / 5)


def noise(clip: Clip):
    seed = int(clip.path.stem)
    return np.random.default_rng(seed).standard_normal(16_000 + seed).astype(np.float32)


CLIPS = [Clip(Path(f"{100 * s + i}.wav"), "made", f"v{s}") for s in range(4) for i in range(3)]


@pytest.mark.parametrize("speakers", [1, 2, 4])
def test_a_conversation_comes_from_its_seed_and_knows_its_turns(speakers):
    talk, again, other = (make(CLIPS, speakers, seed, noise) for seed in (1, 1, 2))
    assert talk.turns == again.turns and (talk.samples == again.samples).all()
    assert talk.samples.shape != other.samples.shape or (talk.samples != other.samples).any()
    assert talk.speakers == speakers and np.abs(talk.samples).max() <= 1
    assert all(a.span.end_us <= b.span.start_us for a, b in zip(talk.turns, talk.turns[1:], strict=False))
    counts = [sum(t.speaker == name for t in talk.turns) for name in {t.speaker for t in talk.turns}]
    assert min(counts) >= MIN_TURNS
    pauses = [b.span.start_us - a.span.end_us for a, b in zip(talk.turns, talk.turns[1:], strict=False)]
    assert max(pauses) <= 1.001 * S and (speakers == 1 or min(pauses) == 0)


def test_more_speakers_than_there_are_is_an_error():
    with pytest.raises(ValueError, match="no corpus has 5 speakers"):
        make(CLIPS, 5, 1, noise)


@pytest.mark.data
def test_speakers_fitted_on_are_not_among_those_tested(data_root):
    fitted, tested = (
        {(c.corpus, c.speaker) for c in clips_of(data_root, is_test)} for is_test in (False, True)
    )
    assert fitted and tested and not fitted & tested
