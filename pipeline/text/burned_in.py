"""Transcript from subtitles that are part of the picture: found on a few pictures, read once per change.

A look at a few pictures within speech tells whether there are any, for about a second of processor time.
Only then the video is gone through, and of each sampled picture no more than the strips in which writing
changes; those are read again only when the writing in them changes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.config import ConfigError, TranscriptSection
from pipeline.media.cues import count_of, spoken_lines
from pipeline.media.frames import Frame, iter_frames
from pipeline.media.key_frames import key_frames
from pipeline.models.cards import ModelError
from pipeline.models.known import known_for
from pipeline.overlap import Overlaps
from pipeline.text import bands, ocr
from pipeline.text.bands import Line, Row, Sample, Strip
from pipeline.text.transcribe import Heard, Request
from pipeline.types import US_PER_S, ModelCard, Span, Utterance, united

SOURCE = "burned-in"
# Longer side of the pictures, and of what the detector sees of them.
PICTURE_PX, DETECTOR_PX, STRIP_DETECTOR_PX = 1280, 640, 960
SAMPLE_FPS = 5.0
# The probe: key frames, and where they are far apart others out of the beginning of the video.
KEY_FRAME_TRIES, MIN_KEY_FRAMES, MAX_KEY_FRAMES = 16, 4, 8
EARLY_PICTURES, MAX_PROBE_US = 6, 8 * US_PER_S
# After so many pictures without writing there is none: where subtitles cover 60 %, one video in 40 has none
# in 4 pictures.
ENOUGH_WITHOUT = 4
MIN_COVERAGE = 0.6  # of the speech, in ``auto``
SAMPLES_TO_JUDGEMENT = 30  # whether to go on; then after twice as many
# Writing is unchanged from this correlation of its strokes on; it is looked at again after so many samples.
MIN_CORRELATION = 0.85
SAMPLES_TO_NEXT_LOOK = 3
# A new line may be fading in: it is read so often, or until two readings agree.
READINGS_OF_A_LINE = 3
# Mean absolute difference in grey levels below which a strip without writing is the same as before.
MAX_STILL_LEVELS = 1.5


def transcribe(request: Request) -> Heard | None:
    """What the subtitles in the picture say; with ``auto`` None where they are not to be trusted as words.

    They are to be where they change with the speech and stand over at least ``MIN_COVERAGE`` of it. Asked for
    by name, they need not cover so much, nor change, and there need be no speech.

    Raises:
        ConfigError: asked for by name, and there are none.
        ModelError: asked for by name, and the model that reads them is missing or damaged.
        MediaError: the video cannot be read.
    """
    media, is_asked = request.media, request.settings.source == SOURCE
    has_picture = media.video_index is not None
    known = known_for(SOURCE)
    if not is_asked and not (has_picture and request.speech and known.is_here):
        return None
    lines: list[Line] = []
    coverage, where = 0.0, ""
    if has_picture:
        try:
            reader = ocr.load(known)
        except ModelError as error:
            if is_asked:
                raise
            return Heard((), losses=(f"Subtitles in the picture were not looked for: {error}.",))
        strips, size = find_strips(request, reader, request.speech or (Span(0, media.duration_us),))
        lines, coverage, where = read_strips(request, reader, strips, size)
    if is_asked and not lines:
        raise ConfigError(
            f"transcript.source is '{SOURCE}' but no subtitles were found in the picture; use 'auto'"
        )
    if not lines or (not is_asked and coverage < MIN_COVERAGE):
        return None
    made = spoken_lines(
        bands.cues_of(lines),
        "the subtitles in the picture",
        media.duration_us,
        request.settings.language,
        media.audio_language,
    )
    spoken = bands.joined(made.lines)
    count = count_of(len(spoken), "line")
    note = f"The words were read from the subtitles in the picture ({count}, {where})."
    scores = _confidences([one.span for one in spoken], lines)
    return Heard(
        tuple(
            Utterance(one.span, one.text, None, SOURCE, speaker=one.speaker, confidence=score)
            for one, score in zip(spoken, scores, strict=True)
        ),
        note=" ".join((note, *made.notes)),
        losses=made.losses,
    )


def card(settings: TranscriptSection) -> ModelCard:
    """What reads them, whatever the settings."""
    return known_for(SOURCE).card()


def find_strips(
    request: Request, reader: ocr.Ocr, speech: Sequence[Span]
) -> tuple[list[Strip], tuple[int, int]]:
    """Strips of the picture in which writing changes, and the picture's width and height in their pixels."""
    pictures: list[list[Row]] = []
    size = (1, 1)
    for frame in probe_frames(request, speech):
        size = frame.image.shape[1], frame.image.shape[0]
        pictures.append(list(_rows(reader, frame.image, DETECTOR_PX, size[1])))
        if len(pictures) >= ENOUGH_WITHOUT and not any(pictures):
            break
    return bands.strips(pictures, size[1], _min_texts(request)), size


def probe_frames(request: Request, speech: Sequence[Span]) -> Iterator[Frame]:
    """A few frames within speech, already the first ones spread over the video; key frames if enough."""
    near = united(
        Span(max(0, s.start_us - bands.SPEECH_MARGIN_US), s.end_us + bands.SPEECH_MARGIN_US) for s in speech
    )
    path, media = request.source, request.media
    keys = key_frames(path, media, within(near, KEY_FRAME_TRIES), PICTURE_PX)
    keys = [frame for frame in keys if any(s.start_us <= frame.time_us < s.end_us for s in near)]
    if len(keys) >= MIN_KEY_FRAMES:
        count = min(MAX_KEY_FRAMES, len(keys))
        chosen = [keys[i] for i in np.linspace(0, len(keys) - 1, count).round().astype(int)]
        yield from chosen[::2]
        yield from chosen[1::2]
        return
    early = united(Span(s.start_us, min(s.end_us, MAX_PROBE_US)) for s in near if s.start_us < MAX_PROBE_US)
    wanted = within(early, EARLY_PICTURES)
    taken: list[Frame] = []
    for frame in iter_frames(path, media, SAMPLE_FPS, PICTURE_PX):
        if len(taken) == len(wanted) or frame.time_us > MAX_PROBE_US:
            break
        if frame.time_us >= wanted[len(taken)]:
            taken.append(frame)
    yield from taken[::2]
    yield from (frame for frame in keys if frame.time_us > MAX_PROBE_US)
    yield from taken[1::2]


def within(spans: Sequence[Span], count: int) -> list[int]:
    """So many times, evenly over the time of some spans in order; none where there is no time."""
    total = sum(span.duration_us for span in spans)
    times: list[int] = []
    passed = 0
    for span in spans:
        while len(times) < count:
            offset = total * (2 * len(times) + 1) // (2 * count) - passed
            if offset >= span.duration_us:
                break
            times.append(span.start_us + offset)
        passed += span.duration_us
    return times


def read_strips(
    request: Request, reader: ocr.Ocr, strips: Sequence[Strip], size: tuple[int, int]
) -> tuple[list[Line], float, str]:
    """The lines of subtitles, which fraction of speech they stand over, and where they stand in words."""
    if not strips:
        return [], 0.0, ""
    media, min_texts = request.media, _min_texts(request)
    followers = [_Follower(reader, strip, size[1]) for strip in strips]
    judged_at = SAMPLES_TO_JUDGEMENT
    for index, frame in enumerate(iter_frames(request.source, media, SAMPLE_FPS, PICTURE_PX), 1):
        for follower in followers:
            follower.add(frame)
        request.progress(min(1.0, frame.time_us / max(1, media.duration_us)))
        if min_texts > 1 and index == judged_at:
            judged_at *= 2
            so_far = [line for f in followers for line in bands.lines_of(f.samples)]
            if bands.is_hopeless(so_far, request.speech, frame.time_us, MIN_COVERAGE):
                return [], 0.0, ""
    lines = [
        bands.in_band(bands.without_standing(bands.lines_of(f.samples), media.duration_us)) for f in followers
    ]
    chosen = bands.subtitle_bands(lines, request.speech, min_texts)
    kept = sorted((line for i in chosen for line in lines[i]), key=lambda line: (line.span, line.box.top_px))
    coverage = bands.fraction_over(request.speech, united(line.span for line in kept))
    where = dict.fromkeys(_where(strips[i], size[1]) for i in chosen)
    return kept, coverage, " and ".join(where)


def _min_texts(request: Request) -> int:
    """How many texts must follow each other: whoever asks for subtitles may have a video of one line."""
    return 1 if request.settings.source == SOURCE else 2


def _where(strip: Strip, height_px: int) -> str:
    middle = (strip.top_px + strip.bottom_px) / 2 / height_px
    return f"band at the {'bottom' if middle > 2 / 3 else 'top' if middle < 1 / 3 else 'middle'}"


def _confidences(spans: Sequence[Span], lines: Sequence[Line]) -> list[float | None]:
    """Of each span the mean probability of the characters read in it; None where there are none."""
    overlaps = Overlaps(line.span for line in lines)
    read = ([lines[i] for i in overlaps.during(span)] for span in spans)
    return [round(bands.mean_score(one), 4) if one else None for one in read]


@dataclass(slots=True)
class _Follower:
    """Reads one strip from picture to picture, as seldom as it can."""

    reader: ocr.Ocr
    strip: Strip
    height_px: int
    samples: list[Sample] = field(default_factory=list)
    _rows: tuple[Row, ...] = ()
    _strokes: NDArray[np.float32] | None = None
    _readings: int = 0  # of what stands there now
    _is_settled: bool = False
    _since_look: int = 0

    def add(self, frame: Frame) -> None:
        """Read the strip of the next picture."""
        image = np.ascontiguousarray(frame.image[self.strip.top_px : self.strip.bottom_px])
        strokes = strokes_of(image)
        if not self._is_unchanged(strokes):
            self._look(image, strokes)
        else:
            self._since_look += 1
        self.samples.append(Sample(frame.time_us, self._rows))

    def _is_unchanged(self, strokes: NDArray[np.float32]) -> bool:
        if self._strokes is None:
            return False
        if not self._rows:
            return float(np.abs(strokes - self._strokes).mean()) < MAX_STILL_LEVELS
        return (
            self._is_settled
            and self._since_look < SAMPLES_TO_NEXT_LOOK
            and all(self._correlation(strokes, row) >= MIN_CORRELATION for row in self._rows)
        )

    def _correlation(self, strokes: NDArray[np.float32], row: Row) -> float:
        """Of the strokes inside a row's box, now and when it was read last."""
        assert self._strokes is not None
        top, bottom = round(row.box.top_px) - self.strip.top_px, round(row.box.bottom_px) - self.strip.top_px
        window = np.s_[max(0, top) : bottom, round(row.box.left_px) : round(row.box.right_px)]
        a, b = strokes[window], self._strokes[window]
        norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
        return float((a * b).sum()) / norm if norm else 0.0

    def _look(self, image: NDArray[np.uint8], strokes: NDArray[np.float32]) -> None:
        rows = tuple(
            replace(row, is_unchanged=bool(self._rows) and self._correlation(strokes, row) >= MIN_CORRELATION)
            for row in _rows(self.reader, image, STRIP_DETECTOR_PX, self.height_px, self.strip.top_px)
        )
        texts, before = [row.text for row in rows], [row.text for row in self._rows]
        is_same = len(rows) == len(self._rows) and all(
            bands.similarity(a, b) >= bands.MIN_SIMILARITY for a, b in zip(texts, before, strict=True)
        )
        self._readings = self._readings + 1 if is_same else 1
        self._is_settled = is_same and (texts == before or self._readings >= READINGS_OF_A_LINE)
        self._rows, self._strokes, self._since_look = rows, strokes, 0


def strokes_of(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What is finer than a character in an RGB strip, float32 ``(h, w)``: strokes, not what moves behind."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    strokes: NDArray[np.float32] = grey - cv2.GaussianBlur(grey, (0, 0), 4.0)
    return strokes


def _rows(
    reader: ocr.Ocr, image: NDArray[np.uint8], side_px: int, height_px: int, top_px: int = 0
) -> Iterator[Row]:
    """Rows of an image that are placed like subtitles in a picture ``height_px`` high, and are words.

    The image is the picture from ``top_px`` down; boxes are in pixels of the picture.
    """
    boxes = [
        box
        for box in bands.in_rows(reader.boxes(image, side_px))
        if bands.is_placed_like_a_subtitle(box, image.shape[1], height_px)
    ]
    for box in boxes if len(boxes) <= bands.MAX_ROWS_READ else ():
        text, score = reader.read(image, box)
        shifted = ocr.Box(box.left_px, box.top_px + top_px, box.right_px, box.bottom_px + top_px, box.score)
        row = Row(text, shifted, score)
        if bands.is_words(row):
            yield row
