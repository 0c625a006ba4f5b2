"""Which model each modality gets: ``auto`` replaced by real names, and the digest of every model used."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from pipeline.config import AUTO, Config, ConfigError
from pipeline.engine.sources import source_artifact
from pipeline.graph import MODALITIES
from pipeline.models.cards import ModelError, shipped_card
from pipeline.models.known import KnownModel, known_for, known_models
from pipeline.models.load import TRANSFORMERS

COMPACT = "compact"


@dataclass(frozen=True, slots=True)
class Resolved:
    """Settings without ``auto`` and, per stage, the digests of the models in its key."""

    config: Config
    models: Mapping[str, str]


def resolve(config: Config, modalities: tuple[str, ...], memory: Path) -> Resolved:
    """Choose back-ends by the profile; nothing is downloaded and no model is loaded.

    ``auto`` takes the full model when its weights are on this machine and the compact one otherwise; ``full``
    insists. ``memory`` remembers file digests between runs.

    Raises:
        ModelError: a model was asked for by name or by ``full`` and is not here.
        ConfigError: a back-end that does not exist.
    """
    chosen: dict[str, dict[str, str]] = {}
    digests: dict[str, str] = {}
    for name in modalities:
        modality = MODALITIES[name]
        asked: str = getattr(config, modality.section).backend
        backend = _backend(asked, config.run.profile, modality.full)
        _check_known(backend, modality.backends, name)
        chosen.setdefault(modality.section, {})["backend"] = backend
        digests[name] = backend_digest(backend, modality.shipped, memory)
    if "face" in modalities:
        detector = _detector(config.face.detector)
        chosen["face"]["detector"] = detector
        digests["faces"] = _detector_digest(detector, memory)
    digests["speech"] = version("silero-vad")
    digests["transcript"] = _transcript_digest(config, memory)
    sections = {
        section: getattr(config, section).model_copy(update=values) for section, values in chosen.items()
    }
    return Resolved(config.model_copy(update=sections), digests)


def _backend(asked: str, profile: str, full: str) -> str:
    if asked != AUTO:
        return asked
    if profile == COMPACT:
        return COMPACT
    if profile == "full" or known_for(full).is_here:
        return full
    return COMPACT


def _check_known(backend: str, backends: str, modality: str) -> None:
    module, attribute = backends.split(":")
    names: Mapping[str, str] = getattr(import_module(module), attribute)
    if backend in names or Path(backend).is_dir() or "/" in backend:
        return
    known = ", ".join(name for name in names if name != TRANSFORMERS)
    raise ConfigError(f"unknown {modality} back-end {backend!r}; choose {known}, a folder or a hub id")


def backend_digest(backend: str, shipped: str, memory: Path) -> str:
    """SHA-256 that stands for a back-end's weights. Raises ModelError when they are not on this machine."""
    if backend == COMPACT:
        return shipped_card(shipped).sha256
    listed = next((model for model in known_models() if backend in (model.backend, model.id)), None)
    if listed is not None:
        return _files_digest(_listed_files(listed), memory)
    from pipeline.models.transformers_loader import find_model

    folder = Path(find_model(backend))
    return _files_digest(sorted(path for path in folder.rglob("*") if path.is_file()), memory)


def _listed_files(model: KnownModel) -> list[Path]:
    if not model.is_here:
        raise ModelError(f"the model {model.id} is not on this machine; run `emotion-pipeline models pull`")
    return [model.home / file.path for file in model.files]


def _files_digest(files: list[Path], memory: Path) -> str:
    return ",".join(source_artifact(path, memory).digest for path in files)


def _detector(asked: str) -> str:
    if asked != AUTO:
        return asked
    return "yunet" if known_for("yunet").is_here else "haar"


def _detector_digest(detector: str, memory: Path) -> str:
    if detector == "haar":
        return version("opencv-contrib-python-headless")
    return _files_digest(_listed_files(known_for(detector)), memory)


def _transcript_digest(config: Config, memory: Path) -> str:
    """Changes when Whisper weights appear or change, so that a pull after a first run takes effect."""
    here = [m for m in known_models() if m.modality == "transcript" and m.is_here]
    wanted = [m for m in here if m.revision == config.transcript.whisper_model]
    whisper = ";".join(_files_digest(_listed_files(model), memory) for model in wanted)
    return f"whisper:{whisper} pocketsphinx:{version('pocketsphinx') if find_spec('pocketsphinx') else ''}"
