"""What `seernet` and `seernet_multi` share: inputs of the network, and the deviation that it learns."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from perfseer.data.batches import BatchSource
from perfseer.data.dataset import Dataset
from perfseer.data.features import EDGE_COLUMNS, GLOBAL_COLUMNS, NODE_COLUMNS
from perfseer.data.normalisation import CLIP, FeatureNormaliser
from perfseer.graphs.perfgraph import FloatArray
from perfseer.nn.seernet import SeerNet, SeerNetSwitches
from perfseer.predictors.parts.networks import NetworkPredictor
from perfseer.predictors.parts.residual import Residual, normalised_roofline
from perfseer.predictors.parts.roofline import BASELINE_TARGETS, Roofline
from perfseer.predictors.settings import SeerNetSettings
from perfseer.training.losses import Loss, make_loss

if TYPE_CHECKING:
    from perfseer.data.batches import GraphBatch

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
class ExtendedSource:
    """Normalised graphs with further graph features.

    Attributes:
        graphs: normalised.
        extra: [n, K] further features of the graphs (the baseline's predictions), K >= 0.
    """

    graphs: BatchSource
    extra: Tensor

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.graphs)

    def batch(self, rows: Any) -> "GraphBatch":
        """The graphs of the given rows."""
        graphs = self.graphs.batch(rows)
        if not self.extra.shape[1]:
            return graphs
        return replace(graphs, globals_=torch.cat([graphs.globals_, self.extra[rows]], dim=1))


class SeerNetBase(NetworkPredictor):
    """A predictor made of one or more `SeerNet`."""

    settings: SeerNetSettings
    roofline_: Roofline | None
    residual_: Residual

    def _learn_inputs(self, train: Dataset) -> None:
        baseline = self.settings.roofline_residual
        self.residual_ = Residual.fit(train, self._normaliser.labels, baseline=baseline)
        self.roofline_ = None
        if self.settings.roofline_input:
            self.roofline_ = self.residual_.roofline or Roofline.fit(train)

    def _network(self, n_outputs: int) -> SeerNet:
        widths = (len(NODE_COLUMNS), len(EDGE_COLUMNS), len(GLOBAL_COLUMNS) + len(self._input_columns()))
        chosen = self.settings.model_dump(include={field.name for field in fields(SeerNetSwitches)})
        head_hidden = getattr(self.settings, "head_hidden", None)
        return SeerNet(*widths, SeerNetSwitches(**chosen), n_outputs, head_hidden)

    def _input_columns(self) -> list[int]:
        """Targets whose roofline predictions are graph features."""
        if not self.settings.roofline_input:
            return []
        return [column for column, name in enumerate(self.targets) if name in BASELINE_TARGETS]

    def _features(self) -> FeatureNormaliser:
        """The feature normaliser, with the blocks that are switched off made constant."""
        switches = {"nodes": "node_features", "edges": "edge_features", "globals_": "global_features"}
        off = [block for block, name in switches.items() if not getattr(self.settings, name)]
        return self._normaliser.features.without(*off)

    def _source(self, dataset: Dataset) -> ExtendedSource:
        extra = np.zeros((len(dataset), 0))
        if self._input_columns():
            predicted = normalised_roofline(self.roofline_, self._normaliser.labels, dataset)
            extra = np.clip(predicted[:, self._input_columns()], -CLIP, CLIP)
        return ExtendedSource(BatchSource(dataset, self._features()), torch.from_numpy(extra).float())

    def _encode(self, dataset: Dataset) -> FloatArray:
        return self.residual_.encode(dataset)

    def _decode(self, learned: FloatArray, dataset: Dataset) -> FloatArray:
        return self.residual_.decode(learned, dataset)

    def _loss(self, targets: tuple[str, ...]) -> Loss:
        spread = self.residual_.spread[[self.targets.index(name) for name in targets]]
        return make_loss(self._recipe.loss, self._normaliser.labels.select(targets), spread)

    def _inputs_to_json(self) -> dict[str, Any]:
        roofline = None if self.roofline_ is None else self.roofline_.to_json()
        return {"roofline": roofline, "residual": self.residual_.to_json()}

    def _inputs_from_json(self, value: Mapping[str, Any]) -> None:
        self.residual_ = Residual.from_json(value["residual"], self._normaliser.labels)
        self.roofline_ = None if value["roofline"] is None else Roofline.from_json(value["roofline"])
