"""What is strange about a configuration to a predictor that learnt from GeForce cards under mixed precision.

By these columns, whose reasons are known, devices that nobody measured differ from those learnt from;
`forecast.transfer` learns how much each is worth.
"""

import numpy as np

from perfseer.data.dataset import Dataset
from perfseer.data.devices import ln_power
from perfseer.data.features import NODE_COLUMNS
from perfseer.data.platforms import Platform
from perfseer.data.ragged import segment_sum
from perfseer.graphs.perfgraph import FloatArray
from perfseer.predictors.parts.roofline import TimeRoofline, Work, graph_column, row_features
from perfseer.predictors.parts.work_profile import PROFILE_COLUMNS, nominal_rates, work_profile
from perfseer.targets import Phase

# By what unseen devices differ from the trained ones for a reason that is known (`strangeness`).
STRANGE_COLUMNS: tuple[str, ...] = ("winograd_share", "half", "single", "power", "feeding")
_HALF = ("fp16", "bf16")
# FLOPs in a cycle of a multiprocessor's matrix units on the GPUs most is known of, GeForce since Turing.
_USUAL_PER_CYCLE = 512.0


def strangeness(dataset: Dataset, phase: Phase, platform: Platform) -> FloatArray:
    """What is strange about each row to a predictor that learnt most from GeForce cards: `STRANGE_COLUMNS`.

    - ``winograd_share``: time that 3 x 3 convolutions take where ordinary units multiply: libraries do less
      there than is counted (Winograd);
    - ``half``: 1 where all of a model is in half precision, so that nothing is cast and no copies are kept;
    - ``single``: 1 where all is in single precision on a GPU, of which little was learnt;
    - ``power``: time of products, times how much less than its siblings the device may take
      (`data.devices.ln_power`);
    - ``feeding``: time of products on matrix units, times ln of what those of a multiprocessor do in a cycle,
      beside the usual: the more they do, the harder they are to keep fed.

    Args:
        dataset: n rows.
        phase: ``train`` counts the backward pass.
        platform: of all of them.

    Returns:
        [n, F]; all but the second are 0 on a CPU and on a device of which nothing is published.
    """
    n, spec = len(dataset), platform.spec
    rates = nominal_rates(platform)
    shares = dict(zip(PROFILE_COLUMNS, work_profile(dataset, phase, rates).T, strict=True))
    column = {name: np.zeros(n) for name in STRANGE_COLUMNS}
    # a layer by itself casts nothing, whatever its precision
    composed = graph_column(row_features(dataset), "n_nodes") > 1
    column["half"] = np.where(composed, float(platform.precision in _HALF), 0.0)
    if spec is not None and platform.device_kind == "cuda":
        products = 1.0 - sum(shares[name] for name in _NO_PRODUCTS)
        column["power"] = products * ln_power(spec)
        column["single"] = np.full(n, float(platform.precision == "fp32"))
        peak = spec.peak_flops(platform.precision)
        if peak <= spec.fp32_flops:
            column["winograd_share"] = _winograd_share(dataset, phase, rates)
        else:
            per_cycle = peak / (spec.multiprocessors * spec.clock_hz)
            column["feeding"] = products * np.log(per_cycle / _USUAL_PER_CYCLE)
    return np.column_stack([column[name] for name in STRANGE_COLUMNS])


_NO_PRODUCTS = ("grouped_share", "memory_share", "launch_share")


def _winograd_share(dataset: Dataset, phase: Phase, rates: TimeRoofline) -> FloatArray:
    """[n] share of the roofline time that 3 x 3 convolutions take, neither strided nor grouped."""
    features = row_features(dataset)
    work = Work.of(features, phase)
    seconds = rates.node_seconds(work)
    column = {
        name: features.nodes[:, NODE_COLUMNS.index(name)]
        for name in ("conv_kernel", "conv_stride", "conv_groups")
    }
    winograd = (column["conv_kernel"] == 3) & (column["conv_stride"] == 1) & (column["conv_groups"] == 1)
    return np.asarray(segment_sum(seconds * winograd, work.node_ptr) / segment_sum(seconds, work.node_ptr))
