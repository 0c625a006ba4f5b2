"""Words of a right text at the times of words that were recognised, rightly or not."""

from itertools import pairwise

from pipeline.text.word_alignment import comparable, tokens, with_word_times
from pipeline.types import Span, Utterance, Word
from tests.text.requests import S, span


def written(start_s: float, end_s: float, text: str) -> Utterance:
    return Utterance(span(start_s, end_s), text, "zh", "burned-in")


def recognised(*words: tuple[float, float, str]) -> list[Word]:
    return [Word(span(start_s, end_s), text, 0.9) for start_s, end_s, text in words]


def test_each_character_takes_the_time_of_its_own_in_the_other_script() -> None:
    heard = recognised((1.0, 1.4, "感谢"), (1.6, 1.8, "大"), (1.8, 2.0, "家"))
    (line,) = with_word_times([written(0.9, 2.5, "感謝大家！")], heard)
    assert [(one.text, one.span) for one in line.words] == [
        ("感", span(1.0, 1.2)),
        ("謝", span(1.2, 1.4)),
        ("大", span(1.6, 1.8)),
        ("家！", span(1.8, 2.0)),
    ]
    assert line.text == "感謝大家！" and line.span == span(0.9, 2.5)
    assert all(one.probability is None for one in line.words)  # nobody recognised what is written


def test_wrong_words_lie_between_right_ones() -> None:
    heard = recognised((1.0, 1.2, "最"), (1.2, 1.6, "候把"), (1.6, 1.8, "真"), (1.8, 2.0, "的"))
    (line,) = with_word_times([written(0.5, 2.5, "最後吧真的就是")], heard)
    starts = [one.span.start_us / S for one in line.words]
    assert starts == [1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.2]
    assert line.words[-1].span.end_us == 2.4 * S


def test_letters_before_the_first_right_one_share_what_time_the_line_leaves() -> None:
    heard = recognised((1.3, 1.8, "就"), (1.8, 2.3, "是"))
    (line,) = with_word_times([written(1.0, 2.5, "我覺得就是")], heard)
    assert [one.span.start_us / S for one in line.words] == [1.0, 1.1, 1.2, 1.3, 1.8]


def test_words_stay_in_order_and_inside_the_line() -> None:
    heard = recognised((0.7, 0.9, "我"), (0.9, 1.2, "就"), (1.2, 3.4, "是"))
    (line,) = with_word_times([written(1.0, 3.0, "我就是想哭")], heard)
    spans = [one.span for one in line.words]
    assert all(1 * S <= one.start_us <= one.end_us <= 3 * S for one in spans)
    assert [one.start_us for one in spans] == sorted(one.start_us for one in spans)
    assert all(a.end_us <= b.start_us for a, b in pairwise(spans))


def test_a_recognised_word_is_used_once() -> None:
    heard = recognised((1.6, 1.8, "就"), (1.8, 2.0, "是"), (2.2, 2.4, "就"), (2.4, 2.6, "是"))
    lines = with_word_times([written(1.5, 2.1, "就是"), written(2.1, 3.0, "就是")], heard)
    assert [line.words[0].span.start_us / S for line in lines] == [1.6, 2.2]


def test_a_line_that_was_not_recognised_keeps_what_it_has() -> None:
    line = written(1, 2, "不容易")
    assert with_word_times([line], recognised((1.0, 2.0, "步融一"))) == (line,)
    assert with_word_times([line], recognised((5.0, 6.0, "不容易"))) == (line,)  # at another time
    assert with_word_times([line], []) == (line,)
    assert with_word_times([written(1, 2, "……")], recognised((1.0, 2.0, "不容易")))[0].words == ()


def test_words_of_latin_letters_are_parted_by_spaces() -> None:
    heard = recognised((0.0, 0.4, "Thank"), (0.4, 0.6, "you,"), (0.6, 1.0, "Mom!"))
    (line,) = with_word_times([written(0, 1.2, "Thank you, mum!")], heard)
    assert [one.text for one in line.words] == ["Thank", "you,", "mum!"]
    assert line.words[2].span == Span(600_000, 1_000_000)


def test_tokens_and_letters_to_compare() -> None:
    assert tokens("我看了 iPhone 15，真的！") == ["我", "看", "了", "iPhone", "15，", "真", "的！"]
    assert "".join(comparable("謝謝 OK，3 次！")) == "谢谢ok3次"
