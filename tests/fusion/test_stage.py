import json
from dataclasses import replace

import numpy as np
import pytest

from pipeline.config import FusionSection
from pipeline.fusion.stage import run_conflicts, run_moments
from pipeline.labels import EMOTIONS
from pipeline.records import (
    CARD_FILE,
    CUTS_FILE,
    MEDIA_FILE,
    OBSERVATIONS_FILE,
    read_records,
    write_record,
    write_records,
)
from pipeline.types import Abstention, Conflict, MediaInfo, ModelCard, Observation, Reliability, Span, Status
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
