"""Which stages a run has, as its settings ask."""

from dataclasses import replace
from typing import get_args

import pytest

from pipeline.config import config_from_mapping
from pipeline.graph import (
    CREATOR_PACK,
    EXPORTS,
    MODALITIES,
    OBSERVING,
    SETTINGS,
    STAGES,
    WRITERS,
    key_of,
    stages_for,
)
from pipeline.types import ExportFormat

SHOWING = {"film", "stills", "keyframes"}  # stages that read the picture to show it


def stages(**sections):
    return {stage.name: stage for stage in stages_for(OBSERVING, config_from_mapping(sections))}


def test_what_shows_the_picture_needs_the_blur_once_it_is_asked_for():
    bare = stages(highlights={"enabled": True})
    assert "blur" not in bare and all("blur" not in bare[name].needs for name in SHOWING)
    blurred = stages(film={"blur_faces": True}, highlights={"enabled": True})
    assert {name for name, stage in blurred.items() if "blur" in stage.needs} == SHOWING
    assert all("blur" not in stage.wants for stage in blurred.values())
    assert "film" in blurred["highlights"].needs and "film" in bare["highlights"].wants


def test_the_blur_needs_every_channel_that_tells_where_faces_are(monkeypatch):
    blur = stages(film={"blur_faces": True})["blur"]
    assert set(blur.needs) == {"analysis", "face"}
    posture = replace(MODALITIES["face"], stages=("posture",))
    monkeypatch.setattr("pipeline.graph.MODALITIES", {**MODALITIES, "posture": posture})
    found = stages_for((*OBSERVING, "posture"), config_from_mapping({"film": {"blur_faces": True}}))
    assert set(next(s for s in found if s.name == "blur").needs) == {"analysis", "face", "posture"}


def test_the_source_is_shown_by_no_other_stage():
    reading = {stage.name for stage in STAGES if "source" in stage.needs}
    assert reading - SHOWING == {"probe", "audio", "faces", "words", "highlights"}


def test_only_the_exports_asked_for():
    assert not any(name.startswith("export-") for name in stages())
    asked = stages(export={"formats": ["elan", "edl"]})
    assert {name for name in asked if name.startswith("export-")} == {"export-elan", "export-edl"}


def test_every_format_has_its_stage():
    assert tuple(EXPORTS) == get_args(ExportFormat)
    assert {f"export-{name}" for name in EXPORTS} < set(WRITERS)


@pytest.mark.parametrize(("enabled", "present"), [(True, set(CREATOR_PACK)), (False, set())])
def test_creator_pack(enabled, present):
    assert set(CREATOR_PACK) & set(stages(highlights={"enabled": enabled})) == present


def test_no_film():
    without = stages(film={"enabled": False})
    assert "film" not in without and "stills" in without


def test_style_is_in_the_films_key():
    keys = [key_of("film", config_from_mapping({"film": {"style": style}})) for style in ("full", "minimal")]
    assert keys[0] != keys[1]


def test_settings_name_stages_and_fields_that_exist():
    names = {stage.name for stage in STAGES}
    for stage, (section, fields) in SETTINGS.items():
        assert stage in names
        assert fields <= set(type(getattr(config_from_mapping({}), section)).model_fields)
