"""What a fitted predictor has not seen: operators, and features outside the range of its training graphs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from perfseer.data.dataset import Dataset
from perfseer.data.features import GLOBAL_COLUMNS, graph_features
from perfseer.data.packed import PackedGraphs
from perfseer.errors import require
from perfseer.graphs.perfgraph import FloatArray, PerfGraph
from perfseer.graphs.vocabulary import OPERATORS

# Rounding of the features' own arithmetic is not "outside".
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Coverage:
    """How far a graph lies from what a predictor was trained on.

    Attributes:
        unseen_operators: operators of the vocabulary that no training graph has, with their nodes here.
        unknown_operators: ATen operators outside the vocabulary, with their calls.
        other_share: share of the forward bytes moved by operators outside the vocabulary, 0 to 1.
        outside: graph features outside the training range: name to (value, lowest, highest).
    """

    unseen_operators: Mapping[str, int]
    unknown_operators: Mapping[str, int]
    other_share: float
    outside: Mapping[str, tuple[float, float, float]]

    @property
    def complete(self) -> bool:
        """Whether nothing about the graph is new."""
        return not (self.unseen_operators or self.unknown_operators or self.outside or self.other_share > 0)


@dataclass(frozen=True)
class TrainingRange:
    """What the training graphs hold.

    Attributes:
        operators: names of the operators that occur.
        lowest: graph feature (`GLOBAL_COLUMNS`) to its least value.
        highest: graph feature to its greatest value.
    """

    operators: tuple[str, ...]
    lowest: Mapping[str, float]
    highest: Mapping[str, float]

    @classmethod
    def of(cls, train: Dataset) -> "TrainingRange":
        """Range of the graphs that the training rows use."""
        features = train.distinct_graphs()[0]
        seen = np.unique(features.operators)
        return cls(
            tuple(OPERATORS[index] for index in seen),
            _named(features.globals_.min(axis=0)),
            _named(features.globals_.max(axis=0)),
        )

    def coverage(self, graph: PerfGraph) -> Coverage:
        """What of ``graph`` lies outside."""
        indices, counts = np.unique(graph.operators, return_counts=True)
        nodes = {OPERATORS[index]: int(count) for index, count in zip(indices, counts, strict=True)}
        values = _named(graph_features(PackedGraphs.pack([graph])).globals_[0])
        return Coverage(
            {name: count for name, count in nodes.items() if name not in self.operators},
            dict(graph.unknown),
            graph.other_share,
            {
                name: (value, self.lowest[name], self.highest[name])
                for name, value in values.items()
                if _is_outside(value, self.lowest[name], self.highest[name])
            },
        )

    def to_json(self) -> dict[str, Any]:
        """JSON value that `from_json` turns into an equal range."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "TrainingRange":
        """Read what `to_json` gave.

        Raises:
            PerfseerError: it is of other quantities, or something is no number.
        """
        ends = [dict(value["lowest"]), dict(value["highest"])]
        numbers = [number for end in ends for number in end.values()]
        require(
            all(set(end) == set(GLOBAL_COLUMNS) for end in ends)
            and all(type(number) in (int, float) for number in numbers)
            and all(isinstance(name, str) for name in value["operators"]),
            "the training range is damaged: train again",
        )
        return cls(tuple(value["operators"]), *ends)


def _named(values: FloatArray) -> dict[str, float]:
    return dict(zip(GLOBAL_COLUMNS, values.tolist(), strict=True))


def _is_outside(value: float, lowest: float, highest: float) -> bool:
    slack = _TOLERANCE * max(abs(lowest), abs(highest))
    return value < lowest - slack or value > highest + slack
