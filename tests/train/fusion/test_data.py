import numpy as np
import pytest

from pipeline.labels import EMOTIONS
from pipeline.train.examples import DataError
from pipeline.train.fusion.data import FEWEST, TEST, TRAIN, Columns, read_fusion
from pipeline.train.fusion.metadata import encode, learn_encoding
from tests.train.fusion.made import write_scores


def scores(values: str) -> str:
    """A CSV of one row of face scores."""
    return f"emotion,{','.join(f'face_{one}' for one in EMOTIONS)}\nhappy,{values}\n"


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


def test_missing_mass_is_allowed_and_columns_of_labels_are_named(tmp_path):
    (tmp_path / "a.csv").write_text(scores("0.1,0,0,0.3,0,0,0") + "happy,,,,,,,\n")
    data = read_fusion(tmp_path / "a.csv", Columns())
    assert data.present["face"].tolist() == [True, False] and data.of_labels == ()
    assert read_fusion(write_scores(tmp_path / "b.csv", 12), Columns()).of_labels == ("voice_label",)


def test_an_input_of_no_quality_is_absent(tmp_path):
    (tmp_path / "a.csv").write_text("emotion,face_label,face_quality\nsad,sad,0\nhappy,sad,0.1\n")
    assert read_fusion(tmp_path / "a.csv", Columns()).present["face"].tolist() == [False, True]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"a_train": np.full((6, 3), "x")}, "a_train and a_test of .* hold no numbers"),
        ({"y_train": np.linspace(0, 1, 6)}, "the labels y_train of .* are no classes"),
        ({"y_train": np.full(6, np.nan)}, "the labels y_train of .* are no classes"),
    ],
)
def test_an_npz_of_something_else_is_one_sentence(changed, sentence, tmp_path):
    arrays = {f"a_{side}": np.ones((6, 3)) for side in (TRAIN, TEST)}
    arrays |= {f"y_{side}": np.arange(6) % 2 for side in (TRAIN, TEST)}
    np.savez(tmp_path / "x.npz", **(arrays | changed))
    with pytest.raises(DataError, match=sentence):
        read_fusion(tmp_path / "x.npz", Columns())


@pytest.mark.parametrize("cut", [0, 100])
def test_a_damaged_npz_is_one_sentence(cut, tmp_path):
    np.savez(tmp_path / "x.npz", a_train=np.ones((6, 3)))
    (tmp_path / "x.npz").write_bytes((tmp_path / "x.npz").read_bytes()[:cut])
    with pytest.raises(DataError, match=r"is no \.npz of plain arrays"):
        read_fusion(tmp_path / "x.npz", Columns())


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
        (scores("0.3,0.3,0.3,0.3,0.3,0.3,0.2"), Columns(), "the scores of 'face' sum to 2 in a row"),
        (scores("1,1,1,1,1,1,1"), Columns(), "the scores of 'face' sum to 7 in a row"),
        (scores("0,0,0,0,0,0,0"), Columns(), "the scores of 'face' sum to 0 in a row"),
        (scores("-1,0,0,0,0,0,1"), Columns(), "'-1' in column 'face_angry' is no share"),
        (scores("nan,0,0,0,0,0,1"), Columns(), "'nan' in column 'face_angry' is no share"),
        (
            "emotion,true_label,face_label\n" + "sad,sad,sad\nhappy,joy,sad\n" * FEWEST,
            Columns(),
            "the column 'true_label' says what 'emotion' says in every row",
        ),
    ],
)
def test_mistakes_are_one_sentence(text, columns, sentence, tmp_path):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError) as raised:
        read_fusion(tmp_path / "a.csv", columns)
    assert sentence in str(raised.value) and "\n" not in str(raised.value)
