import csv
import shutil
import wave

import numpy as np
import pytest

from pipeline.train import voice_manifest
from pipeline.train.examples import DataError, read_examples
from pipeline.train.voice_manifest import (
    Clip,
    check_clips,
    crema_d,
    emo_db,
    find_clips,
    ravdess,
    summary,
    write_manifest,
)
from tests.made.clips import write_wave

RATE_HZ = 16_000
MELD_HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID\n"


def tone(path, hz=200.0, seconds=0.4, level=0.3):
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return write_wave(path, level * np.sin(2 * np.pi * hz * time))


@pytest.mark.parametrize(
    ("parser", "name", "expected"),
    [
        (ravdess, "03-01-05-01-02-01-12.wav", ("angry", "12")),
        (ravdess, "03-01-02-01-01-01-01.wav", ("calm", "01")),
        (ravdess, "01-01-08-02-01-02-24.mp4", ("surprised", "24")),
        (ravdess, "03-02-05-01-02-01-12.wav", None),  # a song
        (ravdess, "02-01-05-01-02-01-12.mp4", None),  # a film without sound
        (ravdess, "03-01-09-01-02-01-12.wav", None),
        (crema_d, "1001_DFA_ANG_XX.wav", ("ang", "1001")),
        (crema_d, "1091_WSI_HAP_LO.wav", ("hap", "1091")),
        (crema_d, "1076_MTI_SAD_X.wav", ("sad", "1076")),
        (crema_d, "1001_DFA_ANGRY.wav", None),
        (emo_db, "03a01Fa.wav", ("happiness", "03")),
        (emo_db, "16b10Lb.wav", ("boredom", "16")),
        (emo_db, "08a02Wc.wav", ("anger", "08")),
        (emo_db, "08a02Xc.wav", None),
    ],
)
def test_the_name_of_a_clip_tells_emotion_and_speaker(parser, name, expected, tmp_path):
    assert parser(tmp_path / name) == expected


def test_calm_counts_as_neutral_and_boredom_as_none_of_the_seven(tmp_path):
    tone(tmp_path / "r" / "Actor_01" / "03-01-02-01-01-01-01.wav")
    tone(tmp_path / "e" / "03a01La.wav")
    (calm,), _ = find_clips("ravdess", tmp_path / "r")
    assert (calm.emotion, calm.speaker, calm.corpus) == ("neutral", "ravdess/01", "ravdess")
    (bored,), _ = find_clips("emo-db", tmp_path / "e")
    assert bored.emotion == "boredom"


def test_casia_and_plain_folders(tmp_path):
    for name in ("casia/liuchanhg/angry/201.wav", "casia/liuchanhg/notes/1.wav"):
        tone(tmp_path / name)
    clips, left = find_clips("casia", tmp_path / "casia")
    assert [(clip.emotion, clip.speaker) for clip in clips] == [("angry", "casia/liuchanhg")]
    assert left == 1
    for name in ("mine/happy/ann/1.wav", "mine/bob/Sadness/2.wav", "mine/angry/3.wav", "mine/what/4.wav"):
        tone(tmp_path / name)
    clips, left = find_clips("folder", tmp_path / "mine")
    assert {(clip.emotion, clip.speaker) for clip in clips} == {
        ("happy", "mine/ann"),
        ("sad", "mine/bob"),
        ("angry", ""),
    }
    assert left == 1


def test_meld_numbers_start_anew_in_each_part(tmp_path):
    for part, emotion in (("train", "joy"), ("dev", "anger")):
        (tmp_path / f"{part}_sent_emo.csv").write_text(
            MELD_HEADER + f'1,"Well, no.",Ross,{emotion},x,0,0\n2,Lost,Joey,fear,x,0,7\n', encoding="utf-8"
        )
    tone(tmp_path / "train_splits" / "dia0_utt0.wav")
    tone(tmp_path / "dev_splits_complete" / "dia0_utt0.wav", 300)
    tone(tmp_path / "dev_splits_complete" / "dia5_utt5.wav", 300)
    clips, left = find_clips("meld", tmp_path)
    assert {(clip.file.split("/")[-2], clip.emotion, clip.speaker) for clip in clips} == {
        ("train_splits", "happy", "meld/Ross"),
        ("dev_splits_complete", "angry", "meld/Ross"),
    }
    assert left == 1


def test_a_table_of_meld_in_another_encoding_is_one_sentence(tmp_path):
    table = MELD_HEADER + "1,难过,Ross,joy,x,0,0\n"
    (tmp_path / "train_sent_emo.csv").write_bytes(table.encode("gbk"))
    with pytest.raises(DataError, match=r"train_sent_emo\.csv is not a CSV in UTF-8"):
        find_clips("meld", tmp_path)


def test_every_unfit_clip_says_why(tmp_path):
    good = tone(tmp_path / "happy" / "a1.wav")
    shutil.copy(good, tmp_path / "happy" / "a2.wav")
    shutil.copy(good, tmp_path / "sad" / "b.wav") if (tmp_path / "sad").mkdir() is None else None
    tone(tmp_path / "sad" / "c.wav", level=0.0005)
    tone(tmp_path / "sad" / "d.wav", seconds=0.1)
    (tmp_path / "sad" / "e.wav").write_bytes(b"no sound at all")
    tone(tmp_path / "sad" / "f.wav", hz=300)
    clips, _ = find_clips("folder", tmp_path)
    checked = check_clips(clips)
    problems = {clip.file.rsplit("/", 1)[1]: clip.problem for clip in checked}
    assert problems == {
        "a1.wav": "few_of_class",
        "a2.wav": "duplicate of a1.wav",
        "b.wav": "duplicate of a1.wav, there labelled happy",
        "c.wav": "silent",
        "d.wav": "too_short",
        "e.wav": "unreadable",
        "f.wav": "few_of_class",
    }
    assert [clip.is_fit for clip in checked] == [True, False, False, False, False, False, True]
    told = "\n".join(summary(checked, left=2))
    assert "2 of 7 clips are fit" in told
    assert "duplicate: 2 " in told
    assert "not listed: 2 files" in told


def test_a_speaker_heard_in_one_mood_is_named(tmp_path):
    clips = [
        Clip(str(tone(tmp_path / f"{speaker}{emotion}{i}.wav", 150 + 10 * i + len(emotion) + ord(speaker))),
             emotion, speaker, "x")
        for speaker, emotions in (("a", ("happy", "sad")), ("b", ("sad",)))
        for emotion in emotions
        for i in range(10)
    ]  # fmt: skip
    problems = {(clip.speaker, clip.problem) for clip in check_clips(clips)}
    assert problems == {("a", ""), ("b", "one_class_speaker")}


def test_the_manifest_is_read_back_from_anywhere(tmp_path):
    tone(tmp_path / "corpus" / "angry" / "ann" / "1.wav")
    clips, _ = find_clips("folder", tmp_path / "corpus")
    out = tmp_path / "lists" / "manifest.csv"
    write_manifest(check_clips(clips), out)
    with out.open(encoding="utf-8", newline="") as lines:
        (row,) = csv.DictReader(lines)
    assert tuple(row) == voice_manifest.COLUMNS
    assert row["duration_s"] == "0.4"
    labelled = read_examples("voice", out)
    (example,) = labelled.examples
    assert (example.emotion, example.group) == ("angry", "corpus/ann")
    with wave.open(str(labelled.root / example.source)) as sound:
        assert sound.getnframes() == 0.4 * RATE_HZ


def test_a_folder_of_another_corpus_is_one_sentence(tmp_path):
    tone(tmp_path / "x.wav")
    with pytest.raises(DataError, match=r"no clip in .* is named as in ravdess \(1 files are not\)"):
        find_clips("ravdess", tmp_path)
    with pytest.raises(DataError, match="is no folder"):
        find_clips("ravdess", tmp_path / "nothing")
