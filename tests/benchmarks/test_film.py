import json
import sys
from pathlib import Path

import pytest

from benchmarks.film import prepare, repeated
from benchmarks.made_clips import Clip
from benchmarks.process import measure, succeed
from pipeline.media.probe import probe
from tests.conftest import Made
from tests.writers.conftest import make_analysis, written


def test_an_analysis_again_and_again_is_one_of_a_longer_film() -> None:
    one, three = make_analysis(), repeated(make_analysis(), 3)
    assert three.media.duration_us == 3 * one.media.duration_us
    assert [m.span.start_us for m in three.moments][:: len(one.moments)] == [0, 3_000_000, 6_000_000]
    assert three.moments[-1].span.end_us == three.media.duration_us
    assert [m.utterance.span for m in three.moments if m.utterance] == [
        u.span for u in three.transcript.utterances
    ]
    assert len(three.conflicts) == 3 * len(one.conflicts)


@pytest.mark.parametrize("blur", [False, True])
def test_the_timed_pass_makes_the_film(made: Made, tmp_path: Path, blur: bool) -> None:
    source = made("plain.mp4")
    inputs = written(make_analysis(), tmp_path / "in")
    clip = Clip(source, source.with_suffix(".srt"), probe(source).duration_us / 1e6)
    one = prepare(clip, inputs["analysis"], "minimal", blur, tmp_path / "pass")
    took = succeed(one.command, folder=one.folder)
    assert (one.folder / "annotated.mp4").stat().st_size > 1000 and took.processor_s > 0


def test_a_program_runs_in_its_folder_and_its_processor_time_is_counted(tmp_path: Path) -> None:
    code = "import json, os; sum(range(10_000_000)); print(json.dumps([os.getcwd(), os.times()[:2]]))"
    took = measure([sys.executable, "-c", code], folder=tmp_path)
    folder, times = json.loads(took.stdout)
    assert Path(folder) == tmp_path.resolve()
    assert took.processor_s == pytest.approx(sum(times), abs=0.2)
