"""The annotated film: one ffmpeg pass that decodes, draws with ffmpeg's own filters and encodes."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config import FilmSection
from pipeline.engine.stage import Progress
from pipeline.media.canvas import canvas_filters
from pipeline.media.encode import SHAPED, film_settings, media_input, run_ffmpeg, shaped
from pipeline.media.hold import HOLD_US, hold_map, must_hold, picture_times_us
from pipeline.media.mend import media_path
from pipeline.memory import give_back
from pipeline.records import ANALYSIS_FILE, WARNINGS_FILE, read_record, read_records
from pipeline.types import US_PER_S, Analysis, MediaInfo
from pipeline.writers.blur import BLUR_FILE, blurred, mask_script
from pipeline.writers.facts import lanes
from pipeline.writers.film.chapters import chapters, ffmetadata
from pipeline.writers.film.layout import Layout, film_layout
from pipeline.writers.film.script import ass_script, drawn
from pipeline.writers.film.soft_subtitles import hide_words, language, web_vtt
from pipeline.writers.film.strip import Panel, panel, playhead_image, strip_image
from pipeline.writers.film.subtitles import spoken
from pipeline.writers.fonts import Font, font_for, undrawable
from pipeline.writers.regions import Region

FILM = "annotated.mp4"
SCRIPT, STRIP, PLAYHEAD, MASK = "film.ass", "strip.png", "playhead.png", "mask.ass"
CHAPTERS, WORDS, HOLDS = "chapters.txt", "words.vtt", "holds.txt"
# Ticks a second by which chapters last, in 32 bits: enough for 12 hours. ffmpeg's own choice depends on frame
# and sample rates, and with the finest a chapter of seven minutes overflows.
MOVIE_TIMESCALE = 48_000
# The source's own ticks may be as coarse as its frames.
HELD_TIME_BASE = "1/90000"


@dataclass(frozen=True, slots=True)
class Parts:
    """What one film is made of beside its source; None is what it does not have."""

    layout: Layout
    panel: Panel | None
    hidden: tuple[Region, ...]
    chaptered: bool
    words_language: str | None


def run(inputs: Mapping[str, Path], settings: FilmSection, out: Path, progress: Progress) -> None:
    """Stage ``film``: ``annotated.mp4``, or one warning when there is no picture to draw on.

    Raises:
        ValueError: faces are to be blurred and it is not known where they are.
    """
    if settings.blur_faces and "blur" not in inputs:
        raise ValueError("the film is not made: faces are to be blurred, and where they are is not known")
    analysis = read_record(inputs["analysis"] / ANALYSIS_FILE, Analysis)
    if not analysis.media.has_video:
        (out / WARNINGS_FILE).write_text("no picture: film skipped\n", encoding="utf-8")
        return
    font = font_for(analysis.transcript.language)
    if missing := undrawable(drawn(analysis, settings.style), font):
        said = (
            f"no font here can draw {missing[:20]!r}: the film shows boxes there; "
            "install a Noto font and run again with --force"
        )
        (out / WARNINGS_FILE).write_text(f"{said}\n", encoding="utf-8")
    hidden = read_records(inputs["blur"] / BLUR_FILE, Region) if "blur" in inputs else None
    with tempfile.TemporaryDirectory(dir=out) as scratch:
        folder = Path(scratch)
        write_holds(media_path(inputs), analysis.media, folder)
        parts = write_parts(analysis, hidden, font, settings, folder)
        media = analysis.media
        del analysis  # 130 MB in an hour, of which the encoder beside us needs nothing
        give_back()
        output = film(media_path(inputs), media, parts, font.path.parent, settings)
        run_ffmpeg(output, media.duration_us, progress, folder)
        if parts.words_language is not None and settings.style != "minimal":
            hide_words(folder / FILM)  # they are in the picture already
        (folder / FILM).replace(out / FILM)


def write_holds(source: Path, media: MediaInfo, folder: Path) -> None:
    """Leave in ``folder`` the times of all frames where some have to be repeated."""
    if must_hold(media):
        lines = hold_map(picture_times_us(source, media).tolist(), media.duration_us)
        with (folder / HOLDS).open("w", encoding="ascii") as file:
            file.writelines(f"{line}\n" for line in lines)


def write_parts(
    analysis: Analysis, hidden: tuple[Region, ...] | None, font: Font, settings: FilmSection, folder: Path
) -> Parts:
    """Leave in ``folder`` what :func:`film` takes from there."""
    shown = lanes(analysis) if settings.style == "full" else ()
    layout = film_layout(analysis.media, settings.max_height_px, len(shown))
    place = panel(layout, shown, font) if shown else None
    script = ass_script(analysis, layout, font, settings.style)
    (folder / SCRIPT).write_text(script, encoding="utf-8")
    if place is not None:
        strip_image(analysis, layout, font).save(folder / STRIP)
        playhead_image(place).save(folder / PLAYHEAD)
    if hidden:
        (folder / MASK).write_text(mask_script(hidden, layout), encoding="utf-8")
    found = chapters(analysis)
    (folder / CHAPTERS).write_text(ffmetadata(found), encoding="utf-8")
    words = web_vtt(spoken(analysis))
    (folder / WORDS).write_text(words, encoding="utf-8")
    return Parts(
        layout,
        place,
        hidden or (),
        bool(found),
        language(analysis.transcript) if words else None,
    )


def film(source: Path, media: MediaInfo, parts: Parts, fonts: Path, settings: FilmSection) -> list[str]:
    """Arguments for ffmpeg, to be run in the folder of :func:`write_parts` and :func:`write_holds`.

    Nothing retimes a frame, and the sound keeps its place on the media clock. ffmpeg turns the picture by
    itself when the container says so.
    """
    import ffmpeg

    whole = media_input(source, media.clock_zero_us)
    assert media.video_index is not None
    streams = [_picture(whole[SHAPED], media, parts, fonts)]
    apart = must_hold(media) or bool(media.shapes)
    filters = canvas_filters(media, *parts.layout.frame, apart)
    if media.has_audio:
        sound = media_input(source, media.clock_zero_us, only_sound=True) if apart else whole
        streams.append(sound[str(media.audio_index)])
    options = film_settings(settings.crf, settings.preset, media.audio_codec if media.has_audio else None)
    if parts.words_language is not None:
        streams.append(ffmpeg.input(WORDS)["s:0"])
        options |= {"scodec": "mov_text", "metadata:s:s:0": f"language={parts.words_language}"}
    options |= {"movie_timescale": MOVIE_TIMESCALE}
    # Nothing of the source's own: neither where and by whom it was made nor its chapters.
    options |= {"map_metadata:g": -1, "map_metadata:s": -1, "map_chapters": -1, "max_error_rate": 1}
    if must_hold(media):
        options |= {"enc_time_base:v": HELD_TIME_BASE}
    if apart:  # without the mean frame rate the last frame would last no time, and players leave it out
        frame_s = HOLD_US / US_PER_S if must_hold(media) else 1 / media.fps
        options |= {"bsf:v": f"setts=pts=PTS:dts=DTS:duration=if(DURATION\\,DURATION\\,{frame_s}/TB)"}
    if not parts.chaptered:
        return shaped(ffmpeg.output(*streams, FILM, **options), media.video_index, filters, apart)
    # An input without streams: ffmpeg-python keeps only inputs that something is taken from.
    index = ffmpeg.get_args(ffmpeg.output(*streams, FILM)).count("-i")
    output = ffmpeg.output(*streams, FILM, **{**options, "map_chapters": index})
    output = output.global_args("-f", "ffmetadata", "-i", CHAPTERS)
    return shaped(output, media.video_index, filters, apart)


def _picture(stream: Any, media: MediaInfo, parts: Parts, fonts: Path) -> Any:
    """The panel goes below before libass draws, so that it draws on both.

    Frames are repeated after faces are hidden, since what hides them ends with the real frames.
    """
    import ffmpeg

    layout, place = parts.layout, parts.panel
    width, height = layout.frame
    picture = blurred(stream, MASK, layout, parts.hidden)
    if must_hold(media):
        picture = picture.filter("settb", f"1/{US_PER_S}").filter("fsync", file=HOLDS)
    if place is None:
        return picture.filter("ass", filename=SCRIPT, fontsdir=str(fonts))
    travel = (
        f"{place.left_px - place.playhead_px // 2}+{place.width_px}*min(1,t/{media.duration_us / US_PER_S})"
    )
    return (
        picture.filter("pad", w=width, h=height + layout.panel_px)
        .overlay(ffmpeg.input(STRIP), x=0, y=height, eval="init")
        .filter("ass", filename=SCRIPT, fontsdir=str(fonts))
        .overlay(ffmpeg.input(PLAYHEAD), x=travel, y=height)
    )
