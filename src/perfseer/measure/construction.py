"""Where networks come from: built once per architecture on a GPU, afresh in every phase on the cpu.

On a GPU the network is built on the meta device and given memory and weights there for every phase: building
it would take as long again for each batch size, and drawing weights on the cpu and copying them longer. On
the cpu, where a forked process measures each phase, that saves nothing (giving memory to an inherited network
took 40 ms at the median of 48 phases, building it 31 ms, for it copies the pages it changes), and memory
labels would lack the network's Python objects (0.1 MiB at the median, up to 0.8 MiB).

Models that somebody else describes (``timm:``, ``module:``, ...) are built on the cpu in every phase: their
parts need not know how to initialise what they own, which skeletons depend on.
"""

from functools import lru_cache

import torch
from torch import nn

from perfseer.errors import PerfseerError
from perfseer.measure.settings import MemoryFormat, Precision
from perfseer.measure.steps import Batch
from perfseer.zoo import references
from perfseer.zoo.builder import build
from perfseer.zoo.libraries import import_library
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


def construct_named(model_ref: str, input_dimensions: tuple[int, ...]) -> nn.Module:
    """The model of a reference on the cpu, always with the same weights.

    Args:
        model_ref: of a form that needs no description (`perfseer.zoo.references`).
        input_dimensions: C, H, W, for models made for one size of image.

    Raises:
        RuntimeError: it cannot be built, which is the model's fault, not the machine's.
    """
    torch.manual_seed(WEIGHTS_SEED)
    try:
        return references.build(model_ref, input_shape=input_dimensions, device="cpu")
    except PerfseerError as error:
        raise RuntimeError(str(error)) from error


@lru_cache
def warm_library(kind: str) -> bool:
    """Import the library behind a kind of reference once, before any fork that would import it again.

    Args:
        kind: of a reference; only ``timm`` and ``torchvision`` have one.

    Returns:
        Whether something was imported. A library that cannot be is the model's fault, when it is built.
    """
    if kind not in ("timm", "torchvision"):
        return False
    try:
        import_library("timm" if kind == "timm" else "torchvision.models")
    except Exception:  # building the model raises it again, where it becomes the row's reason
        return False
    return True


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
