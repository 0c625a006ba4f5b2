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
_ISO_639_1 = (
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de "
    "dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id "
    "ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu "
    "lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu "
    "rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr "
    "ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu"
)
# Codes of ISO 639-2, bibliographic ones too, and names that files bear, after the code used here.
_MORE_ALIASES = (
    "af:afr,afrikaans am:amh ar:ara,arabic az:aze be:bel,belarusian bg:bul,bulgarian bn:ben,bengali "
    "bo:tib,bod bs:bos,bosnian ca:cat,catalan cs:cze,ces,czech cy:wel,cym,welsh da:dan,danish "
    "el:gre,ell,greek eo:epo,esperanto et:est,estonian eu:baq,eus,basque fa:per,fas,persian,farsi "
    "fi:fin,finnish ga:gle,irish gl:glg,galician gu:guj he:heb,hebrew hi:hin,hindi hr:hrv,croatian "
    "hu:hun,hungarian hy:arm,hye,armenian id:ind,indonesian is:ice,isl,icelandic ka:geo,kat,georgian "
    "kk:kaz,kazakh km:khm,khmer kn:kan ku:kur,kurdish ky:kir la:lat,latin lb:ltz lo:lao "
    "lt:lit,lithuanian lv:lav,latvian mk:mac,mkd,macedonian ml:mal,malayalam mn:mon,mongolian mr:mar "
    "ms:may,msa,malay mt:mlt,maltese my:bur,mya,burmese nb:nob ne:nep,nepali nl:dut,nld,dutch,flemish "
    "nn:nno no:nor,norwegian pa:pan,punjabi pl:pol,polish ps:pus,pashto ro:rum,ron,romanian "
    "si:sin,sinhala sk:slo,slk,slovak sl:slv,slovenian so:som,somali sq:alb,sqi,albanian "
    "sr:srp,serbian sv:swe,swedish sw:swa,swahili ta:tam,tamil te:tel,telugu tg:tgk th:tha,thai "
    "tl:tgl,fil,tagalog,filipino tr:tur,turkish ug:uig uk:ukr,ukrainian ur:urd,urdu uz:uzb "
    "vi:vie,vietnamese xh:xho yi:yid,yiddish yo:yor zu:zul,zulu"
)
_ALIASES |= {
    alias: code
    for code, _, aliases in (entry.partition(":") for entry in _MORE_ALIASES.split())
    for alias in aliases.split(",")
}
_CODES = frozenset(_ISO_639_1.split())
# Countries that follow a language in lower case; any two capitals are one.
_REGION_CODES = (
    "ae ar at au be br ca ch cl cn co eg es fr gb hk ie ir jp kr la mo mx nz pe pt sa sg tw uk us za"
)
_SUBTAGS = frozenset((*_REGION_CODES.split(), "arab", "cyrl", "hans", "hant", "jpan", "kore", "latn"))

_ENGLISH_NAMES = {
    "zh": "Chinese", "en": "English", "ja": "Japanese", "ko": "Korean", "de": "German", "fr": "French",
    "es": "Spanish", "ru": "Russian", "it": "Italian", "pt": "Portuguese", "no": "Norwegian",
    "nb": "Norwegian", "nn": "Norwegian", "nl": "Dutch", "sv": "Swedish", "da": "Danish", "fi": "Finnish",
    "pl": "Polish", "cs": "Czech", "uk": "Ukrainian", "el": "Greek", "tr": "Turkish", "ar": "Arabic",
    "he": "Hebrew", "hi": "Hindi", "th": "Thai", "vi": "Vietnamese", "id": "Indonesian",
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


def is_language(name: str) -> bool:
    """Whether a name is a code of ISO 639-1, or a three-letter code or name known to :func:`normal_code`."""
    return name.lower() in _CODES or name.lower() in _ALIASES


def is_subtag(name: str, language: str) -> bool:
    """Whether a script or region, as written, may follow a language: ``zh-Hant``, ``pt-BR``, ``es-419``.

    In lower case a region is one that is met with subtitles, so that ``is-it`` is no language of a country.
    """
    if re.fullmatch(r"[A-Z]{2}|\d{3}", name):
        return True
    return name.lower() in _SUBTAGS or name.lower() == language.lower()


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


def is_east_asian(char: str) -> bool:
    """Whether a character is a letter of a script in which one counts as a word: Chinese, kana, Hangul."""
    return char.isalpha() and ord(char) >= 0x2E80
