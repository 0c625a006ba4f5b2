import subprocess
import sys

import numpy as np
import pytest

from pipeline.text.featurise import (
    MAX_TOKENS,
    ngram_features,
    pair_hashes,
    token_hashes,
    tokens,
    without_punctuation,
)


def test_chinese_is_cut_into_characters_and_emoticons_stay_whole() -> None:
    assert tokens("我很开心[泪] OK 123!", "zh") == ["我", "很", "开", "心", "[泪]", "ok", "123", "!"]


def test_english_keeps_its_apostrophes_and_emoji() -> None:
    assert tokens("I don’t KNOW… 😭", "en") == ["i", "don't", "know", ".", ".", ".", "😭"]


def test_traditional_and_simplified_become_the_same() -> None:
    assert tokens("我覺得真的很開心，謝謝你們", "zh") == tokens("我觉得真的很开心，谢谢你们", "zh")
    assert tokens("頭髮乾了，后来皇后發現", "zh") == tokens("头发干了，后来皇后发现", "zh")


def test_full_width_forms_and_drawn_out_letters() -> None:
    assert tokens("ＯＫ！！！！！！！", "en") == ["ok", "!", "!", "!"]
    assert tokens("soooooooo", "en") == ["sooo"]
    assert tokens("哈哈哈哈哈哈", "zh") == ["哈"] * 3


def test_a_very_long_text_is_cut() -> None:
    assert len(tokens("好" + "坏天气" * 500, "zh")) == MAX_TOKENS


def test_features_have_length_one_per_kind() -> None:
    _, chinese = ngram_features(tokens("我很开心", "zh"), "zh")
    _, english = ngram_features(tokens("so very glad", "en"), "en")
    assert len(chinese) == 4 + 3 + 2
    assert float(np.square(chinese).sum()) == pytest.approx(1, rel=1e-5)
    assert float(np.square(english).sum()) == pytest.approx(2, rel=1e-5)


def test_nothing_to_read_gives_no_features() -> None:
    hashes, values = ngram_features([], "zh")
    assert hashes.shape == values.shape == (0,)


def test_punctuation_is_what_subtitles_leave_out() -> None:
    assert without_punctuation(["i", "know", ",", "😭", "3"]) == ["i", "know", "3"]


@pytest.mark.parametrize("seed", ["1", "2"])
def test_hashes_do_not_depend_on_the_process(seed: str) -> None:
    code = "from pipeline.text.featurise import *; print(*ngram_features(tokens('so 开心', 'en'), 'en')[0])"
    there = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
    )
    here, _ = ngram_features(tokens("so 开心", "en"), "en")
    assert there.stdout.split() == [str(value) for value in here]


def test_one_hash_per_token() -> None:
    assert token_hashes(["开", "心", "开"]).tolist()[0] == token_hashes(["开"]).tolist()[0]


def test_a_pair_has_the_hash_of_its_n_gram() -> None:
    words = tokens("我很开心", "zh")
    grams, _ = ngram_features(words, "zh")
    assert set(pair_hashes(words)) < set(grams)
    assert [len(pair_hashes(words[:n])) for n in (0, 1, 2, 4)] == [0, 0, 1, 3]
