"""From cues to what is said: a subtitle shows for its reader, an utterance is spoken once and by somebody.

``spoken_lines`` takes the cues of a file as they stand and gives lines of speech that do not overlap: each
once however often it is shown, without mark-up, sounds, lyrics, signs and credits, under the speaker's name
where there is one. Everything left out is counted and worded. Pure; linear but for sorting.
"""

import html
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from pipeline.media.language import is_east_asian, normal_code, script_fits, script_of, transcript_language
from pipeline.types import US_PER_S, Span

HOUR_US = 3_600 * US_PER_S
# Cues that start or end within a frame of each other do so together.
FRAME_US = 40_000
# Captions that roll show the next line within this time.
MAX_ROLL_GAP_US = 250_000
# A line repeated after a longer pause was said again.
MAX_SAME_GAP_US = 100_000
# Shorter repetitions are also said twice: "No!" "No!"
MIN_ROLLED_UNITS = 3
MIN_ROLLED_FRACTION = 0.3
MAX_SHARED_TOKENS = 60
MAX_ROLLED_LINES = 8
# A cue without an end lasts until the next one, and no longer than this.
MAX_MENDED_US = 2 * US_PER_S
MIN_MENDED_US = 100_000
# A whole-hour shift must bring this many lines into the film.
MIN_FITTING_FRACTION = 0.9
# Part of a line before or after an interjection that is no line of its own.
MIN_PART_US = 300_000
MAX_LYRICS_GAP_US = 5 * US_PER_S
# Of the cues with words, as many must be in two languages.
MIN_BILINGUAL_FRACTION = 0.5
MIN_LETTERS_TO_TELL = 40
# Identical cues one after the other that are this short were said again: "No!" "No!"
MAX_SAID_AGAIN_UNITS = 5
EDGE_CUES = 3  # of a file, where its makers name themselves
MAX_NAME_WORDS = 5
MAX_NAME_CHARACTERS = 5  # of a Chinese one
MAX_CREDIT_WORDS = 8
NEAR_CHARS = 200  # of a bracket: whether it stands alone in its line


@dataclass(frozen=True, slots=True)
class Cue:
    """What a subtitle file shows; ``text`` has its mark-up and line breaks. It may end before it starts."""

    start_us: int
    end_us: int
    text: str
    style: str = ""
    effect: str = ""
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class SpokenLine:
    """What somebody says; ``speaker`` as the subtitles name them."""

    span: Span
    text: str
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class Spoken:
    """Lines in order of time, none overlapping; ``notes`` say what was changed, ``losses`` what was lost."""

    lines: tuple[SpokenLine, ...]
    notes: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Shown:
    """A cue without mark-up."""

    start_us: int
    end_us: int
    lines: tuple[str, ...]
    speaker: str | None = None
    marked_up: str = ""
    is_edge: bool = False  # among the first or last cues of the file, where credits stand


_Pair = tuple[Cue, _Shown]


@dataclass(slots=True)
class _Account:
    """How many of what was left out or mended, by noun."""

    left_out: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    mended: int = 0


def spoken_lines(
    cues: Sequence[Cue],
    name: str,
    duration_us: int,
    language: str | None = None,
    sound_language: str | None = None,
) -> Spoken:
    """What is said, out of the cues of one file or stream.

    Args:
        cues: in the order of the file.
        name: what the cues are called in sentences for the person who gave them.
        duration_us: length of the film; lines outside it are lost, and said to be.
        language: the language asked for; of cues in two languages this one is read.
        sound_language: the language of the film's sound, where the file states it.
    """
    account = _Account()
    shown = _with_edges(sorted(_dialogue(cues, account), key=lambda cue: cue.start_us))
    is_said = [bool(turns) for turns in _turns_by_cue(shown, _Account())]
    total = sum(is_said)
    shown, shift_note = _in_the_film(shown, is_said, duration_us, account)
    shown = _mended(_single_layers(shown, account), duration_us, account)
    shown, language_note = _in_one_language(shown, normal_code(language), normal_code(sound_language))
    lines = _disjoint(_utterances(_unrolled(shown, account), account), account)
    account.left_out += Counter()
    notes = (shift_note.format(name=name), language_note.format(name=name), *_notes(account, total, name))
    return Spoken(
        tuple(lines), tuple(note for note in notes if note), _losses(account, total, name, duration_us)
    )


def count_of(number: int, noun: str) -> str:
    """``1 line``, ``3 lines``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _losses(account: _Account, total: int, name: str, duration_us: int) -> tuple[str, ...]:
    lost = account.lost
    if not lost:
        return ()
    outside = lost[_AFTER]
    if outside == total:
        return (
            f"All {count_of(total, 'line')} of {name} lie outside the film ({duration_us / US_PER_S:.1f} s): "
            "is this the right subtitle file?",
        )
    if outside * 2 > total:
        return (
            f"{outside} of {count_of(total, 'line')} of {name} lie outside the film "
            f"({duration_us / US_PER_S:.1f} s): is this the right subtitle file?",
        )
    reasons = ", ".join(
        f"{many} {(why if many == 1 else _PLURAL[why])}" for why, many in sorted(lost.items())
    )
    many = sum(lost.values())
    return (
        f"{many} of {count_of(total, 'line')} of {name} {'is' if many == 1 else 'are'} lost: {reasons}; "
        "mend the times in it.",
    )


_REPEATED = "repeated line"
_AFTER, _NO_TIME = "lies after the film's end", "has no time of its own"
_PLURAL = {_AFTER: "lie after the film's end", _NO_TIME: "have no time of their own"}


def _notes(account: _Account, total: int, name: str) -> Iterable[str]:
    if account.mended:
        yield (
            f"{account.mended} of {count_of(total, 'line')} of {name} had no length or ended before the "
            f"start; the time to the next line was given, {MAX_MENDED_US // US_PER_S} s at most."
        )
    if account.left_out:
        what = ", ".join(count_of(many, noun) for noun, many in sorted(account.left_out.items()))
        yield f"Not read as speech in {name}: {what}."


# --- Mark-up -----------------------------------------------------------------------------------------------

_CLASSES = r"(?:\.[^\s.<>]+)*"
_ATTRIBUTES = r"(?:\s+[\w-]+\s*=\s*(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s<>]+))*"
# Only what is known goes: `if x<y and y>z` is speech.
_TAGS = re.compile(
    rf"</?(?:b|i|u|s|em|strong|c|ruby|rb|sub|sup|small|big|center|v|lang){_CLASSES}\s*/?>"
    rf"|</?(?:font|span|p|div|b|i|u|s){_ATTRIBUTES}\s*/?>"
    rf"|<lang{_CLASSES}\s+[\w-]+>"
    r"|<\d{1,4}(?::\d{1,2}){1,2}(?:[.,]\d{1,3})?>"
    r"|\{\\[^{}\n]*\}?|\{/?[biusy](?::[^}\n]*)?\}",
    re.IGNORECASE,
)
_RUBY = re.compile(r"<rt>[^<\n]*(?:</rt>|$)", re.IGNORECASE | re.MULTILINE)
_BREAK = re.compile(r"<br\s*/?>|</p>", re.IGNORECASE)
_VOICE = re.compile(rf"(?<![\w])<v{_CLASSES}\s+([^<>\n]+)>", re.IGNORECASE)
_DRAWING = re.compile(r"\{[^{}]*\\p[1-9][^{}]*\}.*?(?:\{[^{}]*\\p0[^{}]*\}|$)", re.DOTALL)
_ENTITY = re.compile(r"&#?\w{1,31};")
# Control codes, marks of direction, and spaces of no width.
_UNSEEN = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
_NAMED = "\x02"  # begins a line that a voice tag names: \x02name\x02 text


def plain_text(marked_up: str) -> str:
    """One line of text without mark-up and character references."""
    return " ".join(" ".join(plain_lines(marked_up)).split())


def plain_lines(marked_up: str) -> tuple[str, ...]:
    """The lines of a cue that hold something, without mark-up."""
    text = _UNSEEN.sub("", _RUBY.sub("", _DRAWING.sub("", marked_up)))
    text = _VOICE.sub(lambda tag: f"\n{_NAMED}{tag[1].strip()}{_NAMED}", text)
    text = _TAGS.sub("", _BREAK.sub("\n", text)).replace("\\h", " ")
    text = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)
    lines = (" ".join(line.split()) for line in re.sub(r"\\N", "\n", text).split("\n"))
    return tuple(line for line in lines if line)


# --- What is shown but not said ----------------------------------------------------------------------------

_POSITIONED = re.compile(r"\{[^{}]*\\(?:pos|move|clip|iclip)\s*\(")
_AT_TOP = re.compile(r"\{[^{}]*\\(?:an[789]|a(?:5|6|7|9|10|11)(?!\d))")
_SENTENCE_END = re.compile(r"[.!?…。！？♪]\W*$")
_NOT_SAID = re.compile(
    r"(?:^|[\W_\d])(?:op|ed|opening|ending|songs?|lyrics?|kara(?:oke)?|romaji|signs?|titles?|ts|typeset(?:ting|s)?"
    r"|credits?|staff|screen|fx|notes?|tl)(?:$|[\W_\d])|歌词|歌詞|特效|字幕组|字幕組|标题|標題|屏幕|注释|註釋|staff",
    re.IGNORECASE,
)


def _dialogue(cues: Sequence[Cue], account: _Account) -> list[_Shown]:
    """The cues with text, without what a typesetter drew, put beside things or set to music."""
    shown = [
        (cue, _Shown(cue.start_us, cue.end_us, lines, cue.speaker, cue.text))
        for cue in cues
        if (lines := plain_lines(cue.text))
    ]
    spoken = _unless_all(shown, [bool(_NOT_SAID.search(f"{cue.style}|{cue.effect}")) for cue, _ in shown])
    placed = [bool(_POSITIONED.search(cue.text)) for cue, _ in spoken]
    if not _are_dialogue(spoken, placed):
        spoken = _unless_all(spoken, placed)
    said = _without_top_signs(spoken)
    if len(said) < len(shown):
        account.left_out["sign or song line"] = len(shown) - len(said)
    return said


def _unless_all(shown: Sequence[_Pair], suspects: Sequence[bool]) -> Sequence[_Pair]:
    """Those that are no suspects; all of them where nothing else would be left."""
    return shown if all(suspects) else [p for p, suspect in zip(shown, suspects, strict=True) if not suspect]


def _are_dialogue(shown: Sequence[_Pair], drawn: Sequence[bool]) -> bool:
    """Whether the positioned cues are the speech of the file: hardly any are not, and they hold sentences."""
    sizes = sorted(
        _units(" ".join(cue.lines)) for (_, cue), suspect in zip(shown, drawn, strict=True) if suspect
    )
    plain = len(shown) - len(sizes)
    return bool(sizes) and plain < 0.2 * len(shown) and sizes[len(sizes) // 2] >= MIN_ROLLED_UNITS


def _without_top_signs(shown: Sequence[_Pair]) -> list[_Shown]:
    """Without writing at the top of the picture, in capitals or no sentence, while somebody speaks below."""
    said = [cue for cue, _ in shown if not _AT_TOP.search(cue.text)]
    below = _Covered([(cue.start_us, cue.end_us) for cue in said])
    return [
        line
        for cue, line in shown
        if not (
            _AT_TOP.search(cue.text)
            and (_is_capitals(" ".join(line.lines)) or not _SENTENCE_END.search(line.lines[-1]))
            and below.overlaps(cue.start_us, cue.end_us)
        )
    ]


class _Covered:
    """Whether any of some stretches overlaps another one."""

    def __init__(self, stretches: Iterable[tuple[int, int]]) -> None:
        ordered = sorted(stretches)
        self._starts = [start for start, _ in ordered]
        self._ends: list[int] = []
        for _, end in ordered:
            self._ends.append(max(end, self._ends[-1] if self._ends else end))

    def overlaps(self, start_us: int, end_us: int) -> bool:
        before = bisect_left(self._starts, end_us)
        return before > 0 and self._ends[before - 1] > start_us


def _is_capitals(text: str) -> bool:
    letters = [char for char in text if char.isalpha()]
    return len(letters) >= 2 and text.upper() == text and text.lower() != text


def _units(text: str) -> int:
    """Words, with every Chinese, Japanese or Korean character counted as one."""
    wide = sum(map(is_east_asian, text))
    return wide + len(re.findall(r"[^\W\u2e80-\U0003ffff]+(?:['’]\w+)?", text))


# --- Time --------------------------------------------------------------------------------------------------


def _in_the_film(
    shown: list[_Shown], is_said: Sequence[bool], duration_us: int, account: _Account
) -> tuple[list[_Shown], str]:
    """The cues that start inside the film, moved by whole hours where only that brings them in.

    Those outside are lost where something is said in them (``is_said``), else left out like those inside.
    """
    speech = [cue for cue, said in zip(shown, is_said, strict=True) if said]
    inside = sum(cue.start_us < duration_us for cue in speech)
    note = ""
    if speech and inside < MIN_FITTING_FRACTION * len(speech):
        first = speech[0].start_us
        hours = max(
            {first // HOUR_US, round(first / HOUR_US)}, key=lambda h: (_fitting(speech, h, duration_us), -h)
        )
        fitting = _fitting(speech, hours, duration_us)
        if hours > 0 and fitting >= MIN_FITTING_FRACTION * len(speech) and fitting > inside:
            shown = [_moved(cue, -hours * HOUR_US) for cue in shown]
            note = (
                f"The times of {{name}} begin at {hours:02d} h, as in broadcasting; they were moved by "
                f"{count_of(hours, 'hour')} to fit the film."
            )
    outside = [(cue, said) for cue, said in zip(shown, is_said, strict=True) if cue.start_us >= duration_us]
    account.lost[_AFTER] += sum(said for _, said in outside)
    account.lost += Counter()
    _turns_by_cue([cue for cue, said in outside if not said], account)
    return [cue for cue in shown if cue.start_us < duration_us], note


def _with_edges(shown: Sequence[_Shown]) -> list[_Shown]:
    last = len(shown) - EDGE_CUES
    return [replace(cue, is_edge=True) if i < EDGE_CUES or i >= last else cue for i, cue in enumerate(shown)]


def _fitting(shown: Sequence[_Shown], hours: int, duration_us: int) -> int:
    return sum(0 <= cue.start_us - hours * HOUR_US < duration_us for cue in shown)


def _moved(cue: _Shown, by_us: int) -> _Shown:
    return replace(cue, start_us=max(0, cue.start_us + by_us), end_us=max(0, cue.end_us + by_us))


def _single_layers(shown: Sequence[_Shown], account: _Account) -> list[_Shown]:
    """Cues of the same text over the same time as one: outlines, shadows, lines given twice."""
    kept: list[_Shown] = []
    latest: dict[tuple[tuple[str, ...], str | None], int] = {}
    for cue in shown:
        key = (tuple(map(str.casefold, cue.lines)), cue.speaker)
        index = latest.get(key)
        if index is not None and cue.start_us < max(kept[index].end_us, kept[index].start_us + FRAME_US):
            kept[index] = replace(kept[index], end_us=max(kept[index].end_us, cue.end_us))
            account.left_out[_REPEATED] += 1
        else:
            latest[key] = len(kept)
            kept.append(cue)
    return kept


def _mended(shown: Sequence[_Shown], duration_us: int, account: _Account) -> list[_Shown]:
    """Cues that end no later than they start, given an end; those without room for one are lost."""
    kept: list[_Shown] = []
    next_us = duration_us
    later_us = duration_us
    for cue in reversed(shown):
        if cue.start_us != later_us:
            next_us, later_us = later_us, cue.start_us
        if cue.end_us > cue.start_us:
            kept.append(cue)
            continue
        end_us = min(next_us, cue.start_us + MAX_MENDED_US)
        if end_us - cue.start_us < MIN_MENDED_US:
            account.lost[_NO_TIME] += 1
        else:
            account.mended += 1
            kept.append(replace(cue, end_us=end_us))
    return kept[::-1]


# --- Two languages -----------------------------------------------------------------------------------------


def _in_one_language(
    shown: list[_Shown], language: str | None, sound_language: str | None
) -> tuple[list[_Shown], str]:
    """Of cues in two languages the lines of the spoken one, and a note that says which was read.

    That is the language asked for, else the sound's, else the one of more lines, else the first.
    """
    pairs = _together(shown)
    codes = _codes_by_script(pairs, (language, sound_language)) or _codes_by_spelling(pairs)
    if codes is None:
        return shown, ""
    lines = Counter(
        code for of_lines in codes for code in of_lines if code
    )  # equal counts: in order of first
    chosen = next((code for code in (language, sound_language) if code in lines), lines.most_common(1)[0][0])
    kept = [
        replace(
            cue, lines=tuple(ln for ln, c in zip(cue.lines, of_lines, strict=True) if c in (chosen, None))
        )
        if chosen in of_lines
        else cue
        for cue, of_lines in zip(pairs, codes, strict=True)
    ]
    others = " and ".join(code for code in lines if code != chosen)
    advice = "" if chosen == language else "; --language chooses another"
    return kept, f"The lines of {{name}} are in {chosen} and {others}: {chosen} is read{advice}."


def _together(shown: Sequence[_Shown]) -> list[_Shown]:
    """Cues of two scripts that start and end together as one cue."""
    kept: list[_Shown] = []
    for cue in shown:
        before = kept[-1] if kept else None
        if (
            before is not None
            and abs(before.start_us - cue.start_us) <= FRAME_US
            and abs(before.end_us - cue.end_us) <= FRAME_US
            and script_of(" ".join(before.lines)) != script_of(" ".join(cue.lines))
        ):
            kept[-1] = replace(before, lines=before.lines + cue.lines)
        else:
            kept.append(cue)
    return kept


def _codes_by_script(pairs: Sequence[_Shown], wanted: Sequence[str | None]) -> list[list[str | None]] | None:
    """The language of every line of cues in two scripts; None unless the cues are so."""
    scripts = [[script_of(line) for line in cue.lines] for cue in pairs]
    mixed = [of_lines for of_lines in scripts if len(set(of_lines) - {None}) > 1]
    if not mixed or len(mixed) < MIN_BILINGUAL_FRACTION * sum(any(of_lines) for of_lines in scripts):
        return None
    known = [script for script, _ in Counter(s for of_lines in mixed for s in of_lines if s).most_common(2)]
    codes = {}
    for script in known:
        lines = [
            ln
            for cue, s in zip(pairs, scripts, strict=True)
            for ln, one in zip(cue.lines, s, strict=True)
            if one == script
        ]
        fitting = (code for code in wanted if code and script_fits(script, code))
        codes[script] = next(fitting, None) or transcript_language(lines) or script
    return [[codes.get(script) if script else None for script in of_lines] for of_lines in scripts]


def _codes_by_spelling(pairs: Sequence[_Shown]) -> list[list[str | None]] | None:
    """The language of every line of cues whose first lines are in one language and second lines in another.

    Each must show in every second cue and in the rest alike.
    """
    two = [cue for cue in pairs if len(cue.lines) == 2]
    if len(two) < 4 or len(two) < 2 * MIN_BILINGUAL_FRACTION * 0.8 * len(pairs):
        return None
    codes: list[str | None] = []
    for index in (0, 1):
        halves = [[cue.lines[index] for cue in two[start::2]] for start in (0, 1)]
        if any(sum(map(str.isalpha, "".join(lines))) < MIN_LETTERS_TO_TELL for lines in halves):
            return None
        told = {transcript_language(lines) for lines in halves}
        if len(told) > 1:
            return None
        codes += told
    if codes[0] == codes[1]:
        return None
    return [list(codes) if len(cue.lines) == 2 else [None] * len(cue.lines) for cue in pairs]


# --- Captions that roll ------------------------------------------------------------------------------------


def _unrolled(shown: Sequence[_Shown], account: _Account) -> list[_Shown]:
    """Every line once, when it is new: of captions that roll, build up or highlight word by word."""
    if not shown:
        return []
    repeats = [_repeated(before, cue) for before, cue in pairwise(shown)]
    rolls = sum(repeat.lines > 0 and not repeat.is_said_again for repeat in repeats)
    is_rolling = rolls >= 2 and rolls >= MIN_ROLLED_FRACTION * len(repeats)
    shared = [_shared_tokens(before, cue) for before, cue in pairwise(shown)]
    shares = sum(count > 0 for count in shared)
    is_shifting = shares >= 2 and 2 * shares >= len(shared)
    kept = [shown[0]]
    for cue, repeat, tokens in zip(shown[1:], repeats, shared, strict=True):
        last = kept[-1]
        if repeat.lines and (is_rolling or repeat.is_plain):
            account.left_out[_REPEATED] += repeat.lines
            if repeat.extended is not None:
                last = replace(last, lines=(*last.lines[:-1], repeat.extended))
            new = cue.lines[repeat.lines :]
            end_us = max(last.end_us, cue.end_us) if not new else last.end_us
            kept[-1] = replace(last, end_us=end_us)
            kept += [replace(cue, lines=new)] if new else []
        elif tokens and is_shifting:
            account.left_out[_REPEATED] += 1
            kept.append(replace(cue, lines=(_joined(_tokens(cue)[tokens:]),)))
        else:
            kept.append(cue)
    return kept


@dataclass(frozen=True, slots=True)
class _Repeat:
    """How many first lines of a cue its predecessor shows too; the last of them may be longer (``extended``).

    ``is_plain``: long enough, or near enough, to be shown twice and not said twice. ``is_said_again``: a
    short cue as it was, mark-up and all, which is so where captions do not roll.
    """

    lines: int = 0
    extended: str | None = None
    is_plain: bool = False
    is_said_again: bool = False


def _repeated(before: _Shown, cue: _Shown) -> _Repeat:
    gap_us = cue.start_us - before.end_us
    if gap_us > MAX_ROLL_GAP_US or before.speaker != cue.speaker:
        return _Repeat()
    old = [line.casefold() for line in before.lines]
    new = [line.casefold() for line in cue.lines]
    for first in range(max(0, len(old) - MAX_ROLLED_LINES), len(old)):
        tail = old[first:]
        count = len(tail)
        if count > len(new) or tail[:-1] != new[: count - 1]:
            continue
        units = _units(" ".join(tail))
        if tail[-1] == new[count - 1]:
            whole = count == len(new)
            again = whole and units < MAX_SAID_AGAIN_UNITS and before.marked_up == cue.marked_up
            near = whole and gap_us <= MAX_SAME_GAP_US and not again
            return _Repeat(count, None, near or (not whole and units >= MIN_ROLLED_UNITS), again)
        if gap_us <= MAX_SAME_GAP_US and _goes_on(tail[-1], new[count - 1]):
            return _Repeat(count, cue.lines[count - 1], units >= 2)
    return _Repeat()


def _goes_on(line: str, longer: str) -> bool:
    """Whether a line is another one and more words."""
    return longer.startswith(line) and (longer[len(line)] == " " or ord(line[-1]) >= 0x2E80)


def _tokens(cue: _Shown) -> list[str]:
    text = " ".join(cue.lines)
    return text.split() if " " in text or text.isascii() else list(text)


def _joined(tokens: Sequence[str]) -> str:
    return ("" if all(len(token) == 1 and ord(token) >= 0x2E80 for token in tokens) else " ").join(tokens)


def _shared_tokens(before: _Shown, cue: _Shown) -> int:
    """How many tokens a cue begins with that its predecessor ends with; not all of them."""
    if cue.start_us - before.end_us > MAX_ROLL_GAP_US:
        return 0
    old, new = _tokens(before), _tokens(cue)
    longest = min(len(old), len(new) - 1, MAX_SHARED_TOKENS)
    return next((n for n in range(longest, MIN_ROLLED_UNITS - 1, -1) if old[-n:] == new[:n]), 0)


# --- Sounds, lyrics, credits -------------------------------------------------------------------------------

_URL = re.compile(
    r"(?:https?://|www\.)\S+|\b[\w-]{1,63}\.(?:com|org|net|tv|cn|info|me|cc|io|co\.\w\w)\b(?:/\S*)?",
    re.IGNORECASE,
)
_CREDIT = re.compile(
    r"""^\W*(?:
    (?: sub(?:(?:title|bing)[sd]?|s) | closed\ captions? | caption(?:s|ed|ing)? | translat(?:ed|ion)
      | (?:re-?)?sync(?:ed|hroni[sz]ed)? | corrections? | downloaded | ripped | encoded
      | transcri(?:bed|ption) | tim(?:ed|ing) )
    (?: \s* (?:,|and|&) \s* \w+ )*  (?: \s*[:：] | \s+(?:by|from)\b )
    | sous-titr\w+ (?: \s*: | \s+(?:par|réalisé\w*)\b ) | untertitel\w* (?: \s*: | \s+von\b )
    | subt[ií]tulos? (?: \s*: | \s+(?:por|de)\b ) | legendas? (?: \s*: | \s+por\b )
    | sottotitoli \s* (?: : | \bdi\b ) | субтитры (?: \s*: | \s+\w+ал\w*\b ) | перевод \s* :
    | (?: 字幕 | 翻[译譯] | 校[对對译譯閱] | [时時][间間][轴軸] | [压壓][制製] | 片源
        | [听聽][译譯写打] | 打[轴軸] | [总總][监監] | [监監][制製] | [译譯]者 | [后後]期 | [制製]作 )
      (?: [组組人员員] | [制製]作 )? \s* [:：]
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_SITE = re.compile(
    r"opensubtitles|amara\.org|addic7ed|subscene|^\W*untertitel\w* im auftrag\b", re.IGNORECASE
)
_CREDIT_GROUP = re.compile(
    r"^\W*(?:本?字幕(?:由|来自|來自)\S{1,20}$"
    r"|\S{0,12}字幕[组組](?:\W*$|\s*(?:出品|[荣榮][誉譽]|[倾傾]情|[制製]作|[翻听聽][译譯])))"
)
# Words of sentences, which names do not hold.
_NO_NAME = re.compile(
    r"\b(?:i|i'm|me|my|mine|we|us|our|you|your|he|him|his|she|her|it|its|they|them|their|is|are|was|were|hand)\b"
    r"|[我你您咱他她它们們了吗嗎吧呢啊的是很不]|[。！？!?]",
    re.IGNORECASE,
)
_NAME_PARTS = re.compile(r"\s*(?:[,;/|&+、，·]|\s[-–—]\s|\band\b|\s{2,})\s*", re.IGNORECASE)
_NAME_WORD = re.compile(
    r"[\[(\"'“@#]*(?:[^\W\d_a-zß-öø-ÿа-яё]|\w*[\d_@]|(?:the|of|for|de|des|du|di|da|del|la|von|van|der|y|et|und)\b)"
)
_MUSIC_MARKS = re.compile("[♪♫♩♬🎵🎶]+")
_BRACKETED = re.compile(r"\[([^\[\]]*)\]|【([^【】]*)】|〔([^〔〕]*)〕|［([^［］]*)］|〖([^〖〗]*)〗")
_PARENTHESISED = re.compile(r"\(([^()]*)\)|（([^（）]*)）|\(([^()（）]*)）|（([^()（）]*)\)")
_STARRED = re.compile(r"\*([^*\n]{1,40})\*")
_SOUND = re.compile(
    r"""\b(?: laugh | chuckl | giggl | cackl | snicker | sob | cr(?:y|ies|ied)\b | cryin | weep | whimper
    | whin(?:e|ing) | sniff | sigh | gasp | pant(?:s|ing)\b | groan | moan | grunt | scream | shriek | yell
    | shout | whisper | mutter | mumbl | murmur | cough | sneez | clear(?:s|ing)\ throat | yawn | gulp | exhal
    | inhal | breath | applau | cheer | clap | music | song | sing | hum(?:s|ming)\b | whistl | chatter
    | indistinct | inaudible | unintelligible | silence | pause | door | phone | ring | bell | bark | knock
    | footstep | thunder | gunshot | explo | engine | siren | horn | slam | bang | beep | buzz | static
    | speak(?:s|ing)\b | in\ (?:a\ )?\w+\ voice | voice\ ?over | off[- ]?screen | on\ (?:tv|radio|phone)
    | continues | rires? | pleur | soupir | musique | lacht | weint | seufzt | musik | risas? | llora | suspir
    | música )
    | [笑哭泣叹嘆喘咳] | 掌[声聲] | 音[乐樂] | [声聲](?:音)?$ | 尖叫 | 歌曲 | 沉默 | 旁白 | [画畫]外音
    | 拍手 | 웃음 | 음악 | 박수 | 울음 | 한숨""",
    re.IGNORECASE | re.VERBOSE,
)
_SOUNDING = re.compile(r"\w(?:ing|s)$", re.IGNORECASE)  # clock ticking, glass shatters
_ADDRESSED = re.compile(r"\b(?:i|me|my|we|us|our|you|your)\b|[我你您咱]", re.IGNORECASE)
_WORDED = re.compile(r"\w")


def _without_credits(cue: _Shown, account: _Account) -> list[str]:
    whole = " ".join(cue.lines)
    label = _CREDIT.search(whole)
    if label and label.end() >= len(cue.lines[0]) and _is_credit(whole, cue.is_edge):
        kept = []  # the name stands below its label
    else:
        kept = [line for line in cue.lines if not _is_credit(line, cue.is_edge)]
    account.left_out["credit line"] += len(cue.lines) - len(kept)
    return kept


def _is_credit(line: str, is_edge: bool) -> bool:
    """Whether a line says who made the subtitles; ``is_edge``: where such lines stand."""
    if _SITE.search(line):
        return True
    match = _CREDIT.search(line)
    if match and _are_names(line[match.end() :], match[0], is_edge):
        return True
    if _CREDIT_GROUP.search(line) and not _NO_NAME.search(line):
        return True
    addresses = sum(len(match[0]) for match in _URL.finditer(line))
    return addresses * 2 >= len(line.replace(" ", "")) > 0


def _are_names(text: str, label: str, is_edge: bool) -> bool:
    """Whether nothing but names and addresses follows the label of a credit; more may at the edges."""
    text = text.strip(" :：-–—|\"'“”♪")
    rest = _CREDIT.search(text.lstrip(".,"))
    parts = [part for part in _NAME_PARTS.split(_URL.sub("", text)) if _WORDED.search(part)]
    if not parts:
        return bool(_URL.search(text)) or rest is not None
    is_label = label.rstrip()[-1] in ":："
    if _NO_NAME.search(text) or (is_label and _SENTENCE_END.search(text) and not _URL.search(text)):
        return False
    has_address = bool(_URL.search(text))
    is_from = label.rstrip().lower().endswith("from")
    is_plain_label = is_label and not label.strip().lower().startswith(("sub", "sync", "字幕"))
    is_any = has_address or (is_edge and not is_plain_label)
    if all(_is_name(part, is_any=is_any) for part in parts):
        return not is_from or has_address or is_edge
    is_sentence = bool(_SENTENCE_END.search(text)) or "," in text
    return is_edge and not is_label and not is_sentence and len(text.split()) <= MAX_CREDIT_WORDS


def _is_name(text: str, is_any: bool) -> bool:
    """Whether words are a name: capitalised, a handle, a few Chinese characters; ``is_any`` word of one."""
    inner = _CREDIT.search(text)
    words = (text[inner.end() :] if inner else text).split()
    if inner and not words:
        return True
    wide = [word for word in words if ord(word[0]) >= 0x2E80]
    if wide:
        return all(len(word) <= MAX_NAME_CHARACTERS for word in words)
    if len(words) == 1 and is_any and words[0].isalnum():
        return True
    return 0 < len(words) <= MAX_NAME_WORDS and all(_NAME_WORD.match(word) for word in words)


def _without_lyrics(lines: Sequence[str], is_sung: bool, account: _Account) -> tuple[list[str], bool]:
    """Lines without what stands between notes, and whether the last note is open; ``is_sung``: at the start.

    A note at the start of a line opens; what it opens ends at the next note or with the cue.
    """
    kept: list[str] = []
    for line in lines:
        parts = _MUSIC_MARKS.split(line)
        if len(parts) == 1:
            sung = is_sung or (line.startswith("# ") and line.endswith(" #"))
            account.left_out["sung line"] += sung
            kept += [] if sung else [line]
            continue
        is_sung = is_sung and bool(_WORDED.search(parts[0]))
        said = []
        worded = max((i for i, part in enumerate(parts) if _WORDED.search(part)), default=-1)
        for i, part in enumerate(parts):
            if i:
                is_sung = not is_sung and i <= worded
            if _WORDED.search(part):
                account.left_out["sung line"] += is_sung
                said += [] if is_sung else [part]
        if worded < 0:
            account.left_out["sound tag"] += 1
        kept += [" ".join(said).strip()] if said else []
    return kept, is_sung


def _without_sounds(text: str, account: _Account) -> str:
    """Text without remarks in brackets on what else is heard; a bracket before a colon names the speaker."""
    for pattern in (_BRACKETED, _PARENTHESISED, _STARRED):
        parts, end = [], 0
        for match in pattern.finditer(text):
            inner = next(group for group in match.groups() if group is not None)
            before = text[max(0, match.start() - NEAR_CHARS) : match.start()].rpartition("\n")[2]
            after = text[match.end() : match.end() + NEAR_CHARS].partition("\n")[0]
            if (
                pattern is not _STARRED
                and after[:2].strip()[:1] in (":", "：")
                and not _WORDED.search(before)
            ):
                parts += [text[end : match.start()], f"{_NAMED}{inner.strip()}{_NAMED}"]
                end = match.end() + after.index(after.strip()[0]) + 1
            elif _is_sound(inner, pattern, before, after):
                account.left_out["sound tag"] += 1
                parts += [text[end : match.start()], " "]
                end = match.end()
        text = "".join([*parts, text[end:]])
    return re.sub(r"[^\S\n]+", " ", text)


def _is_sound(inner: str, pattern: re.Pattern[str], before: str, after: str) -> bool:
    """Whether what stands in brackets is a remark; an aside of the speaker is none."""
    words = " ".join(inner.split())
    if not _WORDED.search(words) or (pattern is _BRACKETED and words.isdigit()):
        return True
    if after[:2].strip()[:1] in (":", "：") and _is_capitals(before):  # JOHN (V.O.): what he says
        return True
    units = _units(words)
    is_sentence = units > MIN_ROLLED_UNITS and bool(re.search(r"[.!?…。！？，,]", words))
    if _ADDRESSED.search(words) and (is_sentence or pattern is _PARENTHESISED):
        return False
    is_last = not _WORDED.search(after)
    if not _WORDED.search(before) or before.rstrip().endswith((":", "：", _NAMED)):
        if is_last:  # alone in its line
            is_remark = pattern is not _STARRED or units <= MIN_ROLLED_UNITS
        else:
            goes_on = after.lstrip()[:1].islower() and (pattern is _PARENTHESISED or _is_capitals(words))
            is_remark = pattern is not _STARRED and units <= MIN_ROLLED_UNITS + 1 and not goes_on
        return (is_remark and not is_sentence) or bool(_SOUND.search(words))
    if is_last and (pattern is _BRACKETED or not words.isascii() or _SENTENCE_END.search(before)):
        is_sounding = bool(_SOUNDING.search(words)) and (pattern is _BRACKETED or _is_capitals(words))
        return is_sounding or bool(_SOUND.search(words))
    return units <= MIN_ROLLED_UNITS and bool(_SOUND.match(words))


# --- Who speaks --------------------------------------------------------------------------------------------

_CAPITAL = "A-ZÀ-ÖØ-ÞА-ЯЁ"
_CAPITAL_NAME = re.compile(rf"([{_CAPITAL}][{_CAPITAL}0-9 .'’#&/-]{{0,30}})\s*(?::(?=\s|$)|：)\s*")
_MIXED_NAME = re.compile(
    rf"([{_CAPITAL}][\w.'’-]*(?: (?:[{_CAPITAL}#0-9][\w.'’-]*|of|the|de|van|von)){{0,3}}"
    r"|[\u3040-\u30ff\u4e00-\u9fff·]{1,6})"
    r"\s*(?::(?=\s|$|[\u3040-\u9fff])|：)\s*"
)
_VOICE_NAME = re.compile(f"{_NAMED}([^{_NAMED}]*){_NAMED}\\s*")
_NO_NAMES = frozenset(
    {
        "note",
        "warning",
        "remember",
        "listen",
        "look",
        "ps",
        "ok",
        "okay",
        "yes",
        "no",
        "and",
        "but",
        "so",
        "well",
    }
    | {"question", "answer", "then", "now", "first", "second", "example", "wait", "because", "however", "why"}
    | {"what", "how", "also", "plus"}
)
_SAYING = "说說道问問是想叫喊答曰"
_DASH = re.compile(r"[-–—‐‑―−]\s+(?=\S)|[-–‐‑](?=[^\W\d])")
_INNER_DASH = re.compile(r"(?<=[.!?…。！？\"”])\s+[-–—]\s*(?=\w)")
_CHEVRONS = re.compile(r"\s*>{2,3}\s*")
_INNER_NAME = re.compile(
    rf"(?:(?<=[^\W{_CAPITAL}][.\"”])|(?<=[!?…]))\s+(?=[{_CAPITAL}][{_CAPITAL}0-9 .'’]{{1,20}}:\s)"
)


def _recurring_names(shown: Sequence[_Shown]) -> frozenset[str]:
    """Names not in capitals that stand before colons often enough to be the speakers'."""
    names: Counter[str] = Counter()
    for cue in shown:
        for line in cue.lines:
            match = _MIXED_NAME.match(
                _DASH.sub("", line, count=1) if _DASH.match(line) else line.lstrip("> ")
            )
            if match and match[1].lower() not in _NO_NAMES and match[1][-1] not in _SAYING:
                names[match[1]] += 1
    if len(names) > 1 and 2 * names.total() >= len(shown):
        return frozenset(names)
    return frozenset(name for name, count in names.items() if count > 1)


def _named(line: str, names: frozenset[str]) -> tuple[str | None, str]:
    """The speaker's name before a line, and the rest of the line."""
    if match := _VOICE_NAME.match(line):
        return match[1].strip() or None, line[match.end() :].lstrip(": ：")
    match = _CAPITAL_NAME.match(line)
    # Where all is in capitals, a heading looks like a name.
    longest = 2 if match and _is_capitals(line) else 3
    is_name = match is not None and len(match[1].split()) <= longest and match[1].lower() not in _NO_NAMES
    if not is_name:
        match = _MIXED_NAME.match(line)
        is_name = match is not None and match[1] in names
    return (match[1].strip(), line[match.end() :]) if match and is_name else (None, line)


def _turns(text: str, speaker: str | None, names: frozenset[str]) -> list[tuple[str | None, str]]:
    """Who says what in a cue, in order: a dash, ``>>`` or a name begins what another speaker says."""
    text = _INNER_NAME.sub("\n", _CHEVRONS.sub("\n>> ", text))
    if _DASH.match(text):
        text = _INNER_DASH.sub("\n- ", text)
    lines = [line for line in map(str.strip, text.split("\n")) if line]
    turns: list[tuple[str | None, list[str]]] = []
    for line in lines:
        rest, is_new = line, not turns
        if line.startswith(">>"):
            rest, is_new = line[2:].strip(), True
        elif dash := _DASH.match(line):
            rest, is_new = line[dash.end() :], True
        name, rest = _named(rest, names)
        if is_new or name is not None:
            turns.append((name if name is not None else speaker, [rest]))
        else:
            turns[-1][1].append(rest)
    said = ((name, " ".join(" ".join(parts).replace(_NAMED, " ").split())) for name, parts in turns)
    return [(name, words) for name, words in said if words]


def _utterances(shown: Sequence[_Shown], account: _Account) -> list[SpokenLine]:
    """What is said in each cue, its time divided among its speakers by the length of what they say."""
    return [
        line
        for cue, turns in zip(shown, _turns_by_cue(shown, account), strict=True)
        for line in _in_turn(Span(cue.start_us, cue.end_us), turns)
    ]


def _turns_by_cue(shown: Sequence[_Shown], account: _Account) -> list[list[tuple[str | None, str]]]:
    """Who says what in each cue, after everything that is not said was left out and counted."""
    names = _recurring_names(shown)
    by_cue: list[list[tuple[str | None, str]]] = []
    open_until_us = -1
    for cue in shown:
        closes = len(_MUSIC_MARKS.findall("\n".join(cue.lines))) % 2 == 1  # else its notes are pairs
        kept, is_open = _without_lyrics(
            _without_credits(cue, account), closes and cue.start_us <= open_until_us, account
        )
        open_until_us = cue.end_us + MAX_LYRICS_GAP_US if is_open else -1
        text = "\n".join(kept)
        left = _without_sounds(text, account)
        is_whole = left == text and len(kept) == len(cue.lines)
        by_cue.append(
            [
                (name, words)
                for name, words in _turns(left, cue.speaker, names)
                if is_whole or any(map(str.isalnum, words))
            ]
        )
    return by_cue


def _in_turn(span: Span, turns: Sequence[tuple[str | None, str]]) -> list[SpokenLine]:
    """Turns one after the other over a span, each as long as its text."""
    sizes = [len(words.replace(" ", "")) for _, words in turns]
    total, before, lines = sum(sizes), 0, []
    for (name, words), size in zip(turns, sizes, strict=True):
        start_us = span.start_us + span.duration_us * before // total
        before += size
        lines.append(
            SpokenLine(Span(start_us, span.start_us + span.duration_us * before // total), words, name)
        )
    return lines


# --- One at a time -----------------------------------------------------------------------------------------


def _disjoint(lines: Sequence[SpokenLine], account: _Account) -> list[SpokenLine]:
    """Lines in order, none overlapping: the one that began last is heard, the one before goes on after it.

    Lines that begin and end together are said together, or in turn where their speakers are named.
    """
    ordered = sorted(_merged(lines, account), key=lambda line: (line.span.start_us, -line.span.end_us))
    parts: list[tuple[int, int, int]] = []  # start, end, index
    active: list[int] = []
    now = 0
    for i, until in [*enumerate(line.span.start_us for line in ordered), (-1, _end_of(ordered))]:
        while active and now < until:
            end = min(ordered[active[-1]].span.end_us, until)
            if end > now:
                parts.append((now, end, active[-1]))
                now = end
            if ordered[active[-1]].span.end_us <= now:
                active.pop()
        now = max(now, until)
        active.append(i)
    return [
        replace(ordered[i], span=Span(start, end)) for start, end, i in _without_slivers(parts) if end > start
    ]


def _end_of(lines: Sequence[SpokenLine]) -> int:
    return max((line.span.end_us for line in lines), default=0)


def _without_slivers(parts: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Parts of lines, those too short to be one given to their neighbour; every line keeps its longest."""
    longest: dict[int, int] = {}
    for start, end, index in parts:
        longest[index] = max(longest.get(index, 0), end - start)
    kept: list[tuple[int, int, int]] = []
    pending_us: int | None = None  # where a part began that the next one takes over
    for start, end, index in parts:
        if end - start >= min(MIN_PART_US, longest[index]):
            kept.append((start if pending_us is None else pending_us, end, index))
            pending_us = None
        elif kept and kept[-1][1] == start:
            kept[-1] = (kept[-1][0], end, kept[-1][2])
        else:
            pending_us = start if pending_us is None else pending_us
    return kept


def _merged(lines: Sequence[SpokenLine], account: _Account) -> list[SpokenLine]:
    """Lines that begin together and last about as long as one line, or in turn where two names differ."""
    kept: list[SpokenLine] = []
    for line in sorted(lines, key=lambda one: one.span):
        before = kept[-1] if kept else None
        if before is None or not _are_together(before.span, line.span):
            kept.append(line)
            continue
        span = Span(before.span.start_us, max(before.span.end_us, line.span.end_us))
        if before.speaker == line.speaker:
            is_same = before.text == line.text
            account.left_out[_REPEATED] += is_same
            text = before.text if is_same else f"{before.text} {line.text}"
            kept[-1] = SpokenLine(span, text, line.speaker)
        else:
            kept[-1:] = _in_turn(span, [(before.speaker, before.text), (line.speaker, line.text)])
    return kept


def _are_together(one: Span, other: Span) -> bool:
    shorter, longer = sorted((one.duration_us, other.duration_us))
    return abs(one.start_us - other.start_us) <= FRAME_US and 2 * shorter >= longer
