"""What a measurement was made on: device, precision, layout, mode, software; as identity and as features."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Self, get_args

import numpy as np
import pandas as pd

from perfseer.data.devices import DeviceSpec, device_spec, device_specs
from perfseer.errors import PerfseerError, require
from perfseer.graphs.perfgraph import FloatArray
from perfseer.plain_data import json_object

PRECISIONS: tuple[str, ...] = ("fp32", "tf32", "amp-fp16", "bf16", "amp-bf16", "fp16")
Mode = Literal["eager", "compiled", "cuda-graphs"]
MODES: tuple[Mode, ...] = get_args(Mode)
# Columns of a measurement table that say on which platform a row was measured.
ROW_COLUMNS: tuple[str, ...] = ("device", "device_kind", "precision", "memory_format", "mode", "environment")


@dataclass(frozen=True)
class Platform:
    """One setting in which labels are comparable.

    Attributes:
        device: name; of a device in the catalogue always the name there, whatever spelling was given.
        device_kind: ``cpu`` or ``cuda``.
        precision: one of `PRECISIONS`.
        memory_format: ``nchw`` or ``nhwc``.
        mode: ``eager``, ``compiled``, or ``cuda-graphs``: an eager step recorded once and replayed, which
            nobody here has measured.
        software: framework and its build, for example ``torch 2.4.0 cu124``.
        units: cores or multiprocessors in use, where those are not the whole of a known device; else None.
    """

    device: str
    device_kind: Literal["cpu", "cuda"]
    precision: str
    memory_format: Literal["nchw", "nhwc"]
    mode: Mode
    software: str
    units: int | None = None

    def __post_init__(self) -> None:
        allowed: dict[str, tuple[str, ...]] = {
            "device_kind": ("cpu", "cuda"),
            "precision": PRECISIONS,
            "memory_format": ("nchw", "nhwc"),
            "mode": MODES,
        }
        for name, values in allowed.items():
            found = getattr(self, name)
            require(found in values, f"platform has {name} {found!r}, expected one of {', '.join(values)}")
        require(bool(self.device), "platform has no device: name one, for example rtx3090")
        require(self.units is None or self.units > 0, f"platform has {self.units} units, expected at least 1")
        spec = self.spec
        if spec is not None:
            require(
                spec.kind == self.device_kind,
                f"platform has device_kind {self.device_kind}, but {self.device} is of kind {spec.kind}",
            )
            object.__setattr__(self, "device", spec.name)
            if self.units == spec.multiprocessors:
                object.__setattr__(self, "units", None)

    @cached_property
    def spec(self) -> DeviceSpec | None:
        """Published figures of its device; None where the catalogue has none."""
        return device_spec(self.device)

    @cached_property
    def torch_version(self) -> tuple[int, int]:
        """Major and minor version of torch; (0, 0) where the software does not say."""
        found = re.search(r"torch (\d+)\.(\d+)", self.software)
        return (int(found[1]), int(found[2])) if found else (0, 0)

    @cached_property
    def key(self) -> str:
        """Short name for files, tables and groups, for example ``rtx3090-amp-fp16-nchw-eager-torch2.4``."""
        spec = self.spec
        device = spec.key if spec else re.sub(r"[^a-z0-9]+", "-", self.device.lower()).strip("-")
        units = [f"{self.units}units"] if self.units else []
        major, minor = self.torch_version
        software = f"torch{major}.{minor}" if major else "torch-unknown"
        return "-".join([device, *units, self.precision, self.memory_format, self.mode, software])

    @classmethod
    def of_rows(cls, rows: pd.DataFrame) -> list[Self]:
        """The platform of every row.

        Args:
            rows: n rows with the columns `ROW_COLUMNS` of a measurement table.

        Returns:
            n platforms; equal rows share one object.

        Raises:
            PerfseerError: a column is missing, or holds what no platform has.
        """
        missing = [name for name in ROW_COLUMNS if name not in rows.columns]
        require(not missing, f"rows lack the columns {missing}, which say what they were measured on")
        known: dict[tuple[str, ...], Self] = {}
        keys = list(zip(*(rows[name].astype(str) for name in ROW_COLUMNS), strict=True))
        return [known[key] if key in known else known.setdefault(key, cls._of_row(*key)) for key in keys]

    @classmethod
    def _of_row(
        cls, device: str, device_kind: str, precision: str, layout: str, mode: str, environment: str
    ) -> Self:
        facts = _facts(environment)
        units = facts.get("threads" if device_kind == "cpu" else "multiprocessors")
        return cls(
            device,
            "cpu" if device_kind == "cpu" else "cuda",
            precision,
            "nhwc" if layout == "nhwc" else "nchw",
            next((known for known in MODES if known == mode), "eager"),
            _software(facts),
            units if isinstance(units, int) and units > 0 else None,
        )


def _facts(environment: str) -> dict[str, object]:
    facts = json_object(environment)
    if facts is None:
        raise PerfseerError(
            f"a row has the environment {str(environment)[:60]!r}, expected a JSON object with `torch`"
        )
    return facts


def _software(facts: dict[str, object]) -> str:
    """``torch 2.4.0 cu124`` of a fingerprint, whichever way it says CUDA's version."""
    version, _, build = str(facts.get("torch") or "unknown").partition("+")
    cuda = facts.get("cuda")
    if cuda:
        build = "cu" + str(cuda).removeprefix("cu").replace(".", "")
    return " ".join(filter(None, ["torch", version, build]))


_RATES = ("peak_flops", "fp32_flops", "bandwidth", "memory", "multiprocessors", "clock", "l2", "tdp")
_FLAGS: dict[str, Callable[[Platform], bool]] = {
    "is_cuda": lambda platform: platform.device_kind == "cuda",
    "is_16_bit": lambda platform: platform.precision.endswith("16"),
    "is_bf16": lambda platform: platform.precision.endswith("bf16"),
    "is_tf32": lambda platform: platform.precision == "tf32",
    "is_autocast": lambda platform: platform.precision.startswith("amp-"),
    "is_nhwc": lambda platform: platform.memory_format == "nhwc",
    "is_compiled": lambda platform: platform.mode == "compiled",
    "is_unknown_device": lambda platform: platform.spec is None,
    "is_unknown_software": lambda platform: platform.torch_version[0] == 0,
}
PLATFORM_COLUMNS: tuple[str, ...] = (
    *(f"ln_{name}" for name in _RATES),
    "ln_flops_per_byte",
    "ln_watts_per_flops",
    "torch_version",
    *_FLAGS,
)


def platform_features(platforms: Sequence[Platform]) -> FloatArray:
    """What a learner is told about platforms.

    Rates are natural logarithms of published figures in SI units: the dense peak at the platform's
    precision, the FP32 peak, bandwidth, memory, multiprocessors, clock, last-level cache, power limit,
    peak over bandwidth, and power over peak. The version of torch is major + minor / 100. A device that
    the catalogue does not have gets the median of those that resemble it, and a flag.

    Returns:
        [P, F] float64, columns `PLATFORM_COLUMNS`, finite.
    """
    rows = [_feature_row(platform) for platform in platforms]
    return np.asarray(rows, dtype=np.float64).reshape(len(rows), len(PLATFORM_COLUMNS))


def _feature_row(platform: Platform) -> list[float]:
    rates = _log_rates(platform)
    major, minor = platform.torch_version
    version = major + minor / 100 if major else _TYPICAL_TORCH
    ratios = rates[0] - rates[2], rates[_RATES.index("tdp")] - rates[0]
    return [*rates, *ratios, version, *(float(flag(platform)) for flag in _FLAGS.values())]


# Told of software that does not say its version, beside the flag.
_TYPICAL_TORCH = 2.04
_NEIGHBOURS = 5


def _log_rates(platform: Platform) -> FloatArray:
    """[8] logarithms of `_RATES`; an unknown device's are its neighbours' median."""
    known = [spec for spec in device_specs() if spec.kind == platform.device_kind]
    table = np.log([_rates(spec, platform.precision) for spec in known])
    counts = table[:, _RATES.index("multiprocessors")]
    spec = platform.spec
    if spec is not None:
        rates = table[known.index(spec)]
    elif platform.units is None:
        rates = np.median(table, axis=0)
    else:
        nearest = np.argsort(np.abs(counts - np.log(platform.units)), kind="stable")[:_NEIGHBOURS]
        rates = np.median(table[nearest], axis=0)
    return rates if platform.units is None else _scaled(rates, platform.units)


def _scaled(rates: FloatArray, units: int) -> FloatArray:
    """Rates of ``units`` cores or multiprocessors: compute goes with their number, what they share stays."""
    shift = np.log(units) - rates[_RATES.index("multiprocessors")]
    moves = [name in ("peak_flops", "fp32_flops", "multiprocessors") for name in _RATES]
    return np.asarray(rates + shift * np.asarray(moves))


def _rates(spec: DeviceSpec, precision: str) -> list[float]:
    return [
        spec.peak_flops(precision),
        spec.fp32_flops,
        spec.bandwidth_bytes_per_s,
        spec.memory_bytes or _TYPICAL_CPU_MEMORY,
        spec.multiprocessors,
        spec.clock_hz,
        spec.l2_bytes,
        spec.tdp_w,
    ]


# Of a CPU the memory is the machine's, which no data sheet knows.
_TYPICAL_CPU_MEMORY = 64 * 2.0**30
