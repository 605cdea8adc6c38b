"""Settings of SeerNet-X and of its parts."""

from typing import Annotated, Literal

from pydantic import Field

from perfseer.predictors.settings import Hidden, PredictorSettings


class SeerNetXSettings(PredictorSettings):
    """A sum over nodes, trees and a Gaussian process on any platform; sizes chosen on training folds."""

    hidden: Hidden = 96
    embedding: Annotated[
        int, Field(ge=1, le=64, description="columns of operators' and platforms' codes")
    ] = 8
    context: Annotated[bool, Field(description="a node's producer and consumer count")] = True
    fusion: Annotated[bool, Field(description="compiled graphs move what is left after fusion")] = True
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 20
    batch_size: Annotated[int, Field(ge=1, le=65536)] = 64
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.005
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.0001
    delta: Annotated[
        float, Field(gt=0, description="Huber loss on ln time: quadratic below, linear above")
    ] = 0.03
    unknown_share: Annotated[
        float, Field(ge=0, lt=1, description="rows whose platform is told by its features alone")
    ] = 0.1
    trees: Annotated[int, Field(ge=1, le=100_000, description="for each platform and phase")] = 700
    leaves: Annotated[int, Field(ge=2, le=4096, description="of a tree")] = 12
    tree_rate: Annotated[float, Field(gt=0, le=1)] = 0.1
    least_rows: Annotated[int, Field(ge=1, description="training rows in a leaf at least")] = 3
    process_rows: Annotated[
        int, Field(ge=10, le=20_000, description="rows that the process's length scales are found on")
    ] = 600
    process_steps: Annotated[int, Field(ge=1, le=10_000, description="in which they are found")] = 30
    process_axes: Annotated[int, Field(ge=1, le=1000, description="principal axes of its rows")] = 64
    parts: Annotated[Literal["all", "network", "trees", "process"], Field(description="what predicts")] = (
        "all"
    )

    @property
    def used(self) -> tuple[str, ...]:
        """The parts that predict."""
        return ("network", "trees", "process") if self.parts == "all" else (self.parts,)
