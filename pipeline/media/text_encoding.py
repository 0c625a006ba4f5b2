"""Bytes of a text file to text: the encoding is found by what the text then looks like.

Unicode first. Else every candidate that could have written the bytes is scored: how much of its text is made
of the characters that its languages use most. charset-normalizer, which knows more encodings, was measured on
the table of this module's test: it reads 13 of its 35 short samples as something else, this module none.
"""

import codecs
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass

REPLACEMENT = "\ufffd"
# Of the characters outside ASCII, as many may be damaged in a file that is still taken for UTF-8.
MAX_BAD_FRACTION = 1 / 3
# Of the characters outside ASCII, as many must be usual ones of a language for its encoding to be taken.
MIN_USUAL_FRACTION = 0.45
# Text of one script has more of its letters than this in words of that script alone.
MIN_PURE_FRACTION = 0.8
# Languages whose accents account for about as many letters.
NEAR_SCORE = 0.2
# In fewer letters no script shows.
MIN_LETTERS = 3
# A file's encoding is known from its beginning.
SAMPLE_BYTES = 16_384

_MARKS = (  # the longer ones first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Lead bytes of the commonly used characters: GB 2312 level 1, Big5 level 1 (with punctuation and symbols).
_COMMON_GB = frozenset((*range(0xA1, 0xA4), *range(0xB0, 0xD8)))
_COMMON_BIG5 = frozenset(range(0xA1, 0xC7))
# What subtitle files are full of, and bytes a character; 0 stands for any encoding that extends ASCII.
_SIGNS = ("-->", "Dialogue:")
_WIDTHS = {"ascii": 0, "utf-16-le": 2, "utf-16-be": 2, "utf-32-le": 4, "utf-32-be": 4}
_PAIR = re.compile(rb"[\x81-\xfe][\x40-\xfe]")
_WORD = re.compile(r"(?:[^\W\d_]|[\u0e30-\u0e4e])+")  # a vowel sign of Thai is no letter to Unicode
# The syllables that make up half of running Korean.
_HANGUL = frozenset(
    "이다는의에가을를은고하지도로한기서나어아니그시사대자해리일있인수게정보만제라들거으여면안전과부었우스요장상"
    "구주오원자무야것너내네말했세마비모저없왜데러왔잘진아까때걸던여분좋싫죽정행복슬픔"
)
# The letters that make up three fifths of running text, per script and encoding.
_LETTERS: Mapping[str, frozenset[str]] = {
    "cp1251": frozenset("оеаинтсрвлкмдпуязьгыбчі"),
    "koi8-r": frozenset("оеаинтсрвлкмдпуязьгыбч"),
    "cp866": frozenset("оеаинтсрвлкмдпуязьгыбч"),
    "cp1253": frozenset("αοιετσνηυρπκλάέίόύώήςμ"),
    "cp1255": frozenset("יוהלאתרשמנבכדחע"),
    "cp1256": frozenset("اليمنوتربدهعكسأةح"),
    "cp874": frozenset("านรกอเงมยลวดทสตะปบคหแจพชขใไโ่้ัีิำื"),
}
_SCRIPTS: Mapping[str, str] = {
    "cp1251": "CYRILLIC", "koi8-r": "CYRILLIC", "cp866": "CYRILLIC", "cp1253": "GREEK", "cp1255": "HEBREW",
    "cp1256": "ARABIC", "cp874": "THAI",
}  # fmt: skip
# The letters beyond ASCII of languages in Latin letters, per encoding; the usual encoding first.
_ACCENTS: tuple[tuple[str, str, str], ...] = (
    ("cp1252", "fr", "éèêàçùôîâûëïœ"),
    ("cp1252", "de", "äöüß"),
    ("cp1252", "es", "áéíóúñü"),
    ("cp1252", "pt", "ãõçáéíóúâêôà"),
    ("cp1252", "it", "àèéìòù"),
    ("cp1252", "sv", "åäö"),
    ("cp1252", "no", "æøåéò"),
    ("cp1252", "nl", "ëïéèöü"),
    ("cp1250", "pl", "ąćęłńóśźż"),
    ("cp1250", "cs", "áčďéěíňóřšťúůýž"),
    ("cp1250", "sk", "áäčďéíĺľňóôŕšťúýž"),
    ("cp1250", "hu", "áéíóöőúüű"),
    ("cp1250", "ro", "ăâîşţ"),
    ("cp1250", "hr", "čćđšž"),
    ("cp1254", "tr", "çğıİöşüâ"),
    ("cp1257", "lt", "ąčęėįšųūž"),
    ("cp1257", "lv", "āčēģīķļņšūž"),
    ("cp1257", "et", "äõöüšž"),
    ("cp1252", "is", "áéíóúýþæöð"),
    ("cp1258", "vi", "ăâđêôơưáàảãạéèíìóòúùýỳ"),
)


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text, the Python name of its encoding, and how many characters could not be read.

    Each of those stands as U+FFFD in the text.
    """

    text: str
    encoding: str
    unreadable: int = 0


def decode(data: bytes) -> Decoded | None:
    """The text that ``data`` is, with a few damaged characters replaced; None where nothing plausible is.

    A byte order mark decides; else wide arrows mean UTF-32 or UTF-16; else UTF-8, if most of it is; else the
    best of the encodings of East Asia, of other scripts, and of Latin letters (windows-125x).
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            read = _utf16 if encoding.startswith("utf-16") else _replacing
            return read(data[len(mark) :], encoding)
    if (wide := _wide(data)) is not None:
        return wide
    data = data.replace(b"\0", b"")
    try:
        return Decoded(data.decode("utf-8"), "utf-8")
    except UnicodeDecodeError:
        pass
    utf8 = _replacing(data, "utf-8")
    readable = sum(not char.isascii() for char in utf8.text) - utf8.unreadable
    if readable and utf8.unreadable <= MAX_BAD_FRACTION * (readable + utf8.unreadable):
        return utf8
    sample = _sample(data)
    for scored in (_east_asian, _scripts, _latin):
        score, encoding = max(scored(sample), default=(0.0, ""))
        if score >= MIN_USUAL_FRACTION:
            return _replacing(data, encoding)
    # Damage in text that is ASCII else; nothing that is text holds more of it than text.
    return utf8 if 2 * utf8.unreadable < len(utf8.text) else None


def _wide(data: bytes) -> Decoded | None:
    """UTF-32 or UTF-16 without a mark at the start: its arrows and line ends have zero bytes in them."""
    signs = {encoding: sum(data.count(sign.encode(encoding)) for sign in _SIGNS) for encoding in _WIDTHS}
    encoding = max(signs, key=lambda name: (signs[name], _WIDTHS[name]))
    if not signs[encoding] or not _WIDTHS[encoding]:
        return None
    if _WIDTHS[encoding] == 4:
        return _replacing(data, "utf-32-le" if data[::4].count(0) < data[3::4].count(0) else "utf-32-be")
    after, before = data.count(b"\n\0"), data.count(b"\0\n")
    if after == before:  # all of it is ASCII, or it begins with a line end
        after, before = data[1::2].count(0), data[::2].count(0)
    return _utf16(data, "utf-16-le" if after >= before else "utf-16-be")


def _utf16(data: bytes, encoding: str) -> Decoded:
    """UTF-16 line by line: where a byte is missing, the rest of that line is lost and not of the file."""
    end = "\n".encode(encoding)
    lines = [line for line in re.split(b"(?<=" + re.escape(end) + b")", data) if line]
    read = [_replacing(line if len(line) % 2 == 0 else line[:-3] + end, encoding) for line in lines]
    odd = sum(len(line) % 2 for line in lines)
    return Decoded("".join(one.text for one in read), encoding, sum(one.unreadable for one in read) + odd)


def _replacing(data: bytes, encoding: str) -> Decoded:
    text = data.decode(encoding, errors="replace")
    return Decoded(text, encoding, text.count(REPLACEMENT))


def _sample(data: bytes) -> bytes:
    """The lines that hold more than ASCII."""
    lines = [line for line in re.split(rb"[\r\n]+", data[: 64 * SAMPLE_BYTES]) if not line.isascii()]
    return b"\n".join(lines)[:SAMPLE_BYTES]


def _east_asian(sample: bytes) -> list[tuple[float, str]]:
    """Scores of the encodings with two bytes a character."""
    scores = []
    for encoding in ("cp932", "euc_jp", "cp949", "gb18030", "big5hkscs"):
        read = _replacing(sample, encoding)
        chars = [char for char in read.text if not char.isascii()]
        if read.unreadable <= MAX_BAD_FRACTION / 4 * len(chars):
            scores.append((_SCORES[encoding](sample, chars), encoding))
    return scores


def _japanese(sample: bytes, chars: list[str]) -> float:
    """Running Japanese is half kana, and no kana are half-width."""
    kana = sum("ぁ" <= char <= "ヿ" for char in chars)
    half = sum("｡" <= char <= "ﾟ" for char in chars)
    return min(1.0, 2 * (kana - half) / max(1, len(chars)))


def _korean(sample: bytes, chars: list[str]) -> float:
    """All syllables, and half of them usual ones: the bytes are often those of Chinese characters too."""
    letters = [char for char in chars if char.isalpha()]
    syllables = [char for char in letters if "가" <= char <= "힣"]
    if not letters or len(syllables) < 0.95 * len(letters):
        return 0.0
    usual = sum(char in _HANGUL for char in syllables)
    return min(1.0, 2 * usual / len(syllables))


def _simplified(sample: bytes, chars: list[str]) -> float:
    return _common_fraction(sample, _COMMON_GB, 0xA1)


def _traditional(sample: bytes, chars: list[str]) -> float:
    return _common_fraction(sample, _COMMON_BIG5, 0x40)


_SCORES: Mapping[str, Callable[[bytes, list[str]], float]] = {
    "cp932": _japanese,
    "euc_jp": _japanese,
    "cp949": _korean,
    "gb18030": _simplified,
    "big5hkscs": _traditional,
}


def _common_fraction(sample: bytes, leads: frozenset[int], least_trail: int) -> float:
    """Fraction of the two-byte characters that are common, a little lowered; 0 where bytes are left over."""
    pairs = _PAIR.findall(sample)
    high = sum(byte >= 0x80 for byte in sample)
    paired = sum(1 + (pair[1] >= 0x80) for pair in pairs)
    common = sum(pair[0] in leads and pair[1] >= least_trail for pair in pairs)
    if not pairs or paired < 0.9 * high:
        return 0.0
    # Chinese is mostly common characters; the same bytes read in the wrong encoding are not.
    return float(common / len(pairs)) - 0.15


def _scripts(sample: bytes) -> list[tuple[float, str]]:
    """Scores of the encodings of other scripts with one byte a letter."""
    scores = []
    for encoding, usual in _LETTERS.items():
        text = unicodedata.normalize("NFC", _replacing(sample, encoding).text)
        words = [word for word in _WORD.findall(text) if not word.isascii()]
        count = sum(map(len, words))
        if count < MIN_PURE_FRACTION * sum(not (char.isascii() or char in "«»“”‘’„–—…№¿¡") for char in text):
            continue
        pure = sum(len(word) for word in words if _is_written(word, _SCRIPTS[encoding]))
        if count >= MIN_LETTERS and pure >= MIN_PURE_FRACTION * count:
            known = sum(char in usual for word in words for char in word.lower())
            # In the wrong encoding small letters are capitals.
            shouted = sum(len(word) for word in words if word.isupper())
            scores.append((known / count * pure / count * (1 - 0.2 * shouted / count), encoding))
    return scores


def _is_written(word: str, script: str) -> bool:
    """Whether a word is of one script, and capital letters stand where they do in words."""
    cased = word[1:] if word[:1].isupper() else word
    if word.upper() != word.lower() and not (word.isupper() or cased == cased.lower()):
        return False
    return all(unicodedata.name(char, "").startswith(script) for char in word)


def _latin(sample: bytes) -> list[tuple[float, str]]:
    """Scores of the encodings of Latin letters, by language; the earlier one where two are equal.

    Where several languages have the accents, what else is written tells which it is.
    """
    scored = []
    for encoding, language, accents in _ACCENTS:
        read = _replacing(sample, encoding).text
        chars = [char if char == "İ" else char.lower() for char in read if not char.isascii()]
        letters = [char for char in chars if char.isalpha()]
        strange = sum(_is_strange(char) for char in chars)
        usual = sum(char in accents for char in letters) if letters else len(chars)
        scored.append(((usual - strange) / max(1, len(letters)), encoding, language, read))
    best = max(score for score, *_ in scored)
    near = [one for one in scored if one[0] >= best - NEAR_SCORE]
    if best >= MIN_USUAL_FRACTION and len({read for *_, read in near}) > 1:
        near = [(score + _probability(read, lang), enc, lang, read) for score, enc, lang, read in near]
    return [(score - order / 1000, encoding) for order, (score, encoding, *_) in enumerate(near)]


def _probability(text: str, language: str) -> float:
    """How probable it is that a text is in a language, of those of ``_ACCENTS``."""
    import py3langid

    known = {code for _, code, _ in _ACCENTS}
    logs = {code: float(log) for code, log in py3langid.rank(text) if code in known}
    highest = max(logs.values())
    return math.exp(logs[language] - highest) / sum(math.exp(log - highest) for log in logs.values())


def _is_strange(char: str) -> bool:
    """Signs that hardly occur in speech: not read, a control code, a fraction, a superscript."""
    return char == REPLACEMENT or unicodedata.category(char) in {"Cc", "No", "Lo"} or char in "¤¦¨¬¯±¶¸"
