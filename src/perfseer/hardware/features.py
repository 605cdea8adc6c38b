"""The 46 normalised features of an accelerator that models learn from."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd

from perfseer.errors import require
from perfseer.hardware.efficiencies import ops8
from perfseer.hardware.specs import PEAKS, Specs

Make = Callable[[pd.DataFrame], pd.Series]


@dataclass(frozen=True)
class Feature:
    """One column.

    Attributes:
        name: of it.
        group: peaks, memory, process, power, ratios or kinds.
        meaning: in words; logarithms are natural.
        make: of `Specs.table`; NaN where a figure it needs is unknown.
    """

    name: str
    group: str
    meaning: str
    make: Make


def _log(name: str) -> Make:
    return lambda values: np.log(values[name].where(values[name] > 0))


def _log_ratio(above: str, below: str) -> Make:
    top, bottom = _log(above), _log(below)
    return lambda values: top(values) - bottom(values)


def _log_8bit_ratio(below: str) -> Make:
    bottom = _log(below)
    return lambda values: np.log(ops8(values).where(lambda rate: rate > 0)) - bottom(values)


def _plain(name: str) -> Make:
    return lambda values: values[name]


def _is(column: str, *names: str) -> Make:
    return lambda values: values[column].isin(names).astype("float64")


def _starts(column: str, start: str) -> Make:
    return lambda values: values[column].str.startswith(start).astype("float64")


_MAJOR = ("NVIDIA", "AMD", "Intel")


def _features() -> tuple[Feature, ...]:
    peaks = [Feature(f"ln_{name}", "peaks", f"ln of {text}", _log(name)) for name, text in PEAKS.items()]
    memory = {
        "ln_memory": ("size of memory", _log("memory_bytes")),
        "ln_bandwidth": ("its bandwidth", _log("bandwidth_bytes_per_s")),
        "ln_bus": ("width of its interface", _log("bus_bits")),
        "ln_pin_rate": (
            "bandwidth per line of the interface",
            _log_ratio("bandwidth_bytes_per_s", "bus_bits"),
        ),
        "ln_l2": ("last cache", _log("l2_bytes")),
        "ln_link": ("bandwidth to other accelerators", _log("link_bytes_per_s")),
    }
    process = {
        "ln_process": ("process, nm", _log("process_nm")),
        "ln_die": ("area of a die", _log("die_mm2")),
        "ln_transistors": ("transistors of a die", _log("transistors")),
        "ln_transistor_density": ("transistors per area", _log_ratio("transistors", "die_mm2")),
        "dies_per_card": ("dies of a card", _plain("dies_per_card")),
    }
    power = {
        "ln_tdp": ("power limit", _log("tdp_w")),
        "ln_boost_clock": ("boost clock", _log("boost_clock_hz")),
        "ln_clock_headroom": ("boost over base clock", _log_ratio("boost_clock_hz", "base_clock_hz")),
        "ln_tdp_per_multiprocessor": ("power per multiprocessor", _log_ratio("tdp_w", "multiprocessors")),
    }
    ratios = {
        "ln_fp32_per_watt": ("FP32 per watt", _log_ratio("fp32_flops", "tdp_w")),
        "ln_fp16_per_watt": ("FP16 per watt", _log_ratio("fp16_flops", "tdp_w")),
        "ln_ops8_per_watt": ("8 bits per watt", _log_8bit_ratio("tdp_w")),
        "ln_bandwidth_per_watt": ("bandwidth per watt", _log_ratio("bandwidth_bytes_per_s", "tdp_w")),
        "ln_ridge_fp32": ("FP32 over bandwidth", _log_ratio("fp32_flops", "bandwidth_bytes_per_s")),
        "ln_ridge_fp16": ("FP16 over bandwidth", _log_ratio("fp16_flops", "bandwidth_bytes_per_s")),
        "ln_fp16_over_fp32": ("FP16 over FP32", _log_ratio("fp16_flops", "fp32_flops")),
        "ln_ops8_over_fp16": ("8 bits over FP16", _log_8bit_ratio("fp16_flops")),
        "ln_fp32_per_area": ("FP32 per area of a die", _log_ratio("fp32_flops", "die_mm2")),
        "ln_l2_per_multiprocessor": ("cache per multiprocessor", _log_ratio("l2_bytes", "multiprocessors")),
    }
    kinds = {
        **{f"vendor_{name.lower()}": (f"sold by {name}", _is("vendor", name)) for name in _MAJOR},
        "vendor_other": ("sold by others", lambda values: 1.0 - _is("vendor", *_MAJOR)(values)),
        **{
            f"category_{name.lower()}": (f"category {name}", _is("category", name))
            for name in ("Desktop", "Mobile", "Workstation", "Datacenter", "Integrated")
        },
        "memory_hbm": ("stacked memory", _starts("memory_type", "HBM")),
        "memory_gddr": ("graphics memory", _starts("memory_type", "GDDR")),
        "memory_lpddr": ("memory of mobile devices", _starts("memory_type", "LPDDR")),
    }
    groups = {"memory": memory, "process": process, "power": power, "ratios": ratios, "kinds": kinds}
    return (
        *peaks,
        *(
            Feature(name, group, f"ln of {meaning}" if name.startswith("ln_") else meaning, make)
            for group, members in groups.items()
            for name, (meaning, make) in members.items()
        ),
    )


FEATURES: Mapping[str, Feature] = MappingProxyType({feature.name: feature for feature in _features()})


def raw_features(specs: Specs) -> pd.DataFrame:
    """All features before scaling, key x feature; NaN where a figure is unknown."""
    return pd.DataFrame({name: feature.make(specs.table) for name, feature in FEATURES.items()})


@dataclass(frozen=True)
class FeatureScaler:
    """Mean and standard deviation of each feature over training accelerators.

    Attributes:
        mean: of each feature, over the training accelerators that have it; 0 where none has.
        sd: population standard deviation; 1 where it is constant or unknown, so that scaling gives 0.
    """

    mean: pd.Series
    sd: pd.Series

    @classmethod
    def fit(cls, specs: Specs, training_keys: Collection[str]) -> "FeatureScaler":
        """From the training accelerators and nothing else.

        Raises:
            PerfseerError: there are none, or one is not among the specifications.
        """
        keys = list(dict.fromkeys(training_keys))
        require(bool(keys), "no training accelerators; at least one is needed")
        unknown = [key for key in keys if key not in specs.table.index]
        require(not unknown, f"training accelerators {unknown[:5]} are not among the specifications")
        training = raw_features(Specs(specs.table.loc[keys], specs.status.loc[keys]))
        sd = training.std(ddof=0)
        # A constant's spread is what rounding leaves of it.
        varies = sd > 1e-9 * training.abs().max().clip(lower=1.0)
        return cls(training.mean().fillna(0.0), sd.where(varies, 1.0))

    def transform(self, specs: Specs) -> pd.DataFrame:
        """z-scores, key x feature; NaN where a figure is unknown."""
        return (raw_features(specs) - self.mean) / self.sd
