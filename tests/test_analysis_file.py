"""``analysis.json`` item by item: the bytes and the record are those of the whole."""

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline import analysis_file
from pipeline.records import read_record, write_record
from pipeline.types import Analysis, Status, Transcript
from tests.made.long_timeline import long_timeline
from tests.writers.exports.cases import CASES

ADAPTER = TypeAdapter(Analysis)
NOTHING = replace(
    long_timeline(5, 1, 1),
    observations={},
    moments=(),
    fused=(),
    conflicts=(),
    abstentions=(),
    transcript=Transcript((), Status.NOT_REQUESTED, "none"),
    name='a\n"b": [{\n}] 好, ',
    warnings=("one", 'two: {\n "three"'),
)
FILMS = {
    **{name: make() for name, make in CASES.items()},
    "long": long_timeline(60, 20, 9),
    "nothing": NOTHING,
}
FILMS["no sample"] = replace(
    FILMS["usual"], observations={"face": (), 'od"d': FILMS["usual"].observations["face"]}
)


@pytest.mark.parametrize("chunk", [7, 1 << 20])
@pytest.mark.parametrize("name", FILMS)
def test_bytes_and_record_are_those_of_the_whole(
    name: str, chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analysis_file, "CHUNK", chunk)
    path = tmp_path / "analysis.json"
    analysis_file.write(path, FILMS[name])
    assert path.read_bytes() == ADAPTER.dump_json(FILMS[name], indent=1) + b"\n"
    assert analysis_file.read(path) == ADAPTER.validate_json(path.read_bytes())


@pytest.mark.parametrize("indent", [None, 2])
def test_another_layout_is_read_too(indent: int | None, tmp_path: Path) -> None:
    path = tmp_path / "analysis.json"
    path.write_bytes(ADAPTER.dump_json(FILMS["usual"], indent=indent))
    with pytest.raises(analysis_file.OtherLayoutError):
        analysis_file.read(path)
    assert read_record(path, Analysis) == FILMS["usual"]


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9, 0.999])
def test_what_is_cut_off_is_no_analysis(cut: float, tmp_path: Path) -> None:
    path = tmp_path / "analysis.json"
    write_record(path, FILMS["usual"])
    path.write_bytes(path.read_bytes()[: int(cut * path.stat().st_size)])
    with pytest.raises(ValidationError):
        read_record(path, Analysis)


def test_a_mistake_is_named_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "analysis.json"
    write_record(path, FILMS["usual"])
    path.write_bytes(path.read_bytes().replace(b'"kind": "polarity"', b'"kind": "quarrel"', 1))
    with pytest.raises(ValidationError, match=r"conflicts\.\d+\.kind"):
        read_record(path, Analysis)


def test_readers_at_one_time_share_one_record_and_no_other_time(tmp_path: Path) -> None:
    path = tmp_path / "analysis.json"
    write_record(path, FILMS["usual"])
    first = read_record(path, Analysis)
    assert read_record(path, Analysis) is first
    write_record(path, FILMS["many"])
    assert read_record(path, Analysis) == FILMS["many"] and first == FILMS["usual"]
