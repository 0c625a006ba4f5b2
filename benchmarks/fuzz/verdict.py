"""Judgement of one damaged input, pure.

**Silent loss.** Fractions are of the same whole file: ``product`` is what the product's stages left (frames
sampled; windows of 10 ms of sound that are not a gap), ``decodes`` what ffmpeg alone gets. Picture or sound
is lost in silence when no sentence and no error was given that the whole file does not also bring, and

1. the product has less than 95 % of what decodes; or
2. it has less than 95 % of the whole file although the loss could be known: ffmpeg reports errors, or the
   header states a duration that neither picture nor sound reaches to 95 %.

What comes twice after the damage counts once, but for two recordings joined, which are both wanted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.fuzz.pool import DIED, OVER_MEMORY, OVER_TIME
from benchmarks.fuzz.reference import Decoded

KEPT_FRACTION = 0.95
MAX_WRITTEN_MB = 100.0  # for six seconds, or twice six, of a small picture
WHOLE, SAID, REFUSED = "nothing lost", "loss said", "refused"
UNCAUGHT, SILENT, OVER_DISK = "uncaught", "silent loss", "over disk"
GOOD = (WHOLE, SAID, REFUSED)
BAD = (UNCAUGHT, OVER_TIME, OVER_MEMORY, OVER_DISK, SILENT)
VERDICTS = (*GOOD, *BAD)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One of ``VERDICTS`` and, in a few words, what it rests on."""

    name: str
    why: str = ""

    @property
    def bad(self) -> bool:
        return self.name in BAD


@dataclass(frozen=True, slots=True)
class Whole:
    """The undamaged file: what a plain decoder and the product get, and what the product says about it."""

    decoded: Decoded
    answer: Mapping[str, Any]
    seconds: float
    states_duration: bool


def judge(
    whole: Whole,
    decoded: Decoded,
    answer: Mapping[str, Any],
    sample_fps: float | None,
    *,
    joined: bool,
    max_mb: float,
) -> Verdict:
    """The verdict on one damaged media file."""
    broken = _broken(answer, max_mb)
    if broken is not None:
        return broken
    said = [
        *answer["errors"].values(),
        *(s for s in answer["sentences"] if s not in whole.answer["sentences"]),
    ]
    if answer.get("refused", True):
        return Verdict(REFUSED, said[0] if said else "")
    losses = lost(whole, decoded, answer, sample_fps, joined=joined) if decoded.ended else []
    if losses and not said:
        return Verdict(SILENT, "; ".join(losses))
    return Verdict(SAID, said[0]) if said else Verdict(WHOLE)


def lost(
    whole: Whole, decoded: Decoded, answer: Mapping[str, Any], sample_fps: float | None, *, joined: bool
) -> list[str]:
    """What the product does not have although it, or the knowledge that it is gone, can be had."""
    most = 2.0 if joined else 1.0
    of_frames, of_sound = whole.decoded.slots(sample_fps), whole.decoded.sound_windows
    product = {
        "picture": answer["frames"] / whole.answer["frames"],
        "sound": answer["sound_windows"] / whole.answer["sound_windows"],
    }
    decodes = {
        "picture": min(most, decoded.slots(sample_fps) / of_frames),
        "sound": min(most, decoded.sound_windows / of_sound),
    }
    if answer["film_frames"] is not None:
        product["film"] = answer["film_frames"] / len(whole.decoded.times_s)
        decodes["film"] = min(most, len(decoded.times_s) / len(whole.decoded.times_s))
    stated = _stated_fraction(whole, decoded)
    known = []
    if decoded.complaints > whole.decoded.complaints:
        known.append("ffmpeg reports errors")
    if stated is not None and max(product["picture"], product["sound"]) < KEPT_FRACTION * min(1.0, stated):
        known.append("its header states more")
    losses = []
    for part, has in product.items():
        if has < KEPT_FRACTION * decodes[part]:
            losses.append(f"{part}: {has:.0%} of the whole, {decodes[part]:.0%} decodes")
        elif has < KEPT_FRACTION and known:
            losses.append(f"{part}: {has:.0%} of the whole, {' and '.join(known)}")
    return losses


def judge_text(expected: str, answer: Mapping[str, Any], usual: Sequence[str], max_mb: float) -> Verdict:
    """The verdict on one damaged subtitle file, of which the words ``expected`` are intact.

    They are lost in silence when fewer than 95 % of their letters are in the transcript, and nothing is said
    but what is ``usual`` for the whole file.
    """
    broken = _broken(answer, max_mb)
    if broken is not None:
        return broken
    said = [*answer["errors"].values(), *(line for line in answer["sentences"] if line not in usual)]
    if answer["errors"]:
        return Verdict(REFUSED, said[0])
    wanted = expected.split()
    kept = _letters(word for word in wanted if word in answer["text"])
    fraction = kept / max(1, _letters(wanted))
    if wanted and fraction < KEPT_FRACTION and not said:
        return Verdict(
            SILENT, f"{fraction:.0%} of {_letters(wanted)} intact letters: {answer['text'][:80]!r}"
        )
    return Verdict(SAID, said[0]) if said else Verdict(WHOLE)


def _broken(answer: Mapping[str, Any], max_mb: float) -> Verdict | None:
    """What is wrong whatever the input was."""
    if "ended" in answer:
        if answer["ended"] == DIED:
            return Verdict(UNCAUGHT, f"the process died with {answer['code']}")
        return Verdict(answer["ended"])
    if answer["uncaught"]:
        return Verdict(UNCAUGHT, answer["uncaught"].strip().splitlines()[-1])
    if answer["peak_mb"] > max_mb:
        return Verdict(OVER_MEMORY, f"{answer['peak_mb']:.0f} MB")
    if answer.get("written_mb", 0.0) > MAX_WRITTEN_MB:
        return Verdict(OVER_DISK, f"{answer['written_mb']:.0f} MB")
    return None


def _letters(words: Any) -> int:
    return sum(len(word) for word in words)


def _stated_fraction(whole: Whole, decoded: Decoded) -> float | None:
    if not whole.states_duration or decoded.stated_s is None:
        return None
    return decoded.stated_s / whole.seconds
