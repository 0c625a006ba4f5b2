"""The annotated film: one ffmpeg pass that decodes, draws with ffmpeg's own filters and encodes."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from pipeline.config import FilmSection
from pipeline.engine.stage import Progress
from pipeline.records import read_record
from pipeline.types import Analysis, MediaInfo
from pipeline.writers.facts import headline, lanes
from pipeline.writers.fonts import font_for, undrawable
from pipeline.writers.layout import Layout, film_layout
from pipeline.writers.script import ass_script
from pipeline.writers.strip import PLAYHEAD_PX, Panel, panel, playhead_image, strip_image

FILM = "annotated.mp4"
SCRIPT, STRIP, PLAYHEAD = "film.ass", "strip.png", "playhead.png"
# Sound that every player reads inside an mp4; anything else is encoded as AAC.
COPIED_AUDIO = frozenset({"aac", "mp3"})


def run(inputs: Mapping[str, Path], settings: FilmSection, out: Path, progress: Progress) -> None:
    """Stage ``film``: ``annotated.mp4``, or one warning when there is no picture to draw on."""
    analysis = read_record(inputs["analysis"] / "analysis.json", Analysis)
    if not analysis.media.has_video:
        (out / "warnings.txt").write_text("no picture: film skipped\n", encoding="utf-8")
        return
    font = font_for(analysis.transcript.language)
    texts = [*(u.text for u in analysis.transcript.utterances), *(headline(c) for c in analysis.conflicts)]
    if missing := undrawable(texts, font):
        said = (
            f"no font here can draw {missing[:20]!r}: the film shows boxes there; install a Noto font for it"
        )
        (out / "warnings.txt").write_text(f"{said}\n", encoding="utf-8")
    shown = lanes(analysis)
    layout = film_layout(analysis.media, settings.max_height_px, len(shown))
    place = panel(layout, shown, font)
    with tempfile.TemporaryDirectory(dir=out) as scratch:
        folder = Path(scratch)
        (folder / SCRIPT).write_text(ass_script(analysis, layout, font), encoding="utf-8")
        strip_image(analysis, layout, font).save(folder / STRIP)
        playhead_image(layout, place, len(shown)).save(folder / PLAYHEAD)
        source, geometry = inputs["source"].absolute(), (layout, place)
        arguments = film_arguments(source, analysis.media, geometry, font.path.parent, settings)
        encode(arguments, folder, analysis.media.duration_us, progress)
        (folder / FILM).replace(out / FILM)


def film_arguments(
    source: Path, media: MediaInfo, geometry: tuple[Layout, Panel], fonts: Path, settings: FilmSection
) -> list[str]:
    """ffmpeg's arguments, to be run in the folder that holds script, strip and playhead.

    The source's clock is kept: ffmpeg moves the container's start to 0, no filter retimes a frame, the sound
    is copied where mp4 players read it. ffmpeg turns the picture by itself when the container says so.
    """
    import ffmpeg

    film = ffmpeg.input(str(source))
    layout, place = geometry
    width, height = layout.width_px, layout.height_px
    travel = f"{place.left_px - PLAYHEAD_PX // 2}+{place.width_px}*min(1,t/{media.duration_us / 1e6:.6f})"
    picture = (
        film["V:0"]
        .filter("scale", width, height, out_range="tv")
        .filter("setsar", 1)
        .filter("format", "yuv420p")
        .filter("pad", width, height + layout.panel_px, 0, 0)
        .filter("ass", filename=SCRIPT, fontsdir=str(fonts))
        .overlay(ffmpeg.input(STRIP), x=0, y=height, eval="init")
        .overlay(ffmpeg.input(PLAYHEAD), x=travel, y=height)
    )
    sound = {"acodec": "copy" if media.audio_codec in COPIED_AUDIO else "aac"} if media.has_audio else {}
    streams = [picture, film["a:0"]] if media.has_audio else [picture]
    output = ffmpeg.output(
        *streams,
        FILM,
        vcodec="libx264",
        pix_fmt="yuv420p",
        preset=settings.preset,
        crf=settings.crf,
        fps_mode="vfr",
        movflags="+faststart",
        map_metadata=-1,
        map_chapters=-1,
        fflags="+bitexact",
        **{"flags:v": "+bitexact", "flags:a": "+bitexact"},
        **sound,
    )
    arguments: list[str] = output.get_args()
    return arguments


def encode(arguments: list[str], folder: Path, duration_us: int, progress: Progress) -> None:
    """Run ffmpeg in ``folder``; all names it writes are relative, so odd folder names cannot matter."""
    import subprocess

    import imageio_ffmpeg

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-y", "-v", "error", *arguments]
    subprocess.run(command, cwd=folder, check=True)
    progress(1.0)
