"""Speech to text with openai-whisper, from weights already on this machine.

Its own file (``base.pt``) where there is one, else the weights of faster-whisper of the same size, which are
the same numbers in another file.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.config import TranscriptSection
from pipeline.models.cards import ModelError, cache_folder, file_sha256, one_sentence
from pipeline.models.known import KnownModel, checked_files, known_models
from pipeline.text import faster_whisper_speech as faster
from pipeline.text.ctranslate2_weights import read_variables, whisper_dimensions, whisper_state
from pipeline.text.recognise import Decoded, Samples, heard
from pipeline.text.transcribe import Heard, Request
from pipeline.types import US_PER_S, ModelCard, Span, Word

SOURCE = "whisper"
CONVERTED = "model.bin"  # CTranslate2's file


def weights_path(model: str) -> Path:
    """The weights of a size (``base``): openai's file, or faster-whisper's where only that is here.

    A path to a ``.pt`` file is itself; where nothing is here, it is where openai's file is expected.
    """
    if model.endswith(".pt"):
        return Path(model)
    expected = cache_folder() / "whisper" / f"{model}.pt"
    if not expected.is_file():
        converted = [path for path in faster.weights(model) if path.name == CONVERTED]
        return converted[0] if converted else expected
    return expected


def missing(model: str) -> str:
    """The sentence for weights that are not here."""
    path = weights_path(model)
    known = _known_at(path) or faster.known_model(model)
    if known is not None:
        return f"Whisper's weights are not at {path}; run `emotion-pipeline models pull {known.id}`"
    if path == Path(model):
        return f"there is no file {path}; set transcript.whisper_model to a size or to a `.pt` file"
    return (
        f"there is no listed model {model!r} for whisper and no file {path}; set transcript.whisper_model to "
        "another size, a folder or a `.pt` file"
    )


def _known_at(path: Path) -> KnownModel | None:
    """The listed model whose file in openai's form this is."""
    listed = (model for model in known_models() if model.backend == SOURCE)
    return next((m for m in listed if any(m.home / file.path == path for file in m.files)), None)


def card(settings: TranscriptSection) -> ModelCard:
    """The card of the model that the settings name, which must be here."""
    path = weights_path(settings.whisper_model)
    if path.name == CONVERTED:
        return faster.card(settings)
    known = _known_at(path)
    if known is not None:
        return known.card()
    return faster.unlisted_card(path.stem, path, file_sha256(path))


def transcribe(request: Request) -> Heard | None:
    """Recognised lines with the time of every word; None with ``auto`` when the weights are not here.

    Raises:
        ModelError: Whisper was asked for and its weights are not here or cannot be read.
        ConfigError: the model does not know the language.
    """
    path = weights_path(request.settings.whisper_model)
    if not path.is_file():
        if request.settings.source == SOURCE:
            raise ModelError(missing(request.settings.whisper_model))
        return None
    if not request.speech:
        return Heard(())
    engine = OpenaiWhisper(load_model(path, request.settings.device))
    return heard(engine, request, SOURCE, card(request.settings).id)


def load_model(path: Path, device: str) -> Any:
    """Whisper on a local file; the heads that follow the sound are those known for its size.

    Raises:
        ModelError: the file holds no Whisper model, or not the one it was published as.
    """
    if path.name == CONVERTED:
        return _converted(path, device)
    if (known := _known_at(path)) is not None:
        checked_files(known)
    import whisper

    try:
        model = whisper.load_model(str(path), device=device)
    except Exception as error:  # torch.load raises whatever an unpickler can
        raise ModelError(
            f"{path} is not a Whisper model ({type(error).__name__}); delete it and pull it again"
        ) from error
    return _with_heads(model, path.stem)


def _converted(path: Path, device: str) -> Any:
    import torch
    from whisper.model import ModelDimensions, Whisper

    known = faster.known_model(str(path.parent))
    if known is not None:
        path = checked_files(known)[CONVERTED]
    variables = read_variables(path)
    try:
        model = Whisper(ModelDimensions(**whisper_dimensions(variables)))
        state = {
            name: torch.from_numpy(value.astype("float32"))
            for name, value in whisper_state(variables).items()
        }
        model.load_state_dict(state)
    except (KeyError, ValueError, RuntimeError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(
            f"{path} is not a Whisper model that openai-whisper can hold ({one_sentence(error)}); use "
            "transcript.source 'faster-whisper'"
        ) from error
    return _with_heads(model.to(device), path.parent.name.removeprefix("faster-whisper-"))


def _with_heads(model: Any, size: str) -> Any:
    """Any other model, also one under such a name, keeps the default: all heads of the upper half."""
    import whisper

    heads = getattr(whisper, "_ALIGNMENT_HEADS", {}).get(size)
    if heads is not None:
        with suppress(RuntimeError):
            model.set_alignment_heads(heads)
    return model


class OpenaiWhisper:
    """A model of openai-whisper, one chunk at a time: its own features, search and alignment."""

    def __init__(self, model: Any) -> None:
        self._model = model

    @property
    def languages(self) -> frozenset[str]:
        from whisper.tokenizer import LANGUAGES

        return frozenset(
            list(LANGUAGES)[: self._model.num_languages] if self._model.is_multilingual else ["en"]
        )

    def encode(self, samples: Samples) -> tuple[Any, int]:
        """The encoder's output and how many frames of it are sound."""
        import torch
        from whisper.audio import N_FRAMES, N_SAMPLES, log_mel_spectrogram, pad_or_trim

        mel = log_mel_spectrogram(samples, self._model.dims.n_mels, padding=N_SAMPLES)
        window = pad_or_trim(mel, N_FRAMES).to(self._model.device)
        with torch.no_grad():
            features = self._model.encoder(window.unsqueeze(0))[0]
        return features, faster.frames_of(samples)

    def language_probabilities(self, encoded: tuple[Any, int]) -> Mapping[str, float]:
        from whisper.decoding import detect_language

        if not self._model.is_multilingual:
            return {"en": 1.0}
        with _vocabulary_left_open():
            _, probabilities = detect_language(self._model, encoded[0])
        return dict(probabilities)

    def decode(self, encoded: tuple[Any, int], language: str, may_repeat: bool) -> Decoded:
        from whisper.decoding import DecodingOptions, decode
        from whisper.timing import find_alignment
        from whisper.tokenizer import get_tokenizer

        features, frames = encoded
        options = DecodingOptions(
            language=language,
            beam_size=faster.BEAM_SIZE,
            temperature=0.0,
            # This library cannot forbid repetition; without time stamps most loops do not come about.
            without_timestamps=not may_repeat,
            fp16=False,
        )
        with _vocabulary_left_open():
            tokenizer = get_tokenizer(
                self._model.is_multilingual,
                num_languages=self._model.num_languages,
                language=language,
                task="transcribe",
            )
            result = decode(self._model, features, options)
            text = [token for token in result.tokens if token < tokenizer.eot]
            model = _Encoded(self._model, features)
            words = find_alignment(model, tokenizer, text, features, frames) if text else []
        return Decoded(
            words=tuple(
                Word(_span(word.start, word.end), word.word, round(float(word.probability), 4))
                for word in words
                if word.tokens != [tokenizer.eot]
            ),
            avg_logprob=float(result.avg_logprob),
            no_speech_prob=float(result.no_speech_prob),
            line_ends=faster.line_ends(result.tokens, tokenizer.eot, [len(word.tokens) for word in words]),
        )


class _Encoded:
    """The model to the library's alignment, which would encode the sound once more."""

    def __init__(self, model: Any, features: Any) -> None:
        self._model, self._features = model, features

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def __call__(self, mel: Any, tokens: Any) -> Any:
        return self._model.decoder(tokens, self._features.unsqueeze(0))


@contextmanager
def _vocabulary_left_open() -> Iterator[None]:
    """The library leaves its vocabulary file for the garbage collector to close."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield


def _span(start_s: float, end_s: float) -> Span:
    start_us = max(0, round(float(start_s) * US_PER_S))
    return Span(start_us, max(start_us, round(float(end_s) * US_PER_S)))
