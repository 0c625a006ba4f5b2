"""Labelled data from every form it comes in."""

import pytest

from pipeline.labels import CROSSWALK, EMOTIONS
from pipeline.train.examples import LETTERS, DataError, Example, groups_of, read_examples, truth_of


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_csv_with_native_labels_and_a_group(tmp_path):
    data = write(
        tmp_path / "l.csv", "\ufefffile,emotion,speaker\na.wav,Anger,s1\nb.wav,calm,s2\nc.wav,contempt,s2\n"
    )
    read = read_examples("voice", data)
    assert read.examples == (Example("a.wav", "angry", "s1"), Example("b.wav", "neutral", "s2"))
    assert (read.root, read.unmapped) == (tmp_path, {"contempt": 1})
    assert truth_of(read).tolist() == [EMOTIONS.index("angry"), EMOTIONS.index("neutral")]
    assert groups_of(read).tolist() == ["s1", "s2"]


def test_text_rows_with_no_or_several_labels_are_counted(tmp_path):
    data = write(tmp_path / "t.csv", 'text,label,who\n"well, yes",joy,p\nhm,,p\noh,joy|surprise,q\n')
    read = read_examples("text", data, label_column="label", group_column="who")
    assert read.examples == (Example("well, yes", "happy", "p"),)
    assert read.unmapped == {"(no label)": 1, "(several labels)": 1}


def test_a_folder_per_class(tmp_path):
    for name in ("happy/2.jpg", "happy/more/1.PNG", "fearful/3.jpg", "sad/notes.md"):
        write(tmp_path / name, "")
    read = read_examples("face", tmp_path)
    assert [(one.source, one.emotion) for one in read.examples] == [
        ("fearful/3.jpg", "fear"),
        ("happy/2.jpg", "happy"),
        ("happy/more/1.PNG", "happy"),
    ]
    write(tmp_path / "t" / "sad" / "1.txt", "no more\n")
    assert read_examples("text", tmp_path / "t").examples == (Example("no more", "sad"),)


def test_letter_codes_in_file_names(tmp_path):
    for letter in LETTERS:
        write(tmp_path / f"02{letter.upper()}11.jpg", "")
    read = read_examples("face", tmp_path)
    assert [one.emotion for one in read.examples] == list(LETTERS.values())
    assert sorted(LETTERS.values()) == sorted(EMOTIONS)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("file,emotion\na.jpg,wrath\n", "'wrath' is not known"),
        ("path,emotion\na.jpg,sad\n", "no column 'file'"),
        ("file,label\na.jpg,sad\n", "no column 'emotion'"),
        ("file,emotion\na.jpg,contempt\n", "no example"),
        ("", "no column"),
    ],
)
def test_a_bad_csv_is_one_sentence(tmp_path, content, said):
    with pytest.raises(DataError, match=said) as caught:
        read_examples("face", write(tmp_path / "l.csv", content))
    assert "\n" not in str(caught.value)
    if "wrath" in said:
        assert all(name in str(caught.value) for name in CROSSWALK)


def test_texts_of_a_folder_in_another_encoding(tmp_path):
    (tmp_path / "sad").mkdir()
    (tmp_path / "sad" / "a.txt").write_bytes("难过".encode("gbk"))
    with pytest.raises(DataError, match=r"a\.txt is not a text in UTF-8; save it as one"):
        read_examples("text", tmp_path)


def test_other_bad_data(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read_examples("face", tmp_path / "nothing.csv")
    with pytest.raises(DataError, match="no column 'speaker'"):
        read_examples("face", write(tmp_path / "l.csv", "file,emotion\na.jpg,sad\n"), group_column="speaker")
    (tmp_path / "l.csv").write_bytes("file,emotion\nä.jpg,sad\n".encode("latin-1"))
    with pytest.raises(DataError, match="UTF-8"):
        read_examples("face", tmp_path / "l.csv")
    with pytest.raises(DataError, match="no sub-folder per class"):
        read_examples("voice", tmp_path)
    with pytest.raises(DataError, match="is a folder"):
        read_examples("face", tmp_path, group_column="speaker")
    write(tmp_path / "f" / "abc.jpg", "")
    with pytest.raises(DataError, match=r"abc\.jpg does not hold one letter code"):
        read_examples("face", tmp_path / "f")
