"""A whole run seen from Python: what fails is named, the rest is made, what lies there belongs together."""

import json
from pathlib import Path
from typing import get_args

import pytest

import pipeline
from pipeline.config import ConfigError, config_from_mapping
from pipeline.job import PACKAGES, run
from pipeline.models.cards import CACHE_VARIABLE, ModelError
from pipeline.models.known import known_for
from pipeline.plan import Request, UsageError, find_video, formats_listed, listed
from pipeline.profile import resolve
from pipeline.summary import as_json, as_text
from pipeline.types import ExportFormat, Status
from tests.made import media


@pytest.fixture(autouse=True)
def without_fetched_models(monkeypatch, tmp_path):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "no-models"))


def request(video: Path, out: Path, **sections) -> Request:
    return Request(video, config_from_mapping({"film": {"enabled": False}, **sections}), out)


def test_a_failed_branch_leaves_the_others(tmp_path, made):
    broken = tmp_path / "model"
    broken.mkdir()
    names = {str(i): name for i, name in enumerate(("angry", "happy"))}
    (broken / "config.json").write_text(json.dumps({"model_type": "wav2vec2", "id2label": names}))
    video = made(media.make_faces, 1)
    spoken = tmp_path / "film.srt"
    spoken.write_text("1\n00:00:00,100 --> 00:00:01,000\nI love this, I am so happy!\n")
    wanted = request(video, tmp_path / "out", face={"backend": str(broken)})
    result = run(Request(wanted.video, wanted.config, wanted.out, spoken))
    assert set(result.missing) == {"face"} and not result.complete
    assert {r.status for m in result.analysis.moments for r in [m.by_modality["face"]]} == {Status.FAILED}
    assert any(m.by_modality["text"].status is Status.OK for m in result.analysis.moments)
    assert {"integrated.csv", "report.html", "timeline.png"} <= {path.name for path in result.files}
    facts = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    assert facts["stages"]["face"]["state"] == "failed" and facts["missing"] == dict(result.missing)
    assert "missing: face:" in as_text(result) and as_json(result, 3)["missing"] == dict(result.missing)


def test_results_of_an_earlier_run_do_not_stay_beside_newer_ones(tmp_path, made):
    video, out = made("plain.mp4"), tmp_path / "out"
    first = run(request(video, out))
    assert (out / "voice.csv").is_file() and (out / "faces.csv").is_file() and first.complete
    mine = out / "notes.txt"
    mine.write_text("not the pipeline's")
    run(request(video, out, run={"only": ["face"]}))
    assert not (out / "voice.csv").exists() and (out / "faces.csv").is_file() and mine.is_file()
    again = run(request(video, out))
    assert again.ran == () and (out / "voice.csv").is_file()


def test_an_edited_result_is_written_anew(tmp_path, made):
    video, out = made("plain.mp4"), tmp_path / "out"
    run(request(video, out, run={"only": ["voice"]}))
    sheet = (out / "integrated.csv").read_bytes()
    (out / "integrated.csv").write_text("edited")
    assert run(request(video, out, run={"only": ["voice"]})).ran == ()
    assert (out / "integrated.csv").read_bytes() == sheet


def test_python_interface(tmp_path, made):
    config = pipeline.Config.model_validate({"film": {"enabled": False}, "run": {"only": ("voice",)}})
    analysis = pipeline.analyze(made(media.make_silence), config, out=tmp_path / "out")
    assert isinstance(analysis, pipeline.Analysis) and analysis.modalities == ("voice",)
    assert {m.by_modality["voice"].status for m in analysis.moments} == {Status.SILENCE}
    with pytest.raises(AttributeError):
        _ = pipeline.nothing


ALL = ("face", "voice", "text")


def test_profiles():
    auto = resolve(config_from_mapping({}), ALL, True)
    assert {getattr(auto.config, m).backend for m in ALL} == {"compact"}
    assert auto.config.face.detector == "haar"
    full = {"run": {"profile": "full"}}
    for values, modality, part in (
        (full, "voice", "models pull"),
        ({"face": {"detector": "yunet"}}, "face", "yunet"),
        ({"transcript": {"source": "whisper"}}, "text", "Whisper"),
        ({"transcript": {"source": "burned-in"}}, "text", "models pull pp-ocrv6-small"),
        ({**full, "text": {"backend": "compact"}}, "text", "Whisper"),
    ):
        with pytest.raises(ModelError, match=part):
            resolve(config_from_mapping(values), (modality,), False)
    for section, name in (("backend", "face back-end"), ("detector", "face detector")):
        with pytest.raises(ConfigError, match=f"unknown {name} 'magic'; choose "):
            resolve(config_from_mapping({"face": {section: "magic"}}), ("face",), True)


def test_auto_takes_a_model_for_one_language_only_when_told_so():
    chinese = known_for("xlm-roberta")
    for file in chinese.files:
        (chinese.home / file.path).parent.mkdir(parents=True, exist_ok=True)
        (chinese.home / file.path).write_bytes(b"weights")
    chosen = {
        language: resolve(config_from_mapping({"transcript": {"language": language}}), ("text",), True)
        for language in ("zh-TW", "en", None)
    }
    assert {k: v.config.text.backend for k, v in chosen.items()} == {
        "zh-TW": "xlm-roberta",
        "en": "compact",
        None: "compact",
    }


def test_weights_that_appear_or_change_are_in_the_key(tmp_path):
    config = config_from_mapping({"transcript": {"whisper_model": str(tmp_path / "own.pt")}})
    keys = [resolve(config, ("text",), True).models["words"]]
    for content in (b"one", b"two!"):
        (tmp_path / "own.pt").write_bytes(content)
        keys.append(resolve(config, ("text",), True).models["words"])
    assert len(set(keys)) == 3


@pytest.mark.parametrize(
    ("change", "is_kept"),
    [({"without": "less is known", "size_bytes": 1, "optional": True}, True), ({"temperature": 2.0}, False)],
)
def test_of_a_listed_model_what_changes_results_is_in_the_key(change, is_kept, monkeypatch):
    from dataclasses import replace

    from pipeline import profile

    model = known_for("deepface")
    for file in model.files:
        model.home.mkdir(parents=True, exist_ok=True)
        (model.home / file.path).write_bytes(b"weights")
    config = config_from_mapping({"face": {"backend": "deepface"}})
    before = resolve(config, ("face",), True).models["face"]
    monkeypatch.setattr(profile, "known_models", lambda: (replace(model, **change),))
    assert (resolve(config, ("face",), True).models["face"] == before) == is_kept


def test_files_that_are_not_ours_are_never_replaced(tmp_path, made):
    folder = tmp_path / "films"
    folder.mkdir()
    mine = folder / "annotated.mp4"
    mine.write_bytes(b"mine")
    (folder / "notes.txt").write_text("mine too")
    only = {"run": {"only": ["voice"]}}
    with pytest.raises(UsageError, match=r"annotated\.mp4 is not a result of ours"):
        run(request(made("plain.mp4"), folder, film={"enabled": True}, **only))
    assert {path.name for path in folder.iterdir()} == {"annotated.mp4", "notes.txt"}
    run(request(made("plain.mp4"), folder, **only))
    assert mine.read_bytes() == b"mine" and (folder / "integrated.csv").is_file()


def test_another_video_of_the_same_name_is_said(tmp_path, made):
    only = {"run": {"only": ["voice"]}}
    assert run(request(made("plain.mp4"), tmp_path / "out", **only)).warnings == ()
    (warning,) = run(request(made(media.make_silence), tmp_path / "out", **only)).warnings
    assert "held results of another video" in warning


def test_the_recogniser_stands_beside_the_other_models(tmp_path, made, monkeypatch):
    from pipeline.types import Span
    from tests.text.checkpoints import tiny_whisper

    monkeypatch.setattr("pipeline.voice.stage.speech_spans", lambda *_: [Span(0, 4_000_000)])
    weights = tiny_whisper(tmp_path / "own.pt")
    transcript = {"source": "whisper", "whisper_model": str(weights), "language": "en"}
    result = run(
        request(made(media.make_talking), tmp_path / "out", transcript=transcript, run={"only": ["text"]})
    )
    assert result.analysis.transcript.source == "whisper" and result.analysis.transcript.utterances
    assert result.analysis.models["transcript"].id == "own"
    facts = json.loads((tmp_path / "out" / "run.json").read_text())["models"]["transcript"]
    assert facts["sha256"] == result.analysis.models["transcript"].sha256
    assert "own" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize("source", ["stream", "whisper"])
def test_a_transcript_that_was_given_wins_over_the_settings(source, tmp_path, made):
    spoken = tmp_path / "film.srt"
    spoken.write_text("1\n00:00:00,100 --> 00:00:01,000\nhello there\n")
    wanted = request(
        made("plain.mp4"), tmp_path / "out", transcript={"source": source}, run={"only": ["text"]}
    )
    result = run(Request(wanted.video, wanted.config, wanted.out, spoken))
    assert result.analysis.transcript.source == "file" and result.complete


@pytest.mark.parametrize(
    ("sections", "hint"),
    [
        ({"run": {"only": ["voice"]}}, "let --only include face"),
        ({"film": {"enabled": False}, "highlights": {"enabled": True}}, "leave out --no-video"),
    ],
)
def test_faces_that_could_not_be_blurred_are_not_shown(tmp_path, made, sections, hint):
    film = sections.get("film", {}) | {"blur_faces": True}
    config = config_from_mapping({**sections, "film": film})
    with pytest.raises(UsageError, match=hint):
        run(Request(made("plain.mp4"), config, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("broken", ["faces", "face"])
def test_no_face_is_shown_when_nobody_could_look_where_faces_are(broken, tmp_path, made, monkeypatch):
    def breaks(*_):
        raise RuntimeError("the model broke")

    monkeypatch.setattr(f"pipeline.face.stage.run_{broken}", breaks)
    sections = {"film": {"blur_faces": True}, "highlights": {"enabled": True}}
    result = run(Request(made(media.make_faces, 1), config_from_mapping(sections), tmp_path / "out"))
    showing = {"film", "stills", "keyframes", "highlights"}
    assert {broken, "blur", *showing} <= set(result.missing)
    names = {path.name for path in result.files}
    assert {"report.html", "integrated.csv"} <= names
    assert not [name for name in names if name.endswith((".mp4", ".jpg"))] and "keyframes.csv" not in names
    assert "data:image/jpeg" not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_finding_the_video(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inputs").mkdir()
    (tmp_path / "inputs" / "sample.mp4").touch()
    (tmp_path / "other.mp4").touch()
    assert find_video(None) == find_video("") == find_video("sample.mp4") == Path("inputs/sample.mp4")
    assert find_video("other.mp4") == Path("other.mp4")
    for name in ("none.mp4", "x" * 300 + ".mp4", "\udcb2\udcc9.mp4"):
        with pytest.raises(UsageError):
            find_video(name)


def test_lists_in_flags():
    assert listed("--only", " face,, voice,") == ["face", "voice"]
    assert formats_listed("elan,,vtt") == ["elan", "vtt"]
    assert formats_listed("all") == formats_listed("vtt, all") == list(get_args(ExportFormat))


def test_a_reading_of_a_modality_there_is_not_is_refused_before_anything_runs(tmp_path, made):
    own = tmp_path / "own.toml"
    own.write_text('[[reading]]\nname = "x"\nwhen = { fce = ["sad"] }\n')
    with pytest.raises(ConfigError, match="'fce' is none of face, voice, text, other"):
        run(request(made("plain.mp4"), tmp_path / "out", conflict={"readings": str(own)}))


def test_the_record_names_every_library_that_runs_a_network() -> None:
    runners = {"ai-edge-litert", "ctranslate2", "onnxruntime", "torch", "silero-vad"}
    assert runners <= set(PACKAGES)
