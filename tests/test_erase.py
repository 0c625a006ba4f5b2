"""What is erased, what stays, and what is never touched."""

import io
import json
import sys
from pathlib import Path

import pytest

from pipeline.cli import EXIT_OK, EXIT_USAGE, main
from pipeline.config import config_from_mapping
from pipeline.engine.store import Store
from pipeline.erase import erase, survey
from pipeline.graph import MODALITIES, PICTURING, STAGES, WRITERS, WRITES
from pipeline.job import run
from pipeline.models.cards import CACHE_VARIABLE
from pipeline.plan import Request, UsageError
from tests.made import media

SHOWING = ("annotated.mp4", "event_01.jpg", "report.html")
RECORDS = ("analysis.json", "integrated.csv")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder as a run leaves it, with files of somebody else's beside ours."""
    folder = tmp_path / "vlog"
    crops = folder / ".work" / "artifacts" / "faces" / "0123" / "crops.bin"
    crops.parent.mkdir(parents=True)
    crops.write_bytes(bytes(1_000_000))
    for name in (*SHOWING, *RECORDS):
        (folder / name).write_text("ours")
    facts = {"video": "vlog.mp4", "sha256": "0", "files": [*SHOWING, *RECORDS], "stages": {}, "more": 1}
    (folder / "run.json").write_text(json.dumps(facts))
    (folder / ".work" / "published.json").write_text(json.dumps([*SHOWING, *RECORDS, "run.json"]))
    for name in ("notes.txt", "event_02.jpg", "highlights.mp4"):  # names like ours do not make them ours
        (folder / name).write_text("mine")
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


OTHERS = {"notes.txt", "event_02.jpg", "highlights.mp4"}


def test_faces_and_cache_go_and_records_stay(results, capsys):
    assert main(["erase", str(results)]) == EXIT_OK
    said = capsys.readouterr().out
    assert "erased 5 files (1.0 MB)" in said and "annotated.mp4" in said and "--all" in said
    assert names(results) == {*RECORDS, "run.json", *OTHERS}
    record = json.loads((results / "run.json").read_text())
    assert record["files"] == list(RECORDS) and record["more"] == 1
    assert main(["erase", str(results)]) == EXIT_OK and "nothing to erase" in capsys.readouterr().out
    assert names(results) == {*RECORDS, "run.json", *OTHERS}


def test_all_that_is_ours_goes(results, capsys):
    assert main(["erase", str(results), "--all", "--yes"]) == EXIT_OK
    assert names(results) == OTHERS and all((results / name).read_text() == "mine" for name in OTHERS)
    assert "kept: event_02.jpg, highlights.mp4, notes.txt" in capsys.readouterr().out
    assert main(["erase", str(results), "--all", "--yes"]) == EXIT_USAGE


def test_a_folder_that_is_empty_then_goes_too(results):
    for name in OTHERS:
        (results / name).unlink()
    erase(survey(results, everything=True))
    assert not results.exists()


def test_somebody_elses_file_in_the_work_folder_stays(results):
    (results / ".work" / "mine.txt").write_text("mine")
    erase(survey(results, everything=True))
    assert names(results) == {*OTHERS, ".work"} and names(results / ".work") == {"mine.txt"}


def test_links_are_not_followed(results, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious.txt").write_text("mine")
    (results / "annotated.mp4").unlink()
    (results / "annotated.mp4").symlink_to(outside / "precious.txt")
    (results / ".work" / "artifacts" / "faces" / "link").symlink_to(outside, target_is_directory=True)
    erase(survey(results, everything=False))
    assert (outside / "precious.txt").read_text() == "mine" and "annotated.mp4" not in names(results)


@pytest.mark.parametrize(
    "content", [None, {}, {"notes.txt": "mine"}, {".work/mine.txt": "mine", "run.json": "{}"}]
)
def test_a_folder_that_is_not_ours_is_refused(content, tmp_path, capsys):
    folder = tmp_path / "folder"
    for name, text in (content or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    if content == {}:
        folder.mkdir()
    before = sorted(folder.rglob("*"))
    assert main(["erase", str(folder), "--all", "--yes"]) == EXIT_USAGE
    assert len(capsys.readouterr().err.splitlines()) == 1 and sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("name", ["artifacts", "errors", "lock", "digests.json", "published.json"])
@pytest.mark.parametrize("text", ["mine", "[]", "{}", '["mine"]'])
def test_a_name_of_ours_in_a_work_folder_proves_nothing(name, text, tmp_path, capsys):
    path = tmp_path / ".work" / name
    if "." not in name and name != "lock":
        path = path / "faces" / "0123456789abcdef" / "manifest.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert main(["erase", str(tmp_path), "--all", "--yes"]) == EXIT_USAGE
    assert "is not a folder of results of ours" in capsys.readouterr().err and path.read_text() == text


def test_an_artifact_proves_that_it_is_ours(tmp_path):
    (tmp_path / ".work").mkdir()
    with Store(tmp_path / ".work" / "artifacts").writing("faces", {"stage": "faces"}, {}) as scratch:
        (scratch / "crops.bin").touch()
    assert main(["erase", str(tmp_path), "--yes"]) == EXIT_OK and not tmp_path.exists()


@pytest.mark.parametrize(("answer", "code"), [("y\n", EXIT_OK), ("\n", EXIT_USAGE), ("", EXIT_USAGE)])
def test_a_person_is_asked(answer, code, results, monkeypatch, capsys):
    class Keyboard(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Keyboard(answer))
    assert main(["erase", str(results)]) == code
    assert "erase 5 files (1.0 MB)" in capsys.readouterr().err
    assert (results / "annotated.mp4").exists() == (code != EXIT_OK)


def test_every_stage_that_may_show_a_face_is_one_that_is_erased():
    pictures = {
        stage for stage, files in WRITES.items() for f in files if f.endswith((".mp4", ".jpg", ".html"))
    }
    faces = {modality.stages[0] for modality in MODALITIES.values() if modality.boxes}
    assert pictures | faces | {"stills"} == set(PICTURING)
    assert set(PICTURING) <= {stage.name for stage in STAGES} and pictures <= set(WRITERS)


def test_no_face_is_kept_and_the_next_run_goes_on(tmp_path, made, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "no-models"))
    sections = {"film": {"enabled": False}, "run": {"only": ["face"], "keep_no_faces": True}}
    request = Request(made(media.make_faces, 1), config_from_mapping(sections), tmp_path / "out")
    first = run(request)
    artifacts = tmp_path / "out" / ".work" / "artifacts"
    assert first.complete and {path.name for path in first.files} >= {"faces.csv", "report.html"}
    assert not [path for stage in PICTURING for path in (artifacts / stage).glob("*")]
    sheet = (tmp_path / "out" / "faces.csv").read_bytes()
    again = run(request)
    assert set(again.ran) == {"faces", "stills", "report"} and again.complete
    assert (tmp_path / "out" / "faces.csv").read_bytes() == sheet


@pytest.mark.slow
def test_what_was_erased_is_made_again(tmp_path, made):
    request = Request(
        made(media.make_faces, 1), config_from_mapping({"run": {"only": ["face"]}}), tmp_path / "out"
    )
    first = {path.name: path.read_bytes() for path in run(request).files}
    erase(survey(request.folder, everything=False))
    assert {path.name: path.read_bytes() for path in run(request).files} == first


@pytest.mark.slow
def test_faces_go_also_when_the_run_fails(tmp_path, made, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "no-models"))

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.job.publish", interrupt)
    sections = {"film": {"enabled": False}, "run": {"only": ["face"], "keep_no_faces": True}}
    with pytest.raises(KeyboardInterrupt):
        run(Request(made(media.make_faces, 1), config_from_mapping(sections), tmp_path / "out"))
    artifacts = tmp_path / "out" / ".work" / "artifacts"
    assert (artifacts / "face").is_dir() and not list((artifacts / "faces").glob("*"))


def test_what_cannot_be_removed_is_named(results, monkeypatch):
    def refuse(self: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(UsageError, match=r"cannot remove .*annotated\.mp4 \(Permission denied\)"):
        erase(survey(results, everything=False))
