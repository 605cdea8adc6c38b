"""What an exported program says, read from the JSON in its archive.

`torch.export.load` unpickles parts of the archive and evaluates expressions in it, so a file of unknown
origin may run code. A capture needs neither weights nor sample inputs: operators, shapes of parameters and
whose inputs are whose stand in one JSON file, and that alone is read.
"""

import json
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from perfseer.errors import PerfseerError, require
from perfseer.graphs.declared import MOST_ELEMENTS, DeclaredInput, Dimension

_SYMBOL = re.compile(r"Symbol\('(\w+)'[^()]*\)")
LARGEST_JSON_BYTES = 64 * 1024 * 1024
# Numbers of torch._export.serde.schema.ScalarType (schema version 8).
DTYPES: Mapping[int, str] = {
    **{1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64"},
    **{9: "complex32", 10: "complex64", 11: "complex128", 12: "bool", 13: "bfloat16", 28: "uint16"},
    **{29: "float8_e4m3fn", 30: "float8_e5m2", 31: "float8_e4m3fnuz", 32: "float8_e5m2fnuz"},
    **{33: "float8_e8m0fnu", 34: "uint32", 35: "uint64"},
}


@dataclass(frozen=True)
class State:
    """A parameter, buffer or constant.

    Attributes:
        name: in the graph.
        shape: its dimensions.
        dtype: torch's name of the element type.
        trainable: whether it is a parameter with a gradient.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    trainable: bool


@dataclass(frozen=True)
class Program:
    """An exported program.

    Attributes:
        inputs: what the user gives, in order.
        states: what the program owns.
        nodes: operator calls as the archive has them: ``target``, ``inputs``, ``outputs``.
        outputs: arguments that are returned to the user.
        tensors: shape and type of every tensor by name, as the archive has them.
    """

    inputs: tuple[DeclaredInput, ...]
    states: tuple[State, ...]
    nodes: tuple[Mapping[str, Any], ...]
    outputs: tuple[Mapping[str, Any], ...]
    tensors: Mapping[str, Any]


def program_json(names: list[str]) -> str | None:
    """The name of the JSON with the program among an archive's, None if it holds none."""
    for name in names:
        if name.endswith(("models/model.json", "serialized_exported_program.json")):
            return name
    return None


def read_program(path: Path) -> Program:
    """Read a program; weights, sample inputs and code are not looked at.

    Raises:
        PerfseerError: the archive is broken, holds no program, or one that cannot be read.
    """
    content = _content(path)
    try:
        described = json.loads(content)["graph_module"]
        return _program(described["graph"], described["signature"])
    except PerfseerError as error:
        raise PerfseerError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        raise PerfseerError(
            f"{path} is not a program as torch.export.save writes it ({type(error).__name__}: {error}); "
            "save it again with this version of PyTorch"
        ) from error


def _content(path: Path) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            name = program_json(archive.namelist())
            if name is None:
                raise PerfseerError(f"{path} holds no exported program")
            with archive.open(name) as file:
                content = file.read(LARGEST_JSON_BYTES + 1)
    except (OSError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise PerfseerError(f"cannot read {path}: {error}") from error
    limit = LARGEST_JSON_BYTES // 2**20
    require(len(content) <= LARGEST_JSON_BYTES, f"{path}: the program is larger than {limit} MiB")
    return content


def _program(graph: Mapping[str, Any], signature: Mapping[str, Any]) -> Program:
    tensors = graph["tensor_values"]
    inputs, states = [], []
    for spec in signature["input_specs"]:
        kind, value = only(spec)
        if kind == "user_input":
            inputs.append(_user_input(value["arg"], tensors))
        elif kind in ("parameter", "buffer", "tensor_constant"):
            states.append(_state(kind, value["arg"]["name"], tensors))
        elif kind != "constant_input":
            raise PerfseerError(f"the program has an input of kind {kind}, which cannot be captured")
    outputs = [value["arg"] for kind, value in map(only, signature["output_specs"]) if kind == "user_output"]
    require(bool(outputs), "the program returns nothing")
    return Program(tuple(inputs), tuple(states), tuple(graph["nodes"]), tuple(outputs), tensors)


def only(union: Mapping[str, Any]) -> tuple[str, Any]:
    """The one entry of a tagged union."""
    ((kind, value),) = ((k, v) for k, v in union.items() if k != "__type__")
    return str(kind), value


def _user_input(argument: Mapping[str, Any], tensors: Mapping[str, Any]) -> DeclaredInput:
    kind, value = only(argument)
    require(kind == "as_tensor", f"the program takes an input that is no tensor ({kind}); export it without")
    meta = tensors[value["name"]]
    return DeclaredInput(str(value["name"]), tuple(_dimension(s) for s in meta["sizes"]), dtype_of(meta))


def _dimension(size: Mapping[str, Any]) -> Dimension:
    kind, value = only(size)
    if kind == "as_int":
        return int(value)
    symbol = _SYMBOL.fullmatch(str(value["expr_str"]))
    return symbol.group(1) if symbol else None


def dtype_of(meta: Mapping[str, Any]) -> str:
    """Torch's name of a tensor's element type."""
    return DTYPES[meta["dtype"]]


def shape_of(meta: Mapping[str, Any], symbols: Mapping[str, int] | None = None) -> tuple[int, ...]:
    """A tensor's shape.

    Args:
        meta: the tensor as the archive describes it.
        symbols: sizes of open dimensions; those it lacks are as in the example of the export.

    Raises:
        PerfseerError: the shape is negative or beyond any memory.
    """
    shape = []
    for size in meta["sizes"]:
        dimension = _dimension(size)
        if isinstance(dimension, str) and dimension in (symbols or {}):
            dimension = (symbols or {})[dimension]
        shape.append(dimension if isinstance(dimension, int) else int(only(only(size)[1]["hint"])[1]))
    fits = all(s >= 0 for s in shape) and prod(shape) <= MOST_ELEMENTS
    require(fits, f"a tensor has the shape {tuple(shape)}: no memory has room for it")
    return tuple(shape)


def _state(kind: str, name: str, tensors: Mapping[str, Any]) -> State:
    meta = tensors[name]
    trainable = kind == "parameter" and bool(meta["requires_grad"])
    return State(str(name), shape_of(meta), dtype_of(meta), trainable)
