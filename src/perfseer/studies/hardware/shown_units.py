"""Units of figures: SI as they are stored, and those that people read."""

from dataclasses import dataclass

import pandas as pd

from perfseer.errors import require
from perfseer.hardware.specs import NUMBERS


@dataclass(frozen=True)
class Unit:
    """Of a figure.

    Attributes:
        si: it is stored in; empty for counts, scores and years.
        shown: in tables for people.
        factor: a shown value is the stored one divided by it.
    """

    si: str = ""
    shown: str = ""
    factor: float = 1.0


_FLOPS, _OPS = Unit("FLOP/s", "TFLOP/s", 1e12), Unit("OP/s", "TOP/s", 1e12)
_RATE, _CLOCK = Unit("byte/s", "GB/s", 1e9), Unit("Hz", "MHz", 1e6)
_USD, _HOURLY = Unit("US$", "US$"), Unit("US$/h", "US$/h")
UNITS: dict[str, Unit] = {
    **dict.fromkeys(NUMBERS, Unit()),
    **{name: _FLOPS for name in NUMBERS if name.endswith("_flops")},
    "int8_ops": _OPS,
    # 80 GB of memory are 80 × 2³⁰ bytes to vendors.
    "memory_bytes": Unit("byte", "GiB", 2.0**30),
    "l2_bytes": Unit("byte", "MiB", 2.0**20),
    "bandwidth_bytes_per_s": _RATE,
    "link_bytes_per_s": _RATE,
    "bus_bits": Unit("bit", "bit"),
    "tdp_w": Unit("W", "W"),
    "process_nm": Unit("nm", "nm"),
    "die_mm2": Unit("mm²", "mm²"),
    "transistors": Unit("", "1e9", 1e9),
    "base_clock_hz": _CLOCK,
    "boost_clock_hz": _CLOCK,
    "price_launch_usd": _USD,
    "price_retail_usd": _USD,
    "cloud_low_usd_per_h": _HOURLY,
    "cloud_median_usd_per_h": _HOURLY,
    "cloud_high_usd_per_h": _HOURLY,
}


def unit_of(figure: str) -> Unit:
    """Unit of any figure, also of those that no column holds, such as ``fp16_sparse_flops``.

    Raises:
        PerfseerError: nobody knows its unit.
    """
    if figure in UNITS:
        return UNITS[figure]
    ends = {"_flops": _FLOPS, "_ops": _OPS}
    found = [unit for end, unit in ends.items() if figure.endswith(end)]
    require(
        bool(found), f"the figure {figure!r} has no unit; known are {', '.join(UNITS)} and *_flops, *_ops"
    )
    return found[0]


def shown_value(figure: str, value: float) -> str:
    """A value in the unit that people read, without naming it."""
    return "" if pd.isna(value) else f"{value / unit_of(figure).factor:.5g}"


def in_shown_units(frame: pd.DataFrame) -> pd.DataFrame:
    """A table of figures in the units that people read, which its titles name."""
    known = {str(name): unit_of(str(name)) for name in frame.columns if name in UNITS}
    scaled = frame.assign(**{name: frame[name] / unit.factor for name, unit in known.items()})
    return scaled.rename(
        columns={name: f"{name} [{unit.shown}]" for name, unit in known.items() if unit.shown}
    )
