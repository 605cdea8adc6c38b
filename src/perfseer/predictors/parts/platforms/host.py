r"""What the host of a GPU needs to start a step's kernels: launches of a graph, and time for each.

A GPU runs what its host has started. Where kernels are short the host decides how long a step takes, and its
time does not depend on the batch size: a number of launches times what each costs in the interpreter, the
framework and the driver. That cost is a property of the host, which people seldom name. What is known of it
stands in ``host_clocks.csv``: for each machine of which steps were published that a roofline with the card's
peaks puts below a third of what was measured, microseconds per launch; and for others the least that any step
took, which bounds it from above. Over machines it is taken to be lognormal.

Training starts more than its nodes: the backward pass, the count of batches of each batch normalisation, and
what the optimiser does. Phases have clocks of their own: published steps of training come to 21 to 48 us per
launch counted so, those of inference to 23 to 47.
"""

import csv
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from perfseer.data.dataset import Dataset
from perfseer.data.platforms import Platform
from perfseer.errors import PerfseerError, require
from perfseer.graphs.fusion import fuse
from perfseer.graphs.perfgraph import PerfGraph
from perfseer.graphs.vocabulary import HYPERPARAMETERS, OPERATOR_INDEX
from perfseer.targets import PHASES, TARGET_NAMES, Phase

_TABLE = Path(__file__).with_name("host_clocks.csv")
_NORMAL = NormalDist()
_ANY_PHASE = "any"
# Networks on one machine differ by so much around its clock (ln): not all operators cost a host the same.
_WITHIN_MACHINE = 0.15
# The least spread (ln) that a clock is said to have once a platform's own steps bound it.
_LEAST_SPREAD = 0.1
# Of the models that timm timed those with most launches a step, but for Sequencer's recurrences of 60,000 and
# more, are NFNet-F6 and its like with 18,350.
MOST_LAUNCHES = 20_000
# SGD with momentum is three operations on every weight, one kernel each before torch 2; since then each is
# one kernel for as many weights as fit into its arguments.
_OPTIMISER_OPERATIONS, _WEIGHTS_PER_KERNEL = 3, 48
# Before torch 2 gradients were filled with zeros and added to.
_OLD_GRADIENT_OPERATIONS = 2
_NORMS = np.array([name in ("batch_norm", "layer_norm", "group_norm") for name in OPERATOR_INDEX])
_BATCH_NORM, _COPY = OPERATOR_INDEX["batch_norm"], OPERATOR_INDEX["copy"]
_WEIGHTED = np.array([name in ("conv", "linear") for name in OPERATOR_INDEX])
_BIASES = [HYPERPARAMETERS.index(name) for name in ("conv_bias", "linear_bias")]


@dataclass(frozen=True)
class HostClock:
    """Time of a host for each launch, lognormal.

    Attributes:
        ln_us: mean of its natural logarithm, microseconds.
        spread: standard deviation of the logarithm, positive.
    """

    ln_us: float
    spread: float

    def ms(self, launches: int, quantile: float = 0.5) -> float:
        """Time of so many launches [ms] that a host exceeds with probability 1 - ``quantile``."""
        return launches * math.exp(self.ln_us + self.spread * _NORMAL.inv_cdf(quantile)) / 1e3

    def slower_than(self, device_ms: float, launches: int) -> float:
        """Probability that a host takes longer to start the kernels than ``device_ms``."""
        return _below(-self._standard(device_ms, launches))

    def later_ms(self, device_ms: float, launches: int) -> float:
        """The later of device and host [ms]: exp of the mean of ln max over hosts.

        Never below either median, increasing in both, and the device's where the host is far ahead.

        Args:
            device_ms: what the device takes, positive.
            launches: kernels to start, at least 1.
        """
        z = self._standard(device_ms, launches)
        # counted from the later of both medians, so that nothing is rounded away where the other is far ahead
        beyond = self.spread * (_NORMAL.pdf(z) - abs(z) * _below(-abs(z)))
        return max(device_ms, self.ms(launches)) * math.exp(max(beyond, 0.0))

    def at_most(self, us: float) -> "HostClock":
        """The clock of hosts that take no longer than ``us`` for a launch.

        Mean and deviation are those of a truncated normal distribution.
        """
        require(us > 0, f"a launch of {us} us, expected a positive time")
        z = (math.log(us) - self.ln_us) / self.spread
        below = _below(z)
        if below < 1e-9:  # nothing the prior knows: the bound itself is all there is to say
            return HostClock(math.log(us) - _LEAST_SPREAD, _LEAST_SPREAD)
        ratio = _NORMAL.pdf(z) / below
        variance = max(1.0 - z * ratio - ratio**2, 0.0)
        spread = max(self.spread * math.sqrt(variance), _LEAST_SPREAD)
        return HostClock(self.ln_us - self.spread * ratio, spread)

    def _standard(self, device_ms: float, launches: int) -> float:
        require(
            device_ms > 0 and launches > 0,
            f"a device time of {device_ms} ms and {launches} launches, expected both positive",
        )
        return (math.log(device_ms / launches * 1e3) - self.ln_us) / self.spread


def _below(z: float) -> float:
    """Standard normal distribution function, exact far below zero too."""
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


@cache
def host_prior(mode: str, phase: Phase) -> HostClock:
    """The clock of a host that nobody knows.

    Args:
        mode: ``eager``, ``compiled`` or ``cuda-graphs``.
        phase: inference or training.

    Returns:
        Over measured machines: mean and standard deviation of the logarithms, a bound counted as if measured,
        with the spread of a further machine (the mean is uncertain too) and of networks on one.

    Raises:
        PerfseerError: the table has nothing about the mode, or is damaged.
    """
    with _TABLE.open(encoding="utf-8", newline="") as stream:
        rows = [
            row
            for row in csv.DictReader(stream)
            if row["mode"] == mode and row["phase"] in (phase, _ANY_PHASE)
        ]
    assumed = [row for row in rows if row["kind"] == "assumed"]
    try:
        values = [math.log(float(row["us_per_launch"])) for row in rows]
        if assumed:
            return HostClock(values[0], float(assumed[0]["spread"]))
    except ValueError as error:
        raise PerfseerError(f"{_TABLE.name} is damaged ({error}): install perfseer again") from error
    require(
        len(values) > 1,
        f"{_TABLE.name} has {len(values)} machines in mode {mode} for {phase}, expected two or more",
    )
    between = float(np.std(values, ddof=1)) * math.sqrt(1 + 1 / len(values))
    return HostClock(float(np.mean(values)), math.hypot(between, _WITHIN_MACHINE))


def launches(graph: PerfGraph, phase: Phase, platform: Platform) -> int:
    """Kernels that a host starts for one step, at least 1.

    A node is one; compiled, one that writes nothing is none (`perfseer.graphs.fusion`). In training a node
    with work in the backward pass is one more, a batch normalisation counts its batches, and the optimiser
    follows.

    Args:
        graph: captured at the batch size.
        phase: inference or training.
        platform: mode and software.
    """
    started = np.ones(graph.n_nodes, dtype=np.bool_)
    if platform.mode == "compiled":
        started = ~_fused_away(graph)
    count = int(started.sum())
    if phase == "train":
        count += int((started & (graph.backward_bytes > 0)).sum())
        count += int((graph.operators == _BATCH_NORM).sum()) * (platform.mode != "compiled")
        count += _of_weights(_weights(graph), platform)
    return max(count, 1)


def _fused_away(graph: PerfGraph) -> npt.NDArray[np.bool_]:
    """[V] whether a node's result goes to its readers without passing through memory."""
    fused = fuse(
        graph.operators,
        graph.input_bytes.astype(np.float64),
        graph.output_bytes.astype(np.float64),
        graph.edge_index,
        graph.edge_bytes.astype(np.float64),
    )
    return fused.silent


def _of_weights(weights: int, platform: Platform) -> int:
    """Kernels that gradients and the optimiser take besides the backward pass."""
    if (0, 0) < platform.torch_version < (2, 0):
        return weights * (_OPTIMISER_OPERATIONS + _OLD_GRADIENT_OPERATIONS)
    return _OPTIMISER_OPERATIONS * -(-weights // _WEIGHTS_PER_KERNEL)


def _weights(graph: PerfGraph) -> int:
    """Tensors of weights, nearly: of products a weight and maybe a bias, of norms two, of others one."""
    operators = graph.operators
    products = _WEIGHTED[operators]
    norms = _NORMS[operators] & (graph.weight_bytes > 0)
    # under autocast a product reads what a cast wrote, so that casts are not counted
    others = (graph.weight_bytes > 0) & ~products & ~norms & (operators != _COPY)
    biases = int((graph.hyperparameters[products][:, _BIASES] > 0).sum())
    return int(products.sum()) + biases + 2 * int(norms.sum()) + int(others.sum())


def least_us_per_launch(measured: Dataset) -> dict[tuple[str, Phase], float]:
    """Least time per launch [us] of any measured step, by platform and phase: no host there is slower.

    Steps of so many launches that only an unrolled recurrence has them tell nothing: a library runs it as a
    few kernels.

    Args:
        measured: rows with times and the columns of a platform.
    """
    found: dict[tuple[str, Phase], float] = {}
    platforms = Platform.of_rows(measured.rows)
    for phase in PHASES:
        times = measured.labels[:, TARGET_NAMES.index(f"{phase}_time_ms")]
        for row in np.flatnonzero(~np.isnan(times)).tolist():
            graph, platform = measured.graph(row), platforms[row]
            if platform.device_kind == "cuda" and (phase == "infer" or graph.has_backward):
                started = launches(graph, phase, platform)
                if started <= MOST_LAUNCHES:
                    us, key = 1e3 * float(times[row]) / started, (platform.key, phase)
                    found[key] = min(us, found.get(key, math.inf))
    return found
