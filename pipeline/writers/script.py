"""The ASS script that libass burns into the film: face boxes, labels, subtitles, conflict badges."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from pipeline.types import Analysis, Conflict, Observation, Span
from pipeline.writers.columns import TRANSCRIBED
from pipeline.writers.facts import Verdict, headline, observed, one_line, ranked, verdict
from pipeline.writers.fonts import Font
from pipeline.writers.layout import Box, Layout, covered, place_label
from pipeline.writers.palette import ABSENT, CONFLICT, MARKS, colour, ink, is_emotion, rgb

# Only these turn a backslash into a command inside an ASS text.
COMMANDS = frozenset("Nnh{}")
STYLE_FIELDS = (
    *("Name", "Fontname", "Fontsize", "PrimaryColour", "SecondaryColour", "OutlineColour", "BackColour"),
    *("Bold", "Italic", "Underline", "StrikeOut", "ScaleX", "ScaleY", "Spacing", "Angle"),
    *("BorderStyle", "Outline", "Shadow", "Alignment", "MarginL", "MarginR", "MarginV", "Encoding"),
)


# A box is redrawn once an edge has moved by this share of its width: it stands still instead of trembling,
# and libass, which looks through all events for every frame, has a fraction of them to look through.
STILL = 0.06


@dataclass(frozen=True, slots=True)
class Face:
    """A box to draw for a while, in output pixels."""

    span: Span
    owner: str
    box: Box
    label: str
    key: str


def ass_script(analysis: Analysis, layout: Layout, font: Font) -> str:
    """The whole script; a time is cut to hundredths, so an event starts no later than its frame."""
    shown = faces(analysis, layout)
    together = _by_start(shown)
    events = [
        *(line for face in joined(shown) for line in _box_events(face, layout)),
        *(_label_event(face, together[face.span.start_us], layout, font) for face in shown),
        *(_subtitle_events(analysis)),
        *(_badge_event(conflict, shown, layout) for conflict in ranked(analysis.conflicts)),
    ]
    return "\n".join([*_head(layout, font), *events, ""])


def faces(analysis: Analysis, layout: Layout) -> tuple[Face, ...]:
    """Every observation with a box, of any modality, scaled to the film, in order of time."""
    found = (
        Face(
            o.span,
            f"{modality} {o.subject}",
            _scaled(o.evidence["box"], layout),
            _face_label(o),
            observed(o).key,
        )
        for modality in analysis.modalities
        for o in analysis.observations.get(modality, ())
        if o.evidence.get("box")
    )
    return _held(sorted(found, key=lambda face: face.span))


def _held(moving: Iterable[Face]) -> tuple[Face, ...]:
    last: dict[str, Face] = {}
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


def joined(shown: Iterable[Face]) -> Iterator[Face]:
    """Faces that follow on each other with the same box and colour, as one."""
    open_: dict[str, Face] = {}
    for face in shown:
        before = open_.get(face.owner)
        same = before is not None and (before.box, before.key, before.span.end_us) == (
            face.box,
            face.key,
            face.span.start_us,
        )
        if before is not None and same:
            open_[face.owner] = replace(before, span=Span(before.span.start_us, face.span.end_us))
            continue
        if before is not None:
            yield before
        open_[face.owner] = face
    yield from open_.values()


def escaped(text: str) -> str:
    """Text that libass draws as it is: braces escaped, a backslash that would be a command widened."""
    line = one_line(text)
    pairs = zip(line, f"{line[1:]} ", strict=False)
    return "".join(
        "＼" if c == "\\" and after in COMMANDS else f"\\{c}" if c in "{}" else c for c, after in pairs
    )


def ass_time(time_us: int) -> str:
    """``H:MM:SS.cc``, cut to hundredths."""
    hundredths = max(0, time_us) // 10_000
    minutes, rest = divmod(hundredths, 6_000)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest // 100:02d}.{rest % 100:02d}"


def ass_colour(hex_colour: str) -> str:
    """``&H00BBGGRR``."""
    red, green, blue = rgb(hex_colour)
    return f"&H00{blue:02X}{green:02X}{red:02X}"


def _head(layout: Layout, font: Font) -> list[str]:
    text, label = font.ass_size(layout.text_px), font.ass_size(layout.label_px)
    margin = round(0.03 * layout.unit_px)
    below = layout.panel_px + margin
    edge = max(1.0, 0.0035 * layout.unit_px)
    pad = max(2.0, 0.006 * layout.unit_px)
    # name, size, border style (1 outline, 3 opaque box), outline, alignment, vertical margin
    styles = (
        ("Box", label, 1, edge, 7, 0),
        ("Label", label, 3, pad, 7, 0),
        ("Subtitle", text, 1, max(1.5, 0.07 * layout.text_px), 2, below),
        ("Badge", label, 3, 2 * pad, 8, margin),
    )
    return [
        "[Script Info]",
        "ScriptType: v4.00+",
        f"PlayResX: {layout.width_px}",
        f"PlayResY: {layout.height_px + layout.panel_px}",
        "WrapStyle: 0",
        "ScaledBorderAndShadow: yes",
        "YCbCr Matrix: None",
        "",
        "[V4+ Styles]",
        f"Format: {', '.join(STYLE_FIELDS)}",
        *(
            f"Style: {name},{font.family},{size:.1f},&H00FFFFFF,&H00FFFFFF,&H00000000,&H00000000,"
            f"0,0,0,0,100,100,0,0,{border},{outline:.1f},0,{alignment},{margin},{margin},{vertical},1"
            for name, size, border, outline, alignment, vertical in styles
        ),
        "",
        "[Events]",
        "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text",
    ]


def _event(layer: int, span: Span, style: str, text: str, margin_px: int = 0) -> str:
    """``margin_px`` 0 leaves the vertical margin to the style."""
    times = f"{ass_time(span.start_us)},{ass_time(span.end_us)}"
    return f"Dialogue: {layer},{times},{style},,0,0,{margin_px},,{text}"


def _face_label(observation: Observation) -> str:
    said = observed(observation)
    share = "" if said.confidence is None else f"{said.confidence:.0%}"
    return " ".join(part for part in (observation.subject, said.key.replace("_", " "), share) if part)


def _scaled(box: Sequence[float], layout: Layout) -> Box:
    x, y, width, height = (round(float(v) * layout.scale) for v in box)
    return (x, y, width, height)


def _by_start(shown: Iterable[Face]) -> dict[int, list[Box]]:
    """The faces of one sampled frame start together."""
    together: dict[int, list[Box]] = {}
    for face in shown:
        together.setdefault(face.span.start_us, []).append(face.box)
    return together


def _box_events(face: Face, layout: Layout) -> Iterator[str]:
    left, top, width, height = face.box
    line = max(2, round(0.005 * layout.unit_px))
    tint = ass_colour(colour(face.key))
    # libass blends whole bitmaps: four bars cost a tenth of one frame that is empty inside.
    for x, y, across, down in (
        (left, top, line, height),
        (left + width - line, top, line, height),
        (left, top, width, line),
        (left, top + height - line, width, line),
    ):
        bar = f"m 0 0 l {across} 0 {across} {down} 0 {down}"
        yield _event(0, face.span, "Box", f"{{\\pos({x},{y})\\c{tint}\\p1}}{bar}")


def _label_event(face: Face, faces_here: list[Box], layout: Layout, font: Font) -> str:
    pad = max(2, round(0.006 * layout.unit_px))
    size = (
        font.width_px(face.label, layout.label_px) + 2 * pad,
        round(font.ass_size(layout.label_px)) + 2 * pad,
    )
    x, y = place_label(size, face.box, faces_here, (layout.width_px, layout.height_px))
    tint = colour(face.key)
    style = f"\\pos({x + pad},{y + pad})\\c{ass_colour(ink(tint))}\\3c{ass_colour(tint)}"
    return _event(1, face.span, "Label", f"{{{style}}}{escaped(face.label)}")


def _subtitle_events(analysis: Analysis) -> Iterator[str]:
    said = {
        (m.utterance.span, m.utterance.text): verdict(m, TRANSCRIBED, analysis.modalities)
        for m in analysis.moments
        if m.utterance
    }
    for utterance in analysis.transcript.utterances:
        mark = _mark(said.get((utterance.span, utterance.text)))
        yield _event(2, utterance.span, "Subtitle", f"{mark}{escaped(utterance.text)}")


def _mark(said: Verdict | None) -> str:
    if said is None or not is_emotion(said.key):
        return ""
    dot = f"{{\\fscx70\\fscy70\\c{ass_colour(colour(said.key))}\\3c&HFFFFFF&}}●"
    return f"{dot}{{\\3c&H000000&\\c&HFFFFFF&}} {said.key}  {{\\r}}"


def _badge_event(conflict: Conflict, shown: Sequence[Face], layout: Layout) -> str:
    """At the top of the picture, or above the subtitles when more of the faces is at the top than there."""
    boxes = [face.box for face in _during(conflict.span, shown)]
    subtitles = round(4.5 * layout.text_px)
    height = 3 * layout.label_px
    low = layout.height_px - subtitles - height
    top = covered((0, 0, layout.width_px, height), boxes)
    at_top = top <= covered((0, low, layout.width_px, height), boxes)
    margin = 0 if at_top else layout.panel_px + subtitles
    tint = ABSENT if conflict.kind == "masking" else CONFLICT
    style = f"\\an{8 if at_top else 2}\\c{ass_colour(ink(tint))}\\3c{ass_colour(tint)}"
    text = f"{{{style}}}{MARKS[conflict.kind]} {escaped(headline(conflict))}"
    return _event(3, conflict.span, "Badge", text, margin)


def _during(span: Span, shown: Sequence[Face]) -> Iterator[Face]:
    first = bisect_left(shown, span.start_us, key=lambda face: face.span.start_us)
    for face in shown[max(0, first - 1) :]:
        if face.span.start_us >= span.end_us:
            return
        yield face
