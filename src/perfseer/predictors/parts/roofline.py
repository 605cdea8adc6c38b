r"""Roofline: three constants for each time, two for each memory, fitted; what physics alone is worth.

.. math::
    t = \sum_{nodes} \max\left(\frac{flops}{P}, \frac{bytes}{B}\right) + n_{nodes} \, t_{launch}
    \qquad m = a + b \cdot m_{peak}

Training adds each node's backward pass, the bytes no node owns and the optimiser's. The analytic peak memory
comes from liveness over the trace. Utilisation is not defined here. `library/roofline.py` is the predictor;
others learn the deviation from it (`residual`).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.optimize import least_squares, nnls

from perfseer.data.dataset import Dataset
from perfseer.data.features import GLOBAL_COLUMNS, NODE_COLUMNS, GraphFeatures
from perfseer.data.ragged import segment_sum
from perfseer.graphs.perfgraph import FloatArray, IntArray
from perfseer.settings import load_settings
from perfseer.targets import PHASES, TARGET_BY_NAME, TARGET_NAMES, Phase

# SGD with momentum reads weight, gradient and momentum, and writes weight and momentum.
_OPTIMISER_PASSES = 5
_BYTES_PER_ELEMENT = 4
# Errors beyond this relative size count linearly, so that single rows do not steer the fit.
_ROBUST = 0.1
BASELINE_TARGETS: frozenset[str] = frozenset(
    name for name in TARGET_NAMES if TARGET_BY_NAME[name].quantity != "util"
)


@dataclass(frozen=True, eq=False)
class Work:
    """What one phase asks of a device, for n rows whose graphs have V nodes altogether.

    Attributes:
        flops: [K, V] FLOPs of each of K passes (forward; backward).
        bytes: [K, V] bytes moved.
        node_ptr: [n + 1] first node of each row.
        extra_bytes: [n] bytes moved by what is not a node.
        peak_bytes: [n] analytic peak memory.
    """

    flops: FloatArray
    bytes: FloatArray
    node_ptr: IntArray
    extra_bytes: FloatArray
    peak_bytes: FloatArray

    @classmethod
    def of(cls, features: GraphFeatures, phase: Phase) -> "Work":
        """Work of raw (not normalised) features in one phase."""
        passes = [("flops", "bytes")] + [("backward_flops", "backward_bytes")] * (phase == "train")
        nodes = np.asarray(features.nodes, dtype=np.float64).T
        extra = np.zeros(len(features))
        if phase == "train":
            optimiser = _OPTIMISER_PASSES * _BYTES_PER_ELEMENT * graph_column(features, "n_parameters")
            extra = graph_column(features, "train_only_bytes") + optimiser
        return cls(
            flops=nodes[[NODE_COLUMNS.index(flops) for flops, _ in passes]],
            bytes=nodes[[NODE_COLUMNS.index(moved) for _, moved in passes]],
            node_ptr=features.node_ptr,
            extra_bytes=extra,
            peak_bytes=graph_column(features, f"peak_{phase}_bytes"),
        )


def graph_column(features: GraphFeatures, name: str) -> FloatArray:
    """[n] one raw graph feature by its name."""
    return np.asarray(features.globals_[:, GLOBAL_COLUMNS.index(name)], dtype=np.float64)


@dataclass(frozen=True)
class TimeRoofline:
    """The three constants of a device in one phase.

    Attributes:
        flops_per_s: P, compute rate.
        bytes_per_s: B, memory rate.
        launch_s: time per node on top, s.
    """

    flops_per_s: float
    bytes_per_s: float
    launch_s: float

    @classmethod
    def fit(cls, work: Work, time_ms: FloatArray) -> "TimeRoofline":
        """Fit on relative errors, robustly.

        Args:
            work: of n rows.
            time_ms: [n] their measured times.
        """
        seconds = time_ms / 1e3
        nodes = np.diff(work.node_ptr)

        def residuals(logs: FloatArray) -> FloatArray:
            return np.asarray(np.log(cls(*np.exp(logs)).milliseconds(work) / time_ms))

        totals = [segment_sum(rows.sum(axis=0), work.node_ptr) for rows in (work.flops, work.bytes)]
        rates = [np.median(total / seconds) for total in totals]
        starts = [
            np.log([max(rates[0], 1.0) * up, max(rates[1], 1.0) * up, np.min(seconds / nodes) * launch])
            for up, launch in ((2.0, 0.5), (10.0, 0.9), (1.2, 0.05))
        ]
        fits = [
            # Bounded, since a constant that no row depends on would wander off to infinity.
            least_squares(residuals, start, bounds=(start - 20, start + 20), loss="soft_l1", f_scale=_ROBUST)
            for start in starts
        ]
        best = min(fits, key=lambda fit: float(fit.cost))
        return cls(*(float(value) for value in np.exp(best.x)))

    def node_seconds(self, work: Work) -> FloatArray:
        """[V] roofline time of each node, all passes, s."""
        slower = np.maximum(work.flops / self.flops_per_s, work.bytes / self.bytes_per_s)
        return np.asarray(slower.sum(axis=0) + self.launch_s)

    def milliseconds(self, work: Work) -> FloatArray:
        """[n] time of each row, ms."""
        seconds = segment_sum(self.node_seconds(work), work.node_ptr) + work.extra_bytes / self.bytes_per_s
        return 1e3 * seconds


@dataclass(frozen=True)
class MemoryLine:
    """Measured memory as a line over the analytic peak.

    Attributes:
        base_mib: a, what is there before the first tensor, MiB.
        factor: b, measured per analytic byte.
    """

    base_mib: float
    factor: float

    @classmethod
    def fit(cls, work: Work, mem_mib: FloatArray) -> "MemoryLine":
        """Least squares of relative errors with a, b >= 0.

        Args:
            work: of n rows.
            mem_mib: [n] their measured memory.
        """
        peak = work.peak_bytes / 2**20
        (base, factor), _ = nnls(np.column_stack([1.0 / mem_mib, peak / mem_mib]), np.ones(len(peak)))
        return cls(float(base), float(factor))

    def mebibytes(self, work: Work) -> FloatArray:
        """[n] memory of each row, MiB."""
        return self.base_mib + self.factor * work.peak_bytes / 2**20


@dataclass(frozen=True)
class Roofline:
    """Fitted times and memories of both phases: a predictor, and the baseline of others.

    Attributes:
        times: phase to its constants; phases without measured times are absent.
        memories: phase to its line; likewise.
    """

    times: dict[Phase, TimeRoofline]
    memories: dict[Phase, MemoryLine]

    @classmethod
    def fit(cls, train: Dataset) -> "Roofline":
        """Fit on the training rows what they have labels for."""
        features = row_features(train)
        works = {phase: Work.of(features, phase) for phase in PHASES}
        label = {name: train.label(name) for name in train.targets}
        times = {phase: label[f"{phase}_time_ms"] for phase in PHASES if f"{phase}_time_ms" in label}
        memories = {phase: label[f"{phase}_mem_mib"] for phase in PHASES if f"{phase}_mem_mib" in label}
        return cls(
            {phase: TimeRoofline.fit(works[phase], measured) for phase, measured in times.items()},
            {phase: MemoryLine.fit(works[phase], measured) for phase, measured in memories.items()},
        )

    def predict(self, features: GraphFeatures, target: str) -> FloatArray:
        """[n] one of `BASELINE_TARGETS` from raw features of n rows, in its unit."""
        known = TARGET_BY_NAME[target]
        work = Work.of(features, known.phase)
        if known.quantity == "time":
            return self.times[known.phase].milliseconds(work)
        return self.memories[known.phase].mebibytes(work)

    def to_json(self) -> dict[str, Any]:
        """JSON value that `from_json` turns into an equal roofline."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Roofline":
        """Read what `to_json` gave.

        Raises:
            PerfseerError: a constant is missing or no number.
        """
        return cls(
            {
                phase: load_settings(TimeRoofline, of, f"roofline.{phase}")
                for phase, of in value["times"].items()
            },
            {
                phase: load_settings(MemoryLine, of, f"memory.{phase}")
                for phase, of in value["memories"].items()
            },
        )


def row_features(dataset: Dataset) -> GraphFeatures:
    """Raw features of the graphs of all rows, in the rows' order."""
    return dataset.features.take(dataset.graph_rows)
