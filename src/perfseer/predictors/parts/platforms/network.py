"""The network of SeerNet-X: a time for every kind of node, fitted on examples of all platforms."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from perfseer.data.platforms import Platform
from perfseer.graphs.perfgraph import FloatArray
from perfseer.graphs.vocabulary import OPERATORS
from perfseer.nn.node_times import NodeTimeNetwork
from perfseer.predictors.parts.platforms.batches import N_SIZES, Shown
from perfseer.predictors.parts.platforms.examples import PlatformExamples, Scales
from perfseer.predictors.parts.platforms.settings import SeerNetXSettings
from perfseer.predictors.parts.platforms.work import TOLD
from perfseer.predictors.parts.tabular import OPERATOR_TYPES
from perfseer.predictors.parts.weights import load_networks
from perfseer.training.annealing import train_annealed
from perfseer.training.loop import outputs_of
from perfseer.training.losses import huber
from perfseer.training.seeds import generator, seeded

_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class PlatformNetwork:
    """Logarithms of times as sums over the nodes of a graph.

    Attributes:
        network: what learns.
        scales: of the examples it was trained on.
        platforms: those that have a code of their own.
        history: rows of the learning curve; empty if it was loaded.
    """

    network: NodeTimeNetwork
    scales: Scales
    platforms: tuple[Platform, ...]
    history: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def new(
        cls, settings: SeerNetXSettings, scales: Scales, platforms: Sequence[Platform], seed: int = 0
    ) -> Self:
        """One with random weights."""
        with seeded(seed):
            network = NodeTimeNetwork(
                features=len(scales.mean[0]) + N_SIZES,
                platform_features=len(TOLD),
                platforms=len(platforms) + 1,
                operator_types=len(OPERATOR_TYPES),
                operators=len(OPERATORS) + 1,
                hidden=settings.hidden,
                embedding=settings.embedding,
                context=settings.context,
                unknown_share=settings.unknown_share,
            )
        return cls(network, scales, tuple(platforms))

    @classmethod
    def load(
        cls, path: Path, settings: SeerNetXSettings, scales: Scales, platforms: Sequence[Platform]
    ) -> Self:
        """One with the weights of a file, which `save_weights` wrote as ``network``.

        Raises:
            PerfseerError: the file is missing, damaged, or of other layers.
        """
        loaded = load_networks(path, lambda: {"network": cls.new(settings, scales, platforms).network})
        return cls(loaded["network"].eval(), scales, tuple(platforms))

    def train(
        self,
        settings: SeerNetXSettings,
        examples: PlatformExamples,
        valid: PlatformExamples,
        *,
        seed: int,
        log: Callable[[str], None],
    ) -> None:
        """Learn from ``examples``; ``valid`` is for the learning curve.

        Raises:
            PerfseerError: there are no examples, or a loss or gradient is not finite.
        """
        hide = partial(self.network.hide, drawing=generator(seed))
        self.history[:] = train_annealed(
            self.network,
            partial(_huber, delta=settings.delta),
            Shown(examples, self.scales, self.platforms, hide=hide),
            Shown(valid, self.scales, self.platforms),
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
            seed=seed,
            log=log,
        )

    def ln_ms(self, examples: PlatformExamples) -> FloatArray:
        """[N] natural logarithms of the examples' times in ms."""
        shown = Shown(examples, self.scales, self.platforms)
        outputs = outputs_of(len(examples), lambda rows: self.network(shown.batch(rows)[0]), _AT_ONCE)
        return np.asarray(outputs.squeeze(1).numpy())

    def node_ms(self, examples: PlatformExamples) -> Iterator[FloatArray]:
        """For each example [V] ms of the nodes of its graph, both passes in training."""
        shown, kinds = Shown(examples, self.scales, self.platforms), examples.kinds
        for number, graph in enumerate(examples.graph.tolist()):
            rows = np.array([number])
            with torch.inference_mode():
                ms = self.network.node_ms(shown.batch(rows)[0]).double().numpy()
            per_kind = np.bincount(examples.pairs(rows).kind, weights=ms, minlength=len(kinds.columns))
            nodes = slice(*kinds.node_ptr[graph : graph + 2].tolist())
            yield np.asarray(per_kind[kinds.node_kind[nodes]], dtype=np.float64)


def _huber(outputs: Tensor, labels: Tensor, *, delta: float) -> Tensor:
    """[T] mean Huber error in units of ``delta``: about the absolute error beyond it."""
    return huber(outputs, labels, delta=delta) / delta
