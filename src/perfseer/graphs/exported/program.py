"""What an exported program says, read from the JSON in its archive.

`torch.export.load` unpickles parts of the archive and evaluates expressions in it, so a file of unknown
origin may run code. A capture needs neither weights nor sample inputs: operators, shapes of parameters and
whose inputs are whose stand in one JSON file, and that alone is read.
"""

import lzma
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

from perfseer.errors import PerfseerError, require
from perfseer.graphs.declared import MOST_ELEMENTS, DeclaredInput, Dimension, torch_type
from perfseer.graphs.exported.archive import DTYPES, StoredTensor, read_json, stored_tensors

_PRINTABLE = re.compile(r"[\w.\-:/\[\] ]{1,200}")
_SYMBOL = re.compile(r"Symbol\('(\w+)'[^()]*\)")
_MOST_DIMENSIONS = 64


@dataclass(frozen=True)
class State:
    """A parameter, buffer or constant.

    Attributes:
        name: in the graph.
        shape: its dimensions.
        dtype: torch's name of the element type.
        trainable: whether it is a parameter with a gradient.
        number: what a constant of one element holds, None where that is not known.
        same_as: the one before it that is the same tensor under another name, None where there is none.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    trainable: bool
    number: int | float | bool | None = None
    same_as: str | None = None


@dataclass(frozen=True)
class Program:
    """An exported program.

    Attributes:
        inputs: what the user gives, in order.
        states: what the program owns.
        nodes: operator calls as the archive has them: ``target``, ``inputs``, ``outputs``.
        outputs: arguments that are returned to the user.
        tensors: shape and type of every tensor by name, as the archive has them.
        notes: what a reader of predictions should know, in whole sentences.
    """

    inputs: tuple[DeclaredInput, ...]
    states: tuple[State, ...]
    nodes: tuple[Mapping[str, Any], ...]
    outputs: tuple[Mapping[str, Any], ...]
    tensors: Mapping[str, Any]
    notes: tuple[str, ...] = ()


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
    try:
        with zipfile.ZipFile(path) as archive:
            name = program_json(archive.namelist())
            require(name is not None, "the archive holds no exported program")
            described = read_json(archive, str(name))["graph_module"]
            stored = stored_tensors(archive)
        return _program(described["graph"], described["signature"], stored)
    except PerfseerError as error:
        raise PerfseerError(f"{path}: {error}") from error
    except (OSError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, EOFError) as error:
        raise PerfseerError(f"cannot read {path}: {error}") from error
    except (*_UNREADABLE, RuntimeError, RecursionError) as error:
        raise PerfseerError(
            f"{path} is not a program as torch.export.save writes it ({_short(error)}); save it again with "
            "this version of PyTorch"
        ) from error


# What broken JSON, or JSON of another form, leads to.
_UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {ascii(str(error))[1:-1][:200]}"


def _program(
    graph: Mapping[str, Any], signature: Mapping[str, Any], stored: Mapping[str, StoredTensor]
) -> Program:
    tensors = graph["tensor_values"]
    inputs, states = [], []
    first: dict[tuple[str, State], str] = {}
    for spec in signature["input_specs"]:
        kind, value = only(spec)
        if kind == "user_input":
            inputs.append(_user_input(value["arg"], tensors))
        elif kind in ("parameter", "buffer", "tensor_constant"):
            state = _state(kind, value["arg"]["name"], tensors)
            found = stored.get(str(value[f"{kind}_name"]))
            if found is not None and kind == "tensor_constant":
                state = replace(state, number=found.number)
            if found is not None and 0 not in state.shape:
                same_as = first.setdefault((found.place, replace(state, name="")), state.name)
                state = state if same_as == state.name else replace(state, same_as=same_as)
            states.append(state)
        elif kind != "constant_input":
            raise PerfseerError(f"the program has an input of kind {kind!r}, which cannot be captured")
    outputs = [value["arg"] for kind, value in map(only, signature["output_specs"]) if kind == "user_output"]
    require(bool(outputs), "the program returns nothing")
    nodes = tuple(graph["nodes"])
    return Program(tuple(inputs), tuple(states), nodes, tuple(outputs), tensors, _notes(nodes))


def _notes(nodes: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    count = _n_branches(nodes)
    if not count:
        return ()
    places = "At one place" if count == 1 else f"At {count} places"
    return (
        f"{places} the program chooses between two branches by its data (cond): the dearer one is counted.",
    )


def _n_branches(nodes: Sequence[Mapping[str, Any]]) -> int:
    """How often the data choose between two branches, graphs inside the program included."""
    count = 0
    for node in nodes:
        inputs = node["inputs"]
        count += node["target"] == "torch.ops.higher_order.cond" and "as_tensor" in inputs[0]["arg"]
        inner = (entry["arg"]["as_graph"]["graph"]["nodes"] for entry in inputs if "as_graph" in entry["arg"])
        count += sum(map(_n_branches, inner))
    return count


def only(union: Mapping[str, Any]) -> tuple[str, Any]:
    """The one entry of a tagged union."""
    ((kind, value),) = ((k, v) for k, v in union.items() if k != "__type__")
    return str(kind), value


def _user_input(argument: Mapping[str, Any], tensors: Mapping[str, Any]) -> DeclaredInput:
    kind, value = only(argument)
    require(
        kind == "as_tensor", f"the program takes an input that is no tensor ({kind!r}); export it without"
    )
    require(
        bool(_PRINTABLE.fullmatch(str(value["name"]))), f"an input is called {ascii(value['name'])[:100]}"
    )
    meta = tensors[value["name"]]
    return DeclaredInput(str(value["name"]), tuple(_dimension(s) for s in meta["sizes"]), dtype_of(meta))


def _dimension(size: Mapping[str, Any]) -> Dimension:
    kind, value = only(size)
    if kind == "as_int":
        return _size(value)
    symbol = _SYMBOL.fullmatch(str(value["expr_str"]))
    return symbol.group(1) if symbol else None


def _example(size: Mapping[str, Any]) -> int:
    """An open dimension as it was in the export."""
    hint = only(size)[1].get("hint")
    require(hint is not None, "a tensor's shape depends on the data")
    return _size(only(hint)[1])


def _size(value: Any) -> int:
    fits = isinstance(value, int) and 0 <= value <= MOST_ELEMENTS
    require(
        fits, f"a tensor has a dimension of {ascii(value)[:40]}: expected a size that memory has room for"
    )
    return int(value)


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
        shape.append(dimension if isinstance(dimension, int) else _example(size))
    fits = len(shape) <= _MOST_DIMENSIONS and prod(shape) <= MOST_ELEMENTS
    require(fits, f"a tensor has the shape {tuple(shape[:_MOST_DIMENSIONS])}: no memory has room for it")
    return tuple(shape)


def _state(kind: str, name: str, tensors: Mapping[str, Any]) -> State:
    meta = tensors[name]
    trainable = kind == "parameter" and bool(meta["requires_grad"])
    dtype = dtype_of(meta)
    require(
        not trainable or torch_type(dtype).is_floating_point or torch_type(dtype).is_complex,
        f"parameter {str(name)!r} is of type {dtype}, which has no gradients",
    )
    return State(str(name), shape_of(meta), dtype, trainable)
