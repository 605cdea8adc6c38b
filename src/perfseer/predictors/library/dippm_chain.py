"""DIPPM as released: operators that own weights, one after the other (METHODS 4)."""

from dataclasses import replace
from typing import ClassVar

import numpy as np

from perfseer.data.features import NODE_COLUMNS, GraphFeatures
from perfseer.data.ragged import offsets, segment_ids
from perfseer.predictors.parts.linked.dippm import DEPARTURES, SOURCE, DippmBase


class DippmChainPredictor(DippmBase):
    """GraphSAGE over the chain that the released code makes of a graph, in execution order."""

    name: ClassVar[str] = "dippm_chain"
    source: ClassVar[str] = f"{SOURCE}, as released"
    departures: ClassVar[tuple[str, ...]] = (
        "Edges are the released code's chain over operators with weights, not the graph described (dippm); "
        "batch norm counts among them.",
        *DEPARTURES,
    )

    def _wiring(self, features: GraphFeatures) -> GraphFeatures:
        return weighted_chain(features)


def weighted_chain(features: GraphFeatures) -> GraphFeatures:
    """Nodes that own weights, each linked to the next of its graph; a graph may be left without any."""
    kept = features.nodes[:, NODE_COLUMNS.index("weight_bytes")] > 0
    sizes = np.bincount(segment_ids(features.node_ptr)[kept], minlength=len(features))
    node_ptr, edge_ptr = offsets(sizes), offsets(np.maximum(sizes - 1, 0))
    senders = np.arange(edge_ptr[-1]) - edge_ptr[segment_ids(edge_ptr)]
    return replace(
        features,
        nodes=features.nodes[kept],
        operators=features.operators[kept],
        edges=np.zeros((len(senders), features.edges.shape[1])),
        edge_index=np.stack([senders, senders + 1]),
        node_ptr=node_ptr,
        edge_ptr=edge_ptr,
    )
