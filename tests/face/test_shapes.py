"""What the Face Landmarker adds to the faces of any detector, where its weights are on this machine."""

import numpy as np
import pytest

from pipeline.config import FaceSection, config_from_mapping
from pipeline.face import mesh
from pipeline.face.persons import FaceSample
from pipeline.fusion.speaking import not_speaking
from pipeline.models.cards import CACHE_VARIABLE
from pipeline.profile import resolve
from pipeline.records import read_records
from pipeline.types import Observation, Span, Status
from tests.face.models import put_landmarker
from tests.face.test_stage import observations, run_both
from tests.made import media


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "models"))


def faces(made, folder, detector):
    settings = FaceSection(detector=detector, backend="compact")
    return run_both(made(media.make_talking), folder, settings)


@pytest.mark.parametrize("detector", ["haar", "landmarks"])
def test_lips_of_every_face_and_the_shapes_beside(detector, cache, made, tmp_path):
    put_landmarker()
    run = faces(made, tmp_path / "run", detector)
    samples = read_records(run / "faces" / "samples.jsonl", FaceSample)
    shapes = np.load(run / "faces" / "shapes.npy")
    assert shapes.shape == (len(samples), 55) and shapes.dtype == np.float16
    assert sorted(one.shape_row for one in samples) == list(range(len(samples)))
    for one in samples:
        assert shapes[one.shape_row, mesh.JAW_OPEN] == pytest.approx(one.jaw_open, abs=1e-3)
    seen = observations(run)
    gaps = {who: [one.evidence["lip_gap"] for one in seen if one.subject == who] for who in ("P1", "P2")}
    still, talks = (float(np.abs(np.diff(own)).mean()) for own in gaps.values())
    assert talks > 3 * still
    voice = Observation(
        "voice", Span(0, 5_000_000), Status.OK, seen[0].scores, evidence={"speech_share": 1.0}
    )
    assert {one.subject for one in not_speaking({"face": seen, "voice": [voice]})} == {"P1"}
    again = faces(made, tmp_path / "again", detector)
    for name in ("samples.jsonl", "shapes.npy", "crops.bin"):
        assert (again / "faces" / name).read_bytes() == (run / "faces" / name).read_bytes()


def test_without_the_landmarker_faces_have_no_shape(cache, made, tmp_path):
    run = faces(made, tmp_path / "run", "haar")
    assert not (run / "faces" / "shapes.npy").exists()
    assert not any("lip_gap" in one.evidence for one in observations(run))


def chosen(**values):
    resolved = resolve(config_from_mapping(values), ("face",), True)
    return resolved.config.face.detector, resolved.models["faces"]


def test_auto_takes_the_landmarker_as_soon_as_it_is_here(cache):
    before, haar = chosen(), chosen(face={"detector": "haar"})
    assert before == haar and before[0] == "haar"
    put_landmarker()
    assert chosen()[0] == "landmarks"
    measured = chosen(face={"detector": "haar"})
    assert measured[0] == "haar" and measured[1] != haar[1]  # its faces are now measured: made anew
    assert chosen(run={"profile": "compact"}) == measured
