"""The ASS script that libass burns into the film: face boxes, labels, subtitles, badges, probabilities."""

from collections.abc import Iterator, Sequence

from pipeline.types import Analysis, FilmStyle
from pipeline.writers.facts import lanes
from pipeline.writers.film.ass import BOXED, OUTLINED, Style, script
from pipeline.writers.film.bands import Band, badge_bands, badges, band_event, padding, subtitle_bands
from pipeline.writers.film.face_boxes import Face, box_events, faces, label_events, standing
from pipeline.writers.film.face_boxes import padding as chip_padding
from pipeline.writers.film.layout import Layout
from pipeline.writers.film.probabilities import bar_events, bars
from pipeline.writers.film.strip import panel
from pipeline.writers.film.subtitles import spoken
from pipeline.writers.fonts import Font
from pipeline.writers.persons import person_colours


def ass_script(analysis: Analysis, layout: Layout, font: Font, style: FilmStyle = "full") -> str:
    """The whole script; a time is cut to hundredths, so an event starts no later than its frame."""
    shown = faces(analysis, layout)
    seen = sorted((span, box) for span, _, box in standing(shown))
    subtitles = () if style == "minimal" else subtitle_bands(spoken(analysis), seen, layout, font)
    called = () if style == "subtitles" else badges(analysis)
    above = badge_bands(called, subtitles, seen, layout, font)
    events = [
        *(() if style == "subtitles" else _faces(analysis, shown, (*subtitles, *above), layout, font)),
        *(band_event(2, band, layout) for band in subtitles),
        *(band_event(3, band, layout) for band in above),
        *(_probabilities(analysis, shown, layout, font) if style == "full" else ()),
    ]
    height_px = layout.height_px + layout.panel_px
    return script(layout.width_px, height_px, _styles(layout), font, events)


def drawn(analysis: Analysis, style: FilmStyle) -> Iterator[str]:
    """The words from outside that a film of this style has in its picture."""
    if style != "minimal":
        yield from (utterance.text for utterance in analysis.transcript.utterances)
    if style != "subtitles":
        yield from (badge.text for badge in badges(analysis))


def _styles(layout: Layout) -> dict[str, Style]:
    edge = max(1.0, 0.0035 * layout.unit_px)
    chip = Style(BOXED, layout.label_px, chip_padding(layout))
    return {
        "Box": Style(OUTLINED, layout.label_px, edge),
        "Bar": Style(OUTLINED, layout.label_px, 0.0),
        "Person": chip,
        "Label": chip,
        "Subtitle": Style(BOXED, layout.text_px, padding(layout), 8),
        "Badge": Style(BOXED, layout.label_px, padding(layout), 8),
    }


def _faces(
    analysis: Analysis, shown: Sequence[Face], bands: Sequence[Band], layout: Layout, font: Font
) -> Iterator[str]:
    colours = person_colours(analysis)
    yield from box_events(shown, colours, layout)
    yield from label_events(shown, colours, bands, layout, font)


def _probabilities(analysis: Analysis, shown: Sequence[Face], layout: Layout, font: Font) -> Iterator[str]:
    """Of the first modality that boxes persons."""
    boxing = {face.modality for face in shown}
    modality = next((m for m in analysis.modalities if m in boxing), None)
    if modality is not None:
        place = panel(layout, lanes(analysis), font)
        yield from bar_events(bars(shown, modality), person_colours(analysis), layout, place, font)
