"""The batch of a module's inputs: which dimension of which argument it is, and how it is resized.

Arguments are known by the names of ``forward``'s parameters. Without a word on the batch it is the first
dimension of every tensor, and only if all agree on its size; a dimension that broadcasts has size 1.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from perfseer.errors import PerfseerError, require
from perfseer.graphs.batch_dimension import ALL_INPUTS
from perfseer.graphs.declared import MOST_ELEMENTS

BatchDims = Mapping[str, int | None]
Argument = tuple[str, Any]


def parameters_of(module: nn.Module) -> list[inspect.Parameter]:
    """The parameters of a module's ``forward``; none where Python cannot tell."""
    try:
        return list(inspect.signature(module.forward).parameters.values())
    except (TypeError, ValueError):
        return []


def takes(module: nn.Module) -> str:
    """What a module takes, for messages."""
    names = [str(parameter).split(":")[0].split("=")[0].strip() for parameter in parameters_of(module)]
    return f"{type(module).__name__} takes {', '.join(names) or 'arguments without names'}"


def named(module: nn.Module, positional: Sequence[Any], keywords: Mapping[str, Any]) -> list[Argument]:
    """All arguments in order, by the names of ``forward``'s parameters."""
    plain = [p.name for p in parameters_of(module) if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    names = [*plain, *(f"argument {place + 1}" for place in range(len(plain), len(positional)))]
    return [*zip(names, positional, strict=False), *keywords.items()]


def batched(
    arguments: Sequence[Argument], batch_size: int | None, batch_dims: BatchDims
) -> tuple[list[Any], int]:
    """The values of all arguments at another number of samples, on the meta device; and that number.

    Args:
        arguments: by name.
        batch_size: samples; None leaves all as it is.
        batch_dims: which dimension is the batch, by argument; `ALL_INPUTS` for every tensor that has there
            what the first one has; None for an argument without. Arguments that are not named have none,
            if any is.

    Raises:
        PerfseerError: which dimension is the batch is not plain, or ``batch_dims`` do not fit.
    """
    names = [name for name, _ in arguments]
    unknown = [name for name in batch_dims if name not in (*names, ALL_INPUTS)]
    require(not unknown, f"no input is called {', '.join(map(repr, unknown))}; there are {', '.join(names)}")
    axis_of = _said(arguments, batch_dims) if batch_dims else _first
    sizes = {
        (name, leaf.shape[axis])
        for name, leaf in _tensors(arguments)
        if (axis := axis_of(name, leaf)) is not None
    }
    own = next(
        (leaf.shape[a] for n, leaf in _tensors(arguments) if (a := axis_of(n, leaf)) is not None), None
    )
    if batch_size is None or batch_size == own:
        return [value for _, value in arguments], own or 1
    if own is None:
        raise PerfseerError("a batch size was given, but no input has a dimension that could be the batch")
    differing = {size for _, size in sizes} - ({own} if batch_dims else {own, 1})
    if differing:
        shapes = ", ".join(f"{name} {_text(leaf.shape)}" for name, leaf in _tensors(arguments))
        raise PerfseerError(
            f"the inputs are {shapes}: which dimension is the batch of {batch_size} samples is not plain; "
            f"name it for each that has one (--batch-dim {names[0]}=0 says the first of {names[0]}), or for "
            "all alike (--batch-dim 1 says the second; batch_dims in Python)"
        )

    def resize(name: str, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        axis = axis_of(name, value)
        if axis is None or value.shape[axis] != own:
            return value
        shape = (*value.shape[:axis], batch_size, *value.shape[axis + 1 :])
        require(
            prod(shape) <= MOST_ELEMENTS,
            f"{name} of {batch_size} samples is {_text(shape)}: no memory has room for it",
        )
        return torch.empty(shape, dtype=value.dtype, device="meta")

    return [
        tree_map(lambda leaf, name=name: resize(name, leaf), value) for name, value in arguments
    ], batch_size


def _first(_: str, tensor: Tensor) -> int | None:
    return 0 if tensor.dim() else None


def _said(arguments: Sequence[Argument], batch_dims: BatchDims) -> Callable[[str, Tensor], int | None]:
    default = batch_dims.get(ALL_INPUTS)
    for name, tensor in _tensors(arguments):
        axis = batch_dims.get(name)
        require(
            axis is None or axis < tensor.dim(),
            f"--batch-dim {name}={axis}: {name} is {_text(tensor.shape)} and has no such dimension",
        )
    size = (
        next((t.shape[default] for _, t in _tensors(arguments) if t.dim() > default), None)
        if (default is not None)
        else None
    )
    require(default is None or size is not None, f"--batch-dim {default}: no input has so many dimensions")

    def axis_of(name: str, tensor: Tensor) -> int | None:
        if name in batch_dims:
            return batch_dims[name]
        fits = default is not None and tensor.dim() > default and tensor.shape[default] == size
        return default if fits else None

    return axis_of


def _tensors(arguments: Iterable[Argument]) -> list[tuple[str, Tensor]]:
    return [
        (name, leaf) for name, value in arguments for leaf in tree_leaves(value) if isinstance(leaf, Tensor)
    ]


def _text(shape: Iterable[int]) -> str:
    return "x".join(map(str, shape)) or "a number"
