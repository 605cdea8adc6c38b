"""The graph of ResNet-50, batch 1, 224 x 224: numbers that must not drift.

Published: 25,557,032 parameters and 4.09 G multiply-accumulates. The rest was recorded when the graph was
checked node by node; a change here is a change of the representation and needs a reason.
"""

import numpy as np
import pytest
import torch

from perfseer.graphs.capture import capture
from perfseer.graphs.perfgraph import PerfGraph
from perfseer.zoo.reference import resnet50
from tests.helpers.model_graphs import operators

GOLDEN = {
    "total_bytes": 427_601_472,
    "backward_bytes": 659_301_760,
    "train_only_bytes": 457_844,
    "peak_infer_bytes": 112_676_936,
    "peak_train_bytes": 370_802_312,
}


@pytest.fixture(scope="module")
def graph() -> PerfGraph:
    with torch.device("meta"):
        model, inputs = resnet50(), torch.empty(1, 3, 224, 224)
    return capture(model, (inputs,))


def test_structure(graph):
    counts = dict(zip(*np.unique(operators(graph), return_counts=True), strict=True))
    assert counts == {
        "conv": 53,
        "batch_norm": 53,
        "relu": 49,
        "add": 16,
        "max_pool": 1,
        "global_avg_pool": 1,
        "linear": 1,
    }
    # a chain of 174 nodes, and one more edge for each of the 16 shortcuts
    assert (graph.n_nodes, graph.n_edges) == (174, 173 + 16)
    senders = np.bincount(graph.edge_index[0], minlength=graph.n_nodes)
    assert (senders[:-1] >= 1).all()
    assert senders[-1] == 0
    assert (np.bincount(graph.edge_index[1], minlength=graph.n_nodes)[1:] >= 1).all()


def test_first_nodes(graph):
    stem = graph.hyperparameters[0].tolist()
    assert stem == [7, 2, 3, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]
    assert graph.flops[0] == 2 * 112 * 112 * 64 * 3 * 49
    assert graph.input_bytes[0] == 3 * 224 * 224 * 4
    assert graph.weight_bytes[0] == 64 * 3 * 49 * 4
    assert graph.output_bytes[0] == 64 * 112 * 112 * 4
    assert graph.hyperparameters[3].tolist()[9:] == [3, 2, 1, 0]


def test_totals(graph):
    assert graph.n_parameters == 25_557_032
    assert graph.parameter_bytes == 4 * 25_557_032
    assert graph.total_flops == 8_178_368_512
    # the stem's input needs no gradient, every other convolution and the classifier need two products
    assert graph.backward_flops.sum() == 2 * 8_178_368_512 - 2 * 112 * 112 * 64 * 3 * 49
    assert graph.total_bytes == GOLDEN["total_bytes"]
    assert graph.backward_bytes.sum() == GOLDEN["backward_bytes"]
    assert graph.train_only_bytes == GOLDEN["train_only_bytes"]
    assert graph.unknown == {}


def test_peak_memory(graph):
    assert graph.peak_infer_bytes == GOLDEN["peak_infer_bytes"]
    assert graph.peak_train_bytes == GOLDEN["peak_train_bytes"]
    # inference peaks at the last normalisation of a block in the first stage: input, output and shortcut
    activation = 256 * 56 * 56 * 4
    image = 3 * 224 * 224 * 4
    assert graph.peak_infer_bytes == graph.parameter_bytes + graph.buffer_bytes + image + 3 * activation
