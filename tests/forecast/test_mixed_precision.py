"""A graph turned to mixed precision, against a capture under autocast."""

import pytest
import torch
from torch import nn

from perfseer.forecast.mixed_precision import under_autocast
from perfseer.graphs.capture import capture
from perfseer.graphs.vocabulary import OPERATOR_INDEX
from perfseer.predictors.memory.setup import MemorySetup
from perfseer.zoo.reference import mobilenet_v1, resnet50, vit_tiny

SETUP = MemorySetup("cuda", "amp-fp16")


def both(model, shape=(4, 3, 224, 224)):
    inputs = (torch.empty(shape, device="meta"),)
    return under_autocast(capture(model, inputs), SETUP), capture(model, inputs, autocast=torch.float16)


@pytest.mark.parametrize("model", [resnet50, mobilenet_v1, vit_tiny])
def test_it_is_what_a_capture_under_autocast_finds(model):
    with torch.device("meta"):
        turned, captured = both(model())
    assert turned.n_nodes == captured.n_nodes
    assert turned.operators.tolist() == captured.operators.tolist()
    assert turned.flops.tolist() == captured.flops.tolist()
    assert turned.total_bytes == pytest.approx(captured.total_bytes, rel=0.02)
    assert turned.backward_bytes.sum() == pytest.approx(captured.backward_bytes.sum(), rel=0.08)
    assert turned.n_parameters == captured.n_parameters


def test_a_linear_layer_by_hand():
    turned, _ = both(nn.Linear(8, 6), shape=(4, 8))
    copies = turned.operators == OPERATOR_INDEX["copy"]
    # weight 8 x 6, bias 6 and the input 4 x 8, read in four bytes and written in two
    assert sorted(turned.output_bytes[copies].tolist()) == [6 * 2, 4 * 8 * 2, 8 * 6 * 2]
    (linear,) = turned.output_bytes[~copies].tolist()
    assert linear == 4 * 6 * 2
    assert turned.weight_bytes[~copies].tolist() == [(8 * 6 + 6) * 2]


def test_what_runs_in_16_bits_already_is_left_alone():
    _, captured = both(nn.Linear(8, 6), shape=(4, 8))
    assert under_autocast(captured, SETUP) is captured
    single = capture(nn.Linear(8, 6), (torch.empty(4, 8, device="meta"),))
    assert under_autocast(single, MemorySetup("cuda", "fp32")) is single
