"""Epoch AI's "Machine Learning Hardware": peaks, memory, power, prices of 170 accelerators, January 2026."""

from typing import ClassVar

import pandas as pd

from perfseer.data.download import RemoteFile
from perfseer.hardware.checks import Checks
from perfseer.hardware.csv_source import CsvSource
from perfseer.hardware.source import Reading

_COMMIT = "cf2a707eda0708b61567f5b00490ffe666684b94"
# Column of the file → ours, for peaks in operations per second.
_PEAKS = {
    "Tensor-FP16/BF16 performance (FLOP/s)": "fp16_matrix_flops",
    "FP8 performance (FLOP/s)": "fp8_flops",
    "FP4 performance (FLOP/s)": "fp4_flops",
    "FP64 (double precision) performance (FLOP/s)": "fp64_flops",
    "FP32 (single precision) performance (FLOP/s)": "fp32_flops",
    "TF32 (TensorFloat-32) performance (FLOP/s)": "tf32_flops",
    "FP16 (half precision) performance (FLOP/s)": "fp16_mixed_flops",
    "INT16 performance (OP/s)": "int16_ops",
    "INT8 performance (OP/s)": "int8_ops",
    "INT4 performance (OP/s)": "int4_ops",
}
# Epoch's own ratios; recomputed here, not passed on.
_MOST_PEAK, _LEARNING = "Max performance", "ML OP/s"
_PER_WATT, _PER_DOLLAR = "Energy efficiency", "Price-performance"
_DERIVED = (_MOST_PEAK, _PER_WATT, "Total processing performance (bit-OP/s)", _PER_DOLLAR, _LEARNING)
_LEAST_RATE, _MOST_RATE = 1e9, 1e18
_TOLERANCE = 0.01


class Epoch(CsvSource):
    """A row for each accelerator that trained a notable model, and others of their time."""

    name = "epoch"
    title = 'Epoch AI, "Machine Learning Hardware", January 2026'
    licence = "CC BY 4.0"
    url = "https://epoch.ai/data/machine-learning-hardware"
    shipped = "epoch"
    published = "2026-01"
    files: ClassVar[tuple[RemoteFile, ...]] = (
        RemoteFile(
            folder="hardware",
            name="epoch_ml_hardware_2026-01.csv",
            url=f"https://raw.githubusercontent.com/joshyou/clod/{_COMMIT}/ml_hardware.csv",
            sha256="e90bfa9e4c005381c1f45f3554aeebc0b6997f98c6da87584a966d9be488457e",
            n_bytes=93101,
            licence="CC BY 4.0",
        ),
    )
    header = (
        *("Hardware name", "Manufacturer", "Type", "Notes", "Release date", "Release price (USD)"),
        *("Memory (bytes)", "Memory bandwidth (byte/s)", "Intranode bandwidth (byte/s)"),
        *("Internode bandwidth (bit/s)", "TDP (W)", *_PEAKS, "Foundry", "Die Size (mm^2)"),
        *("Base clock (MHz)", "Boost clock (MHz)", "Memory clock (MHz)", "Memory bus (bit)", "Tensor cores"),
        *("Process size (nm)", "Transistors (millions)", "Link to datasheet", "Source for the price"),
        *("ML models", "Last modified", *_DERIVED),
    )
    columns: ClassVar[dict[str, str]] = {
        "name": "as Epoch writes it, mostly with the vendor; unique",
        "manufacturer": "as Epoch writes it; empty for one",
        "kind": "GPU, TPU, NPU …, as Epoch has it; empty where unknown",
        "launched": "day of release, ISO text; empty where unknown",
        "foundry": "who makes the die; empty where unknown",
        "price_launch_usd": "at release, US$",
        "fp16_matrix_flops": "peak in FP16 or BF16, matrix units, dense, FLOP/s; GeForce: FP16 accumulate",
        "fp8_flops": "peak in FP8, dense, FLOP/s",
        "fp4_flops": "peak in FP4, dense, FLOP/s",
        "fp64_flops": "peak in FP64, FLOP/s",
        "fp32_flops": "peak in FP32, vector units, FLOP/s",
        "tf32_flops": "peak in TF32, matrix units, dense, FLOP/s",
        "fp16_mixed_flops": "peak in FP16, FLOP/s: vector units for some (Titan V), matrix for others (T4)",
        "int16_ops": "peak in INT16, OP/s",
        "int8_ops": "peak in INT8, OP/s",
        "int4_ops": "peak in INT4, OP/s",
        "memory_bytes": "bytes, with 1 GB as 10⁹: 80 GB are 80,000,000,000 here, 80 x 2³⁰ in other sources",
        "bandwidth_bytes_per_s": "of the memory, byte/s",
        "link_bytes_per_s": "to accelerators of the same node, byte/s, as Epoch has it",
        "network_bytes_per_s": "to other nodes, byte/s (the file: bit/s)",
        "tdp_w": "W",
        "die_mm2": "mm²",
        "base_clock_hz": "Hz",
        "boost_clock_hz": "Hz",
        "memory_clock_hz": "Hz",
        "bus_bits": "width of the memory interface, bit",
        "tensor_cores": "matrix units",
        "process_nm": "name of the process, nm",
        "transistors": "as Epoch has it: of the package where it holds several dies",
        "datasheet": "addresses of the datasheets, as Epoch has them",
        "price_source": "where the price is from, in Epoch's words",
        "notes": "Epoch's, with line breaks",
        "modified": "when Epoch last changed the row, ISO text",
    }

    def read(self) -> Reading:
        """All accelerators, outliers too; see `HardwareSource.read`."""
        cells = self.checked_cells()
        checks = Checks(cells.table)
        rows = pd.concat([_texts(checks), _numbers(checks), _peaks(checks)], axis=1)
        checks.unique(["Hardware name"], folded=True)
        most = checks.number(_MOST_PEAK, 0, _MOST_RATE, "OP/s")
        learning = checks.number(_LEARNING, 0, _MOST_RATE, "OP/s")
        per_watt = checks.number(_PER_WATT, 0, _MOST_RATE, "OP/s/W")
        per_dollar = checks.number(_PER_DOLLAR, 0, _MOST_RATE, "OP/s/US$")
        return checks.reading(
            rows[list(self.columns)],
            findings={
                "Max performance is not the greatest peak within 1 %": _differ(
                    rows[list(_PEAKS.values())].max(axis=1), most
                ),
                "Energy efficiency is not Max performance / TDP within 1 %": _differ(
                    most / rows["tdp_w"], per_watt
                ),
                "Price-performance is not ML OP/s / price within 1 %": _differ(
                    learning / rows["price_launch_usd"], per_dollar
                ),
            },
            where=cells.where,
        )


def _texts(checks: Checks) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "name": checks.name("Hardware name"),
            "manufacturer": checks.text("Manufacturer"),
            "kind": checks.text("Type"),
            "launched": checks.date("Release date"),
            "foundry": checks.text("Foundry"),
            "datasheet": checks.note("Link to datasheet"),
            "price_source": checks.note("Source for the price"),
            "notes": checks.note("Notes"),
            "modified": checks.text("Last modified"),
        }
    )


def _numbers(checks: Checks) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "price_launch_usd": checks.number("Release price (USD)", 10, 1_000_000, "US$"),
            "memory_bytes": checks.number("Memory (bytes)", 1e6, 1e13, "bytes"),
            "bandwidth_bytes_per_s": checks.number("Memory bandwidth (byte/s)", 1e9, 1e15, "byte/s"),
            "link_bytes_per_s": checks.number("Intranode bandwidth (byte/s)", 1e8, 1e14, "byte/s"),
            "network_bytes_per_s": checks.number(
                "Internode bandwidth (bit/s)", 1e9, 1e14, "bit/s", scale=0.125
            ),
            "tdp_w": checks.number("TDP (W)", 1, 50_000, "W"),
            "die_mm2": checks.number("Die Size (mm^2)", 1, 100_000, "mm²"),
            "base_clock_hz": checks.number("Base clock (MHz)", 10, 10_000, "MHz", scale=1e6),
            "boost_clock_hz": checks.number("Boost clock (MHz)", 10, 10_000, "MHz", scale=1e6),
            "memory_clock_hz": checks.number("Memory clock (MHz)", 10, 20_000, "MHz", scale=1e6),
            "bus_bits": checks.number("Memory bus (bit)", 8, 65_536, "bit"),
            "tensor_cores": checks.number("Tensor cores", 1, 1_000_000, "", whole=True),
            "process_nm": checks.number("Process size (nm)", 1, 1_000, "nm"),
            "transistors": checks.number("Transistors (millions)", 1, 10_000_000, "million", scale=1e6),
        }
    )


def _peaks(checks: Checks) -> pd.DataFrame:
    return pd.DataFrame(
        {
            ours: checks.number(column, _LEAST_RATE, _MOST_RATE, column.rpartition("(")[2].rstrip(")"))
            for column, ours in _PEAKS.items()
        }
    )


def _differ(own: "pd.Series[float]", published: "pd.Series[float]") -> "pd.Series[bool]":
    """Where both are known and differ."""
    return (own - published).abs() > _TOLERANCE * published.abs()
