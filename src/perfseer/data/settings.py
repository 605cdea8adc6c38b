"""Settings of the dataset: sections ``labels`` and ``splits`` of params.yaml."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

SplitName = Literal["architecture", "random", "family"]
Margin = Annotated[
    float,
    Field(
        ge=0,
        le=20,
        description="decoding stays within the training range widened by this much, in units of the "
        "transformed scale (natural logarithm or logit): 2.3 is a factor of ten either way",
    ),
]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class LogTransform(_Settings):
    """y ↦ ln y: for times and memory, whose errors are relative."""

    transform: Literal["log"]
    margin: Margin


class LogitTransform(_Settings):
    """y ↦ ln(y / (ceiling − y)): for utilisation, which is bounded.

    A ceiling just above 100 keeps a saturated device (y = 100) finite and exactly invertible.
    """

    transform: Literal["logit"]
    margin: Margin
    ceiling: Annotated[float, Field(gt=100, le=110, description="percent")]


class LabelSettings(_Settings):
    """How each quantity is mapped for learning; training and inference alike."""

    time: LogTransform
    mem: LogTransform
    util: LogitTransform


class Fractions(_Settings):
    """Shares of train, valid and test; they sum to 1."""

    train: Annotated[float, Field(gt=0, lt=1)]
    valid: Annotated[float, Field(gt=0, lt=1)]
    test: Annotated[float, Field(gt=0, lt=1)]

    @model_validator(mode="after")
    def _sums_to_one(self) -> Self:
        total = self.train + self.valid + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(f"train + valid + test is {total:g}, expected 1")
        return self


class SplitSettings(_Settings):
    """Which splits are drawn, which one the reports lead with, and their shares."""

    names: Annotated[tuple[SplitName, ...], Field(min_length=1)]
    headline: SplitName
    fractions: Fractions

    @model_validator(mode="after")
    def _names_are_consistent(self) -> Self:
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"names lists a split twice: {list(self.names)}")
        if self.headline not in self.names:
            raise ValueError(f"headline {self.headline!r} is not among names {list(self.names)}")
        return self
