"""Models in 16 bits, as ``model.half()`` and ``model.bfloat16()`` make them; the model itself stays."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils._pytree import tree_map

# Precisions in which weights and inputs themselves are narrow, unlike under automatic mixed precision.
NARROW: Mapping[str, torch.dtype] = {"fp16": torch.float16, "bf16": torch.bfloat16}


def can_be_cast(module: nn.Module) -> bool:
    """Whether a module's weights can be replaced for a while: those of TorchScript cannot."""
    return not any(isinstance(part, torch.jit.ScriptModule) for part in module.modules())


def on_meta_device(values: Any) -> Any:
    """Nested inputs whose tensors are on the meta device."""
    return tree_map(lambda leaf: leaf.detach().to("meta") if isinstance(leaf, Tensor) else leaf, values)


def narrow_inputs(values: Any, dtype: torch.dtype) -> Any:
    """Nested inputs whose floating-point tensors have another type, on the meta device; the rest as it is."""
    return tree_map(lambda leaf: _narrow(leaf, dtype) if isinstance(leaf, Tensor) else leaf, values)


@contextmanager
def in_precision(module: nn.Module, dtype: torch.dtype) -> Iterator[None]:
    """While active, floating-point parameters and buffers of a module are meta tensors of another type.

    Each tied tensor is replaced by one. Afterwards the module has its own again, whatever happened.

    Args:
        module: without TorchScript in it (`can_be_cast`).
        dtype: float16 or bfloat16.
    """
    replaced: dict[int, Tensor] = {}

    def twin(tensor: Tensor) -> Tensor:
        if id(tensor) not in replaced:
            narrow = _narrow(tensor, dtype)
            if isinstance(tensor, nn.Parameter) and narrow is not tensor:
                narrow = nn.Parameter(narrow, requires_grad=tensor.requires_grad)
            replaced[id(tensor)] = narrow
        return replaced[id(tensor)]

    tables: list[tuple[dict[str, Any], dict[str, Any]]] = []
    flat: list[tuple[nn.RNNBase, list[Any]]] = []
    try:
        for part in module.modules():
            for table in (part._parameters, part._buffers):
                tables.append((table, dict(table)))
                table.update({name: twin(value) for name, value in table.items() if value is not None})
            if isinstance(part, nn.RNNBase):  # lists its weights once more
                flat.append((part, part._flat_weights))
                part._flat_weights = [w if w is None else twin(w) for w in part._flat_weights]
        yield
    finally:
        for table, own in tables:
            table.update(own)
        for layer, weights in flat:
            layer._flat_weights = weights


def _narrow(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    if (
        is_lazy(tensor)
        or not tensor.is_floating_point()
        or tensor.layout != torch.strided
        or tensor.dtype == dtype
    ):
        return tensor
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=dtype, device="meta")
