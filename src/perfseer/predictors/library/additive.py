"""Additive network: a learned time for each distinct node, summed over the graph; no message passing."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
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
from perfseer.predictors.base import Predictor
from perfseer.predictors.parts.distinct import DISTINCT_COLUMNS, DistinctNodes
from perfseer.predictors.parts.roofline import Roofline, TimeRoofline, Work, row_features
from perfseer.predictors.parts.weights import load_weights, save_weights
from perfseer.predictors.settings import AdditiveSettings
from perfseer.targets import PHASES, TARGET_BY_NAME, TARGET_NAMES, Phase
from perfseer.training.loop import outputs_of, train_network
from perfseer.training.losses import huber
from perfseer.training.seeds import seeded

_WEIGHTS_FILE = "model.safetensors"
# A fitted launch cost of nothing has no slope to learn by; this many ms is nothing too.
_LEAST_LAUNCH_MS = 1e-4


@dataclass(frozen=True, eq=False)
class _Examples:
    """Rows as counts of the distinct nodes of all rows, with their labels [n, T]."""

    nodes: DistinctNodes
    kinds: NodeKinds
    extra_ms: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.extra_ms)

    def batch(self, rows: Any) -> tuple[CountedGraphs, Tensor]:
        """Graphs and labels [B, T] of the given rows; each distinct node of the batch is there once."""
        pairs, ptr = gather(self.nodes.ptr, np.asarray(rows, dtype=np.int64))
        used, kind = np.unique(self.nodes.kinds[pairs], return_inverse=True)
        graphs = CountedGraphs(
            kinds=self.kinds.take(torch.from_numpy(used)),
            kind=torch.from_numpy(kind),
            graph=torch.from_numpy(segment_ids(ptr)),
            counts=torch.from_numpy(self.nodes.counts[pairs]).float().unsqueeze(1),
            extra_ms=self.extra_ms[rows],
        )
        return graphs, self.labels[rows]


class AdditivePredictor(Predictor):
    """One network for both times; Huber loss on their logarithms, whatever `training.loss` says."""

    name: ClassVar[str] = "additive"
    supported: ClassVar[frozenset[str]] = frozenset(name for name in TARGET_NAMES if "time" in name)
    source: ClassVar[str] = "this project's first look at public timings"
    departures: ClassVar[tuple[str, ...]] = (
        "One network gives both times; the backward pass has a roofline time of its own.",
        "The roofline's constants are fitted instead of guessed, and the launch cost is one per operator.",
    )
    joint: ClassVar[bool] = True
    curve_step: ClassVar[str | None] = "epoch"
    settings: AdditiveSettings

    def _fit(self, train: Dataset, valid: Dataset, *, seed: int, log: Callable[[str], None]) -> None:
        recipe = self._recipe.changed(self.settings.recipe)
        self.roofline_ = Roofline.fit(train)
        self.network_ = self._new(seed)
        history = train_network(
            self.network_,
            partial(huber, delta=self.settings.delta),
            self._examples(train, self._logarithms(train)),
            self._examples(valid, self._logarithms(valid)),
            recipe,
            seed=seed,
            log=log,
        )
        self.history_ = [{"target": "all", **row} for row in history]
        self.n_parameters_ = sum(parameter.numel() for parameter in self.network_.parameters())

    def _constants(self) -> list[tuple[Phase, TimeRoofline]]:
        phases = [TARGET_BY_NAME[name].phase for name in self.targets]
        return [(phase, self.roofline_.times[phase]) for phase in phases]

    def _new(self, seed: int) -> AdditiveNetwork:
        """A network that starts from the roofline, new weights drawn from ``seed``."""
        launch_ms = [max(1e3 * constants.launch_s, _LEAST_LAUNCH_MS) for _, constants in self._constants()]
        with seeded(seed):
            return AdditiveNetwork(
                n_features=len(DISTINCT_COLUMNS),
                n_operators=len(OPERATORS),
                embedding=self.settings.embedding,
                hidden=self.settings.hidden,
                launch_ms=torch.tensor(launch_ms),
            )

    def _logarithms(self, dataset: Dataset) -> FloatArray:
        """[n, T] natural logarithms of the measured times in ms."""
        return np.asarray(np.log(dataset.labels[:, [TARGET_NAMES.index(name) for name in self.targets]]))

    def _examples(self, dataset: Dataset, labels: FloatArray) -> _Examples:
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
        return _Examples(nodes, kinds, torch.from_numpy(extra_ms).float(), torch.from_numpy(labels).float())

    def _roofline_ms(self, features: GraphFeatures) -> tuple[FloatArray, FloatArray]:
        """[V, T] roofline times of nodes without launch, and [n, T] of what no node owns."""
        works = {phase: Work.of(features, phase) for phase in PHASES}
        nodes = [
            1e3 * (constants.node_seconds(works[phase]) - constants.launch_s)
            for phase, constants in self._constants()
        ]
        extra = [1e3 * works[phase].extra_bytes / one.bytes_per_s for phase, one in self._constants()]
        return np.column_stack(nodes), np.column_stack(extra)

    def _predict(self, dataset: Dataset) -> FloatArray:
        examples = self._examples(dataset, np.zeros((len(dataset), 0)))
        outputs = outputs_of(len(dataset), lambda rows: self.network_(examples.batch(rows)[0]))
        # Through the label normaliser's bounds, like every other predictor.
        labels = self._normaliser.labels
        return labels.decode(labels.encode(outputs.exp().numpy()))

    def _save_state(self, folder: Path) -> dict[str, Any]:
        save_weights(folder / _WEIGHTS_FILE, {"network": self.network_})
        return self.roofline_.to_json()

    def _load_state(self, folder: Path, state: dict[str, Any]) -> None:
        self.roofline_ = Roofline.from_json(state)
        self.network_ = self._new(seed=0)
        load_weights(folder / _WEIGHTS_FILE, {"network": self.network_})
