"""How much of the time each emotion was shown: by whoever was read, and by each person told apart."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.labels import EMOTIONS
from pipeline.types import Analysis
from pipeline.writers.columns import display
from pipeline.writers.facts import Verdict, as_covered, observed, percent, time_code
from pipeline.writers.palette import LETTERS, is_emotion
from pipeline.writers.persons import person_colours

UNKNOWN = "nothing to read"
ANYONE = "whoever was read"
MOST_PERSONS = 8  # with bars; a person who was lost for long comes back under a new number
LETTERED = 0.05  # of the bar: a narrower part has no room for its letter


@dataclass(frozen=True, slots=True)
class Part:
    """One emotion's, or the unknown, share of a bar; ``letter`` is empty where it would not fit."""

    emotion: str
    letter: str
    share: str
    text: str


@dataclass(frozen=True, slots=True)
class Share:
    """A bar: whose, from which channel, and its parts in the order of the emotions, the unknown last.

    ``brief`` are those of persons who were read for less long than ``MOST_PERSONS`` others.
    """

    who: str
    colour: str
    name: str
    lasts: str
    parts: tuple[Part, ...]
    brief: bool = False


def emotion_shares(analysis: Analysis) -> tuple[Share, ...]:
    """Bars of whoever was read, one per lane of the timeline, as shares of the film; then each person's.

    A person's are shares of the time that a channel has samples of the person, with no claim on the rest.
    """
    anyone = [
        _share(ANYONE, "", lane.display.noun, _times(_with_the_rest(rows)))
        for lane, rows in as_covered(analysis)
    ]
    said = {modality: _by_person(analysis, modality) for modality in analysis.modalities}
    own = {
        (subject, modality): times
        for subject in person_colours(analysis)
        for modality in analysis.modalities
        if (times := _times(said[modality].get(subject, ())))
    }
    return (*(share for share in anyone if share.parts), *_of_persons(analysis, own))


def _with_the_rest(rows: Iterable[tuple[Verdict, int, int]]) -> Iterator[tuple[Verdict, int]]:
    for said, read_us, not_read_us in rows:
        yield said, read_us
        yield Verdict(UNKNOWN, None), not_read_us


def _of_persons(analysis: Analysis, own: Mapping[tuple[str, str], Mapping[str, int]]) -> Iterator[Share]:
    colours = person_colours(analysis)
    longest: dict[str, int] = {}
    for (subject, _), times in own.items():
        longest[subject] = max(longest.get(subject, 0), sum(times.values()))
    brief = set(sorted(longest, key=lambda subject: -longest[subject])[MOST_PERSONS:])
    for (subject, modality), times in own.items():
        share = _share(subject, colours[subject], display(modality).noun, times)
        yield replace(share, brief=subject in brief)


def _by_person(analysis: Analysis, modality: str) -> Mapping[str | None, list[tuple[Verdict, int]]]:
    said: dict[str | None, list[tuple[Verdict, int]]] = {}
    for one in analysis.observations.get(modality, ()):
        said.setdefault(one.subject, []).append((observed(one), one.span.duration_us))
    return said


def _times(said: Iterable[tuple[Verdict, int]]) -> Mapping[str, int]:
    """Microseconds per emotion, and of all that is none under ``UNKNOWN``."""
    total: dict[str, int] = {}
    for verdict, us in said:
        key = verdict.key if is_emotion(verdict.key) else UNKNOWN
        total[key] = total.get(key, 0) + us
    return {key: us for key, us in total.items() if us}


def _share(who: str, colour: str, name: str, times: Mapping[str, int]) -> Share:
    whole = sum(times.values())
    order: Sequence[str] = (*EMOTIONS, UNKNOWN)
    parts = tuple(_part(key, times.get(key, 0) / whole) for key in order) if whole else ()
    return Share(who, colour, name, time_code(whole), parts)


def _part(key: str, share: float) -> Part:
    letter = LETTERS.get(key, "–") if share >= LETTERED else ""
    return Part(key if is_emotion(key) else "", letter, f"{100 * share:.2f}", percent(share))
