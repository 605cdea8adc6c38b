"""How figures of accelerators are known, counted over all of them and within each category."""

import pandas as pd

from perfseer.studies.hardware.study import HardwareStudy

STATUSES: tuple[str, ...] = ("observed", "derived", "imputed", "missing")
# Figures that are counted, and how they are called.
FIGURES: dict[str, str] = {
    "year": "year of launch",
    "memory_bytes": "memory",
    "bandwidth_bytes_per_s": "bandwidth",
    "bus_bits": "memory bus",
    "tdp_w": "TDP",
    "process_nm": "process",
    "die_mm2": "die area",
    "transistors": "transistors",
    "boost_clock_hz": "boost clock",
    "shaders": "FP32 lanes",
    "multiprocessors": "multiprocessors",
    "tensor_cores": "matrix units",
    "l2_bytes": "last shared cache",
    "link_bytes_per_s": "link",
    "fp64_flops": "FP64 vector",
    "fp32_flops": "FP32 vector",
    "fp16_vector_flops": "FP16 vector",
    "tf32_flops": "TF32 matrix",
    "fp16_flops": "FP16 matrix",
    "bf16_flops": "BF16 matrix",
    "int8_ops": "INT8 matrix",
    "fp8_flops": "FP8 matrix",
    "fp4_flops": "FP4 matrix",
    "g3d": "PassMark G3D",
    "cuda": "Geekbench CUDA",
    "opencl": "Geekbench OpenCL",
    "vulkan": "Geekbench Vulkan",
    "price_launch_usd": "price at launch",
    "price_retail_usd": "price in shops",
    "cloud_median_usd_per_h": "price on demand",
}


def by_status(study: HardwareStudy) -> pd.DataFrame:
    """Accelerators by status, a row per figure of `FIGURES`, a column per status of `STATUSES`."""
    status = study.specs.status[list(FIGURES)]
    return pd.DataFrame({name: (status == name).sum() for name in STATUSES})


def by_category(study: HardwareStudy) -> pd.DataFrame:
    """Per cent of a category's accelerators with the figure observed or derived, figure × category.

    The category ``sourced`` holds those that stand in the sourced table, whichever other they are in.
    """
    known = study.specs.status[list(FIGURES)].isin(("observed", "derived"))
    shares = (100 * known.groupby(_categories(study)).mean()).T
    if study.canonical.any():
        shares["sourced"] = 100 * known[study.canonical].mean()
    return shares


def members(study: HardwareStudy) -> "pd.Series[int]":
    """Accelerators of each category of `by_category`."""
    sizes = _categories(study).value_counts()
    sizes["sourced"] = int(study.canonical.sum())
    return sizes


def _categories(study: HardwareStudy) -> "pd.Series[str]":
    return study.specs.table["category"].replace("", "unknown")
