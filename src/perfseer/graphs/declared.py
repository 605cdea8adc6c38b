"""Inputs of models in files: as declared, as given, and as empty tensors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from perfseer.errors import PerfseerError, require

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


def empty_inputs(inputs: Sequence[DeclaredInput], shapes: Sequence[Sequence[int]]) -> tuple[Tensor, ...]:
    """An empty tensor for each input; fp32 where the file does not say."""
    return tuple(
        empty(shape, torch.float32 if value.dtype == "undeclared" else torch_type(value.dtype))
        for value, shape in zip(inputs, shapes, strict=True)
    )


def declared_batch(inputs: Sequence[DeclaredInput]) -> int | None:
    """The batch size a file is fixed to: the first dimension of its first input of more than one."""
    for value in inputs:
        if value.shape is not None and len(value.shape) > 1:
            return value.shape[0] if isinstance(value.shape[0], int) else None
    return None


def input_shapes_of(
    inputs: Sequence[DeclaredInput], batch_size: int | None, given: Mapping[str, Sequence[int]]
) -> list[tuple[int, ...]]:
    """Shape of every input.

    Args:
        inputs: as declared.
        batch_size: the first dimension of inputs that leave it open or have the file's batch there; None for
            the file's own, or 1.
        given: whole shapes by input, which may differ from the declared ones in the first dimension only.

    Raises:
        PerfseerError: one is open, given for no input, or contradicts the file.
    """
    unknown = [name for name in given if name not in {value.name for value in inputs}]
    names = ", ".join(value.name for value in inputs)
    require(not unknown, f"no input is called {', '.join(map(repr, unknown))}; the file has {names}")
    require(batch_size is None or batch_size >= 1, f"the batch size must be at least 1, given {batch_size}")
    declared = declared_batch(inputs)
    symbols = _symbols(inputs, given)
    return [_shape_of(value, batch_size, declared, given.get(value.name), symbols) for value in inputs]


def _symbols(inputs: Sequence[DeclaredInput], given: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """What symbols stand for, from the shapes that are given: a sequence has one length in every input."""
    return {
        symbol: int(size)
        for value in inputs
        for symbol, size in zip(value.shape or (), given.get(value.name, ()), strict=False)
        if isinstance(symbol, str)
    }


def _shape_of(
    value: DeclaredInput,
    batch_size: int | None,
    declared: int | None,
    given: Sequence[int] | None,
    symbols: Mapping[str, int],
) -> tuple[int, ...]:
    if given is not None:
        return _checked(value, tuple(int(size) for size in given))
    if value.shape is None:
        raise PerfseerError(f"the file does not say the shape of input {value.name!r}; give it")
    shape = [symbols.get(size, size) if isinstance(size, str) else size for size in value.shape]
    if shape and (not isinstance(shape[0], int) or shape[0] == declared):
        shape[0] = batch_size or (shape[0] if isinstance(shape[0], int) else 1)
    still_open = [axis for axis, size in enumerate(shape) if not isinstance(size, int)]
    if still_open:
        raise PerfseerError(
            f"input {value.name!r} is {value.shape_text} with dimension {still_open[0]} open: give its shape"
        )
    return _checked(value, tuple(int(size) for size in shape if isinstance(size, int)))


def _checked(value: DeclaredInput, shape: tuple[int, ...]) -> tuple[int, ...]:
    text = "x".join(map(str, shape))
    fits = value.shape is None or (
        len(value.shape) == len(shape)
        and all(
            axis == 0 or not isinstance(old, int) or old == new
            for axis, (old, new) in enumerate(zip(value.shape, shape, strict=True))
        )
    )
    require(
        fits,
        f"input {value.name!r} is declared {value.shape_text}, given {text}; export the model at the other "
        "shape, or with dynamic dimensions",
    )
    require(
        all(size >= 1 for size in shape) and prod(shape) <= MOST_ELEMENTS,
        f"input {value.name!r} of shape {text}: expected sizes from 1, and no more than memory has room for",
    )
    return shape
