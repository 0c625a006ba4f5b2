"""How labelled files and texts are put to a back-end: through the code that reads films."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.labels import to_scores
from pipeline.models.load import load_backend
from pipeline.train.examples import LabelledSet
from pipeline.types import ModelCard, Scores

if TYPE_CHECKING:
    from pipeline.face.backends import Detection, FaceDetector, Image
    from pipeline.voice.backends import Samples

Outcome = tuple[int, Scores | str]  # place of an example; its answer, or why there is none

BATCH = 16
FRAME_PX = 1280  # photos are brought down to the size films are read at
FACE_PX = 224
SHORTEST_S, LONGEST_S = (
    0.2,
    15.0,
)  # a clip longer than that is read in equal pieces whose answers are averaged

UNREADABLE = "the file cannot be read"
NO_FACE = "no face was found"
TOO_SHORT = f"shorter than {SHORTEST_S} s"
NO_TEXT = "the text is empty"
OTHER_LANGUAGE = "in a language the model does not read"


@dataclass(frozen=True, slots=True)
class How:
    """How examples are put to a back-end; see :func:`score`. ``spoken``: texts are known to be speech."""

    detect: bool = False
    known_speaker: bool = False
    language: str | None = None
    spoken: bool = False


def _batched(places: Sequence[int], size: int = BATCH) -> Iterator[Sequence[int]]:
    for first in range(0, len(places), size):
        yield places[first : first + size]


def _read_faces(backend: Any, examples: LabelledSet, wanted: Sequence[int], how: How) -> Iterator[Outcome]:
    detector = face_detector() if how.detect else None
    for batch in _batched(wanted):
        crops: dict[int, Image] = {}
        for place in batch:
            crop = read_face(examples.root / examples.examples[place].source, detector)
            if isinstance(crop, str):
                yield place, crop
            else:
                crops[place] = crop
        yield from zip(crops, backend(list(crops.values())), strict=True)


def face_detector() -> "FaceDetector":
    """The detector an analysis takes by itself: YuNet when it was fetched, else Haar."""
    from pipeline.face.backends import DETECTORS
    from pipeline.models.known import known_for

    detector: FaceDetector = load_backend(DETECTORS, "yunet" if known_for("yunet").is_here else "haar", "cpu")
    return detector


def read_face(path: Path, detector: "FaceDetector | None", margin: bool = True) -> "Image | str":
    """A picture as the crop that a model is given, or why there is none.

    Without a detector the picture is the face; with one, it is the main face found, cut as in films.
    ``margin`` False: a given face without its repeated border, to look at.
    """
    import cv2

    from pipeline.face.crop import cut
    from pipeline.face.geometry import shrunk, square_of

    try:
        coded = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError:
        return UNREADABLE
    picture = cv2.imdecode(coded, cv2.IMREAD_COLOR) if len(coded) else None
    if picture is None:
        return UNREADABLE
    image: Image = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
    if detector is None:
        return given_crop(image) if margin else image
    image, _ = shrunk(image, FRAME_PX)
    face = _main_face(image, detector)
    return NO_FACE if face is None else cut(image, square_of(face), FACE_PX)


def _main_face(image: "Image", detector: "FaceDetector") -> "Detection | None":
    """The widest face; looked for at the size that films are, then in full; doubtful ones give way."""
    from pipeline.face.track import LOOK_OUT_PX

    whole = max(image.shape[:2])
    faces = detector.scan(image, min(whole, LOOK_OUT_PX)) or detector.scan(image, whole)
    if len(faces) > 1:
        faces = [one for one in faces if detector.vouch(image, one.box)] or faces
    return max(faces, key=lambda one: one.box[2], default=None)


def given_crop(face: "Image") -> "Image":
    """A cropped face as a stored crop: made square, then its border repeated as the margin around it."""
    import cv2

    from pipeline.face.crop import MARGIN

    height, width = face.shape[:2]
    side = max(height, width)
    margin = round(side * (MARGIN - 1) / 2)
    above, left = (side - height) // 2, (side - width) // 2
    wide = cv2.copyMakeBorder(
        face,
        margin + above,
        margin + side - height - above,
        margin + left,
        margin + side - width - left,
        cv2.BORDER_REPLICATE,
    )
    return np.asarray(wide, np.uint8)


def knows_speakers(backend: Any) -> bool:
    """Whether a voice back-end can be told what else a speaker said."""
    return hasattr(backend, "of_speaker")


def _read_clips(backend: Any, examples: LabelledSet, wanted: Sequence[int], how: How) -> Iterator[Outcome]:
    if not (how.known_speaker and knows_speakers(backend)):
        for batch in _batched(wanted):
            yield from _read_speaker(backend, examples, batch, known=False)
        return
    groups: dict[str, list[int]] = {}
    for place in wanted:
        groups.setdefault(examples.examples[place].group, []).append(place)
    for group, places in groups.items():
        yield from _read_speaker(backend, examples, places, known=bool(group))


def _read_speaker(
    backend: Any, examples: LabelledSet, places: Sequence[int], known: bool
) -> Iterator[Outcome]:
    clips: dict[int, Samples] = {}
    for place in places:
        clip = read_clip(examples.root / examples.examples[place].source)
        if isinstance(clip, str):
            yield place, clip
        else:
            clips[place] = clip
    heard = list(clips.values())
    # The speaker is heard anew for every batch of ``of_speaker``, so all clips go in one.
    for batch in _batched(list(clips), max(1, len(clips)) if known else BATCH):
        pieces = [_pieces(clips[place]) for place in batch]
        windows = [one for parts in pieces for one in parts]
        answers = iter(backend.of_speaker(windows, heard) if known else backend(windows, None))
        for place, parts in zip(batch, pieces, strict=True):
            yield place, _averaged([next(answers) for _ in parts], backend.card)


def read_clip(path: Path) -> "Samples | str":
    """The sound of a clip, or why there is none."""
    from pipeline.media.audio import SAMPLE_RATE_HZ
    from pipeline.media.waveform import read_waveform

    try:
        clip = read_waveform(path)
    except ValueError:
        return UNREADABLE
    return clip if clip.size >= SHORTEST_S * SAMPLE_RATE_HZ else TOO_SHORT


def _pieces(clip: "Samples") -> list["Samples"]:
    from pipeline.media.audio import SAMPLE_RATE_HZ

    return np.array_split(clip, max(1, -(-clip.size // round(LONGEST_S * SAMPLE_RATE_HZ))))


def _averaged(scores: Sequence[Scores], card: ModelCard) -> Scores:
    if len(scores) == 1:
        return scores[0]
    native = np.mean([[one.native[label] for label in card.labels] for one in scores], axis=0)
    return to_scores(card.labels, native.tolist(), card.canonical)


def _read_texts(backend: Any, examples: LabelledSet, wanted: Sequence[int], how: How) -> Iterator[Outcome]:
    from pipeline.media.language import line_language, normal_code, transcript_language
    from pipeline.text.backends import reading_of

    texts = [one.source for one in examples.examples]
    whole = transcript_language(texts, how.language)
    read = reading_of(backend, how.spoken)
    for batch in _batched(wanted):
        written = [place for place in batch if texts[place].strip()]
        yield from ((place, NO_TEXT) for place in batch if place not in written)
        languages = [normal_code(how.language) or line_language(texts[place], whole) for place in written]
        answers = read([texts[place] for place in written], languages)
        for place, answer in zip(written, answers, strict=True):
            yield place, OTHER_LANGUAGE if answer is None else answer


Reader = Callable[[Any, LabelledSet, Sequence[int], How], Iterator[Outcome]]
READERS: Mapping[str, Reader] = {"face": _read_faces, "voice": _read_clips, "text": _read_texts}
