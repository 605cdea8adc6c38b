"""One random forest per kernel type, fitted on kernels measured one by one (nn-Meter; METHODS 2.1)."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from perfseer.graphs.perfgraph import FloatArray
from perfseer.measure.kernels.table import TIMES
from perfseer.predictors.parts.kernels.tables import Peaks, forest_of, kernel_features
from perfseer.predictors.parts.learners.forests import Arrays, Forest, published
from perfseer.settings import load_settings
from perfseer.targets import PHASES, Phase

Scale = Literal["time", "log"]
# The published share of held-out kernels, and its seed, to which the run's is added.
HELD_OUT = 0.2
SPLIT_SEED = 10


@dataclass(frozen=True, eq=False)
class KernelForests:
    """What a kernel takes in one phase, by its type.

    Attributes:
        phase: ``train`` or ``infer``.
        scale: ``time`` (published) or ``log``: what the forests give is the time [ms] or its logarithm.
        peaks: of the device, for the roofline feature.
        forests: by `kernels.tables.forest_of`.
    """

    phase: Phase
    scale: Scale
    peaks: Peaks
    forests: Mapping[str, Forest]

    @classmethod
    def fit(
        cls,
        kernels: pd.DataFrame,
        phase: Phase,
        device_kind: str,
        *,
        share: float,
        scale: Scale = "time",
        seed: int,
    ) -> "KernelForests":
        """Fit a forest for every type that was measured in this phase.

        Args:
            kernels: measured kernels (`measure.kernels.table`).
            phase: which of their times.
            device_kind: ``cpu`` or ``cuda``, which column of the published hyper-parameters.
            share: of the published number of trees.
            scale: on which the forests learn.
            seed: of all forests.
        """
        kernels = kernels[kernels[f"{phase}_time_ms"].notna()]
        times = kernels[f"{phase}_time_ms"].to_numpy(dtype=np.float64)
        peaks = Peaks.of(kernels, times, phase)
        kinds = kernels["name"].map(forest_of).to_numpy()
        learned = np.log(times) if scale == "log" else times
        forests = {}
        for kind in sorted(set(kinds)):
            chosen = kinds == kind
            inputs = kernel_features(kernels[chosen], kind, phase, peaks)
            forests[kind] = Forest.fit(inputs, learned[chosen], published(kind, device_kind, share), seed)
        return cls(phase, scale, peaks, forests)

    @property
    def n_parameters(self) -> int:
        """Of all forests."""
        return sum(forest.n_parameters for forest in self.forests.values())

    def knows(self, names: Iterable[str]) -> npt.NDArray[np.bool_]:
        """[K] whether there is a forest for kernels of these names."""
        return np.array([forest_of(name) in self.forests for name in names], dtype=bool)

    def predict(self, kernels: pd.DataFrame) -> FloatArray:
        """[K] milliseconds of each kernel; NaN where its type has no forest."""
        times = np.full(len(kernels), np.nan)
        kinds = kernels["name"].astype(str).map(forest_of).to_numpy()
        for kind, forest in self.forests.items():
            chosen = kinds == kind
            if chosen.any():
                times[chosen] = forest.predict(kernel_features(kernels[chosen], kind, self.phase, self.peaks))
        return np.exp(times) if self.scale == "log" else times

    def to_json(self) -> dict[str, Any]:
        """Everything but the forests' arrays."""
        return {"scale": self.scale, "peaks": asdict(self.peaks), "forests": list(self.forests)}

    def arrays(self) -> dict[str, Arrays]:
        """Arrays of each forest, by ``phase/type``."""
        return {f"{self.phase}/{kind}": forest.arrays() for kind, forest in self.forests.items()}

    @classmethod
    def of_parts(
        cls, phase: Phase, state: Mapping[str, Any], arrays: Mapping[str, Arrays]
    ) -> "KernelForests":
        """Read what `to_json` and `arrays` gave."""
        forests = {kind: Forest.of_arrays(arrays[f"{phase}/{kind}"]) for kind in state["forests"]}
        return cls(phase, state["scale"], load_settings(Peaks, state["peaks"], "peaks"), forests)


def split(kernels: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Kernels to fit on, and a fifth of each type to see how well that went.

    Args:
        kernels: measured kernels.
        seed: of the run.
    """
    order = kernels.sample(frac=1, random_state=SPLIT_SEED + seed)
    group = order.groupby("name", observed=True)
    size = group["name"].transform("size")
    held = (group.cumcount() < np.floor(HELD_OUT * size)).reindex(kernels.index)
    return kernels[~held], kernels[held]


def shares_within(fitted: KernelForests, held_out: pd.DataFrame, bound_pct: float) -> dict[str, float]:
    """Share of held-out kernels predicted within a bound, 0 to 1, by kernel name."""
    times = held_out[f"{fitted.phase}_time_ms"].to_numpy(dtype=np.float64)
    error = np.abs(fitted.predict(held_out) / times - 1)
    good = pd.Series(100 * error <= bound_pct, index=held_out.index)[np.isfinite(error)]
    shares = good.groupby(held_out["name"], observed=True).mean()
    return {str(name): float(share) for name, share in shares.items()}


def learn_times(train: pd.DataFrame, test: pd.DataFrame, device_kind: str, share: float) -> FloatArray:
    """Fit on some measured kernels and predict others: what adaptive sampling asks.

    Returns:
        [n, 2] milliseconds in the order of `measure.kernels.table.TIMES`; NaN where there is no forest.
    """
    columns = []
    for phase in PHASES:
        fitted = KernelForests.fit(train, phase, device_kind, share=share, seed=SPLIT_SEED)
        columns.append(fitted.predict(test))
    assert len(columns) == len(TIMES)
    return np.column_stack(columns)
