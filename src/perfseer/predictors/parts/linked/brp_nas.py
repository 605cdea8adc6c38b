"""What `brp_nas` and `brp_nas_features` share: graphs of operator types, a network for each label."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from perfseer.data.dataset import Dataset
from perfseer.data.features import NODE_COLUMNS, FeatureArray, GraphFeatures
from perfseer.data.links import LinkedSource
from perfseer.graphs.perfgraph import PerfGraph
from perfseer.nn.brp_nas import BrpNas
from perfseer.predictors.coverage import Coverage
from perfseer.predictors.parts.linked.operator_graphs import OperatorTypes, with_ends
from perfseer.predictors.parts.networks import NetworkPredictor
from perfseer.predictors.settings import BrpNasSettings

if TYPE_CHECKING:
    from perfseer.data.platforms import Platform

SOURCE = "latency predictor of BRP-NAS (Dudziak et al., 2020)"
DEPARTURES: tuple[str, ...] = (
    "Graphs hold the operators traced from PyTorch, by the types that occur in training; the published ones "
    "hold six types of a NAS-Bench-201 cell.",
    "Learns normalised labels (z-scored logarithm), not milliseconds.",
    "Single instead of double precision; learning rate, batch size and epochs are those of params.yaml, not "
    "0.0004, 1 and 250.",
)


class BrpNasBase(NetworkPredictor):
    """One `BrpNas` for each label.

    Attributes:
        node_features: whether nodes carry normalised PerfGraph features beside their type.
    """

    node_features: ClassVar[bool]
    settings: BrpNasSettings

    def coverage(self, graph: PerfGraph, platform: "Platform | None" = None) -> Coverage:
        """What of ``graph`` is new, convolutions with kernels never seen in training among the operators."""
        coverage = super().coverage(graph, platform)
        unseen = {**self.types_.unseen(graph), **coverage.unseen_operators}
        return replace(coverage, unseen_operators=unseen)

    def _learn_inputs(self, train: Dataset) -> None:
        self.types_ = OperatorTypes.of(train.distinct_graphs()[0])

    def _source(self, dataset: Dataset) -> LinkedSource:
        features, rows = dataset.distinct_graphs()
        return LinkedSource(with_ends(features, self.types_, self._node_inputs(features)), rows)

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
