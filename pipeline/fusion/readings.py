"""Named readings of a conflict, from a data file users can extend."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pipeline.config import ConfigError
from pipeline.labels import EMOTIONS
from pipeline.types import ConflictKind

SHIPPED = Path(__file__).with_name("readings.toml")
OTHER = "other"
KINDS: tuple[ConflictKind, ...] = get_args(ConflictKind)


@dataclass(frozen=True, slots=True)
class ReadingRule:
    """``when`` maps a modality, or ``other``, to the emotions it may show; ``kinds`` limits the rule."""

    name: str
    kinds: tuple[str, ...]
    when: Mapping[str, frozenset[str]]


def load_rules(path: Path) -> tuple[ReadingRule, ...]:
    """Read a rule file. Raises ConfigError with the place of the first mistake."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the readings file {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None
    if unknown := sorted(set(table) - {"reading"}):
        raise ConfigError(f"{path}: unknown key {unknown[0]!r}; a readings file holds [[reading]] tables")
    return tuple(_rule(entry, path, place) for place, entry in enumerate(table.get("reading", ()), start=1))


def _rule(entry: Mapping[str, Any], path: Path, place: int) -> ReadingRule:
    where = f"{path}, reading {place}"
    if unknown := set(entry) - {"name", "kinds", "when"}:
        raise ConfigError(f"{where}: unknown key {sorted(unknown)[0]!r}; a reading has name, kinds and when")
    name, wanted, kinds = entry.get("name"), entry.get("when"), entry.get("kinds", [])
    if not isinstance(name, str) or not isinstance(wanted, Mapping) or not wanted:
        raise ConfigError(f"{where}: a reading needs a name and a table named when that is not empty")
    if not isinstance(kinds, list) or any(kind not in KINDS for kind in kinds):
        raise ConfigError(f"{where}: kinds is a list of {', '.join(KINDS)}; {kinds!r} is not")
    when = {}
    for modality, emotions in wanted.items():
        if not isinstance(emotions, list) or not emotions:
            raise ConfigError(f"{where}: when.{modality} is a list of emotions; {emotions!r} is not")
        if strange := [one for one in emotions if one not in EMOTIONS]:
            raise ConfigError(f"{where}: {strange[0]!r} is none of {', '.join(EMOTIONS)}")
        when[modality] = frozenset(emotions)
    return ReadingRule(name, tuple(kinds), when)


def rule_of(
    kind: ConflictKind, emotions: Mapping[str, str], rules: tuple[ReadingRule, ...]
) -> ReadingRule | None:
    """The first rule that fits; None when none does."""
    fitting = (rule for rule in rules if (not rule.kinds or kind in rule.kinds) and _fits(rule, emotions))
    return next(fitting, None)


def _fits(rule: ReadingRule, emotions: Mapping[str, str]) -> bool:
    named = {modality: wanted for modality, wanted in rule.when.items() if modality != OTHER}
    if not all(emotions.get(modality) in wanted for modality, wanted in named.items()):
        return False
    rest = [emotion for modality, emotion in emotions.items() if modality not in named]
    return OTHER not in rule.when or any(emotion in rule.when[OTHER] for emotion in rest)
