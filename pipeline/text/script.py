"""Chinese in one script: recognised text mixes traditional and simplified characters at random."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from pipeline.types import Utterance

SIMPLIFIED, TRADITIONAL = "simplified", "traditional"
_TABLES = {SIMPLIFIED: "t2s", TRADITIONAL: "s2t"}


def in_script(utterances: Sequence[Utterance], script: str) -> tuple[Utterance, ...]:
    """The Chinese ones among them, texts and words, in ``simplified`` or ``traditional`` characters."""
    return tuple(_converted(u, script) if u.language == "zh" else u for u in utterances)


def usual_script(texts: Sequence[str]) -> str | None:
    """The script that more of the characters are in which differ; None where none does."""
    joined = "".join(texts)
    differing = {
        script: sum(a != b for a, b in zip(joined, _convert(joined, other), strict=False))
        for script, other in ((TRADITIONAL, SIMPLIFIED), (SIMPLIFIED, TRADITIONAL))
    }
    if not any(differing.values()):
        return None
    return max(differing, key=lambda script: differing[script])


def _converted(utterance: Utterance, script: str) -> Utterance:
    """Words as the text has them: what a character becomes depends on those around it."""
    text = _convert(utterance.text, script)
    words, at = [], 0
    for word in utterance.words:
        start = utterance.text.find(word.text, at)
        if start < 0 or len(text) != len(utterance.text):
            words.append(replace(word, text=_convert(word.text, script)))
            continue
        at = start + len(word.text)
        words.append(replace(word, text=text[start:at]))
    return replace(utterance, text=text, words=tuple(words))


def _convert(text: str, script: str) -> str:
    """What is in the script already stays: as if it were simplified, 一舉了然後 would become 一舉瞭然後.

    So only characters change that would also change by themselves; what they become depends on their phrase.
    """
    table = converter(_TABLES[script])
    converted = str(table.convert(text))
    if len(converted) != len(text):
        return converted
    changes = {char: str(table.convert(char)) != char for char in set(text)}
    return "".join(new if changes[old] else old for old, new in zip(text, converted, strict=True))


@cache
def converter(table: str) -> Any:
    """OpenCC's converter by the name of its table, ``t2s`` for instance; loaded once."""
    import opencc

    return opencc.OpenCC(table)
