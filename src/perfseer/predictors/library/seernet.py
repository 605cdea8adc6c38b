"""SeerNet as the paper trains it: one network for each label (METHODS 1.4)."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from perfseer.data.dataset import Dataset
from perfseer.nn.seernet import SeerNet
from perfseer.predictors.parts.seernet import DEPARTURES, SOURCE, NetworkPredictor
from perfseer.training.loop import train_network
from perfseer.training.losses import make_loss

if TYPE_CHECKING:
    from perfseer.data.batches import GraphBatch


def _log_target(log: Callable[[str], None], target: str, line: str) -> None:
    log(f"{target}: {line}")


class SeerNetPredictor(NetworkPredictor):
    """Six single-metric SeerNets; normalised graphs are shared between them."""

    name: ClassVar[str] = "seernet"
    source: ClassVar[str] = SOURCE
    departures: ClassVar[tuple[str, ...]] = DEPARTURES
    networks_: dict[str, SeerNet]

    def _fit(self, train: Dataset, valid: Dataset, *, seed: int, log: Callable[[str], None]) -> None:
        self._fit_residual(train)
        examples, valid_examples = self._labelled(train), self._labelled(valid)
        self.networks_ = {}
        for column, target in enumerate(self.targets):
            network = self._network(seed, n_outputs=1)
            history = train_network(
                network,
                make_loss(
                    self._recipe.loss,
                    self._normaliser.labels.select((target,)),
                    self.residual_.spread[column : column + 1],
                ),
                examples.only(column),
                valid_examples.only(column),
                self._recipe,
                seed=seed,
                log=partial(_log_target, log, target),
            )
            self.networks_[target] = network
            self.history_ += [{"target": target, **row} for row in history]
        self.n_parameters_ = self._count_parameters()

    def _networks(self) -> Mapping[str, nn.Module]:
        if not hasattr(self, "networks_"):
            self.networks_ = {target: self._network(seed=0, n_outputs=1) for target in self.targets}
        return self.networks_

    def _outputs(self, batch: "GraphBatch") -> Tensor:
        return torch.cat([network(batch) for network in self.networks_.values()], dim=1)
