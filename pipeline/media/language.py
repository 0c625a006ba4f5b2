"""Which language a line of text is in: its script first, then what the transcript as a whole says."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

# Codes of ISO 639-2 and names found in containers, to the code used here.
_ALIASES = {
    "chi": "zh", "zho": "zh", "cmn": "zh", "yue": "zh", "chs": "zh", "cht": "zh", "chinese": "zh",
    "mandarin": "zh", "cantonese": "zh", "eng": "en", "english": "en", "jpn": "ja", "japanese": "ja",
    "kor": "ko", "ger": "de", "deu": "de", "fre": "fr", "fra": "fr", "spa": "es", "rus": "ru", "ita": "it",
    "por": "pt", "und": "", "korean": "ko", "german": "de", "french": "fr", "spanish": "es",
    "russian": "ru", "italian": "it", "portuguese": "pt",
}  # fmt: skip

_ENGLISH_NAMES = {
    "zh": "Chinese", "en": "English", "ja": "Japanese", "ko": "Korean", "de": "German", "fr": "French",
    "es": "Spanish", "ru": "Russian", "it": "Italian", "pt": "Portuguese",
}  # fmt: skip

# A script and the language a line in it is taken for when nothing else is known.
_DEFAULTS = {
    "han": "zh", "kana": "ja", "hangul": "ko", "cyrillic": "ru", "arabic": "ar", "hebrew": "he", "thai": "th",
    "devanagari": "hi", "greek": "el", "latin": "en", "other": "und",
}  # fmt: skip
_COMPATIBLE = {
    "han": {"zh", "ja"},
    "kana": {"ja"},
    "hangul": {"ko"},
    "cyrillic": {"ru", "uk", "bg", "sr", "mk", "be", "kk", "mn", "ky"},
    "arabic": {"ar", "fa", "ur", "ps", "ug", "ku"},
    "hebrew": {"he", "yi"},
    "thai": {"th"},
    "devanagari": {"hi", "mr", "ne"},
    "greek": {"el"},
}
_NAMES = {
    "CJK": "han", "HIRAGANA": "kana", "KATAKANA": "kana", "HANGUL": "hangul", "CYRILLIC": "cyrillic",
    "ARABIC": "arabic", "HEBREW": "hebrew", "THAI": "thai", "DEVANAGARI": "devanagari", "GREEK": "greek",
    "LATIN": "latin", "FULLWIDTH": "latin",
}  # fmt: skip
# A decorative の inside a Chinese line is no Japanese; running Japanese has more kana than this.
_KANA_SHARE = 0.2
# Below this many letters a language guess from spelling is close to chance.
_ENOUGH_LETTERS = 40
_NO_LANGUAGES = frozenset({"zxx", "und", "mul"})  # of lists of words, for instance


def normal_code(language: str | None) -> str | None:
    """``zh-Hant-TW``, ``chi``, ``Chinese`` → ``zh``; ``en_GB`` → ``en``; empty and ``und`` → None."""
    if not language:
        return None
    first = re.split(r"[-_.]", language.strip().lower())[0]
    return _ALIASES.get(first, first) or None


def language_name(language: str | None) -> str:
    """The English name of a common language, else its code; "unknown language" for None."""
    code = normal_code(language)
    return "unknown language" if code is None else _ENGLISH_NAMES.get(code, code)


def is_named_language(name: str) -> bool:
    """Whether a name or three-letter code is known to :func:`normal_code`."""
    return name.lower() in _ALIASES


def script_of(text: str) -> str | None:
    """The script most letters belong to; None without letters. A fifth of kana makes it kana."""
    counts = Counter(_script(char) for char in text if char.isalpha() and char != "ー")
    if not counts:
        return None
    if counts["kana"] >= _KANA_SHARE * (counts["kana"] + counts["han"]) and counts["kana"]:
        counts["kana"] += counts.pop("han", 0)
    # A Chinese character says about as much as a short word of Latin letters.
    weight = {"latin": 0.25}
    return max(sorted(counts), key=lambda script: counts[script] * weight.get(script, 1.0))


def transcript_language(texts: Sequence[str], given: str | None = None) -> str | None:
    """Language of a whole transcript; ``given`` wins. None when no line has a letter."""
    known = normal_code(given)
    if known:
        return known
    joined = " ".join(texts)
    script = script_of(joined)
    if script is None:
        return None
    return _guess_latin(joined) if script == "latin" else _DEFAULTS[script]


def line_language(text: str, transcript: str | None) -> str | None:
    """Language of one line: the transcript's where the script allows it, else the script's usual one.

    A line without letters has the transcript's language. A Latin line in an English or unknown transcript is
    checked by its spelling only when it is long enough to tell.
    """
    script = script_of(text)
    if script is None or (transcript and script_fits(script, transcript)):
        return transcript
    return _guess_latin(text) if script == "latin" else _DEFAULTS[script]


def script_fits(script: str, language: str) -> bool:
    """Whether a language is written in a script; Latin letters fit all that have none of their own."""
    if script == "latin":
        return not any(language in languages for languages in _COMPATIBLE.values())
    return language in _COMPATIBLE.get(script, set())


def _guess_latin(text: str) -> str:
    letters = sum(char.isalpha() for word in set(text.split()) for char in word)
    if letters < _ENOUGH_LETTERS:
        return "en"
    import py3langid

    code = str(py3langid.classify(text)[0])
    return "en" if code in _NO_LANGUAGES else code


def _script(char: str) -> str:
    if char.isascii():
        return "latin"
    return _NAMES.get(unicodedata.name(char, "").split(" ")[0], "other")
