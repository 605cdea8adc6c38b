"""Splitting graphs into kernels: configurations by hand, and the greedy rules."""

import numpy as np
import pytest
import torch
from torch import nn

from perfseer.graphs.capture import capture
from perfseer.graphs.kernels import CONFIGURATION, OPTIMISER, FusionRules, Nodes, kernels_of
from perfseer.zoo.builder import Inception
from perfseer.zoo.stages import GoogLeNetStage

CONV_BN = ("conv", "batch_norm")
BN_RELU = ("batch_norm", "relu")
NOTHING_FUSES = FusionRules()


def graph_of(module, *shape, backward=True):
    return capture(module, (torch.empty(shape),), backward=backward)


def network():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.Conv2d(8, 8, 5, padding=2, groups=8, bias=False),
        nn.Conv2d(8, 16, 1, groups=2, bias=False),
        nn.MaxPool2d(2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 10),
    )


def table(rules=NOTHING_FUSES, *graphs):
    return kernels_of(Nodes.of(list(graphs) or [graph_of(network(), 4, 3, 32, 32)]), rules)


def values(row, names):
    return [int(row[name]) for name in names]


def test_every_operator_is_a_kernel_without_rules():
    names = [str(name) for name in table()["name"]]
    assert names == [
        *("conv", "batch_norm", "relu", "dwconv", "grouped_conv"),
        *("max_pool", "global_avg_pool", "linear", OPTIMISER),
    ]


def test_configurations_are_those_of_the_layers():
    rows = table().set_index("name")
    of_size = ("batch", "height", "width", "channels_in", "channels_out", "kernel", "stride", "groups")
    # The first reads the model's input, which no edge describes.
    assert values(rows.loc["conv"], of_size) == [4, 32, 32, 3, 8, 3, 2, 1]
    assert values(rows.loc["dwconv"], of_size) == [4, 16, 16, 8, 8, 5, 1, 8]
    assert values(rows.loc["grouped_conv"], of_size) == [4, 16, 16, 8, 16, 1, 1, 2]
    assert values(rows.loc["batch_norm"], of_size) == [4, 16, 16, 8, 8, 0, 0, 0]
    assert values(rows.loc["max_pool"], of_size) == [4, 16, 16, 16, 16, 2, 2, 0]
    assert values(rows.loc["global_avg_pool"], of_size) == [4, 8, 8, 16, 16, 8, 8, 0]
    assert values(rows.loc["linear"], of_size) == [4, 1, 1, 16, 10, 0, 0, 0]
    assert (table()["itemsize"] == 4).all()


def test_costs_are_those_of_the_graph():
    rows, graph = table(), graph_of(network(), 4, 3, 32, 32)
    assert rows["flops"].sum() == graph.total_flops
    ours = rows[rows["name"] != OPTIMISER]
    assert ours["bytes"].sum() == graph.total_bytes
    assert ours["backward_flops"].sum() == graph.backward_flops.sum()


def test_the_optimiser_steps_every_parameter():
    row = table().set_index("name").loc[OPTIMISER]
    parameters = sum(p.numel() for p in network().parameters())
    # two tensors of batch norm, two of the linear layer, three convolutions without bias
    assert row["inputs"] == 7
    assert row["channels_in"] == -(-parameters // 7)
    assert row["bytes"] == 5 * 4 * row["channels_in"] * 7


def test_concatenated_channels_are_ordered_and_do_not_depend_on_the_order_of_edges():
    stage = GoogLeNetStage(depth=1, width=32, shares=(2, 4, 1, 1), reduction=1)
    graph = graph_of(Inception(16, stage), 2, 16, 8, 8, backward=False)
    row = table(NOTHING_FUSES, graph).set_index("name").loc["concat"]
    assert values(row, ("inputs", "c1", "c2", "c3", "c4")) == [4, 16, 8, 4, 4]
    assert values(row, ("channels_in", "channels_out")) == [32, 32]


class Many(nn.Module):
    def forward(self, x):
        return torch.cat([x.relu(), x.neg(), x.exp(), x[:, :2].exp(), x[:, :1].exp()], dim=1)


def test_more_than_four_inputs_are_summed_into_the_last_part():
    graph = graph_of(Many(), 1, 6, 4, 4, backward=False)
    row = table(NOTHING_FUSES, graph).set_index("name").loc["concat"]
    assert values(row, ("inputs", "c1", "c2", "c3", "c4")) == [5, 6, 6, 6, 3]


def test_groups_grow_along_pairs_and_keep_the_first_configuration():
    rows = table(FusionRules(frozenset({CONV_BN, BN_RELU})))
    assert [str(name) for name in rows["name"]][:2] == ["conv+batch_norm+relu", "dwconv"]
    fused, apart = rows.iloc[0], table().iloc[:3]
    assert fused["flops"] == apart["flops"].sum()
    # what flows between the three is not moved: one input, all weights, one output
    out = 4 * 8 * 16 * 16 * 4
    assert fused["bytes"] == 4 * 3 * 32 * 32 * 4 + apart["weight_bytes"].sum() + out


def test_a_pair_whose_second_operator_changes_the_shape_never_fuses():
    rows = table(FusionRules(frozenset({("relu", "dwconv"), ("dwconv", "grouped_conv")})))
    assert not rows["name"].astype(str).str.contains("+", regex=False).any()


class Fork(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x):
        made = self.norm(x)
        return made.relu() + made.relu()


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("never", ["batch_norm", "relu", "relu", "add"]),
        ("first", ["batch_norm+relu", "relu", "add"]),
        ("all", ["batch_norm+relu+relu", "add"]),
    ],
)
def test_a_producer_of_two_consumers_follows_the_tested_rule(rule, expected):
    rules = FusionRules(frozenset({BN_RELU, ("relu", "add")}), rule)
    graph = graph_of(Fork(), 2, 4, 8, 8, backward=False)
    names = [str(name) for name in table(rules, graph)["name"]]
    assert [name for name in names if name != OPTIMISER] == expected


def test_graphs_do_not_leak_into_each_other():
    rules = FusionRules(frozenset({CONV_BN, BN_RELU}))
    first, second = graph_of(network(), 4, 3, 32, 32), graph_of(Fork(), 2, 4, 8, 8)
    together = table(rules, first, second, first)
    columns = ["name", *CONFIGURATION]
    for number, alone in ((0, first), (1, second), (2, first)):
        rows = together[together["graph"] == number][columns].astype({"name": str})
        expected = table(rules, alone)[columns].astype({"name": str})
        assert rows.to_numpy().tolist() == expected.to_numpy().tolist()


def test_rules_survive_json():
    rules = FusionRules(frozenset({CONV_BN, BN_RELU}), "first")
    assert FusionRules.from_json(rules.to_json()) == rules


def test_a_chain_of_twenty_thousand_nodes_is_split_at_once():
    graph = graph_of(nn.Sequential(nn.BatchNorm2d(2), nn.ReLU()), 1, 2, 2, 2, backward=False)
    n = 20_000
    operators = np.tile(graph.operators, n // 2)
    edges = np.stack([np.arange(n - 1), np.arange(1, n)])
    nodes = Nodes(
        operators=operators,
        hyperparameters=np.zeros((n, 13), np.int64),
        output_shapes=np.ones((n, 4), np.int64),
        costs=dict.fromkeys(Nodes.of([graph]).costs, np.full(n, 4)),
        graphs=np.zeros(n, np.int64),
        edge_index=edges,
        edge_shapes=np.ones((n - 1, 4), np.int64),
        n_parameters=np.zeros(1, np.int64),
    )
    rows = kernels_of(nodes, FusionRules(frozenset({BN_RELU})))
    assert len(rows) == n // 2
    assert (rows["name"] == "batch_norm+relu").all()
