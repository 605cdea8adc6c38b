"""Which batch sizes of a network clearly exceed a device's memory, before anything is run."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from perfseer.measure.settings import Precision
from perfseer.zoo.space import ArchitectureSpec, n_parameters
from perfseer.zoo.stages import DENSENET_BOTTLENECK, DenseNetStage, MobileNetStage, StageSpec

GIB = 1024**3
# Weights, gradients and momentum, in single precision.
_BYTES_PER_PARAMETER = 12
# A block keeps at most so many tensors of its widest layer for the backward pass.
_MOST_KEPT = 6
# Bytes of an activation over those of single precision.
_ACTIVATION_SCALE: dict[Precision, float] = {"fp32": 1.0, "tf32": 1.0, "amp-fp16": 0.5, "bf16": 0.5}


def device_memory_bytes(environment: Mapping[str, Any]) -> int | None:
    """Memory of the measured device by its fingerprint, whole GiB in bytes; None on the cpu.

    All of it and not what is free just now, so that the plan depends on the device alone.
    """
    gib = environment.get("device_memory_gib")
    return None if gib is None else int(gib) * GIB


def order_on_device(
    spec: ArchitectureSpec, resolution: int, sizes: Sequence[int], precision: Precision, memory_bytes: int
) -> list[int]:
    """Batch sizes of a network in the order they are tried on a device (`fitting_first`).

    A capture takes a tenth of a second, so it is left out where a generous bound fits, as it mostly does.

    Args:
        spec: the network.
        resolution: height and width of the input, pixels.
        sizes: in the order they were drawn, at least one.
        precision: half precisions halve the activations.
        memory_bytes: of the device.
    """
    activations = max(sizes) * most_activation_bytes(spec, resolution) * _ACTIVATION_SCALE[precision]
    if _BYTES_PER_PARAMETER * n_parameters(spec) + activations <= memory_bytes:
        return list(sizes)
    return fitting_first(sizes, training_peaks(spec, resolution, sizes, precision), memory_bytes)


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


def most_activation_bytes(spec: ArchitectureSpec, resolution: int) -> int:
    """More bytes than a training step of one sample keeps as activations, in single precision.

    Every block counts as `_MOST_KEPT` tensors of its widest layer; a stage's first block reaches back to the
    resolution before it. `tests/measure/test_plan.py` holds captures against it.

    Args:
        spec: the network.
        resolution: height and width of the input, pixels.
    """
    elements = (resolution // 2) ** 2 * spec.stem_channels
    for index, (stage, channels) in enumerate(zip(spec.stages, spec.input_channels, strict=True)):
        pixels = math.ceil(resolution / 2 ** (index + 2)) ** 2
        widest = [_widest(stage, inputs) for inputs in stage.block_inputs(channels)]
        elements += pixels * (sum(widest) + 3 * widest[0])
    return 4 * _MOST_KEPT * elements


def _widest(stage: StageSpec, inputs: int) -> int:
    """Channels of the widest layer of a block fed with ``inputs`` channels."""
    if isinstance(stage, MobileNetStage):
        return max(inputs * stage.expansion, stage.width)
    if isinstance(stage, DenseNetStage):
        return max(inputs + stage.growth_rate, DENSENET_BOTTLENECK * stage.growth_rate)
    return max(inputs, stage.width)


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
