"""What share of its peaks an accelerator reaches on reference models, fitted to MLPerf results."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import pandas as pd

from perfseer.errors import require
from perfseer.hardware.reference_models import REFERENCE_MODELS, ReferenceModel
from perfseer.hardware.specs import Specs

RESULT_COLUMNS = ("key", "benchmark", "scenario", "per_accelerator")
# Share of the peak against the bandwidth in the blended roofline of language models (exponents).
ALPHA_LLM = 0.6
# Where no result says otherwise: dense networks reach about half of the peak, reading most of the bandwidth.
DEFAULT_COMPUTE, DEFAULT_BANDWIDTH = 0.45, 0.7
# Few results give a median that one submitter moves.
LEAST_RESULTS = 5


@dataclass(frozen=True)
class Efficiency:
    """Shares of the two peaks reached on one model.

    They may exceed 1: tuned networks keep in caches what is counted here, and Jetson modules run vision on
    their deep-learning accelerators too, which the peak of their GPU leaves out.

    Attributes:
        compute: of the peak of the precision it runs in.
        bandwidth: of the memory's bandwidth.
        n_compute: accelerators `compute` was fitted to; 0: it is the default.
        n_bandwidth: accelerators `bandwidth` was fitted to; 0: it is the default.
    """

    compute: float = DEFAULT_COMPUTE
    bandwidth: float = DEFAULT_BANDWIDTH
    n_compute: int = 0
    n_bandwidth: int = 0


@dataclass(frozen=True)
class Efficiencies:
    """By reference model; `Efficiency()` for those nothing was fitted to."""

    by_model: Mapping[str, Efficiency] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, model: str) -> Efficiency:
        """The shares of one model."""
        return self.by_model.get(model, Efficiency())


def larger(first: pd.Series, second: pd.Series) -> pd.Series:
    """The larger of two figures, or the one that is known."""
    return pd.Series(np.fmax(first, second), index=first.index)


def ops8(values: pd.DataFrame) -> pd.Series:
    """Best dense peak of matrix units at 8 bits, INT8 or FP8, OP/s."""
    return larger(values["int8_ops"], values["fp8_flops"])


def inference_peak(values: pd.DataFrame) -> pd.Series:
    """The peak inference runs at: 8 bits where there is such a peak, else FP16 of the matrix units, OP/s."""
    return ops8(values).fillna(values["fp16_flops"])


def limits(values: pd.DataFrame, model: ReferenceModel) -> tuple[pd.Series, pd.Series]:
    """Units of a model per second that the peak and the bandwidth allow at most.

    A number takes a byte where the accelerator computes in 8 bits and two where it does not.
    """
    eight = ops8(values).notna()
    moved = pd.Series(np.where(eight, model.unit_bytes(1), model.unit_bytes(2)), index=values.index)
    compute = inference_peak(values) / model.flops
    return compute.where(compute > 0), (values["bandwidth_bytes_per_s"] / moved).where(lambda rate: rate > 0)


def blended(compute: pd.Series, bandwidth: pd.Series) -> pd.Series:
    """Geometric mean of two limits, weighted by `ALPHA_LLM`."""
    return compute**ALPHA_LLM * bandwidth ** (1 - ALPHA_LLM)


def fit_efficiencies(
    results: pd.DataFrame, specs: Specs, *, least_results: int = LEAST_RESULTS
) -> Efficiencies:
    """Fit shares of peaks to observed throughput.

    An accelerator counts once, by the median of its results in the Offline scenario. In vision and BERT it
    says something of the limit that is lower for it (at the default shares): the median over those with the
    same limit is the share. In Llama both limits act together, so one share stands for both.

    Args:
        results: `RESULT_COLUMNS`; ``per_accelerator`` in units of the model per second.
        specs: published figures; guessed ones are not used.
        least_results: accelerators that a share is fitted to, at least; with fewer it stays the default.

    Raises:
        PerfseerError: a column is missing, or a throughput is not a positive number.
    """
    missing = [name for name in RESULT_COLUMNS if name not in results.columns]
    require(not missing, f"results lack the columns {missing}; expected {', '.join(RESULT_COLUMNS)}")
    rate = results["per_accelerator"].astype("float64")
    bad = int((~(np.isfinite(rate) & (rate > 0))).sum())
    require(bad == 0, f"{bad} results are not positive numbers; leave them out before fitting")
    known = specs.table.copy()
    for name in specs.status.columns:
        known[name] = known[name].where(specs.status[name] != "imputed")
    offline = results[results["scenario"].str.lower() == "offline"]
    fitted = {
        model.name: _fitted(model, offline[offline["benchmark"].isin(model.benchmarks)], known, least_results)
        for model in REFERENCE_MODELS.values()
    }
    return Efficiencies(MappingProxyType(fitted))


def _fitted(model: ReferenceModel, results: pd.DataFrame, values: pd.DataFrame, least: int) -> Efficiency:
    default = Efficiency()
    observed = results.groupby("key")["per_accelerator"].median().reindex(values.index)
    compute, bandwidth = limits(values, model)
    if model.name == "llama2_70b":
        shares = (observed / blended(compute, bandwidth)).dropna()
        if len(shares) < least:
            return default
        share = float(shares.median())
        return Efficiency(share, share, len(shares), len(shares))
    by_compute = default.compute * compute <= default.bandwidth * bandwidth
    of_peak = (observed / compute)[by_compute].dropna()
    of_bandwidth = (observed / bandwidth)[~by_compute].dropna()
    compute_share, n_compute = _median(of_peak, default.compute, least)
    bandwidth_share, n_bandwidth = _median(of_bandwidth, default.bandwidth, least)
    return Efficiency(compute_share, bandwidth_share, n_compute, n_bandwidth)


def _median(shares: pd.Series, default: float, least: int) -> tuple[float, int]:
    return (float(shares.median()), len(shares)) if len(shares) >= least else (default, 0)
