"""A graph as one row of numbers: totals, and sums per operator type."""

import numpy as np

from perfseer.data.dataset import Dataset
from perfseer.data.features import NODE_COLUMNS
from perfseer.data.ragged import segment_ids
from perfseer.graphs.perfgraph import FloatArray
from perfseer.graphs.vocabulary import OPERATORS
from perfseer.predictors.roofline import Roofline, Work, row_features
from perfseer.targets import PHASES


def tabular_features(dataset: Dataset, roofline: Roofline) -> FloatArray:
    """One fixed-length row per configuration.

    Args:
        dataset: n rows.
        roofline: fitted, for the roofline times per operator (in microseconds).

    Returns:
        [n, F] ln(1 + x) of the graph features, and of six quantities summed over each operator type.
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
    # Rows x operators as one flat index: a single pass over the nodes for each quantity.
    cells = segment_ids(features.node_ptr) * len(OPERATORS) + features.operators
    size = len(features) * len(OPERATORS)
    sums = [np.bincount(cells, weights=values, minlength=size) for values in quantities]
    per_operator = [values.reshape(len(features), len(OPERATORS)) for values in sums]
    return np.asarray(np.log1p(np.column_stack([features.globals_, *per_operator])))
