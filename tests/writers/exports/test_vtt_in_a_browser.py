"""The captions in a real Chromium: every cue arrives, with its classes, and hostile words stay words."""

import base64
import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, sync_playwright

from pipeline.types import Analysis
from pipeline.writers.exports.cues import cues
from pipeline.writers.exports.vtt import vtt
from tests.writers.conftest import make_analysis
from tests.writers.exports.cases import hostile, overlapping

CHROMIUM = shutil.which("chromium")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
READ = """url => new Promise((done, fail) => {
  const video = document.createElement('video'), track = document.createElement('track');
  track.src = url; track.default = true; track.kind = 'subtitles'; track.srclang = 'en';
  track.onerror = () => fail('not WebVTT');
  track.onload = () => done([...track.track.cues].map(cue => {
    const box = document.createElement('div');
    box.append(cue.getCueAsHTML());
    const classes = [...box.querySelectorAll('*')].map(one => one.tagName + '.' + one.className);
    return [cue.id, cue.startTime, cue.endTime, String(cue.line), box.textContent, classes];
  }));
  video.append(track); document.body.append(video); track.track.mode = 'hidden';
})"""


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser.new_page()
        browser.close()


@pytest.mark.parametrize("make", [make_analysis, hostile, overlapping])
def test_every_cue_arrives(make: Callable[[], Analysis], page: Page) -> None:
    analysis = make()
    url = "data:text/vtt;base64," + base64.b64encode(vtt(analysis).encode()).decode()
    read = sorted(page.evaluate(READ, url), key=lambda found: int(found[0]))
    for number, (found, cue) in enumerate(zip(read, cues(analysis), strict=True), start=1):
        name, start, end, line, text, classes = found
        assert (name, line) == (str(number), "0" if cue.kind else "auto")
        assert (round(start * 1000), round(end * 1000)) == (cue.start_ms, cue.end_ms)
        assert text == "\n".join(" · ".join(s.name + s.text for s in said) for said in cue.lines)
        wanted = [cue.kind or s.emotion for said in cue.lines for s in said]
        assert classes == [f"SPAN.{one}" for one in wanted if one]
