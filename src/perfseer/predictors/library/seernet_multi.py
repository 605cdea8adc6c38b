"""SeerNet-Multi: one trunk for all labels, a head for each, PCGrad on the trunk (paper; METHODS 1.4)."""

from typing import ClassVar

from perfseer.predictors.parts.seernet import DEPARTURES, SOURCE, SeerNetBase
from perfseer.predictors.settings import SeerNetMultiSettings
from perfseer.training.gradients import GradientRule, PCGradRule, UncertaintyRule, sum_rule
from perfseer.training.seeds import generator

# Tells the order of the tasks from the order of the rows, both drawn from the run's seed.
_TASK_STREAM = 1


class SeerNetMultiPredictor(SeerNetBase):
    """One SeerNet with a head for each label; its curve is the mean over them."""

    name: ClassVar[str] = "seernet_multi"
    source: ClassVar[str] = SOURCE
    departures: ClassVar[tuple[str, ...]] = (
        *DEPARTURES,
        "A head is a small perceptron for each label; the paper does not say what its 0.13 M further "
        "parameters are.",
    )
    joint: ClassVar[bool] = True
    joint_name: ClassVar[str] = "seernet_multi"
    settings: SeerNetMultiSettings

    def _gradient_rule(self, seed: int) -> GradientRule:
        if self.settings.gradients == "sum":
            return sum_rule
        if self.settings.gradients == "uncertainty":
            return UncertaintyRule(len(self.targets), self._recipe.learning_rate)
        network = self.networks_[self.joint_name]
        shared, own = (network.get_submodule(part).parameters() for part in ("trunk", "head"))
        return PCGradRule(list(shared), list(own), generator(seed, _TASK_STREAM))
