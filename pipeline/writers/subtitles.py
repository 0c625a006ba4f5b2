"""What was said, with the emotion of the words: what subtitles in the picture and beside it share."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from pipeline.types import Analysis, Span, Word
from pipeline.writers.columns import TRANSCRIBED
from pipeline.writers.facts import verdict
from pipeline.writers.palette import DARK, colour, is_emotion


@dataclass(frozen=True, slots=True)
class Spoken:
    """One utterance; ``key`` is the emotion of its words, None when none is known."""

    span: Span
    text: str
    key: str | None
    words: tuple[Word, ...] = ()

    def parted(self, lengths: Sequence[int]) -> Iterator[Span]:
        """The span in parts for so many letters each, spaces not counted: by the times of the words where they are known."""
        starts = [self._at(done / max(1, sum(lengths))) for done in (0, *accumulate(lengths[:-1]))]
        for start_us, end_us in zip(starts, (*starts[1:], self.span.end_us), strict=True):
            yield Span(start_us, max(start_us, end_us))

    def _at(self, share: float) -> int:
        letters = sum(len(word.text.replace(" ", "")) for word in self.words)
        done = 0
        for word in self.words:
            if done >= share * letters - 0.5:
                return (
                    min(max(word.span.start_us, self.span.start_us), self.span.end_us)
                    if done
                    else self.span.start_us
                )
            done += len(word.text.replace(" ", ""))
        return self.span.start_us + round(share * self.span.duration_us)


def spoken(analysis: Analysis) -> tuple[Spoken, ...]:
    """Every utterance in order of time, with the emotion that the sheet gives its words."""
    said = {
        (m.utterance.span, m.utterance.text): verdict(m, TRANSCRIBED, analysis.modalities).key
        for m in analysis.moments
        if m.utterance
    }
    found = (
        Spoken(u.span, u.text, _emotion(said.get((u.span, u.text))), u.words)
        for u in analysis.transcript.utterances
    )
    return tuple(sorted(found, key=lambda one: one.span))


def _emotion(key: str | None) -> str | None:
    return key if key is not None and is_emotion(key) else None


def marked(key: str | None) -> str:
    """What stands before the words: colour alone would not tell everyone."""
    return "" if key is None else f"[{key}] "


def tint(key: str | None) -> str:
    """Ground of a subtitle."""
    return DARK if key is None else colour(key)
