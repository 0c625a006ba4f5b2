"""Films whose streams and time stamps are out of the ordinary, by the real ffmpeg."""

import itertools
import subprocess
from collections.abc import Sequence
from pathlib import Path

import av
import imageio_ffmpeg

from tests.made.film import write_film
from tests.made.media import CLOCKS, SRT

ORDERS = tuple(itertools.permutations("vas"))


def ffmpeg(*arguments: object) -> None:
    """Run ffmpeg; what it makes is the last argument."""
    program = imageio_ffmpeg.get_ffmpeg_exe()
    subprocess.run([program, "-v", "error", "-nostdin", "-y", *map(str, arguments)], check=True)


def make_ordered(folder: Path, order: Sequence[str], suffix: str = ".mkv") -> Path:
    """The plain film with its picture (v), sound (a) and subtitles (s) in this order."""
    film, text = write_film(folder / "to_order.mkv", CLOCKS["plain.mp4"]), folder / "to_order.srt"
    text.write_text(SRT, encoding="utf-8")
    path = folder / f"ordered_{''.join(order)}{suffix}"
    maps = itertools.chain.from_iterable(("-map", {"v": "0:v", "a": "0:a", "s": "1"}[kind]) for kind in order)
    codec = "mov_text" if suffix == ".mp4" else "srt"
    ffmpeg("-i", film, "-i", text, *maps, "-c", "copy", "-c:s", codec, path)
    return path


def make_two_pictures(folder: Path) -> Path:
    """A small picture without sound first, then the film's own of 160 x 120; neither is the default."""
    film, path = write_film(folder / "beside.mkv", CLOCKS["plain.mp4"]), folder / "two_pictures.mkv"
    small = ("-f", "lavfi", "-i", "testsrc=s=80x60:r=25:d=3")
    ffmpeg(*small, "-i", film, "-map", "0:v", "-map", "1", "-c:v", "libx264", "-disposition:v", "0", path)
    return path


def make_two_sounds(folder: Path) -> Path:
    """English at 300 Hz, the default, and Chinese at 600 Hz."""
    path = folder / "two_sounds.mkv"
    tones = (("-f", "lavfi", "-i", f"sine=f={hz}:d=3") for hz in (300, 600))
    named = ("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=chi")
    picture = ("-f", "lavfi", "-i", "testsrc=s=80x60:r=25:d=3")
    maps = ("-map", "0:v", "-map", "1:a", "-map", "2:a")
    marks = ("-disposition:a:0", "default", "-disposition:a:1", "0")
    ffmpeg(*picture, *itertools.chain.from_iterable(tones), *maps, *named, *marks, path)
    return path


def make_subtitles(folder: Path, languages: Sequence[str], marks: Sequence[str]) -> Path:
    """A film with one subtitle stream per language; ``marks`` are ffmpeg's dispositions, "0" for none."""
    film, path = write_film(folder / "for_subtitles.mkv", CLOCKS["plain.mp4"]), folder / "subtitles.mkv"
    inputs, options = list[object](), list[object]()
    for i, (language, mark) in enumerate(zip(languages, marks, strict=True)):
        text = folder / f"sub{i}.srt"
        text.write_text(f"1\n00:00:00,500 --> 00:00:02,000\nline of stream {i}\n", encoding="utf-8")
        inputs += ["-i", text]
        options += ["-map", i + 1, f"-metadata:s:s:{i}", f"language={language}", f"-disposition:s:{i}", mark]
    ffmpeg("-i", film, *inputs, "-map", "0", *options, "-c", "copy", path)
    return path


def make_joined(folder: Path, suffix: str = ".ts") -> Path:
    """The plain film twice, byte by byte: the second half's time stamps start again."""
    film, part = write_film(folder / "to_join.mp4", CLOCKS["plain.mp4"]), folder / f"part{suffix}"
    coded = {
        ".ts": ("-c", "copy"),
        ".mkv": ("-c", "copy"),
        ".mpg": ("-c:v", "mpeg2video", "-c:a", "mp2"),
        ".ogv": ("-c:v", "libtheora", "-c:a", "libvorbis"),
        ".flv": ("-c", "copy"),
        ".mp4": ("-c", "copy", "-movflags", "frag_keyframe+empty_moov"),
    }
    ffmpeg("-i", film, *coded[suffix], part)
    path = folder / f"joined{suffix}"
    path.write_bytes(part.read_bytes() * 2)
    return path


def make_late_stream(folder: Path) -> Path:
    """Ten seconds of picture, then five of picture and sound: nothing at the beginning tells of the sound."""
    silent, spoken, path = folder / "silent.flv", folder / "spoken.flv", folder / "late_stream.flv"
    picture = ("-f", "lavfi", "-i", "testsrc=s=320x240:r=25:d=10,noise=alls=60", "-c:v", "flv", "-b:v", "8M")
    ffmpeg(*picture, "-an", silent)
    both = ("-f", "lavfi", "-i", "testsrc=s=320x240:r=25:d=5", "-f", "lavfi", "-i", "sine=d=5", "-c:v", "flv")
    ffmpeg(*both, "-c:a", "aac", spoken)
    header = 13  # FLV header and the size of the tag before the first, which there is none
    path.write_bytes(silent.read_bytes() + spoken.read_bytes()[header:])
    return path


def make_jump(folder: Path, name: str, by_s: float, at_s: float = 1.5) -> Path:
    """The plain film with all packets from a time on moved."""
    source, path = write_film(folder / "to_move.mp4", CLOCKS["plain.mp4"]), folder / name
    with av.open(str(source)) as film, av.open(str(path), "w") as copy:
        writers = {stream.index: copy.add_stream_from_template(stream) for stream in film.streams}
        for packet in film.demux():
            if packet.dts is None or packet.pts is None:
                continue
            if packet.dts * packet.time_base >= at_s:
                packet.dts += round(by_s / packet.time_base)
                packet.pts += round(by_s / packet.time_base)
            packet.stream = writers[packet.stream.index]
            copy.mux_one(packet)
    return path


def make_stray(folder: Path, by_ms: int, tags: Sequence[int] = (40,)) -> Path:
    """The plain film as flv with the time stamps of some of its tags moved."""
    source, path = folder / "to_stray.flv", folder / "stray.flv"
    ffmpeg("-i", write_film(folder / "to_stray.mp4", CLOCKS["plain.mp4"]), "-c", "copy", source)
    data = bytearray(source.read_bytes())
    at, tag = 13, 0  # after the header
    while at < len(data):
        if tag in tags:
            moved = int.from_bytes(data[at + 4 : at + 7], "big") + (data[at + 7] << 24) + by_ms
            data[at + 4 : at + 7], data[at + 7] = (moved & 0xFFFFFF).to_bytes(3, "big"), moved >> 24
        at, tag = at + 11 + int.from_bytes(data[at + 1 : at + 4], "big") + 4, tag + 1
    path.write_bytes(data)
    return path


def make_opposed(folder: Path) -> Path:
    """Stereo sound whose second channel is the first one's negative."""
    path = folder / "opposed.mp4"
    sound = ("-f", "lavfi", "-i", "sine=f=300:d=3", "-af", "pan=stereo|c0=c0|c1=-1*c0")
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=80x60:r=25:d=3", *sound, "-c:a", "aac", path)
    return path


def make_noisy_sound(folder: Path, begin: float = 0.3, end: float = 0.5) -> Path:
    """A film of which some packets of the sound are noise, as if they claimed other channels."""
    path = folder / "noisy_sound.mp4"
    film = write_film(folder / "quiet_sound.mp4", CLOCKS["plain.mp4"])
    data = bytearray(film.read_bytes())
    with av.open(str(film)) as container:
        sound = [(p.pos, p.size) for p in container.demux(audio=0) if p.size]
    for at, (position, size) in enumerate(sound):
        if begin <= at / len(sound) < end:
            data[position : position + size] = bytes((37 * i + 91 * at) % 251 for i in range(size))
    path.write_bytes(data)
    return path
