import pytest

from pipeline.labels import AROUSAL, CROSSWALK, EMOTIONS, VALENCE, canonical_map, to_scores, top, valence
from pipeline.types import Scores


def test_tables_cover_the_seven():
    assert set(VALENCE) == set(AROUSAL) == set(EMOTIONS) and len(EMOTIONS) == 7
    assert set(CROSSWALK.values()) == {*EMOTIONS, None}


def test_mass_is_kept_and_unmapped_apart():
    labels = ("neutral", "concerned", "joy", "happy")
    scores = to_scores(labels, (0.1, 0.4, 0.2, 0.3), canonical_map(labels))
    assert scores.unmapped == pytest.approx(0.4)
    assert sum(scores.probabilities) + scores.unmapped == pytest.approx(1)
    assert top(scores) == ("happy", pytest.approx(0.5))
    assert scores.native["concerned"] == 0.4


def test_labels_nobody_knows_are_refused():
    with pytest.raises(ValueError, match="gloom"):
        canonical_map(("happy", "gloom"))
    with pytest.raises(ValueError, match="none of the labels"):
        canonical_map(("contempt", "other"))
    with pytest.raises(ValueError):
        to_scores(("happy",), (0.5, 0.5), canonical_map(("happy",)))


def test_ties_go_to_the_first():
    assert top(Scores((0.0, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0)))[0] == "disgust"


def test_valence_signs():
    one = lambda emotion: Scores(tuple(float(e == emotion) for e in EMOTIONS))  # noqa: E731
    assert valence(one("happy")) > 0 > valence(one("sad")) and valence(one("neutral")) == 0
