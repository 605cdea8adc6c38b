"""Settings of the training loop: section ``training`` of params.yaml. Imports no torch."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator, with_config
from typing_extensions import TypedDict  # pydantic reads typing's own from Python 3.12 on

from perfseer.errors import PerfseerError

BatchSize = Annotated[int, Field(ge=1, le=65536, description="graphs per step; the paper: 128")]
Optimiser = Annotated[
    Literal["adam", "adamw"], Field(description="how weight_decay acts: on the gradient, or on the weights")
]
LearningRate = Annotated[float, Field(gt=0, le=1, description="the first step size; the paper: 1e-3")]
WeightDecay = Annotated[float, Field(ge=0, le=1, description="pull of the weights to zero; the paper: none")]
RateFactor = Annotated[float, Field(gt=0, lt=1, description="learning rate times this on a plateau")]
RatePatience = Annotated[int, Field(ge=0, description="epochs without gain before the rate is lowered")]
RateThreshold = Annotated[
    float, Field(ge=0, lt=1, description="share by which the loss has to fall to count as gain there")
]
LeastRate = Annotated[float, Field(ge=0, description="the learning rate never falls below this")]
Epochs = Annotated[int, Field(ge=1, le=100_000, description="epochs at most; the paper: 500")]
Patience = Annotated[int, Field(ge=1, description="epochs without gain before training stops early")]
LossName = Annotated[
    Literal["mse", "l1", "huber", "relative"],
    Field(
        description="of normalised labels: mean squared (the paper), absolute or Huber error (delta 1); or "
        "mean relative error in physical units"
    ),
]


@with_config(ConfigDict(extra="forbid"))
class Recipe(TypedDict, total=False):
    """What a predictor trains otherwise than section ``training`` says: any of its fields."""

    batch_size: BatchSize
    optimiser: Optimiser
    learning_rate: LearningRate
    weight_decay: WeightDecay
    lr_factor: RateFactor
    lr_patience: RatePatience
    lr_threshold: RateThreshold
    lr_min: LeastRate
    max_epochs: Epochs
    patience: Patience
    loss: LossName


class TrainingSettings(BaseModel):
    """Recipe of METHODS 1.4: Adam, halved learning rate on a plateau, early stopping."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    batch_size: BatchSize
    optimiser: Optimiser
    learning_rate: LearningRate
    weight_decay: WeightDecay
    lr_factor: RateFactor
    lr_patience: RatePatience
    lr_threshold: RateThreshold
    lr_min: LeastRate
    max_epochs: Epochs
    patience: Patience
    loss: LossName

    @model_validator(mode="after")
    def _rates_are_ordered(self) -> Self:
        if self.lr_min > self.learning_rate:
            raise ValueError(f"lr_min {self.lr_min:g} is above learning_rate {self.learning_rate:g}")
        return self

    def changed(self, recipe: Recipe) -> "TrainingSettings":
        """These settings with the fields of ``recipe`` in their place.

        Raises:
            PerfseerError: together they contradict each other.
        """
        try:
            return TrainingSettings.model_validate(self.model_dump() | recipe)
        except ValidationError as error:
            reasons = "; ".join(fault["msg"] for fault in error.errors())
            raise PerfseerError(f"the recipe {dict(recipe)} does not fit `training`: {reasons}") from error
