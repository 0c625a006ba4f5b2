"""Subtitles, in a file or in a container, as lines of plain text on the media clock."""

import codecs
import html
import re
from collections.abc import Iterable
from pathlib import Path

import pysubs2

from pipeline.media.container import MediaError, clock_zero_us, open_media
from pipeline.media.encode import EncodeError, media_input, read_ffmpeg
from pipeline.types import Span

Line = tuple[Span, str]

SUFFIXES = (".srt", ".vtt", ".ass")
US_PER_MS = 1_000
_LANGUAGE_SUFFIX = re.compile(r"\.[a-z]{2,3}([-_][a-z0-9]{2,8})*", re.IGNORECASE)
_MARKUP = re.compile(r"</?[a-zA-Z0-9][^>\n]*>|\{\\[^}]*\}")
# Lead bytes of the commonly used characters: GB 2312 level 1, Big5 level 1 (with punctuation and symbols).
_COMMON_GB = (range(0xA1, 0xA4), range(0xB0, 0xD8))
_COMMON_BIG5 = (range(0xA1, 0xA4), range(0xA4, 0xC7))
# Chinese text is mostly common characters; the same bytes read in the wrong encoding are not.
MIN_COMMON_SHARE = 0.6


def find_beside(video: Path) -> Path | None:
    """The subtitle file that belongs to a video: same name, or the name and a language (``talk.zh.srt``).

    The exact name wins, then .srt over .vtt over .ass, then the alphabet.
    """
    candidates = []
    for path in sorted(video.parent.iterdir()):
        suffix = path.suffix.lower()
        if suffix not in SUFFIXES or not path.stem.startswith(video.stem) or not path.is_file():
            continue
        extra = path.stem[len(video.stem) :]
        if not extra or _LANGUAGE_SUFFIX.fullmatch(extra):
            candidates.append((bool(extra), SUFFIXES.index(suffix), path.name, path))
    return min(candidates)[3] if candidates else None


def read_subtitles(path: Path) -> tuple[Line, ...]:
    """Lines of a .srt, .vtt or .ass file, see :func:`parse_subtitles`.

    Raises:
        MediaError: the file cannot be read, or holds no subtitles.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MediaError(f"The subtitle file {path} cannot be read ({error.strerror}).") from None
    return parse_subtitles(data, str(path))


def extract_stream(path: Path, index: int) -> tuple[Line, ...]:
    """Lines of the text subtitle stream ``index`` of a container, on the media clock.

    Raises:
        MediaError: the stream cannot be read as text.
    """
    name = f"subtitle stream {index} of {path}"
    with open_media(path) as container:
        zero_us = clock_zero_us(container)
    stream = media_input(path, zero_us)[str(index)].output("pipe:1", format="srt", scodec="srt")
    try:
        data = b"".join(read_ffmpeg(stream))
    except EncodeError as error:
        raise MediaError(f"The {name} cannot be read as text ({error}).") from None
    return parse_subtitles(data, f"the {name}") if data.strip() else ()


def parse_subtitles(data: bytes, name: str) -> tuple[Line, ...]:
    """Subtitle bytes to lines in order, none overlapping: mark-up gone, a line break is a space.

    Where cues overlap, the earlier one ends when the later one starts; cues that start together are joined.
    Empty cues and cues that last no time are left out.

    Raises:
        MediaError: neither format nor encoding is known; ``name`` stands in the message.
    """
    text = decode_text(data)
    if text is None:
        raise MediaError(f"The text encoding of {name} is not known; save it as UTF-8.")
    try:
        events = pysubs2.SSAFile.from_string(text).events
    except (pysubs2.exceptions.Pysubs2Error, ValueError, IndexError, KeyError):
        raise MediaError(
            f"{name} is not a subtitle file that can be read; give an .srt, .vtt or .ass."
        ) from None
    return disjoint(
        (Span(max(0, event.start) * US_PER_MS, event.end * US_PER_MS), plain_text(event.plaintext))
        for event in events
        if not event.is_comment and not event.is_drawing and event.end > max(0, event.start)
    )


def plain_text(marked_up: str) -> str:
    """One line of text without tags and character references."""
    return " ".join(html.unescape(_MARKUP.sub("", marked_up)).replace("\\h", " ").split())


def disjoint(cues: Iterable[Line]) -> tuple[Line, ...]:
    """Cues with text, in order, each ending by the start of the next; those starting together become one."""
    lines: list[Line] = []
    for span, text in sorted((cue for cue in cues if cue[1]), key=lambda cue: cue[0].start_us):
        if not lines or lines[-1][0].end_us <= span.start_us:
            lines.append((span, text))
            continue
        before, said = lines.pop()
        if before.start_us < span.start_us:
            lines += [(Span(before.start_us, span.start_us), said), (span, text)]
        else:
            joined = said if text == said else f"{said} {text}"
            lines.append((Span(span.start_us, max(before.end_us, span.end_us)), joined))
    return tuple(lines)


def decode_text(data: bytes) -> str | None:
    """Text in UTF-8, UTF-16 (byte order mark or not), GB 18030 or Big5; None when it is none of them."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if data.startswith(mark):
            return _strictly(data, encoding)
    if b"\0" in data:
        # Digits and arrows of a time line are ASCII: in UTF-16 every other byte of them is zero.
        return _strictly(data, "utf-16-le" if data[1::2].count(0) >= data[::2].count(0) else "utf-16-be")
    if (text := _strictly(data, "utf-8")) is not None:
        return text
    shares = {
        "gb18030": common_share(data, _COMMON_GB, 0xA1),
        "big5hkscs": common_share(data, _COMMON_BIG5, 0x40),
    }
    for encoding in sorted(shares, key=lambda name: -shares[name]):
        if shares[encoding] >= MIN_COMMON_SHARE and (text := _strictly(data, encoding)) is not None:
            return text
    return None


def common_share(data: bytes, leads: tuple[range, ...], least_trail: int) -> float:
    """Share of the two-byte characters in ``data`` that are common in an encoding."""
    pairs = [(match[0][0], match[0][1]) for match in re.finditer(rb"[\x81-\xfe][\x40-\xfe]", data)]
    common = sum(any(lead in block for block in leads) and trail >= least_trail for lead, trail in pairs)
    return common / len(pairs) if pairs else 0.0


def _strictly(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None
