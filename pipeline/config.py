"""Every setting, its default and its unit; TOML in, TOML out.

One section per part of the pipeline. Sections are frozen; an unknown key is an error that names the
nearest known one. Which fields enter a stage's key is said in ``graph.py``; fields that never change the
bytes of a result (device, batch size) stay out of it.
"""

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError

Profile = Literal["auto", "compact", "full"]
AUTO = "auto"


class ConfigError(ValueError):
    """A setting that cannot be used; the message is one sentence for the person who wrote it."""


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FaceSection(Section):
    sample_fps: float | Literal["all"] = 5.0
    detector: str = AUTO
    backend: str = AUTO
    min_face_px: int = Field(32, ge=8)
    hold_s: float = Field(1.0, ge=0)  # a person lost for no longer than this keeps the id
    smoothing_s: float = Field(0.6, ge=0)
    crop_px: int = Field(224, ge=32)
    batch_size: int = Field(32, ge=1)
    device: str = "cpu"


class VoiceSection(Section):
    backend: str = AUTO
    window_s: float = Field(3.0, gt=0)
    hop_s: float = Field(1.0, gt=0)
    min_speech_s: float = Field(0.5, ge=0)
    speech_threshold: float = Field(0.5, gt=0, lt=1)
    batch_size: int = Field(8, ge=1)
    device: str = "cpu"


class TranscriptSection(Section):
    source: Literal["auto", "file", "stream", "whisper", "pocketsphinx"] = "auto"
    whisper_model: str = "base"
    language: str | None = None
    min_speech_share: float = Field(0.2, ge=0, le=1)  # Whisper text over less speech than this is dropped
    device: str = "cpu"


class TextSection(Section):
    backend: str = AUTO
    batch_size: int = Field(16, ge=1)
    device: str = "cpu"


class FusionSection(Section):
    strategy: Literal["fixed", "dynamic"] = "dynamic"
    weights: dict[str, float] = Field(default_factory=dict)  # a modality not named weighs 1
    gap_s: float = Field(5.0, gt=0)  # gaps without speech are cut into moments no longer than this


class ConflictSection(Section):
    enter: float = Field(0.25, gt=0, le=1)
    leave: float = Field(0.15, gt=0, le=1)
    min_duration_s: float = Field(0.5, ge=0)
    merge_gap_s: float = Field(1.0, ge=0)
    readings: Path | None = None  # more named readings, same format as fusion/readings.toml


class FilmSection(Section):
    enabled: bool = True
    crf: int = Field(23, ge=0, le=51)
    preset: str = "veryfast"
    max_height_px: int = Field(1080, ge=120)


class RunSection(Section):
    profile: Profile = "auto"
    only: tuple[str, ...] = ()
    workers: int = Field(0, ge=0)  # 0: one per processor


class Config(Section):
    """All settings of one analysis."""

    face: FaceSection = FaceSection()
    voice: VoiceSection = VoiceSection()
    transcript: TranscriptSection = TranscriptSection()
    text: TextSection = TextSection()
    fusion: FusionSection = FusionSection()
    conflict: ConflictSection = ConflictSection()
    film: FilmSection = FilmSection()
    run: RunSection = RunSection()


def config_from_mapping(values: Mapping[str, Any]) -> Config:
    """Check a nested mapping of settings.

    Raises:
        ConfigError: an unknown key (the nearest known one is named) or a value out of range.
    """
    try:
        return Config.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError(_sentence(error)) from None


def load_config(path: Path, overrides: Mapping[str, Mapping[str, Any]] | None = None) -> Config:
    """Read a TOML file; ``overrides`` (from flags) win over it. Raises ConfigError."""
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the settings file {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None
    return config_from_mapping(merged(values, overrides or {}))


def merged(values: Mapping[str, Any], overrides: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """``values`` with the sections of ``overrides`` laid over it, key by key."""
    result = dict(values)
    for section, settings in overrides.items():
        below = result.get(section, {})
        result[section] = {**below, **settings} if isinstance(below, Mapping) else below
    return result


def to_toml(config: Config) -> str:
    """The settings as TOML; unset optional values are left out, since TOML has no null."""
    text: str = tomli_w.dumps(config.model_dump(mode="json", exclude_none=True))
    return text


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    where = [str(part) for part in first["loc"]]
    key = ".".join(where)
    if first["type"] != "extra_forbidden":
        return f"setting {key}: {first['msg']} (got {first['input']!r})"
    near = difflib.get_close_matches(key, known_keys(), n=1, cutoff=0.5)
    return f"unknown setting {key!r}" + (f"; did you mean {near[0]!r}?" if near else "; see docs/CONFIG.md")


def known_keys() -> list[str]:
    """Every section and every ``section.field``."""
    keys = []
    for section, field in Config.model_fields.items():
        keys.append(section)
        kind = field.annotation
        assert isinstance(kind, type) and issubclass(kind, BaseModel)
        keys += [f"{section}.{name}" for name in kind.model_fields]
    return keys
