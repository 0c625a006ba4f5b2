"""A transcript that a person corrected: which lines stayed, which are theirs, and what is known of each.

Lines are recognised by their words and times. One that stayed keeps the times of its words and its
confidence; one that was written anew has neither, as a line of a subtitle file: nobody measured them.
"""

import hashlib
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import TypeAdapter

from pipeline.media.cues import MAX_MENDED_US, Cue, count_of, plain_text
from pipeline.media.language import line_language
from pipeline.overlap import Overlaps
from pipeline.run_record import CorrectedByHand
from pipeline.spreadsheet import unguarded
from pipeline.types import ModelCard, Span, Status, Transcript, Utterance

WRITTEN = "file"  # the source of a line that a person wrote, as of subtitles
# Written files round times to milliseconds, and not all round alike.
MAX_SAME_US = 1_000
# Fewer question marks may be a person's.
MIN_LOST_LETTERS = 2
_BREAKS, _NO_TEXT = frozenset({"Cc", "Cs", "Zl", "Zp"}), "\ufffe\uffff"  # stand as spaces in written files


@dataclass(frozen=True, slots=True)
class Edited:
    """What a person saved; ``names_speakers``: whether the file says who speaks."""

    cues: tuple[Cue, ...]
    names_speakers: bool


@dataclass(frozen=True, slots=True)
class Corrected:
    """The transcript with a person's words, and how far it is from the one without.

    ``differ`` of its lines have other words, times or speakers; ``gone`` lines are no longer there.
    """

    transcript: Transcript
    differ: int
    gone: int


@dataclass(frozen=True, slots=True)
class Correction:
    """What a person made of the words of one video; ``video`` is its digest, ``file`` the one they edited.

    ``original`` is the transcript before any correction, ``card`` that of the model which recognised it.
    """

    video: str
    file: str
    original: Transcript
    transcript: Transcript
    differ: int
    gone: int
    card: ModelCard | None = None

    @property
    def facts(self) -> CorrectedByHand:
        """For ``run.json``."""
        return CorrectedByHand(self.file, self.differ, len(self.transcript.utterances), self.gone)

    @property
    def is_recognised(self) -> bool:
        """Whether words are left that a model recognised."""
        return any(line.source != WRITTEN for line in self.transcript.utterances)

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the bytes it is kept as."""
        return hashlib.sha256(CORRECTIONS.dump_json(self, indent=1)).hexdigest()


CORRECTIONS = TypeAdapter(Correction)


def corrected(edited: Edited, before: Transcript, original: Transcript) -> Corrected:
    """The transcript that ``edited`` makes of ``before``, which the person saw.

    What stayed of ``original``, the transcript before any correction, counts as uncorrected; a line that was
    put back as it stood there has its words again.
    """
    known, speakers = [_ByText(before.utterances), _ByText(original.utterances)], _Speakers(before.utterances)
    lines: list[Utterance] = []
    kept: list[bool] = []  # at the time it had before
    for cue in sorted(edited.cues, key=lambda cue: (cue.start_us, cue.end_us)):
        if not (text := plain_text(cue.text)):
            continue
        span = Span(cue.start_us, cue.end_us)
        match = next((line for one in known if (line := one.find(span, cue.text)) is not None), None)
        line = _written(span, text, original.language) if match is None else _retimed(match, span)
        if edited.names_speakers:
            line = _spoken_by(line, cue.speaker)
        elif match is None:
            line = replace(line, speaker=speakers.during(line.span))
        lines.append(line)
        kept.append(match is not None and match.span == line.span)
    lines = _in_turn(lines, kept)
    differ = sum(not _is_same(known[1].find(line.span, line.text), line) for line in lines)
    overlaps, left = Overlaps([line.span for line in lines]), _ByText(lines)
    gone = sum(
        not overlaps.during(one.span) and left.find(one.span, one.text) is None for one in original.utterances
    )
    transcript = replace(
        original,
        utterances=tuple(lines),
        status=Status.OK,
        note=_note(differ, len(lines), gone),
        losses=(),
    )
    return Corrected(transcript, differ, gone)


def lost_letters(edited: Edited, before: Transcript) -> str | None:
    """The first line in which question marks took the place of letters; None where there is none.

    So do spreadsheets save what their system's code page does not hold.
    """
    known, overlaps = before.utterances, Overlaps([one.span for one in before.utterances])
    for cue in edited.cues:
        for i in overlaps.during(Span(cue.start_us, cue.end_us)):
            pairs = [*zip(known[i].text, cue.text, strict=False)]
            changed = [(was, now) for was, now in pairs if was != now]
            if (
                len(known[i].text) == len(cue.text)
                and len(changed) >= MIN_LOST_LETTERS
                and all(now == "?" and not was.isascii() for was, now in changed)
            ):
                return cue.text
    return None


def within(transcript: Transcript, duration_us: int) -> Transcript:
    """The transcript cut to its video; a sentence says how many lines lie after its end."""
    lines = [line for line in transcript.utterances if line.span.start_us < duration_us]
    lost = len(transcript.utterances) - len(lines)
    lines = [
        line if line.span.end_us <= duration_us else _at(line, Span(line.span.start_us, duration_us))
        for line in lines
    ]
    loss = f"{count_of(lost, 'corrected line')} {'lies' if lost == 1 else 'lie'} after the video's end."
    return replace(
        transcript,
        utterances=tuple(lines),
        status=Status.OK if lines else Status.NO_TRANSCRIPT,
        losses=(*transcript.losses, *([loss] if lost else [])),
    )


class _ByText:
    """Utterances by what they say, whichever of the written files says it."""

    def __init__(self, utterances: Iterable[Utterance]) -> None:
        self._by_text: Mapping[str, list[Utterance]] = defaultdict(list)
        for utterance in utterances:
            self._by_text[_compared(utterance.text)].append(utterance)

    def find(self, span: Span, text: str) -> Utterance | None:
        """The utterance with these words at this time: the one that begins nearest, of those that overlap."""
        near = [
            one
            for one in self._by_text.get(_compared(text), ())
            if one.span.overlap_us(span) or _is_near(one.span, span)
        ]
        return min(near, key=lambda one: abs(one.span.start_us - span.start_us), default=None)


class _Speakers:
    """Who spoke when."""

    def __init__(self, utterances: Sequence[Utterance]) -> None:
        self._utterances = utterances
        self._overlaps = Overlaps([one.span for one in utterances])

    def during(self, span: Span) -> str | None:
        """The speaker of the utterance that shares most time with ``span``."""
        near = [self._utterances[i] for i in self._overlaps.during(span)]
        longest = max(near, key=lambda one: one.span.overlap_us(span), default=None)
        return longest.speaker if longest else None


def _compared(text: str) -> str:
    """Words as all three files hold them: in one line, backslashes widened in the .srt, formulas guarded."""
    kept = "".join(" " if unicodedata.category(c) in _BREAKS or c in _NO_TEXT else c for c in text)
    plain = kept.replace("\\", "＼")
    while (plainer := plain_text(plain)) != plain:  # the .vtt writes < as &lt;, and then it is no mark-up
        plain = plainer
    return unicodedata.normalize("NFC", unguarded(plain))


def _in_turn(lines: Sequence[Utterance], kept: Sequence[bool]) -> list[Utterance]:
    """Lines that do not overlap, unless they did before: a line ends where the next begins.

    Lines that begin together become one, in the words of a person.
    """
    done: list[Utterance] = []
    was_kept = False
    for line, is_kept in zip(lines, kept, strict=True):
        last = done[-1] if done else None
        if last is not None and last.span.end_us > line.span.start_us and not (was_kept and is_kept):
            if last.span.start_us < line.span.start_us:
                done[-1] = _at(last, Span(last.span.start_us, line.span.start_us))
            else:
                span = Span(last.span.start_us, max(last.span.end_us, line.span.end_us))
                joined = _written(span, f"{last.text} {line.text}", line.language)
                done[-1], was_kept = replace(joined, speaker=last.speaker), False
                continue
        done.append(line)
        was_kept = is_kept
    return done


def _written(span: Span, text: str, language: str | None) -> Utterance:
    """A line in a person's words; one that was given no length has what it needs to be read."""
    end_us = span.end_us if span.duration_us else span.start_us + MAX_MENDED_US
    return Utterance(Span(span.start_us, end_us), text, line_language(text, language), WRITTEN)


def _spoken_by(line: Utterance, speaker: str | None) -> Utterance:
    """The line under a name; written files hold it as one line."""
    return (
        line if _compared(speaker or "") == _compared(line.speaker or "") else replace(line, speaker=speaker)
    )


def _retimed(line: Utterance, span: Span) -> Utterance:
    """The line at the time that a file gives it, if that is another one."""
    return line if span.duration_us == 0 or _is_near(line.span, span) else _at(line, span)


def _at(line: Utterance, span: Span) -> Utterance:
    """The line at another time; where one of its words would lie outside of it, without times of words."""
    within = Span(max(0, span.start_us - MAX_SAME_US), span.end_us + MAX_SAME_US)
    if any(word.span.start_us < within.start_us or word.span.end_us > within.end_us for word in line.words):
        return replace(line, span=span, words=())
    return replace(line, span=span, words=tuple(replace(w, span=_cut(w.span, span)) for w in line.words))


def _cut(span: Span, within: Span) -> Span:
    start_us = min(max(span.start_us, within.start_us), within.end_us)
    return Span(start_us, max(start_us, min(span.end_us, within.end_us)))


def _is_same(original: Utterance | None, line: Utterance) -> bool:
    return (
        original is not None
        and _is_near(original.span, line.span)
        and _compared(original.speaker or "") == _compared(line.speaker or "")
    )


def _is_near(one: Span, other: Span) -> bool:
    return abs(one.start_us - other.start_us) <= MAX_SAME_US and abs(one.end_us - other.end_us) <= MAX_SAME_US


def _note(differ: int, total: int, gone: int) -> str:
    without = f", {count_of(gone, 'line')} left out" if gone else ""
    return f"Corrected by hand: {differ} of {count_of(total, 'line')} differ{without}."
