"""Makes docs/pictures/ anew: the film and the page of the made sample, at three sizes.

python -m benchmarks.pictures [--out docs/pictures]

The page needs an installed Chromium; without one the frames alone are made.
"""

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import av
import ffmpeg

from benchmarks.process import pipeline_command
from pipeline.media.encode import run_ffmpeg
from tests.made.browser import browser, chromium

if TYPE_CHECKING:
    from PIL.Image import Image
    from playwright.sync_api import Browser

SAMPLE = Path("inputs/sample.mp4")
SIZES_PX = ((360, 640), (1280, 720), (1920, 1080))
SHOWN_S = 11.0  # while the sample's conflict lasts
QUALITY = 88  # of a JPEG
STYLES = ("minimal", "subtitles")
PAGE = "report.html"


def main() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for size in SIZES_PX:
            results = analyse(scaled(size, folder), "full")
            save(frame(results / "annotated.mp4"), out / f"film_{size[0]}x{size[1]}.jpg")
        for style in STYLES:
            save(frame(analyse(SAMPLE, style, folder / style) / "annotated.mp4"), out / f"film_{style}.jpg")
        if (path := chromium()) is None:
            print("no Chromium here: the page is left out")
            return
        page = analyse(SAMPLE, "full", folder / "page") / PAGE
        with browser(path) as open_browser:
            for size, scheme in [*((size, "light") for size in SIZES_PX), (SIZES_PX[1], "dark")]:
                screenshot(open_browser, page, size, scheme, folder / "page.png")
                save(_opened(folder / "page.png"), out / f"page_{size[0]}x{size[1]}_{scheme}.jpg")


def scaled(size: tuple[int, int], folder: Path) -> Path:
    """The sample filling a frame of this size, its middle kept, its subtitles beside it."""
    width, height = size
    video = folder / f"sample_{width}x{height}.mp4"
    source = ffmpeg.input(str(SAMPLE))
    picture = source.video.filter("scale", width, height, force_original_aspect_ratio="increase")
    picture = picture.filter("crop", width, height)
    output = ffmpeg.output(
        picture, source.audio, str(video), vcodec="libx264", preset="veryfast", crf=14, acodec="copy"
    )
    run_ffmpeg(output, 0, lambda share: None)
    shutil.copyfile(SAMPLE.with_suffix(".srt"), video.with_suffix(".srt"))
    return video


def analyse(video: Path, style: str, out: Path | None = None) -> Path:
    """The results folder of a run with the compact models."""
    results = out or video.with_suffix("")
    command = [*pipeline_command(), "analyze", str(video), "--out", str(results), "--style", style]
    subprocess.run([*command, "--profile", "compact"], check=True, capture_output=True)
    return results


def frame(film: Path) -> "Image":
    """The frame shown at ``SHOWN_S``."""
    with av.open(str(film)) as container:
        for found in container.decode(video=0):
            if found.time is not None and found.time >= SHOWN_S:
                return found.to_image()
    raise ValueError(f"{film} ends before {SHOWN_S} s")


def screenshot(open_browser: "Browser", page: Path, size: tuple[int, int], scheme: str, out: Path) -> None:
    """What stands in the window once the film was sent to ``SHOWN_S``."""
    width, height = size
    view = open_browser.new_page(
        viewport={"width": width, "height": height}, color_scheme="dark" if scheme == "dark" else "light"
    )
    view.goto(page.absolute().as_uri())
    view.wait_for_function("document.querySelector('video').readyState > 0")
    view.evaluate(f"document.querySelector('video').currentTime = {SHOWN_S}")
    view.wait_for_timeout(1500)
    view.screenshot(path=str(out))
    view.close()


def save(picture: "Image", out: Path) -> None:
    """A JPEG whose colours are those of the palette."""
    picture.convert("RGB").save(out, quality=QUALITY, subsampling=0, optimize=True)
    print(f"{out}  {out.stat().st_size / 1000:.0f} kB")


def _opened(path: Path) -> "Image":
    from PIL import Image

    with Image.open(path) as picture:
        return picture.convert("RGB")


if __name__ == "__main__":
    main()
