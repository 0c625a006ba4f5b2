"""What streams a container holds and which are read: written rules, and a sentence where there was a choice.

- picture: never a cover or a thumbnail; one that moves before a single image; the default; the largest; the
  first
- sound: the track asked for by its number, else in the language asked for; a commentary or a description of
  the picture last; the default; the first
- subtitles: text before pictures of text; forced ones, which hold signs and foreign passages only, last; the
  language asked for; the sound's; the default; those for the hard of hearing after the others; the first
"""

from __future__ import annotations  # PyAV's classes are generic to a type checker only

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from av.container import InputContainer
from av.stream import Disposition

from pipeline.media.language import language_name, normal_code
from pipeline.types import SubtitleStream

Kind = Literal["video", "audio", "subtitle"]

# Subtitles stored as text; the others are pictures of text.
TEXT_SUBTITLES = frozenset({"subrip", "srt", "ass", "ssa", "webvtt", "mov_text", "text"})
_NO_FILM = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
_ASIDE = Disposition.comment | Disposition.visual_impaired


@dataclass(frozen=True, slots=True)
class StreamChoice:
    """What a person said of the streams: the spoken language, and the number of the sound track from 1 on."""

    language: str | None = None
    audio_track: int | None = None


NO_CHOICE = StreamChoice()


@dataclass(frozen=True, slots=True)
class Stream:
    """A picture or sound stream. ``number`` counts those of its kind from 1, as players do.

    ``codec`` None: nothing here can decode it. ``aside``: a cover or thumbnail; a commentary or a description
    of the picture. ``area_px`` is 0 for sound.
    """

    index: int
    kind: Kind
    number: int
    codec: str | None
    language: str | None = None
    default: bool = False
    aside: bool = False
    area_px: int = 0
    single_image: bool = False


@dataclass(frozen=True, slots=True)
class SubtitleName:
    """What the name of a subtitle file says of it; ``language`` as it is written there.

    ``default`` is the one that bears the film's name and nothing else.
    """

    language: str | None
    default: bool = False
    forced: bool = False
    hearing_impaired: bool = False


@dataclass(frozen=True, slots=True)
class Inventory:
    """Every stream of a container that a person could mean, in its order."""

    pictures: tuple[Stream, ...]
    sounds: tuple[Stream, ...]
    subtitles: tuple[SubtitleStream, ...]


def inventory(container: InputContainer) -> Inventory:
    """List a container's streams; what is neither picture, sound nor subtitle is not among them."""
    numbers: Counter[str] = Counter()
    pictures, sounds, subtitles = list[Stream](), list[Stream](), list[SubtitleStream]()
    for stream in container.streams:
        numbers[stream.type] += 1
        context = stream.codec_context
        codec = context.name if context is not None else None
        marks = stream.disposition
        if stream.type == "subtitle":
            subtitles.append(
                SubtitleStream(
                    stream.index,
                    codec or "unknown codec",
                    stream.language,
                    default=bool(marks & Disposition.default),
                    forced=bool(marks & Disposition.forced),
                    hearing_impaired=bool(marks & Disposition.hearing_impaired),
                    is_text=codec in TEXT_SUBTITLES,
                )
            )
        elif stream.type in ("video", "audio"):
            is_picture = stream.type == "video"
            (pictures if is_picture else sounds).append(
                Stream(
                    index=stream.index,
                    kind="video" if is_picture else "audio",
                    number=numbers[stream.type],
                    codec=codec,
                    language=normal_code(stream.language),
                    default=bool(marks & Disposition.default),
                    aside=bool(marks & (_NO_FILM if is_picture else _ASIDE)),
                    area_px=context.width * context.height if is_picture and context is not None else 0,
                )
            )
    return Inventory(tuple(pictures), tuple(sounds), tuple(subtitles))


def ranked_pictures(streams: Sequence[Stream]) -> list[Stream]:
    """Those that can be the film, the one that is meant first."""
    films = (one for one in streams if not one.aside)
    return sorted(films, key=lambda one: (one.single_image, not one.default, -one.area_px, one.index))


def ranked_sounds(streams: Sequence[Stream], choice: StreamChoice) -> list[Stream]:
    """The one that is meant first; only the one whose number was asked for, where one was."""
    if choice.audio_track is not None:
        return [one for one in streams if one.number == choice.audio_track]
    wanted = normal_code(choice.language)
    return sorted(
        streams,
        key=lambda one: (
            wanted is not None and one.language != wanted,
            one.aside,
            not one.default,
            one.index,
        ),
    )


def ranked_subtitles(
    streams: Sequence[SubtitleStream], language: str | None, sound_language: str | None
) -> list[SubtitleStream]:
    """Those stored as text, the one that is meant first."""
    return sorted(
        (one for one in streams if one.is_text),
        key=lambda one: (preference(one, language, sound_language), one.index),
    )


def preference(
    track: SubtitleName | SubtitleStream, language: str | None, sound_language: str | None
) -> tuple[int, int, int, int]:
    """A rank, the least being the best: forced last, then by language, then default, hearing-impaired after.

    The language asked for comes first, then the sound's; where either is known, a track of unknown language
    comes before one of another language.
    """
    code = normal_code(track.language)
    wanted = [normal_code(language), normal_code(sound_language)]
    if code is not None and code in wanted:
        by_language = wanted.index(code)
    else:
        by_language = 2 if code is None or not any(wanted) else 3
    return (int(track.forced), by_language, int(not track.default), int(track.hearing_impaired))


S = TypeVar("S", Stream, SubtitleStream)


def choice_note(noun: str, chosen: S, among: Sequence[S]) -> str:
    """One sentence that says what was chosen from what; empty where there was no choice."""
    if len(among) < 2:
        return ""
    listed = ", ".join(_described(one) for one in among)
    return f"Of {len(among)} {noun} streams, {listed}, the one read is {_described(chosen)}."


def _described(stream: Stream | SubtitleStream) -> str:
    """``2 (English, forced)``: the number, and what tells it from its siblings."""
    if isinstance(stream, SubtitleStream):
        marks = {
            language_name(stream.language): True,
            "forced": stream.forced,
            "for the hard of hearing": stream.hearing_impaired,
            "pictures of text": not stream.is_text,
        }
        return f"stream {stream.index} ({', '.join(name for name, holds in marks.items() if holds)})"
    marks = {
        language_name(stream.language): stream.kind == "audio",
        f"{stream.area_px / 1e6:.2f} megapixels": stream.kind == "video",
        "a cover or thumbnail": stream.aside and stream.kind == "video",
        "a commentary or description": stream.aside and stream.kind == "audio",
        "a single image": stream.single_image,
        "default": stream.default,
        "of a codec unknown here": stream.codec is None,
    }
    return f"{stream.number} ({', '.join(name for name, holds in marks.items() if holds)})"
