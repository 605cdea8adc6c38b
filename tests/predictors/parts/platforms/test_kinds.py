"""Kinds of nodes: alike is counted together, nothing is lost."""

import numpy as np
import torch
from torch import nn

from perfseer.data.features import NODE_COLUMNS, graph_features
from perfseer.data.packed import PackedGraphs
from perfseer.graphs.capture import capture
from perfseer.graphs.vocabulary import OPERATOR_INDEX
from perfseer.predictors.parts.platforms.kinds import OUTSIDE, NodeKinds


def block():
    return nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())


def features(*models):
    graphs = [capture(model, (torch.empty(2, 8, 6, 6, device="meta"),)) for model in models]
    return graph_features(PackedGraphs.pack(graphs))


def test_repeated_blocks_are_counted():
    four = features(nn.Sequential(*(block() for _ in range(4))))
    kinds = NodeKinds.of(four)
    by_operator = dict(
        zip(kinds.codes("operator_type").tolist(), kinds.counts[np.argsort(kinds.kinds)], strict=False)
    )
    assert kinds.counts.sum() == 12
    # the first convolution reads the graph's input, the last activation has no reader: kinds of their own
    assert sorted(kinds.counts.tolist()) == [1, 1, 3, 3, 4]
    assert by_operator[OPERATOR_INDEX["batch_norm"]] == 4


def test_sums_over_kinds_are_sums_over_nodes():
    found = features(nn.Sequential(*(block() for _ in range(3))), block())
    kinds = NodeKinds.of(found)
    flops = found.nodes[:, NODE_COLUMNS.index("flops")]
    for graph in range(2):
        pairs = slice(*kinds.ptr[graph : graph + 2])
        nodes = slice(*found.node_ptr[graph : graph + 2])
        total = (kinds.column("flops")[kinds.kinds[pairs]] * kinds.counts[pairs]).sum()
        assert total == flops[nodes].sum()
    assert (kinds.column("flops")[kinds.node_kind] == flops).all()


def test_graphs_share_kinds():
    kinds = NodeKinds.of(features(block(), block()))
    assert len(kinds.columns) == 3
    assert kinds.kinds.reshape(2, 3).tolist() == [[0, 1, 2], [0, 1, 2]]


def test_neighbours_are_told():
    kinds = NodeKinds.of(features(block()))
    conv = kinds.codes("operator_type") == OPERATOR_INDEX["conv"]
    assert kinds.codes("producer")[conv].tolist() == [OUTSIDE]
    assert kinds.codes("consumer")[conv].tolist() == [OPERATOR_INDEX["batch_norm"]]
