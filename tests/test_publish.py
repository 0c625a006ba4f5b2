"""Whose folder it is, who writes into it, and whether what lies in it is what was made."""

import json
import os
import threading
from pathlib import Path

import pytest

from pipeline.engine.disk import NotEnoughSpaceError
from pipeline.engine.files import file_digest
from pipeline.plan import WORK, UsageError
from pipeline.publish import Made, claimed, publish, require_ours, withdraw_unused

STAGES = ("analysis", "tables", "report", "highlights")


def nobody(sentence: str) -> None:
    raise AssertionError(sentence)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def video(tmp_path: Path) -> Path:
    (tmp_path / "films").mkdir()
    path = tmp_path / "films" / "talk.mp4"
    path.write_bytes(b"v")
    return path


def artifacts(folder: Path, **texts: str) -> dict[str, Made]:
    folder.mkdir(exist_ok=True)
    made = {}
    for stem, text in texts.items():
        path = folder / f"{stem}.csv"
        path.write_text(text)
        made[path.name] = Made(path, file_digest(path))
    return made


def run(out: Path, made: dict[str, Made]) -> None:
    with claimed(out, nobody):
        publish(out, made)
        (out / "run.json").write_text(
            json.dumps({"video": "a.mp4", "sha256": "1", "files": sorted(made), "stages": {}, "more": 1})
        )


@pytest.mark.parametrize("name", ["report.html", "integrated.csv", "run.json", "event_07.jpg"])
@pytest.mark.parametrize("content", ["", "[]", "{}", '{"video": "a.mp4"}', "not ours", "folder"])
def test_a_folder_with_a_file_of_our_name_that_is_not_ours_is_refused(name, content, out, video):
    out.mkdir()
    if content == "folder":
        (out / name).mkdir()
    else:
        (out / name).write_text(content)
    with pytest.raises(
        UsageError, match=rf"{name} is not a result of ours; move it, or choose another --out"
    ):
        require_ours(out, video, STAGES)
    assert [path.name for path in out.iterdir()] == [name]


@pytest.mark.parametrize("content", [None, (), ("notes.txt", "talk.srt", "event_x.jpg", "annotated.mp4")])
def test_a_new_an_empty_and_an_unrelated_folder_will_do(content, out, video):
    if content is not None:
        out.mkdir()
        for name in content:
            (out / name).touch()
    require_ours(out, video, STAGES)


def test_what_an_earlier_run_left_is_ours_though_one_of_its_records_is_damaged(out, video, tmp_path):
    run(out, artifacts(tmp_path / "made", integrated="1", conflicts="2"))
    require_ours(out, video, STAGES)
    published, record = out / WORK / "published.json", out / "run.json"
    for damaged in (published, record):
        kept = damaged.read_bytes()
        for content in (b"", b"{}", b"\xff\0", b'["../x", ".."]'):
            damaged.write_bytes(content)
            require_ours(out, video, STAGES)
        damaged.write_bytes(kept)
    record.write_text("{}")
    published.write_text("{}")
    with pytest.raises(UsageError, match="is not a result of ours"):
        require_ours(out, video, STAGES)


@pytest.mark.parametrize("lies", ["file", "folder"])
def test_a_work_folder_of_somebody_else_is_refused(lies, out, video):
    out.mkdir()
    if lies == "file":
        (out / WORK).touch()
    else:
        (out / WORK).mkdir()
        require_ours(out, video, STAGES)
        (out / WORK / "thesis.tex").touch()
    with pytest.raises(UsageError, match=r"\.work is not a folder of ours|Not a directory"):
        require_ours(out, video, STAGES)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lock", "my key"),
        ("errors/thesis.tex", "mine"),
        ("artifacts/thesis.tex", "mine"),
        ("artifacts/faces/.tmp-draft/thesis.tex", "mine"),
        ("artifacts/faces/0123456789abcdef/manifest.json", "{}"),
        ("artifacts/vases/thesis.tex", "mine"),
        ("digests.json", '{"mine": "1"}'),
        ("published.json", '["mine"]'),
    ],
)
def test_names_of_ours_in_a_work_folder_do_not_make_it_ours(name, text, out, video):
    path = out / WORK / name
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(UsageError, match=r"\.work is not a folder of ours"):
        require_ours(out, video, STAGES)
    assert path.read_text() == text


@pytest.mark.parametrize(
    "left", [(), ("lock",), ("artifacts/",), ("lock", "artifacts/faces/"), (".digests.json.9-1.part",)]
)
@pytest.mark.parametrize("text", ["", "12345"])
def test_what_a_run_leaves_that_was_killed_at_its_beginning_is_taken_up(left, text, out, video):
    (out / WORK).mkdir(parents=True)
    for name in left:
        if name.endswith("/"):
            (out / WORK / name).mkdir(parents=True)
        else:
            (out / WORK / name).write_text(text)
    require_ours(out, video, STAGES)
    with claimed(out, nobody):
        pass


def test_only_tracebacks_of_ours_are_forgotten(out):
    errors = out / WORK / "errors"
    errors.mkdir(parents=True)
    for name in ("voice.txt", "thesis.txt"):
        (errors / name).touch()
    with claimed(out, nobody):
        assert [path.name for path in errors.iterdir()] == ["thesis.txt"]
    (errors / "thesis.txt").unlink()
    with claimed(out, nobody):
        assert not errors.exists()


@pytest.mark.parametrize("where", ["video", "linked video", "link", "home", "above home", "file", "circle"])
def test_folders_that_are_for_something_else_are_refused(where, out, video, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "homes" / "me"))
    (tmp_path / "homes" / "me").mkdir(parents=True)
    link = tmp_path / "link"
    folder, film = video.parent, video
    if where == "linked video":
        film = tmp_path / "homes" / "talk.mp4"
        film.symlink_to(video)
    elif where == "link":
        link.symlink_to(folder)
        folder = link
    elif where in ("home", "above home"):
        folder = tmp_path / "homes" / ("me" if where == "home" else "")
    elif where == "file":
        folder = video
    elif where == "circle":
        link.symlink_to(link)
        folder = link / "below"
    with pytest.raises(UsageError) as raised:
        require_ours(folder, film, STAGES)
        with claimed(folder, nobody):
            pass
    assert len(str(raised.value).splitlines()) == 1 and "--out" in str(raised.value)


def test_a_folder_we_make_is_private_and_one_that_was_there_keeps_its_mode(out, tmp_path):
    for umask, folder in ((0o022, out), (0o077, tmp_path / "a" / "b"), (0o022, tmp_path / "there")):
        if folder.name == "there":
            folder.mkdir(mode=0o755)
        old = os.umask(umask)
        try:
            run(folder, artifacts(tmp_path / "made", integrated="1"))
        finally:
            os.umask(old)
        assert folder.stat().st_mode & 0o777 == (0o755 if folder.name == "there" else 0o700)
        assert (folder / WORK).stat().st_mode & 0o777 == 0o700
        assert (folder / "integrated.csv").stat().st_mode & 0o777 == 0o600


def test_a_work_folder_of_an_earlier_version_is_closed_to_others(out):
    (out / WORK).mkdir(parents=True, mode=0o755)
    with claimed(out, nobody):
        assert (out / WORK).stat().st_mode & 0o777 == 0o700


def test_what_dead_runs_left_is_swept_and_nothing_else(out, tmp_path):
    run(out, artifacts(tmp_path / "made", integrated="1"))
    stage = out / WORK / "artifacts" / "faces"
    for folder in (stage / ".tmp-abc" / "deep", stage / ".tmp-abd.gone", stage / "0123456789abcdef"):
        folder.mkdir(parents=True)
    left = (out / ".annotated.mp4.999999-1.part", out / WORK / ".digests.json.1-1.part")
    for path in (*left, out / "mine.part", out / WORK / "errors"):
        path.touch()
    with claimed(out, nobody):
        assert [path.name for path in stage.iterdir()] == ["0123456789abcdef"]
        assert not any(path.exists() for path in (*left,)) and (out / "mine.part").exists()


def test_a_second_run_says_so_and_waits(out):
    inside, release, said, order = threading.Event(), threading.Event(), [], []

    def first() -> None:
        with claimed(out, nobody):
            inside.set()
            release.wait(10)
            order.append("first")

    def wait(sentence: str) -> None:
        said.append(sentence)
        release.set()

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait(10)
    with claimed(out, wait) as is_new:
        order.append("second")
    thread.join()
    assert order == ["first", "second"] and not is_new
    assert said == [f"another run (process {os.getpid()}) writes into {out}; waiting for it to end"]


def test_a_folder_that_cannot_be_written_is_refused_before_the_work(out):
    out.mkdir()
    (out / WORK).touch()
    with pytest.raises(UsageError, match=r"cannot write into .*choose another folder"), claimed(out, nobody):
        raise AssertionError
    with pytest.raises(UsageError, match=r"cannot write into .*File name too long"):
        require_ours(out / ("x" * 256), out, STAGES)


@pytest.mark.parametrize("damage", [b"2", b"", b"edited", None])
def test_a_result_that_was_edited_or_damaged_is_published_anew(damage, out, tmp_path):
    made = artifacts(tmp_path / "made", integrated="1")
    run(out, made)
    target = out / "integrated.csv"
    state = target.stat()
    if damage is None:
        target.unlink()
    else:
        target.write_bytes(damage)
        os.utime(target, ns=(state.st_atime_ns, state.st_mtime_ns))
    run(out, made)
    assert target.read_bytes() == b"1"
    inode = target.stat().st_ino
    run(out, made)
    assert target.stat().st_ino == inode  # left alone where it is whole


def test_an_artifact_that_is_damaged_is_not_published(out, tmp_path):
    made = artifacts(tmp_path / "made", integrated="1")
    made["integrated.csv"].path.write_text("2")
    with pytest.raises(UsageError, match=r"integrated\.csv came out damaged; run the same command again"):
        run(out, made)
    assert sorted(path.name for path in out.iterdir()) == [WORK]


def test_results_for_which_there_is_no_room_are_not_published_by_halves(small_disk, tmp_path):
    out = small_disk("size=1m") / "out"
    run(out, artifacts(tmp_path / "made", integrated="a" * 300_000, conflicts="a" * 300_000))
    run(out, artifacts(tmp_path / "made", integrated="b" * 300_000, conflicts="b" * 300_000))
    with pytest.raises(NotEnoughSpaceError):
        run(out, artifacts(tmp_path / "made", integrated="c" * 300_000, conflicts="c" * 900_000))
    assert (out / "integrated.csv").read_text() == "b" * 300_000


def test_a_result_is_not_written_through_a_link(out, tmp_path):
    made = artifacts(tmp_path / "made", integrated="1")
    run(out, made)
    mine = tmp_path / "mine"
    mine.write_text("1")
    (out / "integrated.csv").unlink()
    (out / "integrated.csv").symlink_to(mine)
    run(out, made)
    assert mine.is_file() and not (out / "integrated.csv").is_symlink()


def test_a_record_cannot_name_what_is_not_ours(out, tmp_path):
    run(out, artifacts(tmp_path / "made", integrated="1", conflicts="2"))
    (out / "notes.txt").touch()
    (tmp_path / "report.html").touch()
    names = ["conflicts.csv", "notes.txt", "../report.html", "..", "", WORK, "a\0b"]
    (out / WORK / "published.json").write_text(json.dumps(names))
    run(out, artifacts(tmp_path / "made", integrated="1"))
    assert {path.name for path in out.iterdir()} == {WORK, "integrated.csv", "notes.txt", "run.json"}
    assert (tmp_path / "report.html").exists()


def test_a_file_that_came_meanwhile_is_not_overwritten(out, tmp_path):
    made = artifacts(tmp_path / "made", integrated="1")
    with pytest.raises(UsageError, match="is not a result of ours"), claimed(out, nobody):
        (out / "integrated.csv").write_text("mine")
        publish(out, made)
    assert (out / "integrated.csv").read_text() == "mine"


def test_what_others_put_into_a_new_folder_stays_when_it_is_withdrawn(tmp_path):
    for name in ("a", "b", "c"):
        with claimed(tmp_path / name, nobody) as is_new:
            assert is_new
            if name == "b":
                (tmp_path / name / "mine").touch()
            if name == "c":
                (tmp_path / name / WORK / "artifacts" / "probe" / "0123").mkdir(parents=True)
            withdraw_unused(tmp_path / name)
    assert not (tmp_path / "a").exists() and [p.name for p in (tmp_path / "b").iterdir()] == ["mine"]
    assert (tmp_path / "c" / WORK / "artifacts" / "probe" / "0123").is_dir()
