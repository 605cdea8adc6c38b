"""Operators whose results are as large as the data say: a capture has no data, and says so by their names."""

from typing import Any

import torch

_TAGS = (torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape)
_OF_LIBRARIES = frozenset({"torchvision::nms", "torchvision::qnms"})


class DependsOnDataError(RuntimeError):
    """An operator's result depends on values that no shape tells."""


def is_data_dependent(function: Any) -> bool:
    """Whether shape or value of an operator's result depends on the data (a `torch._ops.OpOverload`)."""
    return any(tag in function.tags for tag in _TAGS) or function._schema.name in _OF_LIBRARIES


def tell_data_dependent(function: Any, error: Exception) -> None:
    """Say what a failed call means, where its operator depends on the data; otherwise do nothing.

    Raises:
        DependsOnDataError: it does.
    """
    missing = isinstance(error, NotImplementedError) or function._schema.name in _OF_LIBRARIES
    if missing and is_data_dependent(function):
        name = function._schema.name.removeprefix("aten::").replace("::", ".")
        raise DependsOnDataError(
            f"the result of {name!r} depends on the data, of which a capture knows the shapes alone"
        ) from error
