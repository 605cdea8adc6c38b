"""Will a configuration fit a device: what it needs, with an interval, and the probability that it runs."""

from dataclasses import dataclass

import numpy as np

from perfseer.data.platforms import Platform
from perfseer.errors import PerfseerError, require
from perfseer.graphs.perfgraph import FloatArray, PerfGraph
from perfseer.predictors.memory.margins import Margin, margin_of
from perfseer.predictors.memory.setup import MemorySetup, Optimiser
from perfseer.predictors.memory.terms import MemoryTerms, least_bytes, memory_terms
from perfseer.targets import Phase

MIB = 2**20
# Of the published size, what CUDA gives out: torch reports 23.69 of an RTX 3090's 24 GiB.
USABLE_SHARE = 0.987
# Kernels that count elements in 32 bits refuse tensors with more.
MOST_ELEMENTS = 2**31 - 1


@dataclass(frozen=True)
class FitForecast:
    """Whether one configuration fits one device.

    Attributes:
        probability: that it fits.
        mem_low_mib: lower end of what the device must have free, MiB, context and allocator included.
        mem_mib: its median.
        mem_high_mib: its upper end.
        confidence: of the interval.
        capacity_mib: what the device gives out.
        terms: the arithmetic behind it, bytes.
        warnings: what the forecast could not know, a sentence each.
    """

    probability: float
    mem_low_mib: float
    mem_mib: float
    mem_high_mib: float
    confidence: float
    capacity_mib: float
    terms: MemoryTerms
    warnings: tuple[str, ...] = ()


def will_it_fit(
    graph: PerfGraph,
    phase: Phase,
    platform: Platform,
    device_memory_bytes: float | None = None,
    *,
    optimiser: Optimiser = "sgd-momentum",
    confidence: float = 0.9,
    margin: Margin | None = None,
) -> FitForecast:
    """Forecast whether a configuration runs in the memory of a device that nobody else uses.

    No end of the interval is below what is certainly there (`terms.least_bytes`), and training takes no less
    than inference in the same setup.

    Args:
        graph: captured at the batch size in question; with its backward pass for ``train``.
        phase: ``train`` or ``infer``.
        platform: device, precision, mode and software.
        device_memory_bytes: size of the device's memory; by default the published one.
        optimiser: of the training step.
        confidence: of the interval, in (0, 1).
        margin: distribution of the residual; by default the shipped one.

    Raises:
        PerfseerError: the size of the memory is not known, the confidence is no share, or training is
            asked of a graph without its backward pass.
    """
    require(0 < confidence < 1, f"a confidence of {confidence} was asked for: expected a share such as 0.9")
    capacity = _capacity(platform, device_memory_bytes)
    setup = MemorySetup.of(platform, optimiser)
    chosen = margin or margin_of(setup, phase, platform.device)
    terms = memory_terms(graph, phase, setup)
    room = capacity - terms.context
    held, fits = _held(graph, phase, setup, terms, chosen, confidence, room)
    if phase == "train":
        forward = memory_terms(graph, "infer", setup)
        apart = margin_of(setup, "infer", platform.device)
        least, runs = _held(graph, "infer", setup, forward, apart, confidence, room)
        held, fits = np.maximum(held, least), min(fits, runs)
    low, middle, high = ((held + terms.context) / MIB).tolist()
    return FitForecast(
        probability=fits,
        mem_low_mib=low,
        mem_mib=middle,
        mem_high_mib=high,
        confidence=confidence,
        capacity_mib=capacity / MIB,
        terms=terms,
        warnings=tuple(_warnings(graph, platform, chosen)),
    )


def _held(
    graph: PerfGraph,
    phase: Phase,
    setup: MemorySetup,
    terms: MemoryTerms,
    margin: Margin,
    confidence: float,
    room: float,
) -> tuple[FloatArray, float]:
    """[3] bytes the allocator holds, lower end, median and upper end; and the probability of fitting."""
    least = least_bytes(graph, phase, setup)
    held = np.maximum(np.array(margin.factors(confidence)) * terms.held_bytes, least)
    fits = float(margin.fits(np.array([terms.held_bytes]), np.array([room]))[0])
    return held, fits if least <= room else margin.rarely


def largest_elements(graph: PerfGraph) -> int:
    """Elements of the largest result of an operator."""
    return int(graph.output_shapes.prod(axis=1).max())


def _capacity(platform: Platform, device_memory_bytes: float | None) -> float:
    published = platform.spec.memory_bytes if platform.spec else None
    size = published if device_memory_bytes is None else device_memory_bytes
    if size is None:
        raise PerfseerError(f"the memory of {platform.device} is not known: give device_memory_bytes")
    require(size > 0, f"a memory of {size} bytes was given: expected a positive size")
    return size * (USABLE_SHARE if platform.device_kind == "cuda" else 1.0)


def _warnings(graph: PerfGraph, platform: Platform, margin: Margin) -> list[str]:
    found = []
    if platform.device not in margin.devices:
        found.append(f"memory was never measured on this device ({platform.key}): {margin.basis}")
    elements = largest_elements(graph)
    if elements > MOST_ELEMENTS:
        found.append(
            f"a tensor of {elements:,} elements: kernels that count in 32 bits refuse it, whatever the memory"
        )
    return found
