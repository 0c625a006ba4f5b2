"""Speech from espeak-ng's shared library (the package `espeakng-loader` carries it), as an array."""

import ctypes

import espeakng_loader
import numpy as np
from numpy.typing import NDArray

AUDIO_OUTPUT_SYNCHRONOUS = 2
CHARS_UTF8 = 1
RATE, PITCH, RANGE = 1, 3, 4  # espeak_PARAMETER
CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def say(text: str, voice: str = "en", words_per_minute: int = 150, pitch: int = 50, pitch_range: int = 50):
    """Speak ``text``; returns (float32 samples in [-1, 1], sample rate in Hz)."""
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    data = espeakng_loader.get_data_path().encode()
    rate_hz = library.espeak_Initialize(AUDIO_OUTPUT_SYNCHRONOUS, 0, ctypes.c_char_p(data), 0)
    if rate_hz <= 0:
        raise RuntimeError("espeak-ng could not be started")
    pieces: list[NDArray[np.int16]] = []

    def collect(samples, count, events):
        if samples and count > 0:
            pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    callback = CALLBACK(collect)
    library.espeak_SetSynthCallback(callback)
    library.espeak_SetVoiceByName(ctypes.c_char_p(voice.encode()))
    for parameter, value in ((RATE, words_per_minute), (PITCH, pitch), (RANGE, pitch_range)):
        library.espeak_SetParameter(parameter, value, 0)
    raw = text.encode("utf-8") + b"\0"
    library.espeak_Synth(raw, len(raw), 0, 1, 0, CHARS_UTF8, None, None)
    library.espeak_Synchronize()
    sound = np.concatenate(pieces) if pieces else np.zeros(0, np.int16)
    return sound.astype(np.float32) / 32768, rate_hz
