"""From recognised words to utterances: one sentence of one person, without a pause of bounded length."""

from collections.abc import Collection, Sequence

from pipeline.text.repetition import is_wide
from pipeline.types import US_PER_S, Span, Word

MAX_PAUSE_US = 600_000
MAX_UTTERANCE_US = 12 * US_PER_S
# Where a line ends for want of punctuation (recognised Chinese has little), what is left alone lasts this.
MIN_LINE_US = 1_500_000
SENTENCE_ENDS = frozenset("。！？｡．!?.…؟।。")
COMMAS = frozenset("，、；：,;:､،—–")
CLOSING = "\"'”’»」』）)]】》 "
# A full stop after these ends no sentence.
_ABBREVIATIONS = (
    "mr mrs ms dr prof sr jr st vs etc no inc ltd co corp mt ft gen col lt sgt rev hon e.g i.e a.m p.m "
    "bzw z.b d.h usw nr str tel ca bspw m mme mlle sra dott sig"
)
ABBREVIATIONS = frozenset(_ABBREVIATIONS.split())
# Of a cut inside a long utterance: what a comma, a line's end, and evenness are worth as time of pause.
COMMA_US, LINE_END_US, EVENNESS_US = 300_000, 400_000, 600_000


def utterances(words: Sequence[Word], line_ends: Collection[int] = ()) -> tuple[tuple[Word, ...], ...]:
    """Words in groups, in their order, each word in exactly one.

    A group ends at the end of a sentence, at a pause of ``MAX_PAUSE_US``, and where a text without
    punctuation ends a line; one of more than ``MAX_UTTERANCE_US`` is cut where a pause,
    a comma or a line's end and even halves speak for it. A single word may be longer.

    Args:
        words: ordered by start; their texts bring their own leading blanks.
        line_ends: indices of words after which the recogniser ended a line.
    """
    ends = frozenset(line_ends)
    parts: list[range] = []
    first = 0
    for i in range(len(words)):
        if i + 1 == len(words) or _is_end(words, first, i, ends):
            parts += _short_parts(words, range(first, i + 1), ends)
            first = i + 1
    return tuple(tuple(words[i] for i in part) for part in parts)


def span_of(words: Sequence[Word]) -> Span:
    """From the start of the first to the end of the last word; at least one is needed."""
    start = min(word.span.start_us for word in words)
    return Span(start, max(word.span.end_us for word in words))


def _is_end(words: Sequence[Word], first: int, last: int, line_ends: Collection[int]) -> bool:
    """Whether words ``first`` to ``last``, which are not the last ones, end an utterance."""
    text, end_us = words[last].text, words[last].span.end_us
    if words[last + 1].span.start_us - end_us >= MAX_PAUSE_US or ends_sentence(text):
        return True
    is_line = last in line_ends and _is_unpunctuated(text)
    return is_line and end_us - words[first].span.start_us >= MIN_LINE_US


def ends_sentence(text: str) -> bool:
    """Whether a word, with the marks at its end, ends a sentence: ``it.``, ``吗？``, but not ``Mr.``."""
    bare = text.rstrip(CLOSING)
    if not bare or bare[-1] not in SENTENCE_ENDS:
        return False
    if bare[-1] != "." or bare.endswith(".."):
        return True
    stem = bare[:-1].lstrip(" \"'“‘«(").lower()
    return stem not in ABBREVIATIONS and not (len(stem) == 1 and stem.isalpha() and stem != "i")


def _is_unpunctuated(text: str) -> bool:
    """Whether a word ends in a character of a script that is written without blanks, and no mark follows."""
    return is_wide(text.strip()[-1:])


def _short_parts(words: Sequence[Word], group: range, line_ends: Collection[int]) -> list[range]:
    """The group in as many parts as it takes for each to be short enough."""
    waiting, parts = [group], list[range]()
    while waiting:
        part = waiting.pop()
        if len(part) == 1 or span_of(words[part.start : part.stop]).duration_us <= MAX_UTTERANCE_US:
            parts.append(part)
            continue
        cut = _best_cut(words, part, line_ends)
        waiting += [range(cut, part.stop), range(part.start, cut)]
    return parts


def _best_cut(words: Sequence[Word], part: range, line_ends: Collection[int]) -> int:
    """The word before which a part of two words or more is best cut."""
    whole = span_of(words[part.start : part.stop])

    def worth(cut: int) -> float:
        before, after = words[cut - 1], words[cut]
        middle_us = (before.span.end_us + after.span.start_us) / 2
        unevenness = abs(2 * middle_us - whole.start_us - whole.end_us) / whole.duration_us
        return (
            max(0, after.span.start_us - before.span.end_us)
            + COMMA_US * (before.text.rstrip(CLOSING)[-1:] in COMMAS)
            + LINE_END_US * (cut - 1 in line_ends)
            - EVENNESS_US * unevenness
        )

    return max(range(part.start + 1, part.stop), key=worth)
