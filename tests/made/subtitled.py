"""Films with writing in the picture: subtitles, and what is beside them on screens."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.writers.fonts import font_for

WIDTH_PX, HEIGHT_PX, FPS = 640, 360, 15
BOTTOM, MIDDLE, TOP, TOP_RIGHT, LOWER_LEFT = 2, 5, 8, 9, 1
SMALL_PX = (90, 160)  # the background is drawn as small, and blown up


@dataclass(frozen=True, slots=True)
class Writing:
    """Text from one second to another; ``tags`` are ASS override tags, for instance a fade or a movement."""

    start_s: float
    end_s: float
    text: str
    align: int = BOTTOM
    tags: str = ""
    size: int = 22


LINES = (
    Writing(0.5, 2.0, "今天天气真的很不错"),
    Writing(2.0, 3.6, "我们一起去公园散步吧", tags=r"\fad(240,0)"),
    Writing(4.4, 6.2, r"昨天晚上下了很大的雨\N所以路上都是积水"),
    Writing(6.2, 7.6, "可是孩子们玩得很开心"),
    Writing(8.2, 9.8, "妈妈说明天还想再来一次"),
)
BILINGUAL = (
    Writing(0.4, 2.0, r"今天天气真的很不错\NThe weather is really nice today"),
    Writing(2.2, 3.8, r"我们一起去公园散步吧\NLet us go for a walk in the park"),
    Writing(4.0, 5.6, r"可是孩子们玩得很开心\NBut the children had a lot of fun"),
)
ENGLISH = (
    Writing(0.4, 2.0, "The weather is really nice today"),
    Writing(2.2, 3.8, "Let us go for a walk in the park"),
    Writing(4.0, 5.6, "But the children had a lot of fun"),
)


def beside(seconds: float) -> tuple[Writing, ...]:
    """What is on a screen beside subtitles: a logo, a name plate, a clock, a ticker, a title that stays."""
    clock = tuple(
        Writing(second, second + 1, f"12:30:{second:02d}", TOP, size=18) for second in range(int(seconds))
    )
    ticker = "各地新闻：今日上午举行的会议讨论了道路建设问题，预计下周公布结果，敬请关注本台后续报道"
    return (
        Writing(0, seconds, "星光电视", TOP_RIGHT),
        Writing(0, seconds, "王小明 市民", LOWER_LEFT, r"\pos(30,270)", 18),
        Writing(0, seconds, ticker, BOTTOM, rf"\move(640,355,0,355,0,{round(seconds * 1000)})", 16),
        Writing(0, seconds, "特别节目", MIDDLE, r"\pos(320,60)"),
        *clock,
    )


def make_subtitled(
    folder: Path, writings: Sequence[Writing], seconds: float, height_px: int = HEIGHT_PX
) -> Path:
    """A film without sound that shows some writings over a picture that moves."""
    path = folder / "subtitled.mp4"
    script = folder / "writing.ass"
    script.write_text(_script(writings), encoding="utf-8")
    width_px = round(height_px * WIDTH_PX / HEIGHT_PX / 2) * 2
    fonts = font_for("zh").path.parent
    from imageio_ffmpeg import get_ffmpeg_exe

    command = [
        *(get_ffmpeg_exe(), "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"),
        *("-s", f"{SMALL_PX[1]}x{SMALL_PX[0]}", "-r", str(FPS), "-i", "-", "-vf"),
        f"scale={width_px}:{height_px},ass={script.name}:fontsdir={fonts}",
        *("-c:v", "libx264", "-preset", "veryfast", "-threads", "1", "-pix_fmt", "yuv420p", path.name),
    ]
    subprocess.run(command, cwd=folder, check=True, input=_background(seconds).tobytes())
    return path


def _background(seconds: float) -> NDArray[np.uint8]:
    """A camera's way over blotches of all sizes, uint8 ``(n, h, w, 3)``."""
    random = np.random.default_rng(5)
    height, width = SMALL_PX
    count = round(seconds * FPS)
    ground = sum(
        np.kron(
            random.normal(0, 1, (-(-(height + count) // size), -(-(width + count) // size), 3)),
            np.ones((size, size, 1)),
        )[: height + count, : width + count]
        * size
        for size in (2, 5, 16)
    )
    picture = np.clip(120 + 5 * ground, 0, 255).astype(np.uint8)
    return np.stack([picture[i : i + height, i // 2 : i // 2 + width] for i in range(count)])


def _script(writings: Sequence[Writing]) -> str:
    family = font_for("zh").family
    head = (
        f"[Script Info]\nScriptType: v4.00+\nPlayResX: {WIDTH_PX}\nPlayResY: {HEIGHT_PX}\nWrapStyle: 2\n\n"
        "[V4+ Styles]\nFormat: Name, Fontname, Fontsize, PrimaryColour, OutlineColour, BorderStyle, Outline, "
        "Shadow, Alignment, MarginL, MarginR, MarginV\n"
        f"Style: A,{family},22,&H00FFFFFF,&H00000000,1,1.5,0,2,10,10,30\n\n"
        "[Events]\nFormat: Start, End, Style, Text\n"
    )
    return head + "".join(
        f"Dialogue: {_time(one.start_s)},{_time(one.end_s)},A,"
        rf"{{\an{one.align}\fs{one.size}{one.tags}}}{one.text}" + "\n"
        for one in writings
    )


def _time(seconds: float) -> str:
    hundredths = round(seconds * 100)
    return f"0:{hundredths // 6000:02d}:{hundredths // 100 % 60:02d}.{hundredths % 100:02d}"
