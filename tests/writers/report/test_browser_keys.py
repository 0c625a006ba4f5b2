"""The page at the keyboard, and what a screen reader is told, in a real Chromium."""

from itertools import pairwise
from pathlib import Path

from pipeline.writers.report import REPORT
from tests.writers.report.opened import TIME, Opened, rest, until

# How often a screen reader is told something new of the slider.
TOLD = """() => {
  window.told = [];
  new MutationObserver(() => told.push(document.getElementById("surface").ariaValueText))
    .observe(document.getElementById("surface"), { attributeFilter: ["aria-valuetext"] });
}"""


def test_keys(folder: Path, tab: Opened) -> None:
    page = tab.open(folder / REPORT)
    until(page, "document.getElementById('video').readyState > 0")
    for key, at_s in (("ArrowRight", 1.0), ("Shift+ArrowLeft", 0.0), ("n", 1.9), ("p", 0.0)):
        page.keyboard.press(key)
        rest(page, at_s)
    page.keyboard.press("Space")
    until(page, f"{TIME} > 0.05")
    page.evaluate(TOLD)
    until(page, f"{TIME} > 0.45")
    page.keyboard.press("Space")
    assert page.evaluate("document.getElementById('video').paused")
    said = [text.split(", ", 1)[1] for text in page.evaluate("told")]
    assert all(one != other for one, other in pairwise(said))  # of a running film, only what is new
    page.focus("#conflict-3 [data-seek='1.000']")
    page.keyboard.press("Enter")
    until(page, f"{TIME} > 1.05")
    page.keyboard.press("k")  # the space bar would press the button again
    assert page.evaluate("document.getElementById('video').paused")
    second = "0:01.0, face sad 66%, voice angry 55%, words unsupported language, together sad 60%, 2 · blend"
    assert any(text.startswith(second) for text in page.evaluate("told"))
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    before = page.evaluate(TIME)
    page.click("#search")
    page.keyboard.type("n p 0?")
    assert page.input_value("#search") == "n p 0?" and page.evaluate(TIME) == before
    assert not page.locator("#help").is_visible()


def test_the_slider_answers_as_sliders_do_and_everything_has_a_name(folder: Path, tab: Opened) -> None:
    page = tab.open(folder / REPORT)
    until(page, "document.getElementById('video').readyState > 0")
    page.focus("#whole")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "surface"  # and nothing nameless before it
    scrolled = page.evaluate("scrollY")
    for key, at_s in (
        *(("ArrowUp", 1.0), ("ArrowRight", 2.0), ("ArrowDown", 1.0), ("PageUp", 3.0)),
        *(("PageDown", 0.0), ("End", 3.0), ("Home", 0.0)),
    ):
        page.keyboard.press(key)
        rest(page, at_s)
    page.keyboard.press("+")
    until(page, "document.getElementById('shown').textContent.startsWith('0:00.0')")
    page.keyboard.press("End")  # the view goes along
    rest(page, 3.0)
    assert page.inner_text("#shown").startswith("0:01.0") and page.locator("#playhead").is_visible()
    assert page.evaluate("scrollY") == scrolled
    assert page.get_by_role("article", name="1 polarity face (P1) sad 70% words happy 91% maybe").count() == 1
    assert page.get_by_role("heading", level=3).all_inner_texts()[1] == "2 ◆ blend"
    for name in ("Light or dark", "Keyboard shortcuts"):
        assert page.get_by_role("button", name=name).count() == 1
