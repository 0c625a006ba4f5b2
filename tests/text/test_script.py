"""Traditional and simplified Chinese."""

from pipeline.text.script import in_script, usual_script
from pipeline.types import Utterance, Word
from tests.text.requests import span


def line(text: str, words: tuple[str, ...] = (), language: str = "zh") -> Utterance:
    said = tuple(Word(span(0, 1), word) for word in words)
    return Utterance(span(0, 1), text, language, "faster-whisper", said)


def test_the_script_of_most_characters() -> None:
    assert usual_script(["放它也喝以前不一樣", "我喜歡你現在的樣子", "现在"]) == "traditional"
    assert usual_script(["我们说话", "這"]) == "simplified"
    assert usual_script(["好的"]) is None and usual_script([]) is None


def test_lines_and_their_words_are_written_alike() -> None:
    (simplified,) = in_script(
        [line("我喜歡 你現在的樣子", ("我", "喜歡", "你", "現在", "的", "樣子"))], "simplified"
    )
    assert simplified.text == "我喜欢 你现在的样子"
    assert [word.text for word in simplified.words] == ["我", "喜欢", "你", "现在", "的", "样子"]
    (back,) = in_script([simplified], "traditional")
    assert back.text == "我喜歡 你現在的樣子"


def test_what_depends_on_its_neighbours_is_the_same_in_words() -> None:
    (traditional,) = in_script([line("头发发现", ("头", "发", "发", "现"))], "traditional")
    assert "".join(word.text for word in traditional.words) == traditional.text == "頭髮發現"


def test_what_is_in_the_script_already_is_left_alone() -> None:
    (line_,) = in_script([line("最後一舉了然後這样")], "traditional")
    assert line_.text == "最後一舉了然後這樣"


def test_other_languages_are_left_alone() -> None:
    japanese = line("発見と発展", ("発見", "と", "発展"), "ja")
    assert in_script([japanese], "simplified") == (japanese,)
