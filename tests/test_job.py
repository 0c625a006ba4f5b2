"""A whole run seen from Python: what fails is named, the rest is made, what lies there belongs together."""

import json
from pathlib import Path

import pytest

import pipeline
from pipeline.config import ConfigError, config_from_mapping
from pipeline.job import Request, UsageError, find_video, run
from pipeline.models.cards import CACHE_VARIABLE, ModelError, shipped_card
from pipeline.profile import resolve
from pipeline.summary import as_json, as_text
from pipeline.types import Status
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


def test_profiles(tmp_path):
    memory = tmp_path / "digests.json"
    auto = resolve(config_from_mapping({}), ("face", "voice", "text"), memory)
    assert {getattr(auto.config, m).backend for m in ("face", "voice", "text")} == {"compact"}
    assert auto.config.face.detector == "haar"
    assert auto.models["voice"] == shipped_card("voice_compact").sha256
    with pytest.raises(ModelError, match="models pull"):
        resolve(config_from_mapping({"run": {"profile": "full"}}), ("voice",), memory)
    with pytest.raises(ConfigError, match="unknown face back-end 'magic'; choose compact"):
        resolve(config_from_mapping({"face": {"backend": "magic"}}), ("face",), memory)
    with pytest.raises(ModelError, match="yunet"):
        resolve(config_from_mapping({"face": {"detector": "yunet"}}), ("face",), memory)


def test_finding_the_video(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inputs").mkdir()
    (tmp_path / "inputs" / "sample.mp4").touch()
    (tmp_path / "other.mp4").touch()
    assert find_video(None) == find_video("") == find_video("sample.mp4") == Path("inputs/sample.mp4")
    assert find_video("other.mp4") == Path("other.mp4")
    with pytest.raises(UsageError, match="no file none"):
        find_video("none.mp4")
