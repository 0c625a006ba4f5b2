import json
from dataclasses import replace

import numpy as np
import pytest

from pipeline.config import FusionSection
from pipeline.fusion.stage import BINDINGS_FILE, MOMENTS_FILE, run_conflicts, run_moments
from pipeline.labels import EMOTIONS
from pipeline.records import (
    CARD_FILE,
    CUTS_FILE,
    LIP_GAP_KEY,
    MEDIA_FILE,
    MOUTH_MOTION_KEY,
    OBSERVATIONS_FILE,
    TURNS_FILE,
    read_records,
    write_record,
    write_records,
)
from pipeline.types import (
    Abstention,
    Bound,
    Conflict,
    MediaInfo,
    ModelCard,
    Moment,
    Observation,
    Reliability,
    Span,
    Status,
    Turn,
)
from tests.fusion.conftest import SECTION, peaked

SECOND = 1_000_000
LENGTH_US = 8 * SECOND
INFO = MediaInfo("0" * 64, LENGTH_US, 640, 480, 25.0, False, True, True, 0, 0)
CARD = ModelCard("made", "face", "1", "0" * 64, "MIT", EMOTIONS, dict(zip(EMOTIONS, EMOTIONS, strict=True)))


def observed(name: str, emotion: str, p: float = 0.9) -> list[Observation]:
    spans = [Span(i * SECOND, (i + 1) * SECOND) for i in range(8)]
    return [Observation(name, span, Status.OK, peaked(emotion, p), quality=1.0) for span in spans]


@pytest.fixture
def folders(tmp_path):
    """A film with a sad face and happy words, as the stages before leave it."""
    for name, own in {"face": observed("face", "sad"), "text": observed("text", "happy")}.items():
        (tmp_path / name).mkdir()
        write_records(tmp_path / name / OBSERVATIONS_FILE, Observation, own)
    for name in ("probe", "moments", "conflicts"):
        (tmp_path / name).mkdir()
    write_record(tmp_path / "probe" / MEDIA_FILE, INFO)
    return {one.name: one for one in tmp_path.iterdir()}


def conflicts(folders, section=SECTION) -> tuple[Conflict, ...]:
    inputs = {name: folder for name, folder in folders.items() if name != "conflicts"}
    run_moments(inputs, (FusionSection(), ("face", "text", "voice")), folders["moments"], lambda share: None)
    run_conflicts(inputs, section, folders["conflicts"], lambda share: None)
    return read_records(folders["conflicts"] / "conflicts.jsonl", Conflict)


def test_from_files_to_files(folders):
    (event,) = conflicts(folders)
    assert event.span == Span(0, LENGTH_US) and event.emotions == {"face": "sad", "text": "happy"}
    told = read_records(folders["conflicts"] / "abstentions.jsonl", Abstention)
    assert [(one.modalities, one.reason) for one in told] == [(("voice",), "failed")]
    null = json.loads((folders["conflicts"] / "null.json").read_text())
    assert null["operating_point"] == null["operating_point_asked"] == SECTION.enter
    assert null["false_alarms_per_minute"] == pytest.approx(
        60 / 8
    )  # it never changes, whenever it is shifted


def test_the_same_files_give_the_same_bytes(folders):
    written = []
    for _ in range(2):
        conflicts(folders)
        written.append([one.read_bytes() for one in sorted(folders["conflicts"].iterdir())])
    assert written[0] == written[1]


def test_cuts_that_a_stage_has_found_end_events(folders):
    np.save(folders["face"] / CUTS_FILE, np.array([3_500_000], np.int64))
    assert [(one.span.start_s, one.span.end_s) for one in conflicts(folders)] == [(0, 3.5), (3.5, 8)]


def test_the_card_says_how_far_to_believe_a_model(folders):
    (plain,) = conflicts(folders)
    usual = peaked("sad", 0.9).probabilities  # it says so of everybody
    blind = Reliability(tuple([usual] * 7), usual, 100, "made")
    write_record(folders["face"] / CARD_FILE, replace(CARD, reliability=blind))
    assert all(one.evidence < plain.evidence for one in conflicts(folders))
    write_record(folders["face"] / CARD_FILE, CARD)
    assert conflicts(folders) == (plain,)


def test_a_card_without_an_emotion_says_nothing_about_it(folders):
    write_records(folders["text"] / OBSERVATIONS_FILE, Observation, observed("text", "disgust"))
    shares = tuple(0.9 if e == "sad" else 0.0 if e == "disgust" else 0.02 for e in EMOTIONS)
    own = [replace(one, scores=replace(one.scores, probabilities=shares)) for one in observed("face", "sad")]
    write_records(folders["face"] / OBSERVATIONS_FILE, Observation, own)
    (plain,) = conflicts(folders)
    six = replace(CARD, canonical={**CARD.canonical, "disgust": None})
    write_record(folders["face"] / CARD_FILE, six)
    assert all(one.evidence < plain.evidence / 3 for one in conflicts(folders))


def test_own_readings_come_first(folders, tmp_path):
    own = tmp_path / "own.toml"
    own.write_text('[[reading]]\nname = "mine"\nwhen = { face = ["sad"] }\n')
    assert [one.label for one in conflicts(folders, SECTION.model_copy(update={"readings": own}))] == [
        "maybe mine"
    ]
    assert [one.label for one in conflicts(folders)] == ["maybe tears of joy"]


def dialogue(speakers: list[str]) -> list[Observation]:
    """Two persons in view, sad P1 larger than happy P2; who speaks in each second."""
    return [
        Observation(
            "face",
            Span(at, at + SECOND // 5),
            Status.OK,
            peaked("sad" if who == "P1" else "happy", 0.9),
            subject=who,
            quality=1.0 if who == "P1" else 0.5,
            evidence={
                MOUTH_MOTION_KEY: 0.3 if who == speakers[at // SECOND] else 0.02,
                LIP_GAP_KEY: 0.1 * (at // (SECOND // 5) % 2) if who == speakers[at // SECOND] else 0.0,
            },
        )
        for at in range(0, LENGTH_US, SECOND // 5)
        for who in ("P1", "P2")
    ]


def test_turns_bind_voices_to_faces_and_rows_show_the_speakers(folders):
    speakers = ["P1"] * 4 + ["P2"] * 4
    write_records(folders["face"] / OBSERVATIONS_FILE, Observation, dialogue(speakers))
    (folders["moments"].parent / "speakers").mkdir()
    folders["speakers"] = folders["moments"].parent / "speakers"
    turns = [Turn(Span(0, 4 * SECOND), "S1"), Turn(Span(4 * SECOND, LENGTH_US), "S2")]
    write_records(folders["speakers"] / TURNS_FILE, Turn, turns)
    events = conflicts(folders)
    bound = read_records(folders["moments"] / BINDINGS_FILE, Bound)
    assert [(one.speaker, one.subject) for one in bound] == [("S1", "P1"), ("S2", "P2")]
    moments = read_records(folders["moments"] / MOMENTS_FILE, Moment)
    assert [one.by_modality["face"].subject for one in moments] == [
        "P1" if m.span.end_us <= 4 * SECOND else "P2" for m in moments
    ]
    assert {one.span for one in events} == {Span(0, 4 * SECOND)}  # only P1's face contradicts the words


def test_without_turns_no_voice_is_bound(folders):
    conflicts(folders)
    assert read_records(folders["moments"] / BINDINGS_FILE, Bound) == ()
