"""Derived metrics of all accelerators, computed and documented from their registry."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from perfseer.hardware.efficiencies import (
    Efficiencies,
    limits,
)
from perfseer.hardware.metric_registry import METRICS, SYMBOLS, Metric, cost_at
from perfseer.hardware.reference_models import REFERENCE_MODELS
from perfseer.hardware.specs import NUMBERS, Specs

MetricStatus = Literal["derived", "imputed", "uncalibrated", "missing"]
# Of values that are there.
METRIC_STATUSES: tuple[MetricStatus, ...] = ("derived", "imputed", "uncalibrated")


@dataclass(frozen=True)
class MetricTable:
    """All metrics of all accelerators.

    Attributes:
        table: key x metric, SI; NaN where unknown, never infinite.
        status: the same shape: derived (from published figures, and rules that hold), imputed (a guessed
            figure went in), uncalibrated (an efficiency nobody's result was fitted to went in) or missing.
    """

    table: pd.DataFrame
    status: pd.DataFrame


def compute_all(specs: Specs, efficiencies: Efficiencies | None = None) -> MetricTable:
    """All metrics of all accelerators.

    Args:
        specs: figures, published, derived or guessed.
        efficiencies: fitted to MLPerf results (`fit_efficiencies`); None: the defaults, and what rests on
            them is marked uncalibrated.
    """
    shares = efficiencies or Efficiencies()
    numbers = specs.table[list(NUMBERS)]
    guessed = specs.status[list(NUMBERS)] == "imputed"
    with_guesses = set(guessed.columns[guessed.any()])
    sure = numbers.mask(guessed) if with_guesses else numbers
    columns, statuses = {}, {}
    for metric in METRICS.values():
        found = _finite(metric.compute(numbers, shares))
        columns[metric.name] = found
        plain = found
        if with_guesses.intersection(metric.inputs):
            plain = _finite(metric.compute(sure, shares))
        statuses[metric.name] = _status(metric, numbers, found, plain, shares)
    return MetricTable(pd.DataFrame(columns), pd.DataFrame(statuses, index=numbers.index))


def inference_cost(specs: Specs, efficiencies: Efficiencies | None = None) -> pd.DataFrame:
    """US$ for a million images of ResNet-50 at the cheapest, the median and the dearest offer.

    Returns:
        Indexed by key, columns ``low``, ``median``, ``high``; NaN where there is no offer or no estimate.
    """
    shares = efficiencies or Efficiencies()
    return pd.DataFrame(
        {
            name: _finite(cost_at(f"cloud_{name}_usd_per_h")(specs.table, shares))
            for name in ("low", "median", "high")
        }
    )


def field_documentation() -> str:
    """The registry as Markdown: its symbols, then a row for each metric."""
    symbols = [f"- {symbol}: {meaning}" for symbol, meaning in SYMBOLS.items()]
    head = ["metric", "what it is", "formula", "shown in", "made of", "sources", "what to know"]
    rows = [
        [
            *(f"`{metric.name}`", metric.title, metric.formula, metric.display_unit),
            *(", ".join(f"`{name}`" for name in metric.inputs), metric.sources, metric.caveat),
        ]
        for metric in METRICS.values()
    ]
    lines = [head, ["--"] * len(head), *rows]
    return "\n".join([*symbols, "", *(f"| {' | '.join(cells)} |" for cells in lines)]) + "\n"


def _finite(found: pd.Series) -> pd.Series:
    return found.where(np.isfinite(found))


def _status(
    metric: Metric, values: pd.DataFrame, found: pd.Series, plain: pd.Series, shares: Efficiencies
) -> np.ndarray:
    uncalibrated = ~_calibrated(metric, values, shares) if metric.model else np.zeros(len(found), dtype=bool)
    return np.select(
        [found.isna(), found.ne(plain), uncalibrated], ["missing", "imputed", "uncalibrated"], "derived"
    )


def _calibrated(metric: Metric, values: pd.DataFrame, shares: Efficiencies) -> np.ndarray:
    """Whether the share of the limit that decides was fitted to results."""
    share, model = shares.of(metric.model), REFERENCE_MODELS[metric.model]
    if metric.name == "relative_latency_index":
        compute = values["fp16_flops"] / model.flops
        bandwidth = values["bandwidth_bytes_per_s"] / model.unit_bytes(2, batch=1)
    else:
        compute, bandwidth = limits(values, model)
    by_compute = (share.compute * compute <= share.bandwidth * bandwidth).to_numpy()
    return np.where(by_compute, share.n_compute > 0, share.n_bandwidth > 0)
