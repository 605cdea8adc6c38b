"""What an ONNX file says, in plain Python: nodes, shapes, attributes, the values of small tensors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from perfseer.errors import PerfseerError
from perfseer.graphs.declared import DeclaredInput, empty, torch_type

Known = npt.NDArray[Any]

STANDARD_DOMAINS = frozenset({"", "ai.onnx"})


@dataclass(frozen=True)
class Stored:
    """A tensor of the file.

    Attributes:
        shape: its dimensions.
        dtype: as in `DeclaredInput`.
        values: its contents where they are small and in the file, else None.
    """

    shape: tuple[int, ...]
    dtype: str
    values: Known | None

    def empty(self) -> Tensor:
        """The tensor without its values."""
        return empty(self.shape, torch_type(self.dtype))


@dataclass(frozen=True, eq=False)
class OnnxNode:
    """One operator call. Names of inputs may be empty (left out); attributes are Python values.

    Attributes:
        op: type, such as ``Conv``.
        domain: empty for ONNX's own operators.
        name: the exporter's, for messages.
        inputs: names of tensors read.
        outputs: names of tensors written.
        attributes: numbers, strings, tuples of them, `Stored` tensors, `OnnxGraph` bodies.
    """

    op: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    def __str__(self) -> str:
        name = self.name or next(filter(None, self.outputs), "")
        return f"{self.kind} {name!r}" if self.name else f"{self.kind} that writes {name!r}"

    @property
    def kind(self) -> str:
        """Its type with the domain before it, where it is none of ONNX's own."""
        return f"{self.domain}.{self.op}" if self.domain else self.op

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute's value, or ``default`` where the node does not have it."""
        return self.attributes.get(name, default)

    def integer(self, name: str, default: int) -> int:
        """An integer attribute."""
        value = self.attributes.get(name, default)
        if not isinstance(value, int):
            raise self.wrong(name, value, "an integer")
        return value

    def integers(self, name: str) -> tuple[int, ...] | None:
        """A tuple of integers, None where the node does not have it."""
        value = self.attributes.get(name)
        if value is not None and not (isinstance(value, tuple) and all(isinstance(v, int) for v in value)):
            raise self.wrong(name, value, "integers")
        return value

    def number(self, name: str, default: float) -> float:
        """A float attribute."""
        value = self.attributes.get(name, default)
        if not isinstance(value, int | float):
            raise self.wrong(name, value, "a number")
        return float(value)

    def text(self, name: str, default: str) -> str:
        """A string attribute."""
        value = self.attributes.get(name, default)
        if not isinstance(value, str):
            raise self.wrong(name, value, "a string")
        return value

    def wrong(self, name: str, value: Any, expected: str) -> PerfseerError:
        """The error for an attribute that is not what ONNX says it is."""
        return PerfseerError(f"{self}: attribute {name!r} is {type(value).__name__}; expected {expected}")


@dataclass(frozen=True, eq=False)
class OnnxGraph:
    """Nodes in an order in which they can run.

    Attributes:
        inputs: declared inputs without those that have a stored value.
        outputs: names of what is returned.
        nodes: every sender before its receivers.
        stored: initialisers by name.
        declared: shape and type of tensors by name, as far as the file declares them.
    """

    inputs: tuple[DeclaredInput, ...]
    outputs: tuple[str, ...]
    nodes: tuple[OnnxNode, ...]
    stored: Mapping[str, Stored]
    declared: Mapping[str, DeclaredInput]


@dataclass(frozen=True, eq=False)
class OnnxFunction:
    """A function that the file defines: an operator by its body."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    defaults: Mapping[str, Any]
    nodes: tuple[OnnxNode, ...]


@dataclass(frozen=True, eq=False)
class OnnxModel:
    """A whole file.

    Attributes:
        graph: the main graph.
        opset: version of ONNX's own operators.
        functions: by domain and name.
        producer: name and version of the program that wrote the file.
        notes: what a reader of results should know about how the file was read.
    """

    graph: OnnxGraph
    opset: int
    functions: Mapping[tuple[str, str], OnnxFunction]
    producer: str
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Reference:
    """Within a function: the value of an attribute of the call."""

    name: str


def constant_of(node: OnnxNode) -> Stored:
    """What a Constant holds, in whichever attribute.

    Raises:
        PerfseerError: in none.
    """
    attributes = node.attributes
    if isinstance(attributes.get("value"), Stored):
        return attributes["value"]
    names = {"value_int": "int64", "value_ints": "int64", "value_float": "float32", "value_floats": "float32"}
    for name, dtype in names.items():
        if name in attributes:
            values = np.array(attributes[name], dtype=dtype)
            return Stored(values.shape, dtype, values)
    raise PerfseerError(f"{node} has no value that can be read; it has {sorted(attributes)}")


def single_number(stored: Stored | None) -> float | None:
    """The value of a stored tensor of one element."""
    if stored is None or stored.values is None or stored.values.size != 1:
        return None
    return float(stored.values.reshape(-1)[0])
