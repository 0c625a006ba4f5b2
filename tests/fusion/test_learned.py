import shutil
from dataclasses import asdict, replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import ConfigError, FusionSection, config_from_mapping
from pipeline.engine.store import json_digest
from pipeline.fusion.fuse import fuse
from pipeline.fusion.learned import (
    SHIPPED,
    features_of,
    fuse_learned,
    load_folder,
    load_for_moments,
    mixed,
    model_files,
    save,
)
from pipeline.fusion.stage import MOMENTS_FILE, run_fuse
from pipeline.labels import EMOTIONS, top
from pipeline.models.cards import WEIGHTS, ModelError, file_sha256
from pipeline.profile import _fusion_digest, resolve
from pipeline.records import CARD_FILE, read_record, read_records, write_record, write_records
from pipeline.types import Fused, ModelCard, Moment
from tests.fusion.conftest import film_of, moments, reading

FILM = [
    {"face": "happy", "voice": "happy", "text": "happy"},
    {"face": "sad", "voice": "sad", "text": None},
    {"face": None, "voice": None, "text": None},
    {"face": None, "voice": "angry", "text": None},
]


@pytest.fixture(scope="module")
def model():
    return load_for_moments(None)


def test_the_shipped_fusion_is_small_and_reads_the_three_channels(model):
    assert (WEIGHTS / f"{SHIPPED}.npz").stat().st_size < 200_000
    assert set(model.inputs) == {"face", "voice", "text"}


def test_what_all_channels_say_is_said(model):
    found = fuse_learned(moments(FILM), model)
    assert [top(one.scores)[0] if one.scores else None for one in found] == ["happy", "sad", None, "angry"]
    for one in found:
        assert set(one.weights) == {"face", "voice", "text"}
        assert sum(one.weights.values()) == pytest.approx(1.0 if one.scores else 0.0)
        assert one.scores is None or sum(one.scores.probabilities) == pytest.approx(1)
    assert found[3].weights == {"face": 0.0, "voice": 1.0, "text": 0.0}


def test_an_unknown_modality_is_ignored(model):
    plain = fuse_learned(moments(FILM), model)
    extra = fuse_learned(
        [Moment(one.span, None, {**one.by_modality, "heart": reading("fear")}) for one in moments(FILM)],
        model,
    )
    assert [one.scores for one in plain] == [one.scores for one in extra]
    assert all(one.weights["heart"] == 0 for one in extra)


@pytest.mark.parametrize(("sure", "worse"), permutations(("face", "voice", "text"), 2))
def test_quality_is_heard(model, sure, worse):
    """On average over emotions a worse channel is believed less, and the other more."""
    moved = []
    for one, other in permutations(range(len(EMOTIONS)), 2):
        film = [
            {sure: reading(EMOTIONS[one]), worse: reading(EMOTIONS[other], quality=quality)}
            for quality in (1.0, 0.3)
        ]
        good, bad = (found.scores.probabilities for found in fuse_learned(film_of(film), model))
        moved.append((bad[one] - good[one], bad[other] - good[other]))
    more, less = np.mean(moved, axis=0)
    assert more > 0.01 and less < -0.03


def test_mixing_lies_between(model):
    film = moments(FILM)
    trained, plain = fuse_learned(film, model), fuse(film, "dynamic", {})
    for one, a, b in zip(mixed(trained, plain, 0.25), trained, plain, strict=True):
        if a.scores is not None:
            wanted = 0.75 * np.array(a.scores.probabilities) + 0.25 * np.array(b.scores.probabilities)
            assert np.allclose(one.scores.probabilities, wanted)


def test_features_hold_scores_and_how_far_to_trust_them():
    features, present = features_of(film_of([{"face": reading("sad", quality=0.5, coverage=0.5)}, {}]))
    assert features["face"][0, -1] == 0.25 and present["face"].tolist() == [True, False]


@pytest.mark.parametrize("strategy", ["fixed", "dynamic", "learned", "hybrid"])
def test_the_stage_leaves_its_card_when_something_trained_was_used(strategy, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    write_records(tmp_path / "in" / MOMENTS_FILE, Moment, moments(FILM))
    run_fuse(
        {"moments": tmp_path / "in"}, FusionSection(strategy=strategy), tmp_path / "out", lambda share: None
    )
    found = read_records(tmp_path / "out" / "fused.jsonl", Fused)
    assert top(found[0].scores)[0] == "happy" and found[2].scores is None
    card = tmp_path / "out" / CARD_FILE
    assert card.is_file() == (strategy in ("learned", "hybrid"))
    assert not card.is_file() or read_record(card, ModelCard).id == SHIPPED


def test_the_model_is_in_the_key_by_its_content():
    plain = resolve(config_from_mapping({"run": {"profile": "compact"}}), ("face",), False)
    trained = resolve(
        config_from_mapping({"run": {"profile": "compact"}, "fusion": {"strategy": "learned"}}),
        ("face",),
        False,
    )
    card = model_files(None)[0]
    assert "fuse" not in plain.models and trained.models["fuse"] == json_digest(asdict(card))


def test_the_key_changes_with_the_card_which_the_stage_copies(tmp_path):
    found = []
    for notes in ("one", "two"):
        shutil.copy(WEIGHTS / f"{SHIPPED}.npz", tmp_path / "model.npz")
        write_record(tmp_path / CARD_FILE, replace(model_files(None)[0], notes=notes))
        fusion = {"strategy": "learned", "model": str(tmp_path)}
        config = config_from_mapping({"run": {"profile": "compact"}, "fusion": fusion})
        found.append(resolve(config, ("face",), False).models["fuse"])
    assert found[0] != found[1]


def test_a_preset_stands_for_weights():
    section = config_from_mapping({"fusion": {"preset": "face-voice"}}).fusion
    assert section.strategy == "fixed" and section.weights == {"face": 0.6, "voice": 0.4, "text": 0.0}
    assert FusionSection.model_validate(section.model_dump()) == section
    (one,) = fuse(
        film_of([{"face": reading("sad", 1.0), "voice": reading("happy", 1.0)}]), "fixed", section.weights
    )
    assert one.weights == pytest.approx({"face": 0.6, "voice": 0.4})


def test_a_fusion_that_hears_no_modality_is_refused(tmp_path):
    config = config_from_mapping({"fusion": {"strategy": "learned"}})
    with pytest.raises(ModelError, match="reads text, voice, face, none of heart; train one whose inputs"):
        _fusion_digest(config.fusion.model, ("heart",))


@pytest.mark.parametrize(
    ("fusion", "sentence"),
    [
        ({"model": "a"}, 'model does nothing with strategy = "dynamic"; set "learned" or "hybrid"'),
        ({"model": "a", "strategy": "fixed"}, 'model does nothing with strategy = "fixed"'),
        ({"strategy": "learned", "weights": {"face": 1}}, 'weights does nothing with strategy = "learned"'),
        ({"strategy": "learned", "preset": "face-voice"}, 'preset does nothing with strategy = "learned"'),
        ({"preset": "face-voice", "weights": {"face": 0.5}}, "exclude one another; leave one out"),
    ],
)
def test_a_setting_without_effect_is_refused(fusion, sentence):
    with pytest.raises(ConfigError) as raised:
        config_from_mapping({"fusion": fusion})
    assert str(raised.value).startswith("setting fusion: ") and sentence in str(raised.value)


def test_weights_and_a_model_count_in_a_hybrid():
    fusion = {"strategy": "hybrid", "model": "a", "weights": {"face": 0.5}}
    assert config_from_mapping({"fusion": fusion}).fusion.weights == {"face": 0.5}


def test_a_fusion_of_another_version_is_trained_again(model, tmp_path):
    save(replace(model, strategy="hybrid"), tmp_path / "model.npz")
    card = replace(model_files(None)[0], sha256=file_sha256(tmp_path / "model.npz"))
    write_record(tmp_path / CARD_FILE, card)
    with pytest.raises(ModelError, match="is no fusion of this version; train it again"):
        load_folder(tmp_path)


@pytest.mark.parametrize("preset", ["loud", ["face-voice"]])
def test_an_unknown_preset_is_one_sentence(preset):
    with pytest.raises(ConfigError) as raised:
        config_from_mapping({"fusion": {"preset": preset}})
    assert "face-voice" in str(raised.value) and "\n" not in str(raised.value)


def test_a_folder_without_a_fusion_says_what_to_do(tmp_path: Path):
    with pytest.raises(ModelError, match=r"holds no readable card\.json; train it again"):
        load_folder(tmp_path)


def test_a_fusion_of_other_labels_is_refused_before_anything_is_read(model, tmp_path):
    save(replace(model, labels=("a", "b")), tmp_path / "model.npz")
    card = replace(model_files(None)[0], sha256=file_sha256(tmp_path / "model.npz"))
    write_record(tmp_path / CARD_FILE, card)
    config = config_from_mapping({"fusion": {"strategy": "learned", "model": str(tmp_path)}})
    with pytest.raises(ModelError, match=r"answers 2 labels of its own, not the 7 .* \"dynamic\"$"):
        resolve(config, ("face",), False)
