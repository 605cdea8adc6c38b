"""Roofline: what physics alone is worth, with a handful of fitted constants."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from perfseer.data.dataset import Dataset
from perfseer.graphs.perfgraph import FloatArray
from perfseer.predictors.base import Predictor
from perfseer.predictors.parts.roofline import BASELINE_TARGETS, Roofline, row_features


class RooflinePredictor(Predictor):
    """Times by the fitted roofline, memories by the fitted line over the analytic peak."""

    name: ClassVar[str] = "roofline"
    supported: ClassVar[frozenset[str]] = BASELINE_TARGETS
    source: ClassVar[str] = "the roofline model: Williams et al., CACM 2009, doi 10.1145/1498765.1498785"
    departures: ClassVar[tuple[str, ...]] = (
        "Peak rates are fitted to training rows, not read from a data sheet; each operator costs a launch.",
        "Times of operators are summed. Memory, not in the source, is a line over the analytic peak.",
    )
    deterministic: ClassVar[bool] = True

    def _fit(self, train: Dataset, valid: Dataset, *, seed: int, log: Callable[[str], None]) -> None:
        del valid, seed  # nothing to stop early, nothing random
        self.roofline_ = Roofline.fit(train)
        self.n_parameters_ = sum(3 if "time" in name else 2 for name in self.targets)
        for phase, constants in self.roofline_.times.items():
            log(
                f"{phase}: {constants.flops_per_s / 1e9:.4g} GFLOP/s, "
                f"{constants.bytes_per_s / 1e9:.4g} GB/s, {constants.launch_s * 1e6:.3g} µs per node"
            )

    def _predict(self, dataset: Dataset) -> FloatArray:
        features = row_features(dataset)
        return self._bounded(
            np.column_stack([self.roofline_.predict(features, name) for name in self.targets])
        )

    def _save_state(self, folder: Path) -> dict[str, Any]:
        del folder  # seven numbers: all in predictor.json
        return self.roofline_.to_json()

    def _load_state(self, folder: Path, state: dict[str, Any]) -> None:
        del folder
        self.roofline_ = Roofline.from_json(state)
