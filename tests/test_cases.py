"""Every case of ../shared/cases through the real command: it gives what the line in its README asks for.

The files lie in ``EMOTION_CASES``, by default in ``cases`` beside the folder of shared data.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest

from pipeline.records import ANALYSIS_FILE, read_record
from pipeline.types import US_PER_S, Analysis, Observation, Status

pytestmark = pytest.mark.data

ROOT = Path(__file__).parents[1]
EXIT_OK, EXIT_USAGE, EXIT_PARTIAL = 0, 2, 3
MAX_WORK_BYTES = 50e6
LIMIT_S = 300


@dataclass(frozen=True)
class Done:
    """One case after its run."""

    code: int
    printed: str
    out: Path

    @property
    def analysis(self) -> Analysis:
        return read_record(self.out / ANALYSIS_FILE, Analysis)

    @property
    def texts(self) -> list[str]:
        return [utterance.text for utterance in self.analysis.transcript.utterances]

    @property
    def sentences(self) -> list[str]:
        """What was said to the person."""
        facts: dict[str, Any] = json.loads((self.out / "run.json").read_text(encoding="utf-8"))
        lists = (value for value in facts.values() if isinstance(value, list))
        said = [line for value in lists for line in value if isinstance(line, str)]
        return [*said, *facts["missing"].values(), *self.printed.splitlines()]

    def says(self, pattern: str) -> bool:
        return any(re.search(pattern, sentence, re.IGNORECASE) for sentence in self.sentences)

    def observed(self, modality: str, begin_s: float = 0.0, end_s: float = 1e9) -> list[Observation]:
        """Those with scores whose middle lies in a stretch."""
        return [
            one
            for one in self.analysis.observations[modality]
            if one.status is Status.OK and begin_s <= (one.span.start_s + one.span.end_s) / 2 < end_s
        ]


def first_stream_not_chosen(done: Done) -> None:
    assert done.code == EXIT_OK
    assert done.analysis.transcript.source == "stream" and done.texts
    assert done.observed("face") and done.observed("text")


def static_picture_film(done: Done) -> None:
    assert done.code == EXIT_OK
    with av.open(str(done.out / "annotated.mp4")) as film:
        base = film.streams.video[0].time_base
        times_s = sorted(float(p.pts * base) for p in film.demux(video=0) if p.pts is not None)
    gaps_s = [b - a for a, b in pairwise(times_s) if b > 1.0 and a < 4.7]
    assert max(gaps_s) <= 0.11, "a frame at least every tenth of a second while a subtitle stands"
    assert times_s[-1] > 7.5, "frames to the end of the sound"


def interjection(done: Done) -> None:
    sentence = [u for u in done.analysis.transcript.utterances if "best day of my life" in u.text]
    assert sentence and max(u.span.end_s for u in sentence) > 7.0
    assert sum(u.span.end_s - u.span.start_s for u in done.analysis.transcript.utterances) > 6.0
    assert any("Yeah" in text for text in done.texts)


def rolling_captions(done: Done) -> None:
    assert done.texts == ["I am so happy today", "thank you this is wonderful", "but my brother died"]


def sound_tags(done: Done) -> None:
    words = " ".join(done.texts)
    assert words == "Where are you going?"  # what is sung is not said
    assert done.says(r"6 sound tags, 1 sung line")
    assert not re.search(r"laughter|SOBBING|slams|掌声|音乐|♪|\[|\(", words)
    tags_only = [o for o in done.analysis.observations["text"] if o.span.end_s <= 4.0]
    assert tags_only and {o.status for o in tags_only} == {Status.NO_WORDS}


def forced_subtitle_first(done: Done) -> None:
    assert done.code == EXIT_OK
    assert done.analysis.media.duration_us and len(done.observed("text")) >= 1
    spoken_s = sum(u.span.duration_us for u in done.analysis.transcript.utterances) / US_PER_S
    assert spoken_s > 2.0, "the whole subtitles, not one sign"


def language_beside(done: Done) -> None:
    assert done.code == EXIT_OK
    assert done.texts == ["今天我真的很高兴，谢谢大家，这太好了。"]


def two_sound_tracks(done: Done) -> None:
    assert done.code == EXIT_OK
    assert done.analysis.media.audio_index == 2, "the Chinese track"
    assert done.says(r"sound") and done.says(r"\b(zh|chi|zho|Chinese)\b")


def times_start_again(done: Done) -> None:
    whole = done.analysis.media.duration_us / US_PER_S > 10.5
    assert whole or (done.code == EXIT_PARTIAL and done.analysis.media.warnings)
    assert done.says(r"time stamps|start again|jump|joined")
    assert not whole or (done.observed("face", 6.5, 11) and done.observed("voice", 6.5, 11))


def one_bad_byte(done: Done) -> None:
    assert done.code == EXIT_PARTIAL
    assert done.texts[0] == "今天很高兴" and done.texts[1].startswith("我很难")
    assert done.says(r"\b(1|2|one|two|a)\b.*(byte|character)")


def windows_quotes(done: Done) -> None:
    assert done.texts == ["I’m so happy today! It’s wonderful — thank you…"]
    assert done.code == EXIT_OK


def broadcast_time(done: Done) -> None:
    assert done.says(r"hour|after the (film|video)'s end|outside the (film|video)")
    assert done.texts == [] or done.texts[0].startswith("I am so happy today!")


def lines_lost(done: Done) -> None:
    assert {"First line.", "Third line comes first.", "Runs past the end."} <= set(done.texts)
    assert done.code == EXIT_PARTIAL
    assert done.says(r"\d.*(line|cue)")


def opposite_phase(done: Done) -> None:
    assert done.code in (EXIT_OK, EXIT_PARTIAL)
    assert done.observed("voice"), "both channels speak"


def picture_turns_midway(done: Done) -> None:
    assert len(done.observed("face", 4.2, 8.0)) >= 8, "the face is found after the turn"
    assert (done.out / "annotated.mp4").is_file()
    blurred = [o.evidence["box"] for o in done.observed("face", 4.2, 8.0)]
    assert all(box[2] / box[3] < 1.6 for box in blurred), "not stretched in width"


def hdr(done: Done) -> None:
    assert done.code == EXIT_OK
    with av.open(str(done.out / "annotated.mp4")) as film:
        context = film.streams.video[0].codec_context
        assert (int(context.color_trc), int(context.color_primaries), int(context.colorspace)) == (1, 1, 1)


def damaged_middle(done: Done) -> None:
    assert done.code == EXIT_PARTIAL
    assert done.says(r"\d+.*(picture|frame|packet).*\d\.\d s")


def raw_h264(done: Done) -> None:
    if done.code == EXIT_USAGE:
        assert ".mp4" in done.printed
    else:
        assert abs(done.analysis.media.duration_us - 8 * US_PER_S) < 0.1 * US_PER_S, "200 frames, 25 a second"


def ten_thousand_cues(done: Done) -> None:
    assert done.code in (EXIT_OK, EXIT_PARTIAL)  # "word 123" is in no language for certain
    assert len(done.texts) == 10_000
    assert len((done.out / "integrated.csv").read_text(encoding="utf-8").splitlines()) > 10_000


def name_with_suffix(done: Done) -> None:
    assert done.code == EXIT_OK
    assert done.analysis.transcript.source == "file"
    assert done.texts == ["I am so happy today! Thank you, this is wonderful."]


def picture_subtitles(done: Done) -> None:
    assert done.says(r"pictures?|images?|bitmap")
    assert done.analysis.transcript.source not in ("file", "stream")  # what is spoken may be recognised


CHECKS: dict[str, Callable[[Done], None]] = {
    "01-first-stream-not-chosen": first_stream_not_chosen,
    "02-static-picture-film": static_picture_film,
    "03-interjection": interjection,
    "04-rolling-captions": rolling_captions,
    "05-sound-tags": sound_tags,
    "06-forced-subtitle-first": forced_subtitle_first,
    "06-language-beside": language_beside,
    "07-two-sound-tracks": two_sound_tracks,
    "08-times-start-again": times_start_again,
    "09-one-bad-byte": one_bad_byte,
    "09-windows-quotes": windows_quotes,
    "10-broadcast-time": broadcast_time,
    "10-lines-lost": lines_lost,
    "11-opposite-phase": opposite_phase,
    "12-picture-turns-midway": picture_turns_midway,
    "13-hdr-hlg": hdr,
    "14-damaged-middle": damaged_middle,
    "15-raw-h264": raw_h264,
    "16-ten-thousand-cues": ten_thousand_cues,
    "17-name-with-suffix": name_with_suffix,
    "18-picture-subtitles": picture_subtitles,
}


@pytest.fixture(scope="module")
def cases() -> Path:
    beside = Path(os.environ.get("EMOTION_DATA", ROOT.parent / "shared" / "data")).parent / "cases"
    folder = Path(os.environ.get("EMOTION_CASES", beside))
    if not folder.is_dir():
        pytest.skip(f"no cases in {folder}")
    return folder


def analysed(arguments: list[str], folder: Path, out: Path) -> Done:
    """The command run in a folder; it never shows a traceback, whatever the case."""
    command = [sys.executable, "-m", "pipeline.cli", *arguments]
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    ended = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert "Traceback" not in ended.stderr
    assert ended.returncode in (EXIT_OK, EXIT_USAGE, EXIT_PARTIAL), ended.stderr
    return Done(ended.returncode, ended.stdout + ended.stderr, out)


def command_of(script: str, out: Path) -> list[str]:
    """The arguments that a ``repro.sh`` gives to the program."""
    match = re.search(r"\$EP (analyze [^&\n]*)", script)
    assert match is not None
    return [word.replace("$OUT", str(out)) for word in shlex.split(match[1])]


def test_every_case_has_its_check(cases: Path) -> None:
    assert {path.name for path in cases.iterdir() if path.is_dir()} == set(CHECKS)


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.timeout(LIMIT_S + 60)
def test_case_gives_what_its_line_says(name: str, cases: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "case", tmp_path / "out"
    shutil.copytree(cases / name, folder)
    folder.chmod(0o755)
    if (folder / "make_srt.py").is_file():
        subprocess.run([sys.executable, "make_srt.py"], cwd=folder, check=True)
    script = (folder / "repro.sh").read_text(encoding="utf-8")
    CHECKS[name](analysed(command_of(script, out), folder, out))


@pytest.mark.parametrize("name", ["gap_audio_1e4s.mkv", "gap_audio_1e5s.mp4"])
def test_one_time_stamp_far_away_is_damage_and_not_hours_of_silence(
    name: str, cases: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = ["analyze", str(cases / name), "--profile", "compact", "--out", str(out)]
    done = analysed(arguments, tmp_path, out)
    written = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    assert done.code == EXIT_PARTIAL
    assert done.analysis.media.warnings and done.analysis.media.duration_us < 60 * US_PER_S
    assert written < MAX_WORK_BYTES


def test_subtitles_only_found_beside_the_film_never_stop_face_and_voice(cases: Path, tmp_path: Path) -> None:
    source = cases / "09-windows-quotes"
    shutil.copyfile(source / "base.mp4", tmp_path / "talk.mp4")
    shutil.copyfile(source / "base.mp4", tmp_path / "talk.srt")  # no subtitles at all
    out = tmp_path / "out"
    arguments = ["analyze", "talk.mp4", "--profile", "compact", "--no-video", "--out", str(out)]
    done = analysed(arguments, tmp_path, out)
    assert done.code in (EXIT_OK, EXIT_PARTIAL)
    assert done.observed("face") and done.observed("voice")
    assert done.says(r"talk\.srt")
