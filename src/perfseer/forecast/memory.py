"""Peak memory of a configuration by arithmetic, and whether it fits: for predictors that know times alone."""

from dataclasses import dataclass

from perfseer.data.platforms import Platform
from perfseer.forecast.parts import Estimate, Interval, MemoryFit, Notice
from perfseer.graphs.perfgraph import PerfGraph
from perfseer.predictors.memory import will_it_fit
from perfseer.targets import Phase
from perfseer.words import chance

# Below this probability of fitting an answer carries a warning.
LIKELY = 0.9
# Where nobody knows how much there is, everything fits and nothing is said about fitting.
_UNBOUNDED_BYTES = 2.0**60


@dataclass(frozen=True)
class Memory:
    """What arithmetic says about memory.

    Attributes:
        estimate: peak memory [MiB] with its interval.
        fit: None where the memory of the device is not known.
        notices: what it could not know, and a warning if it may not fit.
    """

    estimate: Estimate
    fit: MemoryFit | None
    notices: tuple[Notice, ...]


def memory_of(
    graph: PerfGraph,
    phase: Phase,
    platform: Platform,
    confidence: float,
    device_memory_bytes: float | None = None,
) -> Memory:
    """Peak memory of a graph on a platform.

    Args:
        graph: captured at the batch size; with its backward pass for training.
        phase: inference or training.
        platform: whose published memory counts unless ``device_memory_bytes`` is given.
        confidence: of the interval, in (0, 1).
        device_memory_bytes: memory there is [bytes]; None takes the published one.
    """
    published = None if platform.spec is None else platform.spec.memory_bytes
    size = device_memory_bytes or published
    found = will_it_fit(graph, phase, platform, size or _UNBOUNDED_BYTES, confidence=confidence)
    interval = Interval(found.mem_low_mib, found.mem_high_mib, confidence)
    estimate = Estimate("memory", found.mem_mib, "MiB", interval)
    notices = [Notice("warning", "memory_not_measured", text) for text in found.warnings]
    if size is None:
        return Memory(estimate, None, tuple(notices))
    if found.probability < LIKELY:
        text = (
            f"fits into the {found.capacity_mib / 1024:.3g} GiB there are with a probability of "
            f"{chance(found.probability)}: it needs {estimate}"
        )
        notices.append(Notice("warning", "memory_may_not_fit", text))
    return Memory(estimate, MemoryFit(found.probability, found.capacity_mib), tuple(notices))
