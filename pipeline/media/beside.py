"""Which subtitle file beside a film is read, by its name; streams are ranked by the same rule."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.media.language import is_language, is_subtag, normal_code
from pipeline.media.streams import SubtitleName, preference
from pipeline.media.subtitles import SUFFIXES

MAX_NAMED = 5  # files that a sentence names
# What recorders and recognisers leave between the film's name and .srt: talk.mp4.srt, talk.wav.srt.
_MEDIA_SUFFIX = r"\.(mp4|m4v|mov|mkv|webm|avi|ts|mts|m2ts|flv|wmv|mpe?g|3gp|wav|mp3|m4a|aac|flac|ogg|opus)"
_MEDIA = re.compile(rf"{_MEDIA_SUFFIX}(?=\.|$)", re.IGNORECASE)
# Behind a space stands another title, unless in brackets.
_EXTRA = re.compile(r"[._-]| ?[\[(]")
_PARTS = re.compile(r"[.\-_ \[\]()]+")
_FORCED = frozenset({"forced", "foreign", "signs"})
_HEARING_IMPAIRED = frozenset({"sdh", "cc", "hi", "hoh"})
_NEUTRAL = frozenset({"default", "full", "auto", "orig", "original", "sub", "subs", "subtitle", "subtitles"})
_COPY = re.compile(r"\d{1,2}")  # talk.en.2.srt


@dataclass(frozen=True, slots=True)
class Choice:
    """The subtitle file that is read; ``note`` says what it was chosen from, where there were several."""

    path: Path
    note: str = ""


def find_beside(video: Path, language: str | None = None, sound_language: str | None = None) -> Choice | None:
    """The subtitle file that belongs to a video: ``talk.srt``, ``talk.zh.srt``, ``talk.mp4.srt``.

    Flags may follow or come before the language (``talk.en.sdh.srt``, ``talk.en-forced.srt``). A file
    whose name begins with that of another film in the folder belongs to that one. Names are compared without
    case and however accents are composed. Beside a symbolic link, files beside the link come before those
    beside its target. Of several the best by :func:`preference`, then .srt over .vtt over .ass, then the
    shortest name.
    """
    for film in dict.fromkeys((video, video.resolve())):
        tracks = _beside(film)
        if tracks:
            ordered = sorted(
                tracks,
                key=lambda path: (
                    preference(tracks[path], language, sound_language),
                    SUFFIXES.index(path.suffix.lower()),
                    len(path.name),
                    path.name,
                ),
            )
            return Choice(ordered[0], _note(ordered, tracks[ordered[0]], language, sound_language))
    return None


def _beside(film: Path) -> dict[Path, SubtitleName]:
    try:
        paths = sorted(film.parent.iterdir())
    except OSError:
        return {}
    start = _plain(film.stem)
    others = [
        path.stem
        for path in paths
        if _MEDIA.fullmatch(path.suffix)
        and _plain(path.stem).startswith(start)
        and _plain(path.stem) != start
    ]
    named = ((path, track_of(path.name, film.stem)) for path in paths if path.suffix.lower() in SUFFIXES)
    return {
        path: track
        for path, track in named
        if track is not None
        and path.is_file()
        and not any(track_of(path.name, other) is not None for other in others)
    }


def track_of(name: str, stem: str) -> SubtitleName | None:
    """What a subtitle file's name says about it; None when it belongs to another film than ``stem``'s."""
    written = unicodedata.normalize("NFC", name.rpartition(".")[0])
    plain, start = _plain(written), _plain(stem)
    if not plain.startswith(start):
        return None
    # Case tells a region; it is lost where folding changes lengths.
    behind = written[len(start) :] if len(written) == len(plain) else plain[len(start) :]
    extra = _MEDIA.sub("", behind, count=1)
    if not extra:
        return SubtitleName(None, default=True)
    if not _EXTRA.match(extra):
        return None
    parts = [part for part in _PARTS.split(extra) if part]
    flags = _FORCED | _NEUTRAL | (_HEARING_IMPAIRED - {"hi"})  # hi is Hindi where no language comes before
    index = next((i for i, part in enumerate(parts) if part.lower() not in flags), len(parts))
    language = parts[index] if index < len(parts) else None
    if language is not None and not is_language(language):
        return None
    known = _FORCED | _HEARING_IMPAIRED | _NEUTRAL
    before, after = parts[:index], parts[index + 1 :]
    if language is not None and not all(
        part.lower() in known or is_subtag(part, language) or _COPY.fullmatch(part) for part in after
    ):
        return None
    rest = [part.lower() for part in before + after]
    return SubtitleName(
        language.lower() if language else None,
        forced=not _FORCED.isdisjoint(rest),
        hearing_impaired=not _HEARING_IMPAIRED.isdisjoint(rest),
    )


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _note(
    ordered: Sequence[Path], chosen: SubtitleName, language: str | None, sound_language: str | None
) -> str:
    """What was chosen from what, where there was a choice or the language asked for was not among it."""
    code, asked = normal_code(chosen.language), normal_code(language)
    name = ordered[0].name
    if asked and code and code != asked:
        return f"No subtitle file in {asked} lies beside the film; {name} is read."
    if len(ordered) == 1:
        # talk_to.srt may be another talk's.
        is_loose = chosen.language is not None and re.search(
            rf"[_-]{re.escape(chosen.language)}$", _plain(ordered[0].stem)
        )
        return f"{name} is read as the film's subtitles; --transcript takes another." if is_loose else ""
    names = ", ".join(path.name for path in ordered[1 : MAX_NAMED + 1])
    more = f" and {len(ordered) - 1 - MAX_NAMED} more" if len(ordered) - 1 > MAX_NAMED else ""
    if asked and code == asked:
        why = "it is in the language asked for"
    elif code and code == normal_code(sound_language):
        why = "it is in the language of the sound"
    else:
        why = "its name is nearest to the film's"
    return (
        f"Of the subtitle files beside the film {name} is read, since {why}, not {names}{more}; "
        "--transcript takes another."
    )
