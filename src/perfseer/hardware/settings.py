"""Settings of the hardware database: section ``hardware`` of params.yaml. Imports no torch."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Annotated, Any, Self

from pydantic import (
    Field,
    PositiveFloat,
    PositiveInt,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from perfseer.validation import Strict

Share = Annotated[float, Field(gt=0, lt=1)]


# Classes of seed 004, the best first.
EFFICIENCY_TIERS: tuple[str, ...] = ("Ultra", "Premium", "High-End", "Mid-Range", "Entry")
PERFORMANCE_CATEGORIES: tuple[str, ...] = (
    *("AI_Flagship", "AI_High_End", "AI_Mid_Range", "AI_Entry", "AI_Basic"),
)


def _descending(names: tuple[str, ...]) -> Callable[[Mapping[str, float]], dict[str, float]]:
    """Thresholds of all names, put in their order: mappings lose it on the way through JSON."""

    def ordered(thresholds: Mapping[str, float]) -> dict[str, float]:
        if set(thresholds) != set(names):
            raise ValueError(
                f"expected a threshold for each of {', '.join(names)}; got {', '.join(thresholds)}"
            )
        values = [thresholds[name] for name in names]
        if any(first <= second for first, second in pairwise(values)):
            raise ValueError(f"{values} of {', '.join(names)} must descend: the best comes first")
        if values[-1] != 0:
            raise ValueError(
                f"the last threshold is {values[-1]:g}, expected 0: whatever is left falls there"
            )
        return dict(zip(names, values, strict=True))

    return ordered


Thresholds = Annotated[dict[str, Annotated[float, Field(ge=0)]], Field(min_length=2)]


class SegmentSettings(Strict):
    """What an accelerator needs to serve a use: bounds on published figures; null asks nothing.

    Attributes:
        fp16_tflops: dense FP16 of the matrix units, at least [TFLOP/s].
        ops8_tops: dense INT8 or FP8, whichever is faster, at least [TOP/s].
        fp32_tflops: FP32 of the vector units, at least [TFLOP/s].
        memory_gb: of the card, at least [1e9 bytes].
        bandwidth_gb_per_s: of its memory, at least [1e9 byte/s].
        tdp_at_most_w: of the card [W].
        g3d: PassMark G3D Mark, at least.
        bf16: whether matrix units must know BF16.
        categories: of which it must be one; empty: any.
    """

    fp16_tflops: PositiveFloat | None = None
    ops8_tops: PositiveFloat | None = None
    fp32_tflops: PositiveFloat | None = None
    memory_gb: PositiveFloat | None = None
    bandwidth_gb_per_s: PositiveFloat | None = None
    tdp_at_most_w: PositiveFloat | None = None
    g3d: PositiveFloat | None = None
    bf16: bool = False
    categories: tuple[str, ...] = ()

    @model_serializer(mode="wrap")
    def _asked(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What is asked; what asks nothing is not there."""
        return {name: value for name, value in handler(self).items() if value}

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if self == SegmentSettings.model_construct():
            raise ValueError("a segment without a condition holds everything")
        return self


class ImputationSettings(Strict):
    """When the FP16 rate of vector units may be guessed from others of its architecture.

    Attributes:
        min_members: accelerators of the architecture with both rates published; fewer than 9 cannot give an
            interval at 90 %.
        coverage: of the intervals.
        exact_within: relative difference that counts as exact.
        min_exact_share: of the architecture's members that the median of the others must give exactly.
        max_width: of an interval, upper over lower end.
    """

    min_members: PositiveInt
    coverage: Share
    exact_within: Share
    min_exact_share: Share
    max_width: Annotated[float, Field(gt=1)]


class QualitySettings(Strict):
    """What published figures are held against.

    Attributes:
        fp32_within: tolerance of FP32 against two operations per lane and cycle.
        sources_within: tolerance of two sources of one figure.
        derived_within: tolerance of a peak by rule against the published one.
        tdp_w: least and most plausible power limit of a card [W].
        watt_per_mm2: least and most plausible power per area of all dies [W/mm²].
        pin_slack: how far above its standard's fastest a memory may be clocked, as a factor.
    """

    fp32_within: Share
    sources_within: Share
    derived_within: Share
    tdp_w: tuple[PositiveFloat, PositiveFloat]
    watt_per_mm2: tuple[PositiveFloat, PositiveFloat]
    pin_slack: Annotated[float, Field(ge=1)]

    @field_validator("tdp_w", "watt_per_mm2")
    @classmethod
    def _ascends(cls, bounds: tuple[float, float]) -> tuple[float, float]:
        if bounds[0] >= bounds[1]:
            raise ValueError(f"{list(bounds)}: the lower bound comes first")
        return bounds


class HardwareSettings(Strict):
    """Thresholds and limits of the hardware database.

    Attributes:
        tiers: name → least dense FP16 rate of matrix units per watt [TFLOP/s per W], the best first.
        categories: name → least dense FP16 rate of matrix units [TFLOP/s], the best first.
        segments: use → what it asks of an accelerator.
        imputation: when a figure may be guessed.
        min_results: MLPerf results that an efficiency is fitted to, at least.
        quality: tolerances of what is expected of figures.
    """

    tiers: Thresholds
    categories: Thresholds
    segments: Annotated[dict[str, SegmentSettings], Field(min_length=1)]
    imputation: ImputationSettings
    min_results: PositiveInt
    quality: QualitySettings

    @field_validator("segments")
    @classmethod
    def _by_name(cls, segments: dict[str, SegmentSettings]) -> dict[str, SegmentSettings]:
        return dict(sorted(segments.items()))

    _tiers = field_validator("tiers")(_descending(EFFICIENCY_TIERS))
    _categories = field_validator("categories")(_descending(PERFORMANCE_CATEGORIES))


# What stands in params.yaml.
SECTIONS: dict[str, Any] = {"hardware": HardwareSettings | None}
