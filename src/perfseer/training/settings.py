"""Settings of the training loop: section ``training`` of params.yaml. Imports no torch."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class TrainingSettings(BaseModel):
    """Recipe of METHODS 1.4: Adam, halved learning rate on a plateau, early stopping."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    batch_size: Annotated[int, Field(ge=1, le=65536, description="graphs per step; the paper: 128")]
    learning_rate: Annotated[float, Field(gt=0, le=1, description="Adam's first step size; the paper: 1e-3")]
    lr_factor: Annotated[float, Field(gt=0, lt=1, description="learning rate times this on a plateau")]
    lr_patience: Annotated[int, Field(ge=0, description="epochs without gain before the rate is lowered")]
    lr_min: Annotated[float, Field(ge=0, description="the learning rate never falls below this")]
    max_epochs: Annotated[int, Field(ge=1, le=100_000, description="epochs at most; the paper: 500")]
    patience: Annotated[int, Field(ge=1, description="epochs without gain before training stops early")]
    loss: Annotated[
        Literal["mse", "relative"],
        Field(description="mse of normalised labels (the paper), or mean relative error in physical units"),
    ]

    @model_validator(mode="after")
    def _rates_are_ordered(self) -> Self:
        if self.lr_min > self.learning_rate:
            raise ValueError(f"lr_min {self.lr_min:g} is above learning_rate {self.learning_rate:g}")
        return self
