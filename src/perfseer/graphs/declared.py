"""Inputs of models in files: as declared, and as empty tensors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Dimension = int | str | None

# 1 TiB of fp32: a larger tensor is a fault of the file.
MOST_ELEMENTS = 2**38
MOST_NODES = 100_000

_NO_TORCH_TYPE = {"string": torch.int64, "uint4": torch.uint8, "int4": torch.uint8}


@dataclass(frozen=True)
class DeclaredInput:
    """An input as a file declares it.

    Attributes:
        name: as in the file.
        shape: an integer, a symbol or None (unknown) for each dimension; None where not even their number is
            known.
        dtype: torch's name of the element type; ``undeclared`` where there is none.
    """

    name: str
    shape: tuple[Dimension, ...] | None
    dtype: str

    def __str__(self) -> str:
        return f"{self.name} {self.shape_text} {self.dtype}"

    @property
    def shape_text(self) -> str:
        """The shape for people: ``Nx3x224x224``, ``?`` for what is unknown."""
        return "?" if self.shape is None else "x".join("?" if d is None else str(d) for d in self.shape)


def torch_type(dtype: str) -> torch.dtype:
    """The torch type of a name; bytes where torch has none."""
    if dtype in _NO_TORCH_TYPE:
        return _NO_TORCH_TYPE[dtype]
    found = getattr(torch, dtype, None)
    return found if isinstance(found, torch.dtype) else torch.uint8


def empty(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """A tensor without values; making it is no operator of a capture."""
    return torch.empty(tuple(shape), dtype=dtype, device="meta")


def empty_inputs(
    inputs: Sequence[DeclaredInput],
    shapes: Sequence[Sequence[int]],
    types: Mapping[str, str] | None = None,
) -> tuple[Tensor, ...]:
    """An empty tensor for each input; where the file does not say its type, as ``types`` do, else fp32."""
    return tuple(
        empty(shape, torch_type(dtype_of(value, types or {})))
        for value, shape in zip(inputs, shapes, strict=True)
    )


def dtype_of(value: DeclaredInput, types: Mapping[str, str]) -> str:
    """Torch's name of an input's type."""
    return types.get(value.name, "float32") if value.dtype == "undeclared" else value.dtype
