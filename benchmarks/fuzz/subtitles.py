"""Subtitle files in many languages and encodings, and what is done to them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from benchmarks.fuzz.damage import ON_BYTES

CUES = 14
# Plain sentences: no labels, tags or music signs, which are no words.
SENTENCES: Mapping[str, tuple[str, ...]] = {
    "en": ("I thought we had agreed on this", "the train leaves at nine", "it’s “fine” with me, really"),
    "fr": (
        "je suis très heureux de vous voir",
        "il a oublié ses clés à l’hôtel",
        "ça va être une belle journée",
    ),
    "de": ("ich möchte nach Hause gehen", "das war wirklich schön heute", "wir können später darüber reden"),
    "es": (
        "no sé qué decirte, señor",
        "mañana será un día más tranquilo",
        "estoy muy contento de verte aquí",
    ),
    "pl": ("nie wiem, co się dzieje", "jestem bardzo zmęczony dzisiaj", "zobaczymy się później, dobrze"),
    "cs": ("nevím, co se děje", "jsem dnes velmi šťastný člověk", "příště přijdeme trochu dříve"),
    "ru": ("я очень рад вас видеть", "мы поговорим об этом завтра", "она не знает, что ему сказать"),
    "uk": ("я дуже радий тебе бачити", "ми поговоримо про це завтра", "вона не знає, що йому сказати"),
    "el": ("χαίρομαι πολύ που σε βλέπω", "θα μιλήσουμε αύριο για αυτό", "δεν ξέρω τι να σου πω"),
    "tr": ("seni gördüğüme çok sevindim", "yarın bunun hakkında konuşacağız", "ona ne diyeceğimi bilmiyorum"),
    "he": ("אני שמח מאוד לראות אותך", "נדבר על זה מחר בבוקר", "היא לא יודעת מה לומר לו"),
    "ar": ("أنا سعيد جدا لرؤيتك اليوم", "سوف نتحدث عن هذا غدا", "لا أعرف ماذا أقول له"),
    "zh": ("我真的很開心今天能見到你", "他走了以後我每天都睡不著", "我們明天再談這件事情吧"),
    "zh-cn": ("我真的很开心今天能见到你", "他走了以后我每天都睡不着", "我们明天再谈这件事情吧"),
    "ja": (
        "今日はあなたに会えて本当に嬉しいです",
        "明日またそのことを話しましょう",
        "彼に何と言えばいいか分かりません",
    ),
    "ko": (
        "오늘 당신을 만나서 정말 기뻐요",
        "내일 다시 이야기합시다",
        "그에게 뭐라고 말해야 할지 모르겠어요",
    ),
}
ENCODINGS: Mapping[str, tuple[str, ...]] = {
    "en": ("utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-32"),
    "fr": ("utf-8", "cp1252", "utf-16"),
    "de": ("utf-8", "cp1252"),
    "es": ("utf-8", "cp1252"),
    "pl": ("utf-8", "cp1250"),
    "cs": ("utf-8", "cp1250"),
    "ru": ("utf-8", "cp1251", "utf-16"),
    "uk": ("utf-8", "cp1251"),
    "el": ("utf-8", "cp1253"),
    "tr": ("utf-8", "cp1254"),
    "he": ("utf-8", "cp1255"),
    "ar": ("utf-8", "cp1256"),
    "zh": ("utf-8", "big5", "utf-16", "utf-16-be"),
    "zh-cn": ("utf-8", "gb18030"),
    "ja": ("utf-8", "shift_jis", "utf-16"),
    "ko": ("utf-8", "euc-kr"),
}
FORMATS = ("srt", "vtt", "ass")
ASS_HEAD = """[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize
Style: Default,Arial,20

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
_TIME_DIGITS = re.compile(rb"\d\d:\d\d:\d\d")


@dataclass(frozen=True, slots=True)
class Subtitles:
    """A whole file: its bytes, and each cue's own bytes (with its times) beside its words."""

    form: str
    encoding: str
    data: bytes
    cues: tuple[tuple[bytes, str], ...]


def make_subtitles(form: str, language: str, encoding: str) -> Subtitles:
    """A file of ``CUES`` cues, two seconds each, every one with words of its own."""
    head = {"srt": "", "vtt": "WEBVTT\n\n", "ass": ASS_HEAD}[form]
    lines = SENTENCES[language]
    blocks = []
    for number in range(CUES):
        text = f"{lines[number % len(lines)]} {number + 1}"
        blocks.append((_cue(form, number, text), text))
    # Without a mark of its own: the whole file has one at most, at its beginning.
    inner = {"utf-16": "utf-16-le", "utf-32": "utf-32-le", "utf-8-sig": "utf-8"}.get(encoding, encoding)
    data = (head + "".join(block for block, _ in blocks)).encode(encoding)
    return Subtitles(
        form, encoding, data, tuple((_core(form, block).encode(inner), text) for block, text in blocks)
    )


def _cue(form: str, number: int, text: str) -> str:
    begin, end = _stamp(2 * number, 100, form), _stamp(2 * number + 1, 900, form)
    if form == "ass":
        return f"Dialogue: 0,{begin},{end},Default,,0,0,0,,{text}\n"
    return f"{number + 1}\n{begin} --> {end}\n{text}\n\n"


def _core(form: str, block: str) -> str:
    """What of a cue has to be intact: in .ass its line, else its times and its words."""
    return block.strip() if form == "ass" else block.strip().split("\n", 1)[1]


def _stamp(seconds: int, ms: int, form: str) -> str:
    if form == "ass":
        return f"0:{seconds // 60:02d}:{seconds % 60:02d}.{ms // 10:02d}"
    return f"00:{seconds // 60:02d}:{seconds % 60:02d}{',' if form == 'srt' else '.'}{ms:03d}"


def survivors(whole: Subtitles, damaged: bytes) -> str:
    """Words of the cues whose lines are intact: a line begins there, on a whole character, and ends there."""
    unit = 2 if whole.encoding.startswith("utf-16") else 4 if whole.encoding.startswith("utf-32") else 1
    if unit == 1:
        damaged = damaged.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return " ".join(text for block, text in whole.cues if _is_in(damaged, block, unit))


def _is_in(damaged: bytes, block: bytes, unit: int) -> bool:
    ends = {1: (b"", b"\n"), 2: (b"", b"\n\0", b"\0\n", b"\xff\xfe"), 4: (b"", b"\n\0\0\0", b"\xff\xfe\0\0")}[
        unit
    ]
    at = damaged.find(block)
    while at >= 0:
        before, behind = damaged[max(0, at - unit) : at], damaged[at + len(block) : at + len(block) + unit]
        if at % unit == 0 and before in ends and behind in ends:
            return True
        at = damaged.find(block, at + 1)
    return False


def as_it_is(data: bytes, random: Random) -> bytes:
    """Nothing: what every program can read has to be read."""
    return data


def bad_bytes(data: bytes, random: Random) -> bytes:
    """A few bytes that no text has there."""
    result = bytearray(data)
    for _ in range(random.randint(1, 4)):
        result[random.randrange(len(data))] = random.randrange(0x80, 0x100)
    return bytes(result)


def mac_line_ends(data: bytes, random: Random) -> bytes:
    """CR line ends, or both sorts mixed; wider encodings keep theirs."""
    if b"\0" in data:
        return data
    if random.random() < 0.5:
        return data.replace(b"\n", b"\r")
    return b"".join(line + random.choice((b"\n", b"\r\n")) for line in data.split(b"\n"))


def bad_times(data: bytes, random: Random) -> bytes:
    """Times that are no times, in some cues."""

    def worse(match: re.Match[bytes]) -> bytes:
        if random.random() < 0.8:
            return match[0]
        return random.choice((b"99:99:99", b"-0:00:01", b"0O:00:0l", b"", b"99999999999:00:00"))

    return _TIME_DIGITS.sub(worse, data)


def no_blank_lines(data: bytes, random: Random) -> bytes:
    """The lines between cues are gone."""
    return data.replace(b"\n\n", b"\n")


def stray_controls(data: bytes, random: Random) -> bytes:
    """NUL and other control characters here and there."""
    result = bytearray(data)
    for _ in range(random.randint(1, 6)):
        result.insert(random.randrange(len(result)), random.choice((0x00, 0x00, 0x1A, 0x1B, 0x0B, 0x7F)))
    return bytes(result)


def stray_markup(data: bytes, random: Random) -> bytes:
    """Tags that are not closed, lone brackets and braces, between bytes."""
    result = data
    for _ in range(random.randint(1, 5)):
        at = random.randrange(len(result))
        result = (
            result[:at]
            + random.choice((b"<i>", b"<", b"{\\an8", b"}", b"-->", b"&amp", b"<c.a><"))
            + result[at:]
        )
    return result


DAMAGES: Mapping[str, Callable[[bytes, Random], bytes]] = {
    **{
        name: ON_BYTES[name]
        for name in (
            "cut_end",
            "cut_head",
            "zero_block",
            "noise_block",
            "flip_bits",
            "drop_block",
            "repeat_block",
            "swap_blocks",
            "junk_around",
            "joined",
        )
    },
    **{
        made.__name__: made
        for made in (
            as_it_is,
            bad_bytes,
            mac_line_ends,
            bad_times,
            no_blank_lines,
            stray_controls,
            stray_markup,
        )
    },
}


def every_file() -> list[tuple[str, str, str]]:
    """Format, language and encoding of each whole file."""
    return [
        (form, language, encoding)
        for form in FORMATS
        for language in SENTENCES
        for encoding in ENCODINGS[language]
    ]
