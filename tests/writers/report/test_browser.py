"""The page in a real Chromium, opened from disk beside a real film."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from pipeline.writers.report import REPORT, html
from pipeline.writers.report.stills import data_uri
from tests.made.long_timeline import long_timeline
from tests.writers.conftest import make_analysis, with_posture
from tests.writers.report.opened import (
    BEYOND,
    COLOURS,
    CONTRAST,
    PHONE,
    TIME,
    WILD,
    Opened,
    counted,
    place,
    rest,
    until,
    wild,
)

# Scrolls until something is in the corner where the small player comes up; cards take their size when near.
LOWERED = """(selector) => {
  const by = document.querySelector(selector).getBoundingClientRect().bottom - innerHeight + 20;
  scrollBy(0, by);
  return Math.abs(by) < 1;
}"""
# Whether a finger on something would reach it, and not what lies over it.
REACHED = """(selector) => {
  const one = document.querySelector(selector);
  const { x, y, width, height } = one.getBoundingClientRect();
  return one.contains(document.elementFromPoint(x + width / 2, y + height / 2));
}"""


def test_it_loads_without_complaint_or_request(folder: Path, tab: Opened) -> None:
    page = tab.open(folder / REPORT)
    until(page, "document.getElementById('video').readyState > 0")
    assert tab.complaints == []
    assert {url for url in tab.requests if not url.startswith(folder.as_uri())} == set()
    counted = page.evaluate(COLOURS)
    for fill in ("#0072b2", "#d55e00", "#f0e442", "#e69f00"):  # sad, angry, happy, conflict
        assert counted.get(fill, 0) > 200
    assert counted.get("#595b5f", 0) > 60 > counted.get("#7a7a7a", 0)  # masking is hollow
    policy = page.evaluate("fetch('http://127.0.0.1:9/').then(() => 'sent', (e) => String(e))")
    assert "sent" not in policy and any("Content Security Policy" in told for told in tab.complaints)


def test_clicks_move_the_film(folder: Path, tab: Opened) -> None:
    page = tab.open(folder / REPORT)
    page.click("#conflict-3 [data-seek='1.000']")
    until(page, f"{TIME} >= 1")
    assert not page.evaluate("document.getElementById('video').paused")
    page.keyboard.press("Space")  # pauses: the button that was clicked does not hold on to the keyboard
    until(page, "document.getElementById('video').paused")
    page.click(".moments tbody tr:nth-child(4) .said")
    until(page, f"{TIME} >= 1.9")
    page.evaluate("document.getElementById('video').pause()")
    page.locator("#surface").scroll_into_view_if_needed()
    page.mouse.click(*place(page, 0.55))
    rest(page, 0.55)
    assert page.inner_text("#now .time") == "0:00.5"
    assert "face sad 70%" in page.inner_text("#now").replace("\n", " ")
    assert page.locator(".card.now").count() == 2 and page.locator("tr.now").count() == 1
    head = page.locator("#playhead").bounding_box()
    assert head is not None and abs(head["x"] + 1 - place(page, 0.55)[0]) < 2
    assert tab.complaints == []


def test_zooming(folder: Path, tab: Opened) -> None:
    page = tab.open(folder / REPORT)
    whole = page.evaluate(COLOURS)["#0072b2"]

    def settled(at_s: float, x_s: float) -> None:
        """A click where ``x_s`` was in the whole film now goes to ``at_s``."""
        page.mouse.click(*place(page, x_s))
        rest(page, at_s)

    page.keyboard.press("+")  # at 0 s: 3 s / 1.6 are below the closest view of 2 s
    settled(1.0, 1.5)
    page.keyboard.press("0")
    settled(1.5, 1.5)
    left, right = place(page, 0.5), place(page, 2.9)
    page.mouse.move(*left)
    page.mouse.down()
    page.mouse.move(*right, steps=4)
    page.mouse.up()
    settled(0.5, 0.0)
    page.wait_for_timeout(100)
    assert page.evaluate(COLOURS)["#0072b2"] != whole
    page.click("#whole")
    page.mouse.move(*place(page, 3.0))
    page.keyboard.down("Control")
    page.mouse.wheel(0, -600)
    page.keyboard.up("Control")
    settled(1.0, 0.0)
    page.mouse.move(*place(page, 1.0))
    page.mouse.wheel(0, 300)  # without Ctrl the page scrolls
    until(page, "scrollY > 100")


def test_the_pointer_is_told_who_says_what_and_drags_the_playhead(folder: Path, tab: Opened) -> None:
    page = tab.open(folder / REPORT)
    page.mouse.move(*place(page, 0.55))
    told = page.inner_text("#tip").replace("\n", " ")
    for part in ("0:00.5", "face sad 70%", "voice angry 55%", "1 · polarity", "我真的很開心"):
        assert part in told
    page.mouse.click(*place(page, 1.0))
    rest(page, 1.0)
    page.mouse.move(*place(page, 1.0))
    page.mouse.down()
    page.mouse.move(*place(page, 2.5), steps=5)
    rest(page, 2.5)
    page.mouse.up()
    page.mouse.click(*place(page, 0.5))  # the view is as wide as before
    rest(page, 0.5)


def test_hostile_text_stays_text(film: Path, tab: Opened) -> None:
    path = film.parent / "wild.html"
    path.write_text(html(wild()), encoding="utf-8")
    page = tab.open(path)
    page.mouse.move(*place(page, 0.5))
    assert "7*7" in page.inner_text("h1") and "<img src=x" in page.inner_text("h1")
    assert page.locator("img").count() == 0 and page.locator("script").count() == 4
    assert "face sad >99%" in page.inner_text("#tip").replace("\n", " ")
    for told in (page.inner_text("#tip"), page.inner_text("#now"), page.inner_text("#conflict-1")):
        assert "<img src=x onerror=alert(1)> {{7*7}}" in told and "<!--<script>" in told
    assert page.locator(".said").first.text_content() == WILD
    page.fill("#search", "{{7*7}}")
    counted(page, "5 of 5")
    assert tab.complaints == []


@pytest.mark.parametrize(
    "tab", [{"color_scheme": "light"}, {"color_scheme": "dark"}], indirect=True, ids=["light", "dark"]
)
def test_light_and_dark(folder: Path, tab: Opened, request: pytest.FixtureRequest) -> None:
    dark = request.node.callspec.id == "dark"
    page = tab.open(folder / REPORT)
    bright = "Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]) > 128"
    assert page.evaluate(bright) is not dark
    lines = set(page.evaluate(COLOURS))
    assert ("#1b1c1e" in lines, "#ececec" in lines) == (
        not dark,
        dark,
    )  # the curve, in the colour of the text
    page.click("#theme")
    assert page.evaluate(bright) is dark
    until(page, f"Object.keys(({COLOURS})()).includes('{'#1b1c1e' if dark else '#ececec'}')")
    assert page.evaluate(CONTRAST) == []


@pytest.mark.parametrize("tab", [PHONE], indirect=True, ids=["phone"])
def test_on_a_phone(film: Path, tab: Opened) -> None:
    path = film.parent / "four.html"
    Image.new("RGB", (540, 960)).save(path.with_suffix(".png"))
    stills = {1: data_uri(path.with_suffix(".png"))}
    path.write_text(html(with_posture(make_analysis()), stills), encoding="utf-8")
    page = tab.open(path)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert page.evaluate(BEYOND) == []
    button = "#conflict-2 .seeks button:last-child"
    until(page, f"({LOWERED})(`{button}`)")
    page.locator(button).tap()
    page.wait_for_selector(".mini")
    until(page, f"({REACHED})(`{button}`)")
    page.evaluate("document.getElementById('video').pause()")
    page.locator("#surface").scroll_into_view_if_needed()
    page.touchscreen.tap(*place(page, 1.5))
    rest(page, 1.5)
    page.locator(".still").scroll_into_view_if_needed()
    until(page, "document.querySelector('.still').complete && document.querySelector('.still').height > 0")
    still = page.locator(".still").bounding_box()
    assert still is not None and still["height"] <= 16 * 16 and still["width"] < still["height"]
    assert tab.complaints == []


def test_without_the_film(tmp_path: Path, tab: Opened) -> None:
    path = tmp_path / REPORT
    path.write_text(html(make_analysis()), encoding="utf-8")
    page = tab.open(path)
    page.wait_for_selector("#no-film", state="visible")
    assert "not beside this page" in page.inner_text("#no-film") and not page.locator("video").is_visible()
    page.mouse.click(*place(page, 2.05))
    assert page.inner_text("#now .time") == "0:02.0"
    page.keyboard.press("p")
    assert page.inner_text("#now .time") == "0:01.9"
    page.click("#conflict-3 [data-seek='1.000']")
    assert page.inner_text("#now .time") == "0:01.0"
    page.check("#only")
    counted(page, "3 of 5")
    assert [told for told in tab.complaints if "FILE_NOT_FOUND" not in told] == []


@pytest.mark.parametrize("tab", [{"java_script_enabled": False}], indirect=True, ids=["plain"])
def test_without_scripts(folder: Path, tab: Opened) -> None:
    page = tab.open(folder / REPORT, drawn=False)
    assert page.locator("#still").is_visible() and page.locator("#still rect").count() == 3 + 4 * 5
    assert page.locator(".axis span").all_inner_texts() == ["0:00", "0:01", "0:02", "0:03"]
    assert page.locator("#conflict-3").is_visible() and page.locator(".moments tbody tr").count() == 5
    assert not page.locator(".js-only").first.is_visible() and page.locator("video").is_visible()


def test_on_paper(folder: Path, tab: Opened) -> None:
    page = tab.open(folder / REPORT)
    page.click("#theme")  # whatever is on the screen, paper is white
    page.click("#theme")
    page.emulate_media(media="print", color_scheme="dark")
    for hidden in ("video", "#chart", "#search", "#theme"):
        assert not page.locator(hidden).is_visible()
    assert page.locator("#still").is_visible() and page.locator("#conflict-3").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.querySelector('.card')).breakInside") == "avoid"
    assert page.evaluate(CONTRAST) == []


@pytest.mark.parametrize("what", ["nothing", "sound"])
def test_little_to_show(tmp_path: Path, tab: Opened, what: str) -> None:
    plain = make_analysis()
    less = {
        "nothing": replace(
            plain, moments=(), fused=(), observations={}, modalities=(), conflicts=(), models={}, warnings=()
        ),
        "sound": replace(plain, media=replace(plain.media, has_video=False)),
    }[what]
    path = tmp_path / REPORT
    path.write_text(html(replace(less, media=replace(less.media, has_video=False))), encoding="utf-8")
    page = tab.open(path, drawn=what == "sound")
    page.keyboard.press("n")
    page.keyboard.press("+")
    assert ("Nothing could be compared" in page.inner_text("#conflicts")) == (what == "nothing")
    assert tab.complaints == []


def test_many_conflicts_wait_behind_a_button_and_not_on_paper(tmp_path: Path, tab: Opened) -> None:
    path = tmp_path / REPORT
    path.write_text(html(long_timeline(120, 40, 25)), encoding="utf-8")
    page = tab.open(path)
    assert page.locator("#conflict-20").is_visible() and not page.locator("#conflict-21").is_visible()
    page.fill("#search", "laughed")
    counted(page, "6 of 81")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert all(card.is_visible() for card in page.locator(".card").all())
    after = page.evaluate("getComputedStyle(document.getElementById('count'), '::after').content")
    assert page.locator("#count").is_visible() and after == '" rows, filtered"'
    page.emulate_media(media="screen")
    page.fill("#search", "")
    counted(page, "81 of 81")
    page.locator(".ranks a", has_text="25").first.click()
    assert page.locator("#conflict-21").is_visible() and not page.locator("#show-all").is_visible()
