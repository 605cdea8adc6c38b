"""Efficiency tiers, performance categories and uses, by the thresholds of params.yaml."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from perfseer.hardware.efficiencies import ops8
from perfseer.hardware.settings import HardwareSettings, SegmentSettings
from perfseer.hardware.specs import Specs

_TERA, _GIGA = 1e12, 1e9


def tiers(specs: Specs, settings: HardwareSettings) -> pd.Series:
    """The efficiency tier of each accelerator, "" where FP16 of matrix units or power is unknown.

    By dense FP16 of the matrix units per watt of the power limit.
    """
    values = specs.table
    watts = values["tdp_w"].where(values["tdp_w"] > 0)
    return _named(values["fp16_flops"] / watts / _TERA, settings.tiers).rename("tier")


def performance_categories(specs: Specs, settings: HardwareSettings) -> pd.Series:
    """The performance category of each, "" where FP16 of matrix units is unknown."""
    return _named(specs.table["fp16_flops"] / _TERA, settings.categories).rename("performance_category")


def segments(specs: Specs, settings: HardwareSettings) -> pd.DataFrame:
    """For which uses each accelerator is fit: key x segment.

    A figure that nobody knows does not meet a bound. An accelerator may be fit for several uses, or for none.
    """
    return pd.DataFrame(
        {name: _fits(specs.table, asked) for name, asked in settings.segments.items()},
        index=specs.table.index,
    )


def segment_conditions(settings: HardwareSettings) -> dict[str, str]:
    """What each use asks, in words."""
    return {name: ", ".join(_words(asked)) for name, asked in settings.segments.items()}


def _named(numbers: pd.Series, thresholds: Mapping[str, float]) -> pd.Series:
    """The first name whose threshold is reached; thresholds descend to 0."""
    conditions = [(numbers >= least).to_numpy() for least in thresholds.values()]
    return pd.Series(np.select(conditions, list(thresholds), ""), index=numbers.index)


# Field of `SegmentSettings` → the figure it bounds from below, in the field's unit.
_AT_LEAST: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "fp16_tflops": lambda values: values["fp16_flops"] / _TERA,
    "ops8_tops": lambda values: ops8(values) / _TERA,
    "fp32_tflops": lambda values: values["fp32_flops"] / _TERA,
    "memory_gb": lambda values: values["memory_bytes"] / _GIGA,
    "bandwidth_gb_per_s": lambda values: values["bandwidth_bytes_per_s"] / _GIGA,
    "g3d": lambda values: values["g3d"],
}
_WORDS = {
    "fp16_tflops": "FP16 of matrix units ≥ {:g} TFLOP/s",
    "ops8_tops": "8 bits of matrix units ≥ {:g} TOP/s",
    "fp32_tflops": "FP32 ≥ {:g} TFLOP/s",
    "memory_gb": "memory ≥ {:g} GB",
    "bandwidth_gb_per_s": "bandwidth ≥ {:g} GB/s",
    "g3d": "G3D Mark ≥ {:g}",
}


def _fits(values: pd.DataFrame, asked: SegmentSettings) -> pd.Series:
    fits = pd.Series(True, index=values.index)
    for name, figure in _AT_LEAST.items():
        least = getattr(asked, name)
        if least is not None:
            fits &= figure(values) >= least
    if asked.tdp_at_most_w is not None:
        fits &= values["tdp_w"] <= asked.tdp_at_most_w
    if asked.bf16:
        fits &= values["bf16_flops"] > 0
    if asked.categories:
        fits &= values["category"].isin(asked.categories)
    return fits


def _words(asked: SegmentSettings) -> list[str]:
    words = [text.format(getattr(asked, name)) for name, text in _WORDS.items() if getattr(asked, name)]
    if asked.tdp_at_most_w is not None:
        words.append(f"power limit ≤ {asked.tdp_at_most_w:g} W")
    if asked.bf16:
        words.append("BF16 in matrix units")
    if asked.categories:
        words.append(f"one of {', '.join(asked.categories)}")
    return words
