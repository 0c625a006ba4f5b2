import numpy as np
import pytest

from pipeline.labels import EMOTIONS
from pipeline.train.examples import DataError
from pipeline.train.fusion.data import TEST, TRAIN, Columns, read_fusion
from pipeline.train.fusion.metadata import encode, learn_encoding
from tests.train.fusion.made import write_scores


def test_scores_labels_quality_and_groups(tmp_path):
    path = write_scores(tmp_path / "a.csv", 12, face_quality=["0.5", ""])
    data = read_fusion(path, Columns())
    assert list(data.features) == ["face", "voice"] and data.labels == EMOTIONS
    assert data.features["face"].shape == (12, 8) and data.features["face"][:2, -1].tolist() == [0.5, 1.0]
    assert np.allclose(np.exp(data.features["voice"][:, :7]).sum(axis=1), 1)
    assert data.groups[0] == "s0" and data.groups[-1] == "s1"


def test_an_empty_cell_is_an_absent_input(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("emotion,voice_label,text_label\nhappy,,sad\nsad,sad,concerned\nother,sad,sad\n")
    data = read_fusion(path, Columns())
    assert data.present["voice"].tolist() == [False, True] and data.present["text"].tolist() == [True, False]


def test_metadata_join_and_unknown_categories_say_nothing(tmp_path):
    path = write_scores(tmp_path / "a.csv", 12, role=["host", "guest", ""], age=["20", "40", ""])
    data = read_fusion(path, Columns(metadata=("role", "age")))
    assert data.features["metadata"].shape == (12, 4)
    assert data.present["metadata"].tolist()[:3] == [True, True, False]
    assert data.encoding["role"] == {"categories": ["guest", "host"]}
    values, there = encode([{"role": "ghost"}, {"role": "guest"}, {}], data.encoding)
    assert values.tolist() == [[0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert there.tolist() == [False, True, False]
    with pytest.raises(DataError, match="more than 50"):
        learn_encoding([{"who": f"p{one}"} for one in range(60)], ["who"])


def test_an_npz_with_sides(tmp_path):
    draw = np.random.default_rng(0)
    arrays = {f"{name}_{side}": draw.random((6, 3)) for name in ("a", "b") for side in (TRAIN, TEST)}
    labels = {f"positive_{side}": np.array([0, 1] * 3, np.int8) for side in (TRAIN, TEST)}
    np.savez(tmp_path / "x.npz", **arrays, **labels)
    data = read_fusion(tmp_path / "x.npz", Columns())
    assert data.labels == ("positive=0", "positive=1") and (data.sides == TEST).sum() == 6
    np.savez(tmp_path / "y.npz", **arrays)
    with pytest.raises(DataError, match="needs one label array"):
        read_fusion(tmp_path / "y.npz", Columns())


@pytest.mark.parametrize(
    ("text", "columns", "sentence"),
    [
        (
            "emotion,face_label\nhappy,jolly\n",
            Columns(),
            "'jolly' in column 'face_label' is not known; use one",
        ),
        ("emotion,face_label\njolly,happy\n", Columns(), "'jolly' in column 'emotion' is not known"),
        ("mood,face_label\nhappy,sad\n", Columns(), "no column 'emotion'; its columns are mood, face_label"),
        ("emotion,face_label\nhappy,sad\n", Columns(metadata=("role",)), "no column 'role'"),
        ("emotion,face\nhappy,sad\n", Columns(), "has no scores; give columns such as face_angry"),
        ("emotion,face_happy\nhappy,0.4\n", Columns(), "'face_angry' is missing beside the other scores"),
        ("emotion,face_label\n,sad\n", Columns(), "holds no example"),
        (
            "emotion,face_label,face_quality\nsad,sad,2\n",
            Columns(),
            "'2' in column 'face_quality' is no share",
        ),
    ],
)
def test_mistakes_are_one_sentence(text, columns, sentence, tmp_path):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError) as raised:
        read_fusion(tmp_path / "a.csv", columns)
    assert sentence in str(raised.value) and "\n" not in str(raised.value)
