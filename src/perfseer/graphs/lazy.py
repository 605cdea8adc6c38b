"""Models whose parameters get their shapes from the first input, as torch's lazy modules do."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy


def initialised(module: nn.Module, inputs: tuple[Any, ...], keywords: Mapping[str, Any]) -> nn.Module:
    """The module; if it holds parameters without shapes, a copy on the meta device that ran once.

    Args:
        module: which is not changed.
        inputs: tensors on the meta device.
        keywords: likewise.
    """
    held = [*module.parameters(), *module.buffers()]
    if not any(map(is_lazy, held)):
        return module
    copy = deepcopy(module, {id(tensor): on_meta(tensor) for tensor in held})
    modes = [part.training for part in copy.modules()]
    with torch.no_grad():
        copy.eval()(*inputs, **keywords)
    for part, training in zip(copy.modules(), modes, strict=True):
        part.training = training
    return copy


def on_meta(tensor: Tensor) -> Tensor:
    """A parameter or buffer of the same shape, if it has one, on the meta device."""
    if is_lazy(tensor):
        kind: Any = type(tensor)
        copy: Tensor = kind(tensor.requires_grad, device="meta", dtype=tensor.dtype)
        return copy
    copy = torch.empty_like(tensor, device="meta")
    return nn.Parameter(copy, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else copy
