"""The words as a track of the film that players show on demand: WebVTT, which ffmpeg turns into mov_text."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from pipeline.types import Transcript
from pipeline.writers.facts import one_line
from pipeline.writers.film.ass import WIDENED
from pipeline.writers.film.direction import directed, right_to_left
from pipeline.writers.film.subtitles import Spoken, marked
from pipeline.writers.web_vtt import escaped, timestamp

# ISO 639-2/T, which is what an .mp4 names languages by, for ISO 639-1.
LANGUAGES = (
    "ar:ara bg:bul bn:ben ca:cat cs:ces da:dan de:deu el:ell en:eng es:spa et:est fa:fas fi:fin fr:fra "
    "gu:guj he:heb hi:hin hr:hrv hu:hun id:ind is:isl it:ita ja:jpn kk:kaz kn:kan ko:kor lt:lit lv:lav "
    "ml:mal mr:mar ms:msa nb:nob ne:nep nl:nld nn:nno no:nor pa:pan pl:pol pt:por ro:ron ru:rus sk:slk "
    "sl:slv sq:sqi sr:srp sv:swe sw:swa ta:tam te:tel th:tha tl:tgl tr:tur uk:ukr ur:urd vi:vie yue:yue "
    "zh:zho"
)
UNDETERMINED = "und"
TRACK_ENABLED = 1


def language(transcript: Transcript) -> str:
    """Three-letter code of the transcript's language."""
    known = dict(pair.split(":") for pair in LANGUAGES.split())
    return known.get((transcript.language or "").lower().split("-")[0], UNDETERMINED)


def web_vtt(spoken: Sequence[Spoken]) -> str:
    """Cues that do not overlap, since a track of an .mp4 holds one text at a time: what is said at once
    stands in as many lines. Empty when there are no words.
    """
    cues = [f"{timestamp(start)} --> {timestamp(end)}\n{text}\n" for start, end, text in _apart(spoken)]
    return "\n".join(["WEBVTT\n", *cues]) if cues else ""


def hide_words(film: Path) -> None:
    """Mark the first track of words in a finished .mp4 as not shown unless asked for.

    ffmpeg's muxer enables the first track of each kind whatever its disposition, and players then show it.
    The flag stands in the track's header (ISO/IEC 14496-12, 8.3.2).
    """
    with film.open("r+b") as stream:
        (moov,) = (box for box in _boxes(stream, 0, film.stat().st_size) if box[0] == b"moov")
        for track in (box for box in _boxes(stream, *moov[1:]) if box[0] == b"trak"):
            inside = {name: (start, end) for name, start, end in _boxes(stream, *track[1:])}
            handler = next(start for name, start, _ in _boxes(stream, *inside[b"mdia"]) if name == b"hdlr")
            stream.seek(handler + 8)
            if stream.read(4) == b"sbtl":
                flags = inside[b"tkhd"][0] + 3
                stream.seek(flags)
                (before,) = stream.read(1)
                stream.seek(flags)
                stream.write(bytes([before & ~TRACK_ENABLED]))
                return


def _boxes(stream: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, first byte of the content and end of each box in a stretch of the file."""
    while start + 8 <= end:
        stream.seek(start)
        size, name = int.from_bytes(stream.read(4), "big"), stream.read(4)
        header = 16 if size == 1 else 8
        size = int.from_bytes(stream.read(8), "big") if size == 1 else size or end - start
        yield name, start + header, start + size
        start += max(size, header)


def _apart(spoken: Sequence[Spoken]) -> Iterator[tuple[int, int, str]]:
    """Start and end in whole milliseconds, and the text."""
    said = [(_ms(one.span.start_us), _ms(one.span.end_us), one) for one in spoken if one_line(one.text)]
    edges = sorted({edge for start, end, _ in said for edge in (start, end)})
    coming = sorted(said, key=lambda one: one[0], reverse=True)
    present: list[tuple[int, int, Spoken]] = []
    for start, end in pairwise(edges):
        while coming and coming[-1][0] <= start:
            present.append(coming.pop())
        present = [one for one in present if one[1] > start]
        if present:
            yield start, end, "\n".join(_line(one) for _, _, one in present)


def _line(one: Spoken) -> str:
    text = one_line(one.text)
    # ffmpeg's decoder leaves traces of its own escapes for braces and backslashes in the track.
    return escaped(directed(marked(one.key) + text, right_to_left(text))).translate(WIDENED)


def _ms(time_us: int) -> int:
    return round(max(0, time_us) / 1000)
