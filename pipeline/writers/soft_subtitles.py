"""The words as a track of the film that players show on demand: WebVTT, which ffmpeg turns into mov_text."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from pipeline.types import Transcript
from pipeline.writers.facts import one_line
from pipeline.writers.subtitles import Spoken, marked

# ISO 639-2/T, which is what an .mp4 names languages by, for ISO 639-1.
LANGUAGES = (
    "ar:ara bg:bul bn:ben ca:cat cs:ces da:dan de:deu el:ell en:eng es:spa et:est fa:fas fi:fin fr:fra "
    "gu:guj he:heb hi:hin hr:hrv hu:hun id:ind is:isl it:ita ja:jpn kk:kaz kn:kan ko:kor lt:lit lv:lav "
    "ml:mal mr:mar ms:msa nb:nob ne:nep nl:nld nn:nno no:nor pa:pan pl:pol pt:por ro:ron ru:rus sk:slk "
    "sl:slv sq:sqi sr:srp sv:swe sw:swa ta:tam te:tel th:tha tl:tgl tr:tur uk:ukr ur:urd vi:vie yue:yue "
    "zh:zho"
)
UNDETERMINED = "und"


def language(transcript: Transcript) -> str:
    """Three-letter code of the transcript's language."""
    known = dict(pair.split(":") for pair in LANGUAGES.split())
    return known.get((transcript.language or "").lower().split("-")[0], UNDETERMINED)


def web_vtt(spoken: Sequence[Spoken]) -> str:
    """Cues that do not overlap, since a track of an .mp4 holds one text at a time: what is said at once
    stands in as many lines. Empty when there are no words.
    """
    cues = [f"{_time(start)} --> {_time(end)}\n{text}\n" for start, end, text in _apart(spoken)]
    return "\n".join(["WEBVTT\n", *cues]) if cues else ""


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
            yield start, end, "\n".join(_escaped(marked(o.key) + one_line(o.text)) for _, _, o in present)


def _ms(time_us: int) -> int:
    return round(max(0, time_us) / 1000)


def _time(ms: int) -> str:
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
