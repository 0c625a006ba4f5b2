"""How large the page about an hour of film is, and how soon a person can use it.

    python -m benchmarks.report_page [--runs 5] [--keep FOLDER]

The page is made from an analysis that was made up, with stills, and opened from disk in an installed
Chromium. It counts as usable when its timeline stands and a click on a card moves the film.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.tables import show
from pipeline.records import ANALYSIS_FILE, write_record
from pipeline.writers import report
from tests.made.browser import browser, chromium
from tests.made.long_timeline import long_timeline, write_stills

if TYPE_CHECKING:
    from playwright.sync_api import Browser

MOST_BYTES, MOST_SECONDS = 8 * 1024 * 1024, 1.5
# Clicks the first card until what listens to it has moved the film, and says when the timeline stood as well.
USABLE = """async () => {
  const frame = () => new Promise(requestAnimationFrame);
  const drawn = () => document.querySelector("#chart[data-drawn]");
  const place = () => Number(document.getElementById("surface").getAttribute("aria-valuenow"));
  const button = document.querySelector(".card [data-seek]");
  const wanted = Number(button.dataset.seek);
  while (!drawn()) await frame();
  while (Math.abs(place() - wanted) > 0.2) { button.click(); await frame(); }
  return performance.now() / 1000;
}"""


@dataclass(frozen=True)
class Measured:
    """Seconds until the page could be used, those of them its main thread computed, its size, and how long it
    took to write.
    """

    usable_s: Sequence[float]
    computing_s: Sequence[float]
    size_bytes: int
    written_s: float


def write_page(folder: Path, seconds: int) -> float:
    """Make the page as the stage does; returns the seconds the stage took, reading its input included."""
    from pipeline.writers.stills import still_name

    analysis = long_timeline(seconds, seconds // 4, max(1, seconds // 30))
    inputs = {"analysis": folder / "analysis", "stills": folder / "stills"}
    inputs["analysis"].mkdir(parents=True)
    write_record(inputs["analysis"] / ANALYSIS_FILE, analysis)
    write_stills(inputs["stills"], [still_name(rank + 1) for rank in range(len(analysis.conflicts))])
    begun = time.perf_counter()
    report.run(inputs, None, folder, lambda _: None)
    return time.perf_counter() - begun


def opened_s(opened: "Browser", page: Path) -> tuple[float, float]:
    """Seconds from the start of navigation until the page could be used, and of them in its main thread.

    The second does not depend on what else the machine is doing.
    """
    tab = opened.new_page(viewport={"width": 1280, "height": 720})
    try:
        tools = tab.context.new_cdp_session(tab)
        tools.send("Performance.enable", {"timeDomain": "threadTicks"})
        tab.goto(page.as_uri(), wait_until="commit")
        tab.wait_for_selector("html.js", state="attached")
        usable_s = float(tab.evaluate(USABLE))
        told = {one["name"]: one["value"] for one in tools.send("Performance.getMetrics")["metrics"]}
        return usable_s, float(told["ThreadTime"])
    finally:
        tab.close()


def bench(folder: Path, seconds: int, runs: int, path: str) -> Measured:
    """Write the page once, open it ``runs`` times; a first time, not counted, warms the browser."""
    written_s = write_page(folder, seconds)
    page = folder / report.REPORT
    with browser(path) as opened:
        took = [opened_s(opened, page) for _ in range(runs + 1)][1:]
    usable_s, computing_s = zip(*took, strict=True)
    return Measured(usable_s, computing_s, page.stat().st_size, written_s)


def verdicts(measured: Measured) -> list[tuple[str, str, str, str]]:
    """Figures beside their targets."""
    median_s = statistics.median(measured.usable_s)
    spread = f"{min(measured.usable_s):.2f} to {max(measured.usable_s):.2f}"
    megabytes = measured.size_bytes / 1024**2
    return [
        ("size", f"{megabytes:.2f} MB", "≤ 8 MB", _met(measured.size_bytes <= MOST_BYTES)),
        (
            "usable after, median",
            f"{median_s:.2f} s ({spread})",
            f"< {MOST_SECONDS} s",
            _met(median_s < MOST_SECONDS),
        ),
        ("of it computing, median", f"{statistics.median(measured.computing_s):.2f} s", "", ""),
        ("written in", f"{measured.written_s:.1f} s", "", ""),
    ]


def _met(yes: bool) -> str:
    return "met" if yes else "missed"


def main() -> int:
    """Measure and print; 1 without a browser."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report_page", description=__doc__)
    parser.add_argument("--seconds", type=int, default=3600, help="length of the made film")
    parser.add_argument("--runs", type=int, default=5, help="how often the page is opened")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave the page and its inputs there")
    asked = parser.parse_args()
    path = chromium()
    if path is None:
        print("no Chromium is installed: install one (apt install chromium) and run again", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="emotion-bench-") as scratch:
        measured = bench(asked.keep or Path(scratch), asked.seconds, asked.runs, path)
    show("report of a made film", ("what", "figure", "target", ""), verdicts(measured))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
