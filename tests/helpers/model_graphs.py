"""Graphs of small networks and of model files, and whether two of them are the same work."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from perfseer.graphs.exported.module import program_graph
from perfseer.graphs.exported.program import read_program
from perfseer.graphs.onnx.reader import open_onnx
from perfseer.graphs.perfgraph import PerfGraph
from perfseer.graphs.vocabulary import OPERATORS


class Lambda(nn.Module):
    """A function of submodules and inputs as a module."""

    def __init__(self, function: Callable[..., Any], *parts: nn.Module) -> None:
        super().__init__()
        self.function, self.parts = function, nn.ModuleList(parts)

    def forward(self, *inputs: Any) -> Any:
        """``function(parts, *inputs)``."""
        return self.function(self.parts, *inputs)


def operators(graph: PerfGraph) -> list[str]:
    """The operator of every node."""
    return [OPERATORS[index] for index in graph.operators]


def read_onnx(path: Path, **settings: Any) -> PerfGraph:
    """The graph of an ONNX file; ``settings`` of `OnnxReading.graph`."""
    return open_onnx(path).graph(**settings)


def read_exported(path: Path, **settings: Any) -> PerfGraph:
    """The graph of a saved program; ``settings`` of `program_graph`."""
    return program_graph(read_program(path), **settings)


def assert_same_work(graph: PerfGraph, reference: PerfGraph) -> None:
    """Equal operators, shapes, edges, costs of both passes, parameters and analytic peaks."""
    assert operators(graph) == operators(reference)
    for name in (
        *("flops", "input_bytes", "weight_bytes", "output_bytes", "backward_flops", "backward_bytes"),
        *("hyperparameters", "output_shapes"),
    ):
        np.testing.assert_array_equal(getattr(graph, name), getattr(reference, name), name)
    assert sorted(graph.edge_index.T.tolist()) == sorted(reference.edge_index.T.tolist())
    for name in ("n_parameters", "buffer_bytes", "peak_infer_bytes", "peak_train_bytes", "train_only_bytes"):
        assert getattr(graph, name) == getattr(reference, name), name
