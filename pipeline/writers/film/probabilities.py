"""The seven probabilities of the person seen longest, as bars under the legend of the film's panel."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.labels import EMOTIONS
from pipeline.types import Span
from pipeline.writers.columns import display
from pipeline.writers.film.ass import ass_colour, escaped, event, rectangle
from pipeline.writers.film.face_boxes import NOBODY, Face
from pipeline.writers.film.layout import Layout
from pipeline.writers.film.strip import Panel
from pipeline.writers.fonts import Font
from pipeline.writers.palette import colour

STEP = 0.02  # smaller changes of a probability redraw nothing
HIDDEN, SHOWN = "\\1a&HFF&", "\\1a&H00&"


@dataclass(frozen=True, slots=True)
class Bars:
    """Lengths in steps of :data:`STEP` for a while, and whose they are from which channel (``P1 face``)."""

    span: Span
    subject: str | None
    name: str
    lengths: tuple[int, ...]


def bars(shown: Sequence[Face], modality: str) -> tuple[Bars, ...]:
    """Per sampled frame the bars of whoever there is seen longest in the whole film; equal ones joined."""
    read = [face for face in shown if face.scores is not None and face.modality == modality]
    seen_us: dict[str | None, int] = {}
    for face in read:
        seen_us[face.subject] = seen_us.get(face.subject, 0) + face.span.duration_us
    main: dict[int, Face] = {}
    for face in read:
        before = main.get(face.span.start_us)
        if before is None or seen_us[face.subject] > seen_us[before.subject]:
            main[face.span.start_us] = face
    return tuple(_joined(_bars(face) for _, face in sorted(main.items())))


def bar_events(
    found: Iterable[Bars], colours: Mapping[str, str], layout: Layout, place: Panel, font: Font
) -> Iterator[str]:
    """One drawing per row of the legend, from slot to slot, and before them whose they are."""
    found = tuple(found)
    for row in range(place.legend_rows):
        left, top, _ = place.slot(row * place.legend_columns)
        at = f"\\pos({left},{layout.height_px + top})\\p1"
        for one in _joined(_of_row(bar, row, place.legend_columns) for bar in found):
            if drawing := _drawing(one.lengths, row, place):
                yield event(1, one.span, "Bar", at, drawing)
    middle = layout.height_px + (place.legend_top_px + layout.panel_px) // 2
    for one in _joined(replace(bar, lengths=()) for bar in found):
        room_px = place.left_px - place.font_px // 2
        narrowed = min(1.0, room_px / max(1, font.width_px(one.name, place.font_px)))
        size = 100 * narrowed * place.font_px / layout.label_px
        tags = f"\\an4\\pos({place.font_px // 3},{middle})\\fscx{size:.4g}\\fscy{size:.4g}"
        tint = f"\\c{ass_colour(colours.get(one.subject or '', NOBODY))}"
        yield event(1, one.span, "Bar", tags + tint, escaped(one.name))


def _bars(face: Face) -> Bars:
    assert face.scores is not None
    name = f"{face.subject or ''} {display(face.modality).noun}".strip()
    return Bars(face.span, face.subject, name, tuple(round(p / STEP) for p in face.scores.probabilities))


def _joined(all_bars: Iterable[Bars]) -> Iterator[Bars]:
    open_: Bars | None = None
    for one in all_bars:
        same = open_ is not None and (open_.subject, open_.lengths) == (one.subject, one.lengths)
        if open_ is not None and same and open_.span.end_us >= one.span.start_us:
            open_ = replace(open_, span=Span(open_.span.start_us, one.span.end_us))
            continue
        if open_ is not None:
            yield open_
        open_ = one
    if open_ is not None:
        yield open_


def _of_row(bar: Bars, row: int, columns: int) -> Bars:
    return replace(bar, lengths=bar.lengths[row * columns : (row + 1) * columns])


def _drawing(lengths: Sequence[int], row: int, place: Panel) -> str:
    """Bars and the empty stretches between them, side by side as libass sets drawings in a line of text."""
    parts = []
    first = row * place.legend_columns
    reach = place.slot(first)[0]
    for index, steps in enumerate(lengths, start=first):
        left, _, full = place.slot(index)
        width = round(full * min(1.0, steps * STEP))
        if not width:
            continue
        if left > reach:
            parts.append(f"{{{HIDDEN}}}{rectangle(left - reach, place.bar_px)}")
        parts.append(f"{{{SHOWN}\\c{ass_colour(colour(EMOTIONS[index]))}}}{rectangle(width, place.bar_px)}")
        reach = left + width
    return "".join(parts)
