"""Which model each modality gets: ``auto`` replaced by real names, and the digest of every model used."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from pipeline.config import AUTO, TRAINED, Config, ConfigError
from pipeline.engine.files import json_digest
from pipeline.engine.sources import Source, read_source
from pipeline.fusion.learned import load_for_moments, model_files
from pipeline.graph import MODALITIES
from pipeline.media.language import normal_code
from pipeline.models.cards import ModelError, cache_folder, shipped_card
from pipeline.models.known import KnownModel, is_hub_id, known_for, known_models
from pipeline.models.load import TRANSFORMERS
from pipeline.records import CARD_FILE

COMPACT, FULL = "compact", "full"
HAAR, YUNET, LANDMARKS = "haar", "yunet", "landmarks"


@dataclass(frozen=True, slots=True)
class Resolved:
    """Settings without ``auto`` and, per stage, the digests of the models in its key.

    ``files`` are the fetched weights whose content the digests stand for.
    """

    config: Config
    models: Mapping[str, str]
    files: tuple[Source, ...] = ()


def resolve(config: Config, modalities: tuple[str, ...], has_subtitles: bool) -> Resolved:
    """Choose back-ends by the profile; nothing is downloaded and no model is loaded.

    ``auto`` takes the full model when its weights are on this machine and it reads the language that was
    given (a model for one language is not taken on a guess), else the compact one; ``full`` insists.

    Raises:
        ModelError: a model was asked for by name or by ``full`` and is not here, or the fusion cannot read
            films.
        ConfigError: a back-end that does not exist.
    """
    chosen: dict[str, dict[str, str]] = {}
    digests: dict[str, str] = {}
    files: list[Source] = []
    for name in modalities:
        modality = MODALITIES[name]
        asked: str = getattr(config, modality.section).backend
        backend = _backend(asked, modality.full, config)
        _check_known(backend, modality.backends, f"{name} back-end")
        chosen.setdefault(modality.section, {})["backend"] = backend
        digests[name], weights = _backend_digest(backend, modality.shipped)
        files += weights
    if "face" in modalities:
        detector = _detector(config)
        chosen["face"]["detector"] = detector
        digests["faces"], weights = _detector_digest(detector)
        files += weights
    if "text" in modalities:
        digests["words"], weights = _recogniser_digest(config, has_subtitles)
        files += weights
    if config.fusion.strategy in TRAINED:
        digests["fuse"] = _fusion_digest(config.fusion.model, modalities)
    if {"voice", "text"} & set(modalities):
        digests["speakers"], weights = _speakers_digest()
        files += weights
    digests["speech"] = f"silero-vad {version('silero-vad')}"
    sections = {
        section: getattr(config, section).model_copy(update=values) for section, values in chosen.items()
    }
    return Resolved(config.model_copy(update=sections), digests, tuple(files))


def _fusion_digest(folder: Path | None, modalities: tuple[str, ...]) -> str:
    model = load_for_moments(folder)
    if not set(model.inputs) & set(modalities):
        raise ModelError(
            f"the fusion in {folder or 'the package'} reads {', '.join(model.inputs)}, none of "
            f"{', '.join(modalities)}; train one whose inputs have these names"
        )
    return json_digest(asdict(model_files(folder)[0]))


def _backend(asked: str, full: str, config: Config) -> str:
    if asked != AUTO:
        return asked
    if config.run.profile == COMPACT:
        return COMPACT
    if config.run.profile == FULL:
        return full
    model = known_for(full)
    reads = not model.languages or normal_code(config.transcript.language) in model.languages
    return full if model.is_here and reads else COMPACT


def _check_known(name: str, listed: str, what: str) -> None:
    module, attribute = listed.split(":")
    names: Mapping[str, str] = getattr(import_module(module), attribute)
    if name in names or (TRANSFORMERS in names and (Path(name).is_dir() or is_hub_id(name))):
        return
    known = ", ".join(name for name in names if name != TRANSFORMERS)
    or_else = ", a folder or a hub id" if TRANSFORMERS in names else ""
    raise ConfigError(f"unknown {what} {name!r}; choose {known}{or_else}")


def _backend_digest(backend: str, shipped: str) -> tuple[str, tuple[Source, ...]]:
    """Digest of a back-end's weights and card. Raises ModelError when they are not on this machine."""
    if backend == COMPACT:  # the card holds the digest of its weights, which are held against it when loaded
        return json_digest(asdict(shipped_card(shipped))), ()
    listed = next((model for model in known_models() if backend in (model.backend, model.id)), None)
    if listed is not None:
        digest, files = _files_digest(_listed_files(listed))
        return json_digest([_in_results(listed), digest]), files
    from pipeline.models.transformers_loader import find_model

    ours = (Path(backend) / CARD_FILE).is_file()  # left by one of our trainings, with or without config.json
    folder = Path(backend) if ours else Path(find_model(backend))
    return _files_digest(sorted(path for path in folder.rglob("*") if path.is_file()))


def _in_results(model: KnownModel) -> dict[str, object]:
    """What of a listed model changes or stands in results; the digest of its files is counted apart."""
    return asdict(replace(model, files=(), size_bytes=0, folder="", optional=False, without=""))


def _listed_files(model: KnownModel) -> list[Path]:
    if not model.is_here:
        raise ModelError(
            f"the model {model.id} is not on this machine; run `emotion-pipeline models pull {model.id}`"
        )
    return [model.home / file.path for file in model.files]


def _files_digest(paths: list[Path]) -> tuple[str, tuple[Source, ...]]:
    memory = cache_folder() / "digests.json"
    try:
        files = tuple(read_source(path, memory) for path in paths)
    except OSError as error:
        raise ModelError(f"cannot read {error.filename} ({error.strerror}); mend or remove it") from error
    return json_digest([[file.path.name, file.digest] for file in files]), files


def _detector(config: Config) -> str:
    asked = config.face.detector
    if asked != AUTO:
        _check_known(asked, "pipeline.face.backends:DETECTORS", "face detector")
        return asked
    if config.run.profile == COMPACT:
        return HAAR
    here = [name for name in (LANDMARKS, YUNET) if known_for(name).is_here]
    return here[0] if here else LANDMARKS if config.run.profile == FULL else HAAR


def _detector_digest(detector: str) -> tuple[str, tuple[Source, ...]]:
    """Digest of a detector, and of the landmarker, which measures the faces of any where it is here."""
    landmarker = known_for(LANDMARKS)
    measured = detector == LANDMARKS or landmarker.is_here
    names = {detector: known_for(detector)} if detector != HAAR else {}
    names |= {LANDMARKS: landmarker} if measured else {}
    digest, files = _files_digest([path for model in names.values() for path in _listed_files(model)])
    libraries = ["opencv-contrib-python-headless"] * (detector == HAAR) + ["ai-edge-litert"] * measured
    return json_digest([[f"{name} {version(name)}" for name in libraries], digest]), files


def _speakers_digest() -> tuple[str, tuple[Source, ...]]:
    """Changes when the speaker encoder's weights appear or change."""
    from pipeline.voice.speaker_encoder import BACKEND, MODEL_ID

    known = known_for(BACKEND)
    if not known.is_here:
        return "", ()
    digest, files = _files_digest(_listed_files(known))
    return json_digest([asdict(shipped_card(MODEL_ID)), digest]), files


def _recogniser_digest(config: Config, has_subtitles: bool) -> tuple[str, tuple[Source, ...]]:
    """Changes when a recogniser's weights appear or change, so that a pull after a first run takes effect.

    Raises:
        ModelError: a recogniser is insisted on, by name or by the full profile without subtitles, and is not
            here.
    """
    from pipeline.text import faster_whisper_speech, whisper_speech

    source, size = config.transcript.source, config.transcript.whisper_model
    weights = faster_whisper_speech.weights(size)
    openai = whisper_speech.weights_path(size)
    is_full = config.run.profile == FULL and source == AUTO and not has_subtitles
    if not weights and (source == faster_whisper_speech.SOURCE or (is_full and not openai.is_file())):
        raise ModelError(faster_whisper_speech.missing(size))
    if source == whisper_speech.SOURCE and not openai.is_file():
        raise ModelError(whisper_speech.missing(size))
    reader = known_for("burned-in")
    if source == reader.backend:
        _listed_files(reader)  # raises where they are not here
    faster, files = _files_digest(weights) if weights else ("", ())
    whisper, more = _files_digest([openai]) if openai.is_file() else ("", ())
    burned, reading = _files_digest(_listed_files(reader)) if reader.is_here else ("", ())
    listed = faster_whisper_speech.known_model(size) if weights else None
    cards = [_in_results(reader)] * reader.is_here + ([_in_results(listed)] if listed else [])
    libraries = ("ctranslate2", "faster-whisper", "openai-whisper") if weights or openai.is_file() else ()
    versions = [f"{name} {version(name)}" for name in libraries]
    digest = json_digest([burned, faster, whisper, cards, versions])
    return digest, tuple(dict.fromkeys((*reading, *files, *more)))
