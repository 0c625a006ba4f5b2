import torch

from pipeline.train.classifiers import Classifier, calibrated
from pipeline.train.metrics import LEAST_TEMPERATURE
from tests.train.tiny import Points


def test_dev_examples_that_all_come_out_right_do_not_ask_for_certainty():
    dev = Points(12, 1)
    net = torch.nn.Linear(2, 3)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([[0.0, 2.0], [2.0, -1.0], [-2.0, -1.0]]))
        net.bias.zero_()
        dev.truth = net(torch.from_numpy(dev.points)).argmax(1).numpy()
    assert calibrated(Classifier(net, (), ("a", "b", "c"), "x", ""), dev, 4) >= LEAST_TEMPERATURE - 1e-3
