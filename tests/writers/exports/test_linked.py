"""The film that exports lead to."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pipeline.config import Config, FilmSection
from pipeline.graph import EXPORTS, export_stage, key_of, section_of
from pipeline.types import Analysis, ExportFormat
from pipeline.writers.exports.fcpxml import fcpxml
from pipeline.writers.exports.linked import size_px
from pipeline.writers.film.video import write_parts
from pipeline.writers.fonts import font_for
from tests.writers.conftest import make_analysis, with_posture, written
from tests.writers.exports.cases import CASES

LINKING: tuple[ExportFormat, ...] = ("elan", "label-studio", "fcpxml")


def filmed(width_px: int, height_px: int) -> Analysis:
    analysis = with_posture(make_analysis())
    return replace(analysis, media=replace(analysis.media, width_px=width_px, height_px=height_px))


@pytest.mark.parametrize("style", ["full", "minimal", "subtitles"])
@pytest.mark.parametrize("size", [(1280, 720), (361, 641), (3840, 2160)])
def test_the_size_is_the_films(size: tuple[int, int], style: str, tmp_path: Path) -> None:
    analysis, film = filmed(*size), FilmSection.model_validate({"style": style})
    made = write_parts(analysis, None, font_for("zh"), film, tmp_path).layout
    assert size_px(analysis, film) == (made.width_px, made.height_px + made.panel_px)
    picture = ElementTree.fromstring(fcpxml(analysis, film).split("\n", 2)[2]).find("resources/format")
    assert picture is not None
    assert (int(picture.attrib["width"]), int(picture.attrib["height"])) == size_px(analysis, film)


def test_without_the_film_the_size_is_the_sources() -> None:
    assert size_px(filmed(3840, 2160), FilmSection(enabled=False)) == (3840, 2160)


@pytest.mark.parametrize("name", EXPORTS)
def test_a_link_to_a_film_that_is_not_made_is_said(name: ExportFormat, tmp_path: Path) -> None:
    def warning(enabled: bool, analysis: Analysis) -> str:
        out = tmp_path / f"{enabled} {analysis.media.has_video}"
        config = Config(film=FilmSection(enabled=enabled))
        module, function = EXPORTS[name].split(":")
        settings = section_of(export_stage(name), config)
        getattr(import_module(module), function)(written(analysis, out), settings, out, lambda fraction: None)
        told = out / "warnings.txt"
        return told.read_text(encoding="utf-8") if told.is_file() else ""

    assert warning(True, make_analysis()) == ""
    said = warning(False, make_analysis())
    assert said.startswith("exports lead to annotated.mp4, which --no-video leaves out") is (name in LINKING)
    assert "lead to" not in warning(False, CASES["without picture"]())
    keys = [key_of(export_stage(name), Config(film=FilmSection(enabled=on))) for on in (True, False)]
    assert (keys[0] != keys[1]) is (name in LINKING)
