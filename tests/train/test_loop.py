"""The training loop: it learns, resumes to the same weights, stops, and shares work between processes."""

import csv
import os
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.models.cards import ModelError
from pipeline.train.examples import DataError
from pipeline.train.loop import accelerator_for, fit, predict
from pipeline.train.schedule import LoopSettings, balancing_weights, epoch_order, phase_of, rate_at
from tests.train.tiny import SETTINGS, Points, tiny_net

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def trained(folder, settings=SETTINGS, show=None, dropout=0.3):
    folder.mkdir(exist_ok=True)
    net = tiny_net(dropout)
    history = fit(net, ("head",), Points(40, 1), Points(21, 2), settings, folder=folder, show=show)
    return net.state_dict(), history


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def without_time(history):
    return [replace(epoch, seconds=0.0) for epoch in history]


def test_it_learns_and_leaves_a_history(tmp_path):
    _, history = trained(tmp_path, replace(SETTINGS, epochs=12))
    assert history[-1].dev_accuracy > 0.85 > history[0].dev_accuracy
    assert [one.phase for one in history[:2]] == ["head", "all"]
    with (tmp_path / "history.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert [int(row["epoch"]) for row in rows] == list(range(1, 13))
    assert rows[3] == {name: str(value) for name, value in asdict(history[3]).items()}
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("finished", [2, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 3))])
def test_an_interrupted_training_resumes_to_the_same_weights(tmp_path, finished):
    whole, history = trained(tmp_path / "whole")

    def interrupt(done, total, epoch):
        if epoch is None and done > finished * total // SETTINGS.epochs:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "cut", show=interrupt)
    resumed, again = trained(tmp_path / "cut")
    assert same(whole, resumed)
    assert without_time(history) == without_time(again)
    before = (tmp_path / "cut" / "checkpoint.pt").read_bytes()
    assert same(whole, trained(tmp_path / "cut")[0])  # nothing is left to do
    assert (tmp_path / "cut" / "checkpoint.pt").read_bytes() == before


def test_the_first_phase_moves_the_head_alone(tmp_path):
    start = tiny_net().state_dict()
    net, _ = trained(tmp_path, replace(SETTINGS, epochs=2, head_epochs=2))
    assert torch.equal(net["body.weight"], start["body.weight"])
    assert not torch.equal(net["head.weight"], start["head.weight"])


def test_what_was_frozen_stays(tmp_path):
    net = tiny_net()
    net.body.bias.requires_grad_(False)
    start = net.body.bias.clone()
    fit(net, ("head",), Points(40, 1), Points(21, 2), SETTINGS, folder=tmp_path)
    assert torch.equal(net.body.bias, start)


def test_it_ends_with_the_best_epoch(tmp_path):
    settings = replace(SETTINGS, epochs=6, learning_rate=1.0)  # too fast to end where it was best
    net = tiny_net()
    dev = Points(30, 2)
    history = fit(net, ("head",), Points(40, 1), dev, settings, folder=tmp_path)
    best = max(history, key=lambda one: (one.dev_macro_f1, -one.dev_loss))
    assert best is not history[-1]
    right = (predict(net, dev, 8).argmax(1) == dev.truth).mean()
    assert right == pytest.approx(best.dev_accuracy, abs=1e-6)


def test_early_stopping(tmp_path):
    settings = replace(SETTINGS, epochs=50, learning_rate=1e-9, head_epochs=0, patience=3)
    assert len(trained(tmp_path, replace(settings, final_learning_rate=0.0, metric="dev_accuracy"))[1]) < 10


def test_epochs_of_the_head_alone_are_not_waited_in(tmp_path):
    still = replace(SETTINGS, learning_rate=0.0, head_learning_rate=0.0, final_learning_rate=0.0)
    settings = replace(still, epochs=20, head_epochs=4, patience=2)
    assert len(trained(tmp_path, settings, dropout=0.0)[1]) == 6


def test_seeds_of_augmentation_differ_by_step_and_repeat(tmp_path):
    runs = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        train, dev = Points(40, 1), Points(21, 2)
        fit(tiny_net(), ("head",), train, dev, SETTINGS, folder=tmp_path / name)
        runs.append(train.seeds)
        assert set(dev.seeds) == {None}
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == len(runs[0]) == 16


def test_oversampling_and_class_weights():
    truth = np.array([0] * 9 + [2] * 2 + [3])
    order = epoch_order(truth, True, 1, 0)
    assert np.bincount(truth[order]).tolist() == [9, 0, 9, 9]
    assert sorted(epoch_order(truth, False, 1, 0)) == list(range(12))
    assert not np.array_equal(epoch_order(truth, False, 1, 0), epoch_order(truth, False, 1, 1))
    weights = balancing_weights(truth, 4)
    assert weights.tolist() == pytest.approx([12 / 27, 0, 2, 4])
    assert weights[truth].mean() == pytest.approx(1)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("plain"))[0]


@pytest.mark.parametrize(
    "how", [{"class_weights": True}, {"label_smoothing": 0.2}, {"oversample": True}, {"bfloat16": True}]
)
def test_options_change_the_training(tmp_path, plain, how):
    assert not same(plain, trained(tmp_path, replace(SETTINGS, **how))[0])


def test_learning_rate_is_a_cosine_in_each_phase():
    plan = LoopSettings(epochs=10, head_epochs=2)
    assert rate_at(plan, 0) == pytest.approx(1e-3)
    assert rate_at(plan, 2) == pytest.approx(1e-4)
    assert rate_at(plan, 6) == pytest.approx((1e-4 + 1e-6) / 2)
    assert rate_at(plan, 10) == pytest.approx(1e-6)
    assert [phase_of(plan, epoch) for epoch in (0, 1, 2)] == ["head", "head", "all"]


def test_what_cannot_be_trained_is_one_sentence(tmp_path):
    with pytest.raises(DataError, match="too few examples"):
        fit(tiny_net(), ("head",), Points(40, 1), Points(0, 1), SETTINGS, folder=tmp_path)
    if not torch.cuda.is_available():
        with pytest.raises(ModelError, match="no device 'cuda'"):
            accelerator_for("cuda")


def launched(arguments):
    """Run the module in two processes; end both whatever happens."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    with subprocess.Popen(
        [*command, "-m", "tests.train.two_processes", *arguments],
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as started:
        try:
            errors = started.communicate(timeout=90)[1]
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, signal.SIGKILL)
            raise
    assert started.returncode == 0, errors[-2000:]


def test_two_processes_end_with_equal_weights_near_those_of_one(tmp_path):
    (tmp_path / "two").mkdir()
    launched([str(tmp_path / "two")])
    first, second = (torch.load(tmp_path / "two" / f"rank{rank}.pt") for rank in (0, 1))
    assert same(first["net"], second["net"])
    assert first["losses"] == second["losses"]
    one, history = trained(tmp_path / "one", dropout=0.0)
    for name, value in one.items():
        assert torch.allclose(value, first["net"][name], atol=1e-5), name
    assert [epoch.dev_loss for epoch in history] == pytest.approx(first["losses"], abs=1e-5)
