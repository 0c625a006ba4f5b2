"""Run by torchrun in test_loop: trains the tiny net and leaves each process's weights and figures."""

import sys
from pathlib import Path

import torch

from pipeline.train.loop import accelerator_for, fit, leave
from tests.train.tiny import SETTINGS, Points, tiny_net

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    net = tiny_net()
    history = fit(net, ("head",), Points(40, 1), Points(21, 2), SETTINGS, folder=folder)
    rank = accelerator_for("cpu").process_index
    torch.save(
        {"net": net.state_dict(), "losses": [one.dev_loss for one in history]}, folder / f"rank{rank}.pt"
    )
    leave()
