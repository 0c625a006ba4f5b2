import numpy as np
import pytest
import torch

from pipeline.labels import EMOTIONS, top
from pipeline.models.cards import CACHE_VARIABLE, ModelError
from pipeline.models.load import load_backend
from pipeline.voice.backends import BACKENDS
from tests.voice.checkpoints import HUBERT_CH, hubert_ch_weights, write_classifier, write_hubert_ch
from tests.voice.spoken import RATE_HZ, silence, spoken

LABELS = ["hap", "neu", "ang", "other"]


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(params=["compact", "hubert", "transformers", "transformers without extractor"])
def backend(request, cache, tmp_path):
    if request.param in {"compact", "hubert"}:
        write_hubert_ch(cache, hubert_ch_weights())
        return load_backend(BACKENDS, request.param, "cpu")
    folder = write_classifier(tmp_path / "model", LABELS, with_extractor=request.param == "transformers")
    return load_backend(BACKENDS, str(folder), "cpu")


def some_windows():
    words = spoken("The quick brown fox jumps over the lazy dog, and then it sleeps a while.")
    return [words[:RATE_HZ], words[RATE_HZ : 2 * RATE_HZ] * 0.3, words[: RATE_HZ // 2], silence(0.5)]


def as_array(answers):
    return np.array([[*one.probabilities, one.unmapped] for one in answers])


def test_every_window_gets_a_distribution(backend):
    answers = backend(some_windows(), spoken("Something else is said in between."))
    table = as_array(answers)
    assert table.shape == (4, len(EMOTIONS) + 1)
    assert np.isfinite(table).all()
    np.testing.assert_allclose(table.sum(axis=1), 1, atol=1e-6)
    assert set(answers[0].native) == set(backend.card.labels)
    assert backend.card.modality == "voice"
    assert backend.card.sha256
    assert set(backend.card.canonical) == set(backend.card.labels)


def test_order_is_kept_and_neighbours_do_not_matter(backend):
    windows, speech = some_windows(), spoken("Something else is said in between.")
    alone = [backend([window], speech)[0] for window in windows]
    np.testing.assert_allclose(as_array(backend(windows, speech)), as_array(alone), atol=1e-5)
    np.testing.assert_allclose(as_array(backend(windows[::-1], speech)), as_array(alone)[::-1], atol=1e-5)
    assert len({tuple(row) for row in as_array(alone).round(5)}) > 1, "all windows got the same answer"


def test_twice_is_the_same_bytes(backend):
    windows = some_windows()
    np.testing.assert_array_equal(as_array(backend(windows, None)), as_array(backend(windows, None)))


def test_no_window_no_answer(backend):
    assert backend([], None) == []


@pytest.mark.parametrize(
    ("place", "emotion"), list(enumerate(["angry", "fear", "happy", "neutral", "sad", "surprise"]))
)
def test_hubert_outputs_are_in_the_order_of_its_training(cache, place, emotion):
    weights = hubert_ch_weights()
    weights["classifier.out_proj.weight"][:] = 0
    weights["classifier.out_proj.bias"][:] = 0
    weights["classifier.out_proj.bias"][place] = 5
    write_hubert_ch(cache, weights)
    assert top(load_backend(BACKENDS, "hubert", "cpu")([silence(1)], None)[0])[0] == emotion


def test_hubert_head_is_mean_dense_tanh_output(cache):
    from transformers import HubertModel

    weights = hubert_ch_weights()
    folder = write_hubert_ch(cache, weights)
    window = some_windows()[0]
    heard = (window - window.mean()) / np.sqrt(window.var() + 1e-7)
    padded = torch.from_numpy(np.pad(heard, (0, 6 * RATE_HZ - heard.size)))[None]
    body = HubertModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        pooled = body(padded).last_hidden_state.mean(dim=1)
        bent = torch.tanh(pooled @ weights["classifier.dense.weight"].T + weights["classifier.dense.bias"])
        logits = bent @ weights["classifier.out_proj.weight"].T + weights["classifier.out_proj.bias"]
    expected = logits.softmax(dim=-1)[0].numpy()
    native = load_backend(BACKENDS, "hubert", "cpu")([window], None)[0].native
    np.testing.assert_allclose(list(native.values()), expected, atol=1e-5)


@pytest.mark.parametrize(
    "lost", ["classifier.out_proj.weight", "classifier.dense.bias", "hubert.encoder.layer_norm.bias"]
)
def test_hubert_without_a_weight_is_refused(cache, lost):
    weights = hubert_ch_weights()
    del weights[lost]
    write_hubert_ch(cache, weights)
    with pytest.raises(ModelError, match="missing"):
        load_backend(BACKENDS, "hubert", "cpu")


def test_hubert_with_a_weight_left_over_is_refused(cache):
    write_hubert_ch(cache, hubert_ch_weights() | {"classifier.extra.weight": torch.zeros(2)})
    with pytest.raises(ModelError, match="left over"):
        load_backend(BACKENDS, "hubert", "cpu")


def test_hubert_not_pulled_says_how_to(cache):
    with pytest.raises(ModelError, match="models pull"):
        load_backend(BACKENDS, "hubert", "cpu")


@pytest.mark.parametrize("by_folder", [True, False])
def test_the_general_loader_refuses_hubert_ch_and_names_its_back_end(cache, by_folder):
    folder = write_hubert_ch(cache, hubert_ch_weights())
    with pytest.raises(ModelError, match="`hubert`"):
        load_backend(BACKENDS, str(folder) if by_folder else HUBERT_CH, "cpu")


def test_labels_come_from_the_configuration(cache, tmp_path):
    folder = write_classifier(tmp_path / "model", LABELS)
    backend = load_backend(BACKENDS, str(folder), "cpu")
    with torch.no_grad():
        backend.model.classifier.weight.zero_()
        backend.model.classifier.bias.copy_(torch.tensor([0.0, 0.0, 0.0, 9.0]))
    answer = backend([silence(1)], None)[0]
    assert backend.card.labels == tuple(LABELS)
    assert answer.unmapped == pytest.approx(1, abs=1e-3), "`other` names no emotion: its mass stays apart"


def test_labels_that_name_nothing_are_refused(cache, tmp_path):
    folder = write_classifier(tmp_path / "model", None)
    with pytest.raises(ModelError, match="id2label"):
        load_backend(BACKENDS, str(folder), "cpu")


def test_another_sample_rate_is_refused(cache, tmp_path):
    folder = write_classifier(tmp_path / "model", LABELS, rate_hz=8_000)
    with pytest.raises(ModelError, match="16 kHz"):
        load_backend(BACKENDS, str(folder), "cpu")


def test_a_model_that_is_not_here_is_not_looked_for_elsewhere(cache, tmp_path, monkeypatch):
    import socket

    monkeypatch.setattr(socket.socket, "connect", lambda *unused: pytest.fail("the network was touched"))
    with pytest.raises(ModelError, match="models pull"):
        load_backend(BACKENDS, "somebody/some-model-that-is-not-here", "cpu")
    with pytest.raises(ModelError, match=r"config\.json"):
        load_backend(BACKENDS, str(tmp_path), "cpu")
