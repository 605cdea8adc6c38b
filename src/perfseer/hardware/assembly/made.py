"""Tables ``metric_values`` and ``tiers``: what is made of figures."""

from perfseer.hardware.assembly.sourced import Numbers, Tables
from perfseer.hardware.efficiencies import Efficiencies
from perfseer.hardware.metric_registry import METRICS
from perfseer.hardware.metrics import compute_all, inference_cost
from perfseer.hardware.rows import Row
from perfseer.hardware.settings import HardwareSettings
from perfseer.hardware.specs import Specs
from perfseer.hardware.tiers import performance_categories, segments, tiers

# The metric that has an interval: of prices, not of figures.
_PRICED = "usd_per_million_inferences"


def add_metrics(tables: Tables, specs: Specs, efficiencies: Efficiencies, numbers: Numbers) -> None:
    """A row for each metric of each accelerator that has it, by accelerator and name."""
    made = compute_all(specs, efficiencies)
    cost = inference_cost(specs, efficiencies)
    rows: list[Row] = []
    for metric in METRICS:
        known = made.table[metric].dropna()
        told = made.status.loc[known.index, metric]
        for key, value, status in zip(known.index, known, told, strict=True):
            ends = {end: float(cost[end][key]) if metric == _PRICED else None for end in ("low", "high")}
            given = {"gpu_id": numbers.gpus[str(key)], "metric": metric, "value": float(value)}
            rows.append({**given, **ends, "status": str(status)})
    tables["metric_values"] = sorted(rows, key=lambda row: (row["gpu_id"], row["metric"]))


def add_tiers(tables: Tables, specs: Specs, settings: HardwareSettings, numbers: Numbers) -> None:
    """A row for each accelerator."""
    fits = segments(specs, settings)
    uses = [" ".join(fits.columns[row]) for row in fits.to_numpy(dtype=bool)]
    classes = zip(
        specs.table.index, tiers(specs, settings), performance_categories(specs, settings), uses, strict=True
    )
    tables["tiers"] = [
        {
            "gpu_id": numbers.gpus[str(key)],
            "efficiency_tier": tier,
            "performance_category": category,
            "segments": use,
        }
        for key, tier, category, use in classes
    ]
