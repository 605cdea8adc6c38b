"""Reference networks against the figures their papers and libraries publish."""

import pytest
import torch

from perfseer.graphs.capture import capture
from perfseer.graphs.vocabulary import OPERATORS
from perfseer.zoo import reference


def graph_of(factory, batch=1):
    with torch.device("meta"):
        model, inputs = factory(), torch.empty(batch, 3, 224, 224)
    return capture(model, (inputs,), backward=False)


def test_resnet50_as_published():
    graph = graph_of(reference.resnet50)
    assert graph.n_parameters == 25_557_032
    assert round(graph.total_flops / 2 / 1e9, 2) == 4.09  # multiply-accumulates
    assert graph.buffer_bytes == 2 * 26_560 * 4 + 53 * 8  # running statistics of 26,560 channels, 53 counters


def test_mobilenet_v1_as_published():
    graph = graph_of(reference.mobilenet_v1)
    assert round(graph.n_parameters / 1e6, 1) == 4.2
    assert round(graph.total_flops / 2 / 1e6) == 569
    groups = graph.hyperparameters[:, 4]
    assert (groups > 1).sum() == 13  # depth-wise layers


def test_vit_tiny_as_published():
    graph = graph_of(reference.vit_tiny)
    assert round(graph.n_parameters / 1e6, 1) == 5.7
    counts = {name: int((graph.operators == i).sum()) for i, name in enumerate(OPERATORS)}
    assert counts["attention"] == 12
    assert counts["linear"] == 12 * 4 + 1
    assert counts["other"] == 0


@pytest.mark.parametrize("factory", [reference.resnet50, reference.mobilenet_v1, reference.vit_tiny])
def test_costs_grow_with_the_batch_and_weights_do_not(factory):
    one, four = graph_of(factory, 1), graph_of(factory, 4)
    assert four.total_flops == 4 * one.total_flops
    assert (four.weight_bytes == one.weight_bytes).all()
    assert (four.operators == one.operators).all()
    assert four.batch_size == 4


def test_real_forward_passes_have_the_captured_output_shape():
    torch.manual_seed(0)
    for model in (reference.resnet50(10), reference.mobilenet_v1(10), reference.vit_tiny(10, resolution=32)):
        out = model.eval()(torch.rand(2, 3, 32, 32))
        assert out.shape == (2, 10)
        assert out.isfinite().all()
