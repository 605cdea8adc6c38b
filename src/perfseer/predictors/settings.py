"""Settings of the predictors: sections ``predictors`` and ``ensembles`` of params.yaml. Imports no torch.

A predictor's settings stand here, so that params.yaml is checked without importing torch, or as the class
attribute ``Settings`` of its own file in ``library/`` (docs/adding-a-predictor.md).
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from perfseer.training.settings import Recipe
from perfseer.validation import Strict

Hidden = Annotated[int, Field(ge=1, le=4096, description="columns of every hidden vector")]


class PredictorSettings(Strict):
    """Base of every predictor's settings.

    Attributes:
        needs: what fitting needs besides labelled rows, by the names of `perfseer.predictors.base.FitInputs`.
    """

    needs: ClassVar[tuple[str, ...]] = ()

    @property
    def members(self) -> tuple[str, ...]:
        """Predictors that must have been fitted on the same rows, for those that need ``members``."""
        return ()


class RooflineSettings(PredictorSettings):
    """The roofline has nothing to choose: its constants are fitted."""


class BoostingSettings(PredictorSettings):
    """Gradient-boosted trees on totals and per-operator sums."""

    n_estimators: Annotated[int, Field(ge=1, le=100_000, description="trees at most")]
    num_leaves: Annotated[int, Field(ge=2, le=4096, description="leaves of a tree")]
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    min_child_samples: Annotated[int, Field(ge=1, description="training rows in a leaf at least")]
    patience: Annotated[int, Field(ge=1, description="trees without gain on validation before stopping")]


class SeerNetSettings(PredictorSettings):
    """SeerNet and what METHODS 1.3 leaves open; one network per label."""

    hidden: Hidden
    blocks: Annotated[int, Field(ge=1, le=16, description="SeerBlocks in a row")]
    aggregation: Annotated[
        Literal["synmm", "max", "mean", "sum"],
        Field(description="nodes to one vector; equation (7) is synmm"),
    ]
    global_node: Annotated[bool, Field(description="GNPB, the boost of equation (4)")]
    encoders: Annotated[bool, Field(description="linear maps to `hidden` columns before the first block")]
    global_in_edge_update: Annotated[bool, Field(description="u in equation (2)")]
    global_node_layers: Annotated[int, Field(ge=1, le=8, description="hidden layers of MLP_z, equation (6)")]
    residual: Annotated[bool, Field(description="add a block's input to its output")]
    score: Annotated[
        Literal["node", "channel"],
        Field(description="softmax over nodes of one learned score per node, or of every channel by itself"),
    ]
    operator_one_hot: Annotated[bool, Field(description="append the operator's code to the node features")]
    node_features: Annotated[bool, Field(description="features of nodes; without them the columns are 0")]
    edge_features: Annotated[bool, Field(description="features of edges; without them the columns are 0")]
    global_features: Annotated[bool, Field(description="features of the graph; without them they are 0")]
    roofline_input: Annotated[
        bool, Field(description="the fitted roofline's predictions are graph features too; the paper: no")
    ]
    roofline_residual: Annotated[
        bool,
        Field(description="learn the deviation from the fitted roofline and analytic peak; the paper: no"),
    ]


class SeerNetMultiSettings(SeerNetSettings):
    """SeerNet-Multi: one trunk, a head per label."""

    head_hidden: Annotated[int, Field(ge=1, le=4096, description="hidden columns of each head")]
    gradients: Annotated[
        Literal["pcgrad", "sum", "uncertainty"],
        Field(description="how the labels' gradients on the trunk are combined; the paper: pcgrad"),
    ]


class Mlp5dSettings(PredictorSettings):
    """A perceptron on five numbers of a graph: FLOPs, bytes, parameters, batch size, depth."""

    hidden: Annotated[tuple[Annotated[int, Field(ge=1, le=4096)], ...], Field(min_length=1, max_length=64)]
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    max_epochs: Annotated[int, Field(ge=1, le=100_000)]
    batch_size: Annotated[int, Field(ge=1, le=65536)]
    patience: Annotated[int, Field(ge=1, description="epochs without gain before training stops early")]


class AdditiveSettings(PredictorSettings):
    """A learned time for each distinct node, summed over the graph; no message passing."""

    hidden: Hidden
    embedding: Annotated[int, Field(ge=1, le=256, description="columns of an operator's learned code")]
    delta: Annotated[float, Field(gt=0, description="Huber loss on ln time: quadratic below, linear above")]
    recipe: Annotated[Recipe, Field(description="fields of section `training` that are other here")]


class NnMeterSettings(PredictorSettings):
    """A random forest for each kernel type, fitted on kernels measured one by one."""

    needs: ClassVar[tuple[str, ...]] = ("kernels",)

    trees: Annotated[float, Field(gt=0, le=1, description="share of the published number of trees")]
    scale: Annotated[Literal["time", "log"], Field(description="what forests learn; published: time")]


class NnMeterAdditiveSettings(PredictorSettings):
    """A sum over kernels fitted to whole-model labels."""


class LinkedSettings(PredictorSettings):
    """What the graph networks of others have in common."""

    hidden: Hidden
    dropout: Annotated[float, Field(ge=0, lt=1, description="share of entries dropped in training")]
    recipe: Annotated[Recipe, Field(description="fields of section `training` that are others here")]


class BrpNasSettings(LinkedSettings):
    """Graph convolutions on operator types with a global node (METHODS 3); published: 4 of hidden 600."""

    layers: Annotated[int, Field(ge=1, le=16, description="graph convolutions in a row")]


class DippmSettings(LinkedSettings):
    """GraphSAGE blocks, sum pooling, static features (METHODS 4); published: 3 of hidden 512."""

    blocks: Annotated[int, Field(ge=1, le=16, description="blocks of two GraphSAGE convolutions")]


class EnsembleSettings(PredictorSettings):
    """The mean of a base predictor and the best of some candidates, weighted on validation rows."""

    needs: ClassVar[tuple[str, ...]] = ("members",)

    base: Annotated[str, Field(description="a predictor of section `predictors`")]
    candidates: Annotated[tuple[str, ...], Field(min_length=1, description="predictors of that section")]

    @model_validator(mode="after")
    def _members_are_distinct(self) -> Self:
        if len(set(self.members)) != len(self.members):
            raise ValueError(f"base and candidates {list(self.members)} repeat; each may stand once")
        return self

    @property
    def members(self) -> tuple[str, ...]:
        """Predictors that must have been fitted on the same rows."""
        return (self.base, *self.candidates)


# Name in params.yaml, of the file in library/ and in results/models/ to settings; the order of reports.
SETTINGS: dict[str, type[PredictorSettings]] = {
    "roofline": RooflineSettings,
    "mlp5d": Mlp5dSettings,
    "boosting": BoostingSettings,
    "additive": AdditiveSettings,
    "nn_meter": NnMeterSettings,
    "nn_meter_additive": NnMeterAdditiveSettings,
    "brp_nas": BrpNasSettings,
    "brp_nas_features": BrpNasSettings,
    "dippm": DippmSettings,
    "dippm_chain": DippmSettings,
    "seernet": SeerNetSettings,
    "seernet_multi": SeerNetMultiSettings,
    "ensemble": EnsembleSettings,
}
