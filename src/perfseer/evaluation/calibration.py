"""How good a predictor is on a device it never saw, with so many models measured there."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from perfseer.data.dataset import Dataset
from perfseer.errors import require
from perfseer.evaluation.intervals import Interval, mean_interval
from perfseer.evaluation.metrics import mape_pct
from perfseer.forecast.calibration import calibrate, choose, measured_labels, measuring_cost_s
from perfseer.graphs.perfgraph import IntArray
from perfseer.predictors.base import Predictor
from perfseer.targets import TARGET_BY_NAME, TARGET_NAMES

# Half of the groups may be measured, the other half is what is judged: the same rows for every k.
_POOL_SHARE = 0.5
_INTERVAL_CONFIDENCE = 0.9


@dataclass(frozen=True)
class CurvePoint:
    """Accuracy on a device after so many measurements.

    Attributes:
        k: models measured there; 0 is the base alone, by the device's public figures if it knows any.
        mape_pct: mean absolute percentage error of models not measured, over seeds.
        coverage_pct: share of them inside their 90 % intervals, over seeds; None without intervals.
        measuring_s: seconds the k measurements take, roughly, mean over seeds.
        rows: judged per seed, mean.
    """

    k: int
    mape_pct: Interval
    coverage_pct: float | None
    measuring_s: float
    rows: float


def calibration_curve(
    base: Predictor,
    device_rows: Dataset,
    ks: Sequence[int] = (0, 5, 10, 20, 50),
    seeds: Sequence[int] = (0, 1, 2),
    *,
    target: str = "infer_time_ms",
    grouping: str = "architecture",
    confidence: float = 0.95,
) -> list[CurvePoint]:
    """Calibrate a base on k models of a device and judge it on models of groups that were not measured.

    Each seed deals the groups into a pool to choose from and rows to judge on. Which rows of the pool are
    measured is `choose`'s decision, so smaller k are the beginning of larger ones.

    Args:
        base: fitted without this device's rows, and without the judged groups where the table's reader is to
            take the figures as those of unseen models.
        device_rows: measured rows of one platform.
        ks: numbers of models.
        seeds: of the dealing.
        target: label.
        grouping: column of the rows that may not be in both parts, ``architecture`` or ``family``.
        confidence: of the interval of the error over seeds.

    Returns:
        One point per k, in order.

    Raises:
        PerfseerError: rows lack the grouping or the label, or the pool is smaller than the largest k.
    """
    require(grouping in device_rows.rows, f"rows have no column {grouping!r} to group by")
    rows = device_rows.subset(measured_labels(device_rows, target))
    deals = [_deal(rows.rows[grouping], seed) for seed in seeds]
    return [_point(base, rows, k, deals, target, confidence) for k in ks]


def _deal(groups: "pd.Series[str]", seed: int) -> tuple[IntArray, IntArray]:
    """Row numbers of the pool and of the judged part."""
    names = np.unique(groups.to_numpy(dtype=str))
    order = np.random.default_rng(seed).permutation(len(names))
    pool = set(names[order[: round(_POOL_SHARE * len(names))]])
    inside = groups.isin(pool).to_numpy()
    return np.flatnonzero(inside), np.flatnonzero(~inside)


def _point(
    base: Predictor,
    rows: Dataset,
    k: int,
    deals: Sequence[tuple[IntArray, IntArray]],
    target: str,
    confidence: float,
) -> CurvePoint:
    results = [_judged(base, rows.subset(pool), rows.subset(judged), k, target) for pool, judged in deals]
    errors, covered, seconds = zip(*results, strict=True)
    return CurvePoint(
        k=k,
        mape_pct=mean_interval(errors, confidence),
        coverage_pct=None if None in covered else float(np.mean(covered)),
        measuring_s=float(np.mean(seconds)),
        rows=float(np.mean([len(judged) for _, judged in deals])),
    )


def _judged(
    base: Predictor, pool: Dataset, judged: Dataset, k: int, target: str
) -> tuple[float, float | None, float]:
    """MAPE [%], coverage [%] if there are intervals, and the seconds of measuring."""
    phase = TARGET_BY_NAME[target].phase
    cost_s = measuring_cost_s(base, pool, (phase,))
    chosen = choose(pool, k, cost_s=cost_s, phase=phase)
    model = calibrate(base, pool.subset(chosen)) if k else base
    measured = judged.labels[:, TARGET_NAMES.index(target)]
    error, ends = (
        mape_pct(measured, model.predict(judged)[target]),
        model.intervals(judged, _INTERVAL_CONFIDENCE),
    )
    covered = None
    if ends is not None:
        inside = (ends[f"{target}_low"] <= measured) & (measured <= ends[f"{target}_high"])
        covered = float(100 * inside.mean())
    return error, covered, float(cost_s[chosen].sum())
