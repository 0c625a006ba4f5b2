"""The table of moments in a real Chromium: sorting, filtering, searching, and an hour of it."""

from pathlib import Path

from pipeline.writers.report import REPORT, html
from tests.made.long_timeline import long_timeline
from tests.writers.report.opened import Opened, counted, seen, until


def test_filter_sort_and_search(tmp_path: Path, tab: Opened) -> None:
    path = tmp_path / REPORT
    path.write_text(html(long_timeline(120, 30, 6)), encoding="utf-8")
    page = tab.open(path)
    rows = page.locator(".moments tbody tr").count()
    assert page.inner_text("#count") == f"{rows} of {rows}"
    page.fill("#search", "太好了")
    counted(page, f"5 of {rows}")
    assert page.get_attribute(".moments", "aria-rowcount") == "6"
    indices = [row.get_attribute("aria-rowindex") for row in page.locator(".moments tbody tr").all()]
    assert indices == ["2", "3", "4", "5", "6"]
    assert len(seen(page)) == 5 and all("太好了" in words for words in seen(page))
    page.fill("#search", "ALL OF US")
    until(page, "document.querySelector('tr:not([hidden]) .said').textContent.startsWith('Well')")
    page.fill("#search", "no such words")
    page.wait_for_selector("#none", state="visible")
    page.click("#filters [type=reset]")
    page.wait_for_selector("#none", state="hidden")

    page.check("#only")
    counted(page, f"6 of {rows}")
    page.uncheck("#only")
    counted(page, f"{rows} of {rows}")
    page.select_option("[data-lane='2']", label="sad")
    until(page, f"document.getElementById('count').textContent !== '{rows} of {rows}'")
    shown = page.locator(".moments tbody tr:not([hidden]) [data-l=words]").all_inner_texts()
    assert shown and all(text.startswith("sad") for text in shown)
    page.select_option("[data-lane='2']", label="nothing to read")
    page.select_option("#person", "P2")
    until(page, "document.querySelectorAll('tr:not([hidden]) .person').length > 0")
    page.wait_for_timeout(100)
    assert set(page.locator("tr:not([hidden]) .person").all_inner_texts()) == {"P2"}
    assert set(seen(page)) == {""}
    page.click("#filters [type=reset]")

    heads = {key: page.locator(f"[data-sort='{key}']") for key in ("time", "said", "rank", "2")}
    assert heads["time"].get_attribute("aria-sort") == "ascending"
    heads["rank"].locator("button").focus()
    page.keyboard.press("Enter")
    assert heads["rank"].get_attribute("aria-sort") == "ascending"
    assert heads["time"].get_attribute("aria-sort") is None
    ranks = page.locator(".ranks").all_inner_texts()
    assert [text.split()[0] for text in ranks[:6]] == list("123456") and ranks[6] == ""
    heads["2"].locator("button").click()
    heads["2"].locator("button").click()
    assert heads["2"].get_attribute("aria-sort") == "descending"
    heads["said"].locator("button").click()
    words = [text for text in page.locator(".said").all_text_contents() if text]
    assert words[0].startswith("I thought") and len(words) == 30


def test_a_long_table_is_put_into_the_page_bit_by_bit(tmp_path: Path, tab: Opened) -> None:
    path = tmp_path / REPORT
    path.write_text(html(long_timeline(480, 120, 4)), encoding="utf-8")
    page = tab.open(path)
    rows = page.locator(".moments tbody tr")
    said = page.inner_text("#count")
    whole = int(said.split()[-1])
    assert rows.count() == 100 < whole and page.get_attribute(".moments", "aria-rowcount") == str(whole + 1)
    page.locator("#rows").scroll_into_view_if_needed()
    for _ in range(4):
        page.evaluate("document.getElementById('rows').scrollTop = 1e6")
        page.wait_for_timeout(80)
    until(page, f"document.querySelectorAll('.moments tbody tr').length === {whole}")
    assert "–8:00.0" in rows.last.inner_text()
    page.locator("[data-sort='rank'] button").click()
    assert rows.count() <= 200 and page.locator(".ranks").first.inner_text().strip() == "1"
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert rows.count() == whole and page.locator("details").get_attribute("open") is not None
    assert tab.complaints == [] or all("FILE_NOT_FOUND" in told for told in tab.complaints)
