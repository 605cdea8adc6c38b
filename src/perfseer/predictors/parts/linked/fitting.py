"""What the graph networks of others share: examples over linked graphs, fitting, prediction, files."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from perfseer.data.dataset import Dataset
from perfseer.data.features import GraphFeatures
from perfseer.data.links import LinkedBatch, LinkedGraphs, LinkedSource
from perfseer.graphs.perfgraph import FloatArray
from perfseer.predictors.base import Predictor
from perfseer.predictors.parts.weights import load_weights, save_weights
from perfseer.predictors.settings import LinkedSettings
from perfseer.targets import TARGET_NAMES
from perfseer.training.loop import outputs_of, train_network
from perfseer.training.losses import make_loss
from perfseer.training.seeds import seeded

_WEIGHTS_FILE = "model.safetensors"


@dataclass(frozen=True, eq=False)
class LinkedExamples:
    """Rows of a dataset as these networks see them.

    Attributes:
        source: their graphs.
        labels: [n, T] normalised labels.
    """

    source: LinkedSource
    labels: Tensor

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.source)

    def batch(self, rows: Any) -> tuple[LinkedBatch, Tensor]:
        """Graphs and labels [B, T] of the given rows."""
        return self.source.batch(rows), self.labels[rows]

    def only(self, columns: list[int]) -> "LinkedExamples":
        """The same graphs with some of the labels."""
        return replace(self, labels=self.labels[:, columns])


class LinkedPredictor(Predictor):
    """A predictor made of networks over `LinkedBatch`, which learn normalised labels."""

    curve_step: ClassVar[str | None] = "epoch"
    settings: LinkedSettings
    networks_: dict[str, nn.Module]

    @abstractmethod
    def _learn_inputs(self, train: Dataset) -> None:
        """Learn from training rows what the inputs of the networks depend on."""

    @abstractmethod
    def _graphs(self, features: GraphFeatures) -> LinkedGraphs:
        """Raw features of G graphs as the networks are to see them."""

    @abstractmethod
    def _network(self, n_outputs: int) -> nn.Module:
        """A new network, [B, n_outputs] from a `LinkedBatch`; its weights are drawn from torch's state."""

    @abstractmethod
    def _inputs_to_json(self) -> dict[str, Any]:
        """What `_learn_inputs` learned."""

    @abstractmethod
    def _inputs_from_json(self, value: Mapping[str, Any]) -> None:
        """Restore it."""

    def _fit(self, train: Dataset, valid: Dataset, *, seed: int, log: Callable[[str], None]) -> None:
        self._learn_inputs(train)
        examples, valid_examples = self._labelled(train), self._labelled(valid)
        recipe = self._recipe.changed(self.settings.recipe)
        with seeded(seed):
            self.networks_ = self._new_networks()
        for name, targets in self._groups().items():
            columns = [self.targets.index(target) for target in targets]
            with seeded(seed):  # of dropout
                history = train_network(
                    self.networks_[name],
                    make_loss(recipe.loss, self._normaliser.labels.select(targets), np.ones(len(targets))),
                    examples.only(columns),
                    valid_examples.only(columns),
                    recipe,
                    seed=seed,
                    log=partial(_log_group, log, name),
                )
            self.history_ += [{"target": name, **row} for row in history]
        self.n_parameters_ = sum(
            weight.numel() for network in self.networks_.values() for weight in network.parameters()
        )

    def _groups(self) -> dict[str, tuple[str, ...]]:
        """Targets of each network, by the network's name."""
        return {"all": self.targets} if self.joint else {target: (target,) for target in self.targets}

    def _new_networks(self) -> dict[str, nn.Module]:
        return {name: self._network(len(targets)) for name, targets in self._groups().items()}

    def _source(self, dataset: Dataset) -> LinkedSource:
        used, rows = np.unique(dataset.graph_rows, return_inverse=True)
        return LinkedSource(self._graphs(dataset.features.take(used)), rows)

    def _labelled(self, dataset: Dataset) -> LinkedExamples:
        columns = [TARGET_NAMES.index(name) for name in self.targets]
        labels = self._normaliser.labels.encode(dataset.labels[:, columns])
        return LinkedExamples(self._source(dataset), torch.from_numpy(labels).float())

    def _predict(self, dataset: Dataset) -> FloatArray:
        source = self._source(dataset)
        outputs = outputs_of(len(dataset), lambda rows: self._outputs(source.batch(rows)))
        return self._normaliser.labels.decode(outputs.numpy())

    def _outputs(self, batch: LinkedBatch) -> Tensor:
        """[B, T] normalised predictions, without dropout."""
        return torch.cat([network.eval()(batch) for network in self.networks_.values()], dim=1)

    def _save_state(self, folder: Path) -> dict[str, Any]:
        save_weights(folder / _WEIGHTS_FILE, self.networks_)
        return self._inputs_to_json()

    def _load_state(self, folder: Path, state: dict[str, Any]) -> None:
        self._inputs_from_json(state)
        with seeded(0):
            self.networks_ = self._new_networks()
        load_weights(folder / _WEIGHTS_FILE, self.networks_)


def _log_group(log: Callable[[str], None], name: str, line: str) -> None:
    log(f"{name}: {line}")
