"""What the fusion benchmarks make of their data, on made data."""

import csv
import os
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.conflict import mosi
from benchmarks.conflict.answers import asked_of
from benchmarks.conflict.dialogues import CHANNELS, FILE, REACH, around, labelled
from benchmarks.conflict.recording import Context, choose_context, recording_axes, with_context
from benchmarks.made_clips import data_root
from pipeline.labels import EMOTIONS
from pipeline.models.cards import shipped_card


def spoken(recordings: int = 16, utterances: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Voice features in which recordings differ more than utterances do, by class and recording."""
    draw = np.random.default_rng(seed)
    truth = np.repeat(np.arange(recordings) % 2, utterances)
    order = np.argsort(truth, kind="stable")
    own = np.repeat(draw.standard_normal((recordings, 6)), utterances, axis=0)
    features = np.concatenate([own, draw.standard_normal((len(truth), 6))], axis=1)
    return (features + 0.3 * draw.standard_normal(features.shape))[order], truth[order]


def test_utterances_of_one_recording_are_near():
    voice, truth = spoken()
    cosines = recording_axes(voice, truth)(voice)
    np.fill_diagonal(cosines, -1)
    nearest = cosines.argmax(axis=1)
    assert np.mean(nearest // 8 == np.arange(len(truth)) // 8) > 0.8


def test_the_same_recording_speaks_for_an_utterance():
    voice, truth = spoken()
    cosines = recording_axes(voice, truth)(voice)
    odds = np.where(truth == 1, 1.0, -1.0) + np.random.default_rng(1).standard_normal(len(truth))
    context = choose_context(voice, truth)
    assert context.weight > 0
    before = ((odds > 0) == truth).mean()
    assert ((with_context(odds, odds, cosines, context) > 0) == truth).mean() > before
    alone = with_context(odds, odds, cosines, Context(0.1, 0.0))
    assert np.array_equal(alone > 0, odds > 0)


def test_what_is_around_an_utterance_is_of_its_dialogue_and_not_itself(tmp_path):
    rows = [("g/g_1/g_1_a/g_1_a_001", "happy"), ("g/g_1/g_1_b/g_1_b_002", "sad")]
    rows += [("g/g_1/g_1_a/g_1_a_004", "angry"), ("g/g_2/g_2_a/g_2_a_005", "fear")]
    (tmp_path / FILE).parent.mkdir()
    with (tmp_path / FILE).open("w", newline="") as table:
        writer = csv.writer(table)
        writer.writerow(
            ["utterance", *(f"{one}_label" for one in CHANNELS), "overall_label", "group", "split"]
        )
        writer.writerows([name, *[label] * 3, "neutral", "g", "train"] for name, label in reversed(rows))
    data = around(labelled(tmp_path))
    values = data.features["text around"][data.names.index(rows[1][0])]
    near = values[: 2 * REACH * 7].reshape(2 * REACH, 7)
    shown = [EMOTIONS[one.argmax()] if one.any() else None for one in near]
    assert shown == [None, None, "happy", "angry", None, None]
    side, dialogue = values[-14:-7], values[-7:]
    assert not side.any()
    assert dialogue[EMOTIONS.index("happy")] == 0.5 and dialogue[EMOTIONS.index("sad")] == 0
    assert not data.features["text around"][data.names.index(rows[3][0])].any()


def test_answers_are_kept_by_the_whole_card_and_the_data(tmp_path):
    card, file = shipped_card("text_compact"), tmp_path / "data.csv"
    file.write_text("one")
    first = asked_of(card, file)
    assert asked_of(card, file) == first != asked_of(replace(card, temperature=9.0), file)
    file.write_text("two")
    os.utime(file, (1, 1))
    assert asked_of(card, file) != first


def test_the_strongest_setting_within_one_error_is_taken():
    assert mosi._strongest((4.0, 2.0, 1.0), [(0.90, 0.01), (0.95, 0.01), (0.955, 0.01)]) == 2.0


@pytest.mark.data
def test_two_strategies_on_the_real_features(monkeypatch):
    monkeypatch.setattr(mosi, "NOISES", (2.0,))
    monkeypatch.setattr(mosi, "STRENGTHS", (1e-4,))
    rows = mosi.rows(data_root(), (0,), ("average", "stacking"))
    assert all(0.74 < row.alone[0] < row.with_recording[0] for row in rows)
