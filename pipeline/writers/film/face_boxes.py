"""Boxes around faces (or whatever else a modality boxes) and the labels beside them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from pipeline.overlap import Overlaps
from pipeline.records import BOX_KEY
from pipeline.types import Analysis, Observation, Scores, Span
from pipeline.writers.facts import Verdict, observed, percent
from pipeline.writers.film.ass import ass_colour, escaped, event, filled, rectangle
from pipeline.writers.film.bands import Band
from pipeline.writers.film.layout import Box, Layout, covered, place_label
from pipeline.writers.fonts import Font
from pipeline.writers.palette import DARK, colour

# A box is redrawn once an edge has moved by this share of its width: it stands still instead of trembling,
# and libass, which looks through all events for every frame, has a fraction of them to look through.
STILL = 0.06
NOBODY = "#FFFFFF"  # of a box that belongs to no person


@dataclass(frozen=True, slots=True)
class Face:
    """Someone's box for a while, in output pixels, and what was read there."""

    span: Span
    modality: str
    subject: str | None
    box: Box
    said: Verdict
    scores: Scores | None

    @property
    def owner(self) -> tuple[str, str | None]:
        return self.modality, self.subject


@dataclass(frozen=True, slots=True)
class Chip:
    """A word on its ground, at a place in the picture; ``colours`` are tags."""

    span: Span
    style: str
    at: tuple[int, int]
    colours: str
    text: str


def faces(analysis: Analysis, layout: Layout) -> tuple[Face, ...]:
    """Every observation with a box, of any modality, scaled to the film, in order of time."""
    found = (
        Face(
            o.span,
            modality,
            o.subject,
            _scaled(o.evidence[BOX_KEY], layout),
            observed(o),
            o.scores,
        )
        for modality in analysis.modalities
        for o in analysis.observations.get(modality, ())
        if _boxed(o)
    )
    return _held(sorted(found, key=lambda face: face.span))


def _boxed(observation: Observation) -> bool:
    return bool(observation.evidence.get(BOX_KEY)) and observation.span.duration_us > 0


def _held(moving: Iterable[Face]) -> tuple[Face, ...]:
    last: dict[tuple[str, str | None], Face] = {}
    result = []
    for face in moving:
        before = last.get(face.owner)
        near = before is not None and all(
            abs(a - b) <= STILL * face.box[2] for a, b in zip(before.box, face.box, strict=True)
        )
        kept = replace(face, box=before.box) if before is not None and near else face
        last[face.owner] = kept
        result.append(kept)
    return tuple(result)


def standing(shown: Iterable[Face]) -> Iterator[tuple[Span, str | None, Box]]:
    """Boxes of one owner that follow on each other in one place, as one, with the person."""
    open_: dict[tuple[str, str | None], Face] = {}
    for face in shown:
        before = open_.get(face.owner)
        if before and (before.box, before.span.end_us) == (face.box, face.span.start_us):
            open_[face.owner] = replace(before, span=Span(before.span.start_us, face.span.end_us))
            continue
        if before:
            yield before.span, before.subject, before.box
        open_[face.owner] = face
    yield from ((face.span, face.subject, face.box) for face in open_.values())


def box_events(shown: Sequence[Face], colours: Mapping[str, str], layout: Layout) -> Iterator[str]:
    """Four bars per box in the person's colour, edged by the style."""
    line = max(2, round(0.006 * layout.unit_px))
    for span, subject, (left, top, width, height) in standing(shown):
        tint = ass_colour(colours.get(subject or "", NOBODY))
        # libass blends whole bitmaps: four bars cost a tenth of one frame that is empty inside.
        for x, y, across, down in (
            (left, top, line, height),
            (left + width - line, top, line, height),
            (left, top, width, line),
            (left, top + height - line, width, line),
        ):
            yield event(0, span, "Box", f"\\pos({x},{y})\\c{tint}\\p1", rectangle(across, down))


def label_events(
    shown: Sequence[Face], colours: Mapping[str, str], bands: Sequence[Band], layout: Layout, font: Font
) -> Iterator[str]:
    """Beside each box who it is and what is read there; chips that do not change are one event."""
    for chip in _joined(_chips(shown, colours, bands, layout, font)):
        x, y = chip.at
        yield event(1, chip.span, chip.style, f"\\pos({x},{y}){chip.colours}", escaped(chip.text))


def padding(layout: Layout) -> int:
    """Around the word of a chip."""
    return max(2, round(0.008 * layout.unit_px))


def _chips(
    shown: Sequence[Face], colours: Mapping[str, str], bands: Sequence[Band], layout: Layout, font: Font
) -> Iterator[Chip]:
    pad = padding(layout)
    height = round(font.ass_size(layout.label_px)) + 2 * pad
    width_px = cache(lambda text: font.width_px(text, layout.label_px))  # few different ones in hours
    placed: dict[tuple[str, str | None], tuple[tuple[int, int], Box, tuple[int, int]]] = {}
    texts = sorted(bands, key=lambda band: band.span.start_us, reverse=True)[::-1]  # of equals the last first
    overlaps = Overlaps(band.span for band in texts)
    for together in _sampled_together(shown):
        span = Span(together[0].span.start_us, max(face.span.end_us for face in together))
        boxes = [face.box for face in together]
        taken = [texts[i].box for i in overlaps.during(span)]
        for face in together:
            words = [*_person(face, colours), ("Label", filled(colour(face.said.key)), _read(face.said))]
            widths = [width_px(text) + 2 * pad for _, _, text in words]
            size = (sum(widths), height)
            before = placed.get(face.owner)
            if (
                before
                and before[:2] == (size, face.box)
                and not covered((*before[2], *size), [*boxes, *taken])
            ):
                x, y = before[2]
            else:
                x, y = place_label(size, face.box, boxes, layout.frame, taken)
            placed[face.owner] = size, face.box, (x, y)
            taken.append((x, y, *size))
            for (style, tags, text), width in zip(words, widths, strict=True):
                yield Chip(face.span, style, (x + pad, y + pad), tags, text)
                x += width


def _sampled_together(shown: Sequence[Face]) -> Iterator[list[Face]]:
    """The faces of one sampled frame start together."""
    together: list[Face] = []
    for face in shown:
        if together and together[0].span.start_us != face.span.start_us:
            yield together
            together = []
        together.append(face)
    if together:
        yield together


def _person(face: Face, colours: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """In the person's colour on dark, like the box with its dark edge: no emotion looks like that."""
    if face.subject is None:
        return []
    tint = ass_colour(colours.get(face.subject, NOBODY))
    return [("Person", f"\\c{tint}\\4c{ass_colour(DARK)}", face.subject)]


def _read(said: Verdict) -> str:
    name = said.key.replace("_", " ")
    return name if said.confidence is None else f"{name} {percent(said.confidence)}"


def _joined(chips: Iterable[Chip]) -> Iterator[Chip]:
    open_: dict[tuple[str, tuple[int, int], str, str], Chip] = {}
    for chip in chips:
        key = (chip.style, chip.at, chip.colours, chip.text)
        before = open_.get(key)
        if before and before.span.end_us == chip.span.start_us:
            open_[key] = replace(before, span=Span(before.span.start_us, chip.span.end_us))
            continue
        if before:
            yield before
        open_[key] = chip
    yield from open_.values()


def _scaled(box: Sequence[float], layout: Layout) -> Box:
    x, y, width, height = (round(float(v) * layout.scale) for v in box)
    return (x, y, width, height)
