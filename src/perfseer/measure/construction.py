"""One architecture built once, on the meta device, and given memory and weights for every phase.

Building a network on the device itself would cost as much for each of its batch sizes, and drawing weights on
the cpu and copying them more than that.
"""

from functools import lru_cache

import torch
from torch import nn

from perfseer.measure.settings import MemoryFormat, Precision
from perfseer.measure.steps import Batch

# Weights are the same in every phase and every run.
WEIGHTS_SEED = 0


@lru_cache(maxsize=1)
def skeleton(model_spec: str, precision: Precision, memory_format: MemoryFormat) -> nn.Module:
    """The network of a description on the meta device, in its number format and layout; the last one is kept.

    Args:
        model_spec: `ArchitectureSpec` as JSON.
        precision: see `CollectSettings`.
        memory_format: likewise.
    """
    from perfseer.zoo.builder import build
    from perfseer.zoo.space import ArchitectureSpec

    with torch.device("meta"):
        model = build(ArchitectureSpec.from_json(model_spec))
    return Batch((), precision, memory_format, "meta").place(model)


def materialise(model: nn.Module, device: str) -> nn.Module:
    """Give ``model`` memory on ``device``, in place, and weights and buffers as torch initialises layers.

    Every module draws in the order of ``modules()`` from generators seeded alike, so on the cpu a network of
    the search space has the very weights that building it there after `torch.manual_seed` gives it.

    Args:
        model: on the meta device; every module that owns parameters or buffers has ``reset_parameters``.
        device: torch device.

    Raises:
        TypeError: a module cannot initialise what it owns.
    """
    stateful = [module for module in model.modules() if _owns_tensors(module)]
    for module in stateful:
        if not hasattr(module, "reset_parameters"):
            raise TypeError(f"{type(module).__name__} owns tensors but has no reset_parameters to fill them")
    model.to_empty(device=device)
    torch.manual_seed(WEIGHTS_SEED)
    for module in stateful:
        module.reset_parameters()
    return model


def release(model: nn.Module) -> None:
    """Take memory and gradients from ``model`` again: back to the meta device, in place."""
    model.zero_grad(set_to_none=True)
    model.to_empty(device="meta")


def _owns_tensors(module: nn.Module) -> bool:
    own = (*module.parameters(recurse=False), *module.buffers(recurse=False))
    return len(own) > 0
