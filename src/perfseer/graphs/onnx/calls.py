"""One operator call at running time: its node and the values it is given."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from perfseer.errors import PerfseerError, require
from perfseer.graphs.declared import empty, torch_type
from perfseer.graphs.onnx.model import Known, OnnxNode

# A list of sizes, axes or places is no longer.
_MOST_NUMBERS = 2**16


@dataclass(frozen=True, slots=True, eq=False)
class Fact:
    """A value that is known while the model is read: a shape, an axis, a scale, an index.

    Attributes:
        values: the numbers.
        twin: the same as a parameter or buffer, where the file stores it.
    """

    values: Known
    twin: Tensor | None = None


# A tensor of the run (on the meta device, so without values), something known, or an argument left out.
Value: TypeAlias = Tensor | Fact | None


def as_tensor(value: Tensor | Fact) -> Tensor:
    """A value as a tensor of the run."""
    if isinstance(value, Tensor):
        return value
    if value.twin is not None:
        return value.twin
    return empty(value.values.shape, torch_type(value.values.dtype.name))


def depends_on_data(node: OnnxNode, what: str) -> PerfseerError:
    """The error for a shape that only the contents of the inputs decide.

    Args:
        node: where it is decided.
        what: the subject of the sentence.
    """
    written = f" that writes {', '.join(map(repr, filter(None, node.outputs)))}" if node.name else ""
    return PerfseerError(
        f"{node}{written}: {what} depends on the data; only models whose shapes follow from the input's can "
        "be read: export the model without it, or the part before it"
    )


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A node about to run.

    Attributes:
        node: what is to run.
        inputs: values in the order of the node's inputs.
        opset: version of ONNX's operators.
        training: whether batch statistics are taken and dropout drops.
        counter: the number of batches a batch norm has seen, a buffer; None for other operators.
        in_place: whether the result may overwrite the input.
        is_computed: whether it runs on the numbers of what is known, on the cpu, and not on empty tensors.
        reshaped: the shape a literal target stands for at this batch size, None where the file's is right.
    """

    node: OnnxNode
    inputs: Sequence[Value]
    opset: int
    training: bool
    counter: Tensor | None = None
    in_place: bool = False
    is_computed: bool = False
    reshaped: tuple[int, ...] | None = None

    def has(self, position: int) -> bool:
        """Whether an argument is given."""
        return position < len(self.inputs) and self.inputs[position] is not None

    def tensor(self, position: int) -> Tensor:
        """An argument as a tensor.

        Raises:
            PerfseerError: it is left out.
        """
        value = self._given(position)
        if self.is_computed and isinstance(value, Fact):
            return torch.tensor(value.values)
        return as_tensor(value)

    @property
    def device(self) -> str:
        """Where it runs."""
        return "cpu" if self.is_computed else "meta"

    def is_stored(self, position: int) -> bool:
        """Whether an argument is a parameter or buffer of the model."""
        value = self.inputs[position] if position < len(self.inputs) else None
        tensor = value.twin if isinstance(value, Fact) else value
        return isinstance(tensor, nn.Parameter | nn.Buffer)

    def tensors(self) -> list[Tensor]:
        """All arguments as tensors.

        Raises:
            PerfseerError: one is left out.
        """
        return [self.tensor(position) for position in range(len(self.inputs))]

    def optional(self, position: int) -> Tensor | None:
        """An argument as a tensor, None where it is left out."""
        return self.tensor(position) if self.has(position) else None

    def operand(self, position: int, rank: int) -> Any:
        """A single known number as such, so that ``x + 1`` is no addition of tensors; otherwise the tensor.

        Where all is known, it is a tensor, of the type it has in the file.

        Args:
            position: of the argument.
            rank: dimensions of the other operand; a number with more is a tensor.
        """
        value = self._given(position)
        is_number = isinstance(value, Fact) and value.values.size == 1 and value.values.ndim <= rank
        return value.values.item() if is_number and not self.is_computed else self.tensor(position)

    def known(self, position: int) -> Known:
        """The numbers of an argument.

        Raises:
            PerfseerError: they depend on the data, or it is left out.
        """
        value = self._given(position)
        if isinstance(value, Fact):
            return value.values
        raise depends_on_data(self.node, f"its argument {self.node.inputs[position]!r} decides a shape and")

    def numbers(self, position: int) -> list[int]:
        """A known argument as a list of integers.

        Raises:
            PerfseerError: it is not known, or no number a shape could have: too many, not finite.
        """
        known = np.atleast_1d(self.known(position))
        require(
            known.size <= _MOST_NUMBERS and bool(np.isfinite(known).all()),
            f"{self.node}: its argument {self.node.inputs[position]!r} holds {known.size:,} numbers, not "
            "all of them sizes a tensor could have",
        )
        return [int(number) for number in known.ravel().tolist()]

    def axes(self, position: int, name: str = "axes") -> list[int] | None:
        """Axes, which were an attribute before they became an argument; None where they are left out."""
        if self.has(position):
            return self.numbers(position)
        axes = self.node.integers(name)
        return None if axes is None else list(axes)

    def _given(self, position: int) -> Tensor | Fact:
        value = self.inputs[position] if position < len(self.inputs) else None
        require(value is not None, f"{self.node} lacks its argument {position + 1}")
        assert value is not None
        return value


Handler = Callable[[Call], Value | tuple[Value, ...]]
