"""One way to ask any back-end about labelled examples, through the code that reads films."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.labels import EMOTIONS, to_scores
from pipeline.models.cards import ModelError
from pipeline.models.load import load_backend
from pipeline.train.examples import NO_LABEL, SEVERAL_LABELS, DataError, LabelledSet
from pipeline.train.inputs import READERS, How
from pipeline.train.metrics import Metrics, evaluate
from pipeline.types import ModelCard, Scores

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Show = Callable[[int, int], None]  # examples done, examples in all
NAMED = 3  # examples named of those left out for one reason
LONGEST_NAME = 60


@dataclass(frozen=True)
class Answers:
    """What a back-end said about the examples it could be asked about; nothing else is in here.

    ``probabilities`` (n, 7) are in ``EMOTIONS`` order and sum to less than 1 where a model put mass on
    labels outside the seven. ``labels`` are the emotions the model can answer: examples of others are left
    out, as are those that could not be read, and ``skipped`` counts them by reason. ``uncalibrated`` are the
    probabilities before the card's temperature, None when that is 1. ``named`` are the first few names of
    those that could not be answered, by reason.
    """

    names: tuple[str, ...]
    truth: Integers
    probabilities: Floats
    groups: npt.NDArray[np.str_]
    labels: tuple[str, ...] = EMOTIONS
    skipped: Mapping[str, int] = field(default_factory=dict)
    modality: str = "text"
    root: Path = Path()
    detect: bool = False
    uncalibrated: Floats | None = None
    named: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def predicted(self) -> Integers:
        """Index of the most probable emotion, (n,); ties go to the first."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @property
    def confidence(self) -> Floats:
        """Probability of the answer, (n,)."""
        return np.asarray(self.probabilities.max(axis=1), np.float64)

    @property
    def entropy_bits(self) -> Floats:
        """Entropy of each answer, (n,): 0 for a certain one, log2(7) = 2.81 for one that knows nothing."""
        p = np.maximum(self.probabilities, 1e-12)
        return np.asarray(-(p * np.log2(p)).sum(axis=1).round(12) + 0.0, np.float64)

    def only(self, chosen: npt.NDArray[np.bool_]) -> "Answers":
        """The chosen answers (n,), with nothing skipped."""
        return Answers(
            names=tuple(name for name, here in zip(self.names, chosen, strict=True) if here),
            truth=self.truth[chosen],
            probabilities=self.probabilities[chosen],
            groups=self.groups[chosen],
            labels=self.labels,
            modality=self.modality,
            root=self.root,
            detect=self.detect,
            uncalibrated=None if self.uncalibrated is None else self.uncalibrated[chosen],
        )


def metrics_of(answers: Answers) -> Metrics:
    """All figures of some answers. Raises ValueError: there is none."""
    return evaluate(answers.truth, answers.predicted, EMOTIONS, answers.probabilities)


def by_group(answers: Answers) -> dict[str, Metrics]:
    """Figures of each named group (performer, speaker, dialogue), in the order of their names."""
    return {
        str(group): metrics_of(answers.only(answers.groups == group))
        for group in np.unique(answers.groups)
        if group
    }


def score(
    backend_name: str,
    examples: LabelledSet,
    device: str = "auto",
    *,
    detect: bool = False,
    known_speaker: bool = False,
    language: str | None = None,
    show: Show | None = None,
) -> Answers:
    """Load a back-end and ask it about all examples; those it cannot answer are counted, not guessed.

    Args:
        backend_name: a name of the modality's ``BACKENDS``, a folder or a hub id.
        examples: what to ask about.
        device: a torch device, or ``auto``.
        detect: pictures are photos in which the face must be found first, not cropped faces.
        known_speaker: clips are normalised by all clips of their group, where the back-end can do that.
        language: language of the texts; None: read off the texts as it is off a transcript.
        show: told how many examples are done.

    Raises:
        ModelError: the back-end cannot be used.
        DataError: not one example could be answered.
    """
    backend = load_named(examples.modality, backend_name, device)
    return ask(backend, examples, How(detect, known_speaker, language), show)


def load_named(modality: str, name: str, device: str = "auto") -> Any:
    """The back-end of a modality by name, folder or hub id. Raises ModelError."""
    return load_backend(backends_of(modality), name, chosen_device(device))


def backends_of(modality: str) -> Mapping[str, str]:
    """The back-ends of a modality by name."""
    backends: Mapping[str, str] = import_module(f"pipeline.{modality}.backends").BACKENDS
    return backends


def chosen_device(asked: str) -> str:
    """``auto`` replaced by the best torch device of this machine. Raises ModelError: there is no such one."""
    if asked == "cpu":
        return asked
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    best = next(name for name, here in there.items() if here)
    if asked != "auto" and not there.get(asked.split(":", maxsplit=1)[0], False):
        raise ModelError(f"this machine has no device {asked!r}; choose auto or {best}")
    return best if asked == "auto" else asked


def answerable(card: ModelCard) -> tuple[str, ...]:
    """The emotions a model has a label for."""
    there = set(card.canonical.values())
    return tuple(emotion for emotion in EMOTIONS if emotion in there)


def lacking(emotion: str) -> str:
    """Why examples of an emotion are left out."""
    return f"labelled {emotion}, for which the model has no label"


def _outside(label: str) -> str:
    return (
        label.strip("()") if label in (NO_LABEL, SEVERAL_LABELS) else f"labelled {label}, none of the seven"
    )


def shortened(name: str) -> str:
    """One line of a name or text."""
    line = " ".join(name.split())
    return line if len(line) <= LONGEST_NAME else f"{line[: LONGEST_NAME - 1]}…"


def ask(backend: Any, examples: LabelledSet, how: How, show: Show | None = None) -> Answers:
    """See :func:`score`; ``backend`` is already loaded."""
    labels = answerable(backend.card)
    skipped = Counter({_outside(name): n for name, n in examples.unmapped.items()})
    skipped.update(lacking(one.emotion) for one in examples.examples if one.emotion not in labels)
    wanted = [place for place, one in enumerate(examples.examples) if one.emotion in labels]
    answered: dict[int, Scores] = {}
    named: dict[str, tuple[str, ...]] = {}
    for done, (place, outcome) in enumerate(READERS[examples.modality](backend, examples, wanted, how), 1):
        if isinstance(outcome, str):
            skipped[outcome] += 1
            if skipped[outcome] <= NAMED:
                named[outcome] = (*named.get(outcome, ()), examples.examples[place].source)
        else:
            answered[place] = outcome
        if show is not None:
            show(done, len(wanted))
    if not answered:
        reasons = "; ".join(left_out(skipped, named))
        raise DataError(
            f"not one example could be answered ({reasons}); check the data, --root and the labels"
        )
    kept = [examples.examples[place] for place in sorted(answered)]
    scores = [answered[place] for place in sorted(answered)]
    return Answers(
        names=tuple(one.source for one in kept),
        truth=np.array([EMOTIONS.index(one.emotion) for one in kept], np.int64),
        probabilities=np.array([one.probabilities for one in scores], np.float64),
        groups=np.array([one.group for one in kept], dtype=np.str_),
        labels=labels,
        skipped=dict(sorted(skipped.items())),
        modality=examples.modality,
        root=examples.root,
        detect=how.detect,
        uncalibrated=_uncalibrated(scores, backend.card),
        named=named,
    )


def left_out(skipped: Mapping[str, int], named: Mapping[str, Sequence[str]]) -> list[str]:
    """How many examples are left out and why, with the names of a few."""
    lines = []
    for why, n in skipped.items():
        few = [shortened(name) for name in named.get(why, ())]
        more = ", …" if n > len(few) else ""
        lines.append(f"{n}, {why}" + (f" ({', '.join(few)}{more})" if any(few) else ""))
    return lines


def _uncalibrated(scores: Sequence[Scores], card: ModelCard) -> Floats | None:
    if card.temperature == 1.0:
        return None
    native = np.array([[one.native[label] for label in card.labels] for one in scores])
    powers = np.maximum(native, 1e-300) ** card.temperature
    powers /= powers.sum(axis=1, keepdims=True)
    return np.array([to_scores(card.labels, row, card.canonical).probabilities for row in powers.tolist()])
