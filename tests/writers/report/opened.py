"""A page opened in a real browser: what it says, shows, complains about and asks the network for."""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.types import Analysis
from tests.writers.conftest import HOSTILE, make_analysis, ok

if TYPE_CHECKING:
    from playwright.sync_api import Page

SCREEN = {"width": 1280, "height": 720}
PHONE = {"viewport": {"width": 360, "height": 640}, "has_touch": True, "is_mobile": True}
WILD = "</script><img src=x onerror=alert(1)> {{7*7}} \"q\" 'r' \u2028\u2029 <!--<script> 笑\u202e😀"
DRAWN = "#chart[data-drawn]"
PATIENCE_S = 20
TIME = "document.getElementById('video').currentTime"
# Pixels of the drawing that have a colour, as hex, with how many.
COLOURS = """() => {
  const find = (root) => [...root.querySelectorAll("*")].flatMap((one) =>
    [...(one.tagName === "CANVAS" ? [one] : []), ...(one.shadowRoot ? find(one.shadowRoot) : [])]);
  const count = {};
  for (const canvas of find(document.getElementById("canvas"))) {
    if (!canvas.width) continue;
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] < 255) continue;
      const hex = "#" + [0, 1, 2].map((j) => data[i + j].toString(16).padStart(2, "0")).join("");
      count[hex] = (count[hex] ?? 0) + 1;
    }
  }
  return count;
}"""


# What reaches over the right edge of the screen, and cannot be scrolled by itself.
BEYOND = """() => [...document.querySelectorAll("body *")]
  .filter((one) => one.checkVisibility() && !one.closest(".scroll, #canvas"))
  .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
  .map((one) => one.tagName + one.className)"""


class Opened:
    """A page, and whatever it complained about or asked the network for."""

    def __init__(self, page: "Page") -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on(
            "console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    def open(self, path: Path, drawn: bool = True) -> "Page":
        self.page.goto(path.as_uri())
        if drawn:
            self.page.wait_for_selector(DRAWN)
        return self.page


# Text whose contrast with what lies behind it is below WCAG AA's 4.5, where that is one colour.
CONTRAST = """() => {
  const parse = (c) => { const n = c.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      if (style.backgroundImage !== "none") return null;
      const colour = parse(style.backgroundColor);
      if (colour[3] > 0) return colour;
    }
    return [255, 255, 255, 1];
  };
  const poor = [];
  for (const one of document.querySelectorAll("body *")) {
    const own = [...one.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !one.checkVisibility() || one.closest("svg, .lane-box, #canvas, video")) continue;
    const back = behind(one);
    if (!back) continue;
    const [a, b] = [light(parse(getComputedStyle(one).color)), light(back)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const which = `${one.tagName}.${one.className} ${one.textContent.slice(0, 20)}`;
    if (ratio < 4.5) poor.push(`${which} ${ratio.toFixed(2)}`);
  }
  return poor;
}"""


def place(page: "Page", at_s: float, length_s: float = 3.0) -> tuple[float, float]:
    """Where on the screen a time of the whole timeline is, in the first lane."""
    box = page.locator("#surface").bounding_box()
    assert box is not None
    return box["x"] + 14 + (box["width"] - 28) * at_s / length_s, box["y"] + 60


def seen(page: "Page") -> list[str]:
    """The words of the rows that are shown."""
    return page.locator(".moments tbody tr:not([hidden]) .said").all_inner_texts()


def until(page: "Page", true: str) -> None:
    """Wait until something is so. Playwright's own way to wait evaluates text, which the page forbids."""
    end = time.monotonic() + PATIENCE_S
    while not page.evaluate(true):
        assert time.monotonic() < end, true
        page.wait_for_timeout(20)


def rest(page: "Page", at_s: float) -> None:
    """Wait until the film stands at a time."""
    until(page, f"Math.abs({TIME} - {at_s}) < 0.06")


def counted(page: "Page", said: str) -> None:
    """Wait until the table says how many rows it shows."""
    until(page, f"document.getElementById('count').textContent === '{said}'")


def wild() -> Analysis:
    """The made analysis with hostile text wherever there can be text."""
    plain = make_analysis()
    said = tuple(replace(u, text=WILD, language='zh"><b>') for u in plain.transcript.utterances)
    sure = ok("sad", 0.9976, "P1")
    moments = tuple(
        replace(m, utterance=replace(said[0], span=m.span), by_modality={**m.by_modality, "face": sure})
        for m in plain.moments
    )
    conflicts = tuple(replace(c, label=WILD, words=WILD) for c in plain.conflicts)
    return replace(
        plain,
        name=WILD,
        transcript=replace(plain.transcript, utterances=said),
        moments=moments,
        conflicts=conflicts,
        warnings=(WILD, HOSTILE),
    )
