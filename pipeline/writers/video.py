"""The annotated film: one ffmpeg pass that decodes, draws with ffmpeg's own filters and encodes."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.config import FilmSection
from pipeline.engine.stage import Progress
from pipeline.media.encode import film_settings, media_input, run_ffmpeg
from pipeline.records import ANALYSIS_FILE, WARNINGS_FILE, read_record
from pipeline.types import US_PER_S, Analysis, MediaInfo
from pipeline.writers.facts import headline, lanes
from pipeline.writers.fonts import font_for, undrawable
from pipeline.writers.layout import Layout, film_layout
from pipeline.writers.script import ass_script
from pipeline.writers.strip import PLAYHEAD_PX, Panel, panel, playhead_image, strip_image

FILM = "annotated.mp4"
SCRIPT, STRIP, PLAYHEAD = "film.ass", "strip.png", "playhead.png"


def run(inputs: Mapping[str, Path], settings: FilmSection, out: Path, progress: Progress) -> None:
    """Stage ``film``: ``annotated.mp4``, or one warning when there is no picture to draw on."""
    analysis = read_record(inputs["analysis"] / ANALYSIS_FILE, Analysis)
    if not analysis.media.has_video:
        (out / WARNINGS_FILE).write_text("no picture: film skipped\n", encoding="utf-8")
        return
    font = font_for(analysis.transcript.language)
    texts = [*(u.text for u in analysis.transcript.utterances), *(headline(c) for c in analysis.conflicts)]
    if missing := undrawable(texts, font):
        said = (
            f"no font here can draw {missing[:20]!r}: the film shows boxes there; "
            "install a Noto font and run again with --force"
        )
        (out / WARNINGS_FILE).write_text(f"{said}\n", encoding="utf-8")
    shown = lanes(analysis)
    layout = film_layout(analysis.media, settings.max_height_px, len(shown))
    place = panel(layout, shown, font)
    with tempfile.TemporaryDirectory(dir=out) as scratch:
        folder = Path(scratch)
        (folder / SCRIPT).write_text(ass_script(analysis, layout, font), encoding="utf-8")
        strip_image(analysis, layout, font).save(folder / STRIP)
        playhead_image(layout, place, len(shown)).save(folder / PLAYHEAD)
        output = film(inputs["source"], analysis.media, (layout, place), font.path.parent, settings)
        run_ffmpeg(output, analysis.media.duration_us, progress, folder)
        (folder / FILM).replace(out / FILM)


def film(
    source: Path, media: MediaInfo, geometry: tuple[Layout, Panel], fonts: Path, settings: FilmSection
) -> Any:
    """An ffmpeg-python output, to be run in the folder that holds script, strip and playhead.

    Nothing retimes a frame, and the sound keeps its place on the media clock. ffmpeg turns the picture by
    itself when the container says so. The panel is padded before libass draws, so one copy serves both.
    """
    import ffmpeg

    layout, place = geometry
    width, height = layout.width_px, layout.height_px
    travel = f"{place.left_px - PLAYHEAD_PX // 2}+{place.width_px}*min(1,t/{media.duration_us / US_PER_S})"
    whole = media_input(source, media.clock_zero_us)
    picture = (
        whole[str(media.video_index)]
        .filter("scale", w=width, h=height, out_range="tv")
        .filter("setsar", r=1)
        .filter("format", pix_fmts="yuv420p")
        .filter("pad", w=width, h=height + layout.panel_px)
        .filter("ass", filename=SCRIPT, fontsdir=str(fonts))
        .overlay(ffmpeg.input(STRIP), x=0, y=height, eval="init")
        .overlay(ffmpeg.input(PLAYHEAD), x=travel, y=height)
    )
    sound = [whole[str(media.audio_index)]] if media.has_audio else []
    options = film_settings(settings.crf, settings.preset, media.audio_codec if media.has_audio else None)
    kept_out = {"map_metadata": -1, "map_chapters": -1}
    return ffmpeg.output(picture, *sound, FILM, **options, **kept_out, max_error_rate=1)
