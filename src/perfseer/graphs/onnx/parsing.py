"""From protobuf messages to `OnnxModel`; everything a file may say wrongly is refused here or on running.

Of the package `onnx` only the message classes are used. Its checker wants weights, and is C++ that no fault
of a file must reach.
"""

import importlib
from collections.abc import Callable, Iterable, Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from perfseer.errors import PerfseerError, require
from perfseer.graphs.declared import MOST_ELEMENTS, MOST_NODES, DeclaredInput, Dimension
from perfseer.graphs.onnx.model import (
    STANDARD_DOMAINS,
    Known,
    OnnxFunction,
    OnnxGraph,
    OnnxModel,
    OnnxNode,
    Reference,
    Stored,
)
from perfseer.graphs.onnx.ordering import in_running_order
from perfseer.graphs.onnx.wire import read_structure

OLDEST_OPSET = 7

# Numbers of TensorProto.DataType (ONNX 1.17): numpy's name, or torch's where numpy has no such type.
DTYPES: Mapping[int, str] = {
    **{1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string"},
    **{9: "bool", 10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 14: "complex64"},
    **{15: "complex128", 16: "bfloat16", 17: "float8_e4m3fn", 18: "float8_e4m3fnuz", 19: "float8_e5m2"},
    **{20: "float8_e5m2fnuz", 21: "uint4", 22: "int4", 23: "float4_e2m1fn", 24: "float8_e8m0fnu"},
}
# AttributeProto.AttributeType: field that holds the value, and whether there are several.
_ATTRIBUTE_FIELDS: Mapping[int, tuple[str, bool]] = {
    **{1: ("f", False), 2: ("i", False), 3: ("s", False), 4: ("t", False), 5: ("g", False)},
    **{6: ("floats", True), 7: ("ints", True), 8: ("strings", True), 9: ("tensors", True)},
    10: ("graphs", True),
}


def onnx_package(name: str = "onnx") -> Any:
    """The package `onnx` or a part of it.

    Raises:
        PerfseerError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise PerfseerError(
            f"ONNX files are read with the package onnx, which is not there ({error}): "
            'pip install "perfseer[onnx]"'
        ) from error


def parse(path: Path) -> OnnxModel:
    """Read an ONNX file; weights are neither read nor looked for.

    Raises:
        PerfseerError: it is no ONNX file, or not one that could run; the message says what is wrong with it.
    """
    structure = read_structure(path)
    decode_error = onnx_package("google.protobuf.message").DecodeError
    try:
        message = onnx_package().ModelProto.FromString(structure)
    except decode_error as error:
        raise PerfseerError(f"{path} is not a readable ONNX file: {error}") from error
    try:
        return _model(message)
    except PerfseerError as error:
        raise PerfseerError(f"{path}: {error}") from error


def _model(message: Any) -> OnnxModel:
    require(message.HasField("graph"), "the file has no graph; is it an ONNX model?")
    versions = {_text(entry.domain): entry.version for entry in message.opset_import}
    opset = max((versions[d] for d in STANDARD_DOMAINS if d in versions), default=0)
    if message.graph.node and opset < OLDEST_OPSET:
        raise PerfseerError(
            f"the file uses version {opset} of ONNX's operators; {OLDEST_OPSET} and later are read: "
            "convert it with onnx.version_converter"
        )
    return OnnxModel(
        graph=_graph(message.graph),
        opset=opset,
        functions={(_text(f.domain), _text(f.name)): _function(f) for f in message.functions},
        producer=f"{_text(message.producer_name)} {_text(message.producer_version)}".strip(),
    )


def _graph(message: Any, outer: frozenset[str] | None = frozenset()) -> OnnxGraph:
    """A graph; ``outer`` are the names it may use of graphs around it, None for any."""
    stored = {_text(tensor.name): _stored(tensor) for tensor in message.initializer}
    # a sparse tensor stands for the dense one: its kernel in PyTorch is
    stored |= {
        _text(s.values.name): Stored(_dims(s.dims), _dtype(s.values.data_type), None)
        for s in message.sparse_initializer
    }
    require(
        len(stored) == len(message.initializer) + len(message.sparse_initializer),
        "two initialisers have the same name",
    )
    given = [_declared(value) for value in message.input]
    inputs = tuple(value for value in given if value.name not in stored)
    names = [value.name for value in inputs]
    require(len(set(names)) == len(names), "two inputs of a graph have the same name")
    known = None if outer is None else outer | stored.keys() | set(names)
    nodes = in_running_order([_node(node) for node in message.node], known)
    require(
        len(nodes) <= MOST_NODES, f"the graph has {len(nodes):,} operators; at most {MOST_NODES:,} are read"
    )
    outputs = _texts(value.name for value in message.output)
    _check_outputs(outputs, nodes, known)
    declared = {
        value.name: value for value in map(_declared, [*message.value_info, *message.output, *message.input])
    }
    return OnnxGraph(inputs, outputs, nodes, stored, declared)


def _check_outputs(
    outputs: tuple[str, ...], nodes: tuple[OnnxNode, ...], known: frozenset[str] | None
) -> None:
    require(bool(outputs), "the graph returns nothing: it has no outputs")
    if known is None:
        return
    written = known.union(*(node.outputs for node in nodes))
    missing = [name for name in outputs if name not in written]
    require(not missing, f"nothing writes the output {', '.join(map(repr, missing[:3]))}")


def _function(message: Any) -> OnnxFunction:
    defaults = {_text(attribute.name): _attribute(attribute) for attribute in message.attribute_proto}
    inputs = _texts(message.input)
    nodes = in_running_order([_node(node) for node in message.node], frozenset(inputs))
    return OnnxFunction(inputs, _texts(message.output), defaults, nodes)


def _node(message: Any) -> OnnxNode:
    outputs, op, name = _texts(message.output), _text(message.op_type), _text(message.name)
    require(bool(op), f"the operator that writes {list(outputs)[:1]} has no type")
    require(any(outputs), f"operator {name or op!r} writes nothing")
    domain = _text(message.domain)
    domain = "" if domain in STANDARD_DOMAINS else domain
    attributes = {_text(attribute.name): _attribute(attribute) for attribute in message.attribute}
    return OnnxNode(op, domain, name, _texts(message.input), outputs, attributes)


def _attribute(message: Any) -> Any:
    if message.ref_attr_name:
        return Reference(_text(message.ref_attr_name))
    field, several = _ATTRIBUTE_FIELDS.get(message.type) or _guess(message)
    convert = _CONVERSIONS[field]
    value = getattr(message, field)
    return tuple(convert(item) for item in value) if several else convert(value)


def _guess(message: Any) -> tuple[str, bool]:
    """Files before ONNX 1.2 do not say which field holds the value."""
    present = {descriptor.name for descriptor, _ in message.ListFields()}
    found = [entry for entry in _ATTRIBUTE_FIELDS.values() if entry[0] in present]
    require(len(found) <= 1, f"attribute {_text(message.name)!r} has values of several kinds")
    return found[0] if found else ("ints", True)


def _text(value: bytes | str) -> str:
    """Text of a file; the messages give bytes where it is not UTF-8."""
    return value if isinstance(value, str) else value.decode("utf-8", errors="backslashreplace")


def _texts(values: Iterable[bytes | str]) -> tuple[str, ...]:
    return tuple(map(_text, values))


_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("f", "floats"), float),
    **dict.fromkeys(("i", "ints"), int),
    **dict.fromkeys(("s", "strings"), _text),
    **dict.fromkeys(("t", "tensors"), lambda tensor: _stored(tensor)),
    **dict.fromkeys(("g", "graphs"), lambda graph: _graph(graph, None)),
}


def _dtype(number: int) -> str:
    dtype = DTYPES.get(number)
    require(dtype is not None, f"element type {number} is none that ONNX defines")
    return str(dtype)


def _dims(dims: Iterable[int]) -> tuple[int, ...]:
    shape = tuple(int(d) for d in dims)
    require(all(d >= 0 for d in shape), f"a tensor has the shape {shape}; dimensions are not negative")
    require(len(shape) <= 64, f"a tensor has {len(shape)} dimensions; at most 64 are read")
    count = prod(shape)
    require(
        count <= MOST_ELEMENTS,
        f"a tensor of shape {shape} has {count:.1e} elements: no memory has room for it",
    )
    return shape


def _stored(message: Any) -> Stored:
    shape, dtype = _dims(message.dims), _dtype(message.data_type)
    return Stored(shape, dtype, _values(message, shape, dtype))


# Where values of a type are when they are not raw; narrow types travel in int32.
_DATA_FIELDS = {"float32": "float_data", "float64": "double_data", "int64": "int64_data"} | {
    **dict.fromkeys(("uint32", "uint64"), "uint64_data"),
    **dict.fromkeys(("int32", "int16", "int8", "uint16", "uint8", "bool"), "int32_data"),
}


def _values(message: Any, shape: tuple[int, ...], dtype: str) -> Known | None:
    """The contents, None where they are large, elsewhere, or of a type numpy does not have."""
    count = prod(shape)
    if message.data_location == 1 or not (dtype in _DATA_FIELDS or dtype == "float16"):
        return None
    if message.raw_data:
        expected = count * np.dtype(dtype).itemsize
        size = len(message.raw_data)
        require(
            size == expected, f"tensor {_text(message.name)!r} has {size} bytes; its shape needs {expected}"
        )
        return np.frombuffer(message.raw_data, np.dtype(dtype).newbyteorder("<")).reshape(shape).astype(dtype)
    values = getattr(message, _DATA_FIELDS.get(dtype, "int32_data"))
    if len(values) != count or dtype == "float16":
        # dropped because it is large; a number of values that fits neither is found by nobody without weights
        return None
    try:
        return np.array(values).astype(dtype).reshape(shape)
    except (OverflowError, ValueError) as error:
        raise PerfseerError(f"tensor {_text(message.name)!r} cannot be read as {dtype}: {error}") from error


def _declared(message: Any) -> DeclaredInput:
    kind = message.type.WhichOneof("value")
    if kind != "tensor_type":
        return DeclaredInput(_text(message.name), None, str(kind or "undeclared"))
    tensor = message.type.tensor_type
    dtype = _dtype(tensor.elem_type) if tensor.elem_type else "undeclared"
    shape = tuple(_dimension(d) for d in tensor.shape.dim) if tensor.HasField("shape") else None
    return DeclaredInput(_text(message.name), shape, dtype)


def _dimension(message: Any) -> Dimension:
    kind = message.WhichOneof("value")
    if kind == "dim_value":
        # exporters write -1 and 0 for a dimension that is not fixed
        return int(message.dim_value) if message.dim_value > 0 else None
    return _text(message.dim_param) if kind == "dim_param" and message.dim_param else None
