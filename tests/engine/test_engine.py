import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.engine.runner import Run, run_graph
from pipeline.engine.sources import SourceChangedError, read_source
from pipeline.engine.stage import Stage, in_order
from pipeline.engine.store import MANIFEST, Store, StoreClosedError

SOURCES = frozenset({"source"})


class Film:
    """A graph in the shape of the real one, whose stages note that they were called."""

    def __init__(self, tmp_path: Path) -> None:
        self.source = tmp_path / "a.mp4"
        self.source.write_bytes(b"v")
        self.root = tmp_path / "work"
        self.memory = tmp_path / "digests.json"
        self.calls: list[str] = []
        self.events: list[tuple[str, str]] = []

    def stages(self, fail=frozenset(), version=None, gpu=None):
        def make(name):
            def run(inputs, settings, out, progress):
                self.calls.append(name)
                progress(0.5)
                if gpu is not None and name in ("face", "speech", "asr"):
                    gpu.enter()
                if name in fail:
                    raise RuntimeError(name)
                (out / "x.txt").write_text(f"{name} {settings} {sorted(inputs)}")

            return run

        def stage(name, *needs, wants=(), slot="cpu"):
            return Stage(name, (version or {}).get(name, 1), make(name), needs, wants, slot)

        return in_order(
            (
                stage("probe", "source"),
                stage("frames", "source", "probe"),
                stage("audio", "source", "probe"),
                stage("face", "frames", slot="gpu"),
                stage("speech", "audio", slot="gpu"),
                stage("asr", "audio", slot="gpu"),
                stage("text", "asr"),
                stage("align", "probe", wants=("face", "speech", "text")),
                stage("csv", "align"),
                stage("film", "source", "align"),
            ),
            SOURCES,
        )

    def run(self, stages=None, settings=None, **changes):
        self.calls.clear()
        values = settings or {}
        source = read_source(self.source, self.memory)
        run = Run(
            settings=values,
            keys=values,
            store=Store(self.root),
            workers=4,
            watched=(source,),
            on_event=lambda event: self.events.append((event.stage, event.state)),
        )
        return run_graph(stages or self.stages(), {"source": source.artifact}, replace(run, **changes))


@pytest.fixture
def film(tmp_path):
    return Film(tmp_path)


def test_second_run_executes_nothing(film):
    assert len(film.run().ran) == 10
    again = film.run()
    assert film.calls == [] and again.ran == () and len(again.artifacts) == 11


def test_force_executes_everything(film):
    film.run()
    assert len(film.run(force=True).ran) == 10


def test_setting_touches_only_its_branch(film):
    film.run()
    film.run(settings={"text": {"v": 2}})
    # `align` writes the same bytes, so what follows it is not disturbed.
    assert film.calls == ["text", "align"]


def test_version_bump_with_same_bytes_cuts_off(film):
    film.run()
    film.run(film.stages(version={"face": 2}))
    assert film.calls == ["face"]


def test_changed_source_runs_again(film):
    film.run()
    film.source.write_bytes(b"another film")
    assert set(film.run().ran) == {"probe", "frames", "audio", "film"}


def test_failed_branch_leaves_its_siblings(film):
    outcome = film.run(film.stages(fail={"asr"}))
    assert set(outcome.failed) == {"asr"} and outcome.blocked == {"text": ("asr",)}
    assert {"face", "speech", "align", "csv", "film"} <= outcome.artifacts.keys()
    healed = film.run()
    assert {"asr", "text", "align"} <= set(film.calls) and not healed.failed
    assert "face" not in film.calls


def test_blocked_without_a_need(film):
    outcome = film.run(film.stages(fail={"probe"}))
    assert set(outcome.blocked) == {s.name for s in film.stages()} - {"probe"}


@pytest.mark.timeout(10)
def test_what_nobody_provides_is_left_out_when_wanted_and_blocks_when_needed(film):
    def write(inputs, settings, out, progress):
        (out / "x").write_text(",".join(sorted(inputs)))

    wants = Stage("wants", 1, write, ("source",), ("subtitles",))
    needs = Stage("needs", 1, write, ("subtitles",))
    outcome = film.run((wants, needs))
    assert (outcome.artifacts["wants"].path / "x").read_text() == "source"
    assert outcome.blocked == {"needs": ("subtitles",)}


def test_gpu_stages_run_one_at_a_time(film):
    class Gpu:
        now = most = 0
        lock = threading.Lock()

        def enter(self):
            with self.lock:
                self.now += 1
                self.most = max(self.most, self.now)
            time.sleep(0.05)
            with self.lock:
                self.now -= 1

    gpu = Gpu()
    film.run(film.stages(gpu=gpu))
    assert gpu.most == 1


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def deepen(manifest: Path) -> None:
    manifest.write_text('{"a":' * 100_000)


def change_the_digest(manifest: Path) -> None:
    value = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(value | {"digest": "0" * 64}))


def rename_a_file(manifest: Path) -> None:
    text = manifest.read_text().replace('"x.txt"', '"../x.txt"')
    manifest.write_text(text)


@pytest.mark.parametrize("name", ["probe", "asr", "csv"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: flip(folder / "x.txt"),  # same size
        lambda folder: (folder / "x.txt").unlink(),
        lambda folder: (folder / "more.txt").write_text("of somebody else"),
        lambda folder: (folder / MANIFEST).write_bytes(b""),
        lambda folder: (folder / MANIFEST).write_bytes(b"\xff\xfe\x00"),
        lambda folder: (folder / MANIFEST).write_text("[]"),
        lambda folder: (folder / MANIFEST).write_text('{"digest": 1, "files": [], "recipe": null}'),
        lambda folder: deepen(folder / MANIFEST),
        lambda folder: rename_a_file(folder / MANIFEST),
        lambda folder: change_the_digest(folder / MANIFEST),
        lambda folder: (folder / MANIFEST).unlink(),
    ],
)
def test_a_damaged_artifact_is_made_again_with_the_same_bytes_and_named(film, name, damage):
    outcome = film.run()
    path = outcome.artifacts[name].path
    before = (path / "x.txt").read_bytes()
    damage(path)
    healed = film.run()
    assert film.calls == [name] and healed.repaired == (name,) and not healed.failed
    assert (path / "x.txt").read_bytes() == before and not (path / "more.txt").exists()
    assert film.run().repaired == ()


def test_a_file_in_the_place_of_an_artifact_is_replaced(film):
    path = film.run().artifacts["csv"].path
    shutil.rmtree(path)
    path.write_text("a file")
    assert film.run().repaired == ("csv",) and path.is_dir()


def test_artifacts_are_private(film):
    old = os.umask(0o022)
    try:
        artifact = film.run().artifacts["film"].path
    finally:
        os.umask(old)
    for path in (film.root, artifact.parent, artifact):
        assert path.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in artifact.iterdir()} == {0o600}


def write_in_place(film: Film) -> None:
    film.source.write_bytes(b"w")


def swap(film: Film) -> None:
    """Another file of the same size and times, as `cp -p` and `mv` leave it."""
    state, other = film.source.stat(), film.source.with_name("other")
    other.write_bytes(b"w")
    os.utime(other, ns=(state.st_atime_ns, state.st_mtime_ns))
    other.replace(film.source)


@pytest.mark.parametrize("change", [write_in_place, swap, lambda film: film.source.unlink()])
@pytest.mark.parametrize("fails", [False, True])
def test_a_source_that_changes_ends_the_run_and_caches_nothing_of_it(film, change, fails):
    def read(inputs, settings, out, progress):
        (out / "x").write_bytes(inputs["source"].read_bytes())
        time.sleep(0.02)
        change(film)
        if fails:
            raise ValueError("damaged file")

    before = Stage("before", 1, lambda i, s, o, p: (o / "x").write_text("1"), ("source",))
    stages = (before, Stage("read", 1, read, ("source", "before")))
    with pytest.raises(
        SourceChangedError, match=r"a\.mp4 (changed|went away) while it was read; run the same"
    ):
        film.run(stages)
    assert [path.parent.name for path in film.root.glob("*/*")] == ["before"]


@pytest.mark.parametrize(
    "touch",
    [
        lambda path: path.with_name("link").hardlink_to(path),
        lambda path: path.chmod(0o600 if path.stat().st_mode & 0o077 else 0o644),
        lambda path: path.rename(path.with_name("b.mp4")).rename(path),
        lambda path: shutil.copy2(path, path.with_name("copy")).replace(path),
    ],
)
def test_a_source_of_which_only_other_facts_change_is_the_same(film, touch):
    def read(inputs, settings, out, progress):
        time.sleep(0.02)
        touch(film.source)

    outcome = film.run((Stage("read", 1, read, ("source",)), Stage("last", 1, lambda *_: None, ("read",))))
    assert outcome.ran == ("read", "last") and not outcome.failed


def test_a_changed_source_stops_the_stages_beside_it(film):
    stopped = threading.Event()

    def slow(inputs, settings, out, progress):
        try:
            for _ in range(500):
                progress(0.1)
                time.sleep(0.01)
        except Exception:
            stopped.set()
            raise

    def change(inputs, settings, out, progress):
        film.source.write_bytes(b"other")

    with pytest.raises(SourceChangedError):
        film.run((Stage("slow", 1, slow, ("source",)), Stage("change", 1, change, ("source",))))
    assert stopped.is_set()


KILLED = textwrap.dedent("""
    import sys, time, pathlib
    from pipeline.engine.stage import Stage, in_order
    from pipeline.engine.store import Store
    from pipeline.engine.sources import read_source
    from pipeline.engine.runner import Run, run_graph
    work, nap = pathlib.Path(sys.argv[1]), float(sys.argv[2])
    def ok(i, s, o, p): (o / "x").write_text("1")
    def slow(i, s, o, p):
        (o / "x").write_text("half")
        print("slow", flush=True)
        time.sleep(nap)
        (o / "x").write_text("whole")
    g = in_order((Stage("a", 1, ok, ("source",)), Stage("b", 1, slow, ("a",))), frozenset({"source"}))
    src = read_source(work / "src", work / "digests.json").artifact
    tell = lambda e: print(e.stage, e.state, flush=True)
    r = run_graph(g, {"source": src}, Run({}, {}, Store(work / "store"), workers=2, on_event=tell))
    print((r.artifacts["b"].path / "x").read_text())
""")


def test_kill_9_leaves_no_half_artifact(tmp_path):
    (tmp_path / "src").write_bytes(b"v")
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen([*command, "30"], stdout=subprocess.PIPE, text=True) as process:
        while process.stdout.readline().strip() != "slow":
            pass
        os.kill(process.pid, signal.SIGKILL)
    again = subprocess.run([*command, "0"], capture_output=True, text=True, check=True).stdout
    assert "a cached" in again and "b started" in again and again.endswith("whole\n")


def test_several_runs_on_one_store(film):
    sizes = []
    threads = [threading.Thread(target=lambda: sizes.append(len(film.run().artifacts))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sizes == [11] * 6 and not list(film.root.rglob(".tmp-*"))


def test_sweep_keeps_the_newest_and_the_used(film):
    used = {a.path for a in film.run().artifacts.values()}
    for v in range(4):
        film.run(settings={"csv": v})
    Store(film.root).sweep(used, 2, {"csv"})
    left = list((film.root / "csv").iterdir())
    assert len(left) <= 3 and used >= {p for p in left if p in used}
    film.run()
    assert film.calls == []


@pytest.mark.parametrize("linked", ["stage", "store"])
def test_nothing_behind_a_link_is_swept(linked, tmp_path):
    mine = [tmp_path / "mine" / "a" / name for name in ("letters", ".tmp-x", "0123456789abcdef", "photos")]
    for folder in mine:
        folder.mkdir(parents=True)
    root = tmp_path / "store"
    if linked == "store":
        root.symlink_to(tmp_path / "mine")
    else:
        root.mkdir()
        (root / "a").symlink_to(tmp_path / "mine" / "a")
    Store(root).sweep(set(), 0, {"a"})
    Store(root).sweep_scratch({"a"})
    assert all(folder.is_dir() for folder in mine)


def test_what_is_no_artifact_is_not_swept(film):
    film.run()
    (film.root / "csv" / "letters").mkdir()
    Store(film.root).sweep(set(), 0, {"csv"})
    assert [path.name for path in (film.root / "csv").iterdir()] == ["letters"]


def test_only_stages_that_are_named_are_swept(film):
    film.run()
    mine = [film.root / "mine" / name for name in ("0123456789abcdef", ".tmp-x")]
    for folder in mine:
        folder.mkdir(parents=True)
    Store(film.root).sweep(set(), 0, {"csv"})
    Store(film.root).sweep_scratch({"csv"})
    assert all(folder.is_dir() for folder in mine) and not list((film.root / "csv").iterdir())


def test_what_is_made_after_an_interrupt_is_not_kept(film):
    started, released, ended = threading.Event(), threading.Event(), threading.Event()

    def slow(inputs, settings, out, progress):
        started.set()
        released.wait(10)  # native code: it asks for no progress and cannot be stopped
        (out / "crops.bin").write_text("a face")

    def interrupt(event):
        if event.stage == "other" and event.state == "blocked":
            started.wait(10)
            raise KeyboardInterrupt

    def report_end():
        while any(thread.name.startswith("stage") for thread in threading.enumerate()):
            time.sleep(0.01)
        ended.set()

    stages = (Stage("slow", 1, slow, ("source",)), Stage("other", 1, slow, ("nothing",)))
    with pytest.raises(KeyboardInterrupt):
        film.run(stages, on_event=interrupt)
    released.set()
    threading.Thread(target=report_end, daemon=True).start()
    assert ended.wait(10) and not list((film.root / "slow").iterdir())


def test_closing_waits_for_a_commit_and_refuses_the_next(tmp_path, monkeypatch):
    store, rename = Store(tmp_path / "store"), Path.rename
    closed_early = []

    def slowly(self: Path, target: Path) -> Path:
        closing = threading.Thread(target=store.close)
        closing.start()
        closing.join(0.05)
        closed_early.append(not closing.is_alive())
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", slowly)
    with store.writing("a", {}, {}):
        pass
    with pytest.raises(StoreClosedError), store.writing("b", {}, {}):
        pass
    assert closed_early == [False] and store.find("a", {}) and not list((tmp_path / "store" / "b").iterdir())


def test_why_not_names_the_difference(film):
    film.run()
    recipe = {"stage": "probe", "version": 2, "settings": {"a": 1}, "inputs": {}}
    store = Store(film.root)
    assert store.why_not("probe", recipe).startswith("changed: version, settings a, inputs source")
    assert store.why_not("nothing", recipe) == "it has not been run yet"
    for manifest in (film.root / "csv").glob(f"*/{MANIFEST}"):
        manifest.write_text("{}")
    assert store.why_not("csv", recipe) == "its last artifact is damaged"


@pytest.mark.parametrize(
    "stages",
    [
        (Stage("a", 1, print, ("nowhere",)),),
        (Stage("a", 1, print), Stage("a", 1, print)),
        (Stage("a", 1, print, ("b",)), Stage("b", 1, print, ("a",))),
    ],
)
def test_bad_graph_is_refused(stages):
    with pytest.raises(ValueError):
        in_order(stages, SOURCES)


ENDING = """
import sys, threading, time
from pathlib import Path
from pipeline.engine.store import Store, discard_open_scratch

store = Store(Path(sys.argv[1]))

def busy(number):
    for turn in range(10_000):
        try:
            with store.writing(f"stage{number}", {"turn": turn}, {}) as scratch:
                for part in range(50):
                    (scratch / f"{part}.bin").write_bytes(b"x")
                raise ValueError("nothing is kept")
        except (ValueError, OSError):
            pass

for number in range(4):
    threading.Thread(target=busy, args=(number,), daemon=True).start()
time.sleep(0.3)
discard_open_scratch()
left = sorted(str(path) for path in Path(sys.argv[1]).glob("*/.tmp-*"))
time.sleep(0.2)
print(left, sorted(str(path) for path in Path(sys.argv[1]).glob("*/.tmp-*")), flush=True)
__import__("os")._exit(0)
"""


def test_a_process_that_ends_leaves_no_scratch_folder_whatever_its_threads_do(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", ENDING, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["[]", "[]"] and not done.stderr
