"""Speech to text with faster-whisper (CTranslate2), from weights already on this machine."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config import TranscriptSection
from pipeline.models.cards import ModelError, folder_sha256, one_sentence
from pipeline.models.known import KnownModel, checked_files, known_models
from pipeline.text.recognise import Decoded, Samples, heard
from pipeline.text.transcribe import Heard, Request
from pipeline.types import US_PER_S, ModelCard, Span, Word

SOURCE = "faster-whisper"
TOKENIZER = "tokenizer.json"
BEAM_SIZE = 5
MAX_TOKENS = 448  # the decoder's positions, the prompt among them
NO_REPEAT_NGRAM = 5  # of the second try at what came out as a loop
WINDOW_FRAMES = 3000  # 30 s: what the encoder reads, whatever there is
MIN_FRAMES = 2  # the encoder joins two; an alignment to none fails
HOP_SAMPLES, FFT_SAMPLES = 160, 400
# On one thread sums keep their order, and beside the other stages more would only crowd these out: with two
# the same words come out of more processor time.
THREADS = 1


def known_model(size: str) -> KnownModel | None:
    """The listed model of a size (``base``, ``distil-large-v3``) or of its folder; None: not listed."""
    names = {size, f"faster-whisper-{size}", f"faster-{size.replace('distil-', 'distil-whisper-')}"}
    listed = (model for model in known_models() if model.backend == SOURCE)
    return next((model for model in listed if _is_called(model, size, names)), None)


def _is_called(model: KnownModel, size: str, names: set[str]) -> bool:
    is_home = Path(size).absolute() == model.home.absolute()
    return is_home or size == model.id or model.id.rsplit("/", 1)[-1] in names


def weights(size: str) -> list[Path]:
    """The files of a model, by size or folder; empty where they are not on this machine.

    A size is one also where a folder of that name lies in the current one.
    """
    model = known_model(size)
    if model is not None:
        return [model.home / file.path for file in model.files] if model.is_here else []
    folder = Path(size)
    return sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []


def missing(size: str) -> str:
    """The sentence for a model that is not here."""
    model = known_model(size)
    if model is None:
        sizes = [one.id for one in known_models() if one.backend == SOURCE]
        return (
            f"{size!r} is neither a listed model of faster-whisper nor a folder that holds one; set "
            f"transcript.whisper_model to one of {', '.join(sizes)}, or to a folder"
        )
    pull = f"run `emotion-pipeline models pull {model.id}`"
    return f"Whisper's weights ({model.id}) are not on this machine; {pull}"


def card(settings: TranscriptSection) -> ModelCard:
    """The card of the model that the settings name, which must be here."""
    model = known_model(settings.whisper_model)
    if model is not None:
        return model.card()
    folder = Path(settings.whisper_model)
    if folder.is_dir():
        return unlisted_card(folder.name, folder, folder_sha256(folder))
    raise ModelError(missing(settings.whisper_model))


def unlisted_card(name: str, path: Path, sha256: str) -> ModelCard:
    """The card of a recogniser that no list knows, from the file or folder it lies in."""
    return ModelCard(
        id=name,
        modality="transcript",
        revision="local",
        sha256=sha256,
        licence="see the model's own page",
        labels=(),
        canonical={},
        source=str(path),
    )


def transcribe(request: Request) -> Heard | None:
    """Recognised lines with the time of every word; None with ``auto`` when the weights are not here.

    Raises:
        ModelError: the engine was asked for and its weights are not here, or they are damaged.
        ConfigError: the model does not know the language.
    """
    size = request.settings.whisper_model
    if not weights(size):
        if request.settings.source == SOURCE:
            raise ModelError(missing(size))
        return None
    if not request.speech:
        return Heard(())
    return heard(load(size, request.settings.device), request, SOURCE, card(request.settings).id)


def load(size: str, device: str) -> "FasterWhisper":
    """The engine. Raises ModelError when the weights are missing, changed, or no Whisper model."""
    known = known_model(size)
    if known is not None:
        folder = checked_files(known)["model.bin"].parent
    elif (folder := Path(size)).is_dir():
        pass
    else:
        raise ModelError(missing(size))
    return FasterWhisper(folder, device, known.languages if known is not None else ())


class FasterWhisper:
    """A model of faster-whisper, one chunk at a time: its own search and alignment.

    ``languages`` are all it was made for; none: all that its vocabulary has a mark for.
    """

    def __init__(self, folder: Path, device: str, languages: Sequence[str] = ()) -> None:
        from faster_whisper import WhisperModel

        if not (folder / TOKENIZER).is_file():  # the library would ask the hub for one
            raise ModelError(f"the folder {folder} holds no {TOKENIZER}; put the model's own there")
        self._languages = frozenset(languages)
        is_cpu = device == "cpu"
        name, _, index = device.partition(":")
        try:
            self._model = WhisperModel(
                str(folder),
                device=name,
                device_index=int(index or 0),
                compute_type="int8" if is_cpu else "float16",
                cpu_threads=THREADS,
                num_workers=1,
                local_files_only=True,
            )
        except Exception as error:  # of a damaged tokenizer no narrower class is raised
            raise ModelError(
                f"{folder} holds no Whisper model that can be loaded on {device} "
                f"({one_sentence(error)}); pull it again or choose another device"
            ) from error

    @property
    def languages(self) -> frozenset[str]:
        return self._languages or frozenset(self._model.supported_languages)

    def encode(self, samples: Samples) -> tuple[Any, int]:
        """The encoder's output and how many frames of it are sound."""
        extractor = self._model.feature_extractor
        padded = np.zeros((len(extractor.mel_filters), WINDOW_FRAMES), np.float32)
        features = log_mel(samples, extractor.mel_filters)[:, :WINDOW_FRAMES]
        padded[:, : features.shape[1]] = features
        return self._model.encode(padded), frames_of(samples)

    def language_probabilities(self, encoded: tuple[Any, int]) -> Mapping[str, float]:
        if not self._model.model.is_multilingual:
            return {"en": 1.0}
        (ranked,) = self._model.model.detect_language(encoded[0])
        return {token.strip("<|>"): probability for token, probability in ranked}

    def decode(self, encoded: tuple[Any, int], language: str, may_repeat: bool) -> Decoded:
        from faster_whisper.tokenizer import Tokenizer
        from faster_whisper.transcribe import get_suppressed_tokens

        features, frames = encoded
        tokenizer = Tokenizer(
            self._model.hf_tokenizer, self._model.model.is_multilingual, task="transcribe", language=language
        )
        (result,) = self._model.model.generate(
            features,
            [tokenizer.sot_sequence],
            beam_size=BEAM_SIZE,
            max_length=MAX_TOKENS,
            no_repeat_ngram_size=0 if may_repeat else NO_REPEAT_NGRAM,
            return_scores=True,
            return_no_speech_prob=True,
            suppress_tokens=list(get_suppressed_tokens(tokenizer, [-1])),
        )
        tokens = result.sequences_ids[0]
        text = [token for token in tokens if token < tokenizer.eot]
        words = self._model.find_alignment(tokenizer, [text], features, frames)[0] if text else []
        return Decoded(
            words=tuple(
                Word(_span(word["start"], word["end"]), word["word"], round(float(word["probability"]), 4))
                for word in words
            ),
            avg_logprob=result.scores[0] * len(tokens) / (len(tokens) + 1),
            no_speech_prob=result.no_speech_prob,
            line_ends=line_ends(tokens, tokenizer.eot, [len(word["tokens"]) for word in words]),
        )


def frames_of(samples: Samples) -> int:
    """How many frames of the encoder's window are sound; at least as many as an alignment needs."""
    return min(WINDOW_FRAMES, max(MIN_FRAMES, samples.size // HOP_SAMPLES))


def log_mel(samples: Samples, filters: NDArray[np.float32]) -> NDArray[np.float32]:
    """Whisper's log-mel spectrogram ``(mels, frames)``, a frame each 10 ms, as faster-whisper's own.

    That one multiplies by BLAS, whose sums, and with them now and then a word, depend on how many threads the
    machine gives it.
    """
    padded = np.pad(np.pad(samples, (0, HOP_SAMPLES)), FFT_SAMPLES // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, FFT_SAMPLES)[::HOP_SAMPLES]
    window = np.hanning(FFT_SAMPLES + 1)[:-1].astype(np.float32)
    power = np.abs(np.fft.rfft(frames * window).astype(np.complex64)[:-1]).T ** 2
    mel = np.zeros((len(filters), power.shape[1]), np.float32)
    for band, frequency in zip(*np.nonzero(filters), strict=True):
        mel[band] += filters[band, frequency] * power[frequency]
    log = np.log10(np.maximum(mel, 1e-10))
    return np.asarray((np.maximum(log, log.max() - 8.0) + 4.0) / 4.0, np.float32)


def line_ends(tokens: list[int], text_end: int, tokens_per_word: list[int]) -> frozenset[int]:
    """Indices of the words that a time stamp (a token from ``text_end`` on) follows."""
    counts, count = set(), 0
    for token in tokens:
        if token < text_end:
            count += 1
        else:
            counts.add(count)
    ends, count = set(), 0
    for i, size in enumerate(tokens_per_word):
        count += size
        if count in counts:
            ends.add(i)
    return frozenset(ends)


def _span(start_s: float, end_s: float) -> Span:
    start_us = max(0, round(float(start_s) * US_PER_S))
    return Span(start_us, max(start_us, round(float(end_s) * US_PER_S)))
