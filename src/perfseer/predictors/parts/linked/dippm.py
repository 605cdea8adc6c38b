"""What `dippm` and `dippm_chain` share: node vectors, five static features, one network for all labels."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from perfseer.data.dataset import Dataset
from perfseer.data.features import NODE_COLUMNS, GraphFeatures
from perfseer.data.links import LinkedGraphs, LinkedSource
from perfseer.data.normalisation import ColumnScales
from perfseer.data.ragged import segment_ids
from perfseer.graphs.perfgraph import FloatArray
from perfseer.graphs.vocabulary import OPERATOR_INDEX, OPERATORS
from perfseer.nn.dippm import Dippm
from perfseer.predictors.parts.networks import NetworkPredictor
from perfseer.predictors.parts.roofline import graph_column
from perfseer.predictors.settings import DippmSettings

SOURCE = "DIPPM (Panner Selvam and Brorsson, 2023, arXiv 2303.11733)"
DEPARTURES: tuple[str, ...] = (
    "Learns all labels there are, normalised, where the released code learns latency (x 1000), energy (x 10) "
    "and memory (MB) as they are: there the Huber loss with delta 1 is in effect an absolute error, here it "
    "is quadratic up to about one standard deviation.",
    "The output is linear, without the released softplus: normalised labels have both signs.",
    "Graphs are traced from PyTorch, not TVM Relay: the one-hot code is this vocabulary's, attributes of a "
    "convolution stand once instead of once per side, and features are logarithmic and z-scored, the five "
    "static ones too.",
    "Learning rate, batch size and epochs are those of params.yaml, not 2.754e-5, 1 and 487.",
)
NODE_INPUTS: tuple[str, ...] = (
    *(f"conv_{name}" for name in ("kernel", "stride", "padding", "dilation", "groups")),
    *(f"output_{axis}" for axis in "nchw"),
)
_COUNTED = ("conv", "linear", "relu")
STATICS: tuple[str, ...] = ("batch_size", "macs", *(f"n_{name}" for name in _COUNTED))


class DippmBase(NetworkPredictor):
    """One `Dippm` for all labels. Subclasses say which nodes and edges it sees."""

    joint: ClassVar[bool] = True
    settings: DippmSettings

    def _wiring(self, features: GraphFeatures) -> GraphFeatures:
        """The nodes and edges that the network sees, of raw features of G graphs."""
        return features

    def _learn_inputs(self, train: Dataset) -> None:
        self.statics_ = ColumnScales.fit(static_features(train.distinct_graphs()[0]), STATICS)

    def _source(self, dataset: Dataset) -> LinkedSource:
        features, rows = dataset.distinct_graphs()
        seen = self._wiring(features)
        columns = [NODE_COLUMNS.index(name) for name in NODE_INPUTS]
        graphs = LinkedGraphs(
            types=seen.operators,
            n_types=len(OPERATORS),
            features=self._normaliser.features.nodes.transform(seen.nodes)[:, columns],
            edge_index=seen.edge_index,
            node_ptr=seen.node_ptr,
            edge_ptr=seen.edge_ptr,
            statics=self.statics_.transform(static_features(features)),
        )
        return LinkedSource(graphs, rows)

    def _network(self, n_outputs: int) -> Dippm:
        widths, settings = (len(OPERATORS) + len(NODE_INPUTS), len(STATICS)), self.settings
        return Dippm(*widths, settings.hidden, settings.blocks, settings.dropout, n_outputs)

    def _inputs_to_json(self) -> dict[str, Any]:
        return {"statics": self.statics_.to_json()}

    def _inputs_from_json(self, value: Mapping[str, Any]) -> None:
        self.statics_ = ColumnScales.from_json(value["statics"], STATICS)


def static_features(features: GraphFeatures) -> FloatArray:
    """[G, 5] raw `STATICS`: batch size, multiply-accumulates, convolutions, linear layers, ReLUs."""
    graph_of = segment_ids(features.node_ptr)
    counts = [
        np.bincount(graph_of, weights=features.operators == OPERATOR_INDEX[name], minlength=len(features))
        for name in _COUNTED
    ]
    batch_size, flops = (graph_column(features, name) for name in ("batch_size", "total_flops"))
    return np.column_stack([batch_size, flops / 2, *counts])
