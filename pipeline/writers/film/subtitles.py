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

    def parted(self, letters: Sequence[int]) -> Iterator[Span]:
        """The span in parts for so many letters each, without spaces: by the words' own times if known."""
        shares = [done / max(1, sum(letters)) for done in accumulate(letters[:-1])]
        starts = [self.span.start_us, *(self._at(share) for share in shares)]
        for start_us, end_us in zip(starts, (*starts[1:], self.span.end_us), strict=True):
            yield Span(start_us, max(start_us, end_us))

    def _at(self, share: float) -> int:
        letters = [len(word.text.replace(" ", "")) for word in self.words]
        for word, done in zip(self.words, accumulate(letters, initial=0), strict=False):
            if done and done >= share * sum(letters) - 0.5:
                return min(max(word.span.start_us, self.span.start_us), self.span.end_us)
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
