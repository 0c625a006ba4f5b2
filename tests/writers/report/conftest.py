"""A real Chromium, a real film, and a page to open in the one beside the other."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.writers.report import REPORT, html
from tests.made.browser import browser, chromium
from tests.made.film import constant, write_film
from tests.writers.conftest import make_analysis
from tests.writers.report.opened import PATIENCE_S, SCREEN, Opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="package")
def chrome() -> Iterator["Browser"]:
    path = chromium()
    if path is None:
        pytest.skip("no Chromium is installed")
    with browser(path) as opened:
        yield opened


@pytest.fixture(scope="package")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_film(tmp_path_factory.mktemp("film") / "annotated.mp4", constant(25))


@pytest.fixture(scope="package")
def folder(film: Path) -> Path:
    (film.parent / REPORT).write_text(html(make_analysis()), encoding="utf-8")
    return film.parent


@pytest.fixture
def tab(chrome: "Browser", request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opened]:
    """A fresh page; ``indirect`` parameters are the options of its context. It is photographed at the end."""
    context = chrome.new_context(**{"viewport": SCREEN, **getattr(request, "param", {})})
    opened = Opened(context.new_page())
    opened.page.set_default_timeout(1000 * PATIENCE_S)
    yield opened
    kept = Path(os.environ.get("EMOTION_ARTIFACTS") or tmp_path)
    kept.mkdir(parents=True, exist_ok=True)
    opened.page.screenshot(path=kept / (re.sub(r"\W+", "_", request.node.name) + ".png"))
    context.close()
