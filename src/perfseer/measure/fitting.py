"""Which batch sizes of a network clearly exceed a device's memory, before anything is run."""

from collections.abc import Mapping, Sequence
from typing import Any

from perfseer.measure.settings import Precision
from perfseer.zoo.space import ArchitectureSpec, n_parameters

GIB = 1024**3
# Weights, gradients and momentum, in single precision.
_BYTES_PER_PARAMETER = 12
# Bytes of an activation over those of single precision.
_ACTIVATION_SCALE: dict[Precision, float] = {"fp32": 1.0, "tf32": 1.0, "amp-fp16": 0.5, "bf16": 0.5}


def device_memory_bytes(environment: Mapping[str, Any]) -> int | None:
    """Memory of the measured device by its fingerprint, whole GiB in bytes; None on the cpu.

    All of it and not what is free just now, so that the plan depends on the device alone.
    """
    gib = environment.get("device_memory_gib")
    return None if gib is None else int(gib) * GIB


def fitting_first(sizes: Sequence[int], peaks: Mapping[int, float], memory_bytes: int) -> list[int]:
    """Batch sizes that may fit in their order, then those that clearly do not, smallest first.

    Smallest first, because once one of them has run out of memory, larger ones need not be tried.

    Args:
        sizes: in the order they were drawn.
        peaks: bytes each needs, at the least.
        memory_bytes: of the device.
    """
    return [
        *(size for size in sizes if peaks[size] <= memory_bytes),
        *sorted(size for size in sizes if peaks[size] > memory_bytes),
    ]


def training_peaks(
    spec: ArchitectureSpec, resolution: int, sizes: Sequence[int], precision: Precision
) -> dict[int, float]:
    """Analytic peak bytes of a training step at each batch size, by liveness (`graphs.liveness`).

    The network is captured once, at the largest size. What is neither weight, gradient nor momentum is
    activations, which are in proportion to the batch. Libraries' workspaces and gaps are not in it, so a
    device needs more than this.

    Args:
        spec: the network.
        resolution: height and width of the input, pixels.
        sizes: batch sizes, at least one.
        precision: half precisions halve the activations.
    """
    import torch

    from perfseer.graphs.capture import capture
    from perfseer.zoo.builder import build

    largest = max(sizes)
    with torch.device("meta"):
        inputs = torch.empty(largest, spec.in_channels, resolution, resolution)
        graph = capture(build(spec), (inputs,))
    fixed = _BYTES_PER_PARAMETER * n_parameters(spec)
    per_sample = (graph.peak_train_bytes - fixed) / largest * _ACTIVATION_SCALE[precision]
    return {size: fixed + per_sample * size for size in sizes}
