"""What predictors made of networks share: examples, fitting, prediction, files."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from perfseer.data.dataset import Dataset
from perfseer.graphs.perfgraph import FloatArray
from perfseer.predictors.base import Predictor
from perfseer.predictors.parts.weights import count_weights, load_networks, save_weights
from perfseer.training.gradients import GradientRule, sum_rule
from perfseer.training.loop import outputs_of, train_network
from perfseer.training.losses import Loss, make_loss
from perfseer.training.seeds import seeded

_WEIGHTS_FILE = "model.safetensors"


class Source(Protocol):
    """Graphs of a dataset's rows as a network takes them."""

    def __len__(self) -> int:
        """Number of rows."""
        ...

    def batch(self, rows: Any) -> Any:
        """The given rows' [B]."""
        ...


@dataclass(frozen=True, eq=False)
class LabelledSource:
    """Rows of a dataset to learn from.

    Attributes:
        source: their graphs.
        labels: [n, T] what is to be learned.
    """

    source: Source
    labels: Tensor

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.source)

    def batch(self, rows: Any) -> tuple[Any, Tensor]:
        """Graphs and labels [B, T] of the given rows."""
        return self.source.batch(rows), self.labels[rows]

    def only(self, columns: list[int]) -> "LabelledSource":
        """The same graphs with some of the labels."""
        return replace(self, labels=self.labels[:, columns])


class NetworkPredictor(Predictor):
    """A predictor made of networks: one for each label, or one for all where it is `joint`.

    Attributes:
        joint_name: of the one network in the file of weights.
        networks_: by name.
    """

    curve_step: ClassVar[str | None] = "epoch"
    joint_name: ClassVar[str] = "all"
    networks_: dict[str, nn.Module]

    @abstractmethod
    def _learn_inputs(self, train: Dataset) -> None:
        """Learn from training rows what the inputs of the networks, or what they learn, depend on."""

    @abstractmethod
    def _source(self, dataset: Dataset) -> Source:
        """The rows' graphs."""

    @abstractmethod
    def _network(self, n_outputs: int) -> nn.Module:
        """A new network, [B, n_outputs] from a batch of `_source`; weights are drawn from torch's state."""

    @abstractmethod
    def _inputs_to_json(self) -> dict[str, Any]:
        """What `_learn_inputs` learned."""

    @abstractmethod
    def _inputs_from_json(self, value: Mapping[str, Any]) -> None:
        """Restore it."""

    def _encode(self, dataset: Dataset) -> FloatArray:
        """[n, T] what is to be learned of the rows' labels: by default on the normaliser's scale."""
        return self._normaliser.labels.encode(self._measured(dataset))

    def _decode(self, learned: FloatArray, dataset: Dataset) -> FloatArray:
        """[n, T] what was learned to physical units, the inverse of `_encode`."""
        del dataset
        return self._normaliser.labels.decode(learned)

    def _loss(self, targets: tuple[str, ...]) -> Loss:
        """What the network of these labels makes least."""
        return make_loss(self._recipe.loss, self._normaliser.labels.select(targets), np.ones(len(targets)))

    def _gradient_rule(self, seed: int) -> GradientRule:
        """How the labels' losses become gradients."""
        del seed
        return sum_rule

    def _fit(self, train: Dataset, valid: Dataset, *, seed: int, log: Callable[[str], None]) -> None:
        self._learn_inputs(train)
        examples, valid_examples = self._labelled(train), self._labelled(valid)
        self.networks_ = self._new_networks(seed)
        for name, targets in self._groups().items():
            columns = [self.targets.index(target) for target in targets]
            curve = "all" if self.joint else name
            with seeded(seed):  # of dropout
                history = train_network(
                    self.networks_[name],
                    self._loss(targets),
                    examples.only(columns),
                    valid_examples.only(columns),
                    self._recipe,
                    seed=seed,
                    log=partial(_log_named, log, name) if name == curve else log,
                    gradient_rule=self._gradient_rule(seed),
                )
            self.history_ += [{"target": curve, **row} for row in history]
        self.n_parameters_ = count_weights(*self.networks_.values())

    def _groups(self) -> dict[str, tuple[str, ...]]:
        """Targets of each network, by the network's name."""
        return {self.joint_name: self.targets} if self.joint else {name: (name,) for name in self.targets}

    def _new_networks(self, seed: int) -> dict[str, nn.Module]:
        with seeded(seed):
            return {name: self._network(len(targets)) for name, targets in self._groups().items()}

    def _labelled(self, dataset: Dataset) -> LabelledSource:
        return LabelledSource(self._source(dataset), torch.from_numpy(self._encode(dataset)).float())

    def _predict(self, dataset: Dataset) -> FloatArray:
        source = self._source(dataset)
        outputs = outputs_of(len(dataset), lambda rows: self._outputs(source.batch(rows)))
        return self._decode(outputs.numpy(), dataset)

    def _outputs(self, batch: Any) -> Tensor:
        """[B, T] what was learned, without dropout."""
        return torch.cat([network.eval()(batch) for network in self.networks_.values()], dim=1)

    def _save_state(self, folder: Path) -> dict[str, Any]:
        save_weights(folder / _WEIGHTS_FILE, self.networks_)
        return self._inputs_to_json()

    def _load_state(self, folder: Path, state: dict[str, Any]) -> None:
        self._inputs_from_json(state)
        self.networks_ = load_networks(folder / _WEIGHTS_FILE, partial(self._new_networks, seed=0))


def _log_named(log: Callable[[str], None], name: str, line: str) -> None:
    log(f"{name}: {line}")
