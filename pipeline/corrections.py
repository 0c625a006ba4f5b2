"""Transcripts that a person corrected: noticed in the results, kept, and used until they are withdrawn.

Whoever opens ``transcript.srt``, ``.vtt`` or ``.csv`` in a folder of results, corrects it, saves it and runs
the same command again is given an analysis of the corrected words. A file was corrected where its bytes are
not those that were published. What was corrected lies in the work folder from then on, since the published
files are written anew from it, beside a copy of the file as the person saved it.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from pipeline.engine.files import private_folder, read_state, replacing, write_private
from pipeline.media.container import MediaError
from pipeline.media.subtitles import parse_whole
from pipeline.records import ANALYSIS_FILE, read_record
from pipeline.run_record import read_run
from pipeline.text.corrections import CORRECTIONS, WRITTEN, Correction, Edited, corrected, lost_letters
from pipeline.types import Analysis, ModelCard, Status, Transcript
from pipeline.writers.captions import CSV, SRT, VTT

KEPT, PUBLISHED = "correction.json", "published.json"  # in the folder for corrections
FILES = (SRT, VTT, CSV)
NO_WORDS = Transcript((), Status.NO_TRANSCRIPT, WRITTEN)
RECOGNISER = "transcript"  # what an analysis calls the model that recognised its words


@dataclass(frozen=True, slots=True)
class Published:
    """What the last run left for a person to edit.

    ``digests`` of each file: two while one takes the other's place. ``is_corrected``: whether the transcript
    is one that a person had corrected before. ``card``: of the model that recognised its words, if one did.
    """

    video: str
    digests: dict[str, list[str]]
    transcript: Transcript
    is_corrected: bool = False
    card: ModelCard | None = None


RECORDS = TypeAdapter(Published)


@dataclass(frozen=True, slots=True)
class Copy:
    """A file as a person saved it."""

    name: str
    data: bytes

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a folder of results stands: the correction in force, files edited since, and what to say of it.

    ``published`` is None where no run left a record of what it published.
    """

    correction: Correction | None = None
    edited: tuple[Copy, ...] = ()
    notes: tuple[str, ...] = ()
    published: Published | None = None

    def replaceable(self, name: str) -> frozenset[str] | None:
        """Digests of a published file that may be written over; None: whatever lies there."""
        if self.published is None or name not in FILES:
            return None
        kept = {copy.digest for copy in self.edited if copy.name == name}
        return frozenset({*self.published.digests.get(name, ()), *kept})


def standing(folder: Path, home: Path, video_digest: Callable[[], str]) -> Standing:
    """Look for corrections in a folder of results, and in ``home``, where they are kept; writes nothing.

    The newest edited file is read; a correction that is in force goes where all three files were deleted,
    where nothing differs any more, and where the results are those of another video.

    Raises:
        MediaError: an edited file cannot be read; the sentence names the line.
    """
    kept, published = _kept(home), read_state(home / PUBLISHED, RECORDS)
    if published is None:
        kept, published = _by_record(folder, kept)
    if published is None:
        return Standing(kept if kept is not None and kept.video == video_digest() else None)
    edited = _edited(folder, published)
    if published.video != video_digest():
        return Standing(None, edited, _of_another_video(edited, kept, home), published)
    if kept is not None and kept.video != published.video:
        kept = None
    if edited:
        newest, *others = edited
        notes = tuple(
            f"{one.name} was edited too, but before {newest.name}, and was not used; a copy is in {home}"
            for one in others
        )
        return Standing(_correction(folder, newest, published, kept), edited, notes, published)
    if kept is not None and _are_deleted(folder, published):
        note = (
            f"{', '.join(FILES)} were deleted, so the correction by hand is withdrawn; a copy of "
            f"{kept.file} is in {home}"
        )
        return Standing(None, (), (note,), published)
    return Standing(kept, (), (), published)


def keep(home: Path, state: Standing) -> None:
    """Keep the correction in force, and a copy of each edited file, for their owner only.

    Raises:
        OSError: the disk cannot keep it.
    """
    if state.edited or state.correction is not None:
        private_folder(home)
    for copy in state.edited:
        _write(home / copy.name, copy.data)
    if state.correction is None:
        (home / KEPT).unlink(missing_ok=True)
    else:
        _write(home / KEPT, CORRECTIONS.dump_json(state.correction, indent=1))


def record(home: Path, published: Published) -> None:
    """Write down what is published, before it is and again after.

    Raises:
        OSError: the disk cannot keep it.
    """
    private_folder(home)
    write_private(home / PUBLISHED, RECORDS.dump_json(published, indent=1).decode())


def kept_file(home: Path) -> Path:
    """Where the correction in force is kept."""
    return home / KEPT


def _write(path: Path, data: bytes) -> None:
    if not path.is_file() or path.read_bytes() != data:
        with replacing(path) as scratch:
            scratch.write_bytes(data)


def _kept(home: Path) -> Correction | None:
    path = kept_file(home)
    correction = read_state(path, CORRECTIONS)
    if correction is None and path.exists():
        raise MediaError(
            f"{path}, which keeps a transcript corrected by hand, is damaged: remove it, and give the copy "
            "beside it with --transcript."
        )
    return correction


def _edited(folder: Path, published: Published) -> tuple[Copy, ...]:
    """The files that hold other bytes than were published, the newest first."""
    files = []
    for name, digests in published.digests.items():
        path = folder / name
        if name not in FILES or not path.is_file():
            continue
        try:
            age, copy = path.stat().st_mtime_ns, Copy(name, path.read_bytes())
        except OSError as error:
            raise MediaError(f"{path} cannot be read ({error.strerror}); mend or move it.") from None
        if copy.digest not in digests:
            files.append((age, copy))
    return tuple(copy for _, copy in sorted(files, key=lambda one: one[0], reverse=True))


def _are_deleted(folder: Path, published: Published) -> bool:
    names = [name for name in published.digests if name in FILES]
    return bool(names) and not any((folder / name).exists() for name in names)


def _correction(
    folder: Path, edited: Copy, published: Published, kept: Correction | None
) -> Correction | None:
    """What the edited file makes of the transcript that was published; None where it changes nothing."""
    try:
        edited_lines = Edited(*parse_whole(edited.data, str(folder / edited.name)))
        if (line := lost_letters(edited_lines, published.transcript)) is not None:
            what = f"holds question marks where letters were ({line[:40]}): save it as UTF-8"
            raise MediaError(f"{folder / edited.name} {what}.")
    except MediaError as error:
        raise MediaError(
            f"{str(error).rstrip('.')}; it was edited by hand and nothing is overwritten: mend it, or delete "
            "it to have the words of the last run."
        ) from None
    is_corrected = published.is_corrected and kept is not None
    original = kept.original if is_corrected and kept is not None else published.transcript
    made = corrected(edited_lines, published.transcript, original)
    if not made.differ and not made.gone:
        return None
    return Correction(
        published.video, edited.name, original, made.transcript, made.differ, made.gone, published.card
    )


def _of_another_video(edited: tuple[Copy, ...], kept: Correction | None, home: Path) -> tuple[str, ...]:
    names = sorted({*(copy.name for copy in edited), *([kept.file] if kept else [])})
    if not names:
        return ()
    return (
        f"{', '.join(names)}, corrected by hand, belonged to another video and was not used; a copy is in "
        f"{home}, to be given with --transcript if the words are the same",
    )


def _by_record(folder: Path, kept: Correction | None) -> tuple[Correction | None, Published | None]:
    """What ``run.json`` says was published, and corrected, where the work folder has been removed.

    Of words that were corrected the table counts as edited once more where nothing else holds them.
    """
    run = read_run(folder)
    digests = {name: [digest] for name, digest in (run.digests if run else {}).items() if name in FILES}
    if run is None or not digests:
        return kept, None
    is_corrected = run.corrected is not None
    try:
        analysis = read_record(folder / ANALYSIS_FILE, Analysis)
    except (OSError, ValueError):
        edited = {CSV: list[str]()} if is_corrected and kept is None else {}
        return kept, Published(run.sha256, digests | edited, NO_WORDS, is_corrected)
    transcript, card = analysis.transcript, analysis.models.get(RECOGNISER)
    if kept is None and run.corrected is not None:
        made = run.corrected
        kept = Correction(run.sha256, made.file, transcript, transcript, made.differ, made.left_out, card)
    return kept, Published(run.sha256, digests, transcript, is_corrected, card)
