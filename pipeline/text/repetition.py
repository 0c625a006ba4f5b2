"""Text that a recogniser made up: loops, and the phrases its training data put under silence and music."""

import re
import unicodedata
import zlib
from collections.abc import Sequence

MAX_NGRAM = 12  # words or characters of the phrase that a loop repeats
# People say a word three or four times over; a recogniser in a loop goes on until its window is full.
MIN_REPEATS = 4
MIN_LOOP_UNITS = 12

# Credits and channel phrases that nobody speaks in a video, as Whisper writes them over silence and music
# (openai/whisper discussions 928, 2372; SYSTRAN/faster-whisper issues on hallucinations).
_NEVER_SPOKEN = (
    r"amara\.?org",
    r"明镜与点点|明鏡與點點|不吝点赞|不吝點贊|不吝點讚",
    r"优优独播剧场|優優獨播劇場|yoyo television series",
    r"字幕(由|by|提供|志愿者|志願者|製作|制作|校对|校對|組|组|君)",
    r"(中文|李宗盛|作曲|作词|作詞|编曲|編曲).{0,4}(字幕|作曲|词曲|詞曲)",
    r"(subtitles|captions|subtitled|captioned|transcribed|transcription|translated) by",
    r"untertitel (der|im auftrag|von)|untertitelung",
    r"sous-titr(es|age)",
    r"sottotitoli (creati|e revisione)",
    r"subtítulos (realizados|por|creados)|legendas? (pela|por)",
    r"субтитры (сделал|создавал|подготовил)|редактор субтитров",
    r"www\.|\.com\b|https?:",
    r"mbc 뉴스|한글자막|자막 제공",
    r"ご視聴ありがとうございました",
)
NEVER_SPOKEN = re.compile("|".join(_NEVER_SPOKEN), re.IGNORECASE)
# Said by people too: only made up where the words are unsure.
_SELDOM_SPOKEN = (
    r"thanks? (you )?(so much )?for watching",
    r"(please )?(like and )?subscribe",
    r"see you (in the )?next",
    r"(谢谢|謝謝|感谢|感謝)(大家)?(的)?(观看|觀看|收看|收聽|收听)",
    r"(请|請)?(订阅|訂閱)",
    r"vielen dank (fürs|für)",
    r"merci d'avoir regardé|gracias por ver|obrigad[oa] por assistir|спасибо за просмотр",
    r"시청해 ?주셔서",
)
SELDOM_SPOKEN = re.compile("|".join(_SELDOM_SPOKEN), re.IGNORECASE)


def loops(words: Sequence[str]) -> tuple[range, ...]:
    """Stretches of words, as indices, in which one phrase follows itself again and again.

    Words are compared without case and punctuation. A stretch counts from ``MIN_REPEATS`` repetitions on that
    make at least ``MIN_LOOP_UNITS`` words, or characters of a script without blanks. They do not overlap.
    """
    bare = [_bare(word) for word in words]
    sizes = [max(1, sum(map(is_wide, word))) for word in bare]
    stretches: list[range] = []
    at = 0
    while at < len(bare):
        best = max((_loop(bare, at, n) for n in range(1, MAX_NGRAM + 1)), key=len)
        if best and sum(sizes[i] for i in best) >= MIN_LOOP_UNITS:
            stretches.append(best)
            at = best.stop
        else:
            at += 1
    return tuple(stretches)


def compression_ratio(text: str) -> float:
    """Bytes of the text over its bytes once compressed, as Whisper takes it: above 2.4 it repeats itself."""
    data = text.encode()
    return len(data) / len(zlib.compress(data))


def is_wide(char: str) -> bool:
    """Whether a character is a letter that stands for about a syllable: Chinese, kana, Hangul."""
    return char.isalpha() and unicodedata.east_asian_width(char) in "WF"


def _loop(words: Sequence[str], at: int, n: int) -> range:
    """What of the words from ``at`` on repeats their first ``n``, if they do so often enough."""
    phrase, end = words[at : at + n], at + n
    while words[end : end + n] == phrase:
        end += n
    return range(at, end) if (end - at) // n >= MIN_REPEATS and any(phrase) else range(at, at)


def _bare(word: str) -> str:
    return "".join(char for char in word.lower() if char.isalnum())
