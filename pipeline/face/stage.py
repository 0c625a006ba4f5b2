"""The stages `faces` (who is to be seen where) and `face` (what their faces say)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config import FaceSection
from pipeline.engine.stage import Progress
from pipeline.face.backends import BACKENDS, DETECTORS, FaceBackend, FaceDetector
from pipeline.face.baseline import ROW_S, relative_to_own
from pipeline.face.persons import FaceSample, numbered, smoothed
from pipeline.labels import to_scores
from pipeline.media.mend import media_path
from pipeline.models.known import known_for
from pipeline.models.load import load_backend
from pipeline.records import (
    CARD_FILE,
    CUTS_FILE,
    FRAME_TIME_KEY,
    LOSSES_FILE,
    MEDIA_FILE,
    OBSERVATIONS_FILE,
    WARNINGS_FILE,
    read_record,
    read_records,
    write_record,
    write_records,
    write_sentences,
)
from pipeline.types import US_PER_S, MediaInfo, ModelCard, Observation, Scores, Span, Status

if TYPE_CHECKING:
    from pipeline.face.track import Found, ShapeOf
    from pipeline.media.cuts import CutFinder
    from pipeline.media.frames import DecodingLog

MODALITY = "face"
LANDMARKS = "landmarks"
# Frames are brought down to this longer side: a face a twentieth as wide still fills a model's input.
WORKING_PX = 1280
# A last frame stands as long as frames usually do; from this many times that on, the picture has ended.
LONGEST_LAST_FRAME = 1.5
OWN_BASELINE = (
    "faces were read relative to each person's own mean answer (face.own_baseline): what a face shows "
    "most of the time, calm too, is taken off; how far to believe such answers was not measured, so they "
    "weigh less as evidence of a conflict"
)


def run_faces(inputs: Mapping[str, Path], settings: FaceSection, out: Path, progress: Progress) -> None:
    """Write ``frames.npy`` (sampled times), ``cuts.npy``, ``samples.jsonl``, ``crops.bin`` (JPEG files).

    And ``shapes.npy``, float16 (n, 55), where the Face Landmarker is on this machine: of each row's face the
    52 values of ``mesh.BLENDSHAPES``, then yaw, pitch and roll in degrees (``FaceSample.shape_row``).

    Raises:
        ModelError: the chosen detector is not on this machine.
    """
    from pipeline.media.cuts import CutFinder
    from pipeline.media.frames import DecodingLog

    info = read_record(inputs["probe"] / MEDIA_FILE, MediaInfo)
    times: list[int] = []
    samples: list[FaceSample] = []
    shapes: list[NDArray[np.float16]] = []  # an hour of them as Python numbers would be 100 MB
    shots, log = CutFinder(), DecodingLog()
    seen_frames = _tracked(media_path(inputs), info, settings, shots, log) if info.has_video else ()
    with (out / "crops.bin").open("wb") as crops:
        for time_us, scale, certain in seen_frames:
            if time_us is not None:
                times.append(time_us)
                progress(min(1.0, time_us / max(1, info.duration_us)))
            for number, seen in certain:
                samples.append(seen.sample(f"track {number}", scale, crops.tell(), len(shapes)))
                crops.write(seen.jpeg)
                if (shape := seen.detection.shape) is not None:
                    shapes.append(np.array((*shape.blendshapes, *shape.pose_deg), np.float16))
    np.save(out / "frames.npy", np.array(times, np.int64))
    np.save(out / CUTS_FILE, shots.finish())
    if shapes:
        np.save(out / "shapes.npy", np.stack(shapes))
    write_records(out / "samples.jsonl", FaceSample, numbered(samples))
    write_sentences(out / LOSSES_FILE, log.losses())


def _tracked(
    source: Path, info: MediaInfo, settings: FaceSection, shots: "CutFinder", log: "DecodingLog"
) -> Iterator[tuple[int | None, float, list["Found"]]]:
    """Each sampled time, image pixels per display pixel, and the sightings that became certain with it.

    Those that became certain only at the end of the film come last, without a time; ``shots`` sees all, and
    ``log`` what could be decoded.
    """
    from pipeline.face.track import Tracker
    from pipeline.media.canvas import canvas_size
    from pipeline.media.frames import ahead, iter_frames

    _, scale = canvas_size(info, WORKING_PX)
    detector: FaceDetector = load_backend(DETECTORS, settings.detector, settings.device)
    shape_of = _shape_of(settings, detector)
    hold_us = round(settings.hold_s * US_PER_S)
    tracker = Tracker(detector, hold_us, settings.min_face_px * scale, settings.crop_px, shape_of)
    for frame in ahead(iter_frames(source, info, settings.sample_fps, WORKING_PX, log)):
        shots.step(frame.time_us, frame.image)
        yield frame.time_us, frame.scale, tracker.step(frame.time_us, frame.image)
    yield None, scale, tracker.finish()


def _shape_of(settings: FaceSection, detector: FaceDetector) -> "ShapeOf | None":
    """What measures faces whose shape the detector does not tell; None where its weights are not here."""
    landmarker: Any = detector
    if settings.detector != LANDMARKS:
        if not known_for(LANDMARKS).is_here:
            return None
        landmarker = load_backend(DETECTORS, LANDMARKS, settings.device)
    measure: ShapeOf = landmarker.shape
    return measure


def run_face(inputs: Mapping[str, Path], settings: FaceSection, out: Path, progress: Progress) -> None:
    """Write ``observations.jsonl``: one per sampled frame and person, or per frame without a face.

    Raises:
        ModelError: the chosen model is not on this machine or does not fit.
    """
    info = read_record(inputs["probe"] / MEDIA_FILE, MediaInfo)
    times: NDArray[np.int64] = np.load(inputs["faces"] / "frames.npy")
    samples = read_records(inputs["faces"] / "samples.jsonl", FaceSample)
    film = Span(0, info.duration_us)
    if not info.has_video or len(times) == 0:
        observations = [Observation(MODALITY, film, Status.NO_VIDEO)]
    else:
        raw: list[Scores] = []
        steady: list[Scores] = []
        if samples:
            backend: FaceBackend = load_backend(BACKENDS, settings.backend, settings.device)
            raw = _read(inputs["faces"] / "crops.bin", samples, backend, settings.batch_size, progress)
            card, used = backend.card, raw
            if settings.own_baseline:
                # The model's reliability was measured on its answers as they are.
                step_s = float(np.median(np.diff(times))) / US_PER_S if len(times) > 1 else 0.0
                used = relative_scores(samples, raw, card, step_s)
                card = replace(card, reliability=None)
                (out / WARNINGS_FILE).write_text(f"{OWN_BASELINE}\n", encoding="utf-8")
            steady = smoothed_scores(samples, used, card, settings.smoothing_s, settings.hold_s)
            write_record(out / CARD_FILE, card)
        observations = observed(times.tolist(), samples, raw, steady, film)
    write_records(out / OBSERVATIONS_FILE, Observation, observations)


def _read(
    crops: Path, samples: Sequence[FaceSample], backend: FaceBackend, batch_size: int, progress: Progress
) -> list[Scores]:
    from pipeline.face.crop import decoded

    scores: list[Scores] = []
    with crops.open("rb") as stream:
        for first in range(0, len(samples), batch_size):
            images = []
            for one in samples[first : first + batch_size]:
                stream.seek(one.crop_offset)
                images.append(decoded(stream.read(one.crop_length)))
            scores += backend(images)
            progress(len(scores) / len(samples))
    return scores


def relative_scores(
    samples: Sequence[FaceSample], raw: Sequence[Scores], card: ModelCard, step_s: float
) -> list[Scores]:
    """Scores relative to the mean of their person's, better frames counting more; one frame a ``step_s``."""
    rows = relative_to_own(
        np.array([[one.native[label] for label in card.labels] for one in raw]),
        np.array([one.track for one in samples], np.str_),
        np.array([one.quality for one in samples]) * (step_s / ROW_S),
    )
    return [to_scores(card.labels, row, card.canonical) for row in rows.tolist()]


def smoothed_scores(
    samples: Sequence[FaceSample],
    raw: Sequence[Scores],
    card: ModelCard,
    smoothing_s: float,
    hold_s: float,
) -> list[Scores]:
    """Scores steadied over time, person by person, better frames counting more; never across an absence."""
    result = list(raw)
    by_person: dict[str, list[int]] = {}
    for i, one in enumerate(samples):
        by_person.setdefault(one.track, []).append(i)
    for rows in by_person.values():
        gaps = [
            at
            for at in range(1, len(rows))
            if samples[rows[at]].time_us - samples[rows[at - 1]].time_us > hold_s * US_PER_S
        ]
        for first, last in zip([0, *gaps], [*gaps, len(rows)], strict=True):
            stretch = rows[first:last]
            values = np.array([[raw[i].native[label] for label in card.labels] for i in stretch])
            steady = smoothed(
                np.array([samples[i].time_us for i in stretch], np.int64),
                values,
                np.array([samples[i].quality for i in stretch]),
                round(smoothing_s * US_PER_S),
            )
            for i, row in zip(stretch, steady, strict=True):
                result[i] = to_scores(card.labels, row.tolist(), card.canonical)
    return result


def observed(
    times_us: Sequence[int],
    samples: Sequence[FaceSample],
    raw: Sequence[Scores],
    steady: Sequence[Scores],
    film: Span,
) -> list[Observation]:
    """One observation per sampled frame and person; frames without a face and ends without a picture too."""
    at: dict[int, list[int]] = {}
    for i, one in enumerate(samples):
        at.setdefault(one.time_us, []).append(i)
    observations = []
    spans = frame_spans(times_us, film)
    if spans[0].start_us > film.start_us:
        observations.append(Observation(MODALITY, Span(film.start_us, spans[0].start_us), Status.NO_VIDEO))
    for time_us, span in zip(times_us, spans, strict=True):
        if time_us not in at:
            observations.append(
                Observation(MODALITY, span, Status.NO_FACE, evidence={FRAME_TIME_KEY: time_us})
            )
        for i in at.get(time_us, []):
            one = samples[i]
            observations.append(
                Observation(
                    MODALITY,
                    span,
                    Status.OK,
                    steady[i],
                    raw=raw[i],
                    subject=one.track,
                    quality=one.quality,
                    evidence=one.evidence(),
                )
            )
    if spans[-1].end_us < film.end_us:
        observations.append(Observation(MODALITY, Span(spans[-1].end_us, film.end_us), Status.NO_VIDEO))
    return observations


def frame_spans(times_us: Sequence[int], film: Span) -> list[Span]:
    """How long each sampled frame stands: until the next one; the first from the film's start if near."""
    usual = float(np.median(np.diff(times_us))) if len(times_us) > 1 else float(film.duration_us)
    longest = round(usual * LONGEST_LAST_FRAME)
    last = times_us[-1]
    end = film.end_us if film.end_us - last <= longest else last + round(usual)
    starts = [film.start_us if times_us[0] - film.start_us <= longest else times_us[0], *times_us[1:]]
    return [Span(a, max(a, b)) for a, b in zip(starts, [*times_us[1:], max(end, last)], strict=True)]
