"""Speech to text, whichever engine hears it: what is sent, in which language, and what of it is kept.

Only speech is sent, packed into chunks (``chunks``). The language is fixed by a vote over the first minute of
speech. Each chunk is decoded once, without sampling; a loop is decoded a second time, with repetition
forbidden. What still repeats itself, what nobody ever says and what the engine itself doubts is dropped.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.config import ConfigError
from pipeline.media.language import language_name, normal_code
from pipeline.text.chunks import Chunk, Sound, chunks, last_held, samples_of
from pipeline.text.confidence import confidence
from pipeline.text.repetition import NEVER_SPOKEN, SELDOM_SPOKEN, compression_ratio, loops
from pipeline.text.script import in_script, usual_script
from pipeline.text.transcribe import Heard, Request
from pipeline.text.utterances import span_of, utterances
from pipeline.text.word_times import without_pauses
from pipeline.types import US_PER_S, Span, Utterance, Word

VOTE_US = 60 * US_PER_S
MAX_COMPRESSION_RATIO = 2.4  # Whisper's own limit, the default of its ``transcribe``
# The mean probability of a line's words times that of somebody speaking, below which a line is made up. By
# films/clips of the shared data: "Go!" and "He thinks, he should be here" over music .12 to .22, the lines of
# the sitcom, half a second to two seconds long, from .27. Where the language is anybody's guess or hardly
# anything of the sound is speech, more is asked: song, .34 and .40.
MIN_EVIDENCE, MIN_EVIDENCE_WHERE_UNSURE = 0.25, 0.45
PRIOR_WORDS = 3
SURE_LANGUAGE = 0.5
MIN_SPEECH_FRACTION = 0.2
MIN_UNREAD_US = 1_500_000  # speech at the end of a chunk with no words: less may be a breath or a laugh
MAX_RESENT = 2  # times that what is left of a chunk is sent again
MIN_WORD_US = 20_000  # the step of the alignment
# Whisper's codes where they are not those of ISO 639-1: Norwegian Bokmål, Javanese.
_WHISPER_CODES = {"nb": "no", "jv": "jw"}

Samples = NDArray[np.float32]


OPENING = frozenset("\"'“‘«¿¡([{「『（《-")


@dataclass(frozen=True, slots=True)
class Decoded:
    """What an engine makes of one chunk. Words are timed from its start and bring their own leading blanks.

    ``line_ends`` are indices of words after which the engine ended a line.
    """

    words: tuple[Word, ...]
    avg_logprob: float
    no_speech_prob: float
    line_ends: frozenset[int] = frozenset()

    @property
    def text(self) -> str:
        return "".join(word.text for word in self.words).strip()


class Engine(Protocol):
    """A recogniser. ``encode`` does what both others need, once per chunk of at most 30 s."""

    @property
    def languages(self) -> frozenset[str]: ...

    def encode(self, samples: Samples) -> Any: ...

    def language_probabilities(self, encoded: Any) -> Mapping[str, float]: ...

    def decode(self, encoded: Any, language: str, may_repeat: bool) -> Decoded: ...


@dataclass(frozen=True, slots=True)
class Recognised:
    """All lines in order, what was dropped on the way, and how sure the language is (None: it was given)."""

    utterances: tuple[Utterance, ...]
    language: str | None
    language_probability: float | None
    looped: int = 0
    invented: int = 0


def recognise(
    engine: Engine,
    sound: Sound,
    speech: Sequence[Span],
    *,
    source: str,
    end_us: int,
    language: str | None = None,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Recognised:
    """What is said where ``speech`` says that somebody speaks; nothing is sent where nobody does.

    Args:
        sound: 16 kHz mono samples of a span of the video.
        speech: stretches of speech, in order and apart.
        end_us: length of the sound.
        language: what is spoken, as a user names it; None: the vote decides.

    Raises:
        ConfigError: the engine does not know the language.
    """
    cut = chunks(speech, end_us, sound)
    if not cut:
        return Recognised((), normal_code(language), None)
    given = normal_code(language)
    given = _WHISPER_CODES.get(given, given) if given is not None else None
    if given is not None and given not in engine.languages:
        raise ConfigError(
            f"the speech recogniser does not know the language {language!r}; leave out --language, or give "
            "a subtitle file with --transcript"
        )
    probability = None
    kept: dict[int, Any] = {}
    if given is None:
        given, probability, kept = _vote(engine, cut, sound)
    fraction = sum(span.duration_us for span in speech) / max(1, end_us)
    is_unsure = probability is not None and (probability < SURE_LANGUAGE or fraction < MIN_SPEECH_FRACTION)
    min_evidence = MIN_EVIDENCE_WHERE_UNSURE if is_unsure else MIN_EVIDENCE
    lines: list[Utterance] = []
    looped = invented = 0
    for i, chunk in enumerate(cut):
        rest: Chunk | None = chunk
        for _ in range(1 + MAX_RESENT):
            if rest is None:
                break
            samples = samples_of(rest, sound)
            encoded = kept.pop(i, None)
            if encoded is None:
                encoded = engine.encode(samples)
            decoded, dropped = _without_loops(engine, encoded, given)
            looped += dropped
            mean = sum(word.probability or 0.0 for word in decoded.words) / max(1, len(decoded.words))
            decoded = replace(decoded, words=without_pauses(decoded.words, samples))
            for line in _lines(decoded, rest, speech, source):
                if _is_invented(line, mean, min_evidence):
                    invented += 1
                else:
                    lines.append(line)
            rest = None if dropped else _rest(rest, decoded, speech)
        progress((i + 1) / len(cut))
    ordered = tuple(replace(line, language=given) for line in lines)
    script = usual_script([line.text for line in ordered]) if given == "zh" else None
    return Recognised(in_script(ordered, script) if script else ordered, given, probability, looped, invented)


def heard(engine: Engine, request: Request, source: str, model: str) -> Heard:
    """What an engine hears of a request that has speech; ``model`` is the id that the note names."""
    recognised = recognise(
        engine,
        request.sound,
        request.speech,
        source=source,
        end_us=request.media.duration_us,
        language=request.settings.language,
        progress=request.progress,
    )
    return Heard(
        recognised.utterances,
        language=recognised.language,
        language_probability=recognised.language_probability,
        note=note_of(recognised, model),
    )


def note_of(recognised: Recognised, model: str) -> str:
    """What the person who runs it should know, in sentences."""
    notes = []
    if recognised.utterances:
        name = language_name(recognised.language)
        how = (
            "as was given"
            if recognised.language_probability is None
            else f"probability {recognised.language_probability:.2f}"
        )
        notes.append(f"Words recognised by {model} in {name} ({how}).")
        if (recognised.language_probability or 1) < SURE_LANGUAGE:
            notes.append("If the language is another, name it with --language.")
    if recognised.looped:
        notes.append(f"{_lines_of(recognised.looped)} in which the recogniser repeated itself dropped.")
    if recognised.invented:
        notes.append(
            f"{_lines_of(recognised.invented)} that the recogniser made up over other sound dropped."
        )
    return " ".join(notes)


def _lines_of(n: int) -> str:
    return f"{n} line{'s' if n > 1 else ''}"


def _vote(engine: Engine, cut: Sequence[Chunk], sound: Sound) -> tuple[str, float, dict[int, Any]]:
    """Of the engine's languages that with the highest mean probability over the first minute of speech.

    That probability and the chunks encoded for it come back too, so that none is encoded twice.
    """
    totals: dict[str, float] = {}
    kept: dict[int, Any] = {}
    weighed_us = 0
    for i, chunk in enumerate(cut):
        if weighed_us >= VOTE_US:
            break
        kept[i] = engine.encode(samples_of(chunk, sound))
        for code, probability in engine.language_probabilities(kept[i]).items():
            if code not in engine.languages:
                continue
            totals[code] = totals.get(code, 0.0) + probability * chunk.duration_us
        weighed_us += chunk.duration_us
    best = max(sorted(totals), key=lambda code: totals[code])
    return best, round(totals[best] / weighed_us, 4), kept


def _rest(chunk: Chunk, decoded: Decoded, speech: Sequence[Span]) -> Chunk | None:
    """What of the chunk the engine left unread: it sometimes stops in the middle of a sentence."""
    if not decoded.words:
        return None
    last_us = chunk.in_video(decoded.words[-1].span).end_us
    pieces = tuple(
        Span(max(piece.start_us, last_us), piece.end_us) for piece in chunk.pieces if piece.end_us > last_us
    )
    unread_us = sum(piece.overlap_us(one) for piece in pieces for one in speech)
    is_shorter = sum(piece.duration_us for piece in pieces) < chunk.duration_us
    return Chunk(pieces) if unread_us >= MIN_UNREAD_US and is_shorter else None


def _without_loops(engine: Engine, encoded: Any, language: str) -> tuple[Decoded, int]:
    """What is heard, decoded again where it repeats itself; what then still does is dropped, and counted."""
    decoded = engine.decode(encoded, language, may_repeat=True)
    if not _repeats(decoded):
        return decoded, 0
    again = engine.decode(encoded, language, may_repeat=False)
    looping = loops([word.text for word in again.words])
    dropped = {i for stretch in looping for i in stretch}
    kept = [i for i in range(len(again.words)) if i not in dropped]
    rest = replace(
        again,
        words=tuple(again.words[i] for i in kept),
        line_ends=frozenset(at for at, i in enumerate(kept) if i in again.line_ends),
    )
    if compression_ratio(rest.text) > MAX_COMPRESSION_RATIO:
        return replace(rest, words=(), line_ends=frozenset()), len(looping) + 1
    return rest, len(looping)


def _repeats(decoded: Decoded) -> bool:
    too_compressible = compression_ratio(decoded.text) > MAX_COMPRESSION_RATIO
    return too_compressible or bool(loops([word.text for word in decoded.words]))


def _lines(decoded: Decoded, chunk: Chunk, speech: Sequence[Span], source: str) -> Iterator[Utterance]:
    """The chunk's words on the video's clock, as utterances."""
    extent = Span(chunk.pieces[0].start_us, chunk.pieces[-1].end_us)
    near = [one for one in speech if one.overlap_us(extent)]
    placed: list[Word] = []
    earliest_us = 0
    spoken, line_ends = with_marks(decoded.words, decoded.line_ends)
    for word in spoken:
        span = _over_speech(chunk.in_video(word.span), near)
        start_us = max(span.start_us, earliest_us)
        span = Span(start_us, max(span.end_us, start_us + MIN_WORD_US))
        placed.append(replace(word, span=span))
        earliest_us = span.start_us
    for words in utterances(_apart(placed), line_ends):
        text = "".join(word.text for word in words).strip()
        if not text:
            continue
        yield Utterance(
            span=span_of(words),
            text=text,
            language=None,
            source=source,
            words=tuple(replace(w, text=w.text.strip()) for w in words if w.text.strip()),
            avg_logprob=round(decoded.avg_logprob, 4),
            no_speech_prob=round(decoded.no_speech_prob, 4),
            compression_ratio=round(compression_ratio(text), 4),
            confidence=confidence(words, decoded.no_speech_prob),
        )


def _over_speech(span: Span, speech: Sequence[Span]) -> Span:
    """A word's span without what of it lies over a pause; unchanged where all of it does."""
    parts = [
        Span(max(span.start_us, one.start_us), min(span.end_us, one.end_us))
        for one in speech
        if one.overlap_us(span)
    ]
    return last_held(parts, span.duration_us) if parts else span


def with_marks(words: Sequence[Word], line_ends: frozenset[int]) -> tuple[tuple[Word, ...], frozenset[int]]:
    """Words without those that are mere punctuation, whose marks go to the word they belong to.

    An opening mark goes to the word after it, any other to the word before. The second result is
    ``line_ends`` for the words that are left.
    """
    kept: list[Word] = []
    ends: set[int] = set()
    opening = ""
    for i, word in enumerate(words):
        if any(map(str.isalnum, word.text)):
            kept.append(replace(word, text=opening + (word.text.lstrip() if opening else word.text)))
            opening = ""
        elif word.text.strip() and set(word.text.strip()) <= OPENING and word.text[:1].isspace():
            opening += word.text
        elif kept:
            kept[-1] = replace(kept[-1], text=kept[-1].text + word.text.rstrip())
        if i in line_ends and kept:
            ends.add(len(kept) - 1)
    return tuple(kept), frozenset(ends)


def _apart(words: Sequence[Word]) -> list[Word]:
    """Words that overlap the next one end where it starts, unless nothing of them would be left."""
    result = list(words)
    for i in range(len(words) - 1):
        end_us = min(words[i].span.end_us, words[i + 1].span.start_us)
        if end_us > words[i].span.start_us:
            result[i] = replace(words[i], span=Span(words[i].span.start_us, end_us))
    return result


def _is_invented(line: Utterance, others: float, min_evidence: float) -> bool:
    """Whether a line was made up; ``others`` is the mean probability of all words decoded with it.

    A word by itself says little, so the probability of a short line is drawn to that of the others.
    """
    own = sum(word.probability or 0.0 for word in line.words)
    mean = (own + others * PRIOR_WORDS) / (len(line.words) + PRIOR_WORDS)
    evidence = mean * (1 - (line.no_speech_prob or 0.0))
    if evidence < min_evidence or NEVER_SPOKEN.search(line.text):
        return True
    return bool(SELDOM_SPOKEN.search(line.text)) and evidence < MIN_EVIDENCE_WHERE_UNSURE
