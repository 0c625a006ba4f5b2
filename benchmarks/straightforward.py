"""The job done the straightforward way, to compare with: every model on every frame and line, one at a time.

Each frame: OpenCV reads it, a Haar cascade scans it in full resolution, ConvNeXt-Base (224 px, one image
a call) reads the largest face, box and label are drawn, cv2.VideoWriter writes it. Then Whisper-base reads
the sound in its windows of 30 s, and HuBERT-base and XLM-R-base read each subtitle line. All weights are
random (see benchmarks/checkpoints.py: Whisper's decoder says a fixed script, so that it ends).

Only the first part of the film is run; seconds are scaled linearly with the film's length. The sound is
measured over at least one window of Whisper. Making the models is not counted: random weights are not read
from a disk, and making them takes another time.

    python -m benchmarks.straightforward clip.mp4 --subtitles clip.srt --seconds 10
    python -m benchmarks.straightforward clip.mp4 --subtitles clip.srt --json
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.made_clips import Line, duration_s

SAMPLE_RATE_HZ = 16_000
WHISPER_WINDOW_S = 30.0
FACE_PX = 224
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class Part:
    """What one part of the job took on the first ``measured_s`` of the film, for so many ``items``."""

    name: str
    seconds: float
    measured_s: float
    items: int


@dataclass(frozen=True, slots=True)
class Models:
    face: Any
    voice: Any
    text: Any
    tokenizer: Any
    speech: Any


def whole_seconds(parts: Sequence[Part], film_s: float) -> float:
    """Seconds for the whole film: each part scaled by film over measured length."""
    return sum(part.seconds * film_s / part.measured_s for part in parts)


def load_models(text: str) -> Models:
    """The four models; ``text`` is what the tokenizer must know the characters of."""
    import torch

    from benchmarks.checkpoints import convnext_base, hubert_base, tokenizer, whisper_base, xlm_roberta_base

    torch.manual_seed(0)
    return Models(convnext_base(), hubert_base(), xlm_roberta_base(), tokenizer(text), whisper_base())


def annotate(video: Path, seconds: float, model: Any, out: Path) -> Part:
    """Detect, classify, draw and write every frame of the first ``seconds``."""
    import cv2

    labels = model.config.id2label
    folder = Path(cv2.__file__).parent / "data"
    cascade = cv2.CascadeClassifier(str(folder / "haarcascade_frontalface_default.xml"))
    source = cv2.VideoCapture(str(video))
    fps = source.get(cv2.CAP_PROP_FPS)
    size = (int(source.get(cv2.CAP_PROP_FRAME_WIDTH)), int(source.get(cv2.CAP_PROP_FRAME_HEIGHT)))
    sink = cv2.VideoWriter(str(out), cv2.VideoWriter.fourcc(*"mp4v"), fps, size)
    frames = 0
    while frames < round(seconds * fps):
        there, frame = source.read()
        if not there:
            break
        faces = cascade.detectMultiScale(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), 1.1, 5)
        if len(faces):
            x, y, w, h = max(faces, key=lambda box: box[2] * box[3])
            label = labels[classify(frame[y : y + h, x : x + w], model)]
            cv2.rectangle(frame, (x, y), (x + w, y + h), (0, 255, 0), 2)
            cv2.putText(frame, label, (x, y - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (0, 255, 0), 2)
        sink.write(frame)
        frames += 1
    sink.release()
    source.release()
    return Part("frames", 0.0, frames / fps, frames)


def classify(face: Any, model: Any) -> int:
    """Index of the label of one BGR face, one call a face."""
    import cv2
    import numpy as np
    import torch

    image = cv2.cvtColor(cv2.resize(face, (FACE_PX, FACE_PX)), cv2.COLOR_BGR2RGB).astype(np.float32) / 255
    image = (image - np.array(IMAGENET_MEAN, np.float32)) / np.array(IMAGENET_STD, np.float32)
    with torch.no_grad():
        logits = model(torch.from_numpy(image.transpose(2, 0, 1))[None]).logits
    return int(logits.argmax())


def transcribe(sound: Any, model: Any) -> int:
    """Segments that Whisper hears, window by window."""
    heard = model.transcribe(sound, fp16=False, condition_on_previous_text=False)
    return len(heard["segments"])


def read_voice(sound: Any, lines: Sequence[Line], model: Any) -> int:
    """HuBERT on each line's sound, one call a line."""
    import torch

    for line in lines:
        samples = sound[line.start_ms * SAMPLE_RATE_HZ // 1000 : line.end_ms * SAMPLE_RATE_HZ // 1000]
        with torch.no_grad():
            model(torch.from_numpy(samples.copy())[None]).argmax()
    return len(lines)


def read_text(lines: Sequence[Line], model: Any, tokenizer: Any) -> int:
    """XLM-R on each line's text, one call a line."""
    import torch

    for line in lines:
        with torch.no_grad():
            model(**tokenizer(line.text, return_tensors="pt")).logits.argmax()
    return len(lines)


def sound_of(video: Path, seconds: float) -> Any:
    """The first ``seconds`` as 16 kHz mono float32."""
    import numpy as np

    from pipeline.media.encode import ffmpeg_exe

    read = [ffmpeg_exe(), "-v", "error", "-nostdin", "-i", str(video), "-t", str(seconds)]
    raw = subprocess.run(
        [*read, "-ac", "1", "-ar", str(SAMPLE_RATE_HZ), "-f", "f32le", "-"], check=True, capture_output=True
    ).stdout
    return np.frombuffer(raw, np.float32).copy()


def read_lines(subtitles: Path, seconds: float) -> list[Line]:
    """Subtitle lines that start half a second before ``seconds`` or sooner, cut there."""
    import pysubs2

    end_ms = seconds * 1000
    found = pysubs2.load(str(subtitles), encoding="utf-8")
    return [Line(e.start, int(min(e.end, end_ms)), e.plaintext) for e in found if e.start + 500 < end_ms]


def run(video: Path, subtitles: Path, seconds: float) -> list[Part]:
    """Make the models and run everything; returns what each part took."""
    film_s = duration_s(video)
    listened_s = min(film_s, max(seconds, WHISPER_WINDOW_S))
    lines = read_lines(subtitles, listened_s)
    models = load_models("".join(line.text for line in lines))
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        frames = annotate(video, min(seconds, film_s), models.face, Path(folder) / "annotated.mp4")
        took = time.perf_counter() - begin
    parts = [Part(frames.name, took, frames.measured_s, frames.items)]
    sound = sound_of(video, listened_s)
    steps: Mapping[str, Callable[[], int]] = {
        "Whisper": lambda: transcribe(sound, models.speech),
        "HuBERT": lambda: read_voice(sound, lines, models.voice),
        "XLM-R": lambda: read_text(lines, models.text, models.tokenizer),
    }
    for name, step in steps.items():
        begin = time.perf_counter()
        items = step()
        parts.append(Part(name, time.perf_counter() - begin, listened_s, items))
    return parts


def main() -> int:
    """Run it and print what it took."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.straightforward",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("video", type=Path)
    parser.add_argument("--subtitles", type=Path, required=True, metavar="FILE")
    parser.add_argument("--seconds", type=float, default=10.0, help="how much of the film's picture is run")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    asked = parser.parse_args()
    parts = run(asked.video, asked.subtitles, asked.seconds)
    film_s = duration_s(asked.video)
    whole = whole_seconds(parts, film_s)
    if asked.json:
        said = {"film_s": film_s, "whole_s": whole, "parts": [asdict(p) for p in parts]}
        print(json.dumps(said))
        return 0
    for part in parts:
        print(f"{part.name:<9} {part.seconds:8.1f} s for {part.items} in {part.measured_s:.1f} s of film")
    print(f"whole film of {film_s:.1f} s, scaled linearly: {whole:.0f} s, {whole / film_s:.1f} x its length")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
