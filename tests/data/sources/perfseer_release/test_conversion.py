"""The release's graphs and ours: what capture says of a network, the format says too, and back."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from perfseer.data.sources.perfseer_release.conversion import ARGUMENTS, MEMORY, to_perfgraph
from perfseer.data.sources.perfseer_release.inversion import to_raw
from perfseer.data.sources.perfseer_release.raw import RawGraph
from perfseer.errors import PerfseerError
from perfseer.graphs.capture import capture
from perfseer.graphs.perfgraph import PerfGraph
from perfseer.graphs.vocabulary import ONNX_VIEWS, OPERATOR_INDEX, OPERATORS, onnx_index, onnx_type
from perfseer.zoo.builder import build
from perfseer.zoo.sampler import sample
from perfseer.zoo.space import SearchSpace
from tests.helpers.synthetic import STYLES, make_graph


def space(style: str) -> SearchSpace:
    return SearchSpace.from_mapping(
        {
            "seed": 3,
            "styles": [style],
            "resolution": 64,
            "in_channels": 3,
            "stem_channels": 8,
            "n_classes": 10,
            "depth": [1, 2],
            "width": [8, 64],
            "max_parameters": 10_000_000,
        }
    )


def captured(module: nn.Module, *shape: int) -> PerfGraph:
    return capture(module.to("meta"), (torch.empty(shape, device="meta"),))


def assert_equal(graph: PerfGraph, other: PerfGraph) -> None:
    """In every field; the order of edges aside."""
    orders = [np.lexsort(each.edge_index) for each in (graph, other)]
    for field in dataclasses.fields(PerfGraph):
        left, right = getattr(graph, field.name), getattr(other, field.name)
        if field.name == "edge_index":
            left, right = left[:, orders[0]], right[:, orders[1]]
        elif field.name.startswith("edge_"):
            left, right = left[orders[0]], right[orders[1]]
        np.testing.assert_array_equal(left, right, err_msg=field.name)


def feature(kind: str, args: dict[str, Any] | None = None, **sizes: Any) -> dict[str, Any]:
    """A node as published, zero in whatever is not said."""
    memory = dict.fromkeys(MEMORY, 0) | {"batch_size": 2} | sizes
    return {
        "type": kind,
        "args": dict.fromkeys(ARGUMENTS, 0) | (args or {}),
        "memory_info": memory,
        "flops": memory.pop("flops", 0),
        "arith_intensity": 0.0,
    }


def relu(**sizes: Any) -> dict[str, Any]:
    image = {"output_channels": 4, "output_h": 5, "output_w": 5, "output_size": 800, "input_size": 800}
    return feature("Relu", **{"bytes": "1600"} | image | sizes)


def chain(*features: dict[str, Any]) -> RawGraph:
    return RawGraph(features, tuple((i, i + 1) for i in range(len(features) - 1)))


# -- our networks, there and back -------------------------------------------------------------------------


@pytest.mark.parametrize("style", STYLES)
def test_a_network_of_the_search_space_comes_back_in_every_number(style):
    for number, spec in enumerate(sample(space(style), 3)):
        with torch.device("meta"):
            graph = captured(build(spec), 2**number, 3, 64, 64)
        for shape in ((3, 64, 64), None):
            assert_equal(to_perfgraph(to_raw(graph, shape), spec.id), graph)


class Plain(nn.Module):
    """What the search space has not: biases, a Flatten of pixels, two Gemms, a ReLU not in place."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2))
        self.left, self.right = nn.Conv2d(6, 6, 1), nn.Conv2d(6, 6, 3, padding=1, groups=2)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(216, 9), nn.ReLU(inplace=True), nn.Linear(9, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        y = self.left(x)
        return self.head(torch.relu(y) + self.right(y))


def test_biases_and_pixels_that_are_flattened_come_back():
    graph = captured(Plain(), 4, 3, 12, 12)
    raw = to_raw(graph)
    kinds = [node["type"] for node in raw.features]
    assert kinds[:6] == ["Conv", "Relu", "MaxPool", "Conv", "Relu", "Conv"]
    assert kinds[6:] == ["Add", "Flatten", "Gemm", "Relu", "Gemm"]
    flatten, gemm = raw.features[7]["memory_info"], raw.features[8]["memory_info"]
    assert (flatten["output_channels"], flatten["output_h"], flatten["output_w"]) == (216, 0, 0)
    assert (flatten["input_channels"], flatten["input_h"], flatten["input_w"]) == (6, 6, 6)
    assert (gemm["input_channels"], gemm["weight_size"]) == (216, 216 * 9 + 9)
    assert_equal(to_perfgraph(raw, "plain"), graph)


def test_a_network_of_gemms_alone_has_no_flatten():
    graph = captured(nn.Sequential(nn.Linear(7, 5), nn.ReLU(inplace=True), nn.Linear(5, 3)), 4, 7)
    raw = to_raw(graph)
    assert [node["type"] for node in raw.features] == ["Gemm", "Relu", "Gemm"]
    assert_equal(to_perfgraph(raw, "gemms"), graph)


def test_the_models_input_is_recovered_without_being_told():
    graph = captured(nn.Sequential(nn.Conv2d(3, 8, 5, stride=2, padding=2, bias=True)), 2, 3, 32, 64)
    memory = to_raw(graph).features[0]["memory_info"]
    assert [memory[f"input_{side}"] for side in ("channels", "h", "w")] == [3, 32, 64]


def test_any_graph_can_be_written_and_read():
    for seed in range(40):
        graph = make_graph(3 + seed % 9, 2 * seed, seed)
        graph = dataclasses.replace(graph, output_bytes=4 * graph.output_shapes.prod(axis=1))
        back = to_perfgraph(to_raw(graph), "random")
        np.testing.assert_array_equal(back.operators, graph.operators)
        np.testing.assert_array_equal(back.bytes, graph.bytes)
        np.testing.assert_array_equal(back.flops, graph.flops)
        assert {tuple(edge) for edge in back.edge_index.T} == {tuple(edge) for edge in graph.edge_index.T}


# -- what is published ------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight_size", [896, 3584, "896"], ids=["elements", "bytes", "text"])
def test_the_one_value_quoted_from_the_release(weight_size):
    """The stem's convolution at batch 128: 3 to 32 channels, 3 x 3, with a bias, 224 to 112 pixels."""
    args = {"conv_kernel_size": 3, "conv_stride": 2, "conv_padding": 1, "conv_dilation": 1}
    args |= {"conv_groups": 1, "conv_bias": 1}
    shapes = {"input_channels": 3, "input_h": 224, "input_w": 224}
    shapes |= {"output_channels": 32, "output_h": 112, "output_w": 112, "batch_size": 128}
    sizes = {
        "bytes": "282594816",
        "weight_size": weight_size,
        "input_size": 77070336,
        "output_size": 205520896,
    }
    raw = chain(feature("Conv", args, flops=1000, **shapes, **sizes))
    graph = to_perfgraph(raw, "stem")
    assert graph.weight_bytes.tolist() == [4 * (32 * 3 * 3 * 3 + 32)]
    assert graph.bytes.tolist() == [282594816]
    assert (graph.n_parameters, graph.parameter_bytes, graph.buffer_bytes) == (896, 3584, 0)
    assert graph.output_shapes.tolist() == [[128, 32, 112, 112]]
    assert graph.backward_flops.tolist() == [1000]  # the model's input has no gradient
    assert graph.peak_infer_bytes == 282594816


def test_numbers_may_be_texts_floats_or_missing():
    odd = relu(output_size="800.0", input_size=800.0, weight_size=None, output_channels="4")
    odd["args"] = {"conv_stride": "", "pool_kernel_size": [1, "3"], "pool_stride": "2"}
    odd["flops"] = "200"
    graph = to_perfgraph(chain(odd), "odd")
    assert (graph.flops.tolist(), graph.output_bytes.tolist(), graph.input_bytes.tolist()) == (
        [200],
        [800],
        [800],
    )
    assert graph.output_shapes.tolist() == [[2, 4, 5, 5]]
    assert graph.hyperparameters.tolist() == [[0] * 9 + [3, 2, 0, 0]]


def test_sizes_in_elements_are_told_by_the_shapes():
    graph = to_perfgraph(
        chain(relu(output_size=200, input_size=200), relu(output_size=200, input_size=200)), "x"
    )
    assert graph.output_bytes.tolist() == graph.input_bytes.tolist() == [800, 800]
    assert graph.edge_bytes.tolist() == [800]


def test_bytes_beyond_input_and_output_are_kept():
    graph = to_perfgraph(chain(relu(bytes=2000)), "x")
    assert (graph.input_bytes.tolist(), graph.output_bytes.tolist(), graph.bytes.tolist()) == (
        [1200],
        [800],
        [2000],
    )


def test_weights_are_believed_where_bytes_leave_them_out():
    sizes = {"output_size": 24, "input_size": 40, "output_channels": 3, "weight_size": 18}
    gemm = feature(
        "Gemm", {"linear_in_features": 5, "linear_out_features": 3, "linear_bias": 1}, bytes=64, **sizes
    )
    assert to_perfgraph(chain(gemm), "x").weight_bytes.tolist() == [72]


def test_views_are_no_nodes_and_pass_their_own_shape_on():
    flat = {"output_channels": 100, "output_size": 800, "input_size": 800}
    gemm = {
        "output_channels": 3,
        "output_size": 24,
        "input_size": 800,
        "weight_size": 300,
        "bytes": 800 + 24 + 1200,
    }
    raw = chain(relu(), feature("Flatten", **flat), feature("Identity"), feature("Gemm", **gemm))
    graph = to_perfgraph(raw, "x")
    assert [OPERATORS[operator] for operator in graph.operators] == ["relu", "linear"]
    assert graph.edge_index.tolist() == [[0], [1]]
    # the Identity says nothing of its shape, so it is the producer's
    assert graph.edge_shapes.tolist() == [[2, 4, 5, 5]]
    graph = to_perfgraph(chain(relu(), feature("Flatten", **flat), feature("Gemm", **gemm)), "x")
    assert (graph.edge_shapes.tolist(), graph.edge_bytes.tolist()) == ([[2, 100, 1, 1]], [800])


def test_a_long_chain_of_views_is_followed():
    views = [feature("Reshape", output_size=800) for _ in range(5000)]
    graph = to_perfgraph(chain(relu(), *views, relu()), "x")
    assert graph.edge_index.tolist() == [[0], [1]]


def test_a_view_of_the_models_input_is_dropped():
    graph = to_perfgraph(RawGraph((feature("Identity"), relu(), relu()), ((0, 1), (1, 2))), "x")
    assert graph.edge_index.tolist() == [[0], [1]]


def test_the_largest_graph_of_views_and_readers_is_read_in_linear_time():
    views, readers = 10_000, 10_000
    nodes = (relu(), *[feature("Flatten")] * views, *[relu()] * readers)
    edges = [(i, i + 1) for i in range(views)] + [(views, views + 1 + i) for i in range(readers)]
    graph = to_perfgraph(RawGraph(nodes, tuple(edges)), "x")
    assert (graph.n_nodes, graph.n_edges) == (readers + 1, readers)


def test_nodes_are_sorted_where_they_must_be_and_only_there():
    nodes = [relu(flops=position) for position in range(5)]
    graph = to_perfgraph(RawGraph(tuple(nodes), ((4, 0), (0, 2), (3, 2))), "x")
    assert graph.flops.tolist() == [1, 3, 4, 0, 2]
    assert graph.edge_index.tolist() == [[2, 1, 3], [3, 4, 4]]


def test_unknown_types_become_other_and_are_counted():
    names = ["Einsum", "Relu", "Einsum", "Frobnicate"]
    graph = to_perfgraph(chain(*(relu() | {"type": name} for name in names)), "x")
    assert dict(graph.unknown) == {"Einsum": 2, "Frobnicate": 1}
    assert graph.operators.tolist() == [0, OPERATOR_INDEX["relu"], 0, 0]
    assert graph.bytes.tolist() == [1600] * 4


def test_a_global_pool_without_arguments_has_its_inputs_side():
    sizes = {"input_h": 7, "input_w": 5, "output_channels": 4, "output_size": 32, "input_size": 1120}
    graph = to_perfgraph(chain(feature("GlobalAveragePool", bytes=1152, **sizes)), "x")
    assert graph.hyperparameters[0].tolist() == [0] * 9 + [7, 7, 0, 0]


def test_a_relu_that_shares_its_input_is_not_in_place():
    """Two readers of the first tensor: three tensors of 800 bytes at once, beside the model's input."""
    alone = to_perfgraph(chain(relu(), relu()), "x")
    shared = to_perfgraph(RawGraph((relu(), relu(), relu() | {"type": "Add"}), ((0, 1), (0, 2), (1, 2))), "x")
    assert alone.peak_infer_bytes == 800 + 800
    assert shared.peak_infer_bytes == 800 + 3 * 800


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (RawGraph((relu(), relu()), ((0, 1), (1, 0))), "cycle"),
        (RawGraph((relu(), relu()), ((1, 1),)), "cycle"),
        (RawGraph((relu(),), ((0, 1),)), "edge 0 -> 1 of a graph of 1 nodes"),
        (RawGraph((relu(),), ((-1, 0),)), "edge -1 -> 0"),
        (RawGraph((), ()), "without nodes"),
        (chain(feature("Flatten")), "nothing but views"),
        (chain(relu(output_size="many")), "'many' where a number should be"),
        (chain(relu(output_size=float("nan"))), "nan where a size should be"),
        (chain(relu(output_size=float("inf"))), "inf where a size should be"),
        (chain(relu(output_size="9" * 5000)), "inf where a size should be"),
        (chain(relu(output_size=-4)), "below 0 or too large"),
        (chain(relu(output_size=2**45)), "below 0 or too large"),
        (chain(relu(flops=2**60)), "below 0 or too large"),
        (chain(relu(flops=-1)), "below 0 or too large"),
        (chain(feature("Conv", {"conv_groups": 2**45}, flops=2**20)), "below 0 or too large"),
        (RawGraph((relu(), feature("Flatten"), feature("Flatten")), ((1, 2), (2, 1))), "cycle"),
        (
            RawGraph((relu(), relu(), feature("Flatten")), ((0, 2), (1, 2))),
            "node 2 .Flatten. has several inputs",
        ),
        (chain(relu(output_size={})), "where a number should be"),
        (chain({"type": "Relu", "args": {}}), "lacks type, args or memory_info"),
        (chain(relu() | {"type": None}), "lacks type"),
    ],
)
def test_what_is_no_network_is_refused_with_its_name(raw, told):
    with pytest.raises(PerfseerError, match=told) as caught:
        to_perfgraph(raw, "bs8_1234.pkl")
    assert str(caught.value).startswith("bs8_1234.pkl: ")


# -- words ------------------------------------------------------------------------------------------------


def test_every_operator_has_a_name_that_means_it():
    names = [onnx_type(index) for index in range(len(OPERATORS))]
    assert len(set(names)) == len(OPERATORS)
    assert [onnx_index(name) for name in names] == list(range(len(OPERATORS)))
    assert not ONNX_VIEWS & set(names)


def test_the_releases_ten_types_are_all_understood():
    ten = "Conv Relu BatchNormalization Concat AveragePool GlobalAveragePool Flatten Gemm MaxPool Add"
    assert [name for name in ten.split() if onnx_index(name) == 0] == ["Flatten"]
    assert "Flatten" in ONNX_VIEWS
