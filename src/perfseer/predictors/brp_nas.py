"""What `brp_nas` and `brp_nas_features` share: graphs of operator types, a network for each label."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from perfseer.data.dataset import Dataset
from perfseer.data.features import NODE_COLUMNS, FeatureArray, GraphFeatures
from perfseer.data.links import LinkedGraphs
from perfseer.graphs.perfgraph import PerfGraph
from perfseer.nn.brp_nas import BrpNas
from perfseer.predictors.coverage import Coverage
from perfseer.predictors.linked import LinkedPredictor
from perfseer.predictors.operator_graphs import OperatorTypes, with_ends
from perfseer.predictors.settings import BrpNasSettings

SOURCE = "BRP-NAS (Dudziak et al., NeurIPS 2020), latency predictor"
DEPARTURES: tuple[str, ...] = (
    "Graphs are whole networks traced from PyTorch, not cells of NAS-Bench-201; types are those of training.",
    "Learns normalised labels (z-score of the logarithm), not milliseconds.",
    "Single precision; mini-batches, mean instead of summed loss; other epochs, as params.yaml says.",
)


class BrpNasBase(LinkedPredictor):
    """One `BrpNas` for each label.

    Attributes:
        node_features: whether nodes carry normalised PerfGraph features beside their type.
    """

    joint: ClassVar[bool] = False
    node_features: ClassVar[bool]
    settings: BrpNasSettings

    def coverage(self, graph: PerfGraph) -> Coverage:
        """What of ``graph`` is new, convolutions with kernels never seen in training among the operators."""
        coverage = super().coverage(graph)
        unseen = {**self.types_.unseen(graph), **coverage.unseen_operators}
        return replace(coverage, unseen_operators=unseen)

    def _learn_inputs(self, train: Dataset) -> None:
        self.types_ = OperatorTypes.of(train.features.take(np.unique(train.graph_rows)))

    def _graphs(self, features: GraphFeatures) -> LinkedGraphs:
        return with_ends(features, self.types_, self._node_inputs(features))

    def _node_inputs(self, features: GraphFeatures) -> FeatureArray:
        if self.node_features:
            return self._normaliser.features.nodes.transform(features.nodes)
        return np.zeros((len(features.nodes), 0), dtype=np.float32)

    def _network(self, n_outputs: int) -> BrpNas:
        assert n_outputs == 1
        width = self.types_.n_columns + len(NODE_COLUMNS) * self.node_features
        return BrpNas(width, self.settings.hidden, self.settings.layers, self.settings.dropout)

    def _inputs_to_json(self) -> dict[str, Any]:
        return {"types": list(self.types_.names)}

    def _inputs_from_json(self, value: Mapping[str, Any]) -> None:
        self.types_ = OperatorTypes(tuple(value["types"]))
