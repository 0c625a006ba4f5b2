"""Blocks of text in the picture, subtitles and conflict badges: apart, and off faces if there is room."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.overlap import Overlaps
from pipeline.types import ALARMS, Analysis, ConflictKind, Span
from pipeline.writers.facts import SEPARATOR, headline, one_line, ranked
from pipeline.writers.film.ass import escaped, event, filled
from pipeline.writers.film.direction import directed, right_to_left
from pipeline.writers.film.layout import Box, Layout, covered, place_band
from pipeline.writers.film.lines import wrapped
from pipeline.writers.film.subtitles import Spoken, marked, tint
from pipeline.writers.fonts import Font
from pipeline.writers.palette import ABSENT, CONFLICT, MARKS
from pipeline.writers.persons import naming

Standing = Sequence[tuple[Span, Box]]

LINES = 2  # of a subtitle in sight
SMALLER = (1.0, 0.85, 0.7)  # what a longer subtitle is shrunk to, to fit
LEAST_PAGE_US = 1_200_000  # nobody reads a page of a long subtitle faster
HARD_SPACE = "\N{NO-BREAK SPACE}"
MOST_HEIGHT = 0.45  # share of the picture that one block may take


@dataclass(frozen=True, slots=True)
class Band:
    """A block of text; ``box`` is its coloured ground, ``text_px`` the size of its letters."""

    span: Span
    style: str
    tint: str
    lines: tuple[str, ...]
    text_px: int
    box: Box
    rtl: bool = False


@dataclass(frozen=True, slots=True)
class _Page:
    """Lines that stand together for a while, before their place is known."""

    span: Span
    style: str
    tint: str
    lines: tuple[str, ...]
    text_px: int
    size: tuple[int, int]  # of the coloured ground
    rtl: bool = False


def subtitle_bands(spoken: Sequence[Spoken], seen: Standing, layout: Layout, font: Font) -> tuple[Band, ...]:
    """The utterances at the foot of the picture, in order of time."""
    setter = _Setter(layout, font)
    told = (one for one in spoken if one.span.duration_us > 0 and one_line(one.text))
    pages = [page for one in told for page in _pages(one, setter)]
    return _placed([(page,) for page in pages], (), seen, layout, at_top=False)


@dataclass(frozen=True, slots=True)
class Badge:
    """What a conflict is called while it lasts."""

    span: Span
    kind: ConflictKind
    text: str


def badges(analysis: Analysis) -> tuple[Badge, ...]:
    """One per conflict, strongest first, with the persons named where there are several."""
    shown = naming(analysis)
    return tuple(
        Badge(c.span, c.kind, f"{MARKS[c.kind]} {headline(c, shown(c))}") for c in ranked(analysis.conflicts)
    )


def badge_bands(
    called: Sequence[Badge], before: Sequence[Band], seen: Standing, layout: Layout, font: Font
) -> tuple[Band, ...]:
    """What conflicts are called at the head of the picture while they last, off the bands that are there."""
    setter = _Setter(layout, font)
    forms = [_forms(badge, setter) for badge in called]
    return _placed(forms, before, seen, layout, at_top=True)


def band_event(layer: int, band: Band, layout: Layout) -> str:
    """The event that draws a band."""
    x, y, width, _ = band.box
    share = 100 * band.text_px / (layout.text_px if band.style == "Subtitle" else layout.label_px)
    size = "" if share == 100 else f"\\fscx{share:.4g}\\fscy{share:.4g}"
    tags = f"\\an8\\pos({x + width / 2:g},{y + padding(layout)}){size}{filled(band.tint)}"
    return event(
        layer,
        band.span,
        band.style,
        tags,
        "\\N".join(escaped(directed(line, band.rtl)) for line in band.lines),
    )


def padding(layout: Layout) -> int:
    """Ground around a block of text, which libass draws as a shadow."""
    return max(2, round(0.012 * layout.unit_px))


@dataclass(frozen=True, slots=True)
class _Setter:
    """Sets type: how text breaks into lines and how much room these take."""

    layout: Layout
    font: Font

    def lines(self, text: str, text_px: int, width_px: float) -> tuple[str, ...]:
        return wrapped(text, width_px, self.font.sized(text_px).getlength) or ("",)

    def size(self, lines: Sequence[str], text_px: int) -> tuple[int, int]:
        pad = padding(self.layout)
        width = max(self.font.width_px(line, text_px) for line in lines)
        return width + 2 * pad, round(len(lines) * self.font.ass_size(text_px)) + 2 * pad

    @property
    def widest_px(self) -> int:
        return self.layout.width_px - 2 * self.layout.margin_px - 2 * padding(self.layout)


def _pages(spoken: Spoken, setter: _Setter) -> Iterator[_Page]:
    """All at once if two lines will do, perhaps smaller ones; else two lines after two lines."""
    ground, mark, text = tint(spoken.key), marked(spoken.key), one_line(spoken.text)
    rtl = right_to_left(text)
    usual_px = setter.layout.text_px
    sizes = [max(8, round(share * usual_px)) for share in SMALLER]
    for text_px in sizes:
        lines = setter.lines(mark + text, text_px, setter.widest_px)
        if len(lines) <= LINES:
            yield _Page(spoken.span, "Subtitle", ground, lines, text_px, setter.size(lines, text_px), rtl)
            return
    text_px, at_once = usual_px, LINES
    lines = setter.lines(text, text_px, setter.widest_px - setter.font.width_px(mark, text_px))
    if spoken.span.duration_us < LEAST_PAGE_US * -(-len(lines) // LINES):
        text_px = sizes[-1]
        lines = setter.lines(text, text_px, setter.widest_px - setter.font.width_px(mark, text_px))
        at_once = max(LINES, int(MOST_HEIGHT * setter.layout.height_px / setter.font.ass_size(text_px)))
    groups = [lines[i : i + at_once] for i in range(0, len(lines), at_once)]
    letters = [len("".join(group).replace(" ", "")) for group in groups]
    for span, group in zip(spoken.parted(letters), groups, strict=True):
        shown = (mark + group[0], *group[1:])
        yield _Page(span, "Subtitle", ground, shown, text_px, setter.size(shown, text_px), rtl)


def _forms(badge: Badge, setter: _Setter) -> tuple[_Page, ...]:
    """The badge over the width of the picture, and narrower ones, should there be room beside a face only."""
    ground = CONFLICT if badge.kind in ALARMS else ABSENT
    text_px = setter.layout.label_px
    forms = [_by_parts(badge.text, text_px, setter.widest_px / share, setter) for share in (1, 2, 3)]
    return tuple(
        _Page(badge.span, "Badge", ground, lines, text_px, setter.size(lines, text_px)) for lines in forms
    )


def _by_parts(text: str, text_px: int, width_px: float, setter: _Setter) -> tuple[str, ...]:
    """Lines that break between the parts of a headline, if each fits into one."""
    parts = text.split(SEPARATOR)
    if max(setter.font.width_px(f"{part}{SEPARATOR}", text_px) for part in parts) > width_px:
        return setter.lines(text, text_px, width_px)
    held = SEPARATOR.replace(" ", HARD_SPACE, 1).join(part.replace(" ", HARD_SPACE) for part in parts)
    return tuple(line.replace(HARD_SPACE, " ") for line in setter.lines(held, text_px, width_px))


def _placed(
    forms: Sequence[tuple[_Page, ...]],
    before: Sequence[Band],
    seen: Standing,
    layout: Layout,
    at_top: bool,
) -> tuple[Band, ...]:
    bands = list(before)
    spans = [band.span for band in before] + [pages[0].span for pages in forms]
    texts, standing = Overlaps(spans), Overlaps(there for there, _ in seen)
    for pages, span in zip(forms, spans[len(before) :], strict=True):
        taken = [bands[i].box for i in texts.during(span) if i < len(bands)]
        faces = [(box, there.overlap_us(span)) for there, box in (seen[i] for i in standing.during(span))]
        best: Band | None = None
        for page in pages:
            box = place_band(page.size, faces, taken, layout, at_top)
            if best is None or _worse(best.box, faces, taken) > _worse(box, faces, taken):
                best = Band(page.span, page.style, page.tint, page.lines, page.text_px, box, page.rtl)
            if not any(_worse(best.box, faces, taken)):
                break
        assert best is not None
        bands.append(best)
    return tuple(bands[len(before) :])


def _worse(box: Box, faces: Sequence[tuple[Box, int]], taken: Sequence[Box]) -> tuple[int, int]:
    return covered(box, taken), sum(weight * covered(box, (face,)) for face, weight in faces)
