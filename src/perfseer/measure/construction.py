"""Where networks come from: built once per architecture on a GPU, afresh in every phase on the cpu.

On a GPU the network is built on the meta device and given memory and weights there for every phase: building
it would take as long again for each batch size, and drawing weights on the cpu and copying them longer. On
the cpu, where a forked process measures each phase, that saves nothing (giving memory to an inherited network
took 40 ms at the median of 48 phases, building it 31 ms, for it copies the pages it changes), and memory
labels would lack the network's Python objects (0.1 MiB at the median, up to 0.8 MiB).
"""

from functools import lru_cache

import torch
from torch import nn

from perfseer.measure.settings import MemoryFormat, Precision
from perfseer.measure.steps import Batch
from perfseer.zoo.builder import build
from perfseer.zoo.space import ArchitectureSpec

# Weights are the same in every phase and every run.
WEIGHTS_SEED = 0


def construct(model_spec: str) -> nn.Module:
    """The network of a description on the cpu, as torch initialises its layers, always with the same weights.

    Args:
        model_spec: `ArchitectureSpec` as JSON.
    """
    torch.manual_seed(WEIGHTS_SEED)
    return build(ArchitectureSpec.from_json(model_spec))


@lru_cache(maxsize=1)
def skeleton(model_spec: str, precision: Precision, memory_format: MemoryFormat) -> nn.Module:
    """The network of a description on the meta device, in its number format and layout; the last one is kept.

    Args:
        model_spec: `ArchitectureSpec` as JSON.
        precision: see `CollectSettings`.
        memory_format: likewise.
    """
    with torch.device("meta"):
        model = build(ArchitectureSpec.from_json(model_spec))
    return Batch((), precision, memory_format, "meta").place(model)


def materialise(model: nn.Module, device: str) -> nn.Module:
    """Give ``model`` memory on ``device``, in place, and weights and buffers as torch initialises layers.

    Every module draws in the order of ``modules()`` from generators seeded alike, so on the cpu a network of
    the search space would have the very weights `construct` gives it.

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
