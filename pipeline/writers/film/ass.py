"""What an ASS script is made of: head, times, colours, events and rectangles, and text that stays text."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipeline.types import Span
from pipeline.writers.facts import one_line
from pipeline.writers.fonts import Font
from pipeline.writers.palette import ink, rgb

# Only these turn a backslash into a command inside an ASS text.
COMMANDS = frozenset("Nnh{}")
# Players disagree on how to escape these: what is not drawn by us has them widened.
WIDENED = str.maketrans("{}\\", "｛｝＼")
STYLE_FIELDS = (
    *("Name", "Fontname", "Fontsize", "PrimaryColour", "SecondaryColour", "OutlineColour", "BackColour"),
    *("Bold", "Italic", "Underline", "StrikeOut", "ScaleX", "ScaleY", "Spacing", "Angle"),
    *("BorderStyle", "Outline", "Shadow", "Alignment", "MarginL", "MarginR", "MarginV", "Encoding"),
)
AUTOMATIC_DIRECTION = -1  # libass's own Encoding: each line is written the way its first letter is
OUTLINED, BOXED = 1, 4  # BorderStyle; 4 is libass's own: one box behind the whole event, wider by Shadow


@dataclass(frozen=True, slots=True)
class Style:
    """``edge_px`` is the outline of an outlined style, the padding of a boxed one."""

    border: int
    size_px: int
    edge_px: float
    alignment: int = 7


def script(
    width_px: int, height_px: int, styles: Mapping[str, Style], font: Font, lines: Iterable[str]
) -> str:
    """A whole script; nothing wraps by itself."""
    return "\n".join(
        [
            "[Script Info]",
            "ScriptType: v4.00+",
            f"PlayResX: {width_px}",
            f"PlayResY: {height_px}",
            "WrapStyle: 2",
            "ScaledBorderAndShadow: yes",
            "YCbCr Matrix: None",
            "",
            "[V4+ Styles]",
            f"Format: {', '.join(STYLE_FIELDS)}",
            *(_style(name, style, font) for name, style in styles.items()),
            "",
            "[Events]",
            "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text",
            *lines,
            "",
        ]
    )


def _style(name: str, style: Style, font: Font) -> str:
    outline, shadow = (style.edge_px, 0.0) if style.border == OUTLINED else (0.0, style.edge_px)
    return (
        f"Style: {name},{font.family},{font.ass_size(style.size_px):.1f},"
        "&H00FFFFFF,&H00FFFFFF,&H00000000,&H00000000,0,0,0,0,100,100,0,0,"
        f"{style.border},{outline:.1f},{shadow:.1f},{style.alignment},0,0,0,{AUTOMATIC_DIRECTION}"
    )


def event(layer: int, span: Span, style: str, tags: str, text: str) -> str:
    """One line of the script; ``tags`` go before ``text``, which is escaped already."""
    times = f"{ass_time(span.start_us)},{ass_time(span.end_us)}"
    return f"Dialogue: {layer},{times},{style},,0,0,0,,{{{tags}}}{text}"


def filled(hex_colour: str) -> str:
    """Tags of a boxed style: the box in a colour, the text in the ink that reads on it."""
    return f"\\c{ass_colour(ink(hex_colour))}\\4c{ass_colour(hex_colour)}"


def rectangle(width_px: int, height_px: int) -> str:
    """A drawing, to stand after ``\\p1``."""
    return f"m 0 0 l {width_px} 0 {width_px} {height_px} 0 {height_px}"


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
