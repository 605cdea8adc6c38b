"""What kind of work a configuration is: the few physical quantities by which devices differ.

One device is faster than another by one factor first, and then by how good each is at dense products, at
grouped convolutions, at moving memory, at attention and at launching operators. So a configuration is
described by the share of its roofline time that each of these takes, and by how long it is.
"""

import numpy as np

from perfseer.data.dataset import Dataset
from perfseer.data.features import NODE_COLUMNS
from perfseer.data.platforms import Platform
from perfseer.data.ragged import segment_sum
from perfseer.graphs.perfgraph import FloatArray
from perfseer.graphs.vocabulary import mask_with
from perfseer.predictors.parts.roofline import TimeRoofline, Work, row_features
from perfseer.targets import Phase

# Of the roofline time, beside dense products, which make up the rest.
SHARES: tuple[str, ...] = ("grouped", "memory", "attention", "launch")
PROFILE_COLUMNS: tuple[str, ...] = ("ln_roofline_s", *(f"{name}_share" for name in SHARES))
_DENSE, _ATTENTION = mask_with("product"), mask_with("scores")
# What programs reach of published peaks, roughly, and what starting an operator costs; only shares follow.
_REACHED_FLOPS, _REACHED_BANDWIDTH = 0.5, 0.8
_LAUNCH_S = 5e-6
_TYPICAL = TimeRoofline(3e13, 6e11, _LAUNCH_S)


def nominal_rates(platform: Platform | None) -> TimeRoofline:
    """Rates to weigh operators by, from a device's public figures; a typical GPU's where there are none."""
    spec = None if platform is None else platform.spec
    if platform is None or spec is None:
        return _TYPICAL
    used = 1.0 if platform.units is None else platform.units / spec.multiprocessors
    return TimeRoofline(
        _REACHED_FLOPS * used * spec.peak_flops(platform.precision),
        _REACHED_BANDWIDTH * spec.bandwidth_bytes_per_s,
        _LAUNCH_S,
    )


def work_profile(dataset: Dataset, phase: Phase, rates: TimeRoofline) -> FloatArray:
    """What kind of work each row is in one phase.

    Args:
        dataset: n rows.
        phase: ``train`` counts the backward pass and the optimiser.
        rates: of a device (`nominal_rates`).

    Returns:
        [n, F] columns `PROFILE_COLUMNS`: ln of the roofline time in s, and shares of it, 0 to 1.
    """
    features = row_features(dataset)
    work = Work.of(features, phase)
    launch = np.full(work.flops.shape[1], rates.launch_s)
    busy = rates.node_seconds(work) - launch
    other = ~(_DENSE | _ATTENTION)[features.operators]
    grouped = features.nodes[:, NODE_COLUMNS.index("conv_groups")] > 1
    parts = {
        "grouped": busy * grouped,
        "memory": busy * other,
        "attention": busy * _ATTENTION[features.operators],
        "launch": launch,
    }
    seconds = {name: segment_sum(part, work.node_ptr) for name, part in parts.items()}
    seconds["memory"] = seconds["memory"] + work.extra_bytes / rates.bytes_per_s
    total = np.maximum(rates.milliseconds(work) / 1e3, rates.launch_s)
    return np.column_stack([np.log(total), *(seconds[name] / total for name in SHARES)])
