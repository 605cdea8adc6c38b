"""Settings of the training loop: section ``training`` of params.yaml. Imports no torch."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator, with_config
from typing_extensions import TypedDict  # pydantic reads typing's own from Python 3.12 on

from perfseer.errors import PerfseerError
from perfseer.validation import Strict


class TrainingSettings(Strict):
    """Recipe of METHODS 1.4: Adam, halved learning rate on a plateau, early stopping."""

    batch_size: Annotated[int, Field(ge=1, le=65536, description="graphs per step; the paper: 128")]
    optimiser: Annotated[
        Literal["adam", "adamw"],
        Field(description="how weight_decay acts: on the gradient, or on the weights"),
    ]
    learning_rate: Annotated[float, Field(gt=0, le=1, description="the first step size; the paper: 1e-3")]
    weight_decay: Annotated[
        float, Field(ge=0, le=1, description="pull of the weights to zero; the paper: none")
    ]
    lr_factor: Annotated[float, Field(gt=0, lt=1, description="learning rate times this on a plateau")]
    lr_patience: Annotated[int, Field(ge=0, description="epochs without gain before the rate is lowered")]
    lr_threshold: Annotated[
        float, Field(ge=0, lt=1, description="share by which the loss has to fall to count as gain there")
    ]
    lr_min: Annotated[float, Field(ge=0, description="the learning rate never falls below this")]
    max_epochs: Annotated[int, Field(ge=1, le=100_000, description="epochs at most; the paper: 500")]
    patience: Annotated[int, Field(ge=1, description="epochs without gain before training stops early")]
    loss: Annotated[
        Literal["mse", "l1", "huber", "relative"],
        Field(
            description="of normalised labels: mean squared (the paper), absolute or Huber error (delta 1); "
            "or mean relative error in physical units"
        ),
    ]

    @model_validator(mode="after")
    def _rates_are_ordered(self) -> Self:
        if self.lr_min > self.learning_rate:
            raise ValueError(f"lr_min {self.lr_min:g} is above learning_rate {self.learning_rate:g}")
        return self

    def changed(self, recipe: "Recipe") -> "TrainingSettings":
        """These settings with the fields of ``recipe`` in their place.

        Raises:
            PerfseerError: together they contradict each other.
        """
        try:
            return TrainingSettings.model_validate(self.model_dump() | recipe)
        except ValidationError as error:
            reasons = "; ".join(fault["msg"] for fault in error.errors())
            raise PerfseerError(f"the recipe {dict(recipe)} does not fit `training`: {reasons}") from error


if TYPE_CHECKING:
    Recipe = dict[str, Any]
else:
    Recipe = TypedDict(
        "Recipe",
        {name: Annotated[field.annotation, field] for name, field in TrainingSettings.model_fields.items()},
        total=False,
    )
    Recipe.__doc__ = "What a predictor trains otherwise than section ``training`` says: any of its fields."
    Recipe = with_config(ConfigDict(extra="forbid"))(Recipe)
