"""ONNX files written by hand for the tests."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
helper, FLOAT, INT64 = onnx.helper, 1, 7


def node(op: str, inputs: str, outputs: str, **attributes: Any) -> Any:
    """A node; names are separated by blanks, a dot stands for an argument left out."""
    names = ["" if name == "." else name for name in inputs.split()]
    return helper.make_node(op, names, outputs.split(), **attributes)


def microsoft(op: str, inputs: str, outputs: str = "y", **attributes: Any) -> Any:
    """A node of ONNX Runtime's domain, likewise."""
    made = node(op, inputs, outputs, **attributes)
    made.domain = "com.microsoft"
    return made


def write(
    path: Path,
    nodes: Sequence[Any],
    inputs: Mapping[str, Sequence[Any]],
    outputs: Sequence[str] = ("y",),
    stored: Mapping[str, Any] | None = None,
    *,
    opset: int = 17,
    types: Mapping[str, int] | None = None,
    producer: str = "test",
    **model: Any,
) -> Path:
    """Write a model; ``stored`` maps names to arrays, or to shapes of fp32 weights without values."""
    tensors = [tensor(name, value) for name, value in (stored or {}).items()]
    types = types or {}
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info(n, types.get(n, FLOAT), shape) for n, shape in inputs.items()],
        [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs],
        tensors,
    )
    made = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], producer_name=producer, **model
    )
    path.write_bytes(made.SerializeToString())
    return path


def tensor(name: str, value: Any) -> Any:
    """An initialiser: an array with its contents, a tuple as the shape of a weight stored elsewhere."""
    if isinstance(value, tuple):
        made = onnx.TensorProto(name=name, data_type=FLOAT, dims=value, data_location=1)
        made.external_data.add(key="location", value="/nowhere/weights.bin")
        return made
    return onnx.numpy_helper.from_array(np.asarray(value), name)


def ints(*values: int) -> np.ndarray:
    """A stored list of integers."""
    return np.array(values, dtype=np.int64)


def number(value: float) -> np.ndarray:
    """A stored fp32 number."""
    return np.array(value, dtype=np.float32)
