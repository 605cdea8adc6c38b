"""Settings of the predictors: section ``predictors`` of params.yaml. Imports no torch."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Hidden = Annotated[int, Field(ge=1, le=4096, description="columns of every hidden vector")]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class RooflineSettings(_Settings):
    """The roofline has nothing to choose: its constants are fitted."""


class BoostingSettings(_Settings):
    """Gradient-boosted trees on totals and per-operator sums."""

    n_estimators: Annotated[int, Field(ge=1, le=100_000, description="trees at most")]
    num_leaves: Annotated[int, Field(ge=2, le=4096, description="leaves of a tree")]
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    min_child_samples: Annotated[int, Field(ge=1, description="training rows in a leaf at least")]
    patience: Annotated[int, Field(ge=1, description="trees without gain on validation before stopping")]


class SeerNetSettings(_Settings):
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
    baseline: Annotated[
        Literal["none", "roofline"],
        Field(
            description="learn times and memory from nothing (the paper), or the deviation from the fitted "
            "roofline and analytic peak, which are then graph features too"
        ),
    ]


class SeerNetMultiSettings(SeerNetSettings):
    """SeerNet-Multi: one trunk, a head per label."""

    head_hidden: Annotated[int, Field(ge=1, le=4096, description="hidden columns of each head")]
    gradients: Annotated[
        Literal["pcgrad", "sum"], Field(description="how the labels' gradients on the trunk are combined")
    ]


# Name in params.yaml, in the registry and in results/models/ to settings; the order of reports.
SETTINGS: dict[str, type[BaseModel]] = {
    "roofline": RooflineSettings,
    "boosting": BoostingSettings,
    "seernet": SeerNetSettings,
    "seernet_multi": SeerNetMultiSettings,
}
