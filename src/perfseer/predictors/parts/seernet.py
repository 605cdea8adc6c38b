"""What `seernet` and `seernet_multi` share: examples, construction, prediction, files."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from perfseer.data.batches import BatchSource
from perfseer.data.dataset import Dataset
from perfseer.data.features import EDGE_COLUMNS, GLOBAL_COLUMNS, NODE_COLUMNS
from perfseer.data.normalisation import CLIP, FeatureNormaliser
from perfseer.graphs.perfgraph import FloatArray
from perfseer.nn.seernet import SeerNet, SeerNetSwitches
from perfseer.predictors.base import Predictor
from perfseer.predictors.parts.residual import Residual, normalised_roofline
from perfseer.predictors.parts.roofline import BASELINE_TARGETS, Roofline
from perfseer.predictors.parts.weights import load_weights, save_weights
from perfseer.predictors.settings import SeerNetSettings
from perfseer.training.loop import outputs_of
from perfseer.training.seeds import seeded

if TYPE_CHECKING:
    from perfseer.data.batches import GraphBatch

_WEIGHTS_FILE = "model.safetensors"
SOURCE = "PerfSeer (arXiv 2502.01206), as its live reproduction states the equations"
DEPARTURES = (
    "Its exact layers cannot be recovered (1.02 M parameters match no reading): linear encoders before the "
    "block and a residual around it are the reproduction's.",
    "More features: the backward pass's FLOPs and bytes, output shapes, analytic peak memory.",
    "The fitted roofline's predictions are graph features, and the deviation from it is learned, unless "
    "`roofline_input` and `roofline_residual` are off; the ablation report has both ways.",
    "Labels are ln y, utilisation log-odds, then z-scores; the paper's transform was not found.",
)


@dataclass(frozen=True, eq=False)
class GraphExamples:
    """Rows of a dataset as a network sees them.

    Attributes:
        source: normalised graphs.
        extra: [n, K] further graph features (the baseline's predictions), K >= 0.
        labels: [n, T] what is to be learned.
    """

    source: BatchSource
    extra: Tensor
    labels: Tensor

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.source)

    def batch(self, rows: Any) -> "tuple[GraphBatch, Tensor]":
        """Graphs and labels [B, T] of the given rows."""
        graphs = self.source.batch(rows)
        if self.extra.shape[1]:
            graphs = replace(graphs, globals_=torch.cat([graphs.globals_, self.extra[rows]], dim=1))
        return graphs, self.labels[rows]

    def only(self, column: int) -> "GraphExamples":
        """The same graphs with one label alone, [n, 1]."""
        return replace(self, labels=self.labels[:, column : column + 1])


class NetworkPredictor(Predictor):
    """A predictor made of one or more `SeerNet`."""

    curve_step: ClassVar[str | None] = "epoch"
    settings: SeerNetSettings
    roofline_: Roofline | None
    residual_: Residual

    def _switches(self) -> SeerNetSwitches:
        names = SeerNetSwitches.__dataclass_fields__
        chosen = {name: value for name, value in self.settings.model_dump().items() if name in names}
        return SeerNetSwitches(**chosen)

    def _network(self, seed: int, n_outputs: int, head_hidden: int | None = None) -> SeerNet:
        """A network with new weights drawn from ``seed``."""
        widths = (len(NODE_COLUMNS), len(EDGE_COLUMNS), len(GLOBAL_COLUMNS) + len(self._input_columns()))
        with seeded(seed):
            return SeerNet(*widths, self._switches(), n_outputs, head_hidden)

    def _input_columns(self) -> list[int]:
        """Targets whose roofline predictions are graph features."""
        if not self.settings.roofline_input:
            return []
        return [column for column, name in enumerate(self.targets) if name in BASELINE_TARGETS]

    def _fit_residual(self, train: Dataset) -> None:
        baseline = self.settings.roofline_residual
        self.residual_ = Residual.fit(train, self._normaliser.labels, baseline=baseline)
        self.roofline_ = None
        if self.settings.roofline_input:
            self.roofline_ = self.residual_.roofline or Roofline.fit(train)

    def _features(self) -> FeatureNormaliser:
        """The feature normaliser, with the blocks that are switched off made constant."""
        switches = {"nodes": "node_features", "edges": "edge_features", "globals_": "global_features"}
        off = [block for block, name in switches.items() if not getattr(self.settings, name)]
        return self._normaliser.features.without(*off)

    def _examples(self, dataset: Dataset, labels: FloatArray) -> GraphExamples:
        """Rows with ``labels`` [n, T] (or [n, 0] for prediction)."""
        extra = np.zeros((len(dataset), 0))
        if self._input_columns():
            predicted = normalised_roofline(self.roofline_, self._normaliser.labels, dataset)
            extra = np.clip(predicted[:, self._input_columns()], -CLIP, CLIP)
        return GraphExamples(
            BatchSource(dataset, self._features()),
            torch.from_numpy(extra).float(),
            torch.from_numpy(labels).float(),
        )

    def _labelled(self, dataset: Dataset) -> GraphExamples:
        return self._examples(dataset, self.residual_.encode(dataset))

    def _predict(self, dataset: Dataset) -> FloatArray:
        examples = self._examples(dataset, np.zeros((len(dataset), 0)))
        outputs = outputs_of(len(dataset), lambda rows: self._outputs(examples.batch(rows)[0]))
        return self.residual_.decode(outputs.numpy(), dataset)

    @abstractmethod
    def _networks(self) -> Mapping[str, nn.Module]:
        """Networks by the prefix of their weights in the file; new ones if there are none yet."""

    @abstractmethod
    def _outputs(self, batch: "GraphBatch") -> Tensor:
        """[B, T] what was learned, for the graphs of a batch."""

    def _count_parameters(self) -> int:
        return sum(
            parameter.numel() for network in self._networks().values() for parameter in network.parameters()
        )

    def _save_state(self, folder: Path) -> dict[str, Any]:
        save_weights(folder / _WEIGHTS_FILE, self._networks())
        roofline = None if self.roofline_ is None else self.roofline_.to_json()
        return {"roofline": roofline, "residual": self.residual_.to_json()}

    def _load_state(self, folder: Path, state: dict[str, Any]) -> None:
        self.residual_ = Residual.from_json(state["residual"], self._normaliser.labels)
        self.roofline_ = None if state["roofline"] is None else Roofline.from_json(state["roofline"])
        load_weights(folder / _WEIGHTS_FILE, self._networks())
