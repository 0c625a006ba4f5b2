"""The films and faults that tests share: every clock, shape and defect that a real file may bring.

``python -m tests.made.media FOLDER`` writes them all.
"""

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from tests.made.film import (
    LENGTH_S,
    MILLISECOND,
    Film,
    Picture,
    add_video,
    constant,
    marker_picture,
    write_film,
)

LATE_S = 1.075
GAP_S = (1.0, 1.6)
NTSC = Fraction(30_000, 1_001)
ODD_NAMES = (
    "with space",
    "it's",
    'say "hi"',
    "100%d",
    "12:30",
    "a,b;c",
    "[v]",
    "back\\slash",
    "-dash",
    "採訪 片段",
    "a=b",
    "#x@y&z",
)
SRT = """1
00:00:00,500 --> 00:00:01,200
first line

2
00:00:01,500 --> 00:00:02,500
第二行
"""


def two_speeds() -> Film:
    """Variable frame rate: 10 frames a second until 1.5 s, then 24."""
    slow = [100 * i for i in range(15)]
    fast = [1500 + round(1000 * i / 24) for i in range(36)]
    return Film(slow + fast, MILLISECOND)


_PLAIN = constant(25)
# Every clock a film may have; all are marked. The name's suffix chooses the container.
CLOCKS: dict[str, Film] = {
    "plain.mp4": _PLAIN,
    "ntsc.mp4": constant(NTSC),
    "variable.mp4": two_speeds(),
    "variable.mkv": two_speeds(),
    "late_sound.mp4": replace(_PLAIN, sound=((LATE_S, LENGTH_S),)),
    "late_sound.mkv": replace(_PLAIN, sound=((LATE_S, LENGTH_S),)),
    "late_sound.ts": replace(_PLAIN, sound=((LATE_S, LENGTH_S),)),
    "late_picture.mp4": replace(_PLAIN, frame_times=_PLAIN.frame_times[20:]),
    "late_picture.ts": replace(_PLAIN, frame_times=_PLAIN.frame_times[20:]),
    "gap_in_sound.mp4": replace(_PLAIN, sound=((0.0, GAP_S[0]), (GAP_S[1], LENGTH_S))),
    "gap_in_sound.mkv": replace(_PLAIN, sound=((0.0, GAP_S[0]), (GAP_S[1], LENGTH_S))),
    # Stretches of 0.1 s that each start 8 ms late: no gap to speak of, and 0.16 s in all.
    "drifting_sound.mkv": replace(
        _PLAIN, sound=tuple((0.108 * i, 0.108 * i + 0.1) for i in range(28)), audio_codec="pcm_s16le"
    ),
    "starts_at_5s.mkv": replace(_PLAIN, container_start_s=5.0),
    "starts_at_5s.ts": replace(_PLAIN, container_start_s=5.0, sound=((LATE_S, LENGTH_S),)),
    "rotated.mp4": replace(_PLAIN, rotation_deg=90),
    "wide_pixels.mp4": replace(_PLAIN, pixel_aspect=Fraction(4, 3)),
    "rotated_wide_pixels.mp4": replace(_PLAIN, rotation_deg=270, pixel_aspect=Fraction(4, 3)),
    "vp8.webm": replace(_PLAIN, codec="libvpx", audio_codec="libopus"),
}


def make_clock(name: str, folder: Path) -> Path:
    """One of ``CLOCKS``."""
    return write_film(folder / name, CLOCKS[name])


def make_turned(folder: Path, rotation_deg: int, mirrored: bool = False) -> Path:
    """A short film that is stored turned clockwise by ``rotation_deg``, and mirrored."""
    film = replace(constant(25, 0.4), rotation_deg=rotation_deg, mirrored=mirrored, sound=())
    return write_film(folder / f"turned_{rotation_deg}_{mirrored}.mp4", film)


def make_still(folder: Path, frame_times: tuple[int, ...] = (0, 400, 2000), suffix: str = ".mp4") -> Path:
    """A picture that hardly ever changes (times in ms) under sound that goes on for 3 s."""
    path = folder / f"still_{len(frame_times)}_{frame_times[0]}{suffix}"
    return write_film(path, replace(_PLAIN, frame_times=frame_times, time_base=MILLISECOND, picture=faced(1)))


def make_turning(folder: Path, suffix: str = ".ts", codec: str = "libx264") -> Path:
    """One face, 320 x 180 for 2 s and then 180 x 320: a call whose phone is turned; frames are uneven."""
    halves = []
    inside = ".ts" if codec == "libx264" else suffix
    for start_s, size in ((1.0, (320, 180)), (3.0, (180, 320))):
        uneven = [round(1000 * i / 12) + 17 * (i % 3 == 1) for i in range(24)]
        half = Film(uneven, MILLISECOND, sound=(), stored_size=size, codec=codec, picture=faced(1))
        half = replace(half, container_start_s=start_s if inside == ".ts" else 0.0)
        halves.append(write_film(folder / f"{size[0]}_for{suffix}{inside}", half))
    return _joined(halves, folder / f"turning_{codec}{suffix}")


def make_wider(folder: Path) -> Path:
    """A broadcast: pixels are square for 2 s and wider than high from then on."""
    halves = [
        write_film(
            folder / f"pixels_{start_s:.0f}.ts",
            replace(constant(25, 2.0), sound=(), container_start_s=start_s, pixel_aspect=aspect),
        )
        for start_s, aspect in ((1.0, Fraction(1)), (3.0, Fraction(4, 3)))
    ]
    return _joined(halves, folder / "wider.ts")


def make_tipped(folder: Path) -> Path:
    """Upright for 1 s; then the picture itself, not the container, says that it is to be turned."""
    halves = [
        write_film(
            folder / f"tipped_{start_s:.0f}.ts",
            replace(constant(25, 1.0), sound=(), container_start_s=start_s),
        )
        for start_s in (1.0, 2.0)
    ]
    turned = folder / "tipped_turned.ts"
    orientation = "h264_metadata=display_orientation=insert:rotate=90"
    _ffmpeg("-copyts", "-i", halves[1], "-c", "copy", "-bsf:v", orientation, "-muxdelay", "0", turned)
    return _joined([halves[0], turned], folder / "tipped.ts")


def make_hdr(folder: Path, transfer: str) -> Path:
    """A face in 10 bits of BT.2020, ``arib-std-b67`` (HLG) or ``smpte2084`` (PQ)."""
    plain, path = make_faces(folder, 1), folder / f"{transfer}.mp4"
    tags = f"setparams=color_primaries=bt2020:color_trc={transfer}:colorspace=bt2020nc:range=tv"
    _ffmpeg("-i", plain, "-vf", f"{tags},format=yuv420p10le", "-t", "0.5", "-c:a", "copy", path)
    return path


def make_avi(folder: Path) -> Path:
    """A marked film whose container keeps no presentation times."""
    path = folder / "mjpeg.avi"
    plain = write_film(folder / "for_avi.mp4", _PLAIN)
    _ffmpeg("-i", plain, "-c:v", "mjpeg", "-q:v", "3", "-c:a", "pcm_s16le", path)
    return path


def make_no_audio(folder: Path) -> Path:
    return write_film(folder / "no_audio.mp4", replace(_PLAIN, sound=()))


def make_audio_only(folder: Path) -> Path:
    return write_film(folder / "audio_only.m4a", replace(_PLAIN, frame_times=()))


def make_cover_art(folder: Path) -> Path:
    """Sound with a cover picture, which is no video."""
    sound, cover, path = make_audio_only(folder), make_image(folder), folder / "cover_art.m4a"
    both = ("-map", "0", "-map", "1", "-c", "copy", "-disposition:v", "attached_pic")
    _ffmpeg("-i", sound, "-i", cover, *both, path)
    return path


def make_silence(folder: Path) -> Path:
    return write_film(folder / "silence.mp4", replace(_PLAIN, silent=True))


def make_subtitled(folder: Path, suffix: str = ".mkv", start_s: float = 0.0) -> Path:
    """A film with ``SRT`` in a subtitle stream."""
    film = write_film(folder / f"bare_{start_s:.0f}.mkv", replace(_PLAIN, container_start_s=start_s))
    text, path = folder / "captions.txt.srt", folder / f"subtitled_{start_s:.0f}{suffix}"
    text.write_text(SRT, encoding="utf-8")
    codec = "mov_text" if suffix == ".mp4" else "srt"
    late = ["-itsoffset", str(start_s)] if start_s else []
    _ffmpeg(
        "-copyts", "-i", film, *late, "-i", text, "-map", "0", "-map", "1", "-c", "copy", "-c:s", codec, path
    )
    return path


def make_truncated(folder: Path, share: float = 0.6) -> Path:
    """A film whose index comes first, cut off: its beginning can still be read."""
    whole = write_film(folder / "whole.mp4", replace(_PLAIN, options=(("movflags", "+faststart"),)))
    path = folder / "truncated.mp4"
    data = whole.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def make_headless(folder: Path) -> Path:
    """A film whose index would come last, cut off: nothing can be read."""
    data = write_film(folder / "whole_index_last.mp4", _PLAIN).read_bytes()
    path = folder / "headless.mp4"
    path.write_bytes(data[: len(data) // 2])
    return path


def make_damaged(folder: Path) -> Path:
    """A film with a stretch of its picture overwritten."""
    data = bytearray(write_film(folder / "sound.mp4", replace(_PLAIN, sound=())).read_bytes())
    middle = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 3
    data[middle : middle + 600] = bytes(600)
    path = folder / "damaged.mp4"
    path.write_bytes(data)
    return path


def make_zero_length(folder: Path) -> Path:
    """A film with a picture stream and no picture in it."""
    path = folder / "zero_length.mp4"
    with av.open(f"file:{path}", "w") as container:
        add_video(container, _PLAIN)
        container.start_encoding()
    return path


def make_image(folder: Path, name: str = "image.png") -> Path:
    path = folder / name
    av.VideoFrame.from_ndarray(marker_picture(0, 160, 120), "rgb24").to_image().save(path, "PNG")
    return path


def make_empty(folder: Path) -> Path:
    path = folder / "empty.mp4"
    path.touch()
    return path


def make_text(folder: Path) -> Path:
    path = folder / "text.mp4"
    path.write_text("This is no film.\n" * 40, encoding="utf-8")
    return path


def make_playlist(folder: Path, entry: str = "for_playlist.ts") -> Path:
    """A playlist of one film."""
    write_film(folder / "for_playlist.ts", _PLAIN)
    path = folder / "playlist.m3u8"
    path.write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{entry}\n#EXT-X-ENDLIST\n", encoding="utf-8"
    )
    return path


def portrait_160px() -> NDArray[np.uint8]:
    """160 x 160 of scikit-image's public-domain portrait."""
    from skimage import data, transform

    portrait = transform.resize(data.astronaut()[0:256, 96:352], (160, 160), anti_aliasing=True)
    return (portrait * 255).astype(np.uint8)


def faced(faces: int) -> Picture:
    """Draws 0, 1 or 2 faces that sway, at the left of a grey picture."""
    portrait = portrait_160px()

    def draw(time_s: float, width: int, height: int) -> NDArray[np.uint8]:
        image = np.full((height, width, 3), 90, np.uint8)
        sway = round(6 * np.sin(2 * np.pi * time_s / 2))
        for left in (0, 160)[:faces]:
            drawn = np.roll(portrait, sway, axis=1)[:height, : width - left]
            image[: drawn.shape[0], left : left + drawn.shape[1]] = drawn
        return image

    return draw


def make_faces(folder: Path, faces: int) -> Path:
    """A film of 320 x 160 with 0, 1 or 2 faces that sway."""
    film = replace(constant(12), picture=faced(faces), stored_size=(320, 160))
    return write_film(folder / f"faces_{faces}.mp4", film)


def make_talking(folder: Path, length_s: float = 5.0) -> Path:
    """Two swaying faces: the left one keeps the mouth as it is, the right one opens and shuts it."""
    portrait = portrait_160px()
    lips_y, lips_x, chin_y = 91, slice(66, 94), 112

    def talking(time_s: float) -> NDArray[np.uint8]:
        face = portrait.copy()
        opened = round(4 * abs(np.sin(2 * np.pi * 1.7 * time_s)))
        face[lips_y + opened : chin_y, lips_x] = portrait[lips_y : chin_y - opened, lips_x]
        face[lips_y : lips_y + opened, lips_x] = (60, 20, 20)
        return face

    def draw(time_s: float, width: int, height: int) -> NDArray[np.uint8]:
        sway = round(6 * np.sin(2 * np.pi * time_s / 2))
        return np.hstack([np.roll(one, sway, axis=1) for one in (portrait, talking(time_s))])

    film = replace(constant(25, length_s), picture=draw, stored_size=(320, 160))
    return write_film(folder / "talking.mp4", film)


def make_cut(folder: Path, cut_s: float = 1.5) -> Path:
    """A hard cut from the marker's picture to a drifting texture, with a white flash before and after."""
    grain = np.random.default_rng(0).integers(0, 90, (120, 400, 1), np.uint8)

    def draw(time_s: float, width: int, height: int) -> NDArray[np.uint8]:
        if any(at <= time_s < at + 0.1 for at in (0.58, 2.38)):
            return np.full((height, width, 3), 255, np.uint8)
        if time_s < cut_s:
            return marker_picture(time_s, width, height)
        drift = int(time_s * 60)
        return np.concatenate([grain, grain // 2, grain * 2], 2)[:height, drift : drift + width]

    return write_film(folder / "cut.mp4", replace(constant(25), picture=draw, sound=()))


def _joined(parts: Sequence[Path], path: Path) -> Path:
    """Transport streams one after the other are one; what else is asked for is copied from it."""
    if parts[0].suffix == ".ts":
        whole = path if path.suffix == ".ts" else path.with_name(f"{path.stem}_joined.ts")
        whole.write_bytes(b"".join(part.read_bytes() for part in parts))
        if whole != path:
            _ffmpeg("-i", whole, "-c", "copy", path)
        return path
    listed = path.with_suffix(".txt")
    listed.write_text("".join(f"file '{part.name}'\n" for part in parts), encoding="utf-8")
    _ffmpeg("-f", "concat", "-i", listed, "-c", "copy", path)
    return path


def _ffmpeg(*arguments: object) -> None:
    import imageio_ffmpeg

    program = imageio_ffmpeg.get_ffmpeg_exe()
    subprocess.run([program, "-v", "error", "-nostdin", "-y", *map(str, arguments)], check=True)


SINGLE: tuple[Callable[[Path], Path], ...] = (
    make_avi,
    make_no_audio,
    make_audio_only,
    make_cover_art,
    make_silence,
    make_subtitled,
    make_truncated,
    make_headless,
    make_damaged,
    make_zero_length,
    make_image,
    make_empty,
    make_text,
    make_playlist,
)


def make_all(folder: Path) -> list[Path]:
    """Every film and every fault."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        *(make_clock(name, folder) for name in CLOCKS),
        *(make(folder) for make in SINGLE),
        *(make_faces(folder, faces) for faces in (0, 1, 2)),
    ]


if __name__ == "__main__":
    for made in make_all(Path(sys.argv[1])):
        print(made)
