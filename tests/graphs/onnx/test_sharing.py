"""Parameters that several operators share: each counts once, and equal ones that are several count apart."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from perfseer.graphs.capture import capture
from perfseer.graphs.onnx.reader import open_onnx
from tests.graphs.onnx.test_exports import exported
from tests.helpers.model_graphs import read_onnx
from tests.helpers.onnx_files import FLOAT, ints, node, write


def n_parameters(tmp_path, nodes, stored, *, producer="test", inputs=None):
    path = write(tmp_path / "a.onnx", nodes, inputs or {"x": [2, 8]}, stored=stored, producer=producer)
    return read_onnx(path).n_parameters


RANDOM = np.random.default_rng(1)
WEIGHT = RANDOM.normal(size=(8, 8)).astype(np.float32)


def test_an_initialiser_that_several_nodes_read_is_one(tmp_path):
    nodes = [
        node("LayerNormalization", "x s b", "h"),
        node("Gemm", "h w b", "i"),
        node("LayerNormalization", "i s b", "j"),
        node("Gemm", "j w b", "y"),
    ]
    assert n_parameters(tmp_path, nodes, {"s": (8,), "b": (8,), "w": (8, 8)}) == 8 + 8 + 64


@pytest.mark.parametrize("producer", ["test", "pytorch"])
def test_a_matrix_under_several_names_is_one(tmp_path, producer):
    nodes = [
        node("Identity", "w", "onnx::MatMul_2"),
        node("Identity", "onnx::MatMul_2", "onnx::MatMul_3"),
        node("MatMul", "x w", "h"),
        node("MatMul", "h onnx::MatMul_2", "i"),
        node("MatMul", "i onnx::MatMul_3", "y"),
    ]
    assert n_parameters(tmp_path, nodes, {"w": WEIGHT}, producer=producer) == 64


@pytest.mark.parametrize(
    ("op", "more", "shape"),
    [
        ("Transpose", "", (8, 8)),
        ("Reshape", " shape", (64,)),
        ("Cast", "", (8, 8)),
        ("Unsqueeze", " axis", (8, 8)),
    ],
)
def test_a_weight_is_one_however_it_is_laid_out(tmp_path, op, more, shape):
    attributes = {"to": FLOAT} if op == "Cast" else {}
    nodes = [
        node(op, f"w{more}", "v", **attributes),
        node("Gemm", "x u", "h"),
        node("MatMul", "h v", "i"),
        node("MatMul", "i v", "y"),
    ]
    stored = {"w": shape, "u": (8, 8), "shape": ints(8, 8), "axis": ints(0)}
    assert n_parameters(tmp_path, nodes, stored) == 2 * 64


def test_two_tensors_are_two_although_they_are_equal(tmp_path):
    nodes = [node("Gemm", "x a", "h"), node("Gemm", "h b", "y")]
    assert n_parameters(tmp_path, nodes, {"a": WEIGHT, "b": WEIGHT.copy()}) == 128


def test_before_training_what_is_filled_with_one_number_is_equal_and_not_one(tmp_path):
    nodes = [
        node("Identity", "layers.0.w", "layers.1.w"),
        node("Identity", "layers.0.w", "onnx::MatMul_3"),
        node("MatMul", "x layers.0.w", "h"),
        node("MatMul", "h layers.1.w", "i"),
        node("MatMul", "i onnx::MatMul_3", "y"),
    ]
    stored = {"layers.0.w": np.zeros((8, 8), np.float32)}
    assert n_parameters(tmp_path, nodes, stored, producer="pytorch") == 3 * 64
    assert n_parameters(tmp_path, nodes, {"layers.0.w": WEIGHT}, producer="pytorch") == 64


@pytest.mark.parametrize("rows", [500, 5000])  # below and above what is kept of a file
def test_the_folded_transpose_of_an_embedding_is_the_embedding(tmp_path, rows):
    table = RANDOM.normal(size=(rows, 8)).astype(np.float32)
    nodes = [node("Gather", "words ids", "h"), node("MatMul", "h onnx::MatMul_9", "y")]
    types, inputs = {"ids": 7}, {"ids": [2, 3]}
    for head, expected in ((table.T.copy(), rows * 8), (table.T + 1, 2 * rows * 8)):
        path = write(
            tmp_path / "a.onnx",
            nodes,
            inputs,
            stored={"words": table, "onnx::MatMul_9": head},
            types=types,
            producer="pytorch",
        )
        graph = read_onnx(path)
        assert graph.n_parameters == expected
        assert graph.total_flops == 2 * 6 * 8 * rows


def test_positions_that_an_exporter_looked_up_are_learnt_and_sines_are_not(tmp_path):
    angles = np.arange(5)[:, None] / 10 ** np.arange(4)
    sines = np.concatenate([np.sin(angles), np.cos(angles)], 1).astype(np.float32)
    nodes = [node("Add", "x onnx::Add_7", "h"), node("MatMul", "h w", "y")]
    for table, expected in ((RANDOM.normal(size=(5, 8)).astype(np.float32), 40 + 64), (sines, 64)):
        stored = {"onnx::Add_7": table, "w": (8, 8)}
        assert n_parameters(tmp_path, nodes, stored, inputs={"x": [2, 5, 8]}) == expected


class Again(nn.Module):
    """A layer with a bias that runs three times."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(12, 12)

    def forward(self, x):
        return sum(self.layer(part) for part in x.split(12, 1))


class Tied(nn.Module):
    """An autoencoder of one matrix."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(5, 12))

    def forward(self, x):
        return F.linear(F.linear(x, self.weight), self.weight.t())


class Recurring(nn.Module):
    """A block that runs three times, norms included."""

    def __init__(self):
        super().__init__()
        self.block = nn.TransformerEncoderLayer(16, 2, 32, norm_first=True, batch_first=True)

    def forward(self, x):
        return self.block(self.block(self.block(x)))


class Scaled(nn.Module):
    """Two branches whose scales are equal before training."""

    def __init__(self):
        super().__init__()
        self.first, self.second = (nn.Parameter(torch.ones(12)) for _ in range(2))

    def forward(self, x):
        return x * self.first.reshape(1, 12, 1) + x * self.second.reshape(1, 12, 1)


class Twice(nn.Module):
    """One convolution with its batch norm on two inputs."""

    def __init__(self):
        super().__init__()
        self.part = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8))

    def forward(self, x):
        return self.part(x) + self.part(x.flip(1))


class Deep(nn.Module):
    """Blocks whose norms and biases are equal before training."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(
            *(nn.TransformerEncoderLayer(16, 2, 32, batch_first=True) for _ in range(3))
        )

    def forward(self, x):
        return self.blocks(x)


EXPORTED = {
    "layer": (Again(), (2, 36)),
    "autoencoder": (Tied(), (2, 12)),
    "autoencoder of tokens": (Tied(), (2, 3, 12)),
    "block": (Recurring(), (2, 3, 16)),
    "blocks": (Deep(), (2, 3, 16)),
    "scales": (Scaled(), (2, 12, 4)),
    "batch norm": (Twice(), (2, 3, 8, 8)),
}


@pytest.mark.parametrize("name", EXPORTED)
def test_exported_networks_have_the_parameters_of_the_module(tmp_path, name):
    module, shape = EXPORTED[name]
    inputs = (torch.zeros(shape),)
    graph = open_onnx(exported(module, inputs, tmp_path / "a.onnx")).graph(batch_size=2)
    reference = capture(module, inputs, backward=False)
    assert graph.n_parameters == reference.n_parameters
    assert graph.total_flops == reference.total_flops


def test_scales_of_quantised_weights_are_no_parameters(tmp_path):
    stored = {"w": np.ones((8, 16), np.int8), "scale": np.ones(16, np.float32), "zero": np.zeros(16, np.int8)}
    nodes = [node("DequantizeLinear", "w scale zero", "v", axis=1), node("MatMul", "x v", "y")]
    path = write(tmp_path / "a.onnx", nodes, {"x": [2, 8]}, stored=stored)
    graph = read_onnx(path)
    assert (graph.n_parameters, graph.buffer_bytes) == (0, 8 * 16 + 4 * 16)
    assert graph.total_flops == 2 * 2 * 8 * 16
