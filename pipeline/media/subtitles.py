"""Subtitles, in a file or in a container, as cues with their mark-up; ``media.cues`` makes speech of them."""

import csv
import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pysubs2

from pipeline.media.container import MediaError, clock_zero_us, open_media
from pipeline.media.cues import Cue
from pipeline.media.encode import EncodeError, media_input, read_ffmpeg
from pipeline.media.text_encoding import REPLACEMENT, decode
from pipeline.spreadsheet import unguarded
from pipeline.types import US_PER_S

SUFFIXES = (".srt", ".vtt", ".ass", ".ssa")
US_PER_MS = 1_000
# Containers' codecs that ffmpeg can hand over as they are, styles and voices included; others become .srt.
COPIED = {"ass": "ass", "ssa": "ass", "webvtt": "webvtt"}

_TIME = r"(-?)(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})(?:[.,:](\d{1,3})\d*)?"
# Between the times stands an arrow; after them come a web caption's settings, or an old .srt's coordinates.
_TIMES = re.compile(rf"\s*{_TIME}\s*(?:-{{1,3}}\s?>|[–—]\s?>|→)\s*{_TIME}(?![\d:])(.*)", re.DOTALL)
_ONE_TIME = re.compile(_TIME)
_LIKE_TIMES = re.compile(r"\s*[\d:.,;\s-]*\d\s*:[\w:.,;\s-]*-->|\s*-->")
_SETTING = re.compile(r"\b(?:line|position|align|size|vertical|region|[XY][12]):\S*")
_NUMBER = re.compile(r"\s*\d+\s*")
_ASIDE = re.compile(r"(NOTE|STYLE|REGION)\b")
_WEB = "WEBVTT"
_SUBSTATION = re.compile(r"^\s*(\[Script Info\]|\[V4\+? Styles\]|Dialogue:)", re.MULTILINE)
_EVENT_KINDS = frozenset({"Format", "Comment", "Picture", "Sound", "Movie", "Command"})
_EVENT_FIELDS = ("layer", "start", "end", "style", "name", "marginl", "marginr", "marginv", "effect", "text")
_NO_ACTORS = frozenset({"", "default", "ntp", "none", "unknown"})
# Tables: the columns that make one a transcript, and what programs put between cells.
_TABLE_START, _TABLE_END, _TABLE_TEXT, _TABLE_SPEAKER = "start_time", "end_time", "content", "speaker"
_SEPARATORS = (",", ";", "\t", "|")
_CELL_TIME = re.compile(r"(?:(?:(\d{1,4}):)?(\d{1,4}):)?(\d+)(?:[.,](\d*))?")
_VOICE_TAG = re.compile(r"<v(?:\.[^\s.<>]+)*\s+([^<>\n]+)>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Subtitles:
    """The cues of a file or stream in its order, its short name, and how much of it was unreadable."""

    cues: tuple[Cue, ...]
    name: str
    unreadable: int = 0  # characters
    damaged: int = 0  # lines that hold no cue though they stand among cues


class _DamagedLineError(ValueError):
    """What is wrong with one line of a file, counted from 1."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(f"line {line} {what}")


def read_subtitles(path: Path) -> Subtitles:
    """Cues of a .srt, .vtt, .ass or .ssa file, or of a transcript as .csv, see :func:`parse_subtitles`.

    Raises:
        MediaError: the file cannot be read, or holds no subtitles.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MediaError(f"The subtitle file {path} cannot be read ({error.strerror}).") from None
    parsed = parse_subtitles(data, str(path))
    return replace(parsed, name=path.name)


def parse_whole(data: bytes, name: str) -> tuple[tuple[Cue, ...], bool]:
    """Cues of a transcript as .srt, .vtt or .csv of which no line is lost, and whether it names speakers.

    Where :func:`parse_subtitles` takes what it can get, this refuses: for a file that a person has just saved
    and can mend. Cues without text are left out. ``Cue.speaker`` is named by a .csv that has the column, and
    by a .vtt in which at least one cue has a voice tag; such a tag is not in ``Cue.text``.

    Raises:
        MediaError: names the line that cannot be read, or says that there is none.
    """
    decoded = decode(data)
    if decoded is None:
        raise MediaError(f"The text encoding of {name} is not known; save it as UTF-8.")
    text = _normalised(decoded.text)
    try:
        if decoded.unreadable:
            line = text[: text.index(REPLACEMENT)].count("\n") + 1 if REPLACEMENT in text else 1
            raise _DamagedLineError(line, "holds characters that cannot be read; save it as UTF-8")
        if (separator := _separator_of(text)) is not None:
            cues, names_speakers = tuple(_table_cues(text, separator)), _has_speakers(text, separator)
        else:
            cues = tuple(_whole_blocks(text))
            names_speakers = any(cue.speaker for cue in cues)
    except _DamagedLineError as error:
        raise MediaError(f"{name} cannot be read: {error}.") from None
    cues = tuple(cue for cue in cues if cue.text.strip())
    if not cues:
        raise MediaError(f"{name} cannot be read: there is no line with times and words in it.")
    return cues, names_speakers


def extract_stream(path: Path, index: int, codec: str = "") -> Subtitles:
    """Cues of the text subtitle stream ``index`` of a container, on the media clock.

    ``codec``, as the container names it, spares styles and voices where it is known.

    Raises:
        MediaError: the stream cannot be read as text.
    """
    name = f"subtitle stream {index}"
    with open_media(path) as container:
        zero_us = clock_zero_us(container)
    copied = COPIED.get(codec)
    written = {"format": copied, "scodec": "copy"} if copied else {"format": "srt", "scodec": "srt"}
    stream = media_input(path, zero_us)[str(index)].output("pipe:1", **written)
    try:
        data = b"".join(read_ffmpeg(stream))
    except EncodeError as error:
        raise MediaError(f"The {name} of {path} cannot be read as text ({error}).") from None
    return parse_subtitles(data, f"the {name}") if data.strip() else Subtitles((), f"the {name}")


def parse_subtitles(data: bytes, name: str) -> Subtitles:
    """Subtitle bytes to cues, in the order of the file and as they stand in it.

    A cue whose end cannot be read ends where it starts, one whose start cannot be read starts where the one
    before ends. Own code for .srt, .vtt and .ass: pysubs2, which reads the rest, refuses a file for one
    damaged line, takes all between < and > for mark-up, and knows no times without a fraction.

    Raises:
        MediaError: neither format nor encoding is known; ``name`` stands in the message.
    """
    decoded = decode(data)
    if decoded is None:
        raise MediaError(f"The text encoding of {name} is not known; save it as UTF-8.")
    text = _normalised(decoded.text)
    if (separator := _separator_of(text)) is not None:
        return _table_subtitles(text, separator, name, decoded.unreadable)
    is_web = text.lstrip().startswith(_WEB)
    cues: tuple[Cue, ...] | None
    damaged = 0
    if _SUBSTATION.search(text):
        cues, damaged = _substation_cues(text)
    else:
        cues = _timed_blocks(text, is_web) or (() if is_web else _other_cues(text))
    if cues is None:
        raise MediaError(f"{name} is not a subtitle file that can be read; give an .srt, .vtt, .ass or .csv.")
    unreadable = sum(cue.text.count(REPLACEMENT) for cue in cues)
    if unreadable and unreadable > sum(map(str.isalpha, "".join(cue.text for cue in cues))):
        raise MediaError(f"The text encoding of {name} is not known; save it as UTF-8.")
    return Subtitles(cues, name, decoded.unreadable, damaged)


def _normalised(text: str) -> str:
    """Text with line feeds alone between its lines, and no byte order marks."""
    return re.sub(r"\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", "\n", text.replace("\ufeff", ""))


def _separator_of(text: str) -> str | None:
    """What stands between the cells of a table with the columns of a transcript; None for other text."""
    head = text.lstrip().partition("\n")[0]
    needed = {_TABLE_START, _TABLE_END, _TABLE_TEXT}
    return next((one for one in _SEPARATORS if needed <= set(_columns(head, one))), None)


def _columns(head: str, separator: str) -> list[str]:
    return [name.strip().lower() for name in next(csv.reader([head], delimiter=separator), [])]


def _has_speakers(text: str, separator: str) -> bool:
    return _TABLE_SPEAKER in _columns(text.lstrip().partition("\n")[0], separator)


def _table_subtitles(text: str, separator: str, name: str, unreadable: int) -> Subtitles:
    """A table for whoever takes what can be read: rows without times are counted."""
    rows = list(_table_rows(text, separator, is_strict=False))
    cues = tuple(row for row in rows if isinstance(row, Cue) and row.text)
    damaged = sum(isinstance(row, _DamagedLineError) for row in rows)
    return Subtitles(cues, name, unreadable, damaged)


def _table_cues(text: str, separator: str) -> Iterator[Cue]:
    for row in _table_rows(text, separator, is_strict=True):
        if isinstance(row, _DamagedLineError):
            raise row
        yield row


def _table_rows(text: str, separator: str, is_strict: bool) -> Iterator[Cue | _DamagedLineError]:
    """A cue per row, or what is wrong with it; empty rows are passed over."""
    body = text.lstrip()
    before = text[: len(text) - len(body)].count("\n")
    reader = csv.reader(body.splitlines(keepends=True), delimiter=separator, strict=is_strict)
    columns = [name.strip().lower() for name in next(reader, [])]
    while True:
        line = before + reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error:
            yield _DamagedLineError(line, 'has a quotation mark (") that is not closed, or one too many')
            return
        if cells is None:
            return
        if len(cells) == 1 and separator in cells[0]:  # Excel, where its separator is another
            cells = next(csv.reader(cells, delimiter=separator), [])
        row = dict(zip(columns, (cell.strip() for cell in cells), strict=False))
        if any(row.values()):
            yield _table_cue(row, line)


def _table_cue(row: dict[str, str], line: int) -> Cue | _DamagedLineError:
    """``line`` is the row's first line in its file."""
    start, end = row.get(_TABLE_START, ""), row.get(_TABLE_END, "")
    start_us, end_us = _cell_time_us(start), _cell_time_us(end)
    words = " ".join(unguarded(row.get(_TABLE_TEXT, "")).split())
    if start_us is None or end_us is None:
        bad = start if start_us is None else end
        return _DamagedLineError(line, f"has the time {bad!r}" if bad else "has no times")
    if end_us < start_us:
        return _DamagedLineError(line, f"ends before it starts ({start} to {end})")
    return Cue(start_us, end_us, words, speaker=unguarded(row.get(_TABLE_SPEAKER, "")) or None)


def _cell_time_us(cell: str) -> int | None:
    """Seconds, or a time code; with a decimal point or comma."""
    match = _CELL_TIME.fullmatch(cell)
    if match is None:
        return None
    hours, minutes, seconds, fraction = match.groups()
    whole = (int(hours or 0) * 60 + int(minutes or 0)) * 60 + int(seconds)
    return whole * US_PER_S + int((fraction or "0").ljust(6, "0")[:6])


def _whole_blocks(text: str) -> Iterator[Cue]:
    """Cues of .srt and .vtt: a number or name, times, lines of text, and a blank line after each.

    Raises:
        _DamagedLineError: a line that is neither, times that cannot be read or run backwards.
    """
    lines = text.split("\n")
    is_web = text.lstrip().startswith(_WEB)
    is_aside = is_web  # until the next blank line
    times: tuple[int, int] | None = None
    block: list[str] = []
    for number, line in enumerate(lines, start=1):
        stated = _whole_times(line, number, times is not None)
        if stated is not None:
            if times is not None:
                yield _whole_cue(
                    times, block[:-1] if block and _NUMBER.fullmatch(block[-1]) else block, is_web
                )
            times, block, is_aside = stated, [], False
        elif not line.strip():
            if times is not None:
                yield _whole_cue(times, block, is_web)
            times, block, is_aside = None, [], False
        elif times is not None:
            block.append(line)
        elif is_aside or (is_web and _ASIDE.match(line)):
            is_aside = True
        elif not _NUMBER.fullmatch(line) and not (number < len(lines) and "-->" in lines[number]):
            raise _DamagedLineError(number, f"stands below no times ({line.strip()[:60]})")
    if times is not None:
        yield _whole_cue(times, block, is_web)


def _whole_times(line: str, number: int, in_cue: bool) -> tuple[int, int] | None:
    """Start and end that a line states; None for another line, an arrow within words (``in_cue``) too."""
    if "-->" not in line:
        return None
    match = _TIMES.fullmatch(line)
    if match is None or (match[11] and not match[11][0].isspace()):
        if in_cue and not _LIKE_TIMES.match(line):
            return None
        raise _DamagedLineError(number, f"has times that cannot be read ({line.strip()[:60]})")
    groups = match.groups()
    start_us, end_us = _time_us(groups[:5]), _time_us(groups[5:10])
    if end_us < start_us:
        raise _DamagedLineError(number, f"ends before it starts ({line.strip()})")
    return start_us, end_us


def _whole_cue(times: tuple[int, int], block: Sequence[str], is_web: bool) -> Cue:
    text = "\n".join(block)
    voice = _VOICE_TAG.search(text) if is_web else None
    speaker = html.unescape(voice[1]).strip() if voice else None
    return Cue(*times, _VOICE_TAG.sub("", text) if is_web else text, speaker=speaker or None)


def _timed_blocks(text: str, is_web: bool) -> tuple[Cue, ...]:
    """Cues of .srt and .vtt: a line of times, and the text up to the next one."""
    cues: list[Cue] = []
    times: tuple[int, int] | None = None
    block: list[str] = []
    for line in text.split("\n"):
        if "-->" in line or ">" in line or "→" in line:
            match = _times_of(line, times[1] if times else 0)
            if match is not None:
                if times is not None:
                    cues.append(Cue(*times, _text_of(block, is_web, follows=True)))
                times, block = match, _text_in_times(line)
                continue
        block.append(line)
    if times is not None:
        cues.append(Cue(*times, _text_of(block, is_web, follows=False)))
    return tuple(cues)


def _times_of(line: str, before_us: int) -> tuple[int, int] | None:
    """Start and end that a line states; None for another line. ``before_us``: where the cue before ends."""
    if (match := _TIMES.fullmatch(line)) is not None:
        groups = match.groups()
        return _time_us(groups[:5]), _time_us(groups[5:10])
    start, arrow, end = line.partition("-->")
    return _start_and_end(start, end, before_us) if arrow and _ONE_TIME.search(line) else None


def _text_in_times(line: str) -> list[str]:
    """The words that damage moved into a line of times; none in a line that is whole."""
    if _TIMES.fullmatch(line) is not None:
        return []
    rest = " ".join(_SETTING.sub(" ", _ONE_TIME.sub(" ", line.replace("-->", " "))).split())
    return [rest] if re.search(r"[^\W\d_]{3}|[\u2e80-\ufaff]", rest) else []


def _start_and_end(start: str, end: str, before_us: int) -> tuple[int, int]:
    """Two times in microseconds, of which either may be damaged."""
    first, second = _ONE_TIME.search(start), _ONE_TIME.search(end)
    start_us = _time_us(first.groups()) if first else before_us
    return start_us, _time_us(second.groups()) if second else start_us


def _text_of(block: list[str], is_web: bool, follows: bool) -> str:
    """The text of a cue out of the lines after its times; its successor's number or name is none of it."""
    lines = list(block)
    if follows and lines and (_NUMBER.fullmatch(lines[-1]) or (is_web and _is_name(lines))):
        lines.pop()
    if is_web:
        lines = _without_asides(lines)
    return "\n".join(lines).strip("\n")


def _is_name(lines: list[str]) -> bool:
    """Whether the last line, after a blank one, is the next cue's name."""
    return len(lines) > 1 and bool(lines[-1].strip()) and not lines[-2]


def _without_asides(lines: list[str]) -> list[str]:
    """Without the notes and styles between web captions, each from a blank line to the next."""
    kept: list[str] = []
    aside = False
    for before, line in zip(["-", *lines], lines, strict=False):
        aside = bool(line) and (aside or (not before and bool(_ASIDE.match(line))))
        if not aside:
            kept.append(line)
    return kept


def _time_us(groups: tuple[str | None, ...]) -> int:
    sign, hours, minutes, seconds, fraction = groups
    whole = (int(hours or 0) * 60 + int(minutes or 0)) * 60 + int(seconds or 0)
    return 0 if sign else whole * US_PER_S + int((fraction or "0").ljust(6, "0"))


def _substation_cues(text: str) -> tuple[tuple[Cue, ...], int]:
    """Cues of .ass and .ssa, comments left out, and how many lines among them are none of the format's."""
    fields: Sequence[str] = _EVENT_FIELDS
    in_events = False
    damaged = 0
    cues: list[Cue] = []
    for line in text.split("\n"):
        if line.lstrip().startswith("["):
            in_events = line.strip().lower() == "[events]"
        kind, _, rest = line.strip().partition(":")
        if kind == "Format" and in_events:
            stated = tuple(part.strip().lower() for part in rest.split(","))
            is_whole = {"start", "end"} < set(stated) and stated[-1] == "text"
            fields = stated if is_whole and len(set(stated)) == len(stated) <= len(fields) else fields
        if kind != "Dialogue":
            damaged += (
                in_events and bool(rest) and kind not in _EVENT_KINDS and not kind.startswith((";", "["))
            )
            continue
        parts = rest.split(",", len(fields) - 1)
        damaged += len(parts) < len(fields)
        values = dict(zip(fields, parts, strict=False))
        before_us = cues[-1].end_us if cues else 0
        start_us, end_us = _start_and_end(values.get("start", ""), values.get("end", ""), before_us)
        cues.append(_event(start_us, end_us, values))
    return tuple(cues), damaged


def _event(start_us: int, end_us: int, values: dict[str, str]) -> Cue:
    speaker = values.get("name", values.get("actor", "")).strip()
    return Cue(
        start_us,
        end_us,
        # What stands in braces without a backslash is a remark of the typesetter.
        re.sub(r"\{[^}\\]*\}", "", re.sub(r"\\[Nn]", "\n", values.get("text", "")).replace("\\h", " ")),
        style=values.get("style", "").strip(),
        effect=values.get("effect", "").strip(),
        speaker=None if speaker.lower() in _NO_ACTORS else speaker,
    )


def _other_cues(text: str) -> tuple[Cue, ...] | None:
    """Cues of what pysubs2 knows besides (TTML, MPL2, …); None when it is none of them."""
    try:
        events = pysubs2.SSAFile.from_string(text).events
    except (
        pysubs2.exceptions.Pysubs2Error,
        ValueError,
        LookupError,
        TypeError,
        ArithmeticError,
        SyntaxError,
    ):
        return None
    return tuple(
        Cue(max(0, e.start) * US_PER_MS, max(0, e.end) * US_PER_MS, e.plaintext)
        for e in events
        if not e.is_comment
    )
