"""Five numbers of a graph through a small perceptron: what a graph is worth beyond its totals.

Inputs, as ln(1 + x): forward FLOPs, bytes moved forward, parameters, batch size, and depth (nodes on the
longest path).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from perfseer.data.dataset import Dataset
from perfseer.data.features import GLOBAL_COLUMNS, GraphFeatures
from perfseer.data.ragged import gather, offsets, segment_ids, segment_max
from perfseer.graphs.perfgraph import FloatArray, IntArray
from perfseer.predictors.base import Predictor
from perfseer.predictors.parts.learners.regressor import ArrayRegressor
from perfseer.predictors.parts.weights import load_networks, save_weights
from perfseer.predictors.settings import Mlp5dSettings

_TOTALS = ("total_flops", "total_bytes", "n_parameters", "batch_size")
_WEIGHTS_FILE = "model.safetensors"


class Mlp5dPredictor(Predictor):
    """One perceptron for each label."""

    name: ClassVar[str] = "mlp5d"
    source: ClassVar[str] = "the five-input regressor of an earlier performance report; no paper"
    departures: ClassVar[tuple[str, ...]] = (
        "Its five inputs were not named; here FLOPs, bytes, parameters, batch size and depth.",
        "Labels are learned on the normaliser's scale (logarithm; logit of utilisation), not as they are.",
    )
    curve_step: ClassVar[str | None] = "epoch"
    settings: Mlp5dSettings

    def _fit(self, train: Dataset, valid: Dataset, *, seed: int, log: Callable[[str], None]) -> None:
        x, valid_x = _inputs(train), _inputs(valid)
        y, valid_y = (self._normaliser.labels.encode(self._measured(rows)) for rows in (train, valid))
        self.regressors_ = self._new()
        for column, (target, regressor) in enumerate(self.regressors_.items()):
            history = regressor.fit(x, y[:, column], (valid_x, valid_y[:, column]), seed=seed)
            self.history_ += [{"target": target, **row} for row in history]
            best = min(row["valid_loss"] for row in history)
            log(f"{target}: {len(history)} epochs, best validation loss {best:.4g}")
        self.n_parameters_ = sum(regressor.n_parameters for regressor in self.regressors_.values())

    def _new(self) -> dict[str, ArrayRegressor]:
        return {target: ArrayRegressor(len(_TOTALS) + 1, self.settings) for target in self.targets}

    def _predict(self, dataset: Dataset) -> FloatArray:
        x = _inputs(dataset)
        learned = [regressor.predict(x) for regressor in self.regressors_.values()]
        return self._normaliser.labels.decode(np.column_stack(learned))

    def _save_state(self, folder: Path) -> dict[str, Any]:
        save_weights(folder / _WEIGHTS_FILE, self.regressors_)
        return {"inputs": [*_TOTALS, "depth"]}

    def _load_state(self, folder: Path, state: dict[str, Any]) -> None:
        if state["inputs"] != [*_TOTALS, "depth"]:
            raise ValueError(f"inputs {state['inputs']}, expected {[*_TOTALS, 'depth']}")
        self.regressors_ = load_networks(folder / _WEIGHTS_FILE, self._new)


def _inputs(dataset: Dataset) -> FloatArray:
    """[n, 5] ln(1 + x) of the totals and the depth."""
    features = dataset.features
    totals = features.globals_[dataset.graph_rows][:, [GLOBAL_COLUMNS.index(name) for name in _TOTALS]]
    return np.asarray(np.log1p(np.column_stack([totals, graph_depths(features, dataset.graph_rows)])))


def graph_depths(features: GraphFeatures, graphs: IntArray) -> IntArray:
    """Nodes on the longest path of each of the chosen graphs.

    Level by level over the edges of all graphs together: as many array operations as the deepest graph has
    levels, and every edge is looked at once.

    Args:
        features: of all graphs.
        graphs: [n] graph numbers; may repeat.

    Returns:
        [n] depths; a graph of one node has depth 1.
    """
    node_ptr = offsets(np.diff(features.node_ptr)[graphs])
    edges, edge_ptr = gather(features.edge_ptr, graphs)
    senders, receivers = features.edge_index[:, edges] + node_ptr[segment_ids(edge_ptr)]
    levels = _levels(senders, receivers, int(node_ptr[-1]))
    return segment_max(levels.astype(np.float64), node_ptr).astype(np.int64)


def _levels(senders: IntArray, receivers: IntArray, n_nodes: int) -> IntArray:
    """[V] nodes on the longest path that ends in each node: it is ready once all its senders are done."""
    leaving = receivers[np.argsort(senders, kind="stable")]
    leaving_ptr = offsets(np.bincount(senders, minlength=n_nodes))
    waiting = np.bincount(receivers, minlength=n_nodes)
    levels = np.zeros(n_nodes, dtype=np.int64)
    ready, level = np.flatnonzero(waiting == 0), 0
    while len(ready):
        level += 1
        levels[ready] = level
        positions, _ = gather(leaving_ptr, ready)
        reached, times = np.unique(leaving[positions], return_counts=True)
        waiting[reached] -= times
        ready = reached[waiting[reached] == 0]
    return levels
