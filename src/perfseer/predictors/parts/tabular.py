"""A graph as one row of numbers: totals, and sums per operator type."""

import numpy as np

from perfseer.data.dataset import Dataset
from perfseer.data.features import NODE_COLUMNS, GraphFeatures
from perfseer.data.ragged import segment_ids
from perfseer.graphs.perfgraph import FloatArray, IntArray
from perfseer.graphs.vocabulary import OPERATOR_INDEX, OPERATORS
from perfseer.predictors.parts.roofline import Roofline, Work, row_features
from perfseer.targets import PHASES

# Convolutions of several groups run by other kernels than dense ones, with other buffers, so they are types
# of their own. Kept because validation rows gain (architecture split, mean MAPE of three seeds: inference
# memory 18.1 to 11.4 %, training memory 10.7 to 7.3 %; times hardly change).
OPERATOR_TYPES: tuple[str, ...] = (*OPERATORS, "conv_grouped", "conv_depthwise")


def tabular_features(dataset: Dataset, roofline: Roofline) -> FloatArray:
    """One fixed-length row per configuration.

    Args:
        dataset: n rows.
        roofline: fitted, for the roofline times per operator (in microseconds).

    Returns:
        [n, F] ln(1 + x) of the graph features, and of six quantities summed over each of `OPERATOR_TYPES`.
    """
    features = row_features(dataset)
    column = {name: features.nodes[:, index] for index, name in enumerate(NODE_COLUMNS)}
    times = [
        1e6 * roofline.times[phase].node_seconds(Work.of(features, phase))
        for phase in PHASES
        if phase in roofline.times
    ]
    quantities = [
        np.ones(len(features.nodes)),
        column["flops"],
        column["input_bytes"] + column["output_bytes"],
        column["weight_bytes"],
        *times,
    ]
    # Rows x types as one flat index: a single pass over the nodes for each quantity.
    cells = segment_ids(features.node_ptr) * len(OPERATOR_TYPES) + operator_types(features)
    size = len(features) * len(OPERATOR_TYPES)
    sums = [np.bincount(cells, weights=values, minlength=size) for values in quantities]
    per_type = [values.reshape(len(features), len(OPERATOR_TYPES)) for values in sums]
    return np.asarray(np.log1p(np.column_stack([features.globals_, *per_type])))


def operator_types(features: GraphFeatures) -> IntArray:
    """[V] index into `OPERATOR_TYPES` of each node: depth-wise is one output channel for each group."""
    groups = features.nodes[:, NODE_COLUMNS.index("conv_groups")]
    channels = features.nodes[:, NODE_COLUMNS.index("output_c")]
    of_several = (features.operators == OPERATOR_INDEX["conv"]) & (groups > 1)
    types = features.operators.copy()
    types[of_several] = OPERATOR_TYPES.index("conv_grouped")
    types[of_several & (groups >= channels)] = OPERATOR_TYPES.index("conv_depthwise")
    return types
