"""SeerNet as the paper trains it: one network for each label (METHODS 1.4)."""

from typing import ClassVar

from torch import nn

from perfseer.predictors.parts.seernet import DEPARTURES, SOURCE, SeerNetBase
from perfseer.training.seeds import seeded


class SeerNetPredictor(SeerNetBase):
    """Six single-metric SeerNets, all drawn from one seed; normalised graphs are shared between them."""

    name: ClassVar[str] = "seernet"
    source: ClassVar[str] = SOURCE
    departures: ClassVar[tuple[str, ...]] = DEPARTURES

    def _new_networks(self, seed: int) -> dict[str, nn.Module]:
        networks: dict[str, nn.Module] = {}
        for target in self.targets:
            with seeded(seed):
                networks[target] = self._network(n_outputs=1)
        return networks
