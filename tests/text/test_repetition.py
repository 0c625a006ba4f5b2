"""Loops and phrases that recognisers make up."""

import pytest

from pipeline.text.repetition import NEVER_SPOKEN, SELDOM_SPOKEN, compression_ratio, loops


def test_a_loop_below_the_library_s_ratio_is_one() -> None:
    text = "eu disse soca e soca e soca e soca e soca e soca e soca e"
    assert compression_ratio(text) < 2.4
    assert loops(text.split()) == (range(2, 16),)


def test_phrases_loop_too_whatever_their_case_and_marks() -> None:
    words = ["No,", *(["I", "don't", "know."] * 5), "Fine"]
    assert loops(words) == (range(1, 16),)
    assert loops(list("我知道了" * 4)) == (range(16),)


@pytest.mark.parametrize(
    "text",
    ["no no no no no", "go go go", "I know I know I know", "", "the cat and the dog and the cow and the pig"],
)
def test_people_repeat_themselves(text: str) -> None:
    assert loops(text.split()) == ()


@pytest.mark.parametrize(
    "text",
    [
        "字幕由Amara.org社区提供",
        "请不吝点赞 订阅 转发 打赏支持明镜与点点栏目",
        "Subtitles by the Amara.org community",
    ],
)
def test_credits_are_never_spoken(text: str) -> None:
    assert NEVER_SPOKEN.search(text)


@pytest.mark.parametrize("text", ["Thank you for watching!", "谢谢大家观看", "Thanks for watching."])
def test_some_phrases_are_spoken_seldom(text: str) -> None:
    assert SELDOM_SPOKEN.search(text) and not NEVER_SPOKEN.search(text)


@pytest.mark.parametrize(
    "text", ["谢谢大家", "Thank you so much", "I am watching you", "我想作词", "the captions"]
)
def test_thanks_are_spoken(text: str) -> None:
    assert not SELDOM_SPOKEN.search(text) and not NEVER_SPOKEN.search(text)
