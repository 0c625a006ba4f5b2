"""Makes `inputs/sample.mp4` and `sample.srt`: python -m tests.made.sample inputs

Synthetic, from parts free to ship: scikit-image's public-domain portrait of the astronaut Eileen Collins,
moved and scaled, its mouth opened by the loudness of espeak-ng speech: a face that kept it still would not be
taken for the one who speaks. `SCENES` is what should be found in it.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
import skimage.data

from tests.made.speech import say

FPS = 25
WIDTH_PX, HEIGHT_PX = 640, 360
FACE_PX = (224, 118)  # centre of the face in the 512 px portrait
# Its mouth: corners left and right, the edge of the teeth, the end of the neck, how far the jaw can drop.
MOUTH_LEFT_PX, MOUTH_RIGHT_PX, TEETH_PX, NECK_PX, DROP_PX = 206, 240, 148, 188, 9
INSIDE_BGR = (30, 25, 60)


@dataclass(frozen=True)
class Scene:
    start_s: float
    end_s: float
    face: bool
    words: str  # empty: nobody speaks
    pitch: int = 50
    words_per_minute: int = 150


SCENES = (
    Scene(0, 7, True, "I am so happy today! Thank you, this is wonderful, I love it.", 70, 160),
    Scene(7, 9, True, ""),
    Scene(9, 16, True, "I am so sad. I miss him terribly, and I cry every night.", 35, 125),
    Scene(16, 22, False, "The train leaves at nine from platform two.", 50, 150),
    Scene(22, 28, True, ""),
)
SPEECH_DELAY_S = 0.5


def _background(time_s: float) -> np.ndarray:
    """Slowly moving stripes in dull colours: something to look at without a face."""
    x = np.arange(WIDTH_PX)[None, :] + 40 * time_s
    y = np.arange(HEIGHT_PX)[:, None]
    wave = (np.sin(x / 60) + np.cos(y / 45)) * 20
    return np.stack([wave + 70, wave + 80, wave + 100], axis=-1).astype(np.uint8)


def _speaking(portrait: np.ndarray, opening: float) -> np.ndarray:
    """The portrait with its jaw dropped by ``opening`` in [0, 1]; what opens is dark."""
    y, x = np.mgrid[: portrait.shape[0], : portrait.shape[1]].astype(np.float32)
    middle, half = (MOUTH_LEFT_PX + MOUTH_RIGHT_PX) / 2, (MOUTH_RIGHT_PX - MOUTH_LEFT_PX) / 2
    gap = opening * DROP_PX * np.sqrt(np.clip(1 - ((x - middle) / half) ** 2, 0, 1))
    drop = opening * DROP_PX * np.clip(1 - ((x - middle) / (2.2 * half)) ** 2, 0, 1)
    below = np.clip((NECK_PX - y) / (NECK_PX - TEETH_PX), 0, 1) * (y > TEETH_PX)
    moved = cv2.remap(portrait, x, y - drop * below, cv2.INTER_LINEAR)
    dark = (np.clip(TEETH_PX + gap - y, 0, 1) * (y > TEETH_PX))[..., None]
    return (moved * (1 - dark) + np.array(INSIDE_BGR) * dark).astype(np.uint8)


def _openings(track: np.ndarray, rate_hz: int) -> np.ndarray:
    """How far the mouth is open in every frame: loudness, 1 at its ninth decile while somebody speaks."""
    frames = track[: len(track) // (rate_hz // FPS) * (rate_hz // FPS)].reshape(-1, rate_hz // FPS)
    loudness = np.sqrt((frames**2).mean(axis=1))
    return np.clip(loudness / np.quantile(loudness[loudness > 1e-3], 0.9), 0, 1)


def _frame(portrait: np.ndarray, time_s: float, face: bool) -> np.ndarray:
    if not face:
        return _background(time_s)
    zoom = 1.9 + 0.25 * np.sin(time_s / 3)
    x = WIDTH_PX / 2 + 45 * np.sin(time_s / 2.3)
    y = HEIGHT_PX / 2 + 12 * np.sin(time_s / 1.7)
    place = np.array([[zoom, 0, x - zoom * FACE_PX[0]], [0, zoom, y - zoom * FACE_PX[1]]])
    return cv2.warpAffine(
        portrait, place, (WIDTH_PX, HEIGHT_PX), dst=_background(time_s), borderMode=cv2.BORDER_TRANSPARENT
    )


def _sound() -> tuple[np.ndarray, int, list[tuple[float, float, str]]]:
    lines, placed, rate_hz = [], [], 22050
    for scene in SCENES:
        if scene.words:
            sound, rate_hz = say(scene.words, "en-us", scene.words_per_minute, scene.pitch)
            sound = sound[: int((scene.end_s - scene.start_s - SPEECH_DELAY_S) * rate_hz)]
            start_s = scene.start_s + SPEECH_DELAY_S
            placed.append((start_s, sound))
            lines.append((start_s, start_s + len(sound) / rate_hz, scene.words))
    track = np.zeros(int(SCENES[-1].end_s * rate_hz), np.float32)
    for start_s, sound in placed:
        at = int(start_s * rate_hz)
        track[at : at + len(sound)] = sound
    return track, rate_hz, lines


def _stamp(time_s: float) -> str:
    ms = round(time_s * 1000)
    return f"{ms // 3600000:02d}:{ms // 60000 % 60:02d}:{ms // 1000 % 60:02d},{ms % 1000:03d}"


def make_sample(folder: Path) -> Path:
    """Write sample.mp4 and sample.srt into ``folder``; returns the video's path."""
    folder.mkdir(parents=True, exist_ok=True)
    track, rate_hz, lines = _sound()
    sound = folder / ".sample.f32"
    sound.write_bytes(track.tobytes())
    video = folder / "sample.mp4"
    portrait = cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2BGR)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error"]
    command += [
        "-f",
        "rawvideo",
        "-pix_fmt",
        "bgr24",
        "-s",
        f"{WIDTH_PX}x{HEIGHT_PX}",
        "-r",
        str(FPS),
        "-i",
        "-",
    ]
    command += ["-f", "f32le", "-ar", str(rate_hz), "-ac", "1", "-i", str(sound)]
    command += ["-c:v", "libx264", "-preset", "slow", "-crf", "23", "-pix_fmt", "yuv420p", "-threads", "1"]
    command += ["-c:a", "aac", "-b:a", "64k", "-movflags", "+faststart", "-fflags", "+bitexact"]
    command += ["-flags:v", "+bitexact", "-flags:a", "+bitexact", str(video)]
    openings = _openings(track, rate_hz)
    with subprocess.Popen(command, stdin=subprocess.PIPE) as encoder:
        for index in range(int(SCENES[-1].end_s * FPS)):
            time_s = index / FPS
            scene = next(s for s in SCENES if s.start_s <= time_s < s.end_s)
            speaking = _speaking(portrait, float(openings[index]))
            encoder.stdin.write(_frame(speaking, time_s, scene.face).tobytes())
        encoder.stdin.close()
    if encoder.returncode:
        raise RuntimeError("ffmpeg failed")
    sound.unlink()
    cues = (f"{n}\n{_stamp(a)} --> {_stamp(b)}\n{text}\n" for n, (a, b, text) in enumerate(lines, 1))
    (folder / "sample.srt").write_text("\n".join(cues), encoding="utf-8")
    return video


if __name__ == "__main__":
    print(make_sample(Path(sys.argv[1])))
