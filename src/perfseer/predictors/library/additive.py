"""Additive network: a learned time for each distinct node, summed over the graph; no message passing."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from perfseer.data.dataset import Dataset
from perfseer.data.features import NODE_COLUMNS, GraphFeatures
from perfseer.data.ragged import gather, segment_ids
from perfseer.graphs.perfgraph import FloatArray
from perfseer.graphs.vocabulary import OPERATORS
from perfseer.nn.additive import AdditiveNetwork, CountedGraphs, NodeKinds
from perfseer.predictors.parts.distinct import DISTINCT_COLUMNS, DistinctNodes
from perfseer.predictors.parts.networks import NetworkPredictor
from perfseer.predictors.parts.roofline import Roofline, TimeRoofline, Work, row_features
from perfseer.predictors.settings import AdditiveSettings
from perfseer.targets import PHASES, TARGET_BY_NAME, TARGET_NAMES, Phase
from perfseer.training.losses import Loss, huber

# A fitted launch cost of nothing has no slope to learn by; this many ms is nothing too.
_LEAST_LAUNCH_MS = 1e-4


@dataclass(frozen=True, eq=False)
class _Rows:
    """Rows as counts of the distinct nodes of all rows; roofline time of what no node owns [n, T], ms."""

    nodes: DistinctNodes
    kinds: NodeKinds
    extra_ms: Tensor

    def __len__(self) -> int:
        return len(self.extra_ms)

    def batch(self, rows: Any) -> CountedGraphs:
        """Graphs of the given rows; each distinct node of the batch is there once."""
        pairs, ptr = gather(self.nodes.ptr, np.asarray(rows, dtype=np.int64))
        used, kind = np.unique(self.nodes.kinds[pairs], return_inverse=True)
        return CountedGraphs(
            kinds=self.kinds.take(torch.from_numpy(used)),
            kind=torch.from_numpy(kind),
            graph=torch.from_numpy(segment_ids(ptr)),
            counts=torch.from_numpy(self.nodes.counts[pairs]).float().unsqueeze(1),
            extra_ms=self.extra_ms[rows],
        )


class AdditivePredictor(NetworkPredictor):
    """One network for both times; Huber loss on their logarithms, whatever `training.loss` says."""

    name: ClassVar[str] = "additive"
    supported: ClassVar[frozenset[str]] = frozenset(name for name in TARGET_NAMES if "time" in name)
    source: ClassVar[str] = "this project's first look at public timings"
    departures: ClassVar[tuple[str, ...]] = (
        "One network gives both times; the backward pass has a roofline time of its own.",
        "The roofline's constants are fitted instead of guessed, and the launch cost is one per operator.",
    )
    joint: ClassVar[bool] = True
    joint_name: ClassVar[str] = "network"
    settings: AdditiveSettings

    def _learn_inputs(self, train: Dataset) -> None:
        self.roofline_ = Roofline.fit(train)

    def _loss(self, targets: tuple[str, ...]) -> Loss:
        del targets
        return partial(huber, delta=self.settings.delta)

    def _constants(self) -> list[tuple[Phase, TimeRoofline]]:
        phases = [TARGET_BY_NAME[name].phase for name in self.targets]
        return [(phase, self.roofline_.times[phase]) for phase in phases]

    def _network(self, n_outputs: int) -> AdditiveNetwork:
        """A network that starts from the roofline."""
        del n_outputs
        launch_ms = [max(1e3 * constants.launch_s, _LEAST_LAUNCH_MS) for _, constants in self._constants()]
        return AdditiveNetwork(
            n_features=len(DISTINCT_COLUMNS),
            n_operators=len(OPERATORS),
            embedding=self.settings.embedding,
            hidden=self.settings.hidden,
            launch_ms=torch.tensor(launch_ms),
        )

    def _encode(self, dataset: Dataset) -> FloatArray:
        """[n, T] natural logarithms of the measured times in ms."""
        return np.asarray(np.log(self._measured(dataset)))

    def _decode(self, learned: FloatArray, dataset: Dataset) -> FloatArray:
        del dataset
        return self._bounded(torch.from_numpy(learned).exp().numpy())

    def _source(self, dataset: Dataset) -> _Rows:
        features = row_features(dataset)
        nodes = DistinctNodes.of(features)
        node_ms, extra_ms = self._roofline_ms(features)
        columns = [NODE_COLUMNS.index(name) for name in DISTINCT_COLUMNS]
        normalised = self._normaliser.features.nodes.transform(features.nodes[nodes.first])
        kinds = NodeKinds(
            torch.from_numpy(np.ascontiguousarray(normalised[:, columns])),
            torch.from_numpy(features.operators[nodes.first]),
            torch.from_numpy(node_ms[nodes.first]).float(),
        )
        return _Rows(nodes, kinds, torch.from_numpy(extra_ms).float())

    def _roofline_ms(self, features: GraphFeatures) -> tuple[FloatArray, FloatArray]:
        """[V, T] roofline times of nodes without launch, and [n, T] of what no node owns."""
        works = {phase: Work.of(features, phase) for phase in PHASES}
        nodes = [
            1e3 * (constants.node_seconds(works[phase]) - constants.launch_s)
            for phase, constants in self._constants()
        ]
        extra = [1e3 * works[phase].extra_bytes / one.bytes_per_s for phase, one in self._constants()]
        return np.column_stack(nodes), np.column_stack(extra)

    def _inputs_to_json(self) -> dict[str, Any]:
        return self.roofline_.to_json()

    def _inputs_from_json(self, value: Mapping[str, Any]) -> None:
        self.roofline_ = Roofline.from_json(value)
