"""How a modality is called in everything a person opens: the one place that knows names.

A modality that is not listed here is shown under its own name and comes after the listed ones.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pipeline.labels import EMOTIONS
from pipeline.records import BOX_KEY, SPEECH_SHARE_KEY


@dataclass(frozen=True, slots=True)
class Display:
    """``prefix`` starts column names, ``noun`` stands in sentences, ``table`` holds its samples."""

    prefix: str
    noun: str
    table: str | None
    evidence: tuple[str, ...] = ()  # numbers of an observation's evidence that get a column


KNOWN: dict[str, Display] = {
    "face": Display("Visual", "face", "faces.csv", (BOX_KEY,)),
    "text": Display("Text", "words", None),
    "voice": Display("Audio", "voice", "voice.csv", (SPEECH_SHARE_KEY,)),
}
TRANSCRIBED = "text"  # the modality that reads the utterances
FUSED = Display("Fused", "together", None)

START, END, CONTENT = "Start_Time", "End_Time", "Content"
SPEAKER, PERSON = "Speaker", "Person"
EVIDENCE, BEST_FRAME, WORDS, RULE = "Evidence", "Best_Frame", "Words", "Rule"
READ_TOGETHER, VANISHES_IF, NOT_COMPARED = "Read_Together", "Vanishes_If", "Not_Compared"
Kind = Literal["integer", "number", "text"]
INTEGERS = frozenset({"Rank"})
# Columns of numbers by their whole name, by how it ends, by how it starts; all others hold text.
NUMBERS = frozenset({START, END, EVIDENCE, "Strength", "Confidence", "Quality", "Speech_Share"})
ENDINGS = ("_Confidence", "_Strength", "_Weight", "_Coverage", "_Probability")
STARTS = ("Box_", *(f"{kind}_{name}" for kind in ("Smoothed", "Raw") for name in (*EMOTIONS, "unmapped")))
INTEGRATED, CONFLICTS = "integrated.csv", "conflicts.csv"


def display(modality: str) -> Display:
    """Names of any modality, known or plugged in."""
    capitalised = "_".join(part.capitalize() for part in modality.split("_"))
    return KNOWN.get(modality) or Display(capitalised, modality.replace("_", " "), f"{modality}.csv")


def kind_of(column: str) -> Kind:
    """What a column of a sheet holds."""
    if column in INTEGERS:
        return "integer"
    return "number" if column in NUMBERS or column.endswith(ENDINGS) or column.startswith(STARTS) else "text"


def probability_column(shown: Display) -> str:
    """Where ``conflicts.csv`` says how probable the emotion of a modality is."""
    return f"{shown.prefix}_Probability"


def without_column(shown: Display) -> str:
    """Where ``conflicts.csv`` says how the others read without a modality."""
    return f"Without_{shown.prefix}"


def in_column_order(modalities: Iterable[str]) -> tuple[str, ...]:
    """The known modalities, asked for or not, in the fixed order of the sheet; then all others."""
    return (*KNOWN, *(modality for modality in modalities if modality not in KNOWN))
