"""SeerNet-Multi: one trunk for all labels, a head for each, PCGrad on the trunk (paper; METHODS 1.4)."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor, nn

from perfseer.data.dataset import Dataset
from perfseer.nn.seernet import SeerNet
from perfseer.predictors.parts.seernet import DEPARTURES, SOURCE, NetworkPredictor
from perfseer.predictors.settings import SeerNetMultiSettings
from perfseer.training.gradients import GradientRule, PCGradRule, UncertaintyRule, sum_rule
from perfseer.training.loop import train_network
from perfseer.training.losses import make_loss
from perfseer.training.seeds import generator

if TYPE_CHECKING:
    from perfseer.data.batches import GraphBatch

# Tells the order of the tasks from the order of the rows, both drawn from the run's seed.
_TASK_STREAM = 1


class SeerNetMultiPredictor(NetworkPredictor):
    """One SeerNet with a head for each label."""

    name: ClassVar[str] = "seernet_multi"
    source: ClassVar[str] = SOURCE
    departures: ClassVar[tuple[str, ...]] = (
        *DEPARTURES,
        "A head is a small perceptron for each label; the paper does not say what its 0.13 M further "
        "parameters are.",
    )
    joint: ClassVar[bool] = True
    settings: SeerNetMultiSettings
    network_: SeerNet

    def _fit(self, train: Dataset, valid: Dataset, *, seed: int, log: Callable[[str], None]) -> None:
        self._fit_residual(train)
        self.network_ = self._network(seed, len(self.targets), self.settings.head_hidden)
        history = train_network(
            self.network_,
            make_loss(self._recipe.loss, self._normaliser.labels, self.residual_.spread),
            self._labelled(train),
            self._labelled(valid),
            self._recipe,
            seed=seed,
            log=log,
            gradient_rule=self._gradient_rule(seed),
        )
        # One network learns all labels: its curve is the mean over them.
        self.history_ = [{"target": "all", **row} for row in history]
        self.n_parameters_ = self._count_parameters()

    def _gradient_rule(self, seed: int) -> GradientRule:
        if self.settings.gradients == "sum":
            return sum_rule
        if self.settings.gradients == "uncertainty":
            return UncertaintyRule(len(self.targets), self._recipe.learning_rate)
        shared, own = self.network_.trunk.parameters(), self.network_.head.parameters()
        return PCGradRule(list(shared), list(own), generator(seed, _TASK_STREAM))

    def _networks(self) -> Mapping[str, nn.Module]:
        if not hasattr(self, "network_"):
            self.network_ = self._network(0, len(self.targets), self.settings.head_hidden)
        return {"seernet_multi": self.network_}

    def _outputs(self, batch: "GraphBatch") -> Tensor:
        outputs: Tensor = self.network_(batch)
        return outputs
