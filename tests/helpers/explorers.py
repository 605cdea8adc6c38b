"""Accelerators that nobody makes, for a table of a page that people search."""

import numpy as np
import pandas as pd

from perfseer.reporting.explorer import Explorer, ExplorerColumn

SENTENCE = "All accelerators stand in the page for browsers."
COLUMNS = (
    ExplorerColumn("name", "Name", help="as its vendor writes it"),
    ExplorerColumn("vendor", "Vendor", filter="choice", help="who sells it today"),
    ExplorerColumn("generation", "Generation", filter="choice"),
    ExplorerColumn("category", "Category", filter="choice"),
    ExplorerColumn("year", "Launched", kind="number", filter="range", show=lambda year: f"{year:.0f}"),
    ExplorerColumn("fp16_tflops", "FP16", "TFLOP/s", "number", "range", "dense peak of matrix units"),
    ExplorerColumn("memory_gib", "Memory", "GiB", "number", "range", "of the whole card"),
    ExplorerColumn("tdp_w", "Power limit", "W", "number", "range", "of the whole card"),
)


def explorer(rows: pd.DataFrame) -> Explorer:
    return Explorer("accelerators", "accelerators", SENTENCE, COLUMNS, rows)


def few() -> pd.DataFrame:
    """Six, of which every order is known by heart."""
    rows = [
        ("Alpha 9", "Ayla", "One", "Desktop", 2018.0, 9.5, 8.0, 75.0),
        ("Alpha 10", "Ayla", "One", "Datacenter", 2020.25, 100.0, 16.0, 250.0),
        ("Beta", "Borea", "Two", "Datacenter", 2022.0, 1979.04, 80.0, 700.0),
        ("Gamma", "Borea", "", "Mobile", np.nan, np.nan, 4.0, np.nan),
        ("Delta", "Ayla", "Two", "Datacenter", 2024.5, 0.25, 80.0, 30.0),
        ("Épsilon", "Cyra", "Three", "Workstation", 2019.0, 250.4, 24.0, 300.0),
    ]
    return pd.DataFrame(rows, columns=[column.name for column in COLUMNS])


def many(n: int = 3200, seed: int = 0) -> pd.DataFrame:
    """As many as there are graphics cards, the same each time."""
    draw = np.random.default_rng(seed)
    vendors = draw.choice(["AMD", "ATI", "Intel", "NVIDIA", "Huawei"], n)
    tflops = np.exp(draw.normal(3, 2, n))
    tflops[draw.random(n) < 0.3] = np.nan
    return pd.DataFrame(
        {
            "name": [f"{vendor} Model {i * 7919 % n} X{i % 13}" for i, vendor in enumerate(vendors)],
            "vendor": vendors,
            "generation": [f"Generation {i}" for i in draw.integers(1, 40, n)],
            "category": draw.choice(["Desktop", "Mobile", "Workstation", "Datacenter"], n),
            "year": draw.integers(1999, 2026, n).astype(float),
            "fp16_tflops": tflops,
            "memory_gib": 2.0 ** draw.integers(0, 9, n),
            "tdp_w": draw.integers(5, 1200, n).astype(float),
        }
    )
