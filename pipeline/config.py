"""Every setting, its default and its unit; TOML in, TOML out.

One section per part of the pipeline. Sections are frozen; an unknown key is an error that names the
nearest known one. Which fields enter a stage's key is said in ``graph.py``; fields that never change the
bytes of a result (device, batch size) stay out of it. Over 300 lines, since a setting is looked for in one
place.
"""

import difflib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.types import ChineseScript, ExportFormat, FilmStyle, Profile

X264Preset = Literal[
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"
]
AUTO = "auto"


class ConfigError(ValueError):
    """A setting that cannot be used; the message is one sentence for the person who wrote it."""


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _device() -> Any:
    return Field("cpu", description="Torch device of a Transformers model, for instance `cuda`.")


def _batch(size: int) -> Any:
    return Field(size, ge=1, description="Inputs given to the model at a time; changes memory, not results.")


class FaceSection(Section):
    sample_fps: Annotated[float, Field(gt=0)] | Literal["all"] = Field(
        5.0, description="Frames read per second; `all` reads every one."
    )
    detector: str = Field(
        AUTO,
        description="`landmarks`, `yunet`, `haar`, or `auto`: the first of these that is on this machine.",
    )
    backend: str = Field(AUTO, description="`compact`, `deepface`, `convnext`, a model folder or a hub id.")
    min_face_px: int = Field(32, ge=8, description="Smaller faces are passed over.")
    hold_s: float = Field(1.0, ge=0, description="A person lost for no longer keeps the id.")
    smoothing_s: float = Field(0.6, ge=0, description="Width of the smoothing over time, per person.")
    own_baseline: bool = Field(
        False,
        description="Answers relative to the person's own mean answer: for people seen for minutes and in "
        "several moods alike. Whoever is in one mood most of the time, also a calm one, is read as mixed "
        "or as something else. A person is one as long as the id stays (`hold_s`); conflicts weigh less.",
    )
    crop_px: int = Field(224, ge=32, description="Largest side of a face handed to the model.")
    batch_size: int = _batch(8)
    device: str = _device()


class MediaSection(Section):
    audio_track: int | None = Field(
        None, ge=1, description="Which sound track is read, counted from 1; unset: see docs/INPUTS.md."
    )


class VoiceSection(Section):
    backend: str = Field(AUTO, description="`compact`, `hubert`, a model folder or a hub id.")
    window_s: float = Field(3.0, gt=0, description="Length of a window inside speech.")
    hop_s: float = Field(1.0, gt=0, description="From one window to the next; no longer than a window.")
    min_speech_s: float = Field(0.5, ge=0, description="Shorter speech is `too_short`.")
    speech_threshold: float = Field(
        0.5, gt=0, lt=1, description="Speech probability from which speech begins."
    )
    speakers: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        "auto", description="How many people speak in the video; `auto`: estimated."
    )
    max_speakers: int = Field(8, ge=1, description="`auto` takes no more speakers than these.")
    batch_size: int = _batch(8)
    device: str = _device()

    @model_validator(mode="after")
    def _no_holes(self) -> Self:
        if self.hop_s > self.window_s:
            raise ValueError(f"hop_s ({self.hop_s:g}) leaves holes between windows of {self.window_s:g} s")
        return self


class TranscriptSection(Section):
    source: Literal["auto", "file", "stream", "burned-in", "faster-whisper", "whisper"] = Field(
        "auto", description="Where words come from; `auto` takes the first of these that there is."
    )
    whisper_model: str = Field(
        "base",
        description="Whisper model: `base`, another listed size, or a folder (a `.pt` file for `whisper`).",
    )
    language: str | None = Field(None, description="Spoken language (`zh`, `en`); unset: detected.")
    script: ChineseScript = Field(
        "auto",
        description="Chinese characters; `auto`: subtitles as written, recognised words in the script that "
        "most of them are in.",
    )
    min_speech_share: float = Field(
        0.2, ge=0, le=1, description="Recognised text over a smaller share of speech is dropped and counted."
    )
    device: str = _device()


class TextSection(Section):
    backend: str = Field(AUTO, description="`compact`, `xlm-roberta`, a model folder or a hub id.")
    batch_size: int = _batch(16)
    device: str = _device()


TRAINED = ("learned", "hybrid")  # strategies that use a trained fusion
# What a preset stands for.
FUSION_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "face-voice": {"strategy": "fixed", "weights": {"face": 0.6, "voice": 0.4, "text": 0.0}},
}


class FusionSection(Section):
    strategy: Literal["fixed", "dynamic", "hybrid", "learned"] = Field(
        "dynamic",
        description="`dynamic`: quality, coverage and uncertainty lower a modality's say; `learned`: a "
        "trained fusion; `hybrid`: the mean of these two, feature and score level. The shipped trained "
        "fusion does worse than `dynamic` on its own test: keep `dynamic` unless you trained one yourself.",
    )
    model: Path | None = Field(
        None, description="`learned`, `hybrid`: a folder that `train fusion` left; unset: the shipped one."
    )
    preset: Literal["face-voice"] | None = Field(
        None, description="`face-voice`: fixed weights, face 0.6, voice 0.4, the words left out."
    )
    weights: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict, description="Weight per modality; one that is not named weighs 1."
    )
    gap_s: float = Field(5.0, gt=0, description="Gaps without words are cut into rows no longer than this.")

    @model_validator(mode="before")
    @classmethod
    def _filled_from_preset(cls, given: Any) -> Any:
        asked = given.get("preset") if isinstance(given, Mapping) else None
        preset = FUSION_PRESETS.get(asked) if isinstance(asked, str) else None
        return given if preset is None else {**preset, **given}

    @model_validator(mode="after")
    def _nothing_idle(self) -> Self:
        if self.model is not None and self.strategy not in TRAINED:
            raise ValueError(
                f'model does nothing with strategy = "{self.strategy}"; set "learned" or "hybrid"'
            )
        if self.preset is not None and self.weights != FUSION_PRESETS[self.preset]["weights"]:
            raise ValueError(f'weights and preset = "{self.preset}" exclude one another; leave one out')
        if self.weights and self.strategy == "learned":
            name = "weights" if self.preset is None else "preset"
            raise ValueError(f'{name} does nothing with strategy = "learned"; leave it out or set "hybrid"')
        return self


class ConflictSection(Section):
    enter: float = Field(
        0.9, gt=0, lt=1, description="Evidence at which a conflict begins: B/(1+B) of its Bayes factor B."
    )
    leave: float = Field(0.75, gt=0, lt=1, description="Evidence below which it ends.")
    most_false_alarms_per_minute: float | None = Field(
        None,
        ge=0,
        description="Raise `enter` per video, to 0.99 at most, until chance alone would give no more alarms.",
    )
    apart: float = Field(
        0.112,
        gt=0,
        lt=1,
        description="Prior probability that a channel shows another state than the person's.",
    )
    stretch_s: float = Field(2.0, ge=0.5, description="Channels are compared in stretches no longer.")
    min_duration_s: float = Field(0.5, ge=0, description="Shorter conflicts are dropped.")
    merge_gap_s: float = Field(1.0, ge=0, description="The same conflict after a shorter gap is one event.")
    readings: Path | None = Field(None, description="Your own named readings, as in `fusion/readings.toml`.")

    @model_validator(mode="after")
    def _enter_above_leave(self) -> Self:
        if self.leave > self.enter:
            raise ValueError(f"leave ({self.leave:g}) must not be above enter ({self.enter:g})")
        return self


class FilmSection(Section):
    enabled: bool = Field(True, description="Whether to make `annotated.mp4`.")
    crf: int = Field(23, ge=0, le=51, description="x264 quality; smaller is better and larger.")
    preset: X264Preset = Field("veryfast", description="x264 preset.")
    max_height_px: int = Field(1080, ge=120, description="A taller picture is scaled down to this.")
    style: FilmStyle = Field(
        "full",
        description="`full`: boxes, subtitles, conflicts, and the lanes below the picture; `minimal`: boxes "
        "and conflicts on the picture alone; `subtitles`: subtitles in their emotion's colour, nothing else.",
    )
    blur_faces: bool = Field(
        False,
        description="Blur every detected face in film, stills and reel. Look at the film before you share "
        "it: a face that was not detected is not blurred.",
    )


class HighlightsSection(Section):
    enabled: bool = Field(False, description="Whether to cut a reel, stills and a sheet of key frames.")
    most: int = Field(3, ge=1, description="Conflicts in the reel, the strongest first.")
    lead_in_s: float = Field(1.0, ge=0, description="What the reel shows before and after each.")
    keyframes: int = Field(16, ge=1, le=200, description="Pictures on the sheet of key frames; 200 at most.")
    expressive: float = Field(
        0.5, ge=0, le=1, description="Least probability of any emotion but neutral that a key frame shows."
    )


class ExportSection(Section):
    formats: tuple[ExportFormat, ...] = Field(
        (),
        description="Files for other tools: any of "
        + ", ".join(f"`{f}`" for f in get_args(ExportFormat))
        + ".",
    )


class RunSection(Section):
    profile: Profile = Field("auto", description="`auto`: the best model that is here; `compact`; `full`.")
    only: tuple[str, ...] = Field((), description="Modalities to read; empty: all.")
    workers: int = Field(0, ge=0, description="Stages at a time; 0: one per processor.")
    keep_no_faces: bool = Field(
        False,
        description="Keep nothing that shows a face in the cache once the run has ended: the next run looks "
        "for faces again. Results that show the picture are made all the same.",
    )


class Config(Section):
    """All settings of one analysis."""

    media: MediaSection = MediaSection()
    face: FaceSection = FaceSection()
    voice: VoiceSection = VoiceSection()
    transcript: TranscriptSection = TranscriptSection()
    text: TextSection = TextSection()
    fusion: FusionSection = FusionSection()
    conflict: ConflictSection = ConflictSection()
    film: FilmSection = FilmSection()
    highlights: HighlightsSection = HighlightsSection()
    export: ExportSection = ExportSection()
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
    # A union adds its member to the path, as in face.sample_fps.constrained-float.
    where = [str(part) for part in first["loc"] if not {"-", "["} & set(str(part))]
    key = ".".join(where)
    if first["type"] == "value_error":
        return f"setting {key}: {first['msg'].removeprefix('Value error, ')}"
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


def document() -> str:
    """docs/CONFIG.md, from the models above."""
    lines = [
        "# Settings",
        "",
        "Written by `python -m pipeline.config`. Give a TOML file with `--config FILE`; flags win over it.",
        "Fields not named keep their default. An unknown key is an error that names the nearest known one.",
    ]
    for section, field in Config.model_fields.items():
        kind = field.annotation
        assert isinstance(kind, type) and issubclass(kind, BaseModel)
        lines += ["", f"## `[{section}]`", "", "| key | default | what it does |", "|---|---|---|"]
        for name, setting in kind.model_fields.items():
            default = setting.get_default(call_default_factory=True)
            shown = "unset" if default is None else f"`{json.dumps(default)}`"
            lines.append(f"| `{name}` | {shown} | {setting.description} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(document(), end="")
