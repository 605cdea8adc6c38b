"""A sum over kernels fitted to labels of whole networks: nn-Meter's idea where no kernel was measured."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from perfseer.data.dataset import Dataset
from perfseer.graphs.kernels import CONVOLUTIONS, OPTIMISER, FusionRules
from perfseer.graphs.perfgraph import FloatArray
from perfseer.graphs.vocabulary import names_with
from perfseer.predictors.base import Predictor
from perfseer.predictors.parts.kernels.tables import DatasetKernels, work_of
from perfseer.predictors.settings import NnMeterAdditiveSettings
from perfseer.targets import TARGET_BY_NAME, Phase

# What a kernel's time may grow with: itself (launching it), bytes, bytes of weights, FLOPs, and FLOPs over
# the fewer of its channels, which are what narrow layers cost that cannot fill a vector unit.
BASIS: tuple[str, ...] = ("kernel", "bytes", "weight_bytes", "flops", "narrow_flops")
_WITH_FLOPS = {*CONVOLUTIONS, *names_with("narrow")}
Column = tuple[str, str]
_CONSTANT: Column = ("", "constant")


class NnMeterAdditivePredictor(Predictor):
    """T = c0 + the sum over kernels of a non-negative combination of `BASIS`, one for each kernel type.

    Fitted by non-negative least squares on relative errors, so no time is negative. A type that no training
    graph has takes the time per byte that all others take together.

    Attributes:
        weights_: by target, coefficients [ms per unit] of (kernel type, basis); ("", "constant") is c0.
        unseen_: by target, ms per byte of types that no training graph has.
        types_: kernel types of the training graphs.
    """

    name: ClassVar[str] = "nn_meter_additive"
    supported: ClassVar[frozenset[str]] = frozenset({"train_time_ms", "infer_time_ms"})
    source: ClassVar[str] = "nn-Meter's sum over kernels (Zhang et al., MobiSys 2021), supervised by networks"
    departures: ClassVar[tuple[str, ...]] = (
        "No kernel is measured: coefficients of every kernel type are fitted to times of whole networks.",
        "Non-negative least squares on relative errors in the place of random forests.",
        "Every operator is a kernel, since fusion rules need a device.",
    )
    deterministic: ClassVar[bool] = True
    settings: NnMeterAdditiveSettings

    def _fit(self, train: Dataset, valid: Dataset, *, seed: int, log: Callable[[str], None]) -> None:
        del valid, seed  # nothing to stop early, nothing random
        kernels = DatasetKernels.of(train, FusionRules())
        self.types_ = tuple(sorted(set(kernels.distinct["name"].astype(str))))
        self.weights_: dict[str, dict[Column, float]] = {}
        self.unseen_: dict[str, float] = {}
        for target in self.targets:
            columns = _columns(kernels, TARGET_BY_NAME[target].phase)
            weights = _fitted(columns, train.label(target))
            spent = sum(weight * columns[key].sum() for key, weight in weights.items() if key != _CONSTANT)
            moved = sum(values.sum() for (_, term), values in columns.items() if term == "bytes")
            self.weights_[target], self.unseen_[target] = weights, float(spent / moved)
            log(f"{target}: {len(self.weights_[target])} of {len(columns)} coefficients are above 0")
        self.n_parameters_ = sum(len(weights) for weights in self.weights_.values())

    def _predict(self, dataset: Dataset) -> FloatArray:
        kernels = DatasetKernels.of(dataset, FusionRules())
        times = np.full((len(dataset), len(self.targets)), np.finfo(np.float64).tiny)
        for column, target in enumerate(self.targets):
            terms = _columns(kernels, TARGET_BY_NAME[target].phase)
            weights = self.weights_[target]
            for (kind, term), values in terms.items():
                times[:, column] += weights.get((kind, term), 0.0) * values
                if kind and kind not in self.types_ and term == "bytes":
                    times[:, column] += self.unseen_[target] * values
        return self._bounded(times)

    def _save_state(self, folder: Path) -> dict[str, Any]:
        del folder  # tens of numbers: all in predictor.json
        weights = {
            target: [[*key, weight] for key, weight in weights.items()]
            for target, weights in self.weights_.items()
        }
        return {"weights": weights, "unseen": self.unseen_, "types": list(self.types_)}

    def _load_state(self, folder: Path, state: dict[str, Any]) -> None:
        del folder
        self.weights_ = {
            target: {(kind, basis): float(weight) for kind, basis, weight in state["weights"][target]}
            for target in self.targets
        }
        self.unseen_ = {target: float(state["unseen"][target]) for target in self.targets}
        self.types_ = tuple(state["types"])


def _fitted(columns: dict[Column, FloatArray], times_ms: FloatArray) -> dict[Column, float]:
    """Coefficients above 0 that make the relative errors least in the mean square."""
    matrix = np.column_stack(list(columns.values()))
    # Columns of FLOPs and of counts differ by nine orders of magnitude.
    scales = np.maximum(matrix.max(axis=0), np.finfo(np.float64).tiny)
    found, _ = nnls(matrix / scales / times_ms[:, None], np.ones(len(times_ms)), maxiter=100 * len(scales))
    weights = zip(columns, (found / scales).tolist(), strict=True)
    return {key: weight for key, weight in weights if weight > 0}


def _columns(kernels: DatasetKernels, phase: Phase) -> dict[Column, FloatArray]:
    """[n] sums over each row's kernels, by kernel type and basis; the constant first."""
    table = kernels.distinct
    names = table["name"].astype(str).to_numpy()
    basis = _basis(table, phase)
    columns: dict[Column, FloatArray] = {_CONSTANT: np.ones(len(kernels.rows))}
    for name in sorted(set(names) - ({OPTIMISER} if phase == "infer" else set())):
        for term in BASIS if name in _WITH_FLOPS else BASIS[:3]:
            columns[name, term] = kernels.totals(np.where(names == name, basis[term], 0.0))
    return columns


def _basis(table: pd.DataFrame, phase: Phase) -> dict[str, FloatArray]:
    """[D] by name of `BASIS`."""
    flops, moved = work_of(table, phase)
    fewest = table[["channels_in", "channels_out"]].min(axis=1).clip(lower=1).to_numpy(dtype=np.float64)
    weights = table["weight_bytes"].to_numpy(dtype=np.float64)
    values = (np.ones(len(table)), moved, weights, flops, flops / fewest)
    return dict(zip(BASIS, values, strict=True))
