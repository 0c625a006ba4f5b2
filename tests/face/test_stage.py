from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import FaceSection
from pipeline.face.crop import decoded
from pipeline.face.persons import FaceSample
from pipeline.face.stage import (
    OWN_BASELINE,
    frame_spans,
    observed,
    relative_scores,
    run_face,
    run_faces,
    smoothed_scores,
)
from pipeline.fusion.speaking import not_speaking
from pipeline.labels import canonical_map, to_scores
from pipeline.media.probe import probe
from pipeline.records import CARD_FILE, CUTS_FILE, WARNINGS_FILE, read_record, read_records, write_record
from pipeline.types import US_PER_S, ModelCard, Observation, Span, Status
from tests.face.models import convnext_folder
from tests.face.test_persons import SAMPLE
from tests.made import media

SETTINGS = FaceSection(detector="haar", backend="compact")
LABELS = ("happy", "contempt", "sad")
CARD = ModelCard("made", "face", "1", "", "", LABELS, canonical_map(LABELS))


def silent(share: float) -> None:
    assert 0 <= share <= 1


def run_both(film: Path, folder: Path, settings: FaceSection = SETTINGS) -> Path:
    inputs = {"source": film, "probe": folder / "probe", "faces": folder / "faces"}
    for name in ("probe", "faces", "face"):
        (folder / name).mkdir(parents=True)
    write_record(folder / "probe" / "media.json", probe(film))
    run_faces(inputs, settings, folder / "faces", silent)
    run_face(inputs, settings, folder / "face", silent)
    return folder


def observations(folder: Path) -> tuple[Observation, ...]:
    return read_records(folder / "face" / "observations.jsonl", Observation)


@pytest.fixture(scope="module")
def two_faces(made, tmp_path_factory):
    return run_both(made(media.make_faces, 2), tmp_path_factory.mktemp("two") / "run")


def test_two_faces_are_two_persons_in_every_frame(two_faces):
    times = np.load(two_faces / "faces" / "frames.npy")
    seen = observations(two_faces)
    assert len(seen) == 2 * len(times)
    assert [one.subject for one in seen] == ["P1", "P2"] * len(times)
    assert {one.status for one in seen} == {Status.OK}
    first, second = (one.evidence["box"] for one in seen[:2])
    assert first[0] < 160 < second[0]
    assert [one.evidence["time_us"] for one in seen[::2]] == times.tolist()
    assert all(0 < one.quality <= 1 for one in seen)


def test_observations_tile_the_film(two_faces):
    mine = [one.span for one in observations(two_faces) if one.subject == "P1"]
    assert mine[0].start_us == 0
    assert all(a.end_us == b.start_us for a, b in pairwise(mine))


def test_every_crop_is_there(two_faces):
    crops = (two_faces / "faces" / "crops.bin").read_bytes()
    samples = read_records(two_faces / "faces" / "samples.jsonl", FaceSample)
    for one in samples:
        picture = decoded(crops[one.crop_offset : one.crop_offset + one.crop_length])
        assert picture.shape[0] == picture.shape[1] <= SETTINGS.crop_px
    assert sum(one.crop_length for one in samples) == len(crops)


def test_twice_the_same_bytes(two_faces, made, tmp_path):
    again = run_both(
        made(media.make_faces, 2), tmp_path / "again", SETTINGS.model_copy(update={"batch_size": 3})
    )
    for file in (
        "faces/samples.jsonl",
        "faces/crops.bin",
        "faces/frames.npy",
        "faces/cuts.npy",
        "face/observations.jsonl",
    ):
        assert (again / file).read_bytes() == (two_faces / file).read_bytes(), file


def test_a_film_without_faces_has_none(made, tmp_path):
    folder = run_both(made(media.make_faces, 0), tmp_path / "run")
    seen = observations(folder)
    assert {one.status for one in seen} == {Status.NO_FACE}
    assert len(seen) == len(np.load(folder / "faces" / "frames.npy"))
    assert (folder / "faces" / "crops.bin").stat().st_size == 0


def test_a_file_without_pictures_is_one_observation(made, tmp_path):
    folder = run_both(made(media.make_audio_only), tmp_path / "run")
    (only,) = observations(folder)
    assert only.status is Status.NO_VIDEO
    assert only.span.start_us == 0 and only.span.duration_us > 0


def test_a_model_folder_can_be_the_back_end(made, tmp_path):
    model = convnext_folder(tmp_path / "model", ["joy", "contempt", "neutral"], favourite=1)
    settings = SETTINGS.model_copy(update={"backend": str(model), "sample_fps": 1.0})
    seen = observations(run_both(made(media.make_faces, 1), tmp_path / "run", settings))
    assert {one.status for one in seen} == {Status.OK}
    assert all(one.scores.unmapped > 0.8 and one.raw.unmapped > 0.8 for one in seen)


def test_spans_run_to_the_next_frame_and_to_the_ends_of_the_film():
    film = Span(0, 1_050_000)
    spans = frame_spans([40_000, 240_000, 500_000, 840_000], film)
    assert spans == [
        Span(0, 240_000),
        Span(240_000, 500_000),
        Span(500_000, 840_000),
        Span(840_000, 1_050_000),
    ]


def test_a_picture_that_starts_late_or_ends_early_is_no_absence_of_a_face():
    film = Span(0, 5_000_000)
    times = [1_000_000, 1_200_000, 1_400_000]
    seen = observed(times, [], [], [], film)
    assert [one.status for one in seen] == [Status.NO_VIDEO, *[Status.NO_FACE] * 3, Status.NO_VIDEO]
    assert [one.span for one in seen] == [
        Span(0, 1_000_000),
        Span(1_000_000, 1_200_000),
        Span(1_200_000, 1_400_000),
        Span(1_400_000, 1_600_000),
        Span(1_600_000, 5_000_000),
    ]


def test_an_observation_keeps_both_the_steadied_and_the_raw_scores():
    samples, raw, steady = smooth([0, 0.2, 0.4], [0.0, 1.0, 0.0])
    seen = observed([0, 200_000, 400_000], samples, raw, steady, Span(0, 600_000))
    assert [one.scores for one in seen] == steady
    assert [one.raw for one in seen] == raw
    assert steady[1] != raw[1]


def test_one_frame_alone_stands_for_the_whole_film():
    assert frame_spans([0], Span(0, 2_000_000)) == [Span(0, 2_000_000)]


def test_the_last_frame_may_lie_beyond_the_end():
    assert frame_spans([0, 200_000], Span(0, 190_000))[-1] == Span(200_000, 200_000)


def smooth(times_s, happy, track="P1", hold_s=1.0):
    samples = [replace(SAMPLE, time_us=round(t * US_PER_S), track=track, quality=1.0) for t in times_s]
    raw = [to_scores(LABELS, (h, 0.5 - h / 2, 0.5 - h / 2), CARD.canonical) for h in happy]
    return samples, raw, smoothed_scores(samples, raw, CARD, 0.6, hold_s)


def test_smoothed_scores_stay_distributions_and_keep_unmapped_mass_apart():
    _, raw, steady = smooth([0, 0.2, 0.4, 0.6], [0.0, 1.0, 0.0, 0.2])
    assert raw[1].native["happy"] == 1.0
    for scores in steady:
        assert sum(scores.probabilities) + scores.unmapped == pytest.approx(1)
        assert scores.unmapped == pytest.approx(scores.native["contempt"])
    assert 0.2 < steady[1].native["happy"] < 0.8


def test_nothing_is_smoothed_across_an_absence_or_between_persons():
    _, _, apart = smooth([0, 1.3], [0.0, 1.0], hold_s=1.0)
    assert [one.native["happy"] for one in apart] == [0.0, 1.0]
    samples, raw, _ = smooth([0, 0.2], [0.0, 1.0])
    samples = [samples[0], replace(samples[1], track="P2")]
    assert [one.native["happy"] for one in smoothed_scores(samples, raw, CARD, 0.6, 1.0)] == [0.0, 1.0]


def test_answers_relative_to_a_persons_own_mean_are_never_mixed_between_persons():
    samples, raw, _ = smooth([0.2 * i for i in range(40)], [0.9, 0.7] * 20)
    others = [replace(one, track="P2") for one in samples[:20]] + samples[20:]
    alone = relative_scores(samples[20:], raw[20:], CARD, 3.0)
    assert relative_scores(others, raw, CARD, 3.0)[20:] == alone
    up, down = (one.native["happy"] for one in alone[:2])
    assert down < up < raw[0].native["happy"]


def test_a_persons_mean_grows_with_the_time_seen_not_with_the_frames():
    samples, raw, _ = smooth([0.2 * i for i in range(40)], [0.9, 0.7] * 20)
    twice = [one for one in samples for _ in range(2)], [one for one in raw for _ in range(2)]
    slow, fast = relative_scores(samples, raw, CARD, 0.2), relative_scores(*twice, CARD, 0.1)
    assert [one.native for one in fast[::2]] == [pytest.approx(one.native) for one in slow]
    assert 0.7 < slow[0].native["happy"] < 0.9, "eight seconds of a face are less than three rows"


def test_blurred_frames_count_less_in_a_persons_mean():
    samples, raw, _ = smooth([0.2 * i for i in range(40)], [0.9, 0.1] * 20)
    dim = [replace(one, quality=(1.0, 0.0)[i % 2]) for i, one in enumerate(samples)]
    even, bright = (relative_scores(some, raw, CARD, 3.0)[0].native["happy"] for some in (samples, dim))
    assert bright < even, "the mean is that of the clear frames, in which the person smiles"


def test_with_the_own_baseline_the_raw_scores_stay_the_card_is_unmeasured_and_it_is_said(two_faces, tmp_path):
    inputs = {name: two_faces / name for name in ("probe", "faces")}
    outs = {on: tmp_path / str(on) for on in (False, True)}
    for on, out in outs.items():
        out.mkdir()
        run_face(inputs, SETTINGS.model_copy(update={"own_baseline": on}), out, silent)
    name = "observations.jsonl"
    assert (outs[False] / name).read_bytes() == (two_faces / "face" / name).read_bytes()
    assert not (outs[False] / WARNINGS_FILE).exists()
    assert (outs[True] / WARNINGS_FILE).read_text("utf-8") == OWN_BASELINE + "\n"
    cards = [read_record(outs[on] / CARD_FILE, ModelCard) for on in (False, True)]
    assert cards[0].reliability is not None and cards[1] == replace(cards[0], reliability=None)
    plain, own = (read_records(outs[on] / name, Observation) for on in (False, True))
    assert [one.raw for one in plain] == [one.raw for one in own]
    assert [one.subject for one in plain] == [one.subject for one in own]
    assert all(a.scores != b.scores for a, b in zip(plain, own, strict=True))
    assert all(sum(one.scores.probabilities) + one.scores.unmapped == pytest.approx(1) for one in own)


def test_a_film_without_faces_has_no_baseline_to_speak_of(made, tmp_path):
    settings = SETTINGS.model_copy(update={"own_baseline": True, "sample_fps": 1.0})
    folder = run_both(made(media.make_faces, 0), tmp_path / "run", settings)
    assert not (folder / "face" / WARNINGS_FILE).exists()


def test_who_talks_is_seen_and_who_listens(made, tmp_path):
    """Two faces under a voice: the left one keeps its mouth still."""
    seen = observations(run_both(made(media.make_talking), tmp_path / "run"))
    motion = {
        name: [one.evidence.get("mouth_motion") for one in seen if one.subject == name]
        for name in ("P1", "P2")
    }
    assert all(values[0] is None and None not in values[1:] for values in motion.values())
    assert 3 * np.median(motion["P1"][1:]) < np.median(motion["P2"][1:])
    voice = Observation(
        "voice", Span(0, 5_000_000), Status.OK, seen[0].scores, evidence={"speech_share": 1.0}
    )
    (silent,) = not_speaking({"face": seen, "voice": [voice]})
    assert (silent.subject, silent.modality) == ("P1", "face")
    assert silent.span.duration_us > 4_500_000


def test_cuts_lie_beside_the_frames(made, tmp_path, two_faces):
    folder = run_both(made(media.make_cut), tmp_path / "run")
    cuts, times = (np.load(folder / "faces" / name) for name in (CUTS_FILE, "frames.npy"))
    assert cuts.tolist() == [1_600_000]
    assert set(cuts) <= set(times)
    assert np.load(two_faces / "faces" / CUTS_FILE).tolist() == []
