"""How well the recogniser does on the shared data: words, language, times, what it leaves out, what it takes.

    python -m benchmarks.words.asr                    all figures
    python -m benchmarks.words.asr --lines            every line beside its reference
    python -m benchmarks.words.asr --engine whisper   openai-whisper on the same weights
    python -m benchmarks.words.asr --fit              constants of pipeline/text/confidence.py

Scripts, punctuation, blanks and case are put aside: Chinese is scored by characters (CER), what is written
with blanks by words (WER). Subtitle files beside the videos are references, never read by the recogniser.
Nothing is fitted on the interview and the vlog. Ends with 1 when a bar is missed.
"""

import argparse
import csv
import re
import resource
import statistics
import sys
import tempfile
import time
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.made_clips import data_root
from benchmarks.straightforward import read_lines
from benchmarks.tables import show
from pipeline.config import VoiceSection
from pipeline.media.recording import Recording
from pipeline.records import MEDIA_FILE, SPEECH_FILE, read_record, read_records
from pipeline.text import confidence
from pipeline.text.chunks import sound_of
from pipeline.text.recognise import Engine, Recognised, recognise
from pipeline.text.repetition import is_wide
from pipeline.types import US_PER_S, MediaInfo, Span

MAX_WER, MAX_CER, MAX_START_S, MAX_COST = 0.05, 0.35, 0.25, 0.25
MAX_PEAK_MB = 1300
LONG_SPEECH_S = (
    20  # the recogniser reads windows of 30 s: a clip of one second costs as much as one of thirty
)
# The languages of what is spoken in videos/, as people who looked at the clips say (films/labels.csv has the
# others); the portrait clip is Brazilian Portuguese whatever its name says.
LANGUAGES = {
    "zh_interview_38s": "zh",
    "en_talk_a_8s": "en",
    "en_portrait_hevc_20s": "pt",
    "en_upset_7s": "en",
    "two_faces_12fps_9s": "en",
}
# No own voice by labels.csv, yet a voice reads the title aloud that the picture shows.
SPOKEN_TITLES = frozenset({"social_clips_sad5"})
FIT_ONLY_EVERY = 6  # of the corpora that are there for the fit alone


@dataclass(frozen=True, slots=True)
class Clip:
    """``reference`` empty: nobody wrote it down. ``is_speech`` None: nobody says. ``starts_us``: of lines."""

    path: Path
    group: str
    language: str | None = None
    reference: str = ""
    is_speech: bool | None = None
    starts_us: tuple[int, ...] = ()
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Heard:
    """What was recognised of a clip, and the processor-seconds that took."""

    clip: Clip
    result: Recognised
    speech_s: float
    processor_s: float

    @property
    def text(self) -> str:
        return " ".join(utterance.text for utterance in self.result.utterances)


def clips(root: Path) -> Iterator[Clip]:
    """Every clip with a reference, a known language or no speech."""
    yield from _recordings(root / "asr", root / "README.md")
    for path in sorted((root / "videos").glob("*.m[op]*")):
        subtitles = path.with_suffix(".srt")
        silent = path.stem in (
            "silent_track_20s",
            "no_audio_stream_15s",
            "no_face_4s",
            "face_then_none_hevc_6s",
        )
        language = LANGUAGES.get(path.stem)
        is_speech = False if silent else True if language else None
        if subtitles.is_file():
            yield _subtitled(path, subtitles, "interview")
        else:
            yield Clip(path, "videos", language, is_speech=is_speech)
    with (root / "films" / "labels.csv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            path = root / "films" / "clips" / row["file"]
            if not path.is_file() or not path.stat().st_size:
                continue
            speaks = row["speech"] == "1" or path.stem in SPOKEN_TITLES
            language = row["language"] if speaks and row["language"] != "und" else None
            yield Clip(
                path, f"clips {row['language']}", language, row["transcript"] if speaks else "", speaks
            )
    yield _subtitled(root / "films" / "vlog.mp4", root / "films" / "vlog.srt", "vlog")


def fit_clips(root: Path) -> Iterator[Clip]:
    """Clips of the voice corpora, for the calibration alone: acted Mandarin, English; expressive Mandarin."""
    with (root / "voice" / "manifest.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["set"] in ("casia", "ravdess")]
    for row in rows[:: FIT_ONLY_EVERY * 10]:
        yield Clip(root / "voice" / row["file"], row["set"], row["lang"], row["text"], True)
    with (root / "voice" / "secap" / "labels.csv").open(encoding="utf-8") as stream:
        secap = list(csv.DictReader(stream))
    for row in secap[::FIT_ONLY_EVERY]:
        name = row.get("file") or row["id"]
        yield Clip(root / "voice" / "secap" / Path(name).name, "secap", "zh", row["transcript"], True)


def hear(clip: Clip, engine: Engine, language: str | None = None) -> Heard:
    """Recognise a clip from its sound alone; the language is the vote's unless it is given."""
    with tempfile.TemporaryDirectory() as folder:
        sound, speech, end_us = sound_and_speech(clip.path, Path(folder))
        begin = time.process_time()
        result = (
            recognise(engine, sound_of(sound), speech, source="benchmark", end_us=end_us, language=language)
            if sound.size
            else Recognised((), language, None)
        )
        took = time.process_time() - begin
    return Heard(clip, result, sum(span.duration_us for span in speech) / US_PER_S, took)


def error_rate(pairs: Iterable[tuple[str, str]]) -> tuple[float, int]:
    """Edits over units of the references of (reference, recognised) pairs, and how many units there are."""
    edits = total = 0
    for reference, text in pairs:
        wanted, got = tokens(reference), tokens(text)
        edits += sum(kind != "=" for kind, _, _ in alignment(wanted, got))
        total += len(wanted)
    return edits / max(1, total), total


def tokens(text: str) -> list[str]:
    """Words, or single characters of Chinese and its like, in one script, without case and punctuation."""
    import opencc

    plain = opencc.OpenCC("t2s").convert(unicodedata.normalize("NFKC", text).lower())
    plain = re.sub(r"(?<=\w)['’](?=\w)", "", plain).replace("mr.", "mister")
    spaced = "".join(f" {char} " if is_wide(char) else char if char.isalnum() else " " for char in plain)
    return spaced.split()


def alignment(wanted: Sequence[str], got: Sequence[str]) -> list[tuple[str, int, int]]:
    """The cheapest way from one to the other: ("=" | "S" | "D" | "I", index wanted, index got), in order."""
    cost = np.zeros((len(wanted) + 1, len(got) + 1), int)
    cost[:, 0], cost[0] = np.arange(len(wanted) + 1), np.arange(len(got) + 1)
    for i, a in enumerate(wanted, 1):
        for j, b in enumerate(got, 1):
            cost[i, j] = min(cost[i - 1, j - 1] + (a != b), cost[i - 1, j] + 1, cost[i, j - 1] + 1)
    steps, i, j = [], len(wanted), len(got)
    while i or j:
        if i and j and cost[i, j] == cost[i - 1, j - 1] + (wanted[i - 1] != got[j - 1]):
            steps.append(("=" if wanted[i - 1] == got[j - 1] else "S", i - 1, j - 1))
            i, j = i - 1, j - 1
        elif i and cost[i, j] == cost[i - 1, j] + 1:
            steps.append(("D", i - 1, j))
            i -= 1
        else:
            steps.append(("I", i, j - 1))
            j -= 1
    return steps[::-1]


def start_errors_s(heard: Heard) -> list[float]:
    """|start of the word recognised where a reference line begins − the line's start|, in seconds.

    Only lines whose first unit was recognised have such a word.
    """
    got = [(unit, word) for u in heard.result.utterances for word in u.words for unit in tokens(word.text)]
    wanted = [(unit, k) for k, line in enumerate(heard.clip.lines) for unit in tokens(line)]
    steps = alignment([unit for unit, _ in wanted], [unit for unit, _ in got])
    errors = []
    for k, start_us in enumerate(heard.clip.starts_us):
        first = next(i for i, (_, line) in enumerate(wanted) if line == k)
        words = [got[j][1] for kind, i, j in steps if kind == "=" and i == first]
        if words:
            errors.append(abs(words[0].span.start_us - start_us) / US_PER_S)
    return errors


def right_words(heard: Heard) -> Iterator[tuple[float, float, float, float, int]]:
    """Of every word: probability, mean logit of its line, no-speech probability, fraction right, units."""
    lines = heard.result.utterances
    got = [
        (unit, at) for at, word in enumerate(w for u in lines for w in u.words) for unit in tokens(word.text)
    ]
    steps = alignment(tokens(heard.clip.reference), [unit for unit, _ in got])
    right = [0] * sum(len(u.words) for u in lines)
    for kind, _, j in steps:
        if kind == "=":
            right[got[j][1]] += 1
    at = 0
    for line in lines:
        mean = confidence.mean_logit(line.words)
        for word in line.words:
            if n := len(tokens(word.text)):
                assert word.probability is not None
                yield word.probability, mean, line.no_speech_prob or 0.0, right[at] / n, n
            at += 1


def fit(rows: Sequence[tuple[float, float, float, float, int]]) -> NDArray[np.float64]:
    """Constants of ``confidence.word_confidence``: logistic regression on fractions, ridge of 1."""
    features = _features(rows)
    right, weight = np.array([r[3] for r in rows]), np.array([float(r[4]) for r in rows])
    beta = np.zeros(features.shape[1])
    for _ in range(50):  # Newton
        p = 1 / (1 + np.exp(-features @ beta))
        gradient = features.T @ (weight * (right - p)) - 1.0 * beta
        hessian = (features * (weight * p * (1 - p))[:, None]).T @ features + np.eye(len(beta))
        beta += np.linalg.solve(hessian, gradient)
    return beta


def _features(rows: Sequence[tuple[float, float, float, float, int]]) -> NDArray[np.float64]:
    return np.array([[1.0, confidence.logit(r[0]), r[1], r[2]] for r in rows])


def brier(rows: Sequence[tuple[float, float, float, float, int]], beta: NDArray[np.float64]) -> float:
    """Mean squared error of the expected against the true fraction right, over units."""
    p = 1 / (1 + np.exp(-_features(rows) @ beta))
    right, weight = np.array([r[3] for r in rows]), np.array([float(r[4]) for r in rows])
    return float((weight * (p - right) ** 2).sum() / weight.sum())


def report_fit(root: Path, engine: Engine) -> None:
    """Print the constants, and how each corpus fares under constants fitted without it."""
    by_group: dict[str, list[tuple[float, float, float, float, int]]] = {}
    fitted = [c for c in clips(root) if c.reference and c.group not in ("interview", "vlog")]
    for clip in (*fitted, *fit_clips(root)):
        group = clip.path.stem.split("_")[0] if clip.group.startswith("clips") else clip.group
        by_group.setdefault(group, []).extend(right_words(hear(clip, engine)))
    rows = []
    raw = np.array([0.0, 1.0, 0.0, 0.0])
    for group, own in by_group.items():
        if not own:
            continue
        others = [row for name, part in by_group.items() if name != group for row in part]
        beta = fit(others)
        units_, right = sum(r[4] for r in own), sum(r[3] * r[4] for r in own)
        p = 1 / (1 + np.exp(-_features(own) @ beta))
        expected = float((p * [r[4] for r in own]).sum())
        rows.append(
            (
                group,
                str(units_),
                f"{right / units_:.2f}",
                f"{expected / units_:.2f}",
                f"{brier(own, beta):.3f}",
                f"{brier(own, raw):.3f}",
            )
        )
    show(
        "Fitted on the other corpora",
        ("corpus", "units", "right", "expected", "Brier", "Brier of the bare probability"),
        rows,
    )
    beta = fit([row for part in by_group.values() for row in part])
    print("INTERCEPT, LOGIT, MEAN_LOGIT, NO_SPEECH =", ", ".join(f"{value:.2f}" for value in beta))
    for path in ("videos/zh_interview_38s.mp4", "films/vlog.mp4"):
        clip = next(c for c in clips(root) if c.path == root / path)
        own = list(right_words(hear(clip, engine)))
        total = sum(r[4] for r in own)
        p = 1 / (1 + np.exp(-_features(own) @ beta))
        print(
            f"{clip.path.stem}, never fitted: {sum(r[3] * r[4] for r in own) / total:.2f} right, "
            f"{float((p * [r[4] for r in own]).sum()) / total:.2f} expected, Brier {brier(own, beta):.3f} "
            f"(bare {brier(own, raw):.3f})"
        )


def load(name: str) -> Engine:
    """An engine with the base model on this machine."""
    from pipeline.text import faster_whisper_speech, whisper_speech

    if name == "faster-whisper":
        return faster_whisper_speech.load("base", "cpu")
    return whisper_speech.OpenaiWhisper(whisper_speech.load_model(whisper_speech.weights_path("base"), "cpu"))


def _recordings(folder: Path, readme: Path) -> Iterator[Clip]:
    texts = {
        name: text
        for text, name in re.findall(
            r"<s> (.*?) </s> \((.*?)\)", (folder / "transcription").read_text(encoding="utf-8")
        )
    }
    texts |= dict(re.findall(r"`(\w+)\.flac`: \"(.*?)\"", readme.read_text(encoding="utf-8")))
    for path in sorted(folder.glob("*.[fw]*")):
        yield Clip(path, "asr", "en", texts.get(path.stem, ""), True)


def _subtitled(path: Path, subtitles: Path, group: str) -> Clip:
    lines = read_lines(subtitles, 1e6)
    texts = tuple(line.text for line in lines)
    return Clip(
        path, group, "zh", " ".join(texts), True, tuple(line.start_ms * 1000 for line in lines), texts
    )


def sound_and_speech(
    path: Path, folder: Path
) -> tuple[Recording | NDArray[np.float32], tuple[Span, ...], int]:
    """What the stages before the transcript leave of a file."""
    from pipeline.media import audio, probe
    from pipeline.media.streams import StreamChoice
    from pipeline.voice.stage import run_speech

    inputs = {"source": path, "probe": folder / "probe", "audio": folder / "audio"}
    for name in ("probe", "audio", "speech"):
        (folder / name).mkdir()
    probe.run(inputs, StreamChoice(None, None), folder / "probe", _nothing)
    audio.run(inputs, None, folder / "audio", _nothing)
    run_speech(inputs, VoiceSection(), folder / "speech", _nothing)
    info = read_record(folder / "probe" / MEDIA_FILE, MediaInfo)
    whole = Recording(folder / "audio" / audio.AUDIO_FILE)[:]
    return whole, read_records(folder / "speech" / SPEECH_FILE, Span), info.duration_us


def _nothing(fraction: float) -> None:
    return None


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engine", choices=("faster-whisper", "whisper"), default="faster-whisper")
    parser.add_argument("--lines", action="store_true", help="print every line beside its reference")
    parser.add_argument("--only", default="", help="clips whose name contains this")
    parser.add_argument("--fit", action="store_true", help="fit the confidence of words")
    arguments = parser.parse_args()
    root = data_root()
    if not root.is_dir():
        print(f"no shared data in {root}; set EMOTION_DATA", file=sys.stderr)
        return 2
    engine = load(arguments.engine)
    if arguments.fit:
        report_fit(root, engine)
        return 0
    heard = [hear(clip, engine) for clip in clips(root) if arguments.only in clip.path.stem]
    if arguments.lines:
        for one in heard:
            print(f"\n{one.clip.path.stem} ({one.result.language}): {one.clip.reference}")
            for u in one.result.utterances:
                print(f"  {u.span.start_s:6.2f}–{u.span.end_s:6.2f}  {u.confidence:.2f}  {u.text}")
    return report(heard)


def report(heard: Sequence[Heard]) -> int:
    """Print all figures; 1 when a bar is missed."""
    rows: list[tuple[str, str, str, bool]] = []
    for group in sorted({one.clip.group for one in heard if one.clip.reference}):
        pairs = [
            (one.clip.reference, one.text) for one in heard if one.clip.group == group and one.clip.reference
        ]
        rate, total = error_rate(pairs)
        bar = {"asr": MAX_WER, "interview": MAX_CER}.get(group)
        rows.append(
            (f"error rate, {group}, {total} units", f"{rate:.3f}", _bar(bar), bar is None or rate <= bar)
        )
    for where, must in (("videos", True), ("clips", False)):
        spoken = [one for one in heard if one.clip.language and one.speech_s and _is_in(one.clip, where)]
        wrong = [one.clip.path.stem for one in spoken if one.result.language != one.clip.language]
        right = f"{len(spoken) - len(wrong)}/{len(spoken)}"
        rows.append(
            (
                f"language right, {where}",
                " ".join([right, *wrong]),
                "all" if must else "",
                not (wrong and must),
            )
        )
    mute = [one for one in heard if one.clip.is_speech is False]
    lines = sum(len(one.result.utterances) for one in mute)
    rows.append((f"lines on {len(mute)} clips without speech", str(lines), "0", lines == 0))
    lost = [
        one.clip.path.stem
        for one in heard
        if one.clip.is_speech and one.speech_s and not one.result.utterances
    ]
    rows.append(("clips with speech without a line", ", ".join(lost) or "0", "", True))
    errors = [error for one in heard for error in start_errors_s(one)]
    if errors:
        median = statistics.median(errors)
        rows.append(
            (
                f"word starts, median of {len(errors)}",
                f"{median:.2f} s",
                _bar(MAX_START_S),
                median <= MAX_START_S,
            )
        )
    speech_s, took = sum(one.speech_s for one in heard), sum(one.processor_s for one in heard)
    if speech_s:
        cost = took / speech_s
        rows.append(
            (
                f"processor-seconds per second of {speech_s:.0f} s of speech",
                f"{cost:.3f}",
                _bar(MAX_COST),
                cost <= MAX_COST,
            )
        )
    for one in heard:
        if one.speech_s >= LONG_SPEECH_S:
            cost = f"{one.processor_s / one.speech_s:.3f}"
            rows.append((f"the same, {one.clip.path.stem} alone, {one.speech_s:.0f} s", cost, "", True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    rows.append(("peak memory of this process", f"{peak:.0f} MB", _bar(MAX_PEAK_MB), peak <= MAX_PEAK_MB))
    show(None, ("figure", "measured", "bar", ""), [(*row[:3], "" if row[3] else "missed") for row in rows])
    return 0 if all(row[3] for row in rows) else 1


def _is_in(clip: Clip, where: str) -> bool:
    return (where == "clips") == (clip.path.parent.name == "clips")


def _bar(value: float | None) -> str:
    return "" if value is None else f"≤ {value:g}"


if __name__ == "__main__":
    raise SystemExit(main())
